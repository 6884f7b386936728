//! Settings: one's own account, and for administrators the users.

use contract::session::Permission;
use leptos::either::Either;

use super::{own::SessionsCard, password::PasswordCard, times::TimesCard, use_may, use_me, users::UsersCard};
use crate::{deployment::TokensCard, frame::ThemeChoice, prelude::*, ui::PageHead};

/// Settings.
#[component]
pub fn SettingsPage() -> impl IntoView {
    let me = use_me();
    let must_change = me.as_ref().is_some_and(|me| me.must_change_password);
    let users = use_may(Permission::ManageUsers);
    let tokens = use_may(Permission::ManageTokens);
    let sees_console = !must_change && use_may(Permission::ViewConsole);
    let facts = me
        .map(|me| format!("{} · {}", me.name, me.role.name()))
        .unwrap_or_default();
    view! {
        <PageHead title="Settings" facts=move || facts.clone()>
            {sees_console
                .then(|| {
                    view! {
                        <a class="btn" href="/settings/console">
                            "Console"
                        </a>
                    }
                })}
        </PageHead>
        {must_change
            .then(|| {
                view! {
                    <div class="banner warn" role="status">
                        <span class="dot warn"></span>
                        "Choose a password of your own"
                        <span>"The password that somebody else chose for you opens nothing but this page."</span>
                    </div>
                }
            })}
        <div class="cols even">
            <PasswordCard />
            <div class="stack">
                <SessionsCard />
                <TimesCard />
                <section class="card">
                    <div class="ch">
                        <h2>"Appearance"</h2>
                    </div>
                    <div class="cb">
                        <ThemeChoice />
                    </div>
                </section>
            </div>
        </div>
        {if users { Either::Left(view! { <UsersCard /> }) } else { Either::Right(()) }}
        {if tokens { Either::Left(view! { <TokensCard /> }) } else { Either::Right(()) }}
    }
}
