//! The third step: what would happen, tried out in the target and rolled back.

use contract::{
    Code, format,
    import::{Destination, ImportId, ImportView, Mapping, Obstacle, Room},
};

use super::{
    api::rehearse_import,
    choices::Choices,
    counts::{first_of, plural},
    grid::{Grid, Head, table_link},
    save::SaveButton,
    sheet::{Export, FollowSheet, PER_PAGE, Paged, PlanSheet, StageSheet},
    start::StartPlanned,
};
use crate::{
    prelude::*,
    rpc::ApiError,
    ui::{Ago, EmptyState, FaultNote, Pager, needs_script, use_toasts},
};

static ITEMS: [Head; 3] = [Head::words("Severity"), Head::words("Where"), Head::words("What")];

static FOLLOW: [Head; 3] = [
    Head::words("Table"),
    Head::num("Rows"),
    Head::words("How it can be followed"),
];

/// The card of the rehearsal.
#[component]
pub fn Rehearse(
    /// The import.
    import: ImportView,
    /// The last rehearsal.
    plan: Option<PlanSheet>,
    /// Which decisions the reader has before them.
    revision: String,
    /// What is decided in the page.
    choices: Choices,
    /// Whether a job goes on.
    going_on: Memo<bool>,
    /// Whether the reader may import.
    may: bool,
    /// Loads the page again.
    reload: Callback<()>,
) -> impl IntoView {
    let (id, toasts) = (import.id, use_toasts());
    let seen = revision.clone();
    let rehearse = Action::new(move |mapping: &Mapping| {
        let (mapping, seen) = (mapping.clone(), seen.clone());
        async move { rehearse_import(id, mapping.clone(), seen).await.map(|_| mapping) }
    });
    Effect::new(move || match rehearse.value().get() {
        Some(Ok(mapping)) => {
            choices.sent(mapping);
            reload.run(());
        }
        // Someone else decided something: that is shown, and what was decided here is still there.
        Some(Err(ApiError(fault))) if fault.code == Code::Conflict => {
            toasts.fault(&fault);
            reload.run(());
        }
        _ => {}
    });
    // From the click on: the page is loaded anew when the rehearsal has begun.
    let going_on = Memo::new(move |_| {
        going_on.get()
            || rehearse.pending().get()
            || rehearse.value().with(|value| matches!(value, Some(Ok(_))))
    });
    let button = may.then(|| {
        if choices.is_open() {
            needs_script("Rehearse");
        }
        view! {
            <button
                class="btn"
                type="button"
                aria-disabled=move || (!choices.is_open() || going_on.get()).then_some("true")
                aria-busy=move || rehearse.pending().get().to_string()
                on:click=move |_| {
                    rehearse.dispatch(choices.now());
                }
            >
                "Rehearse"
            </button>
        }
    });
    let shown = match plan {
        Some(plan) => {
            let current = plan.current;
            let current = Memo::new(move |_| current && !choices.is_changed());
            view! {
                <Plan id plan=plan.clone() current />
                {may.then(|| view! { <StartPlanned import plan current going_on revision choices reload /> })}
            }
        }
        None => view! {
            <EmptyState
                title="Not rehearsed yet"
                hint="A rehearsal saves what is decided, runs every statement in a transaction that is rolled back, and says what stands in the way. Nothing changes."
            />
        },
    };
    view! {
        <section class="card" id="rehearse" data-part="import_decide" aria-label="Rehearse">
            <div class="ch">
                <h2>"3 Rehearse"</h2>
                <span class="sp"></span>
                {button}
            </div>
            <FaultNote outcome=rehearse.value() />
            {shown}
        </section>
    }
}

#[component]
fn Plan(id: ImportId, plan: PlanSheet, current: Memo<bool>) -> impl IntoView {
    let PlanSheet {
        at,
        target,
        schema,
        into,
        tables,
        rows,
        obstacles,
        all_obstacles,
        room,
        stages,
        items,
        follow,
        ..
    } = plan;
    let into = match into {
        Destination::New => "new tables",
        Destination::Existing => "tables that are there",
    };
    let summary = format!(
        "{} into {} {into} of schema {schema} in {target}. Rehearsed ",
        plural(rows, "row", "rows"),
        format::exact(tables)
    );
    let stale = move || {
        (!current.get()).then(|| {
            view! {
                <div class="banner warn mb-0" role="status">
                    <span class="dot warn"></span>
                    "Out of date"
                    <span>"Something was decided since, or the file was looked at again. Rehearse again before you start."</span>
                </div>
            }
        })
    };
    view! {
        <div class="cb stack-s">
            {stale}
            <Obstacles obstacles all=all_obstacles />
            <p>{summary} <Ago at /> "."</p>
            <RoomLine room />
        </div>
        <Statements id stages />
        {(items.all > 0).then(|| view! { <Changes items /> })}
        {follow.map(|follow| view! { <Following follow /> })}
    }
}

/// How tables can be followed later; those that cost much first.
#[component]
fn Following(follow: FollowSheet) -> impl IntoView {
    let ways = follow
        .ways
        .into_iter()
        .map(|(way, count)| view! { <li>{plural(count, "table", "tables")} ": " {way}</li> });
    let costly = (follow.all_costly > 0).then(|| {
        view! {
            <p>"Not cheaply: " {first_of(follow.costly.len() as i64, follow.all_costly)}</p>
            <Grid label="Tables that cannot be followed cheaply" heads=&FOLLOW rows=follow.costly fold=true />
        }
    });
    view! {
        <div class="ch">
            <h3>"Following the file later"</h3>
        </div>
        <div class="cb stack-s">
            <ul class="stack-s">{ways.collect_view()}</ul>
            {costly}
        </div>
    }
}

#[component]
fn Obstacles(obstacles: Vec<Obstacle>, all: i64) -> impl IntoView {
    if obstacles.is_empty() {
        return view! {
            <div class="banner ok mb-0" role="status">
                <span class="dot"></span>
                "Nothing in the way"
                <span>"Every statement ran, and was rolled back."</span>
            </div>
        };
    }
    let more = all - obstacles.len() as i64;
    let title = plural(all, "thing stands in the way", "things stand in the way");
    let items = obstacles.into_iter().map(|obstacle| {
        let to = obstacle.table.clone().map(table_link);
        let place = match (obstacle.table, obstacle.column) {
            (Some(table), Some(column)) => format!("{table}.{column}"),
            (Some(table), None) => table,
            _ => "The import".to_owned(),
        };
        let place = match to {
            Some(to) => view! { <a href=to>{place}</a> },
            None => place.into_any(),
        };
        view! {
            <li class="item">
                <span class="badge bad">"In the way"</span>
                <b class="mono min-w-0">{place}</b>
                <span></span>
                <p>{obstacle.words} " " {obstacle.hint}</p>
            </li>
        }
    });
    view! {
        <div class="banner bad mb-0" role="status">
            <span class="dot bad"></span>
            {title}
            <span>"Decide or mend it, then rehearse again."</span>
        </div>
        <ul class="list-none p-0">{items.collect_view()}</ul>
        {(more > 0).then(|| view! { <p class="muted small">{format!("and {} more, all in the JSON", format::exact(more))}</p> })}
    }
}

#[component]
fn RoomLine(room: Room) -> impl IntoView {
    let needed = format::bytes(room.needed);
    match room.free {
        Some(free) if free < room.needed => view! {
            <p class="bad-text">
                {format!("Not enough room: about {needed} are needed on the server's disk, and {} are free.", format::bytes(free))}
            </p>
        },
        Some(free) => view! {
            <p class="muted">{format!("About {needed} are needed on the server's disk; {} are free.", format::bytes(free))}</p>
        },
        None => view! {
            <p class="muted">
                {format!("About {needed} are needed on the server's disk. The server is on another machine and does not say how much is free.")}
            </p>
        },
    }
}

/// The statements by stage, to be read and saved.
#[component]
fn Statements(id: ImportId, stages: Vec<StageSheet>) -> impl IntoView {
    if stages.is_empty() {
        return ().into_any();
    }
    let count: i64 = stages.iter().map(|stage| stage.count).sum();
    let stages = stages.into_iter().map(|stage| {
        let left = stage.count - stage.shown;
        let more = (left > 0).then(|| {
            view! { <p class="muted small">{plural(left, "more statement is", "more statements are")} " in the file."</p> }
        });
        view! {
            <details class="more">
                <summary>{stage.stage.label()} ": " {plural(stage.count, "statement", "statements")}</summary>
                <pre class="code wrap" tabindex="0">
                    {stage.sql}
                </pre>
                {more}
            </details>
        }
    });
    view! {
        <div class="ch">
            <h3>{plural(count, "statement", "statements")}</h3>
            <span class="sp"></span>
            <SaveButton id what=Export::Sql />
            <SaveButton id what=Export::Plan />
        </div>
        <div class="cb stack-s">{stages.collect_view()}</div>
    }
}

#[component]
fn Changes(items: Paged) -> impl IntoView {
    view! {
        <div class="ch">
            <h3>"Changed, or not carried over"</h3>
            <span class="muted">{format::exact(items.all)}</span>
        </div>
        <Grid label="Changed, or not carried over" heads=&ITEMS rows=items.rows fold=true />
        <Pager page=items.page per_page=PER_PAGE rows=items.matching key="ppage" />
    }
}
