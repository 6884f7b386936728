//! ORDER BY.

use contract::import::ColumnType;
use sqlparser::ast::{Expr, OrderByExpr, OrderBySort};

use super::{
    Outcome,
    expression::Translator,
    parse,
    query::Translated,
    scope::{Scope, Source, same},
    value::{Level, Literal, Value},
};
use crate::quote;

impl Translator<'_> {
    /// The rows of a compound, or distinct ones, in an order of their columns.
    pub(super) fn wrapped(&mut self, inner: Translated, order: &[OrderByExpr]) -> Outcome<Translated> {
        let alias = "ordered";
        let table = inner.table(alias, &[]);
        let listed: Vec<String> = table
            .columns
            .iter()
            .map(|column| format!("{}.{}", quote::ident(alias), quote::ident(&column.name)))
            .collect();
        let scope = Scope {
            sources: vec![Source::new(alias, &table)],
            aliases: Vec::new(),
        };
        let outer = std::mem::replace(&mut self.scopes, vec![scope]);
        let terms = self.terms(
            order,
            &inner
                .columns
                .iter()
                .zip(&table.columns)
                .map(|((name, _), column)| {
                    (
                        name.clone(),
                        Value::of_column(column, &format!("{}.", quote::ident(alias))),
                    )
                })
                .collect::<Vec<_>>(),
        );
        self.scopes = outer;
        Ok(Translated {
            sql: format!(
                "select {} from (\n{}\n) as {} order by {}",
                listed.join(", "),
                inner.sql,
                quote::ident(alias),
                terms?
            ),
            columns: inner.columns,
        })
    }

    /// Terms of ORDER BY without a select list.
    pub(super) fn order_terms(&mut self, order: &[OrderByExpr]) -> Outcome<String> {
        self.terms(order, &[])
    }

    /// Terms of ORDER BY, each a name or a place in the select list before it is an expression.
    pub(super) fn terms(&mut self, order: &[OrderByExpr], items: &[(String, Value)]) -> Outcome<String> {
        let mut terms = Vec::new();
        for term in order {
            let (expression, collation) = match parse::unnested(&term.expr) {
                Expr::Collate { expr, collation } => (
                    parse::unnested(expr),
                    Some(parse::bare_name(&collation.to_string())),
                ),
                other => (other, None),
            };
            let item = match expression {
                Expr::Identifier(name) => items.iter().find(|(item, _)| same(item, &name.value)),
                other => match self.expression(other).map(|value| value.literal) {
                    Ok(Some(Literal::Integer(place))) => {
                        usize::try_from(place - 1).ok().and_then(|place| items.get(place))
                    }
                    _ => None,
                },
            };
            let value = match item {
                Some((_, value)) => value.clone(),
                None => self.expression(expression)?,
            };
            if value.literal.is_some() && item.is_none() {
                return Err("The order is by something that is the same for each row.".to_owned());
            }
            let fold = match collation.as_deref().or(value.strange.as_deref()) {
                None => value.nocase,
                Some(collation) if same(collation, "nocase") => true,
                Some(collation) if same(collation, "binary") => false,
                Some(collation) => {
                    return Err(format!(
                        "The order is by the collation {collation}, which PostgreSQL does not have."
                    ));
                }
            };
            if value.facts.unlike {
                return Err(format!(
                    "The order is by {}, whose values stand in another order in SQLite.",
                    value.sql
                ));
            }
            let key = ordered(self, &value, fold)?;
            let descending = matches!(term.options.sort, Some(OrderBySort::Desc));
            // NULL is the smallest in SQLite.
            let nulls_first = term.options.nulls_first.unwrap_or(!descending);
            terms.push(format!(
                "{key}{} nulls {}",
                if descending { " desc" } else { "" },
                if nulls_first { "first" } else { "last" }
            ));
        }
        Ok(terms.join(", "))
    }
}

/// The key by which SQLite's order comes about.
fn ordered(translator: &Translator<'_>, value: &Value, fold: bool) -> Outcome<String> {
    match value.kind {
        Some(ColumnType::Text) if value.taken.is_none() => {
            if fold {
                let any = Translator::new(translator.schema, Vec::new());
                return Ok(any.folded(value, "lower").sql);
            }
            Ok(format!("{} collate \"C\"", value.tight()))
        }
        Some(ColumnType::Jsonb | ColumnType::Text) => {
            Err(format!("The order is by {}, which is JSON.", value.sql))
        }
        Some(ColumnType::Bigint | ColumnType::Numeric) if value.conversion.is_some() && !value.is_epoch() => {
            Ok(format!("{} collate \"C\"", value.text()?))
        }
        _ => Ok(value.within(Level::Or)),
    }
}
