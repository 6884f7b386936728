//! The state of a list without rows.

use crate::prelude::*;

/// No rows: what that means, and what to do next.
#[component]
pub fn EmptyState(
    /// Such as `No backup yet`.
    #[prop(into)]
    title: String,
    /// What to do next, in a sentence.
    #[prop(into, optional)]
    hint: String,
    /// The acts: buttons and links.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    view! {
        <div class="empty">
            <b>{title}</b>
            {hint}
            {children.map(|children| view! { <div class="row">{children()}</div> })}
        </div>
    }
}
