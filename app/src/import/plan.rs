//! The third step: what would happen, tried out in the target and rolled back.

use contract::{
    format,
    import::{Destination, ImportId, ImportView, Mapping, Obstacle, Room, Stage},
};
use leptos::prelude::*;

use super::{
    api::plan_import,
    choices::Choices,
    found::plural,
    grid::{Cells, Grid, Head},
    sheet::PlanSheet,
    start::StartPlanned,
};
use crate::{
    rpc::ApiError,
    ui::{CopyButton, EmptyState, FaultNote, Icon, icons, save_file},
};

static ITEMS: [Head; 3] = [Head::words("Severity"), Head::words("Where"), Head::words("What")];

static FOLLOW: [Head; 2] = [Head::words("Table"), Head::words("How it can be followed")];

/// The card of the rehearsal.
#[component]
pub fn Rehearse(
    /// The import.
    import: ImportView,
    /// What is decided in the page.
    choices: Choices,
    /// Whether the reader may import.
    may: bool,
    /// Loads the page again.
    reload: Callback<()>,
) -> impl IntoView {
    let id = import.id;
    let rehearse = Action::new(move |(id, mapping): &(ImportId, Mapping)| {
        let (id, mapping) = (*id, mapping.clone());
        async move {
            let plan = plan_import(id, mapping.clone()).await?;
            Ok::<_, ApiError>((mapping, plan))
        }
    });
    Effect::new(move || {
        if let Some(Ok((mapping, plan))) = rehearse.value().get() {
            choices.planned(mapping, plan);
            rehearse.value().set(None);
            // What is decided is saved now.
            reload.run(());
        }
    });
    let button = may.then(|| {
        view! {
            <button
                class="btn"
                type="button"
                disabled=move || !choices.is_open() || rehearse.pending().get()
                aria-busy=move || rehearse.pending().get().to_string()
                on:click=move |_| {
                    rehearse.dispatch((id, choices.now()));
                }
            >
                "Rehearse"
            </button>
        }
    });
    let file = import.file.clone();
    let import = StoredValue::new(import);
    let shown = move || {
        match choices.plan() {
        Some((plan, current)) => view! {
            <Plan plan=plan.clone() current file=file.clone() />
            {may.then(|| view! { <StartPlanned import=import.get_value() plan current choices reload /> })}
        }
        .into_any(),
        None => view! {
            <EmptyState
                title="Not rehearsed yet"
                hint="A rehearsal saves what is decided, runs every statement in a transaction that is rolled back, and says what stands in the way. Nothing changes."
            />
        }
        .into_any(),
    }
    };
    view! {
        <section class="card" id="rehearse" aria-label="Rehearse">
            <div class="ch">
                <h2>"3 Rehearse"</h2>
                <span class="sp"></span>
                {button}
            </div>
            <FaultNote outcome=rehearse.value() />
            {shown}
        </section>
    }
    .into_any()
}

#[component]
fn Plan(plan: PlanSheet, current: bool, file: String) -> impl IntoView {
    let PlanSheet {
        target,
        schema,
        into,
        tables,
        rows,
        obstacles,
        room,
        stages,
        items,
        all_items,
        follow,
    } = plan;
    let into = match into {
        Destination::New => "new tables",
        Destination::Existing => "tables that are there",
    };
    let summary = format!(
        "{} into {} {into} of schema {schema} in {target}.",
        plural(rows, "row", "rows"),
        format::exact(tables)
    );
    let stale = (!current).then(|| {
        view! {
            <div class="banner warn mb-0" role="status">
                <span class="dot warn"></span>
                "Out of date"
                <span>"Something was decided since. Rehearse again before you start."</span>
            </div>
        }
    });
    view! {
        <div class="cb stack-s">
            {stale}
            <Obstacles obstacles />
            <p>{summary}</p>
            <RoomLine room />
        </div>
        <Statements stages file />
        {(!items.is_empty()).then(|| view! { <Changes items all=all_items /> })}
        {(!follow.is_empty())
            .then(|| {
                view! {
                    <div class="ch">
                        <h3>"Following the file later"</h3>
                    </div>
                    <Grid label="Following the file later" heads=&FOLLOW rows=follow fold=true />
                }
            })}
    }
    .into_any()
}

#[component]
fn Obstacles(obstacles: Vec<Obstacle>) -> impl IntoView {
    if obstacles.is_empty() {
        return view! {
            <div class="banner ok mb-0" role="status">
                <span class="dot"></span>
                "Nothing in the way"
                <span>"Every statement ran, and was rolled back."</span>
            </div>
        }
        .into_any();
    }
    let title = plural(
        obstacles.len() as i64,
        "thing stands in the way",
        "things stand in the way",
    );
    let items = obstacles.into_iter().map(|obstacle| {
        let place = match (obstacle.table, obstacle.column) {
            (Some(table), Some(column)) => format!("{table}.{column}"),
            (Some(table), None) => table,
            _ => "The import".to_owned(),
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
    }
    .into_any()
}

#[component]
fn RoomLine(room: Room) -> impl IntoView {
    let needed = format::bytes(room.needed);
    match room.free {
        Some(free) if free < room.needed => view! {
            <p class="bad-text">
                {format!("Not enough room: about {needed} are needed on the server's disk, and {} are free.", format::bytes(free))}
            </p>
        }
        .into_any(),
        Some(free) => view! {
            <p class="muted">{format!("About {needed} are needed on the server's disk; {} are free.", format::bytes(free))}</p>
        }
        .into_any(),
        None => view! {
            <p class="muted">
                {format!("About {needed} are needed on the server's disk. The server is on another machine and does not say how much is free.")}
            </p>
        }
        .into_any(),
    }
}

/// Every statement by stage, to be read, copied and saved.
#[component]
fn Statements(stages: Vec<(Stage, i64, String)>, file: String) -> impl IntoView {
    if stages.is_empty() {
        return ().into_any();
    }
    let count: i64 = stages.iter().map(|(_, count, _)| count).sum();
    let all: String = stages
        .iter()
        .map(|(stage, _, sql)| format!("-- {}\n\n{sql}\n", stage.label()))
        .collect::<Vec<_>>()
        .join("\n");
    let copy = all.clone();
    let name = format!("{file}.sql");
    let stages = stages.into_iter().map(|(stage, count, sql)| {
        view! {
            <details class="more">
                <summary>{stage.label()} ": " {plural(count, "statement", "statements")}</summary>
                <pre class="code wrap" tabindex="0">
                    {sql}
                </pre>
            </details>
        }
    });
    view! {
        <div class="ch">
            <h3>{plural(count, "statement", "statements")}</h3>
            <span class="sp"></span>
            <CopyButton text=copy what="the SQL" />
            <button class="btn sm" type="button" on:click=move |_| save_file(&name, "application/sql", &all)>
                <Icon icon=icons::Download />
                "SQL"
            </button>
        </div>
        <div class="cb stack-s">{stages.collect_view()}</div>
    }
    .into_any()
}

#[component]
fn Changes(items: Vec<Cells>, all: i64) -> impl IntoView {
    let shown = items.len() as i64;
    let words = match all > shown {
        true => format!("the first {} of {}", format::exact(shown), format::exact(all)),
        false => format::exact(all),
    };
    view! {
        <div class="ch">
            <h3>"Changed, or not carried over"</h3>
            <span class="muted">{words}</span>
        </div>
        <Grid label="Changed, or not carried over" heads=&ITEMS rows=items fold=true />
    }
    .into_any()
}
