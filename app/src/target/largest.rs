//! The largest tables of a managed database, for its overview.

use contract::{
    format,
    stats::{TableQuery, TableSort, TableStat},
};
use leptos::either::Either;

use crate::{
    address::link,
    prelude::*,
    stats::{api::list_tables, table_link},
    ui::{Ago, Bytes, Count, EmptyState, Load, SizeBar},
};

/// How many are shown.
const SHOWN: usize = 6;

/// The card on the overview.
#[component]
pub fn LargestTables(
    /// The managed database.
    target: String,
) -> impl IntoView {
    let all = StoredValue::new(link(&target, "tables"));
    let page = Resource::new(
        move || target.clone(),
        |target| {
            list_tables(TableQuery {
                target,
                search: None,
                sort: TableSort::Total,
                descending: true,
                page: 1,
                all: false,
                look: None,
            })
        },
    );
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Largest tables"</h2>
                <span class="sp"></span>
                <a class="chip" href=all.get_value()>
                    "All"
                </a>
            </div>
            <Load resource=page let:page>
                {page
                    .sizes_from
                    .clone()
                    .map(|address| {
                        view! {
                            <p class="cb muted small">"Sizes from the replica " <span class="mono">{address}</span></p>
                        }
                    })}
                {if page.tables.is_empty() {
                    Either::Left(
                        view! {
                            <EmptyState title="No table yet" hint="Apply the migrations, or let your application create its tables." />
                        },
                    )
                } else {
                    let largest = page.largest_bytes;
                    let one_schema = page.tables.iter().all(|table| table.schema == page.tables[0].schema);
                    Either::Right(
                        view! {
                            <div class="table-wrap" tabindex="0" role="region" aria-label="Largest tables">
                                <table class="table">
                                    <thead>
                                        <tr>
                                            <th scope="col">"Table"</th>
                                            <th scope="col" class="num">
                                                "Rows"
                                            </th>
                                            <th scope="col" class="num">
                                                "Total"
                                            </th>
                                            <th scope="col" class="num hide-s">
                                                "Indexes"
                                            </th>
                                            <th scope="col" class="hide-s">
                                                "Analyzed"
                                            </th>
                                        </tr>
                                    </thead>
                                    <tbody>
                                        {page
                                            .tables
                                            .into_iter()
                                            .take(SHOWN)
                                            .map(|table| row(&page.target, table, largest, one_schema))
                                            .collect_view()}
                                    </tbody>
                                </table>
                            </div>
                        },
                    )
                }}
            </Load>
        </section>
    }
}

fn row(target: &str, table: TableStat, largest: i64, one_schema: bool) -> impl IntoView {
    let href = table_link(target, &table.schema, &table.name);
    let name = if one_schema {
        table.name
    } else {
        format!("{}.{}", table.schema, table.name)
    };
    view! {
        <tr>
            <td class="mono">
                <a class="link" href=href>
                    {name}
                </a>
            </td>
            <td class="num">
                {match table.rows {
                    Some(rows) => Either::Left(view! { <Count value=rows /> }),
                    None => Either::Right(view! { <span class="muted" title="never analyzed">"?"</span> }),
                }}
            </td>
            <td class="num">
                <Bytes value=table.total_bytes />
                " "
                <span class="hide-s">
                    <SizeBar value=table.total_bytes largest />
                </span>
            </td>
            <td class="num hide-s" title=format!("{} indexes", format::exact(table.indexes))>
                <Bytes value=table.index_bytes />
            </td>
            <td class="hide-s">
                {match table.last_analyze {
                    Some(at) => Either::Left(view! { <Ago at /> }),
                    None => Either::Right(view! { <span class="muted">"never"</span> }),
                }}
            </td>
        </tr>
    }
}
