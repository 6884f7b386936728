//! Views and queries: common table expressions, compounds, order and limits.

use contract::import::ColumnType;
use sqlparser::ast::{LimitClause, OrderByKind, Query, SetExpr, SetOperator, SetQuantifier};

use super::{
    Column, Outcome, Table,
    expression::Translator,
    value::{Literal, Value},
};
use crate::quote;

/// A translated query and what its columns are.
pub(super) struct Translated {
    pub(super) sql: String,
    pub(super) columns: Vec<(String, Value)>,
}

impl Translated {
    /// As a table that others can name.
    pub(super) fn table(&self, name: &str, columns: &[String]) -> Table {
        let columns = self.columns.iter().enumerate().map(|(at, (own, value))| {
            let name = columns.get(at).unwrap_or(own);
            Column {
                source: name.clone(),
                name: name.clone(),
                column_type: value.kind.unwrap_or(ColumnType::Text),
                conversion: value.conversion,
                affinity: value.affinity,
                spelling: value.spelling.clone(),
                nocase: value.nocase,
                strange: value.strange.clone(),
                computed: false,
                facts: value.facts,
            }
        });
        Table {
            source: name.to_owned(),
            name: name.to_owned(),
            columns: columns.collect(),
            rowid_alias: None,
            missing: Vec::new(),
            keys: Vec::new(),
        }
    }
}

impl Translator<'_> {
    /// A whole query.
    pub(super) fn query(&mut self, query: &Query) -> Outcome<Translated> {
        self.query_into(query, None)
    }

    /// A query whose columns are written into others.
    pub(super) fn query_into(&mut self, query: &Query, targets: Option<&[Column]>) -> Outcome<Translated> {
        if self.schema.is_none() {
            return Err("A query stands where PostgreSQL allows none.".to_owned());
        }
        if query.fetch.is_some() || !query.locks.is_empty() || !query.pipe_operators.is_empty() {
            return Err("The query has a clause that SQLite does not know.".to_owned());
        }
        let known = self.common.len();
        let with = self.with(query)?;
        let order = match query.order_by.as_ref().map(|order| &order.kind) {
            None => None,
            Some(OrderByKind::Expressions(terms)) => Some(terms.as_slice()),
            Some(OrderByKind::All(_)) => return Err("ORDER BY ALL has no counterpart.".to_owned()),
        };
        let mut translated = match query.body.as_ref() {
            SetExpr::Select(select) => self.select(select, order, targets)?,
            body => {
                let inner = self.body(body, targets)?;
                match order {
                    Some(order) => self.wrapped(inner, order)?,
                    None => inner,
                }
            }
        };
        self.common.truncate(known);
        translated.sql = format!("{with}{}{}", translated.sql, self.limit(query)?);
        Ok(translated)
    }

    fn with(&mut self, query: &Query) -> Outcome<String> {
        let Some(with) = &query.with else {
            return Ok(String::new());
        };
        let mut parts = Vec::new();
        let mut recursive = false;
        for cte in &with.cte_tables {
            let name = &cte.alias.name.value;
            let columns: Vec<String> = cte
                .alias
                .columns
                .iter()
                .map(|column| column.name.value.clone())
                .collect();
            // A body that names itself goes on from its first part.
            let itself = cte
                .query
                .to_string()
                .to_ascii_lowercase()
                .contains(&name.to_ascii_lowercase());
            let at = self.common.len();
            if itself && let SetExpr::SetOperation { left, .. } = cte.query.body.as_ref() {
                recursive = true;
                if cte.query.order_by.is_some() {
                    return Err("A recursive query takes its rows in an order.".to_owned());
                }
                let first = self.body(left, None)?;
                let mut table = first.table(name, &columns);
                for column in &mut table.columns {
                    column.affinity = contract::import::Affinity::Blob;
                }
                self.common.push(table);
            }
            let body = self.query(&cte.query)?;
            self.common.truncate(at);
            let names: Vec<String> = if columns.is_empty() {
                body.columns.iter().map(|(name, _)| name.clone()).collect()
            } else {
                columns
            };
            let listed: Vec<String> = names.iter().map(|name| quote::ident(name)).collect();
            parts.push(format!(
                "{} ({}) as (\n{}\n)",
                quote::ident(name),
                listed.join(", "),
                body.sql
            ));
            self.common.push(body.table(name, &names));
        }
        Ok(format!(
            "with {}{}\n",
            if recursive { "recursive " } else { "" },
            parts.join(",\n")
        ))
    }

    /// A select, a compound or a list of values, without an order.
    pub(super) fn body(&mut self, body: &SetExpr, targets: Option<&[Column]>) -> Outcome<Translated> {
        match body {
            SetExpr::Select(select) => self.select(select, None, targets),
            SetExpr::Values(values) => {
                let mut rows = Vec::new();
                let mut columns: Vec<(String, Value)> = Vec::new();
                for row in &values.rows {
                    let mut cells = Vec::new();
                    for (at, cell) in row.iter().enumerate() {
                        let value = self.expression(cell)?;
                        cells.push(match targets {
                            Some(targets) => super::assign::assigned(
                                &value,
                                targets.get(at).ok_or("A row has more values than columns.")?,
                            )?,
                            None => widened(&value)?,
                        });
                        let value = Value {
                            literal: None,
                            narrow: false,
                            column: false,
                            computed: false,
                            instant: None,
                            digits: None,
                            ..value
                        };
                        match columns.get_mut(at) {
                            None => columns.push((format!("column{}", at + 1), value)),
                            Some((_, known)) if known.kind.is_none() => *known = value,
                            Some((_, known)) if value.kind.is_none() || known.alike(&value) => {
                                known.facts = known.facts_with(&value);
                            }
                            Some(_) if targets.is_some() => {}
                            Some(_) => return Err("The rows of VALUES are of different types.".to_owned()),
                        }
                    }
                    rows.push(format!("({})", cells.join(", ")));
                }
                Ok(Translated {
                    sql: format!("values {}", rows.join(", ")),
                    columns,
                })
            }
            SetExpr::SetOperation {
                left,
                op,
                set_quantifier,
                right,
            } => {
                // SQLite takes them from left to right, PostgreSQL INTERSECT first.
                for side in [left, right] {
                    if let SetExpr::SetOperation { op: inner, .. } = side.as_ref()
                        && (*inner == SetOperator::Intersect) != (*op == SetOperator::Intersect)
                    {
                        return Err("INTERSECT stands beside another compound.".to_owned());
                    }
                }
                let word = match (op, set_quantifier) {
                    (SetOperator::Union, SetQuantifier::All) => "union all",
                    (SetOperator::Union, _) => "union",
                    (SetOperator::Except, SetQuantifier::None) => "except",
                    (SetOperator::Intersect, SetQuantifier::None) => "intersect",
                    _ => return Err(format!("{op} has no counterpart in this form.")),
                };
                let (mut left, right) = (self.body(left, targets)?, self.body(right, targets)?);
                if left.columns.len() != right.columns.len() {
                    return Err("The parts of the compound have different numbers of columns.".to_owned());
                }
                for ((name, one), (_, other)) in left.columns.iter_mut().zip(&right.columns) {
                    if targets.is_none() {
                        *one = compounded(name, one, other, word)?;
                    }
                }
                Ok(Translated {
                    sql: format!("{}\n{word}\n{}", left.sql, right.sql),
                    columns: left.columns,
                })
            }
            SetExpr::Query(query) => {
                let inner = self.query_into(query, targets)?;
                Ok(Translated {
                    sql: format!("({})", inner.sql),
                    ..inner
                })
            }
            other => Err(format!(
                "{} has no counterpart.",
                super::expression::short(&other.to_string())
            )),
        }
    }

    fn limit(&mut self, query: &Query) -> Outcome<String> {
        let (limit, offset) = match &query.limit_clause {
            None => return Ok(String::new()),
            Some(LimitClause::LimitOffset { limit, offset, .. }) => {
                (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => (Some(limit), Some(offset)),
        };
        let mut sql = String::new();
        for (word, number) in [("limit", limit), ("offset", offset)] {
            let Some(number) = number else { continue };
            match self.expression(number)?.literal {
                // Below zero there is no limit.
                Some(Literal::Integer(number)) if number < 0 => {}
                Some(Literal::Integer(number)) => sql.push_str(&format!("\n{word} {number}")),
                _ => return Err("LIMIT is not written out.".to_owned()),
            }
        }
        Ok(sql)
    }
}

/// A value as it stands in a select list: 64-bit integers, doubles, texts in the usual collation.
pub(super) fn widened(value: &Value) -> Outcome<String> {
    if value.taken.is_some() {
        return Err("A value taken out of JSON is shown, and only the data know its type.".to_owned());
    }
    Ok(match (&value.literal, value.kind) {
        (Some(Literal::Real(_)), _) => format!("{}::double precision", value.tight()),
        (_, Some(ColumnType::Bigint)) if value.narrow => format!("{}::bigint", value.tight()),
        (Some(Literal::Text(_)), _) => format!("{}::text", value.sql),
        (_, Some(ColumnType::Text)) if value.sql.contains("collate \"C\"") => {
            format!("{} collate \"default\"", value.tight())
        }
        _ => value.sql.clone(),
    })
}

/// What a column of a compound is.
fn compounded(name: &str, one: &Value, other: &Value, word: &str) -> Outcome<Value> {
    let facts = match (one.kind, other.kind) {
        (None, _) => other.facts,
        (_, None) => one.facts,
        _ => one.facts_with(other),
    };
    if word != "union all" {
        let what = format!("The compound over {name}");
        one.distinguished(&what)?;
        other.distinguished(&what)?;
        Value { facts, ..one.clone() }.distinguished(&what)?;
    }
    let origin = one.origin.clone().filter(|_| one.origin == other.origin);
    if one.kind.is_none() {
        return Ok(other.clone());
    }
    if other.kind.is_none() {
        return Ok(one.clone());
    }
    if one.alike(other) && one.spelling == other.spelling {
        return Ok(Value {
            facts,
            origin,
            ..one.clone()
        });
    }
    if one.is_number() && other.is_number() {
        let kind = if one.kind == Some(ColumnType::Double) || other.kind == Some(ColumnType::Double) {
            ColumnType::Double
        } else {
            ColumnType::Numeric
        };
        return Ok(Value {
            kind: Some(kind),
            facts,
            origin,
            ..one.clone()
        });
    }
    Err(format!(
        "The parts of the compound have {name} in different types."
    ))
}
