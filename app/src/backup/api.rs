//! The server functions of backups.

use contract::{
    backup::{BackupList, BackupSpec},
    jobs::JobId,
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

/// Proves a stored backup again, as a job.
#[server(prefix = "/rpc", endpoint = "verify_backup", protocol = Rpc)]
pub async fn verify_backup(target: String, id: Uuid) -> Result<JobId, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.backup().verify(&caller, &target, id).await }).await
}

/// Deletes a stored backup.
#[server(prefix = "/rpc", endpoint = "delete_backup", protocol = Rpc)]
pub async fn delete_backup(request: contract::backup::DeleteBackup) -> Result<(), ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.backup().delete(&caller, request).await }).await
}
