//! Plans of statements: asked for, pasted, kept, read and compared.

pub mod api;
mod ask;
mod compare;
mod list;
mod page;
mod plan;
mod refusal;
mod remarks;

pub use page::{ExplainPage, PlanPage};

use uuid::Uuid;

/// The link to a kept plan.
pub(crate) fn plan_link(target: &str, id: Uuid) -> String {
    crate::address::link(target, &format!("explain/{id}"))
}
