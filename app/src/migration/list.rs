//! Migrations as a list, each with its SQL.

use contract::{
    format,
    migration::{MigrationState, MigrationView},
};
use leptos::prelude::*;

use crate::{
    jobs::Work,
    ui::{Ago, Badge, Tone, needs_script},
};

/// One migration a row, in order; those to come can be read.
#[component]
pub fn Rows(
    /// Every known migration.
    migrations: Vec<MigrationView>,
    /// Whether a part of the pending ones can be asked for.
    offers: bool,
    /// Whether a run is going on.
    work: Work,
    /// Asks before it starts.
    asked: RwSignal<Option<Option<i64>>>,
) -> impl IntoView {
    let last = migrations
        .iter()
        .rev()
        .find(|migration| migration.state == MigrationState::Pending);
    let last = last.map(|migration| migration.version);
    let rows = migrations.into_iter().map(|migration| {
        // Up to the last one is the page's own button.
        let up_to = Some(migration.version)
            .filter(|version| offers && migration.state == MigrationState::Pending && Some(*version) != last);
        view! { <Row migration up_to work asked /> }
    });
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label="Migrations">
            <table class="table fold">
                <thead>
                    <tr>
                        <th scope="col">"Migration"</th>
                        <th scope="col">"State"</th>
                        <th scope="col" class="hide-s">
                            "Applied"
                        </th>
                        <th scope="col" class="num hide-s">
                            "Took"
                        </th>
                        <th scope="col">
                            <span class="sr-only">"Acts"</span>
                        </th>
                    </tr>
                </thead>
                <tbody>{rows.collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

#[component]
fn Row(
    migration: MigrationView,
    up_to: Option<i64>,
    work: Work,
    asked: RwSignal<Option<Option<i64>>>,
) -> impl IntoView {
    let act = up_to.map(|version| {
        needs_script("Apply up to here…");
        view! {
            <button
                class="btn sm"
                type="button"
                aria-disabled=move || work.is_busy().then_some("true")
                on:click=move |_| asked.set(Some(Some(version)))
            >
                "Apply up to here…"
            </button>
        }
    });
    let (tone, word, meaning) = state_words(migration.state);
    let by = migration.applied_at.map(|_| match migration.applied_by {
        Some(user) => format!("by {user}"),
        None => "by another tool".to_owned(),
    });
    let parts = (!migration.transactional).then(|| match migration.statements {
        1 => "not in a transaction".to_owned(),
        count => format!("{count} statements one by one, not in a transaction"),
    });
    view! {
        <tr>
            <td class="wrap">
                <span class="mono muted">{format!("{:04}", migration.version)}</span>
                " "
                <span class="strong">{migration.description}</span>
                {parts.map(|parts| view! { <div class="muted small">{parts}</div> })}
                {migration.sql.map(|sql| view! { <Sql sql /> })}
            </td>
            <td>
                <span title=meaning>
                    <Badge tone text=word />
                </span>
            </td>
            <td class="hide-s">
                {migration.applied_at.map(|at| view! { <Ago at /> })} {by.map(|by| view! { <div class="muted small">{by}</div> })}
            </td>
            <td class="num hide-s">{migration.duration_ms.map(format::duration)}</td>
            <td class="acts">{act}</td>
        </tr>
    }
    .into_any()
}

/// The text of a migration, folded.
#[component]
pub fn Sql(
    /// The text.
    sql: String,
) -> impl IntoView {
    view! {
        <details class="more small">
            <summary>"Read the SQL"</summary>
            <pre class="code wrap" tabindex="0">
                {sql}
            </pre>
        </details>
    }
}

/// A state in a word, and what it means.
fn state_words(state: MigrationState) -> (Tone, &'static str, &'static str) {
    match state {
        MigrationState::Applied => (Tone::Ok, "Applied", "applied, and the file is as it was then"),
        MigrationState::Pending => (Tone::Info, "Pending", "not yet applied"),
        MigrationState::Edited => (Tone::Bad, "Edited", "applied, but the file was edited since"),
        MigrationState::Missing => (
            Tone::Bad,
            "File missing",
            "applied, but there is no such file any more",
        ),
        MigrationState::OutOfOrder => (Tone::Bad, "Out of order", "not applied, though a later one is"),
        MigrationState::Unfinished => (Tone::Bad, "Unfinished", "begun and not ended"),
    }
}
