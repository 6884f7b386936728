//! Functions on text.

use contract::import::ColumnType;
use sqlparser::ast::Expr;

use super::{
    Outcome,
    expression::Translator,
    value::{Level, Literal, Value},
};

impl Translator<'_> {
    /// Letters folded as SQLite does, ASCII alone, unless people's own queries are to match.
    pub(super) fn folded(&self, value: &Value, word: &str) -> Value {
        let sql = if self.any_letters {
            format!("{word}({})", value.sql)
        } else {
            format!("{word}({} collate \"C\")", value.tight())
        };
        Value::atom(sql, ColumnType::Text)
    }

    /// An operand as text.
    pub(super) fn as_text(&mut self, expression: &Expr) -> Outcome<Value> {
        let value = self.expression(expression)?;
        let sql = value.text()?;
        if sql == value.sql {
            return Ok(value);
        }
        self.unsteady |= value.spelling.is_some();
        Ok(Value::atom(sql, ColumnType::Text))
    }

    /// What is left: functions on text, and those that nobody knows.
    pub(super) fn text_function(&mut self, name: &str, args: &[&Expr]) -> Outcome<Value> {
        match (name, args) {
            ("lower" | "upper", [text]) => {
                let text = self.as_text(text)?;
                Ok(self.folded(&text, name))
            }
            ("length" | "octet_length", [value]) => {
                let value = self.expression(value)?;
                let sql = if value.kind == Some(ColumnType::Bytea) && value.conversion.is_none() {
                    value.sql
                } else {
                    self.unsteady |= value.spelling.is_some();
                    value.text()?
                };
                Ok(Value {
                    narrow: true,
                    ..Value::atom(format!("{name}({sql})"), ColumnType::Bigint)
                })
            }
            ("substr" | "substring", [text, start]) => self.substring(text, start, None),
            ("substr" | "substring", [text, start, length]) => self.substring(text, start, Some(length)),
            ("trim", [text]) => self.trim("btrim", text, None),
            ("trim", [text, characters]) => self.trim("btrim", text, Some(characters)),
            ("ltrim" | "rtrim", [text]) => self.trim(name, text, None),
            ("ltrim" | "rtrim", [text, characters]) => self.trim(name, text, Some(characters)),
            ("instr", [text, part]) => {
                let (text, part) = (self.as_text(text)?, self.as_text(part)?);
                let sql = format!("strpos({}, {})", text.sql, part.sql);
                Ok(Value {
                    narrow: true,
                    ..Value::atom(sql, ColumnType::Bigint)
                })
            }
            ("replace", [text, old, new]) => {
                let (text, old, new) = (self.as_text(text)?, self.as_text(old)?, self.as_text(new)?);
                Ok(Value::atom(
                    format!("replace({}, {}, {})", text.sql, old.sql, new.sql),
                    ColumnType::Text,
                ))
            }
            ("char", args) if !args.is_empty() => {
                let mut characters = Vec::new();
                for arg in args {
                    match self.expression(arg)?.literal {
                        Some(Literal::Integer(code @ 1..=0xD7FF)) => characters.push(format!("chr({code})")),
                        _ => return Err("char() is given a code that is not written out.".to_owned()),
                    }
                }
                Ok(Value::new(
                    characters.join(" || "),
                    ColumnType::Text,
                    Level::Arithmetic,
                ))
            }
            // LIKE and GLOB as functions have their sides exchanged.
            ("like", [pattern, text]) => self.like(text, pattern, None, false),
            ("glob", [pattern, text]) => self.glob(text, pattern),
            _ => Err(format!("The function {name}() has no counterpart.")),
        }
    }

    pub(super) fn trim(&mut self, word: &str, text: &Expr, characters: Option<&Expr>) -> Outcome<Value> {
        let text = self.as_text(text)?;
        let sql = match characters {
            Some(characters) => format!("{word}({}, {})", text.sql, self.as_text(characters)?.sql),
            None => format!("{word}({})", text.sql),
        };
        Ok(Value::atom(sql, ColumnType::Text))
    }

    /// A start below zero counts from the end, and characters before the first take up length, as in PostgreSQL.
    pub(super) fn substring(&mut self, text: &Expr, start: &Expr, length: Option<&Expr>) -> Outcome<Value> {
        let value = self.expression(text)?;
        if value.kind == Some(ColumnType::Bytea) {
            return Err("A part of an empty blob is NULL in SQLite.".to_owned());
        }
        let text = self.as_text(text)?.sql;
        let start = self.expression(start)?;
        let from = match &start.literal {
            Some(Literal::Integer(number)) if *number >= 0 => number.to_string(),
            Some(Literal::Integer(number)) if i32::try_from(*number).is_ok() => {
                format!("length({text}) + {}", number + 1)
            }
            // A place that was found, and so is never below zero.
            _ if start.sql.starts_with("strpos(") && !start.sql.contains(" - ") => whole(&start)?,
            _ => {
                let start = whole(&start)?;
                format!("case when {start} < 0 then length({text}) + {start} + 1 else {start} end")
            }
        };
        let sql = match length {
            None => format!("substr({text}, {from})"),
            Some(length) => {
                let length = self.expression(length)?;
                let count = match (&length.literal, &start.literal) {
                    (Some(Literal::Integer(count)), _) if (0..=i64::from(i32::MAX)).contains(count) => {
                        count.to_string()
                    }
                    // A length below zero reaches back, to nothing before the first character.
                    (None, Some(Literal::Integer(1))) => format!("greatest({}, 0)", whole(&length)?),
                    _ => {
                        return Err(
                            "The length of substr() may be below zero, which reaches back in SQLite."
                                .to_owned(),
                        );
                    }
                };
                format!("substr({text}, {from}, {count})")
            }
        };
        Ok(Value::atom(sql, ColumnType::Text))
    }
}

/// A position as the 32-bit integer that PostgreSQL's functions take.
fn whole(value: &Value) -> Outcome<String> {
    let number = value.number()?;
    if number.kind != Some(ColumnType::Bigint) {
        return Err(format!("{} is no integer.", number.sql));
    }
    Ok(format!("{}::int", number.tight()))
}
