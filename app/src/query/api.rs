//! The server functions of statements.

use contract::{
    history::HistoryView,
    query::{QueriesQuery, QueriesView, QueryDetail, QueryQuery, QueryText},
};
use leptos::prelude::*;

use crate::rpc::{ApiError, Rpc};

/// What the statements cost in a range of time.
#[server(prefix = "/rpc", endpoint = "list_queries", protocol = Rpc)]
pub async fn list_queries(query: QueriesQuery) -> Result<QueriesView, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.query().list(&caller, query).await }).await
}

/// One statement.
#[server(prefix = "/rpc", endpoint = "view_query", protocol = Rpc)]
pub async fn view_query(query: QueryQuery) -> Result<QueryDetail, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.query().view(&caller, query).await }).await
}

/// The text of one statement, to ask for its plan.
#[server(prefix = "/rpc", endpoint = "view_query_text", protocol = Rpc)]
pub async fn view_query_text(target: String, queryid: String) -> Result<QueryText, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.query().text(&caller, &target, &queryid).await })
        .await
}

/// What one statement did over time.
#[server(prefix = "/rpc", endpoint = "view_query_history", protocol = Rpc)]
pub async fn view_query_history(query: QueryQuery, before: bool) -> Result<HistoryView, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.query().history(&caller, query, before).await })
        .await
}
