//! The schedule of a managed database's backups, and which of them are kept.

use contract::jobs::JobKind;

use super::{
    api::{view_alarms, view_retention, view_schedule},
    keep::Kept,
    planned::Planned,
    told::Told,
};
use crate::{
    address::{link, use_target},
    jobs::{CurrentJob, Work},
    prelude::*,
    ui::{Keep, PageHead, load_by},
};

/// When backups are taken by themselves, what became of the last runs, and which backups are kept.
#[component]
pub fn SchedulePage() -> impl IntoView {
    let target = use_target();
    let schedule = load_by(target, view_schedule);
    let retention = load_by(target, view_retention);
    let alarms = load_by(target, view_alarms);
    let work = Work::default();
    let changed = Callback::new(move |()| {
        schedule.refetch();
        retention.refetch();
        alarms.refetch();
    });
    view! {
        <PageHead
            title="Schedule"
            tab=Signal::derive(move || format!("Schedule of {}", target.get()))
            up=("Backups", link(&target.get_untracked(), "backups"))
            facts=|| "Backups that are taken by themselves, and which of them are kept."
        />
        <CurrentJob
            target
            kinds=&[JobKind::Backup, JobKind::VerifyBackup, JobKind::PruneBackups]
            work
            ended=changed
        />
        <Keep resource=schedule main=true let:schedule>
            <Planned schedule target work changed />
        </Keep>
        <Keep resource=retention let:retention>
            <Kept retention target work changed />
        </Keep>
        <Keep resource=alarms let:alarms>
            <Told alarms target />
        </Keep>
    }
}
