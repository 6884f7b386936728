//! What there is, what is missing, and the statements that would change it.

mod constraint;
mod index;
mod statistics;

pub(in crate::optimize) use statistics::analyze_sql;

use contract::optimize::{ItemKind, ItemState, OptimizeItem};
use sqlx::{PgConnection, postgres::types::Oid};

use super::{
    ai_pal::{self, WantedCheck, WantedIndex},
    catalog::{self, ConstraintRow, TableRow},
};
use crate::{
    config::MigrationSource,
    target::invalid::{self, InvalidIndex},
};

/// Beside the stale ones, the tables with good statistics are listed only in a database that has at most this many.
const FEW_TABLES: usize = 200;

/// One thing of the plan, with what a run needs to know.
#[derive(Clone, Debug)]
pub(in crate::optimize) struct Item {
    /// As the page shows it; a run executes its `sql`.
    pub view: OptimizeItem,
    /// The schema of its table.
    pub schema: String,
    /// What the statements do.
    pub act: Act,
    /// Bytes to read, for the share of the whole.
    pub weight: i64,
}

/// What an item's statements do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::optimize) enum Act {
    /// There are none.
    Nothing,
    /// Make what is not there.
    Create,
    /// Validate a constraint.
    Validate,
    /// Make anew what is invalid.
    Rebuild,
    /// Remove what a broken-off act left.
    Drop,
    /// Collect statistics.
    Analyze,
}

/// The whole plan: constraints, indexes, statistics.
pub(in crate::optimize) struct Plan {
    /// Constraints and indexes.
    pub items: Vec<Item>,
    /// Statistics of every table that our user may analyze.
    pub statistics: Vec<Item>,
    /// How many tables belong to others.
    pub not_ours: usize,
}

/// Reads the catalogs.
pub(in crate::optimize) async fn read(
    connection: &mut PgConnection,
    source: &MigrationSource,
) -> Result<Plan, sqlx::Error> {
    let (checks, indexes) = of_source(source);
    let mut names: Vec<&str> = checks
        .iter()
        .map(|it| it.table)
        .chain(indexes.iter().map(|it| it.table))
        .collect();
    names.sort_unstable();
    names.dedup();
    let tables = catalog::tables(&mut *connection, &names).await?;
    let oids: Vec<Oid> = tables.iter().filter_map(|table| table.oid).collect();
    let check_names: Vec<&str> = checks.iter().map(|it| it.name).collect();
    let index_names: Vec<&str> = indexes.iter().map(|it| it.name).collect();
    let constraint_rows = catalog::constraints(&mut *connection, &oids, &check_names).await?;
    let index_rows = catalog::indexes(&mut *connection, &oids, &index_names).await?;
    let invalid = invalid::list(&mut *connection).await?;
    let statistics = catalog::statistics(&mut *connection).await?;

    let mut items = Vec::new();
    for wanted in checks {
        items.extend(
            table_of(&tables, wanted.table).map(|table| constraint::wanted(wanted, table, &constraint_rows)),
        );
    }
    items.extend(
        constraint_rows
            .iter()
            .filter(|row| !row.validated && !is_wanted_check(row, checks, &tables))
            .map(constraint::not_valid),
    );
    for wanted in indexes {
        let table = table_of(&tables, wanted.table);
        items.extend(table.map(|table| index::wanted(wanted, indexes, table, &index_rows, &invalid)));
    }
    items.extend(
        invalid
            .iter()
            .filter(|row| !is_wanted_index(row, indexes, &tables))
            .map(index::broken),
    );
    let not_ours = statistics.iter().filter(|row| !row.allowed).count();
    let statistics = statistics
        .iter()
        .filter(|row| row.allowed)
        .map(statistics::of)
        .collect();
    Ok(Plan {
        items,
        statistics,
        not_ours,
    })
}

impl Plan {
    /// As the page shows it.
    pub fn into_views(self) -> Vec<OptimizeItem> {
        let few = self.statistics.len() <= FEW_TABLES;
        let statistics = self
            .statistics
            .into_iter()
            .filter(|item| few || item.act != Act::Nothing);
        self.items
            .into_iter()
            .chain(statistics)
            .map(|item| item.view)
            .collect()
    }
}

fn table_of<'a>(tables: &'a [TableRow], name: &str) -> Option<&'a TableRow> {
    tables.iter().find(|table| table.name == name)
}

fn is_wanted_check(row: &ConstraintRow, checks: &[WantedCheck], tables: &[TableRow]) -> bool {
    checks.iter().any(|wanted| {
        wanted.name == row.name
            && table_of(tables, wanted.table).is_some_and(|table| table.oid == Some(row.table_oid))
    })
}

fn is_wanted_index(row: &InvalidIndex, indexes: &[WantedIndex], tables: &[TableRow]) -> bool {
    indexes.iter().any(|wanted| {
        wanted.name == row.name
            && table_of(tables, wanted.table).is_some_and(|table| table.oid == Some(row.table_oid))
    })
}

fn item(kind: ItemKind, schema: &str, table: &str, name: &str, state: ItemState, weight: i64) -> Item {
    let view = OptimizeItem {
        kind,
        table: format!("{schema}.{table}"),
        name: name.to_owned(),
        state,
        sql: Vec::new(),
        bytes: None,
        note: None,
    };
    Item {
        view,
        schema: schema.to_owned(),
        act: Act::Nothing,
        weight,
    }
}

impl Item {
    fn due(mut self, act: Act, sql: Vec<String>) -> Self {
        self.act = act;
        self.view.sql = sql;
        self
    }

    fn note(mut self, note: impl Into<String>) -> Self {
        self.view.note = Some(note.into());
        self
    }
}

/// Tells which invalid indexes a run for this source may leave: the wanted ones, and what a rebuild makes beside its index.
pub(in crate::optimize) async fn is_leftover_of(
    connection: &mut PgConnection,
    source: &MigrationSource,
) -> Result<impl Fn(&InvalidIndex) -> bool + use<>, sqlx::Error> {
    let indexes: &'static [WantedIndex] = of_source(source).1;
    let names: Vec<&str> = indexes.iter().map(|it| it.table).collect();
    let tables = catalog::tables(connection, &names).await?;
    Ok(move |row: &InvalidIndex| row.is_rebuild_leftover() || is_wanted_index(row, indexes, &tables))
}

/// What a source wants.
pub(in crate::optimize) fn of_source(
    source: &MigrationSource,
) -> (&'static [WantedCheck], &'static [WantedIndex]) {
    match source {
        MigrationSource::AiPal => (ai_pal::CHECKS, ai_pal::INDEXES),
        MigrationSource::Folder(_) | MigrationSource::None | MigrationSource::Unchosen => (&[], &[]),
    }
}
