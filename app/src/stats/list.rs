//! All tables of a managed database.

use contract::{
    format,
    stats::{TABLES_PER_PAGE, TablePage as Page, TableQuery, TableSort, TableStat},
};
use leptos::either::EitherOf3;

use super::{
    api::{export_tables, list_tables},
    rows::TableRows,
};
use crate::{
    address::{link, use_here, use_query, use_target, use_typed_query},
    prelude::*,
    rpc::ApiError,
    ui::{Ago, CsvLoadButton, CsvRows, EmptyState, Load, PageHead, Pager, SearchBox, load_by, use_sort},
};

/// The columns of the file; bytes and counts in full.
const COLUMNS: [&str; 16] = [
    "schema",
    "table",
    "kind",
    "partition_of",
    "rows_estimate",
    "dead_rows",
    "heap_bytes",
    "toast_bytes",
    "index_bytes",
    "total_bytes",
    "bytes_are_estimated",
    "indexes",
    "sequential_scans",
    "index_scans",
    "last_vacuum",
    "last_analyze",
];

/// How soon a page whose sizes are being read asks again.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(2);

/// Every table with its sizes, rows and last care; search, sort and page are in the URL.
#[component]
pub fn TablesPage() -> impl IntoView {
    let target = use_target();
    let search = use_query("q");
    let sort = use_sort(TableSort::default().name(), true);
    let page = use_typed_query::<i64>("page");
    let all = use_query("all");
    // The look that is on the page: those after it continue it.
    let look = RwSignal::new(None::<i64>);
    let query = Memo::new(move |_| TableQuery {
        target: target.get(),
        search: search.get(),
        // A column that is none, from a link of another time, counts as not asked for.
        sort: sort.with(|sort| sort.key.parse().unwrap_or_default()),
        descending: sort.with(|sort| sort.descending),
        page: page.get().unwrap_or(1),
        all: all.with(Option::is_some),
        look: look.get_untracked(),
    });
    let tables = load_by(query, list_tables);
    let load = Callback::new(move |()| -> CsvRows {
        let asked = query.get_untracked();
        Box::pin(async move {
            let page = export_tables(asked).await?;
            Ok(page.tables.iter().map(csv_row).collect())
        })
    });
    let facts = move || {
        view! {
            <Transition fallback=|| "Sizes, rows, and the last vacuum and analyze.">
                {move || tables.get().and_then(Result::ok).map(|page| view! { <Facts page shows_all=all.with(Option::is_some) /> })}
            </Transition>
        }
    };
    view! {
        <PageHead title="Tables" tab=Signal::derive(move || format!("Tables of {}", target.get())) facts>
            <CsvLoadButton file=Signal::derive(move || format!("tables-{}.csv", target.get())) columns=&COLUMNS load />
        </PageHead>
        <section class="card">
            <SearchBox placeholder="Filter tables…" />
            <Load resource=tables main=true let:page>
                {
                    let asked = query.get_untracked();
                    look.set(Some(page.look));
                    if page.matching > 0 {
                        let shown = shown_page(asked.page, page.matching);
                        let rows = page.matching;
                        EitherOf3::A(
                            view! {
                                {page.note.clone().map(|note| view! { <p class="cb muted small">{note}</p> })}
                                // A later page stays what it is: it continues the look of the first.
                                {(page.settling && asked.page <= 1).then(|| view! { <Settling tables /> })}
                                <TableRows page sort />
                                <Pager page=shown per_page=TABLES_PER_PAGE rows />
                            },
                        )
                    } else if page.all > 0 {
                        EitherOf3::B(view! { <NoMatch search=asked.search.unwrap_or_default() target=asked.target /> })
                    } else {
                        EitherOf3::C(view! { <NoTable target=asked.target /> })
                    }
                }
            </Load>
        </section>
    }
}

/// How many, how large, and as of when.
#[component]
fn Facts(page: Page, shows_all: bool) -> impl IntoView {
    let tables = match (page.matching, page.all) {
        (1, 1) => "1 table".to_owned(),
        (matching, all) if matching == all => format!("{} tables", format::exact(all)),
        (matching, all) => format!("{} of {} tables", format::exact(matching), format::exact(all)),
    };
    let here = use_here();
    let hidden = match (page.hidden, shows_all) {
        (_, true) => Some(("without partitions, views and own tables".to_owned(), None)),
        (0, false) => None,
        (count, false) => Some((
            format!("{} more: partitions, views, own tables", format::exact(count)),
            Some("1".to_owned()),
        )),
    };
    let hidden = hidden.map(|(words, all)| (words, [("all", all), ("page", None)]));
    view! {
        {tables}
        " · "
        <span title=format!("{} bytes", format::exact(page.total_bytes))>{format::bytes(page.total_bytes)}</span>
        " · sampled "
        <Ago at=page.sampled_at />
        {page.sizes_from.map(|address| view! { " · sizes from the replica " <span class="mono">{address}</span> })}
        {page.stats_reset.map(|at| view! { " · scans counted since " <Ago at /> })}
        {hidden.map(|(words, change)| view! { " · " <a class="link" href=move || here.with(&change)>{words}</a> })}
    }
}

/// Asks again while sizes are being read.
#[component]
fn Settling(tables: Resource<Result<Page, ApiError>>) -> impl IntoView {
    Effect::new(move || {
        if let Ok(handle) = set_timeout_with_handle(move || tables.refetch(), AGAIN) {
            on_cleanup(move || handle.clear());
        }
    });
}

#[component]
fn NoMatch(search: String, target: String) -> impl IntoView {
    view! {
        <EmptyState title="No such table" hint=format!("No table's name contains “{search}”.")>
            <a class="btn" href=link(&target, "tables")>
                "Show all tables"
            </a>
        </EmptyState>
    }
}

#[component]
fn NoTable(target: String) -> impl IntoView {
    view! {
        <EmptyState title="No table yet" hint="This database holds no table of yours. Migrations create them.">
            <a class="btn pri" href=link(&target, "migrations")>
                "To the migrations"
            </a>
        </EmptyState>
    }
}

/// The page that the engine gave: a page beyond the end is the last one.
fn shown_page(asked: i64, rows: i64) -> i64 {
    asked.clamp(1, (rows - 1).max(0) / TABLES_PER_PAGE + 1)
}

fn csv_row(table: &TableStat) -> Vec<String> {
    let at = |at: Option<contract::Instant>| at.map(format::absolute).unwrap_or_default();
    vec![
        table.schema.clone(),
        table.name.clone(),
        table.kind.name().to_owned(),
        table
            .partition_of
            .as_ref()
            .map(|parent| format!("{}.{}", parent.schema, parent.name))
            .unwrap_or_default(),
        table.rows.map(|rows| rows.to_string()).unwrap_or_default(),
        table.dead_rows.to_string(),
        table.heap_bytes.to_string(),
        table.toast_bytes.to_string(),
        table.index_bytes.to_string(),
        table.total_bytes.to_string(),
        table.estimated.to_string(),
        table.indexes.to_string(),
        table.sequential_scans.to_string(),
        table.index_scans.to_string(),
        at(table.last_vacuum),
        at(table.last_analyze),
    ]
}

#[cfg(test)]
mod tests {
    use super::shown_page;

    #[test]
    fn the_page_shown_is_one_that_exists() {
        assert_eq!(shown_page(1, 1), 1);
        assert_eq!(shown_page(0, 120), 1);
        assert_eq!(shown_page(3, 120), 3);
        assert_eq!(shown_page(99, 120), 3);
        assert_eq!(shown_page(99, 100), 2);
    }
}
