//! The server functions of sizes and activity.

use contract::stats::{TableDetail, TablePage, TableQuery};
use leptos::prelude::*;

use crate::rpc::{ApiError, Rpc};

/// A page of a managed database's tables.
#[server(prefix = "/rpc", endpoint = "list_tables", protocol = Rpc)]
pub async fn list_tables(query: TableQuery) -> Result<TablePage, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.stats().tables(&caller, query).await }).await
}

/// All of a managed database's tables that a query matches, for a file.
#[server(prefix = "/rpc", endpoint = "export_tables", protocol = Rpc)]
pub async fn export_tables(query: TableQuery) -> Result<TablePage, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.stats().all_tables(&caller, query).await }).await
}

/// One table with its columns, indexes and constraints.
#[server(prefix = "/rpc", endpoint = "view_table", protocol = Rpc)]
pub async fn view_table(target: String, schema: String, name: String) -> Result<TableDetail, ApiError> {
    crate::rpc::call(
        |engine, caller| async move { engine.stats().table(&caller, &target, &schema, &name).await },
    )
    .await
}
