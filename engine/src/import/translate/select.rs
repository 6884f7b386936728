//! One SELECT: its tables, its columns, its groups.

use contract::import::ColumnType;
use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Join, JoinConstraint, JoinOperator, OrderByExpr, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, TableAlias, TableFactor,
};

use super::{
    Column, Outcome, Table,
    assign::assigned,
    compare::Comparison,
    expression::{Translator, short},
    parse,
    query::{Translated, widened},
    scope::{Scope, Source, same},
    value::{Level, Literal, Value, identifier},
};

impl Translator<'_> {
    pub(super) fn select(
        &mut self,
        select: &Select,
        order: Option<&[OrderByExpr]>,
        targets: Option<&[Column]>,
    ) -> Outcome<Translated> {
        if select.into.is_some()
            || select.top.is_some()
            || select.qualify.is_some()
            || !select.named_window.is_empty()
        {
            return Err("The query has a clause without a counterpart.".to_owned());
        }
        self.scopes.push(Scope::default());
        let translated = self.select_in_scope(select, order, targets);
        self.scopes.pop();
        translated
    }

    fn select_in_scope(
        &mut self,
        select: &Select,
        order: Option<&[OrderByExpr]>,
        targets: Option<&[Column]>,
    ) -> Outcome<Translated> {
        let from = self.from(select)?;
        let items = self.items(select)?;
        if let Some(scope) = self.scopes.last_mut() {
            scope.aliases.clone_from(&items);
        }
        let mut listed = Vec::new();
        for (at, (name, value)) in items.iter().enumerate() {
            let sql = match targets {
                Some(targets) => assigned(
                    value,
                    targets
                        .get(at)
                        .ok_or("The query has more columns than are written.")?,
                )?,
                None => widened(value)?,
            };
            listed.push(format!("{sql} as {}", identifier(name)));
        }
        let distinct = match &select.distinct {
            None | Some(Distinct::All) => "",
            Some(Distinct::Distinct) => "distinct ",
            Some(Distinct::On(_)) => return Err("DISTINCT ON is not SQLite's.".to_owned()),
        };
        if !distinct.is_empty() && items.iter().any(|(_, value)| value.nocase) {
            return Err("DISTINCT compares without regard to case.".to_owned());
        }
        let mut sql = format!("select {distinct}{}{from}", listed.join(", "));
        if let Some(selection) = &select.selection {
            sql.push_str(&format!("\nwhere {}", self.condition(selection)?.sql));
        }
        if let GroupByExpr::Expressions(keys, _) = &select.group_by
            && !keys.is_empty()
        {
            let mut listed = Vec::new();
            for key in keys {
                listed.push(self.place_or_key(key, &items)?);
            }
            sql.push_str(&format!("\ngroup by {}", listed.join(", ")));
        }
        if let Some(having) = &select.having {
            sql.push_str(&format!("\nhaving {}", self.condition(having)?.sql));
        }
        let columns = items
            .iter()
            .map(|(name, value)| {
                let value = Value {
                    literal: None,
                    narrow: false,
                    column: false,
                    instant: None,
                    digits: None,
                    ..value.clone()
                };
                (name.clone(), value)
            })
            .collect();
        let Some(order) = order else {
            return Ok(Translated { sql, columns });
        };
        if !distinct.is_empty() {
            return self.wrapped(Translated { sql, columns }, order);
        }
        sql.push_str(&format!("\norder by {}", self.terms(order, &items)?));
        Ok(Translated { sql, columns })
    }

    /// FROM with its joins, which all bind from left to right in SQLite.
    fn from(&mut self, select: &Select) -> Outcome<String> {
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
            let column = |source: &Source| {
                source
                    .column(name)
                    .map(|column| Value::of_column(column, &source.qualifier))
            };
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
        format!("{sql} as {}", identifier(alias))
    }

    /// A table by its name in SQLite, and how it is written.
    pub(super) fn table(&self, name: &str) -> Outcome<(Table, String)> {
        if let Some(table) = self.common.iter().rev().find(|table| same(&table.source, name)) {
            return Ok((table.clone(), identifier(&table.name)));
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
                        format!("{}.{}", identifier(&schema.name), identifier(&table.name)),
                    ))
                },
            )
    }

    /// The select list, with `*` spelled out.
    fn items(&mut self, select: &Select) -> Outcome<Vec<(String, Value)>> {
        let mut items: Vec<(String, Value)> = Vec::new();
        for item in &select.projection {
            match item {
                SelectItem::Wildcard(_) => {
                    for source in self
                        .scopes
                        .last()
                        .map(|scope| scope.sources.clone())
                        .unwrap_or_default()
                    {
                        let columns = source
                            .columns
                            .iter()
                            .filter(|column| !source.shares(&column.source));
                        items.extend(columns.map(|column| {
                            (column.name.clone(), Value::of_column(column, &source.qualifier))
                        }));
                    }
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    let name = &parse::last(name)?.value;
                    let scope = self.scopes.last().ok_or("A star stands outside of a query.")?;
                    let source = scope.sources.iter().find(|source| same(&source.alias, name));
                    let source = source.ok_or_else(|| format!("There is no table {name} in the query."))?;
                    items.extend(
                        source
                            .columns
                            .iter()
                            .map(|column| (column.name.clone(), Value::of_column(column, &source.qualifier))),
                    );
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    items.push((alias.value.clone(), self.expression(expr)?))
                }
                SelectItem::UnnamedExpr(expr) => {
                    let value = self.expression(expr)?;
                    let name = match parse::unnested(expr) {
                        Expr::Identifier(_) | Expr::CompoundIdentifier(_) if value.column => value
                            .sql
                            .rsplit_once('.')
                            .map_or(value.sql.as_str(), |(_, name)| name)
                            .trim_matches('"')
                            .replace("\"\"", "\""),
                        other => other.to_string().chars().take(60).collect(),
                    };
                    items.push((name, value));
                }
                other => return Err(format!("{other} has no counterpart in a select list.")),
            }
        }
        Ok(items)
    }

    fn place_or_key(&mut self, key: &Expr, items: &[(String, Value)]) -> Outcome<String> {
        if let Expr::Value(_) = parse::unnested(key)
            && let Some(Literal::Integer(place)) = self.expression(key)?.literal
        {
            let item = usize::try_from(place - 1).ok().and_then(|place| items.get(place));
            let (_, value) = item.ok_or("GROUP BY names a place that is not there.")?;
            return grouped(value);
        }
        self.group_key(key)
    }

    pub(super) fn group_key(&mut self, key: &Expr) -> Outcome<String> {
        grouped(&self.expression(key)?)
    }

    /// A query within an expression.
    pub(super) fn subquery(&mut self, query: &Query) -> Outcome<Translated> {
        self.query(query)
    }

    /// A query as one value: SQLite takes its first row, PostgreSQL fails at the second.
    pub(super) fn scalar(&mut self, query: &Query) -> Outcome<Value> {
        let translated = self.query(query)?;
        let [(_, value)] = translated.columns.as_slice() else {
            return Err("A query stands for one value but has several columns.".to_owned());
        };
        let limit = if query.limit_clause.is_some() || has_one_row(query) {
            ""
        } else {
            "\nlimit 1"
        };
        let value = Value {
            sql: format!("({}{limit})", translated.sql),
            level: Level::Atom,
            ..value.clone()
        };
        Ok(value)
    }

    pub(super) fn in_query(&mut self, operand: &Expr, query: &Query, negated: bool) -> Outcome<Value> {
        let value = self.expression(operand)?;
        let translated = self.query(query)?;
        let [(_, item)] = translated.columns.as_slice() else {
            return Err("A query of IN has several columns.".to_owned());
        };
        let inner = Value {
            sql: "inner".to_owned(),
            level: Level::Atom,
            column: true,
            ..item.clone()
        };
        let equal = self.compare(&value, Comparison::Equal, &inner)?;
        let side = equal
            .sql
            .strip_suffix(" = inner")
            .ok_or("The sides of IN are of different types.")?;
        let not = if negated { "not " } else { "" };
        Ok(Value::truth_value(
            format!("{side} {not}in ({})", translated.sql),
            Level::Comparison,
        ))
    }
}

fn alias_name(alias: Option<&TableAlias>) -> Outcome<Option<String>> {
    match alias {
        None => Ok(None),
        Some(alias) if alias.columns.is_empty() => Ok(Some(alias.name.value.clone())),
        Some(_) => Err("An alias names columns, which SQLite does not know.".to_owned()),
    }
}

fn grouped(value: &Value) -> Outcome<String> {
    if value.nocase {
        return Err("GROUP BY compares without regard to case.".to_owned());
    }
    if value.taken.is_some() {
        return Err(
            "Rows are grouped by a value taken out of JSON, and only the data know its type.".to_owned(),
        );
    }
    if value.literal.is_some() && value.kind != Some(ColumnType::Boolean) {
        return Err("Rows are grouped by something that is the same for each row.".to_owned());
    }
    Ok(value.sql.clone())
}

/// Whether a query without groups counts or sums, and so has one row.
fn has_one_row(query: &Query) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return false;
    };
    let grouped = matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if !keys.is_empty());
    !grouped
        && select.projection.iter().any(|item| match item {
            SelectItem::UnnamedExpr(Expr::Function(function))
            | SelectItem::ExprWithAlias {
                expr: Expr::Function(function),
                ..
            } => super::function::arguments(function).is_ok_and(|(args, _)| {
                let name = function.name.to_string().to_ascii_lowercase();
                function.over.is_none() && super::aggregate::is_aggregate(&name, args.len(), false)
            }),
            _ => false,
        })
}
