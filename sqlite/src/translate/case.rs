//! CASE and CAST.

use contract::import::{Affinity, ColumnType, Conversion};
use sqlparser::ast::{CaseWhen, DataType, Expr};

use super::{
    Outcome,
    compare::Comparison,
    expression::Translator,
    value::{Level, Value},
};

impl Translator<'_> {
    pub(super) fn case(
        &mut self,
        operand: Option<&Expr>,
        conditions: &[CaseWhen],
        otherwise: Option<&Expr>,
    ) -> Outcome<Value> {
        let operand = operand.map(|operand| self.expression(operand)).transpose()?;
        let mut tests = Vec::new();
        let mut results = Vec::new();
        for when in conditions {
            let test = self.expression(&when.condition)?;
            // Each test takes a copy of the operand.
            if let Some(operand) = &operand {
                self.measured(&operand.sql)?;
            }
            tests.push(match &operand {
                Some(operand) => self.compare(operand, Comparison::Equal, &test)?.sql,
                None => test.truth()?.sql,
            });
            results.push(self.expression(&when.result)?);
        }
        results.push(otherwise.map_or_else(|| Ok(Value::null()), |otherwise| self.expression(otherwise))?);
        let (results, like) = self.unified(results)?;
        let mut sql = "case".to_owned();
        for (test, result) in tests.iter().zip(&results) {
            sql.push_str(&format!(" when {test} then {result}"));
        }
        if otherwise.is_some()
            && let Some(last) = results.last()
        {
            sql.push_str(&format!(" else {last}"));
        }
        sql.push_str(" end");
        Ok(Value {
            sql,
            level: Level::Atom,
            ..like
        })
    }

    pub(super) fn cast(&mut self, operand: &Expr, data_type: &DataType) -> Outcome<Value> {
        let value = self.expression(operand)?;
        let name = data_type.to_string().to_ascii_uppercase();
        if value.kind.is_none() {
            return Ok(Value::null());
        }
        let affinity = affinity_of(&name);
        let converted = match affinity {
            Affinity::Text => {
                self.unsteady |= value.spelling.is_some();
                Value::atom(value.text()?, ColumnType::Text)
            }
            Affinity::Integer => {
                let number = value.number()?;
                match number.kind {
                    Some(ColumnType::Bigint) => Value::atom(number.tight(), ColumnType::Bigint),
                    // SQLite cuts towards zero where PostgreSQL rounds.
                    _ => Value::atom(format!("trunc({})::bigint", number.sql), ColumnType::Bigint),
                }
            }
            Affinity::Real => Value::surely_real(
                format!("{}::double precision", value.number()?.tight()),
                Level::Atom,
            ),
            Affinity::Numeric if value.is_number() => value.clone(),
            Affinity::Blob if value.kind == Some(ColumnType::Bytea) => value.clone(),
            _ => {
                return Err(format!(
                    "A cast to {name} gives what each value looks like in SQLite."
                ));
            }
        };
        if value.conversion == Some(Conversion::TruthValues) && affinity == Affinity::Text {
            return Err(format!(
                "{} has another type than in SQLite, so its text there is not known.",
                value.sql
            ));
        }
        Ok(Value {
            affinity,
            literal: None,
            column: value.column,
            computed: false,
            nocase: value.nocase,
            strange: value.strange,
            collated: value.collated,
            ..converted
        })
    }
}

/// The affinity of a declared type, by the substrings that SQLite looks for.
fn affinity_of(name: &str) -> Affinity {
    let has = |part: &str| name.contains(part);
    if has("INT") {
        Affinity::Integer
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        Affinity::Text
    } else if has("BLOB") || name.is_empty() {
        Affinity::Blob
    } else if has("REAL") || has("FLOA") || has("DOUB") {
        Affinity::Real
    } else {
        Affinity::Numeric
    }
}
