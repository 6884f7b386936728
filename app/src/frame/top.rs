//! The bar above the page.

use super::{fleet::Fleet, opened::Opened, theme::ThemeChoice};
use crate::{
    live::{Connection, use_live},
    prelude::*,
    session::use_me,
    ui::{Icon, Menu, icons},
};

/// Menu button, palette, running jobs, whether changes arrive, and the user.
#[component]
pub fn Top(
    /// Whether nothing but the settings may be opened.
    locked: bool,
) -> impl IntoView {
    let opened = use_context::<Opened>();
    let (name, role) = use_me().map(|me| (me.name, me.role.name())).unwrap_or_default();
    let shown = name.clone();
    view! {
        <header class="top">
            <button class="menu" type="button" popovertarget="side" aria-label="Menu">
                <Icon icon=icons::Menu />
            </button>
            {(!locked)
                .then(|| {
                    view! {
                        <button
                            class="search"
                            type="button"
                            on:click=move |_| {
                                if let Some(opened) = opened {
                                    opened.palette.set(true);
                                }
                            }
                        >
                            <Icon icon=icons::Search />
                            <span class="truncate">"Go to a page, table or job…"</span>
                            <kbd>"Ctrl K"</kbd>
                        </button>
                    }
                })}
            <span class="sp"></span>
            {(!locked).then(|| view! { <Transition fallback=|| ()><Running /></Transition> <Link /> })}
            <Menu
                id="account"
                label=format!("{name}, {role}")
                class="chip"
                button=move || {
                    view! {
                        <Icon icon=icons::User />
                        <span class="hide-s who">{shown.clone()}</span>
                    }
                }
            >
                <div class="px-2 py-1">
                    <b class="strong">{name}</b>
                    <div class="muted small">{role}</div>
                </div>
                <hr class="menu-sep" />
                <a class="menu-item" href="/settings">
                    <Icon icon=icons::Settings />
                    "Your account"
                </a>
                <button
                    class="menu-item"
                    type="button"
                    on:click=move |_| {
                        if let Some(opened) = opened {
                            opened.keys.set(true);
                        }
                    }
                >
                    <Icon icon=icons::Keys />
                    "Keyboard"
                    <kbd>"?"</kbd>
                </button>
                <hr class="menu-sep" />
                <div class="px-2 py-1">
                    <ThemeChoice />
                </div>
                <hr class="menu-sep" />
                <form method="post" action="/rpc/log_out">
                    <button class="menu-item" type="submit">
                        <Icon icon=icons::LogOut />
                        "Sign out"
                    </button>
                </form>
            </Menu>
        </header>
    }
}

/// How many jobs are running.
#[component]
fn Running() -> impl IntoView {
    let live = use_live();
    let fleet = use_context::<Fleet>();
    // No memo: see the navigation's badges.
    let count = move || {
        let loaded = || -> Option<i64> {
            let targets = fleet?.0.get()?.ok()?;
            Some(targets.iter().map(|target| target.jobs).sum())
        };
        // Reading the resource in any case keeps the server and the first render of the browser in step.
        let loaded = loaded().unwrap_or(0);
        live.running().map_or(loaded, |jobs| jobs.len() as i64)
    };
    let runs = move || count() > 0;
    let words = move || match count() {
        0 => "No job running".to_owned(),
        1 => "1 job running".to_owned(),
        count => format!("{count} jobs running"),
    };
    view! {
        <a class="chip" href="/jobs" aria-label=words>
            <span class=move || if runs() { "dot run" } else { "dot off" }></span>
            <span class="hide-s">{words}</span>
            <span class="only-s">{count}</span>
        </a>
    }
}

/// Whether changes arrive; nothing while they do, as that is what one expects.
#[component]
fn Link() -> impl IntoView {
    let live = use_live();
    view! {
        <span
            class="chip"
            role="status"
            title="What you see is the last known state."
            hidden=move || live.connection() != Connection::Reconnecting
        >
            <span class="dot warn"></span>
            "Reconnecting…"
        </span>
    }
}
