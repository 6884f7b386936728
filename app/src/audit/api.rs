//! The server functions of the audit logs.

use contract::audit::{AuditCheck, AuditEntry, AuditPage, AuditQuery};
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

/// Checks the chain over the console's log after a link, as far as it gets in about a second.
#[server(prefix = "/rpc", endpoint = "verify_audit", protocol = Rpc)]
pub async fn verify_audit(after: i64) -> Result<AuditCheck, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.audit().verify(&caller, after, None).await }).await
}
