//! The server functions of jobs.

use contract::jobs::{JobDetail, JobId, JobPage, JobQuery, JobView};
use leptos::prelude::*;

use crate::rpc::{ApiError, Rpc};

/// A page of jobs, newest first.
#[server(prefix = "/rpc", endpoint = "list_jobs", protocol = Rpc)]
pub async fn list_jobs(query: JobQuery) -> Result<JobPage, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.jobs().list(&caller, query).await }).await
}

/// One job with the newest lines of its log.
#[server(prefix = "/rpc", endpoint = "view_job", protocol = Rpc)]
pub async fn view_job(id: JobId) -> Result<JobDetail, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.jobs().detail(&caller, id).await }).await
}

/// Asks a job to stop.
#[server(prefix = "/rpc", endpoint = "cancel_job", protocol = Rpc)]
pub async fn cancel_job(id: JobId) -> Result<JobView, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.jobs().cancel(&caller, id).await }).await
}
