//! Adding an archive from elsewhere: it is uploaded as an import's file is, then checked and stored beside the backups.

use contract::{
    command::Act,
    import::{NewerUploads, UploadKind, UploadView},
    session::Permission,
};
use leptos_router::hooks::use_navigate;
use uuid::Uuid;

use super::api::{add_backup, list_archives};
use crate::{
    address::{job_link, link, use_target},
    import::{
        api::delete_upload,
        send::picked,
        upload::{Going, Upload, received},
        upload_card::Sending,
    },
    prelude::*,
    rpc::ApiError,
    session::use_may,
    ui::{
        Ago, Bytes, CopyCommand, EmptyState, FaultNote, Icon, Load, Menu, PageHead, icons, needs_script,
        use_toasts,
    },
};

/// Adds an uploaded archive to the backups of a managed database.
type Add = Action<(String, Uuid), Result<contract::jobs::JobId, ApiError>>;

/// Choosing an archive, sending it, and those of other times.
#[component]
pub fn AddPage() -> impl IntoView {
    let target = use_target();
    let may = use_may(Permission::Import) && use_may(Permission::BackUp);
    let there = Resource::new(
        || (),
        move |()| async move {
            match may {
                true => list_archives().await.map(Some),
                false => Ok(None),
            }
        },
    );
    let add: Add = Action::new(|(target, upload): &(String, Uuid)| add_backup(target.clone(), *upload));
    let navigate = use_navigate();
    Effect::new(move || {
        if let Some(Ok(job)) = add.value().get() {
            navigate(&job_link(job), leptos_router::NavigateOptions::default());
        }
    });
    // It outlives the list, which is loaded again on the way.
    let then = Callback::new(move |(target, upload)| {
        add.dispatch((target, upload));
    });
    let upload = Upload::new(UploadKind::Archive, target, "Upload and check", then);
    Effect::new(move |before: Option<Going>| {
        let going = upload.going.get();
        if before.is_some_and(|before| before != Going::No) && going == Going::No {
            there.refetch();
        }
        going
    });
    let as_command = Signal::derive(move || {
        Act::AddArchive {
            target: &target.get(),
            file: "FILE",
        }
        .line()
    });
    view! {
        <PageHead
            title="Add an archive"
            tab=Signal::derive(move || format!("Add an archive to the backups of {}", target.get()))
            facts=|| {
                "An archive of pg_dump from elsewhere: it can be restored, and never counts as a backup of this database."
            }
            up=("Backups", link(&target.get_untracked(), "backups"))
        >
            <Menu id="acts" label="More" class="btn icon" button=|| view! { <Icon icon=icons::More /> }>
                <CopyCommand command=as_command />
            </Menu>
        </PageHead>
        <FaultNote outcome=add.value() />
        <Load resource=there main=true let:there_now>
            {match there_now {
                Some(list) => {
                    view! { <Both list target upload add changed=Callback::new(move |()| there.refetch()) /> }
                }
                None => {
                    view! { <EmptyState title="Archives are for operators" hint="They change what is stored beside the backups." /> }
                }
            }}
        </Load>
    }
}

#[component]
fn Both(
    list: NewerUploads,
    target: Memo<String>,
    upload: Upload,
    add: Add,
    changed: Callback<()>,
) -> impl IntoView {
    let NewerUploads {
        uploads,
        upload_limit: limit,
    } = list;
    let head = match limit {
        0 => view! {
            <p>"Uploads are switched off. On the console's machine: " <span class="mono">"pgsteward backup add FILE"</span> "."</p>
        },
        limit => view! {
            <p>"Up to " <Bytes value=limit /> ". It is read to its end before it is listed; what is no whole archive is refused."</p>
        },
    };
    let rows = uploads
        .into_iter()
        .map(|view| view! { <Row view target goes_on={limit > 0} upload add changed /> })
        .collect_view();
    view! {
        <section class="card" aria-label="Upload">
            <div class="ch">
                <h2>"An archive of pg_dump"</h2>
                {head}
            </div>
            <div class="cb" hidden=move || limit == 0 && upload.fault.with(Option::is_none)>
                <Sending limit upload />
            </div>
            <div hidden=move || upload.is_busy()>{rows}</div>
        </section>
    }
}

/// An upload of another time: to be stored, or to go on with.
#[component]
fn Row(
    view: UploadView,
    target: Memo<String>,
    goes_on: bool,
    upload: Upload,
    add: Add,
    changed: Callback<()>,
) -> impl IntoView {
    let (id, whole) = (view.id, view.is_whole());
    let toasts = use_toasts();
    let remove = Action::new(move |()| delete_upload(id));
    Effect::new(move || match remove.value().get() {
        Some(Ok(())) => changed.run(()),
        Some(Err(ApiError(fault))) => toasts.fault(&fault),
        None => {}
    });
    needs_script("Remove");
    let again = StoredValue::new(view.clone());
    let act = match (whole, goes_on) {
        (true, _) => {
            needs_script("Check and store");
            view! {
                <p>
                    <button
                        class="btn sm"
                        type="button"
                        aria-label=format!("Check and store {}", view.name)
                        aria-disabled=move || add.pending().get().then_some("true")
                        on:click=move |_| {
                            add.dispatch((target.get_untracked(), id));
                        }
                    >
                        "Check and store"
                    </button>
                </p>
            }
        }
        (false, true) => {
            needs_script("Resume");
            view! {
                <p>
                    <label class="small">
                        {format!("Resume: choose the same file, {} ", view.name)}
                        <input
                            type="file"
                            class="max-w-full"
                            on:change=move |event| upload.resume(again.get_value(), picked(&event))
                        />
                    </label>
                </p>
            }
        }
        (false, false) => ().into_any(),
    };
    view! {
        <div class="item">
            <span class=if whole { "badge ok" } else { "badge warn" }>{if whole { "Whole" } else { "Unfinished" }}</span>
            <b class="min-w-0">{view.name.clone()}</b>
            <button
                class="btn sm dan"
                type="button"
                aria-label=format!("Remove the upload of {}", view.name)
                aria-disabled=move || remove.pending().get().then_some("true")
                on:click=move |_| {
                    remove.dispatch(());
                }
            >
                "Remove"
            </button>
            <p>
                {(!whole).then(|| view! { <Bytes value=received(&view) /> " of " })} <Bytes value=view.bytes />
                {if whole { ", uploaded " } else { ", begun " }}
                <Ago at=if whole { view.received_at } else { view.created_at } /> " by " {view.created_by.clone()}
            </p>
            {act}
        </div>
    }
}
