//! SQL of SQLite as a tree, with the few places where the parser groups operators otherwise than SQLite refused.

use sqlparser::{
    ast::{BinaryOperator, Expr, Ident, ObjectName, ObjectNamePart, Statement},
    dialect::SQLiteDialect,
    parser::Parser,
    tokenizer::{Location, Token, TokenWithSpan, Tokenizer},
};

use super::Outcome;

const DIALECT: SQLiteDialect = SQLiteDialect {};

/// A parser over the text.
pub(super) fn parser(sql: &str) -> Outcome<Parser<'static>> {
    let tokens = Tokenizer::new(&DIALECT, sql)
        .tokenize_with_location()
        .map_err(|error| unread(&error.into()))?;
    let mut read = Vec::with_capacity(tokens.len());
    for token in tokens {
        match &token.token {
            // A word to SQLite alone.
            Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("isnull") => {
                read.push(TokenWithSpan::new(Token::make_keyword("IS"), token.span));
                read.push(TokenWithSpan::new(Token::make_keyword("NULL"), token.span));
            }
            // `0x1F` is a number, `x'1F'` is bytes, and the tokens are the same.
            Token::HexStringLiteral(digits) if at(sql, token.span.start).is_some_and(|c| c == '0') => {
                let bits = u64::from_str_radix(digits, 16)
                    .map_err(|_| format!("The number 0x{digits} is too large."))?;
                let number = Token::Number(bits.cast_signed().to_string(), false);
                read.push(TokenWithSpan::new(number, token.span));
            }
            _ => read.push(token),
        }
    }
    Ok(Parser::new(&DIALECT).with_tokens_with_locations(read))
}

/// The character at a place of the text.
fn at(sql: &str, place: Location) -> Option<char> {
    let line = sql
        .split('\n')
        .nth(usize::try_from(place.line).ok()?.checked_sub(1)?)?;
    line.chars()
        .nth(usize::try_from(place.column).ok()?.checked_sub(1)?)
}

/// One sentence for what the parser says.
pub(super) fn unread(error: &sqlparser::parser::ParserError) -> String {
    format!(
        "Its SQL could not be read: {}.",
        error.to_string().trim_start_matches("sql parser error: ")
    )
}

/// One expression.
pub(super) fn expression(sql: &str) -> Outcome<Expr> {
    let mut parser = parser(sql)?;
    let expression = parser.parse_expr().map_err(|error| unread(&error))?;
    end(&mut parser)?;
    Ok(expression)
}

/// One statement.
pub(super) fn statement(sql: &str) -> Outcome<Statement> {
    let mut parser = parser(sql)?;
    let statement = parser.parse_statement().map_err(|error| unread(&error))?;
    end(&mut parser)?;
    Ok(statement)
}

fn end(parser: &mut Parser<'_>) -> Outcome<()> {
    while parser.consume_token(&Token::SemiColon) {}
    match parser.peek_token().token {
        Token::EOF => Ok(()),
        other => Err(format!("Its SQL could not be read from “{other}” on.")),
    }
}

/// The expression without the parentheses around it.
pub(super) fn unnested(expression: &Expr) -> &Expr {
    match expression {
        Expr::Nested(inner) => unnested(inner),
        other => other,
    }
}

/// The last part of a name, unquoted.
pub(super) fn last(name: &ObjectName) -> Outcome<&Ident> {
    match name.0.last() {
        Some(ObjectNamePart::Identifier(ident)) => Ok(ident),
        _ => Err(format!("The name {name} cannot be read.")),
    }
}

/// A name without its quotes.
pub(super) fn bare_name(name: &str) -> String {
    name.trim_matches(['"', '`', '[', ']', '\'']).to_owned()
}

/// Whether a word is one of the three clocks.
pub(super) fn is_clock(word: &str) -> bool {
    ["current_timestamp", "current_date", "current_time"]
        .iter()
        .any(|clock| word.eq_ignore_ascii_case(clock))
}

/// How SQLite groups an operator: each set binds the same, from left to right.
#[derive(PartialEq, Eq)]
enum Group {
    Join,
    Product,
    Sum,
    Bits,
    Equal,
    Other,
}

fn group(expression: &Expr) -> Group {
    match expression {
        Expr::BinaryOp { op, .. } => match op {
            BinaryOperator::StringConcat | BinaryOperator::Arrow | BinaryOperator::LongArrow => Group::Join,
            BinaryOperator::Multiply | BinaryOperator::Divide | BinaryOperator::Modulo => Group::Product,
            BinaryOperator::Plus | BinaryOperator::Minus => Group::Sum,
            BinaryOperator::BitwiseAnd
            | BinaryOperator::BitwiseOr
            | BinaryOperator::PGBitwiseShiftLeft
            | BinaryOperator::PGBitwiseShiftRight => Group::Bits,
            BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Is
            | BinaryOperator::IsNot
            | BinaryOperator::Match
            | BinaryOperator::Regexp
            | BinaryOperator::Glob => Group::Equal,
            _ => Group::Other,
        },
        Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::IsDistinctFrom(..)
        | Expr::IsNotDistinctFrom(..)
        | Expr::In { .. }
        | Expr::Between { .. }
        | Expr::Like { .. } => Group::Equal,
        _ => Group::Other,
    }
}

/// Refuses operators of which the parser binds one tighter where SQLite does not: `||` beside `*`, `=` beside IS.
pub(super) fn refuse_unclear(outer: &Expr, operands: &[&Expr]) -> Outcome<()> {
    let outer_group = group(outer);
    for (place, operand) in operands.iter().enumerate() {
        let inner = group(operand);
        let unclear = match outer_group {
            Group::Join | Group::Product | Group::Sum | Group::Bits => {
                (inner == Group::Join) != (outer_group == Group::Join)
                    && (inner == Group::Join || matches!(inner, Group::Product | Group::Sum | Group::Bits))
                    || arrow_beside_join(outer, operand)
            }
            // From left to right is how SQLite goes too.
            Group::Equal => place > 0 && inner == Group::Equal,
            Group::Other => false,
        };
        if unclear {
            return Err("Operators of the same rank stand side by side without parentheses.".to_owned());
        }
    }
    Ok(())
}

/// Arrows and `||` bind alike in SQLite, but not for the parser.
fn arrow_beside_join(outer: &Expr, operand: &Expr) -> bool {
    let is_join = |expression: &Expr| {
        matches!(
            expression,
            Expr::BinaryOp {
                op: BinaryOperator::StringConcat,
                ..
            }
        )
    };
    group(outer) == Group::Join && group(operand) == Group::Join && is_join(outer) != is_join(operand)
}
