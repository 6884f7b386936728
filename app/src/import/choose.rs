//! Choosing the file of a new import: one that lies on the server, or one of the reader's own machine.

use contract::import::{ImportFiles, UploadKind};
use leptos_router::hooks::use_navigate;

use super::{
    api::import_files,
    create::{Create, create_action},
    files::ServerFiles,
    import_link,
    refusal::refusal,
    upload::Upload,
    upload_card::UploadCard,
};
use crate::{
    address::use_query,
    prelude::*,
    ui::{EmptyState, FaultNote, Load},
};

/// Both ways to a file, side by side.
#[component]
pub fn Choose(
    /// The managed database.
    target: Memo<String>,
) -> impl IntoView {
    let files = Resource::new(|| (), |()| import_files());
    let create = create_action();
    // It outlives the list of files, which is loaded again on the way.
    let then = Callback::new(move |(target, upload)| {
        create.dispatch((target, None, Some(upload)));
    });
    let upload = Upload::new(UploadKind::Database, target, "Upload and inspect", then);
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
        };
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
}
