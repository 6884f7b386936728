//! Migrations as a list, each with its SQL.

use contract::{
    format,
    migration::{MigrationObstacle, MigrationState, MigrationText, MigrationView},
};

use super::asked::Asked;
use crate::{
    address::use_here,
    jobs::Work,
    prelude::*,
    rpc::ApiError,
    ui::{Ago, Badge, Load, Tone, needs_script},
};

/// The URL's word for the applied migration whose text is shown.
pub const SHOWN: &str = "sql";

/// The applied migration whose text is asked for, and the text.
#[derive(Clone, Copy)]
pub struct Shown {
    /// Its version.
    pub version: Memo<Option<i64>>,
    /// Its text; `None` while none is asked for.
    pub text: Resource<Result<Option<MigrationText>, ApiError>>,
}

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
    asked: RwSignal<Option<Asked>>,
    /// The text that is shown.
    shown: Shown,
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
        view! { <Row migration up_to work asked shown /> }
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
}

#[component]
fn Row(
    migration: MigrationView,
    up_to: Option<i64>,
    work: Work,
    asked: RwSignal<Option<Asked>>,
    shown: Shown,
) -> impl IntoView {
    let act = up_to.map(|version| {
        needs_script("Apply up to here…");
        view! {
            <button
                class="btn sm"
                type="button"
                aria-disabled=move || work.is_busy().then_some("true")
                on:click=move |_| asked.set(Some(Asked { up_to: Some(version), ..Asked::default() }))
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
    let version = migration.version;
    let applied = matches!(
        migration.state,
        MigrationState::Applied | MigrationState::Edited | MigrationState::Missing
    )
    .then(|| view! { <Applied version shown /> });
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
                <Obstacles obstacles=migration.obstacles />
                {applied}
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
}

/// What was applied, at a link, since all texts at once would make a long page.
#[component]
fn Applied(version: i64, shown: Shown) -> impl IntoView {
    let here = use_here();
    let is_shown = move || shown.version.get() == Some(version);
    let link = move || {
        let other = (!is_shown()).then(|| version.to_string());
        here.with(&[(SHOWN, other)])
    };
    let words = move || {
        if is_shown() {
            "Hide the SQL"
        } else {
            "Read the SQL that was applied"
        }
    };
    view! {
        <div class="small">
            <a href=link aria-expanded=move || is_shown().to_string()>
                {words}
            </a>
        </div>
        {move || {
            is_shown()
                .then(|| {
                    view! {
                        <Load resource=shown.text let:text>
                            {text
                                .map(|text| {
                                    view! {
                                        <pre class="code wrap" tabindex="0">
                                            {text.sql}
                                        </pre>
                                        <div class="muted small">
                                            {text.from} ", SHA-384 "
                                            <span class="mono">{text.checksum}</span>
                                        </div>
                                    }
                                })}
                        </Load>
                    }
                })
        }}
    }
}

/// What keeps a migration from being applied.
#[component]
pub fn Obstacles(
    /// By line.
    obstacles: Vec<MigrationObstacle>,
) -> impl IntoView {
    (!obstacles.is_empty()).then(|| {
        let items = obstacles.into_iter().map(|obstacle| {
            view! {
                <li>
                    {format!("Line {}: {}. ", obstacle.line, obstacle.what)} <span class="muted">{obstacle.remedy}</span>
                </li>
            }
        });
        view! { <ul class="small">{items.collect_view()}</ul> }
    })
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
        MigrationState::Running => (Tone::Info, "Under way", "begun, and somebody is at work on it"),
        MigrationState::Unreadable => (
            Tone::Bad,
            "Unreadable",
            "there is a file, but it cannot be read as a migration",
        ),
    }
}
