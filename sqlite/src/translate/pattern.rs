//! LIKE, GLOB and printf.

use contract::import::ColumnType;
use sqlparser::ast::Expr;

use super::{
    Outcome,
    expression::Translator,
    function::{as_double, exact},
    value::{Level, Literal, Value},
};
use crate::quote;

impl Translator<'_> {
    /// LIKE, which folds ASCII letters alone and knows no escape unless told one.
    pub(super) fn like(
        &mut self,
        text: &Expr,
        pattern: &Expr,
        escape: Option<&Expr>,
        negated: bool,
    ) -> Outcome<Value> {
        let text = self.as_text(text)?;
        let not = if negated { "not " } else { "" };
        let escape = match escape
            .map(|escape| self.expression(escape))
            .transpose()?
            .map(|escape| escape.literal)
        {
            None => None,
            Some(Some(Literal::Text(escape))) if escape.chars().count() == 1 => Some(escape),
            Some(_) => return Err("The escape of LIKE is not written out.".to_owned()),
        };
        let pattern = self.as_text(pattern)?;
        let literal = match &pattern.literal {
            Some(Literal::Text(literal)) => Some(literal.clone()),
            _ => None,
        };
        if let Some(literal) = &literal
            && escape.as_ref().is_some_and(|escape| literal.ends_with(escape))
        {
            return Err("The pattern of LIKE ends in its escape.".to_owned());
        }
        // Without an escape named, PostgreSQL takes the backslash for one.
        let clause = match (&escape, &literal) {
            (Some(escape), _) => format!(" escape {}", quote::literal(escape)),
            (None, Some(literal)) if !literal.contains('\\') => String::new(),
            (None, _) => " escape ''".to_owned(),
        };
        let pattern_sql = literal
            .as_deref()
            .map_or_else(|| pattern.within(Level::Atom), quote::literal);
        // By the rules of C, ilike folds ASCII letters alone.
        let sql = format!("{} collate \"C\" {not}ilike {pattern_sql}{clause}", text.tight());
        Ok(Value::truth_value(sql, Level::Comparison))
    }

    /// GLOB, which minds case: `*`, `?` and sets.
    pub(super) fn glob(&mut self, text: &Expr, pattern: &Expr) -> Outcome<Value> {
        let text = self.as_text(text)?;
        let Some(Literal::Text(pattern)) = self.expression(pattern)?.literal else {
            return Err("The pattern of GLOB is not written out.".to_owned());
        };
        if !pattern.contains('[') {
            let mut like = String::new();
            let mut escaped = false;
            for c in pattern.chars() {
                match c {
                    '*' => like.push('%'),
                    '?' => like.push('_'),
                    '%' | '_' | '~' => {
                        escaped = true;
                        like.extend(['~', c]);
                    }
                    c => like.push(c),
                }
            }
            let clause = if escaped || like.contains('\\') {
                " escape '~'"
            } else {
                ""
            };
            return Ok(Value::truth_value(
                format!(
                    "{} like {}{clause}",
                    text.within(Level::Arithmetic),
                    quote::literal(&like)
                ),
                Level::Comparison,
            ));
        }
        let regex = set_pattern(&pattern)
            .ok_or_else(|| format!("The pattern {pattern} of GLOB has no sure counterpart."))?;
        Ok(Value::truth_value(
            format!("{} collate \"C\" ~ {}", text.tight(), quote::literal(&regex)),
            Level::Comparison,
        ))
    }

    /// `printf` with plain texts, integers and decimals.
    pub(super) fn printf(&mut self, args: &[&Expr]) -> Outcome<Value> {
        let (form, mut args) = args.split_first().ok_or("printf() has no format.")?;
        let Some(Literal::Text(form)) = self.expression(form)?.literal else {
            return Err("The format of printf() is not written out.".to_owned());
        };
        let unsure = || format!("The format “{form}” of printf() has no sure counterpart.");
        let mut parts: Vec<String> = Vec::new();
        let mut plain = String::new();
        let mut rest = form.as_str();
        while let Some((before, after)) = rest.split_once('%') {
            plain.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                plain.push('%');
                rest = after;
                continue;
            }
            let end = after.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(unsure)?;
            let (flags, conversion) = (
                after.get(..end).ok_or_else(unsure)?,
                after.as_bytes().get(end).copied(),
            );
            rest = after.get(end + 1..).ok_or_else(unsure)?;
            if !plain.is_empty() {
                parts.push(quote::literal(&std::mem::take(&mut plain)));
            }
            let (arg, remaining) = args.split_first().ok_or_else(unsure)?;
            args = remaining;
            parts.push(match (flags, conversion) {
                ("", Some(b's')) => {
                    let text = self.as_text(arg)?;
                    // NULL is printed as nothing.
                    if text.literal.is_some() {
                        text.sql
                    } else {
                        format!("coalesce({}, '')", text.sql)
                    }
                }
                (width, Some(b'd' | b'i')) => {
                    let number = self.whole(arg)?;
                    let number = format!("coalesce({number}, 0)");
                    if width.is_empty() {
                        format!("{number}::text")
                    } else {
                        padded(&number, width).ok_or_else(unsure)?
                    }
                }
                (digits, Some(b'f')) => {
                    let digits: u32 = digits
                        .strip_prefix('.')
                        .and_then(|digits| digits.parse().ok())
                        .filter(|digits| *digits <= 15)
                        .ok_or_else(unsure)?;
                    let number = self.expression(arg)?.number()?;
                    if number.kind == Some(ColumnType::Bigint) {
                        format!("round(coalesce({}::numeric, 0), {digits})::text", number.tight())
                    } else if digits <= MOST_DIGITS {
                        fixed(&number, digits)
                    } else {
                        return Err(unsure());
                    }
                }
                _ => return Err(unsure()),
            });
        }
        plain.push_str(rest);
        if !plain.is_empty() || parts.is_empty() {
            parts.push(quote::literal(&plain));
        }
        let joined = |part: &String| part.contains(" || ");
        let level = if parts.len() > 1 || parts.iter().any(joined) {
            Level::Arithmetic
        } else {
            Level::Atom
        };
        Ok(Value::new(parts.join(" || "), ColumnType::Text, level))
    }
}

/// The most digits of a printed real. SQLite knows 16 digits in all, and how it rounds the last of them is its own.
const MOST_DIGITS: u32 = 6;

/// A real with so many digits behind the point. The sign stays where nothing but zeros is left.
fn fixed(number: &Value, digits: u32) -> String {
    let double = as_double(number);
    let all = format!(
        "case when abs({double}) < 9.2e18 then {} else {double}::text::numeric end",
        exact(&double)
    );
    let kept = format!("least({digits}, 16 - length(trunc(abs({double}))::text::numeric::text))");
    let rounded = format!("round(round(abs(coalesce({all}, 0)), {kept}), {digits})::text");
    format!("case when {double} < 0 then '-' else '' end || replace({rounded}, 'inity', '')")
}

/// `05`: at least five places, filled with zeros behind the sign; `5`: filled with spaces in front.
fn padded(number: &str, width: &str) -> Option<String> {
    // A sign before the digits would be one that is always printed.
    if !width.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let places: usize = width.parse().ok().filter(|places| *places > 0 && *places < 100)?;
    let mask = if width.starts_with('0') {
        return Some(format!(
            "case when {number} < 0 then '-' else '' end || lpad(abs({number})::text, greatest({places} - ({number} < 0)::int, length(abs({number})::text)), '0')"
        ));
    } else {
        " "
    };
    Some(format!(
        "lpad({number}::text, greatest({places}, length({number}::text)), '{mask}')"
    ))
}

/// A GLOB with sets as a regular expression.
fn set_pattern(pattern: &str) -> Option<String> {
    let mut regex = "^(?:".to_owned();
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            '[' => {
                regex.push('[');
                if rest.peek() == Some(&'^') {
                    rest.next();
                    regex.push('^');
                }
                let mut members = 0;
                loop {
                    match rest.next()? {
                        ']' if members > 0 => break,
                        // What means something else inside brackets there.
                        ']' | '[' | '\\' | '^' => return None,
                        member => {
                            members += 1;
                            regex.push(member);
                        }
                    }
                }
                regex.push(']');
            }
            c if c.is_ascii_alphanumeric() || c == '_' || c == ' ' || !c.is_ascii() => regex.push(c),
            c => regex.extend(['\\', c]),
        }
    }
    regex.push_str(")$");
    Some(regex)
}
