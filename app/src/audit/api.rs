//! The server functions of the audit logs.

use contract::audit::{AuditEntry, AuditPage, AuditQuery};
use leptos::prelude::*;

use crate::rpc::{ApiError, Rpc};

/// A page of one of the logs, newest first.
#[server(prefix = "/rpc", endpoint = "list_audit", protocol = Rpc)]
pub async fn list_audit(query: AuditQuery) -> Result<AuditPage, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.audit().list(&caller, query).await }).await
}

/// Every entry that a query asks for, as many as a file may hold.
#[server(prefix = "/rpc", endpoint = "export_audit", protocol = Rpc)]
pub async fn export_audit(query: AuditQuery) -> Result<Vec<AuditEntry>, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.audit().export(&caller, query).await }).await
}
