//! FROM and its joins.

use sqlparser::ast::{Join, JoinConstraint, JoinOperator, Select, TableAlias, TableFactor};

use super::{
    Outcome, Table,
    compare::Comparison,
    expression::{Translator, short},
    parse,
    scope::{Source, same},
    value::Level,
};
use crate::quote;

impl Translator<'_> {
    /// FROM with its joins, which all bind from left to right in SQLite.
    pub(super) fn from(&mut self, select: &Select) -> Outcome<String> {
        let mut sql = String::new();
        for (at, table) in select.from.iter().enumerate() {
            if at > 0 {
                sql.push_str("\ncross join ");
            }
            sql.push_str(&self.factor(&table.relation)?);
            for join in &table.joins {
                self.join(&mut sql, join)?;
            }
        }
        Ok(if sql.is_empty() {
            sql
        } else {
            format!("\nfrom {sql}")
        })
    }

    fn join(&mut self, sql: &mut String, join: &Join) -> Outcome<()> {
        let (word, constraint) = match &join.join_operator {
            JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => ("join", constraint),
            JoinOperator::CrossJoin(constraint) => ("cross join", constraint),
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => ("left join", constraint),
            JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
                ("right join", constraint)
            }
            JoinOperator::FullOuter(constraint) => ("full join", constraint),
            other => return Err(format!("The join {other:?} has no counterpart.")),
        };
        let table = self.factor(&join.relation)?;
        let on = match constraint {
            JoinConstraint::None => None,
            JoinConstraint::On(condition) => Some(self.condition(condition)?.sql),
            JoinConstraint::Using(names) => {
                let names = names
                    .iter()
                    .map(|name| parse::last(name).map(|name| name.value.clone()))
                    .collect::<Outcome<Vec<_>>>()?;
                Some(self.using(&names, word)?)
            }
            JoinConstraint::Natural => {
                if let Some(scope) = self.scopes.last() {
                    scope.sources.iter().try_for_each(Source::refuse_lacking)?;
                }
                let names = self.common_names();
                Some(self.using(&names, word)?)
            }
            JoinConstraint::UsingAlias(..) => return Err("USING with a name is not SQLite's.".to_owned()),
        };
        match on {
            Some(on) => {
                let word = if word == "cross join" { "join" } else { word };
                sql.push_str(&format!("\n{word} {table} on {on}"));
            }
            None if word == "join" || word == "cross join" => sql.push_str(&format!("\ncross join {table}")),
            None => sql.push_str(&format!("\n{word} {table} on true")),
        }
        Ok(())
    }

    fn common_names(&self) -> Vec<String> {
        let Some((last, earlier)) = self.scopes.last().and_then(|scope| scope.sources.split_last()) else {
            return Vec::new();
        };
        let names = last.columns.iter().map(|column| &column.source);
        names
            .filter(|name| earlier.iter().any(|source| source.column(name).is_some()))
            .cloned()
            .collect()
    }

    /// USING as a condition; the column alone is that of the left table.
    fn using(&mut self, names: &[String], word: &str) -> Outcome<String> {
        if word == "right join" || word == "full join" {
            return Err("USING in a right or full join makes one column out of two.".to_owned());
        }
        let mut parts = Vec::new();
        for name in names {
            let scope = self.scopes.last().ok_or("USING stands outside of a query.")?;
            let (right, earlier) = scope
                .sources
                .split_last()
                .ok_or("USING stands outside of a query.")?;
            let column = |source: &Source| source.column(name).map(|column| source.of(column));
            let left = earlier.iter().find_map(column);
            let (Some(left), Some(right)) = (left, column(right)) else {
                return Err(format!("The column {name} of USING is not in both tables."));
            };
            parts.push(self.compare(&left, Comparison::Equal, &right)?.within(Level::And));
        }
        if let Some(last) = self.scopes.last_mut().and_then(|scope| scope.sources.last_mut()) {
            last.shared.extend_from_slice(names);
        }
        Ok(if parts.is_empty() {
            "true".to_owned()
        } else {
            parts.join(" and ")
        })
    }

    fn factor(&mut self, factor: &TableFactor) -> Outcome<String> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                ..
            } => {
                let name = parse::last(name)?.value.clone();
                let (table, sql) = self.table(&name)?;
                let alias = alias_name(alias.as_ref())?.unwrap_or(name);
                Ok(self.add(&alias, &table, &sql))
            }
            TableFactor::Derived {
                subquery,
                alias,
                lateral: false,
                ..
            } => {
                // It sees the outer queries, not the tables beside it.
                let beside = self.scopes.pop();
                let query = self.query(subquery);
                self.scopes.extend(beside);
                let query = query?;
                let count = self.scopes.last().map_or(0, |scope| scope.sources.len());
                let alias = alias_name(alias.as_ref())?.unwrap_or_else(|| format!("subquery_{count}"));
                let table = query.table(&alias, &[]);
                Ok(self.add(&alias, &table, &format!("(\n{}\n)", query.sql)))
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => {
                let mut sql = self.factor(&table_with_joins.relation)?;
                for join in &table_with_joins.joins {
                    self.join(&mut sql, join)?;
                }
                Ok(format!("({sql})"))
            }
            other => Err(format!(
                "{} has no counterpart as a table.",
                short(&other.to_string())
            )),
        }
    }

    fn add(&mut self, alias: &str, table: &Table, sql: &str) -> String {
        if let Some(scope) = self.scopes.last_mut() {
            scope.sources.push(Source::new(alias, table));
        }
        format!("{sql} as {}", quote::ident(alias))
    }

    /// A table by its name in SQLite, and how it is written.
    pub(super) fn table(&self, name: &str) -> Outcome<(Table, String)> {
        if let Some(table) = self.common.iter().rev().find(|table| same(&table.source, name)) {
            return Ok((table.clone(), quote::ident(&table.name)));
        }
        let schema = self
            .schema
            .ok_or("A query stands where PostgreSQL allows none.")?;
        schema
            .tables
            .iter()
            .find(|table| same(&table.source, name))
            .map_or_else(
                || Err(format!("There is no table or view {name} here.")),
                |table| {
                    Ok((
                        table.clone(),
                        format!("{}.{}", quote::ident(&schema.name), quote::ident(&table.name)),
                    ))
                },
            )
    }
}

fn alias_name(alias: Option<&TableAlias>) -> Outcome<Option<String>> {
    match alias {
        None => Ok(None),
        Some(alias) if alias.columns.is_empty() => Ok(Some(alias.name.value.clone())),
        Some(_) => Err("An alias names columns, which SQLite does not know.".to_owned()),
    }
}
