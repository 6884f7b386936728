//! Which column a name means.

use super::value::Value;
use super::{Column, Outcome, Table};
use crate::quote;

/// The tables of one FROM clause.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub(super) sources: Vec<Source>,
    /// The names that the select list gives.
    pub(super) aliases: Vec<(String, Value)>,
}

/// One table, view or subquery that columns come from.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// The name that SQLite knows it by.
    pub(super) alias: String,
    /// The table behind it, by its name in SQLite.
    table: String,
    /// Columns that it has in SQLite alone.
    missing: Vec<String>,
    /// What stands before a column, with its dot.
    pub(super) qualifier: String,
    pub(super) columns: Vec<Column>,
    /// The column that is the rowid.
    pub(super) rowid: Option<String>,
    /// Whether only `alias.column` reaches it, as with NEW and OLD.
    pub(super) named_only: bool,
    /// Columns that USING shares with an earlier table.
    pub(super) shared: Vec<String>,
}

impl Source {
    pub(super) fn new(alias: &str, table: &Table) -> Self {
        Self {
            alias: alias.to_owned(),
            table: table.source.clone(),
            missing: table.missing.clone(),
            qualifier: format!("{}.", quote::ident(alias)),
            columns: table.columns.clone(),
            rowid: table.rowid_alias.clone(),
            named_only: false,
            shared: Vec::new(),
        }
    }

    /// A source whose columns are written without a qualifier.
    pub(super) fn bare(table: &Table) -> Self {
        Self {
            qualifier: String::new(),
            ..Self::new(&table.source, table)
        }
    }

    /// NEW or OLD of a trigger.
    pub(super) fn row(alias: &str, table: &Table) -> Self {
        Self {
            qualifier: format!("{alias}."),
            named_only: true,
            ..Self::new(alias, table)
        }
    }

    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| same(&column.source, name))
    }

    /// Whether SQLite knows a column of this name, which is not here.
    pub(super) fn lacks(&self, name: &str) -> bool {
        self.missing.iter().any(|missing| same(missing, name))
    }

    /// Refuses `*`, which would be other columns here.
    pub(super) fn refuse_lacking(&self) -> Outcome<()> {
        match self.missing.first() {
            None => Ok(()),
            Some(missing) => Err(format!(
                "The column {}.{missing} is not carried over.",
                self.table
            )),
        }
    }

    /// A column of it.
    pub(super) fn of(&self, column: &Column) -> Value {
        Value {
            origin: Some((self.table.clone(), column.source.clone())),
            ..Value::of_column(column, &self.qualifier)
        }
    }

    fn value(&self, name: &str) -> Option<Value> {
        self.column(name)
            .or_else(|| {
                if is_rowid(name) {
                    self.rowid.as_deref().and_then(|rowid| self.column(rowid))
                } else {
                    None
                }
            })
            .map(|column| self.of(column))
    }

    pub(super) fn shares(&self, name: &str) -> bool {
        self.shared.iter().any(|shared| same(shared, name))
    }
}

/// Whether two names are one to SQLite, which folds ASCII letters alone.
pub(super) fn same(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
}

fn is_rowid(name: &str) -> bool {
    ["rowid", "oid", "_rowid_"].iter().any(|rowid| same(rowid, name))
}

/// The value of a column that is named alone; none when no table has it.
pub(super) fn resolve(scopes: &[Scope], name: &str) -> Outcome<Option<Value>> {
    for scope in scopes.iter().rev() {
        // Else it would be a column of an outer query, or in double quotes a text.
        if let Some(source) = scope
            .sources
            .iter()
            .find(|source| !source.named_only && source.lacks(name))
        {
            return Err(format!("The column {}.{name} is not carried over.", source.table));
        }
        let with_it: Vec<&Source> = scope
            .sources
            .iter()
            .filter(|source| !source.named_only && !source.shares(name) && source.column(name).is_some())
            .collect();
        match with_it.as_slice() {
            [] => {}
            [source] => return Ok(source.value(name)),
            _ => {
                return Err(format!(
                    "The column {name} is in more than one table of the query."
                ));
            }
        }
        if let Some((_, value)) = scope.aliases.iter().find(|(alias, _)| same(alias, name)) {
            return Ok(Some(value.clone()));
        }
        if is_rowid(name) {
            return match scope
                .sources
                .iter()
                .filter(|source| !source.named_only)
                .collect::<Vec<_>>()
                .as_slice()
            {
                [source] => source.value(name).map(Some).ok_or_else(|| {
                    format!(
                        "{} has no column that is its rowid, so {name} has no counterpart.",
                        source.alias
                    )
                }),
                _ => Err(format!("{name} could be that of several tables.")),
            };
        }
    }
    Ok(None)
}

/// The value of `table.column`.
pub(super) fn resolve_in(scopes: &[Scope], table: &str, name: &str) -> Outcome<Value> {
    for scope in scopes.iter().rev() {
        if let Some(source) = scope.sources.iter().find(|source| same(&source.alias, table)) {
            return source.value(name).ok_or_else(|| {
                if source.lacks(name) {
                    format!("{table}.{name} is not carried over, or not known yet.")
                } else if is_rowid(name) {
                    format!("{table} has no column that is its rowid, so {table}.{name} has no counterpart.")
                } else {
                    format!("There is no column {table}.{name}.")
                }
            });
        }
    }
    Err(format!("There is no table {table} in the query."))
}
