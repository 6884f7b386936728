//! The server functions of constraints, indexes and statistics.

use contract::{
    jobs::JobId,
    optimize::{OptimizePlan, OptimizeSpec},
};
use leptos::prelude::*;

use crate::rpc::{ApiError, Rpc};

/// What a managed database should have, what of it is missing, and what a run would do.
#[server(prefix = "/rpc", endpoint = "plan_optimization", protocol = Rpc)]
pub async fn plan_optimization(target: String) -> Result<OptimizePlan, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.optimize().plan(&caller, &target).await }).await
}

/// Does what is due, as a job.
#[server(prefix = "/rpc", endpoint = "start_optimization", protocol = Rpc)]
pub async fn start_optimization(spec: OptimizeSpec) -> Result<JobId, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.optimize().start(&caller, spec).await }).await
}
