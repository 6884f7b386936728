//! The server functions of backups.

use contract::{
    backup::{BackupList, BackupReport, BackupSpec, PartsView, VerifySpec},
    import::NewerUploads,
    jobs::JobId,
    restore::{RestorePlan, RestoreSpec},
    swap::{DropSpec, SpareList, SwapPreview, SwapSpec},
};
use leptos::prelude::*;
use uuid::Uuid;

use crate::rpc::{ApiError, Rpc};

/// The stored backups of a managed database, newest first, and what became of other attempts.
#[server(prefix = "/rpc", endpoint = "list_backups", protocol = Rpc)]
pub async fn list_backups(target: String) -> Result<BackupList, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.backup().list(&caller, &target).await }).await
}

/// Takes a backup, as a job.
#[server(prefix = "/rpc", endpoint = "start_backup", protocol = Rpc)]
pub async fn start_backup(spec: BackupSpec) -> Result<JobId, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.backup().start(&caller, spec).await }).await
}

/// What a backup of chosen parts would leave out, and what it could only be restored beside; none of a whole database.
#[server(prefix = "/rpc", endpoint = "look_at_parts", protocol = Rpc)]
pub async fn look_at_parts(spec: BackupSpec) -> Result<Option<PartsView>, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.backup().look_at_parts(&caller, spec).await }).await
}

/// One backup with what its last trial restore showed.
#[server(prefix = "/rpc", endpoint = "view_backup", protocol = Rpc)]
pub async fn view_backup(target: String, id: Uuid) -> Result<BackupReport, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.backup().report(&caller, &target, id).await }).await
}

/// Proves a stored backup again, as a job.
#[server(prefix = "/rpc", endpoint = "verify_backup", protocol = Rpc)]
pub async fn verify_backup(spec: VerifySpec) -> Result<JobId, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.backup().verify_to(&caller, spec).await }).await
}

/// Uploads of archives, newest first.
#[server(prefix = "/rpc", endpoint = "list_archives", protocol = Rpc)]
pub async fn list_archives() -> Result<NewerUploads, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.import().archives(&caller).await }).await
}

/// Checks an uploaded archive and stores it beside the backups, as a job.
#[server(prefix = "/rpc", endpoint = "add_backup", protocol = Rpc)]
pub async fn add_backup(target: String, upload: Uuid) -> Result<JobId, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.backup().add(&caller, &target, upload).await })
        .await
}

/// Deletes a stored backup.
#[server(prefix = "/rpc", endpoint = "delete_backup", protocol = Rpc)]
pub async fn delete_backup(request: contract::backup::DeleteBackup) -> Result<(), ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.backup().delete(&caller, request).await }).await
}

/// What a restore would find, before anything is written.
#[server(prefix = "/rpc", endpoint = "plan_restore", protocol = Rpc)]
pub async fn plan_restore(spec: RestoreSpec) -> Result<RestorePlan, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.backup().plan_restore(&caller, spec).await }).await
}

/// Restores a backup into a new database, as a job.
#[server(prefix = "/rpc", endpoint = "start_restore", protocol = Rpc)]
pub async fn start_restore(spec: RestoreSpec) -> Result<JobId, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.backup().restore(&caller, spec).await }).await
}

/// The databases beside a live one: restored, and kept by a swap.
#[server(prefix = "/rpc", endpoint = "list_spares", protocol = Rpc)]
pub async fn list_spares(target: String) -> Result<SpareList, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.backup().spares(&caller, &target).await }).await
}

/// What a swap would do now, and whom it would end.
#[server(prefix = "/rpc", endpoint = "preview_swap", protocol = Rpc)]
pub async fn preview_swap(target: String, database: String) -> Result<SwapPreview, ApiError> {
    crate::rpc::call(|engine, caller| async move {
        engine.backup().preview_swap(&caller, &target, &database).await
    })
    .await
}

/// Puts another database in the live one's place, as a job.
#[server(prefix = "/rpc", endpoint = "start_swap", protocol = Rpc)]
pub async fn start_swap(spec: SwapSpec) -> Result<JobId, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.backup().swap(&caller, spec).await }).await
}

/// Undoes the last swap, as a job.
#[server(prefix = "/rpc", endpoint = "swap_back", protocol = Rpc)]
pub async fn swap_back(target: String, database: String) -> Result<JobId, ApiError> {
    crate::rpc::call(|engine, caller| async move {
        engine.backup().swap_back(&caller, &target, Some(&database)).await
    })
    .await
}

/// Drops a database that lies beside the live one, as a job.
#[server(prefix = "/rpc", endpoint = "drop_database", protocol = Rpc)]
pub async fn drop_database(spec: DropSpec) -> Result<JobId, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.backup().drop_spare(&caller, spec).await }).await
}
