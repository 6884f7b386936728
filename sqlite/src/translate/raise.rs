//! RAISE.

use sqlparser::ast::{Expr, Function, GroupByExpr, SelectItem, SetExpr};

use super::{
    Outcome, expression::Translator, function::arguments, parse, scope::same, value::Literal, written::Timing,
};
use crate::quote;

/// Stands for leaving the trigger without the row, until it is known what leaving takes.
pub(super) const LEAVE: &str = "\u{0}leave\u{0}";

/// `SELECT RAISE(…)`, with a WHERE or within a CASE.
pub(super) fn raised(
    translator: &mut Translator<'_>,
    query: &sqlparser::ast::Query,
    timing: Timing,
) -> Outcome<String> {
    let unsure = || "A SELECT in it does not raise an error in a way that is known.".to_owned();
    let SetExpr::Select(select) = query.body.as_ref() else {
        return Err(unsure());
    };
    let [SelectItem::UnnamedExpr(expression) | SelectItem::ExprWithAlias { expr: expression, .. }] =
        select.projection.as_slice()
    else {
        return Err(unsure());
    };
    if query.with.is_some()
        || select.having.is_some()
        || !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty())
    {
        return Err(unsure());
    }
    let mut branches: Vec<(Option<String>, String)> = Vec::new();
    match parse::unnested(expression) {
        Expr::Function(function) => branches.push((None, raise(translator, function, timing)?)),
        Expr::Case {
            operand: None,
            conditions,
            else_result,
            ..
        } if select.from.is_empty() => {
            for when in conditions {
                let Expr::Function(function) = parse::unnested(&when.result) else {
                    return Err(unsure());
                };
                let test = translator.condition(&when.condition)?.sql;
                branches.push((Some(test), raise(translator, function, timing)?));
            }
            if else_result
                .as_deref()
                .is_some_and(|otherwise| !matches!(parse::unnested(otherwise), Expr::Value(_)))
            {
                return Err(unsure());
            }
        }
        _ => return Err(unsure()),
    }
    let mut sql = String::new();
    for (at, (test, action)) in branches.iter().enumerate() {
        let Some(test) = test else {
            return Ok(match (&select.selection, select.from.as_slice()) {
                (None, []) => action.clone(),
                (Some(selection), []) => format!(
                    "if {} then {action} end if;",
                    translator.condition(selection)?.sql
                ),
                _ => {
                    let mut rows = select.as_ref().clone();
                    rows.projection = vec![SelectItem::UnnamedExpr(Expr::value(
                        sqlparser::ast::Value::Number("1".into(), false),
                    ))];
                    format!(
                        "if exists ({}) then {action} end if;",
                        translator.select(&rows, None, None)?.sql
                    )
                }
            });
        };
        sql.push_str(&format!(
            "{} {test} then {action} ",
            if at == 0 { "if" } else { "elsif" }
        ));
    }
    sql.push_str("end if;");
    Ok(match &select.selection {
        Some(selection) => format!("if {} then {sql} end if;", translator.condition(selection)?.sql),
        None => sql,
    })
}

fn raise(translator: &mut Translator<'_>, function: &Function, timing: Timing) -> Outcome<String> {
    if !same(&parse::last(&function.name)?.value, "raise") {
        return Err("A SELECT in it calls a function and drops what it gives.".to_owned());
    }
    let (args, _) = arguments(function)?;
    let kind = args
        .first()
        .map(|kind| kind.to_string().to_ascii_lowercase())
        .unwrap_or_default();
    match (kind.as_str(), args.get(1)) {
        ("ignore", None) if timing != Timing::After => Ok(LEAVE.to_owned()),
        ("abort" | "rollback", Some(message)) => match translator.expression(message)?.literal {
            Some(Literal::Text(message)) => Ok(format!(
                "raise exception using message = {};",
                quote::literal(&message)
            )),
            _ => Err("The message of RAISE is not written out.".to_owned()),
        },
        _ => Err(format!(
            "RAISE({}) keeps what was done before it, which PostgreSQL cannot.",
            kind.to_uppercase()
        )),
    }
}
