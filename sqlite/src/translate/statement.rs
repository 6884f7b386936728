//! The statements inside a trigger.

use sqlparser::ast::{
    AssignmentTarget, ConflictTarget, Delete, Expr, FromTable, Insert, OnConflictAction, OnInsert, Query,
    SetExpr, SqliteOnConflict, Statement, TableFactor, TableObject, Update,
};

use super::{
    Column, Outcome, Table,
    assign::assigned,
    expression::{Translator, short},
    parse,
    query::Translated,
    scope::{Scope, Source, same},
};
use crate::quote;

/// What a statement does to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Insert,
    Update,
    Delete,
}

/// A translated statement.
pub(super) struct Changed {
    pub(super) sql: String,
    pub(super) change: Change,
    /// The table, by its name in SQLite.
    pub(super) table: String,
}

impl Translator<'_> {
    pub(super) fn statement(&mut self, statement: &Statement) -> Outcome<Changed> {
        match statement {
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            other => Err(format!(
                "The statement {} has no counterpart.",
                short(&other.to_string())
            )),
        }
    }

    fn update(&mut self, update: &Update) -> Outcome<Changed> {
        if update
            .or
            .as_ref()
            .is_some_and(|or| *or != SqliteOnConflict::Abort)
            || update.from.is_some()
            || update.returning.is_some()
            || update.limit.is_some()
            || !update.table.joins.is_empty()
        {
            return Err("The UPDATE has a clause without a sure counterpart.".to_owned());
        }
        let (table, sql, alias) = self.target(&update.table.relation)?;
        let scope = Scope {
            sources: vec![Source::new(&alias, &table)],
            aliases: Vec::new(),
        };
        self.scopes.push(scope);
        let done = self.update_in_scope(update, &table);
        self.scopes.pop();
        let done = done?;
        Ok(Changed {
            sql: format!("update {sql} as {} {done}", quote::ident(&alias)),
            change: Change::Update,
            table: table.source,
        })
    }

    fn update_in_scope(&mut self, update: &Update, table: &Table) -> Outcome<String> {
        let assignments = self.assignments(&update.assignments, table)?;
        let mut sql = format!("set {assignments}");
        if let Some(selection) = &update.selection {
            sql.push_str(&format!(" where {}", self.condition(selection)?.sql));
        }
        Ok(sql)
    }

    fn assignments(&mut self, assignments: &[sqlparser::ast::Assignment], table: &Table) -> Outcome<String> {
        let mut parts = Vec::new();
        for assignment in assignments {
            let AssignmentTarget::ColumnName(name) = &assignment.target else {
                return Err("Several columns are set at once.".to_owned());
            };
            let column = column(table, &parse::last(name)?.value)?;
            let value = self.expression(&assignment.value)?;
            parts.push(format!(
                "{} = {}",
                quote::ident(&column.name),
                assigned(&value, column)?
            ));
        }
        Ok(parts.join(", "))
    }

    fn delete(&mut self, delete: &Delete) -> Outcome<Changed> {
        let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
        let [table] = tables.as_slice() else {
            return Err("Several tables are deleted from.".to_owned());
        };
        if delete.returning.is_some()
            || delete.limit.is_some()
            || delete.using.is_some()
            || !table.joins.is_empty()
        {
            return Err("The DELETE has a clause without a sure counterpart.".to_owned());
        }
        let (table, sql, alias) = self.target(&table.relation)?;
        self.scopes.push(Scope {
            sources: vec![Source::new(&alias, &table)],
            aliases: Vec::new(),
        });
        let selection = delete
            .selection
            .as_ref()
            .map(|selection| self.condition(selection))
            .transpose();
        self.scopes.pop();
        let selection = selection?.map_or_else(String::new, |selection| format!(" where {}", selection.sql));
        Ok(Changed {
            sql: format!("delete from {sql} as {}{selection}", quote::ident(&alias)),
            change: Change::Delete,
            table: table.source,
        })
    }

    fn insert(&mut self, insert: &Insert) -> Outcome<Changed> {
        if insert.replace_into
            || insert
                .or
                .as_ref()
                .is_some_and(|or| *or != SqliteOnConflict::Abort)
        {
            return Err("INSERT OR REPLACE or OR IGNORE passes over more rules than one key.".to_owned());
        }
        if insert.returning.is_some() || !insert.assignments.is_empty() {
            return Err("The INSERT has a clause without a sure counterpart.".to_owned());
        }
        let TableObject::TableName(name) = &insert.table else {
            return Err("The INSERT is not into a table.".to_owned());
        };
        let name = parse::last(name)?.value.clone();
        let (table, sql) = self.table(&name)?;
        let columns: Vec<Column> = if insert.columns.is_empty() {
            Source::new(&table.source, &table).refuse_lacking()?;
            // SQLite passes over those that it computes.
            table
                .columns
                .iter()
                .filter(|column| !column.computed)
                .cloned()
                .collect()
        } else {
            insert
                .columns
                .iter()
                .map(|name| column(&table, &parse::last(name)?.value).cloned())
                .collect::<Outcome<Vec<Column>>>()?
        };
        let listed: Vec<String> = columns.iter().map(|column| quote::ident(&column.name)).collect();
        let source = match &insert.source {
            None => "default values".to_owned(),
            Some(query) => format!("({}) {}", listed.join(", "), self.rows(query, &table, &columns)?),
        };
        let conflict = match &insert.on {
            None => String::new(),
            Some(on) => self.on_conflict(on, &table)?,
        };
        Ok(Changed {
            sql: format!("insert into {sql} {source}{conflict}"),
            change: Change::Insert,
            table: table.source,
        })
    }

    fn rows(&mut self, query: &Query, table: &Table, columns: &[Column]) -> Outcome<String> {
        // NULL for the rowid means the next number.
        if let SetExpr::Values(values) = query.body.as_ref()
            && let Some(at) = columns.iter().position(|column| {
                table
                    .rowid_alias
                    .as_deref()
                    .is_some_and(|rowid| same(rowid, &column.source))
            })
        {
            let mut rows = Vec::new();
            for row in &values.rows {
                let mut cells = Vec::new();
                for (place, cell) in row.iter().enumerate() {
                    let value = self.expression(cell)?;
                    let column = columns.get(place).ok_or("A row has more values than columns.")?;
                    cells.push(match (place == at, value.kind) {
                        (true, None) => "default".to_owned(),
                        _ => assigned(&value, column)?,
                    });
                }
                rows.push(format!("({})", cells.join(", ")));
            }
            return Ok(format!("values {}", rows.join(", ")));
        }
        let Translated { sql, columns: values } = self.query_into(query, Some(columns))?;
        if values.len() != columns.len() {
            return Err("The INSERT has another number of values than of columns.".to_owned());
        }
        Ok(sql)
    }

    fn on_conflict(&mut self, on: &OnInsert, table: &Table) -> Outcome<String> {
        let OnInsert::OnConflict(on) = on else {
            return Err("ON DUPLICATE KEY is not SQLite's.".to_owned());
        };
        let Some(ConflictTarget::Columns {
            columns: names,
            predicate: None,
        }) = &on.conflict_target
        else {
            return Err("ON CONFLICT does not name its columns.".to_owned());
        };
        let mut keys = Vec::new();
        for name in names {
            let column = column(table, &name.value)?;
            keys.push(quote::ident(&column.name));
        }
        // A key over other values, as lower() or MD5 sums, is none to PostgreSQL here.
        let planned = table.keys.iter().any(|key| {
            key.len() == names.len()
                && key
                    .iter()
                    .all(|column| names.iter().any(|name| same(&name.value, column)))
        });
        if !planned {
            return Err("ON CONFLICT names no columns that are a unique key here.".to_owned());
        }
        let keys = keys.join(", ");
        match &on.action {
            OnConflictAction::DoNothing => Ok(format!(" on conflict ({keys}) do nothing")),
            OnConflictAction::DoUpdate(update) => {
                let mut excluded = Source::row("excluded", table);
                excluded.rowid = None;
                self.scopes.push(Scope {
                    sources: vec![Source::new(&table.name, table), excluded],
                    aliases: Vec::new(),
                });
                let done = self.assignments(&update.assignments, table).and_then(|set| {
                    let selection = update
                        .selection
                        .as_ref()
                        .map(|selection| self.condition(selection))
                        .transpose()?;
                    let selection =
                        selection.map_or_else(String::new, |selection| format!(" where {}", selection.sql));
                    Ok(format!(" on conflict ({keys}) do update set {set}{selection}"))
                });
                self.scopes.pop();
                done
            }
        }
    }

    fn target(&self, factor: &TableFactor) -> Outcome<(Table, String, String)> {
        let TableFactor::Table { name, alias, .. } = factor else {
            return Err("The statement changes something that is no table.".to_owned());
        };
        let name = parse::last(name)?.value.clone();
        let (table, sql) = self.table(&name)?;
        let alias = alias.as_ref().map_or(name, |alias| alias.name.value.clone());
        Ok((table, sql, alias))
    }
}

/// A column of the table that is written into, by its name in SQLite.
fn column<'a>(table: &'a Table, name: &str) -> Outcome<&'a Column> {
    table
        .columns
        .iter()
        .find(|column| same(&column.source, name))
        .ok_or_else(|| format!("There is no column {name} in {}.", table.source))
}

/// Whether the tree has a query in it, which the WHEN of PostgreSQL does not take.
pub(super) fn has_query(expression: &Expr) -> bool {
    expression.to_string().to_ascii_lowercase().contains("select ")
}
