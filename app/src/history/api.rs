//! The server functions of history.

use contract::history::{HistoryQuery, HistorySize, HistoryView, Spark};
use leptos::prelude::*;

use crate::rpc::{ApiError, Rpc};

/// The charts of a managed database, or of one of its tables, over a stretch of time.
#[server(prefix = "/rpc", endpoint = "view_history", protocol = Rpc)]
pub async fn view_history(query: HistoryQuery) -> Result<HistoryView, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.history().view(&caller, query).await }).await
}

/// The last hours of every managed database as small lines.
#[server(prefix = "/rpc", endpoint = "list_sparks", protocol = Rpc)]
pub async fn list_sparks() -> Result<Vec<Spark>, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.history().sparks(&caller).await }).await
}

/// The room that history takes in the console's own database.
#[server(prefix = "/rpc", endpoint = "view_history_size", protocol = Rpc)]
pub async fn view_history_size() -> Result<HistorySize, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.history().size(&caller).await }).await
}
