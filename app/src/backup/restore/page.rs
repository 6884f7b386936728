//! The page before a restore.

use contract::{
    jobs::JobKind,
    restore::{RestorePlan, RestoreSpec},
};
use uuid::Uuid;

use super::{
    super::api::plan_restore,
    checks::Checks,
    choices::{Choices, chosen},
    tables::Tables,
};
use crate::{
    address::{link, use_name, use_pairs, use_target},
    jobs::{CurrentJob, Work},
    prelude::*,
    ui::{At, Bytes, Count, Load, PageHead, load_by},
};

/// What a restore of one backup would find and do. The choices are in the URL, and nothing is written before the start.
#[component]
pub fn RestorePage() -> impl IntoView {
    let (target, id, query) = (use_target(), use_name("id"), use_pairs());
    // An id that is none finds no backup, which the console says.
    let spec = Memo::new(move |_| RestoreSpec {
        target: target.get(),
        backup: id.with(|id| id.parse().unwrap_or(Uuid::nil())),
        ..query.with(chosen)
    });
    let plan = load_by(spec, plan_restore);
    let work = Work::default();
    let facts = move || {
        view! {
            <Transition fallback=|| "Nothing is written before it starts.">
                {move || plan.get().and_then(Result::ok).map(|plan| view! { <Facts plan /> })}
            </Transition>
        }
    };
    let up = ("Backups", link(&target.get_untracked(), "backups"));
    view! {
        <PageHead title="Restore" tab=Signal::derive(move || format!("Restore {}", target.get())) facts up />
        <CurrentJob target kinds=&[JobKind::Restore, JobKind::RestoreLive, JobKind::Backup] work ended=Callback::new(move |()| plan.refetch()) />
        <Load resource=plan main=true let:plan>
            <Checks checks=plan.checks.clone() />
            <Choices spec=spec.get_untracked() plan=plan.clone() work />
            <Tables tables=plan.tables chosen=spec.with_untracked(|spec| spec.only.clone()) />
        </Load>
    }
}

#[component]
fn Facts(plan: RestorePlan) -> impl IntoView {
    let backup = plan.backup;
    // Of when an archive from elsewhere is, only it says.
    let (what, of) = match backup.uploaded {
        Some(uploaded) => (uploaded.name, ", uploaded "),
        None => (backup.database, " as of "),
    };
    view! {
        <span class="mono">{what}</span>
        {of}
        <At at=backup.taken_at />
        ": "
        <Bytes value=backup.bytes />
        ", "
        <Count value=backup.rows />
        " rows"
    }
}
