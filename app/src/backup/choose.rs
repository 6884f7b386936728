//! A backup as one likes it: of chosen schemas or tables, compressed in some way, over several connections.

use contract::{
    backup::{BackupSpec, Compression, Part, PartsView},
    command::Act,
    session::Permission,
    stats::{TABLES_PER_PAGE, TablePage, TableQuery, TableSort, TableStat},
};
use leptos_router::hooks::use_navigate;

use super::api::{look_at_parts, start_backup};
use crate::{
    address::{job_link, link, use_query, use_target, use_typed_query},
    prelude::*,
    rpc::ApiError,
    session::use_may,
    stats::api::list_tables,
    ui::{
        Bytes, CopyCommand, EmptyState, FaultView, Icon, Load, Menu, PageHead, Pager, SearchBox, icons,
        load_by, needs_script,
    },
};

/// What is chosen so far. Schemas and tables exclude each other, because pg_dump takes one or the other.
type Chosen = RwSignal<Vec<Part>>;

/// Chooses what to back up, and begins.
#[component]
pub fn ChoosePage() -> impl IntoView {
    let target = use_target();
    let search = use_query("q");
    let page = use_typed_query::<i64>("page");
    let chosen: Chosen = RwSignal::new(Vec::new());
    let query = Memo::new(move |_| TableQuery {
        target: target.get(),
        search: search.get(),
        sort: TableSort::Name,
        descending: false,
        page: page.get().unwrap_or(1),
        all: true,
        look: None,
    });
    let tables = load_by(query, list_tables);
    view! {
        <PageHead
            title="Back up"
            tab=Signal::derive(move || format!("Back up {}", target.get()))
            facts=|| {
                "Of the whole database, or of chosen schemas or tables: such a one says what it lacks, and never counts as a backup of the whole."
            }
            up=("Backups", link(&target.get_untracked(), "backups"))
        />
        {use_may(Permission::BackUp).then(|| view! { <Begin target chosen /> })}
        <section class="card">
            <div class="ch">
                <h2>"Tables"</h2>
            </div>
            <SearchBox placeholder="Filter tables…" />
            <Load resource=tables main=true let:page>
                <Tables page asked=query.get_untracked() chosen />
            </Load>
        </section>
    }
}

/// What is chosen, how it is compressed, and the button.
#[component]
fn Begin(target: Memo<String>, chosen: Chosen) -> impl IntoView {
    needs_script("Back up all of it");
    let compression = RwSignal::new(Compression::default());
    let parallel = RwSignal::new(1);
    let start = Action::new(|spec: &BackupSpec| start_backup(spec.clone()));
    let navigate = use_navigate();
    Effect::new(move || {
        if let Some(Ok(job)) = start.value().get() {
            navigate(&job_link(job), leptos_router::NavigateOptions::default());
        }
    });
    let spec = move || BackupSpec {
        target: target.get(),
        only: chosen.get(),
        compression: compression.get(),
        parallel: parallel.get(),
    };
    let nothing = Memo::new(move |_| chosen.with(Vec::is_empty));
    let look = Action::new(|spec: &BackupSpec| look_at_parts(spec.clone()));
    Effect::new(move || {
        // How it is compressed, and over how many connections, changes nothing of what it needs.
        let only = chosen.get();
        if !only.is_empty() {
            look.dispatch(BackupSpec {
                only,
                ..BackupSpec::whole(target.get_untracked())
            });
        }
    });
    // What was said of another choice is not said of this one.
    let needs = move || match (nothing.get() || look.pending().get(), look.value().get()) {
        (false, Some(Ok(Some(parts)))) => Some(view! { <Needs parts /> }),
        (false, Some(Err(ApiError(fault)))) => Some(view! { <FaultView fault /> }),
        _ => None,
    };
    let as_command = Signal::derive(move || Act::BackUp(&spec()).line());
    let parts = move || {
        let parts = chosen.get();
        parts
            .into_iter()
            .map(|part| view! { <Taken part chosen /> })
            .collect_view()
    };
    view! {
        <section class="card" aria-labelledby="chosen">
            <div class="ch">
                <h2 id="chosen">"Chosen"</h2>
                <span class="sp"></span>
                <Menu id="acts" label="More" class="btn icon" button=|| view! { <Icon icon=icons::More /> }>
                    <CopyCommand command=as_command />
                </Menu>
            </div>
            <div class="cb stack">
                <p class="muted" hidden=move || !nothing.get()>
                    "Nothing, so the whole database is backed up. Tick tables below, or take a whole schema, for a backup of those alone."
                </p>
                <div class="row">{parts}</div>
                <div class="row">
                    <label class="field">
                        <span class="label">"Compression"</span>
                        <select on:change=move |event| {
                            compression.set(event_target_value(&event).parse().unwrap_or_default());
                        }>
                            {Compression::ALL
                                .map(|one| view! { <option value=one.name()>{one.label()}</option> })
                                .collect_view()}
                        </select>
                    </label>
                    <label class="field">
                        <span class="label">"Connections that read at the same time"</span>
                        <input
                            type="number"
                            min="1"
                            max=BackupSpec::MOST_PARALLEL.to_string()
                            value="1"
                            on:change=move |event| parallel.set(event_target_value(&event).parse().unwrap_or(1))
                        />
                    </label>
                </div>
                <div class="stack-s" aria-live="polite">{needs}</div>
                {move || match start.value().get() {
                    Some(Err(ApiError(fault))) => Some(view! { <FaultView fault /> }),
                    _ => None,
                }}
                <div class="row">
                    <button
                        class="btn pri"
                        type="button"
                        aria-disabled=move || start.pending().get().then_some("true")
                        aria-busy=move || start.pending().get().to_string()
                        on:click=move |_| {
                            if !start.pending().get_untracked() {
                                start.dispatch(untrack(spec));
                            }
                        }
                    >
                        {move || if nothing.get() { "Back up all of it" } else { "Back up these" }}
                    </button>
                </div>
            </div>
        </section>
    }
}

/// What a backup of the chosen parts leaves out, and what it can only be restored beside.
#[component]
fn Needs(parts: PartsView) -> impl IntoView {
    let needs = parts
        .needs
        .into_iter()
        .map(|need| view! { <li>{need}</li> })
        .collect_view();
    let has_some = !needs.is_empty();
    view! {
        <p class="muted small">{parts.note}</p>
        {has_some
            .then(|| {
                view! {
                    <p class="warn-text">"By itself it cannot be restored, because these parts need what will not be in it:"</p>
                    <ul class="stack-s small" aria-label="What it needs">{needs}</ul>
                    <p class="small">
                        "Restore it into the live database, or into another one that has all of that; or take a whole schema, or the whole database."
                    </p>
                }
            })}
    }
}

/// One chosen part, with the way to drop it.
#[component]
fn Taken(part: Part, chosen: Chosen) -> impl IntoView {
    let name = match part.table {
        Some(_) => part.to_string(),
        None => format!("all of {part}"),
    };
    let label = format!("Do not take {name}");
    view! {
        <button
            class="chip"
            type="button"
            aria-label=label
            on:click=move |_| chosen.update(|chosen| chosen.retain(|other| *other != part))
        >
            {name}
            " ×"
        </button>
    }
}

#[component]
fn Tables(page: TablePage, asked: TableQuery, chosen: Chosen) -> impl IntoView {
    if page.matching == 0 {
        return view! { <EmptyState title="No such table" hint="No table's name contains what was typed." /> };
    }
    let shown = asked
        .page
        .clamp(1, (page.matching - 1).max(0) / TABLES_PER_PAGE + 1);
    let rows = page.matching;
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label="Tables">
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col">"Table"</th>
                        <th scope="col">"Schema"</th>
                        <th scope="col" class="num">"Total"</th>
                    </tr>
                </thead>
                <tbody>{page.tables.into_iter().map(|table| view! { <Row table chosen /> }).collect_view()}</tbody>
            </table>
        </div>
        <Pager page=shown per_page=TABLES_PER_PAGE rows />
    }
}

#[component]
fn Row(table: TableStat, chosen: Chosen) -> impl IntoView {
    needs_script("all of it");
    let schema = table.schema.clone();
    let whole = Part {
        schema: table.schema.clone(),
        table: None,
    };
    let part = Part {
        schema: table.schema,
        table: Some(table.name.clone()),
    };
    let is_chosen = {
        let part = part.clone();
        Memo::new(move |_| chosen.with(|chosen| chosen.contains(&part)))
    };
    let all = format!("Take all of {schema}");
    view! {
        <tr>
            <td>
                <label class="check">
                    <input
                        type="checkbox"
                        prop:checked=is_chosen
                        on:change=move |event| {
                            let part = part.clone();
                            chosen.update(|chosen| choose(chosen, part, event_target_checked(&event)));
                        }
                    />
                    <span>{table.name}</span>
                </label>
            </td>
            <td>
                {schema}
                " "
                <button
                    class="btn sm"
                    type="button"
                    aria-label=all
                    on:click=move |_| {
                        let whole = whole.clone();
                        chosen.update(|chosen| choose(chosen, whole, true));
                    }
                >
                    "all of it"
                </button>
            </td>
            <td class="num">
                <Bytes value=table.total_bytes />
            </td>
        </tr>
    }
}

/// Takes a part in or out. One of the other kind takes the place of what was chosen.
fn choose(chosen: &mut Vec<Part>, part: Part, takes: bool) {
    chosen.retain(|other| *other != part && other.table.is_some() == part.table.is_some());
    if takes {
        chosen.push(part);
        chosen.sort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(schema: &str, table: Option<&str>) -> Part {
        Part {
            schema: schema.to_owned(),
            table: table.map(str::to_owned),
        }
    }

    #[test]
    fn schemas_and_tables_take_each_others_place() {
        let mut chosen = Vec::new();
        choose(&mut chosen, part("b", Some("t")), true);
        choose(&mut chosen, part("a", Some("t")), true);
        choose(&mut chosen, part("b", Some("t")), true);
        assert_eq!(chosen, [part("a", Some("t")), part("b", Some("t"))]);
        choose(&mut chosen, part("a", Some("t")), false);
        assert_eq!(chosen, [part("b", Some("t"))]);
        choose(&mut chosen, part("c", None), true);
        assert_eq!(chosen, [part("c", None)]);
    }
}
