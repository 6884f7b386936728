//! The server functions of imports.

use contract::import::{NewUpload, UploadView};
use leptos::prelude::*;
use uuid::Uuid;

use crate::rpc::{ApiError, Rpc};

/// The files that can be imported: those on the console's machine, and uploads.
#[server(prefix = "/rpc", endpoint = "import_files", protocol = Rpc)]
pub async fn import_files() -> Result<contract::import::ImportFiles, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.import().files(&caller).await }).await
}

/// Makes room for a file, whose bytes then go to `PUT /import/uploads/{id}/{database|wal}?offset=N`.
#[server(prefix = "/rpc", endpoint = "begin_upload", protocol = Rpc)]
pub async fn begin_upload(new: NewUpload) -> Result<UploadView, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.import().begin_upload(&caller, new).await }).await
}

/// An upload with what is there of it.
#[server(prefix = "/rpc", endpoint = "find_upload", protocol = Rpc)]
pub async fn find_upload(id: Uuid) -> Result<UploadView, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.import().find_upload(&caller, id).await }).await
}

/// Deletes an upload, whole or not.
#[server(prefix = "/rpc", endpoint = "delete_upload", protocol = Rpc)]
pub async fn delete_upload(id: Uuid) -> Result<(), ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.import().delete_upload(&caller, id).await }).await
}
