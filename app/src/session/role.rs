//! Choosing a role.

use crate::prelude::*;
use contract::session::Role;

/// A field to choose a role in, each with what it may do.
#[component]
pub fn RoleSelect(
    /// The role chosen.
    role: RwSignal<Role>,
) -> impl IntoView {
    view! {
        <div class="field">
            <label for="role">"Role"</label>
            <select
                id="role"
                class="input"
                on:change=move |event| {
                    if let Ok(chosen) = event_target_value(&event).parse() {
                        role.set(chosen);
                    }
                }
            >
                {Role::ALL
                    .into_iter()
                    .map(|each| {
                        view! {
                            <option value=each.name() selected=move || role.get() == each>
                                {format!("{} — {}", each.name(), meaning(each))}
                            </option>
                        }
                    })
                    .collect_view()}
            </select>
        </div>
    }
}

fn meaning(role: Role) -> &'static str {
    match role {
        Role::Viewer => "sees everything but data, changes nothing",
        Role::Operator => "migrates, optimizes, backs up",
        Role::Administrator => "also deletes backups and keeps the users",
    }
}
