//! Triggers, as a function and what calls it.

use sqlparser::{
    ast::{Expr, Function, GroupByExpr, SelectItem, SetExpr, Statement},
    keywords::Keyword,
    parser::Parser,
    tokenizer::Token,
};

use super::{
    Outcome, Schema, Table,
    expression::Translator,
    function::arguments,
    parse::{self, unread},
    scope::{Scope, Source, same},
    statement::{Change, has_query},
    value::{Literal, identifier, quoted},
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Timing {
    Before,
    After,
    Instead,
}

/// A trigger as it is written.
struct Written {
    name: String,
    timing: Timing,
    event: Change,
    columns: Vec<String>,
    table: String,
    when: Option<Expr>,
    body: Vec<Statement>,
}

/// `create function` and `create trigger` for the SQL of a trigger in SQLite.
///
/// # Errors
///
/// Says why the trigger cannot be carried over.
pub fn trigger(create_trigger_sql: &str, schema: &Schema) -> Outcome<Vec<String>> {
    let written = read(create_trigger_sql)?;
    let table = schema
        .tables
        .iter()
        .find(|table| same(&table.source, &written.table));
    let table = table.ok_or_else(|| format!("There is no table {} here.", written.table))?;
    let mut translator = Translator::new(Some(schema), vec![rows(&written, table)]);
    let inline = written.timing != Timing::Instead && !written.when.as_ref().is_some_and(has_query);
    let when = written
        .when
        .as_ref()
        .map(|when| translator.condition(when))
        .transpose()?;

    let result = match (written.timing, written.event) {
        (Timing::After, _) => "null",
        (_, Change::Delete) => "old",
        _ => "new",
    };
    let mut body = Vec::new();
    let mut changes = Vec::new();
    for statement in &written.body {
        if let Statement::Query(query) = statement {
            body.push(raised(&mut translator, query, written.timing)?);
            continue;
        }
        let changed = translator.statement(statement)?;
        let own = same(&changed.table, &written.table);
        if own && written.timing == Timing::Before && changed.change != Change::Insert {
            return Err(
                "It changes its own table before the row is written, which PostgreSQL refuses.".to_owned(),
            );
        }
        changes.push((changed.change, own));
        body.push(format!("{};", changed.sql));
    }
    // A log that is only added to does not come back here.
    let returns = changes
        .iter()
        .any(|(change, own)| *own || *change != Change::Insert);
    let mut lines = Vec::new();
    if let Some(when) = when.as_ref().filter(|_| !inline) {
        lines.push(format!(
            "if ({}) is not true then return {result}; end if;",
            when.sql
        ));
    }
    let setting = format!("sqlite.in_{}", hexadecimal(&written.name));
    let leave = if returns {
        format!("perform set_config('{setting}', '', true); ")
    } else {
        String::new()
    };
    if returns {
        lines.push(
            "-- SQLite does not call a trigger again while it runs (recursive_triggers is off).".to_owned(),
        );
        lines.push(format!(
            "if current_setting('{setting}', true) = 'on' then return {result}; end if;"
        ));
        lines.push(format!("perform set_config('{setting}', 'on', true);"));
    }
    lines.extend(
        body.into_iter()
            .map(|line| line.replace(LEAVE, &format!("{leave}return null;"))),
    );
    lines.push(format!("{leave}return {result};"));

    let function = format!("{}.{}", identifier(&schema.name), identifier(&written.name));
    let event = match written.event {
        Change::Insert => "insert".to_owned(),
        Change::Delete => "delete".to_owned(),
        Change::Update if written.columns.is_empty() => "update".to_owned(),
        Change::Update => format!("update of {}", own_columns(&written.columns, table)?),
    };
    let timing = match written.timing {
        Timing::Before => "before",
        Timing::After => "after",
        Timing::Instead => "instead of",
    };
    let condition = when
        .filter(|_| inline)
        .map_or_else(String::new, |when| format!("\nwhen ({})", when.sql));
    Ok(vec![
        format!(
            "create function {function}() returns trigger\nlanguage plpgsql\nset search_path = {}, pg_temp\nas {}",
            identifier(&schema.name),
            dollar_quoted(&format!("\nbegin\n  {}\nend\n", lines.join("\n  "))),
        ),
        format!(
            "create trigger {} {timing} {event} on {}.{}\nfor each row{condition}\nexecute function {function}()",
            identifier(&written.name),
            identifier(&schema.name),
            identifier(&table.name),
        ),
    ])
}

/// Stands for leaving the trigger without the row, until it is known what leaving takes.
const LEAVE: &str = "\u{0}leave\u{0}";

fn read(sql: &str) -> Outcome<Written> {
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

/// NEW and OLD, as far as the event has them.
fn rows(written: &Written, table: &Table) -> Scope {
    let mut sources = Vec::new();
    if written.event != Change::Delete {
        sources.push(Source::row("new", table));
    }
    if written.event != Change::Insert {
        sources.push(Source::row("old", table));
    }
    Scope {
        sources,
        aliases: Vec::new(),
    }
}

/// `SELECT RAISE(…)`, with a WHERE or within a CASE.
fn raised(translator: &mut Translator<'_>, query: &sqlparser::ast::Query, timing: Timing) -> Outcome<String> {
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
            Some(Literal::Text(message)) => {
                Ok(format!("raise exception using message = {};", quoted(&message)))
            }
            _ => Err("The message of RAISE is not written out.".to_owned()),
        },
        _ => Err(format!(
            "RAISE({}) keeps what was done before it, which PostgreSQL cannot.",
            kind.to_uppercase()
        )),
    }
}

fn own_columns(names: &[String], table: &Table) -> Outcome<String> {
    let mut columns = Vec::new();
    for name in names {
        let column = table.columns.iter().find(|column| same(&column.source, name));
        columns.push(identifier(
            &column.ok_or_else(|| format!("There is no column {name}."))?.name,
        ));
    }
    Ok(columns.join(", "))
}

/// A name as a word that a setting may have.
fn hexadecimal(name: &str) -> String {
    if name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    {
        return name.to_owned();
    }
    name.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The body in dollar quotes that it does not contain.
fn dollar_quoted(body: &str) -> String {
    let mut tag = "body".to_owned();
    while body.contains(&format!("${tag}$")) {
        tag.push('_');
    }
    format!("${tag}${body}${tag}$")
}
