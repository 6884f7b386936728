//! The tables of the file, and one of them opened.

use contract::import::ImportId;

use super::{
    choices::{Choices, change_table, new_name},
    columns::Columns,
    counts::plural,
    grid::{Grid, Head, Sql},
    save::SaveButton,
    sheet::{Export, OpenTable, PER_PAGE, Paged},
};
use crate::{
    address::use_here,
    prelude::*,
    ui::{EmptyState, Pager, SearchBox, use_sort},
};

static HEADS: [Head; 4] = [
    Head::words("Table").sorted("name"),
    Head::num("Rows").sorted("rows"),
    Head::num("Columns").wide().sorted("columns"),
    Head::words("Findings"),
];

static OBJECTS: [Head; 3] = [
    Head::words("Kind"),
    Head::words("What"),
    Head::words("Rows against it"),
];

static FINDINGS: [Head; 3] = [Head::words("Severity"), Head::words("Where"), Head::words("What")];

/// The card of the tables: the list, or the open one.
#[component]
pub fn TablesCard(
    /// The import.
    id: ImportId,
    /// A page of the list.
    tables: Option<Paged>,
    /// The open table.
    open: Option<OpenTable>,
    /// Whether the URL names a table that is not there.
    no_such_table: bool,
    /// What is decided in the page.
    choices: Choices,
) -> impl IntoView {
    let missing = no_such_table.then(|| {
        view! { <EmptyState title="No such table" hint="The file has no table of this name. It may have been renamed since the link was made." /> }
    });
    let body = match (open, tables) {
        (Some(open), _) => view! { <Open open choices /> },
        (None, Some(tables)) => view! { <List id tables /> },
        (None, None) => ().into_any(),
    };
    view! {
        <section class="card" id="tables" aria-label="Tables">
            {missing}
            {body}
        </section>
    }
}

#[component]
fn List(id: ImportId, tables: Paged) -> impl IntoView {
    let sort = use_sort("file", false);
    if tables.all == 0 {
        return view! { <EmptyState title="No table" hint="The file is a database without tables: there is nothing to import." /> };
    }
    let nothing = tables.matching == 0;
    view! {
        <div class="ch">
            <h2>"Tables"</h2>
            <span class="muted">"Open one to see its columns and to choose what they become."</span>
            <span class="sp"></span>
            <SaveButton id what=Export::Tables />
        </div>
        <SearchBox placeholder="Filter tables…" />
        {nothing.then(|| view! { <EmptyState title="No such table" hint="No table's name contains this text." /> })}
        {(!nothing).then(|| view! { <Grid label="Tables of the file" heads=&HEADS rows=tables.rows sort /> })}
        <Pager page=tables.page per_page=PER_PAGE rows=tables.matching />
    }
}

#[component]
fn Open(open: OpenTable, choices: Choices) -> impl IntoView {
    let OpenTable {
        name,
        rows,
        columns,
        notes,
        sql,
        skipped,
        page,
        page_number,
        matching,
        objects,
        findings,
        neighbours,
    } = open;
    let here = use_here();
    let to = move |table: Option<String>| {
        let here = here.clone();
        move || {
            let changes = [("table", table.clone()), ("q", None), ("page", None)];
            format!("{}#tables", here.with(&changes))
        }
    };
    let [before, after] = neighbours;
    let before = before.map(|table| {
        let label = format!("Previous table, {table}");
        view! { <a class="btn sm" rel="prev" aria-label=label href=to(Some(table))>"Previous"</a> }
    });
    let after = after.map(|table| {
        let label = format!("Next table, {table}");
        view! { <a class="btn sm" rel="next" aria-label=label href=to(Some(table))>"Next"</a> }
    });
    let many = columns > PER_PAGE;
    let title = name.clone();
    let facts = format!(
        "{} · {}",
        plural(rows, "row", "rows"),
        plural(columns, "column", "columns")
    );
    let nothing = matching == 0 && columns > 0;
    view! {
        <div class="ch">
            <div class="min-w-0">
                <nav class="crumbs mb-0" aria-label="Way back to all tables">
                    <a href=to(None)>"Tables"</a>
                </nav>
                <h2 class="mono">{title}</h2>
            </div>
            <span class="muted">{facts}</span>
            <span class="sp"></span>
            {before}
            {after}
        </div>
        <div class="cb stack-s">
            {notes.into_iter().map(|note| view! { <p>{note}</p> }).collect_view()}
            {(!skipped).then(|| view! { <OfTable name=name.clone() choices /> })}
            {sql.map(|sql| view! { <Sql sql /> })}
        </div>
        {many.then(|| view! { <SearchBox placeholder="Filter columns…" /> })}
        {nothing.then(|| view! { <EmptyState title="No such column" hint="No column's name contains this text." /> })}
        {(!page.is_empty()).then(|| view! { <Columns table=name columns=page choices /> })}
        <Pager page=page_number per_page=PER_PAGE rows=matching />
        {(!objects.is_empty())
            .then(|| {
                view! {
                    <div class="ch">
                        <h3>"Keys, checks and indexes"</h3>
                    </div>
                    <Grid label="Keys, checks and indexes" heads=&OBJECTS rows=objects fold=true />
                }
            })}
        {(!findings.is_empty())
            .then(|| {
                view! {
                    <div class="ch">
                        <h3>"Findings in this table"</h3>
                    </div>
                    <Grid label="Findings in this table" heads=&FINDINGS rows=findings fold=true />
                }
            })}
    }
}

/// What is decided for the table as a whole: its name, and whether it comes at all.
#[component]
fn OfTable(name: String, choices: Choices) -> impl IntoView {
    let name = StoredValue::new(name);
    let closed = move || !choices.is_open();
    let shown = move || {
        choices.with(|mapping| {
            name.with_value(|name| mapping.tables.get(name).and_then(|table| table.name.clone()))
        })
    };
    let skipped = move || {
        choices
            .with(|mapping| name.with_value(|name| mapping.tables.get(name).is_some_and(|table| table.skip)))
    };
    let rename = move |becomes: Option<String>| {
        choices.change(|mapping| {
            name.with_value(|name| change_table(mapping, name, |table| table.name = becomes));
        });
    };
    let skip = move |skip: bool| {
        choices
            .change(|mapping| name.with_value(|name| change_table(mapping, name, |table| table.skip = skip)));
    };
    view! {
        <div class="field-row">
            <div class="field">
                <label for="table-name">"Name in PostgreSQL"</label>
                <input
                    id="table-name"
                    class="mono"
                    autocomplete="off"
                    spellcheck="false"
                    placeholder=name.get_value()
                    disabled=closed
                    value=untrack(shown).unwrap_or_default()
                    prop:value=move || shown().unwrap_or_default()
                    // As it is typed, so that it survives when something else of the page changes meanwhile.
                    on:input=move |event| {
                        let typed = event_target_value(&event);
                        rename((!typed.is_empty()).then_some(typed));
                    }
                    on:change=move |event| {
                        let typed = event_target_value(&event);
                        rename(name.with_value(|name| new_name(&typed, name)));
                    }
                />
            </div>
            <label class="check">
                <input
                    type="checkbox"
                    disabled=closed
                    checked=untrack(skipped)
                    prop:checked=skipped
                    on:change=move |event| skip(event_target_checked(&event))
                />
                <span>"Leave this table out"</span>
            </label>
        </div>
    }
}
