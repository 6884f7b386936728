//! The users, for administrators.

use crate::prelude::*;
use contract::session::UserView;

use super::{api::list_users, user_add::AddUser, user_row::UserRow};
use crate::ui::{CsvButton, Keep, at_hand, needs_script};

/// The card on the settings page.
#[component]
pub fn UsersCard() -> impl IntoView {
    let users = Resource::new(|| (), |()| list_users());
    let changed = Callback::new(move |()| users.refetch());
    needs_script("Add user…");
    let adding = RwSignal::new(false);
    let rows = Callback::new(move |()| match at_hand(users) {
        Some(Ok(users)) => users.iter().map(csv_row).collect(),
        _ => Vec::new(),
    });
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Users"</h2>
                <span class="sp"></span>
                <CsvButton file="users.csv" columns=&["name", "role", "disabled", "must_change_password", "created_at", "last_login_at", "sessions"] rows />
                <button class="btn sm" type="button" on:click=move |_| adding.set(true)>
                    "Add user…"
                </button>
            </div>
            <Keep resource=users let:list>
                <div class="table-wrap" tabindex="0" role="region" aria-label="Users">
                    <table class="table fold">
                        <thead>
                            <tr>
                                <th scope="col">"Name"</th>
                                <th scope="col">"Role"</th>
                                <th scope="col">"State"</th>
                                <th scope="col">"Last sign-in"</th>
                                <th scope="col" class="num hide-s">
                                    "Sessions"
                                </th>
                                <th scope="col">
                                    <span class="sr-only">"Actions"</span>
                                </th>
                            </tr>
                        </thead>
                        <tbody>
                            <For each=move || list.get() key=|user| user.id let:first>
                                {
                                    let id = first.id;
                                    let user = Memo::new(move |_| {
                                        list.with(|list| list.iter().find(|user| user.id == id).cloned()).unwrap_or_else(|| first.clone())
                                    });
                                    view! { <UserRow user changed /> }
                                }
                            </For>
                        </tbody>
                    </table>
                </div>
            </Keep>
            <AddUser open=adding added=changed />
        </section>
    }
}

fn csv_row(user: &UserView) -> Vec<String> {
    let at = |at: Option<contract::Instant>| at.map(contract::format::absolute).unwrap_or_default();
    vec![
        user.name.clone(),
        user.role.name().to_owned(),
        user.disabled.to_string(),
        user.must_change_password.to_string(),
        at(Some(user.created_at)),
        at(user.last_login_at),
        user.sessions.to_string(),
    ]
}
