//! The server functions of backups.

use contract::backup::BackupList;
use leptos::prelude::*;
use server_fn::codec::Json;

use crate::rpc::ApiError;

/// The stored backups of a managed database, newest first, and what became of other attempts.
#[server(prefix = "/rpc", endpoint = "list_backups", input = Json)]
pub async fn list_backups(target: String) -> Result<BackupList, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.backup().list(&caller, &target).await }).await
}
