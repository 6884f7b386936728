//! Choosing the file of a new import: one that lies on the server, or one of the reader's own machine.

#[cfg(feature = "ssr")]
use contract::Code;
use contract::import::{ImportFiles, ImportView};
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;
use uuid::Uuid;

use super::{
    api::{create_import, import_files},
    files::ServerFiles,
    import_link,
    upload::Upload,
    upload_card::UploadCard,
};
use crate::{
    address::use_query,
    rpc::ApiError,
    ui::{EmptyState, FaultNote, Load},
};

/// Begins an import into a managed database: of a file on the server by its path, or of an upload. The database is named
/// by who asks, since the page may show another one by the end of an upload.
pub type Create = Action<(String, Option<String>, Option<Uuid>), Result<ImportView, ApiError>>;

/// Both ways to a file, side by side.
#[component]
pub fn Choose(
    /// The managed database.
    target: Memo<String>,
) -> impl IntoView {
    let files = Resource::new(|| (), |()| import_files());
    let create: Create = Action::new(
        |(target, path, upload): &(String, Option<String>, Option<Uuid>)| {
            create_import(target.clone(), path.clone(), *upload)
        },
    );
    // It outlives the list of files, which is loaded again on the way.
    let then = Callback::new(move |(target, upload)| {
        create.dispatch((target, None, Some(upload)));
    });
    let upload = Upload::new(target, "Upload and inspect", then);
    let navigate = use_navigate();
    Effect::new(move || {
        if let Some(Ok(import)) = create.value().get() {
            navigate(&import_link(&import.target, import.id), Default::default());
        }
    });
    let refused = use_query("refused");
    let changed = Callback::new(move |()| files.refetch());
    view! {
        {move || {
            refused
                .get()
                .map(|why| {
                    view! {
                        <div class="banner bad" role="alert">
                            <span class="dot bad"></span>
                            "Not begun"
                            <span>{refusal(&why)}</span>
                        </div>
                    }
                })
        }}
        <FaultNote outcome=create.value() />
        <Load resource=files let:files>
            <Both files target upload create changed />
        </Load>
    }
    .into_any()
}

#[component]
fn Both(
    files: ImportFiles,
    target: Memo<String>,
    upload: Upload,
    create: Create,
    changed: Callback<()>,
) -> impl IntoView {
    // What was uploaded before uploads were switched off is still there to import, or to remove.
    let uploads = files.upload_limit > 0 || !files.uploads.is_empty();
    if !uploads && files.folder.is_none() {
        return view! {
            <section class="card">
                <div class="ch">
                    <h2>"New import"</h2>
                </div>
                <EmptyState
                    title="No way for a file to come in"
                    hint="Uploads are switched off, and no folder of this machine is opened for imports. Whoever runs the console can allow either in its configuration, or import on the machine itself: pgsteward import sqlite FILE."
                />
            </section>
        }
        .into_any();
    }
    let ImportFiles {
        folder,
        folder_fault,
        server,
        server_cut,
        uploads: there,
        upload_limit,
    } = files;
    let side_by_side = uploads && folder.is_some();
    let upload = uploads.then(|| view! { <UploadCard there limit=upload_limit upload create changed /> });
    let folder = folder.map(|folder| {
        view! { <ServerFiles folder fault=folder_fault files=server more=server_cut target create changed /> }
    });
    view! {
        <div class=if side_by_side { "cols even" } else { "stack" }>{upload} {folder}</div>
    }
    .into_any()
}

/// The word of a refusal in the URL of a plain form: one of a fixed list, so that no link can make the page say something.
#[cfg(feature = "ssr")]
pub fn refusal_word(code: Code) -> &'static str {
    match code {
        Code::NotFound => "gone",
        Code::Forbidden => "forbidden",
        Code::Invalid => "invalid",
        Code::Conflict => "conflict",
        Code::Busy => "busy",
        _ => "failed",
    }
}

fn refusal(word: &str) -> &'static str {
    match word {
        "gone" => "There is no such file, or it is not there any more. Choose another one of the list.",
        "forbidden" => "Your role does not allow imports. Ask an administrator.",
        "invalid" => {
            "This file cannot be imported: it is no ordinary file below the folder. Choose another one of the list."
        }
        "conflict" => {
            "The file is not ready: an upload that is not whole yet, or one that was just removed. Look at the list, and try again."
        }
        "busy" => "Too much goes on at once. Wait until a job has ended, and try again.",
        _ => "The import could not be begun. Try again; the console's log says why.",
    }
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_of_the_form_has_words_of_its_own() {
        let codes = [
            Code::NotFound,
            Code::Forbidden,
            Code::Invalid,
            Code::Conflict,
            Code::Busy,
            Code::Internal,
        ];
        let words: std::collections::BTreeSet<_> = codes
            .into_iter()
            .map(|code| refusal(refusal_word(code)))
            .collect();
        assert_eq!(words.len(), codes.len());
        assert_eq!(refusal(refusal_word(Code::Internal)), refusal("<b>anything</b>"));
    }
}
