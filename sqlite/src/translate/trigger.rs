//! Triggers, as a function and what calls it.

use sqlparser::ast::Statement;

use super::{
    Outcome, Schema, Table, Trigger,
    expression::Translator,
    raise::{LEAVE, raised},
    scope::{Scope, Source, same},
    statement::{Change, has_query},
    written::{Timing, Written, read},
};
use crate::quote;

pub(super) fn trigger(create_trigger_sql: &str, schema: &Schema, name: &str) -> Outcome<Trigger> {
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

    let function = format!("{}.{}", quote::ident(&schema.name), quote::ident(name));
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
    let own = quote::ident(name);
    let on = format!("{}.{}", quote::ident(&schema.name), quote::ident(&table.name));
    let create = vec![
        format!(
            "create function {function}() returns trigger\nlanguage plpgsql\nset search_path = {}, pg_temp\nas {}",
            quote::ident(&schema.name),
            dollar_quoted(&format!("\nbegin\n  {}\nend\n", lines.join("\n  "))),
        ),
        format!(
            "create trigger {own} {timing} {event} on {on}\nfor each row{condition}\nexecute function {function}()",
        ),
    ];
    Ok(Trigger {
        create,
        drop: format!("drop trigger if exists {own} on {on}; drop function if exists {function}()"),
    })
}

/// NEW and OLD, as far as the event has them.
fn rows(written: &Written, table: &Table) -> Scope {
    let mut sources = Vec::new();
    if written.event != Change::Delete {
        let mut new = table.clone();
        // PostgreSQL computes them behind such triggers, which see NULL.
        if written.timing == Timing::Before {
            new.columns.retain(|column| {
                if column.computed {
                    new.missing.push(column.source.clone());
                }
                !column.computed
            });
        }
        sources.push(Source::row("new", &new));
    }
    if written.event != Change::Insert {
        sources.push(Source::row("old", table));
    }
    Scope {
        sources,
        aliases: Vec::new(),
    }
}

fn own_columns(names: &[String], table: &Table) -> Outcome<String> {
    let mut columns = Vec::new();
    for name in names {
        let column = table.columns.iter().find(|column| same(&column.source, name));
        columns.push(quote::ident(
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
