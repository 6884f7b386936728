//! The tables of a backup beside those of the live database.

use crate::prelude::*;
use contract::{backup::Part, format, restore::TableThenNow};

use crate::ui::{Badge, Tone};

/// Tables that are shown at once.
const SHOWN: usize = 200;

/// What is in one of them and not in the other, then the others.
#[component]
pub fn Tables(
    /// All of both.
    tables: Vec<TableThenNow>,
    /// Those that were chosen; none for all.
    chosen: Vec<Part>,
) -> impl IntoView {
    let mut tables = tables;
    // Gone from the live one first: that is what a restore brings back.
    tables.sort_by_key(|table| match (table.in_backup, table.is_live) {
        (true, false) => 0,
        (false, _) => 1,
        (true, true) => 2,
    });
    let count = |is: fn(&TableThenNow) -> bool| tables.iter().filter(|table| is(table)).count();
    let words = format!(
        "{} only in the backup, {} only live, {} in both. Rows now are the planner's estimate. Tick tables to restore those alone.",
        count(|table| !table.is_live),
        count(|table| !table.in_backup),
        count(|table| table.in_backup && table.is_live),
    );
    let more = tables.len().saturating_sub(SHOWN);
    tables.truncate(SHOWN);
    let more =
        (more > 0).then(|| view! { <p class="cb muted">{format!("{more} more tables are in both.")}</p> });
    view! {
        <section class="card">
            <div class="ch">
                <h2>"In the backup, and live"</h2>
                <p>{words}</p>
            </div>
            <div class="table-wrap" tabindex="0" role="region" aria-label="Tables then and now">
                <table class="table fold">
                    <thead>
                        <tr>
                            <th scope="col">
                                <span class="sr-only">"Only these"</span>
                            </th>
                            <th scope="col">"Table"</th>
                            <th scope="col">"Where"</th>
                            <th scope="col" class="num">
                                "Rows then"
                            </th>
                            <th scope="col" class="num">
                                "Rows now"
                            </th>
                        </tr>
                    </thead>
                    <tbody>{tables.into_iter().map(|table| row(table, &chosen)).collect_view()}</tbody>
                </table>
            </div>
            {more}
        </section>
    }
}

fn row(table: TableThenNow, chosen: &[Part]) -> AnyView {
    let part = Part {
        schema: table.schema,
        table: Some(table.name),
    };
    let name = part.to_string();
    let pick = table.in_backup.then(|| {
        view! {
            <input
                type="checkbox"
                name="only"
                form="restore"
                value=part.argument()
                aria-label=format!("Only {part}")
                checked=chosen.contains(&part)
            />
        }
    });
    let (tone, word) = match (table.in_backup, table.is_live) {
        (true, false) => (Tone::Warn, "Only in the backup"),
        (false, _) => (Tone::Info, "Only live"),
        (true, true) => (Tone::Off, "In both"),
    };
    let rows = |rows: Option<i64>, there: bool| match (rows, there) {
        (Some(rows), true) => format::exact(rows),
        (None, true) => "not known".to_owned(),
        (_, false) => "–".to_owned(),
    };
    let then = rows(table.rows_then, table.in_backup);
    let now = rows(table.rows_now_about, table.is_live);
    view! {
        <tr>
            <td>{pick}</td>
            <td class="wrap mono">{name}</td>
            <td>
                <Badge tone text=word />
            </td>
            <td class="num">{then}</td>
            <td class="num">{now}</td>
        </tr>
    }
}
