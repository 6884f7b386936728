//! A trigger as it is written.

use sqlparser::{
    ast::{Expr, Statement},
    keywords::Keyword,
    parser::Parser,
    tokenizer::Token,
};

use super::{
    Outcome,
    parse::{self, unread},
    statement::Change,
};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Timing {
    Before,
    After,
    Instead,
}

/// A trigger as it is written.
pub(super) struct Written {
    pub(super) name: String,
    pub(super) timing: Timing,
    pub(super) event: Change,
    pub(super) columns: Vec<String>,
    pub(super) table: String,
    pub(super) when: Option<Expr>,
    pub(super) body: Vec<Statement>,
}

/// Reads a `create trigger`.
pub(super) fn read(sql: &str) -> Outcome<Written> {
    let mut parser = parse::parser(sql)?;
    read_with(&mut parser).map_err(|error| unread(&error))?
}

/// The outer result is what the parser could not read, the inner one what has no counterpart.
fn read_with(parser: &mut Parser<'_>) -> Result<Outcome<Written>, sqlparser::parser::ParserError> {
    parser.expect_keyword(Keyword::CREATE)?;
    if parser.parse_keyword(Keyword::TEMP) || parser.parse_keyword(Keyword::TEMPORARY) {
        return Ok(Err("A temporary trigger is not part of the file.".to_owned()));
    }
    parser.expect_keyword(Keyword::TRIGGER)?;
    let _ = parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
    let name = parser.parse_object_name(false)?;
    let timing = if parser.parse_keyword(Keyword::AFTER) {
        Timing::After
    } else if parser.parse_keywords(&[Keyword::INSTEAD, Keyword::OF]) {
        Timing::Instead
    } else {
        let _ = parser.parse_keyword(Keyword::BEFORE);
        Timing::Before
    };
    let mut columns = Vec::new();
    let event = if parser.parse_keyword(Keyword::DELETE) {
        Change::Delete
    } else if parser.parse_keyword(Keyword::INSERT) {
        Change::Insert
    } else {
        parser.expect_keyword(Keyword::UPDATE)?;
        if parser.parse_keyword(Keyword::OF) {
            loop {
                columns.push(parser.parse_identifier()?.value);
                if !parser.consume_token(&Token::Comma) {
                    break;
                }
            }
        }
        Change::Update
    };
    parser.expect_keyword(Keyword::ON)?;
    let table = parser.parse_object_name(false)?;
    let _ = parser.parse_keywords(&[Keyword::FOR, Keyword::EACH, Keyword::ROW]);
    let when = if parser.parse_keyword(Keyword::WHEN) {
        Some(parser.parse_expr()?)
    } else {
        None
    };
    parser.expect_keyword(Keyword::BEGIN)?;
    let mut body = Vec::new();
    while !parser.parse_keyword(Keyword::END) {
        body.push(parser.parse_statement()?);
        parser.expect_token(&Token::SemiColon)?;
    }
    let (Ok(name), Ok(table)) = (parse::last(&name), parse::last(&table)) else {
        return Ok(Err("The names of the trigger cannot be read.".to_owned()));
    };
    let (name, table) = (name.value.clone(), table.value.clone());
    Ok(Ok(Written {
        name,
        timing,
        event,
        columns,
        table,
        when,
        body,
    }))
}
