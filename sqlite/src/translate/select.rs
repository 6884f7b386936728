//! One SELECT: its tables, its columns, its groups.

use contract::import::ColumnType;
use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, OrderByExpr, Select, SelectItem, SelectItemQualifiedWildcardKind,
};

use super::{
    Column, Outcome,
    assign::assigned,
    expression::Translator,
    parse,
    query::{Translated, widened},
    scope::{Scope, same},
    value::{Literal, Value},
};
use crate::quote;

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
            listed.push(format!("{sql} as {}", quote::ident(name)));
        }
        let distinct = match &select.distinct {
            None | Some(Distinct::All) => "",
            Some(Distinct::Distinct) => "distinct ",
            Some(Distinct::On(_)) => return Err("DISTINCT ON is not SQLite's.".to_owned()),
        };
        if !distinct.is_empty() {
            items
                .iter()
                .try_for_each(|(_, value)| value.distinguished("DISTINCT"))?;
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
                    computed: false,
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
                        source.refuse_lacking()?;
                        let columns = source
                            .columns
                            .iter()
                            .filter(|column| !source.shares(&column.source));
                        items.extend(columns.map(|column| (column.source.clone(), source.of(column))));
                    }
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    let name = &parse::last(name)?.value;
                    let scope = self.scopes.last().ok_or("A star stands outside of a query.")?;
                    let source = scope.sources.iter().find(|source| same(&source.alias, name));
                    let source = source.ok_or_else(|| format!("There is no table {name} in the query."))?;
                    source.refuse_lacking()?;
                    items.extend(
                        source
                            .columns
                            .iter()
                            .map(|column| (column.source.clone(), source.of(column))),
                    );
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    items.push((alias.value.clone(), self.expression(expr)?))
                }
                SelectItem::UnnamedExpr(expr) => {
                    let value = self.expression(expr)?;
                    // Later views know it by its name in SQLite, even where the column has another one here.
                    let name = match (parse::unnested(expr), &value.origin) {
                        (Expr::Identifier(_) | Expr::CompoundIdentifier(_), Some((_, name)))
                            if value.column =>
                        {
                            name.clone()
                        }
                        (other, _) => other.to_string().chars().take(60).collect(),
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
}

fn grouped(value: &Value) -> Outcome<String> {
    value.distinguished("GROUP BY")?;
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
