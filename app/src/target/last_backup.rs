//! The last backup of a managed database, for its overview.

use contract::{
    backup::{BackupList, BackupView},
    format,
    jobs::{JobId, JobKind},
    session::Permission,
};
use leptos::either::Either;

use crate::{
    address::link,
    backup::api::list_backups,
    live::use_live,
    prelude::*,
    session::use_may,
    ui::{Ago, Badge, Bytes, Count, EmptyState, Load, Tone},
};

/// The card on the overview: what would be there if the database were lost now.
#[component]
pub fn LastBackup(
    /// The managed database.
    target: String,
) -> impl IntoView {
    let page = StoredValue::new(link(&target, "backups"));
    let backs_up = use_may(Permission::BackUp);
    let name = target.clone();
    let list = Resource::new(move || target.clone(), list_backups);
    // What a job has changed is loaded again when it ends.
    let live = use_live();
    let ended = Memo::new(move |_| {
        live.last_ended(|job| {
            matches!(job.kind, JobKind::Backup | JobKind::VerifyBackup) && job.target.as_ref() == Some(&name)
        })
    });
    Effect::new(move |before: Option<Option<JobId>>| {
        let now = ended.get();
        if before.is_some_and(|before| before != now) {
            list.refetch();
        }
        now
    });
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Last backup"</h2>
                <span class="sp"></span>
                <a class="chip" href=page.get_value()>
                    "All"
                </a>
            </div>
            <Load resource=list let:list>
                {match newest(&list) {
                    Some(backup) => Either::Left(view! { <Facts backup /> }),
                    None => {
                        let hint = match list.expected_ms {
                            Some(ms) => format!("The first one takes about {}.", format::duration(ms)),
                            None => "If this database died now, nothing could be restored.".to_owned(),
                        };
                        Either::Right(
                            view! {
                                <EmptyState title="No backup yet" hint>
                                    {backs_up.then(|| view! { <a class="btn" href=page.get_value()>"Back up…"</a> })}
                                </EmptyState>
                            },
                        )
                    }
                }}
            </Load>
        </section>
    }
}

/// The newest one that is whole.
fn newest(list: &BackupList) -> Option<BackupView> {
    list.backups.iter().find(|backup| backup.is_sound()).cloned()
}

#[component]
fn Facts(backup: BackupView) -> impl IntoView {
    view! {
        <div class="cb">
            <dl class="kv">
                <dt>"State of"</dt>
                <dd>
                    <Ago at=backup.taken_at />
                </dd>
                <dt>"Size"</dt>
                <dd>
                    <Bytes value=backup.bytes />
                    " of "
                    <Bytes value=backup.database_bytes />
                </dd>
                <dt>"Rows"</dt>
                <dd>
                    <Count value=backup.rows />
                    {format!(" in {} tables", format::exact(backup.tables))}
                </dd>
                <dt>"Proof"</dt>
                <dd>
                    <Badge tone=Tone::Ok text=backup.proof.label() />
                    " "
                    <Ago at=backup.proven_at />
                </dd>
            </dl>
        </div>
    }
}
