//! Functions on JSON, for columns that became jsonb.

use contract::import::ColumnType;
use sqlparser::ast::Expr;

use super::{
    Outcome,
    expression::Translator,
    scope::same,
    value::{Level, Literal, Value},
};
use crate::quote;

impl Translator<'_> {
    /// `json_…`.
    pub(super) fn json_function(&mut self, name: &str, args: &[&Expr]) -> Outcome<Value> {
        match (name, args) {
            // SQLite writes it without white space.
            ("json", [json]) => match self.expression(json)?.literal {
                Some(Literal::Text(text)) => {
                    let short = crate::json::minified(&text)
                        .ok_or("json() is given a text that is no JSON or has an escape.")?;
                    Ok(Value::text_literal(&short))
                }
                _ => Err("json() of what is not written out has no sure counterpart.".to_owned()),
            },
            ("json_object", []) => Ok(Value::text_literal("{}")),
            ("json_array", []) => Ok(Value::text_literal("[]")),
            ("json_valid", [json]) => {
                let json = self.expression(json)?;
                if json.kind != Some(ColumnType::Jsonb) {
                    return Err(format!(
                        "{} is text, and PostgreSQL has no test for JSON before version 16.",
                        json.sql
                    ));
                }
                // What is stored as jsonb is valid; of NULL nothing is known.
                Ok(Value::truth_value(
                    format!(
                        "case when {} is not null then true end",
                        json.within(Level::Arithmetic)
                    ),
                    Level::Atom,
                ))
            }
            ("json_extract", [json, path]) => {
                let json = self.parsed(json)?;
                let path = self.path(path)?;
                Ok(taken(&json, &path))
            }
            ("json_array_length", [json]) => {
                let json = self.parsed(json)?;
                let sql = format!(
                    "case when jsonb_typeof({json}) = 'array' then jsonb_array_length({json}) when {json} is not null then 0 end"
                );
                Ok(Value {
                    narrow: true,
                    ..Value::atom(sql, ColumnType::Bigint)
                })
            }
            ("json_array_length", [json, path]) => {
                let json = self.parsed(json)?;
                let json = format!("({json} #> {})", quote::literal(&self.path(path)?));
                let sql = format!(
                    "case when jsonb_typeof({json}) = 'array' then jsonb_array_length({json}) when {json} is not null then 0 end"
                );
                Ok(Value {
                    narrow: true,
                    ..Value::atom(sql, ColumnType::Bigint)
                })
            }
            ("json_type", [json]) => {
                let json = self.parsed(json)?;
                // Numbers have two names in SQLite, and truth values too.
                let sql = format!(
                    "case jsonb_typeof({json}) when 'string' then 'text' when 'boolean' then {json}::text when 'number' then case when {json}::text ~ '[.]' then 'real' else 'integer' end else jsonb_typeof({json}) end"
                );
                Ok(Value::atom(sql, ColumnType::Text))
            }
            _ => Err(format!("The function {name}() has no sure counterpart.")),
        }
    }

    /// `->` and `->>`.
    pub(super) fn arrow(&mut self, root: &Value, path: &Expr, as_value: bool) -> Outcome<Value> {
        let json = jsonb(root)?;
        let path = match self.expression(path)?.literal {
            Some(Literal::Text(text)) if text.starts_with('$') => parts(&text)?,
            Some(Literal::Text(label)) if is_plain(&label) => format!("{{{}}}", element(&label)),
            Some(Literal::Integer(place)) if place >= 0 => format!("{{{place}}}"),
            _ => return Err("A path into JSON is not written out in plain words.".to_owned()),
        };
        if as_value {
            return Ok(taken(&json, &path));
        }
        Ok(Value::new(
            format!("{json} #> {}", quote::literal(&path)),
            ColumnType::Jsonb,
            Level::Arithmetic,
        ))
    }

    fn parsed(&mut self, json: &Expr) -> Outcome<String> {
        jsonb(&self.expression(json)?)
    }

    fn path(&mut self, path: &Expr) -> Outcome<String> {
        match self.expression(path)?.literal {
            Some(Literal::Text(path)) => parts(&path),
            _ => Err("A path into JSON is not written out.".to_owned()),
        }
    }
}

fn jsonb(value: &Value) -> Outcome<String> {
    if value.kind == Some(ColumnType::Jsonb) {
        return Ok(value.tight());
    }
    Err(format!(
        "{} stayed text, of whose doubled keys SQLite takes the first and PostgreSQL the last.",
        value.sql
    ))
}

/// A value whose type only the data know; it can be compared with some literals.
fn taken(json: &str, path: &str) -> Value {
    let (text, inner) = (
        format!("({json} #>> {})", quote::literal(path)),
        format!("({json} #> {})", quote::literal(path)),
    );
    Value {
        taken: Some((text.clone(), inner)),
        ..Value::atom(text, ColumnType::Text)
    }
}

fn is_plain(label: &str) -> bool {
    !label.is_empty()
        && label.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
        && label.parse::<i64>().is_err()
}

/// A label as an element of an array; NULL alone would be none.
fn element(label: &str) -> String {
    if same(label, "null") {
        format!("\"{label}\"")
    } else {
        label.to_owned()
    }
}

/// `$.a.b[0]` as `{a,b,0}`.
fn parts(path: &str) -> Outcome<String> {
    let unsure = || format!("The path {path} into JSON has no sure counterpart.");
    let mut rest = path.strip_prefix('$').ok_or_else(unsure)?;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let (label, after) = after.split_at(after.find(['.', '[']).unwrap_or(after.len()));
            let label = label.trim_matches('"');
            if !is_plain(label) {
                return Err(unsure());
            }
            parts.push(element(label));
            rest = after;
        } else {
            let (place, after) = rest
                .strip_prefix('[')
                .and_then(|rest| rest.split_once(']'))
                .ok_or_else(unsure)?;
            place.parse::<u32>().map_err(|_| unsure())?;
            parts.push(place.to_owned());
            rest = after;
        }
    }
    Ok(format!("{{{}}}", parts.join(",")))
}
