//! The server functions of migrations.

use contract::{
    jobs::JobId,
    migration::{MigrateSpec, MigrationStatus, MigrationText},
};
use leptos::prelude::*;

use crate::rpc::{ApiError, Rpc};

/// Every migration of a managed database and where it stands.
#[server(prefix = "/rpc", endpoint = "view_migrations", protocol = Rpc)]
pub async fn view_migrations(target: String) -> Result<MigrationStatus, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.migration().status(&caller, &target).await }).await
}

/// What a run would apply.
#[server(prefix = "/rpc", endpoint = "plan_migrations", protocol = Rpc)]
pub async fn plan_migrations(spec: MigrateSpec) -> Result<MigrationStatus, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.migration().plan(&caller, spec).await }).await
}

/// The text of one migration as it was applied, or will be.
#[server(prefix = "/rpc", endpoint = "read_migration", protocol = Rpc)]
pub async fn read_migration(target: String, version: i64) -> Result<MigrationText, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.migration().text(&caller, &target, version).await })
        .await
}

/// Applies pending migrations as a job.
#[server(prefix = "/rpc", endpoint = "start_migrations", protocol = Rpc)]
pub async fn start_migrations(spec: MigrateSpec) -> Result<JobId, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.migration().start(&caller, spec).await }).await
}
