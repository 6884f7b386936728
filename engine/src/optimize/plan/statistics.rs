//! Planner statistics of the plan.

use contract::{
    format,
    optimize::{ItemKind, ItemState},
};

use super::{Act, Item, item};
use crate::{optimize::catalog::StatisticsRow, quote};

/// Statistics are stale when more than this share of the rows changed since.
const STALE_SHARE: f64 = 0.5;
/// Fewer changed rows than this are nothing: the server's own `autovacuum_analyze_threshold`.
const STALE_ROWS: i64 = 50;

/// The statistics of one table.
pub(super) fn of(row: &StatisticsRow) -> Item {
    let share = row.modified as f64 / row.live.max(1) as f64;
    let stale = row.modified > STALE_ROWS && share > STALE_SHARE;
    let state = if row.analyzed && !stale {
        ItemState::Present
    } else {
        ItemState::Stale
    };
    let item = item(
        ItemKind::Statistics,
        &row.schema,
        &row.table,
        &row.table,
        state,
        row.bytes,
    );
    let sql = vec![format!("analyze {}", quote::qualified(&row.schema, &row.table))];
    if !row.analyzed {
        item.due(Act::Analyze, sql)
            .note("Never analyzed: the planner guesses.")
    } else if stale {
        let note = format!(
            "{} rows changed since the last ANALYZE, of {}.",
            format::exact(row.modified),
            format::exact(row.live)
        );
        item.due(Act::Analyze, sql).note(note)
    } else {
        item
    }
}

/// The statement that analyzes an item's table, also when that is not due.
pub(in crate::optimize) fn analyze_sql(item: &Item) -> String {
    format!("analyze {}", quote::qualified(&item.schema, &item.view.name))
}
