//! Queries within expressions.

use sqlparser::ast::{Expr, GroupByExpr, Query, SelectItem, SetExpr};

use super::{
    Outcome,
    compare::Comparison,
    expression::Translator,
    query::Translated,
    value::{Level, Value},
};

impl Translator<'_> {
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
            computed: false,
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
