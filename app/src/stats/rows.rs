//! Tables as a table.

use crate::prelude::*;
use contract::{
    Instant, format,
    stats::{RelationKind, TablePage as Page, TableStat},
};
use leptos::either::Either;

use super::{has_many_dead, spoken_name, table_link};
use crate::ui::{Ago, Count, SizeBar, Sort, SortHead};

/// One table a row.
#[component]
pub fn TableRows(
    /// The tables.
    page: Page,
    /// How they are sorted.
    sort: Memo<Sort>,
) -> impl IntoView {
    let (target, largest) = (page.target, page.largest_bytes);
    let rows = page
        .tables
        .into_iter()
        .map(|table| view! { <Row target=target.clone() table largest /> })
        .collect_view();
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label="Tables">
            <table class="table">
                <thead>
                    <tr>
                        <SortHead sort key="name" label="Table" />
                        <SortHead sort key="rows" label="Rows" num=true />
                        <SortHead sort key="dead" label="Dead" num=true wide=true />
                        <SortHead sort key="heap" label="Heap" num=true wide=true />
                        <SortHead sort key="toast" label="TOAST" num=true wide=true />
                        <SortHead sort key="indexes" label="Indexes" num=true wide=true />
                        <SortHead sort key="total" label="Total" num=true />
                        <SortHead sort key="vacuum" label="Vacuum" num=true wide=true />
                        <SortHead sort key="analyze" label="Analyze" num=true wide=true />
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

#[component]
fn Row(target: String, table: TableStat, largest: i64) -> impl IntoView {
    let href = table_link(&target, &table.schema, &table.name);
    let estimated = table.estimated;
    let files = table.kind.has_files();
    let size = move |bytes| match files {
        true => Either::Left(view! { <Size bytes estimated /> }),
        false => {
            Either::Right(view! { <span class="muted" title="it has no files in this database">"–"</span> })
        }
    };
    let dead_class = if has_many_dead(&table) {
        "num hide-s warn-text"
    } else {
        "num hide-s"
    };
    view! {
        <tr>
            <td class="mono">
                <a class="link" href=href>
                    {spoken_name(&table)}
                </a>
                {kind_words(&table).map(|words| view! { <div class="muted small">{words}</div> })}
            </td>
            <td class="num">
                <Rows rows=table.rows />
            </td>
            <td class=dead_class>
                <Count value=table.dead_rows />
            </td>
            <td class="num hide-s">
                {size(table.heap_bytes)}
            </td>
            <td class="num hide-s">
                {size(table.toast_bytes)}
            </td>
            <td class="num hide-s">
                {size(table.index_bytes)}
            </td>
            <td class="num">
                {size(table.total_bytes)}
                " "
                <span class="hide-s">
                    <SizeBar value=table.total_bytes largest />
                </span>
            </td>
            <td class="num hide-s">
                <Last at=table.last_vacuum />
            </td>
            <td class="num hide-s">
                <Last at=table.last_analyze />
            </td>
        </tr>
    }
}

/// What it is, where it is no plain table.
pub fn kind_words(table: &TableStat) -> Option<String> {
    let kind = match table.kind {
        RelationKind::Table => None,
        RelationKind::Partitioned => Some(format!(
            "partitioned: {}",
            format::counted(
                usize::try_from(table.partitions).unwrap_or(0),
                "partition",
                "partitions"
            )
        )),
        kind => Some(kind.name().to_owned()),
    };
    let parent = table
        .partition_of
        .as_ref()
        .map(|parent| format!("partition of {}", parent.name));
    let own = table.own.then(|| "the console's own".to_owned());
    let words: Vec<String> = [kind, parent, own].into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// The planner's estimate of the rows.
#[component]
pub fn Rows(
    /// The estimate; none when the table was never analyzed.
    rows: Option<i64>,
) -> impl IntoView {
    match rows {
        Some(rows) => Either::Left(view! { <Count value=rows /> }),
        None => {
            Either::Right(view! { <span class="muted" title="never analyzed, so nobody counted">"?"</span> })
        }
    }
}

/// A size that may be of the last vacuum.
#[component]
pub fn Size(
    /// Bytes.
    bytes: i64,
    /// Whether it is not the size of the files now.
    estimated: bool,
) -> impl IntoView {
    let title = match estimated {
        true => {
            "as of the last look, vacuum or analyze: it is locked exclusively now, or its turn has not come"
                .to_owned()
        }
        false => format!("{} bytes", format::exact(bytes)),
    };
    view! {
        <span class="nowrap" title=title>
            {estimated.then(|| view! { <span aria-hidden="true">"≈ "</span> <span class="sr-only">"about "</span> })}
            {format::bytes(bytes)}
        </span>
    }
}

/// When something was last done.
#[component]
pub fn Last(
    /// When; none when never.
    at: Option<Instant>,
) -> impl IntoView {
    match at {
        Some(at) => Either::Left(view! { <Ago at /> }),
        None => Either::Right(view! { <span class="muted">"never"</span> }),
    }
}
