//! The server functions of sessions on managed servers.

use contract::activity::{ActivityQuery, ActivityView, EndSession, EndedSession};
use leptos::prelude::*;

use crate::rpc::{ApiError, Rpc};

/// What happens on a server now, with a page of its sessions.
#[server(prefix = "/rpc", endpoint = "view_activity", protocol = Rpc)]
pub async fn view_activity(query: ActivityQuery) -> Result<ActivityView, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.activity().look(&caller, query).await }).await
}

/// The same with every session that the query matches, for a file.
#[server(prefix = "/rpc", endpoint = "export_activity", protocol = Rpc)]
pub async fn export_activity(query: ActivityQuery) -> Result<ActivityView, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.activity().all_sessions(&caller, query).await })
        .await
}

/// Breaks off the statement of a session.
#[server(prefix = "/rpc", endpoint = "cancel_session", protocol = Rpc)]
pub async fn cancel_session(request: EndSession) -> Result<EndedSession, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.activity().cancel_session(&caller, request).await })
        .await
}

/// Ends a session.
#[server(prefix = "/rpc", endpoint = "terminate_session", protocol = Rpc)]
pub async fn terminate_session(request: EndSession) -> Result<EndedSession, ApiError> {
    crate::rpc::call(
        |engine, caller| async move { engine.activity().terminate_session(&caller, request).await },
    )
    .await
}
