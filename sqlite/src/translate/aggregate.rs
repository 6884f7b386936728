//! Aggregates and window functions.

use contract::import::{Affinity, ColumnType};
use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArgumentClause, FunctionArguments, OrderByExpr, WindowFrame,
    WindowFrameBound, WindowFrameUnits, WindowSpec, WindowType,
};

use super::{
    Outcome,
    expression::Translator,
    value::{Level, Literal, Value},
};
use crate::quote;

/// Whether the call runs over rows.
pub(super) fn is_aggregate(name: &str, args: usize, over: bool) -> bool {
    match name {
        "count" | "sum" | "total" | "avg" | "group_concat" | "string_agg" => true,
        "min" | "max" => args == 1,
        _ => over,
    }
}

impl Translator<'_> {
    pub(super) fn aggregate(
        &mut self,
        name: &str,
        function: &Function,
        args: &[&Expr],
        star: bool,
    ) -> Outcome<Value> {
        let (distinct, order) = clauses(function)?;
        let order = order.map(|order| self.order_terms(order)).transpose()?;
        let order = order.map_or_else(String::new, |order| format!(" order by {order}"));
        let mark = if distinct { "distinct " } else { "" };
        let suffix = self.suffix(function)?;
        let call = |word: &str, arg: &str| format!("{word}({mark}{arg}{order}){suffix}");
        let unsure = || Err(format!("{name}() has no sure counterpart in this form."));
        if star || (name == "count" && args.is_empty()) {
            return if name == "count" {
                Ok(Value::atom(format!("count(*){suffix}"), ColumnType::Bigint))
            } else {
                unsure()
            };
        }
        let values = self.all(args)?;
        if distinct {
            let what = format!("{name}(distinct)");
            values.iter().try_for_each(|value| value.distinguished(&what))?;
        }
        match (name, values.as_slice()) {
            ("count", [value]) => {
                let sql = value
                    .taken
                    .as_ref()
                    .map_or(&value.sql, |taken| if distinct { &taken.1 } else { &taken.0 });
                Ok(Value::atom(call("count", sql), ColumnType::Bigint))
            }
            ("sum", [value]) => {
                let number = value.number()?;
                let kind = number.kind.unwrap_or(ColumnType::Bigint);
                let sum = call("sum", &number.sql);
                let sum = if kind == ColumnType::Bigint {
                    format!("{sum}::bigint")
                } else {
                    sum
                };
                Ok(Value {
                    facts: number.facts,
                    ..Value::atom(sum, kind)
                })
            }
            ("total", [value]) => {
                let sum = call("sum", &value.number()?.sql);
                Ok(Value::surely_real(
                    format!("coalesce({sum}, 0)::double precision"),
                    Level::Atom,
                ))
            }
            ("avg", [value]) => {
                let average = call("avg", &value.number()?.sql);
                Ok(Value::surely_real(
                    format!("{average}::double precision"),
                    Level::Atom,
                ))
            }
            ("min" | "max", [value])
                if value.kind == Some(ColumnType::Text) && value.is_text() && !value.nocase =>
            {
                value.distinguished(name)?;
                let arg = if value.taken.is_some() {
                    return unsure();
                } else {
                    format!("{} collate \"C\"", value.tight())
                };
                Ok(Value {
                    instant: None,
                    digits: None,
                    ..Value::atom(call(name, &arg), ColumnType::Text)
                })
            }
            ("min" | "max", [value]) => {
                value.distinguished(name)?;
                let number = if value.is_truth() {
                    value.number()?
                } else {
                    value.clone()
                };
                let ordered = number.is_number()
                    || number.is_epoch()
                    || matches!(number.kind, Some(ColumnType::Date | ColumnType::Timestamp))
                        && number.conversion.is_none();
                if !ordered {
                    return Err(format!(
                        "{name}({}) goes by an order that another type has.",
                        value.sql
                    ));
                }
                Ok(Value {
                    sql: call(name, &number.sql),
                    level: Level::Atom,
                    literal: None,
                    column: false,
                    computed: false,
                    ..number
                })
            }
            ("group_concat" | "string_agg", [value, rest @ ..]) => {
                let separator = match rest {
                    [] => quote::literal(","),
                    [separator] => separator.text()?,
                    _ => return unsure(),
                };
                self.unsteady |= value.spelling.is_some();
                Ok(Value::atom(
                    call("string_agg", &format!("{}, {separator}", value.text()?)),
                    ColumnType::Text,
                ))
            }
            ("row_number" | "rank" | "dense_rank", []) => Ok(Value::atom(call(name, ""), ColumnType::Bigint)),
            ("percent_rank" | "cume_dist", []) => Ok(Value::surely_real(call(name, ""), Level::Atom)),
            (
                "ntile",
                [
                    Value {
                        literal: Some(Literal::Integer(parts @ 1..=1_000_000)),
                        ..
                    },
                ],
            ) => Ok(Value {
                narrow: true,
                ..Value::atom(call(name, &parts.to_string()), ColumnType::Bigint)
            }),
            ("first_value" | "last_value" | "lag" | "lead", [value, ..]) if value.taken.is_some() => unsure(),
            ("first_value" | "last_value", [value]) => Ok(of_rows(value, call(name, &value.sql))),
            ("lag" | "lead", [value, rest @ ..]) => {
                let places = match rest {
                    [] => String::new(),
                    [
                        Value {
                            literal: Some(Literal::Integer(places @ 0..=1_000_000)),
                            ..
                        },
                    ] => format!(", {places}"),
                    _ => return unsure(),
                };
                let sql = call(name, &format!("{}{places}", value.sql));
                Ok(of_rows(value, sql))
            }
            _ => unsure(),
        }
    }

    /// FILTER and OVER.
    fn suffix(&mut self, function: &Function) -> Outcome<String> {
        let mut suffix = String::new();
        if let Some(filter) = &function.filter {
            suffix.push_str(&format!(" filter (where {})", self.condition(filter)?.sql));
        }
        match &function.over {
            None => {}
            Some(WindowType::WindowSpec(spec)) => suffix.push_str(&format!(" over ({})", self.window(spec)?)),
            Some(WindowType::NamedWindow(_)) => return Err("A named window is used.".to_owned()),
        }
        Ok(suffix)
    }

    fn window(&mut self, spec: &WindowSpec) -> Outcome<String> {
        if spec.window_name.is_some() {
            return Err("A named window is used.".to_owned());
        }
        let mut parts = Vec::new();
        if !spec.partition_by.is_empty() {
            let mut keys = Vec::new();
            for key in &spec.partition_by {
                keys.push(self.group_key(key)?);
            }
            parts.push(format!("partition by {}", keys.join(", ")));
        }
        if !spec.order_by.is_empty() {
            parts.push(format!("order by {}", self.order_terms(&spec.order_by)?));
        }
        if let Some(frame) = &spec.window_frame {
            parts.push(self.frame(frame)?);
        }
        Ok(parts.join(" "))
    }

    fn frame(&mut self, frame: &WindowFrame) -> Outcome<String> {
        let units = match frame.units {
            WindowFrameUnits::Rows => "rows",
            WindowFrameUnits::Range => "range",
            WindowFrameUnits::Groups => "groups",
        };
        let start = self.bound(&frame.start_bound, units)?;
        Ok(match &frame.end_bound {
            Some(end) => format!("{units} between {start} and {}", self.bound(end, units)?),
            None => format!("{units} {start}"),
        })
    }

    fn bound(&mut self, bound: &WindowFrameBound, units: &str) -> Outcome<String> {
        let (distance, word) = match bound {
            WindowFrameBound::CurrentRow => return Ok("current row".to_owned()),
            WindowFrameBound::Preceding(distance) => (distance, "preceding"),
            WindowFrameBound::Following(distance) => (distance, "following"),
        };
        let Some(distance) = distance else {
            return Ok(format!("unbounded {word}"));
        };
        match self.expression(distance)?.literal {
            Some(Literal::Integer(distance)) if distance >= 0 && units != "range" => {
                Ok(format!("{distance} {word}"))
            }
            _ => Err("The frame of a window is not written out in rows.".to_owned()),
        }
    }
}

/// A value taken from another row.
fn of_rows(value: &Value, sql: String) -> Value {
    Value {
        sql,
        level: Level::Atom,
        column: false,
        computed: false,
        literal: None,
        nocase: false,
        strange: None,
        collated: false,
        spelling: value.spelling.clone().filter(|_| value.instant.is_none()),
        instant: None,
        digits: None,
        affinity: Affinity::Blob,
        ..value.clone()
    }
}

fn clauses(function: &Function) -> Outcome<(bool, Option<&[OrderByExpr]>)> {
    let FunctionArguments::List(list) = &function.args else {
        return Ok((false, None));
    };
    let mut order = None;
    for clause in &list.clauses {
        match clause {
            FunctionArgumentClause::OrderBy(terms) => order = Some(terms.as_slice()),
            other => return Err(format!("{other} within an aggregate has no counterpart.")),
        }
    }
    Ok((
        list.duplicate_treatment == Some(DuplicateTreatment::Distinct),
        order,
    ))
}
