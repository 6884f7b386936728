//! BETWEEN and IN.

use contract::import::Affinity;
use sqlparser::ast::Expr;

use super::{
    Outcome,
    compare::Comparison,
    expression::Translator,
    value::{Level, Value},
};

impl Translator<'_> {
    pub(super) fn between(
        &mut self,
        operand: &Expr,
        negated: bool,
        low: &Expr,
        high: &Expr,
    ) -> Outcome<Value> {
        let (value, low, high) = (
            self.expression(operand)?,
            self.expression(low)?,
            self.expression(high)?,
        );
        let from = self.compare(&value, Comparison::GreaterEqual, &low)?;
        let to = self.compare(&value, Comparison::LessEqual, &high)?;
        let not = if negated { "not " } else { "" };
        if let (Some((side, low)), Some((other, high))) =
            (from.sql.split_once(" >= "), to.sql.split_once(" <= "))
            && side == other
            && ![side, low, high].iter().any(|part| part.contains(" and "))
        {
            return Ok(Value::truth_value(
                format!("{side} {not}between {low} and {high}"),
                Level::Comparison,
            ));
        }
        let both = format!("{} and {}", from.within(Level::And), to.within(Level::And));
        Ok(if negated {
            Value::truth_value(format!("not ({both})"), Level::Not)
        } else {
            Value::truth_value(both, Level::And)
        })
    }

    pub(super) fn in_list(&mut self, operand: &Expr, items: &[Expr], negated: bool) -> Outcome<Value> {
        if items.is_empty() {
            // Even NULL is not in an empty list.
            return Ok(Value::truth_value(
                if negated { "true" } else { "false" },
                Level::Atom,
            ));
        }
        let mut value = self.expression(operand)?;
        let mut parts = Vec::new();
        for item in items {
            let mut item = self.expression(item)?;
            // The left side alone decides affinity and collation.
            if item.affinity != Affinity::Real {
                item.affinity = Affinity::Blob;
            }
            item.collated = false;
            value.collated = true;
            // Each part takes a copy of the operand.
            self.measured(&value.sql)?;
            parts.push(self.compare(&value, Comparison::Equal, &item)?);
        }
        let not = if negated { "not " } else { "" };
        let start = parts
            .first()
            .and_then(|part| part.sql.split_once(" = "))
            .map(|(side, _)| format!("{side} = "));
        if let Some(start) = start
            && let Some(listed) = parts
                .iter()
                .map(|part| part.sql.strip_prefix(&start))
                .collect::<Option<Vec<_>>>()
        {
            let side = start.trim_end_matches(" = ");
            return Ok(Value::truth_value(
                format!("{side} {not}in ({})", listed.join(", ")),
                Level::Comparison,
            ));
        }
        let any = parts
            .iter()
            .map(|part| part.within(Level::And))
            .collect::<Vec<_>>()
            .join(" or ");
        Ok(Value::truth_value(
            format!("{not}({any})"),
            if negated { Level::Not } else { Level::Atom },
        ))
    }
}
