//! The server functions of schedules and retention.

use contract::{
    alarm::{AlarmView, Channel},
    jobs::JobId,
    retention::{Marks, PrunePlan, RetentionSpec, RetentionView},
    schedule::{Next, ScheduleSpec, ScheduleView},
};
use leptos::prelude::*;

use crate::rpc::{ApiError, Rpc};

/// The schedule of a managed database, if it has one.
#[server(prefix = "/rpc", endpoint = "view_schedule", protocol = Rpc)]
pub async fn view_schedule(target: String) -> Result<Option<ScheduleView>, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.schedule().view(&caller, &target).await }).await
}

/// What a schedule would mean.
#[server(prefix = "/rpc", endpoint = "preview_schedule", protocol = Rpc)]
pub async fn preview_schedule(cron: String, zone: String) -> Result<Next, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.schedule().preview(&caller, &cron, &zone).await })
        .await
}

/// Sets a schedule.
#[server(prefix = "/rpc", endpoint = "set_schedule", protocol = Rpc)]
pub async fn set_schedule(spec: ScheduleSpec) -> Result<ScheduleView, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.schedule().set(&caller, spec).await }).await
}

/// Pauses a schedule.
#[server(prefix = "/rpc", endpoint = "pause_schedule", protocol = Rpc)]
pub async fn pause_schedule(target: String) -> Result<ScheduleView, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.schedule().pause(&caller, &target).await }).await
}

/// Resumes a schedule.
#[server(prefix = "/rpc", endpoint = "resume_schedule", protocol = Rpc)]
pub async fn resume_schedule(target: String) -> Result<ScheduleView, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.schedule().resume(&caller, &target).await }).await
}

/// Removes a schedule; backups stay.
#[server(prefix = "/rpc", endpoint = "remove_schedule", protocol = Rpc)]
pub async fn remove_schedule(target: String) -> Result<(), ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.schedule().remove(&caller, &target).await }).await
}

/// Begins a run of a schedule now.
#[server(prefix = "/rpc", endpoint = "run_schedule", protocol = Rpc)]
pub async fn run_schedule(target: String) -> Result<JobId, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.schedule().run(&caller, &target).await }).await
}

/// What is kept of a managed database's backups, and what a run would do now.
#[server(prefix = "/rpc", endpoint = "view_retention", protocol = Rpc)]
pub async fn view_retention(target: String) -> Result<RetentionView, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.backup().retention(&caller, &target).await }).await
}

/// What other rules would do now.
#[server(prefix = "/rpc", endpoint = "plan_retention", protocol = Rpc)]
pub async fn plan_retention(spec: RetentionSpec) -> Result<PrunePlan, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.backup().plan_retention(&caller, spec).await })
        .await
}

/// Sets what is kept.
#[server(prefix = "/rpc", endpoint = "set_retention", protocol = Rpc)]
pub async fn set_retention(spec: RetentionSpec) -> Result<RetentionView, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.backup().set_retention(&caller, spec).await }).await
}

/// Removes what no rule keeps, as a job.
#[server(prefix = "/rpc", endpoint = "prune_backups", protocol = Rpc)]
pub async fn prune_backups(target: String) -> Result<JobId, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.backup().prune(&caller, &target).await }).await
}

/// Who is told when backups fail, and what was told.
#[server(prefix = "/rpc", endpoint = "view_alarms", protocol = Rpc)]
pub async fn view_alarms(target: String) -> Result<AlarmView, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.alarm().view(&caller, &target).await }).await
}

/// Sends a test on one way.
#[server(prefix = "/rpc", endpoint = "test_alarm", protocol = Rpc)]
pub async fn test_alarm(target: String, channel: Channel) -> Result<(), ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.alarm().test(&caller, &target, channel).await })
        .await
}

/// Pins a backup or lets it go, gives it a label or a note.
#[server(prefix = "/rpc", endpoint = "mark_backup", protocol = Rpc)]
pub async fn mark_backup(request: contract::retention::MarkBackup) -> Result<Marks, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.backup().mark(&caller, request).await }).await
}
