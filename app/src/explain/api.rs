//! The server functions of plans. Plain forms can send those that make one: they lead on to its page, or back to the form,
//! whose URL then says in a word why not.

use contract::explain::{PlanComparison, PlanList, PlanView};
use leptos::prelude::*;
use uuid::Uuid;

use crate::rpc::{ApiError, Json, Rpc};

/// Plans a statement without running it; gives the kept plan's id.
#[server(prefix = "/rpc", endpoint = "plan_statement", output = Json)]
pub async fn plan_statement(
    target: String,
    statement: String,
    values: Option<String>,
    sampled: Option<bool>,
) -> Result<Uuid, ApiError> {
    let spec = contract::explain::ExplainSpec {
        target: target.clone(),
        statement,
        values: values.unwrap_or_default(),
        sampled: sampled.unwrap_or(false),
        ..Default::default()
    };
    let made =
        crate::rpc::call(|engine, caller| async move { engine.explain().plan(&caller, spec).await }).await;
    super::refusal::lead_on(&target, made)
}

/// Runs a statement for its plan, and rolls back; gives the kept plan's id.
#[server(prefix = "/rpc", endpoint = "analyze_statement", output = Json)]
pub async fn analyze_statement(
    target: String,
    statement: String,
    values: Option<String>,
    seconds: Option<u32>,
    accept: Option<bool>,
) -> Result<Uuid, ApiError> {
    let spec = contract::explain::ExplainSpec {
        target: target.clone(),
        statement,
        values: values.unwrap_or_default(),
        seconds,
        accept: accept.unwrap_or(false),
        ..Default::default()
    };
    let made =
        crate::rpc::call(|engine, caller| async move { engine.explain().analyze(&caller, spec).await }).await;
    super::refusal::lead_on(&target, made)
}

/// Keeps a plan that was made elsewhere; gives its id.
#[server(prefix = "/rpc", endpoint = "paste_plan", output = Json)]
pub async fn paste_plan(target: String, plan: String) -> Result<Uuid, ApiError> {
    let spec = contract::explain::PasteSpec {
        target: target.clone(),
        plan,
        statement: None,
    };
    let made =
        crate::rpc::call(|engine, caller| async move { engine.explain().paste(&caller, spec).await }).await;
    super::refusal::lead_on(&target, made)
}

/// The kept plans of a managed database.
#[server(prefix = "/rpc", endpoint = "list_plans", protocol = Rpc)]
pub async fn list_plans(target: String) -> Result<PlanList, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.explain().list(&caller, &target).await }).await
}

/// A kept plan.
#[server(prefix = "/rpc", endpoint = "view_plan", protocol = Rpc)]
pub async fn view_plan(target: String, id: Uuid) -> Result<PlanView, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.explain().view(&caller, &target, id).await }).await
}

/// Two kept plans side by side.
#[server(prefix = "/rpc", endpoint = "compare_plans", protocol = Rpc)]
pub async fn compare_plans(target: String, one: Uuid, other: Uuid) -> Result<PlanComparison, ApiError> {
    crate::rpc::call(
        |engine, caller| async move { engine.explain().compare(&caller, &target, one, other).await },
    )
    .await
}
