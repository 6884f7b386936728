//! What support asks for first.

use contract::{
    console::{ConsoleView, FolderView, SettingView, StoreView},
    format,
};
use leptos::either::Either;

use super::api::view_console;
use crate::{
    frame::use_target_names,
    prelude::*,
    target::PoolCard,
    ui::{Ago, Badge, Bytes, Load, PageHead, Tone},
};

/// Version, build, health, paths, configuration without secrets, and the pool of each managed database.
#[component]
pub fn ConsolePage() -> impl IntoView {
    let console = Resource::new(|| (), |()| view_console());
    let pools = use_target_names()
        .into_iter()
        .map(|target| view! { <PoolCard target /> })
        .collect_view();
    view! {
        <PageHead
            title="Console"
            facts=|| "The program itself: its version, its health, its folders and what it was told."
            up=("Settings", "/settings".to_owned())
        />
        <Load resource=console main=true let:console>
            <Facts console />
        </Load>
        <div class="cols even">{pools}</div>
    }
}

#[component]
fn Facts(console: ConsoleView) -> impl IntoView {
    let warnings = console
        .warnings
        .into_iter()
        .map(|warning| {
            view! {
                <div class="banner warn" role="status">
                    <span class="dot warn"></span>
                    <span>{warning}</span>
                </div>
            }
        })
        .collect_view();
    view! {
        {warnings}
        <div class="cols even">
            <section class="card">
                <div class="ch">
                    <h2>"Program"</h2>
                </div>
                <div class="cb">
                    <dl class="kv">
                        <dt>"Version"</dt>
                        <dd>{console.version}</dd>
                        <dt>"Build"</dt>
                        <dd>{console.build}</dd>
                        <dt>"Started"</dt>
                        <dd>
                            <Ago at=console.started_at />
                        </dd>
                        <dt>"Jobs"</dt>
                        <dd>{if console.works { "run in this process" } else { "run in another process" }}</dd>
                        <dt>"Client tools"</dt>
                        <dd>
                            {match console.tools {
                                Ok(tools) => Either::Left(tools),
                                Err(fault) => Either::Right(view! { <span class="warn-text">{fault.message} " " {fault.hint}</span> }),
                            }}
                        </dd>
                    </dl>
                </div>
            </section>
            <Store store=console.store />
        </div>
        <Folders folders=console.folders />
        <Settings settings=console.settings />
    }
}

#[component]
fn Store(store: StoreView) -> impl IntoView {
    let answer = match (store.version, store.answered_ms, store.fault) {
        (Some(version), Some(ms), _) => Either::Left(format!("PostgreSQL {version}, answered in {ms:.1} ms")),
        (_, _, fault) => {
            let words = fault.map_or_else(|| "does not answer".to_owned(), |fault| fault.message);
            Either::Right(view! { <Badge tone=Tone::Bad text="Down" /> " " {words} })
        }
    };
    let (open, most) = store.connections;
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Store"</h2>
            </div>
            <div class="cb">
                <dl class="kv">
                    <dt>"Health"</dt>
                    <dd>{answer}</dd>
                    <dt>"Database"</dt>
                    <dd class="mono">{store.database}</dd>
                    <dt>"Address"</dt>
                    <dd class="mono">{store.address}</dd>
                    <dt>"Connections"</dt>
                    <dd>{format!("{open} open, at most {most}")}</dd>
                </dl>
            </div>
        </section>
    }
}

#[component]
fn Folders(folders: Vec<FolderView>) -> impl IntoView {
    let row = |folder: FolderView| {
        view! {
            <tr>
                <td>{folder.purpose}</td>
                <td class="mono wrap">{folder.path}</td>
                <td class="num">
                    {match (folder.free_bytes, folder.problem) {
                        (Some(bytes), None) => Either::Left(view! { <Bytes value=bytes /> }),
                        (_, problem) => Either::Right(view! { <span class="warn-text">{problem}</span> }),
                    }}
                </td>
            </tr>
        }
    };
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Folders"</h2>
            </div>
            <div class="table-wrap" tabindex="0" role="region" aria-label="Folders">
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col">"For"</th>
                            <th scope="col">"Path"</th>
                            <th scope="col" class="num">
                                "Free"
                            </th>
                        </tr>
                    </thead>
                    <tbody>{folders.into_iter().map(row).collect_view()}</tbody>
                </table>
            </div>
        </section>
    }
}

#[component]
fn Settings(settings: Vec<SettingView>) -> impl IntoView {
    let set = settings.iter().filter(|setting| setting.is_set).count();
    let title = format!(
        "Configuration ({} of {} set)",
        set,
        format::exact(settings.len() as i64)
    );
    let row = |setting: SettingView| {
        let value = match (setting.value, setting.is_set) {
            (Some(value), _) => view! { <span class="mono">{value}</span> },
            (None, true) => view! { <span class="muted">"set, and secret"</span> },
            (None, false) => view! { <span class="muted">{marked(setting.default)}</span> },
        };
        view! {
            <tr>
                <td>
                    <b class="mono">{setting.name}</b>
                    <div class="muted small wrap">{marked(setting.about)}</div>
                </td>
                <td class="wrap">{value}</td>
            </tr>
        }
    };
    view! {
        <section class="card">
            <div class="ch">
                <h2>{title}</h2>
            </div>
            <div class="table-wrap" tabindex="0" role="region" aria-label="Configuration">
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col">"Setting"</th>
                            <th scope="col">"Value, or what holds without one"</th>
                        </tr>
                    </thead>
                    <tbody>{settings.into_iter().map(row).collect_view()}</tbody>
                </table>
            </div>
        </section>
    }
}

/// A sentence of the documentation, which has the words of a configuration between backquotes.
fn marked(text: String) -> AnyView {
    let parts: Vec<_> = text
        .split('`')
        .enumerate()
        .map(|(at, part)| match at % 2 {
            0 => Either::Left(part.to_owned()),
            _ => Either::Right(view! { <code>{part.to_owned()}</code> }),
        })
        .collect();
    parts.into_any()
}
