//! The server functions of imports.

use contract::{
    import::{ImportId, ImportView, Mapping, NewUpload, UploadView},
    jobs::JobId,
};
use leptos::prelude::*;
use uuid::Uuid;

use super::sheet::{Export, Look, Sheet};
use crate::rpc::{ApiError, Json, Rpc};

/// The imports into a managed database, newest first.
#[server(prefix = "/rpc", endpoint = "list_imports", protocol = Rpc)]
pub async fn list_imports(target: String) -> Result<Vec<ImportView>, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.import().list(&caller, &target).await }).await
}

/// Begins an import of a file on the server (`path`) or of an upload; its inspection starts at once. A plain form can
/// send this: it leads on to the import's page, or back to the list, whose URL then says why not.
#[server(prefix = "/rpc", endpoint = "create_import", output = Json)]
pub async fn create_import(
    target: String,
    path: Option<String>,
    upload: Option<Uuid>,
) -> Result<ImportView, ApiError> {
    use contract::{
        Code, Fault,
        import::{ImportFile, NewImport},
    };

    use crate::{address::link, rpc, session::lead_to};

    let file = match (path.filter(|path| !path.is_empty()), upload) {
        (Some(path), None) => Ok(ImportFile::Server(path)),
        (None, Some(upload)) => Ok(ImportFile::Upload(upload)),
        _ => Err(rpc::refuse(
            Fault::new(Code::Invalid, "No file is chosen.").hint("Choose one file of the list."),
        )),
    };
    let outcome = match file {
        Ok(file) => {
            let new = NewImport {
                target: target.clone(),
                file,
            };
            rpc::call(|engine, caller| async move { engine.import().create(&caller, new).await }).await
        }
        Err(error) => Err(error),
    };
    match &outcome {
        Ok(import) => lead_to(&super::import_link(&import.target, import.id)),
        Err(ApiError(fault)) => lead_to(&format!(
            "{}?refused={}",
            link(&target, "import"),
            super::refusal::refusal_word(fault.code)
        )),
    }
    outcome
}

/// What the page of an import shows of it.
#[server(prefix = "/rpc", endpoint = "view_import", protocol = Rpc)]
pub async fn view_import(id: ImportId, look: Look) -> Result<Sheet, ApiError> {
    crate::rpc::call(|engine, caller| async move {
        let detail = engine.import().detail(&caller, id).await?;
        let job = match detail.import.job {
            // A job that is not kept any more is no reason to show nothing.
            Some(job) => engine
                .jobs()
                .detail(&caller, job)
                .await
                .ok()
                .map(|detail| detail.job),
            None => None,
        };
        Ok(super::slice::sheet(detail, job, &look))
    })
    .await
}

/// A part of an import as the text of a file.
#[server(prefix = "/rpc", endpoint = "export_import", protocol = Rpc)]
pub async fn export_import(id: ImportId, what: Export) -> Result<String, ApiError> {
    let detail =
        crate::rpc::call(|engine, caller| async move { engine.import().detail(&caller, id).await }).await?;
    super::export::text(&detail, what).map_err(crate::rpc::refuse)
}

/// Saves what is decided, and rehearses every statement in a transaction that is rolled back, as a job. `seen` is the
/// revision of the decisions that the reader began with.
#[server(prefix = "/rpc", endpoint = "rehearse_import", protocol = Rpc)]
pub async fn rehearse_import(id: ImportId, mapping: Mapping, seen: String) -> Result<JobId, ApiError> {
    crate::rpc::call(|engine, caller| async move {
        engine.import().rehearse(&caller, id, mapping, Some(&seen)).await
    })
    .await
}

/// Looks at the file again, which may have been mended since.
#[server(prefix = "/rpc", endpoint = "inspect_again", protocol = Rpc)]
pub async fn inspect_again(id: ImportId) -> Result<JobId, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.import().look_again(&caller, id).await }).await
}

/// Imports as rehearsed in this revision, goes on where an import was interrupted, or brings over what changed since, as a
/// job. With `follow` false an import that is followed is done for the last time; `upload` has the file as it is now, where an
/// upload is followed.
#[server(prefix = "/rpc", endpoint = "start_import", protocol = Rpc)]
pub async fn start_import(
    id: ImportId,
    follow: bool,
    revision: Option<String>,
    upload: Option<Uuid>,
) -> Result<JobId, ApiError> {
    crate::rpc::call(|engine, caller| async move {
        engine
            .import()
            .start(&caller, id, follow, revision.as_deref(), upload)
            .await
    })
    .await
}

/// Forgets an import that left nothing; one that did is removed by a job.
#[server(prefix = "/rpc", endpoint = "discard_import", protocol = Rpc)]
pub async fn discard_import(id: ImportId, confirm: String) -> Result<Option<JobId>, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.import().discard(&caller, id, &confirm).await })
        .await
}

/// The files that can be imported. Their type is named in full because the macro calls the function's arguments the same.
#[server(prefix = "/rpc", endpoint = "import_files", protocol = Rpc)]
pub async fn import_files() -> Result<contract::import::ImportFiles, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.import().files(&caller).await }).await
}

/// Makes room for a file that is about to be uploaded.
#[server(prefix = "/rpc", endpoint = "begin_upload", protocol = Rpc)]
pub async fn begin_upload(new: NewUpload) -> Result<UploadView, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.import().begin_upload(&caller, new).await }).await
}

/// How far an upload is.
#[server(prefix = "/rpc", endpoint = "find_upload", protocol = Rpc)]
pub async fn find_upload(id: Uuid) -> Result<UploadView, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.import().find_upload(&caller, id).await }).await
}

/// Removes an upload, finished or not.
#[server(prefix = "/rpc", endpoint = "delete_upload", protocol = Rpc)]
pub async fn delete_upload(id: Uuid) -> Result<(), ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.import().delete_upload(&caller, id).await }).await
}
