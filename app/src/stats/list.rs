//! All tables of a managed database.

use contract::{
    format,
    stats::{TABLES_PER_PAGE, TablePage as Page, TableQuery, TableSort, TableStat},
};
use leptos::{either::EitherOf3, prelude::*};

use super::{api::list_tables, rows::TableRows};
use crate::{
    address::{link, use_query, use_target, use_typed_query},
    ui::{Ago, CsvButton, EmptyState, Load, PageHead, Pager, SearchBox, at_hand, use_sort},
};

/// The columns of the file; bytes and counts in full.
const COLUMNS: [&str; 14] = [
    "schema",
    "table",
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

/// Every table with its sizes, rows and last care; search, sort and page are in the URL.
#[component]
pub fn TablesPage() -> impl IntoView {
    let target = use_target();
    let search = use_query("q");
    let sort = use_sort(TableSort::default().name(), true);
    let page = use_typed_query::<i64>("page");
    let query = Memo::new(move |_| TableQuery {
        target: target.get(),
        search: search.get(),
        // A column that is none, from a link of another time, counts as not asked for.
        sort: sort.with(|sort| sort.key.parse().unwrap_or_default()),
        descending: sort.with(|sort| sort.descending),
        page: page.get().unwrap_or(1),
    });
    let tables = Resource::new(move || query.get(), list_tables);
    let rows = Callback::new(move |()| match at_hand(tables) {
        Some(Ok(page)) => page.tables.iter().map(csv_row).collect(),
        _ => Vec::new(),
    });
    let facts = move || {
        view! {
            <Transition fallback=|| "Sizes, rows, and the last vacuum and analyze.">
                {move || tables.get().and_then(Result::ok).map(|page| view! { <Facts page /> })}
            </Transition>
        }
    };
    view! {
        <PageHead title="Tables" tab=Signal::derive(move || format!("Tables of {}", target.get())) facts>
            <CsvButton file=Signal::derive(move || format!("tables-{}.csv", target.get())) columns=&COLUMNS rows />
        </PageHead>
        <section class="card">
            <SearchBox placeholder="Filter tables…" />
            <Load resource=tables main=true let:page>
                {
                    let asked = query.get_untracked();
                    if page.matching > 0 {
                        let shown = shown_page(asked.page, page.matching);
                        let rows = page.matching;
                        EitherOf3::A(
                            view! {
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
    .into_any()
}

/// How many, how large, and as of when.
#[component]
fn Facts(page: Page) -> impl IntoView {
    let tables = match (page.matching, page.all) {
        (1, 1) => "1 table".to_owned(),
        (matching, all) if matching == all => format!("{} tables", format::exact(all)),
        (matching, all) => format!("{} of {} tables", format::exact(matching), format::exact(all)),
    };
    view! {
        {tables}
        " · "
        <span title=format!("{} bytes", format::exact(page.total_bytes))>{format::bytes(page.total_bytes)}</span>
        " · sampled "
        <Ago at=page.sampled_at />
        {page.stats_reset.map(|at| view! { " · scans counted since " <Ago at /> })}
    }
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
