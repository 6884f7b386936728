//! The server functions of managed databases as a whole.

use contract::target::{PoolView, TargetView};
use leptos::prelude::*;

use crate::rpc::{ApiError, Rpc};

/// Every managed database with its last known state.
#[server(prefix = "/rpc", endpoint = "list_targets", protocol = Rpc)]
pub async fn list_targets() -> Result<Vec<TargetView>, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.targets().list(&caller).await }).await
}

/// One managed database, looked at now.
#[server(prefix = "/rpc", endpoint = "view_target", protocol = Rpc)]
pub async fn view_target(target: String) -> Result<TargetView, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.targets().view(&caller, &target).await }).await
}

/// The console's own pool for one managed database.
#[server(prefix = "/rpc", endpoint = "view_pool", protocol = Rpc)]
pub async fn view_pool(target: String) -> Result<PoolView, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.targets().pool(&caller, &target).await }).await
}
