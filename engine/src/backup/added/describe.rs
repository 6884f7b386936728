//! What an archive says of the database that it is of, as far as a restore needs it. All of it is a stranger's word: it is shown, and
//! where it becomes part of a statement it is quoted there.

use std::collections::HashSet;

use contract::backup::ArchiveForm;

use super::super::{
    manifest::{Database, Extension, Server, Table},
    rows::Rows,
    toc::{Entry, Head, Toc},
};
use crate::lexer::{self, Kind, Token};

/// The server, by its version alone.
pub(super) fn server(head: &Head) -> Server {
    let version = head.server.split_whitespace().next().unwrap_or("0");
    Server {
        version: short(version),
        version_num: version_num(version),
        system_identifier: None,
    }
}

/// `15.4` as the server's own `server_version_num` has it; 0 for what is none.
fn version_num(version: &str) -> i32 {
    let digits = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text[..end].parse::<i32>().ok()
    };
    let mut parts = version.split('.');
    let major = parts.next().and_then(digits).unwrap_or(0).min(9999);
    let minor = parts.next().and_then(digits).unwrap_or(0).min(9999);
    match major {
        // Until 9.6 the second number was a part of the major version.
        ..10 => major * 10_000 + minor.min(99) * 100,
        _ => major * 10_000 + minor,
    }
}

/// pg_dump's version, without what its packager added.
pub(super) fn tool(head: &Head) -> String {
    short(head.tool.split_whitespace().next().unwrap_or("0"))
}

/// When pg_dump began, by its machine's clock.
pub(super) fn made(head: &Head) -> Option<String> {
    let [second, minute, hour, day, month, year] = head.made.map(|number| u32::try_from(number).ok());
    let date = chrono::NaiveDate::from_ymd_opt(
        i32::try_from(year?).ok()?.checked_add(1900)?,
        month?.checked_add(1)?,
        day?,
    )?;
    let time = date.and_hms_opt(hour?, minute?, second?.min(59))?;
    Some(time.format("%Y-%m-%d %H:%M:%S").to_string())
}

/// The database: encoding and locale as the archive would create it again, UTF8 and C where it does not say.
pub(super) fn database(toc: &Toc, bytes: i64) -> Database {
    let create = toc.entries.iter().find(|entry| entry.kind == "DATABASE");
    let options = create.map(|entry| options(&entry.definition)).unwrap_or_default();
    let option = |names: &[&str]| {
        options
            .iter()
            .find(|(name, _)| names.iter().any(|wanted| name == wanted))
            .map(|(_, value)| value.clone())
    };
    let encoding = toc
        .entries
        .iter()
        .find(|entry| entry.kind == "ENCODING")
        .and_then(|entry| entry.definition.split('\'').nth(1))
        .map(short);
    let collation = option(&["LC_COLLATE", "LOCALE"]);
    let provider = option(&["LOCALE_PROVIDER"]).map(|name| name.to_lowercase());
    Database {
        name: short(&toc.head.database),
        owner: create.map(|entry| short(&entry.owner)).unwrap_or_default(),
        bytes,
        encoding: option(&["ENCODING"])
            .or(encoding)
            .unwrap_or_else(|| "UTF8".to_owned()),
        character_type: option(&["LC_CTYPE", "LOCALE"]).unwrap_or_else(|| "C".to_owned()),
        collation: collation.unwrap_or_else(|| "C".to_owned()),
        locale_provider: provider.map(|name| {
            match name.as_str() {
                "icu" => "i",
                "builtin" => "b",
                _ => "c",
            }
            .to_owned()
        }),
        locale: option(&["ICU_LOCALE", "BUILTIN_LOCALE"]),
        settings: Vec::new(),
        extensions: toc
            .entries
            .iter()
            .filter(|entry| entry.kind == "EXTENSION")
            .map(extension)
            .collect(),
        large_objects: toc.entries.iter().map(large_objects).sum(),
        locale_rules: option(&["ICU_RULES"]),
        comment: None,
        grants: None,
    }
}

/// `NAME = value` pairs of `create database … with …`.
fn options(sql: &str) -> Vec<(String, String)> {
    let tokens: Vec<Token<'_>> = lexer::tokens(sql).filter(Token::is_solid).collect();
    tokens
        .windows(3)
        .filter(|three| three[0].kind == Kind::Word && three[1].is_symbol("="))
        .filter_map(|three| {
            let value = match three[2].kind {
                Kind::Text => text(three[2].text)?,
                _ => three[2].as_name()?,
            };
            Some((three[0].text.to_uppercase(), short(&value)))
        })
        .collect()
}

/// What a plain text in quotes says.
fn text(quoted: &str) -> Option<String> {
    Some(quoted.strip_prefix('\'')?.strip_suffix('\'')?.replace("''", "'"))
}

/// The extension and its schema; an archive does not tell its version.
fn extension(entry: &Entry) -> Extension {
    let tokens: Vec<Token<'_>> = lexer::tokens(&entry.definition).filter(Token::is_solid).collect();
    let schema = tokens
        .windows(2)
        .find(|two| two[0].is("SCHEMA"))
        .and_then(|two| two[1].as_name());
    Extension {
        name: entry.tag.clone(),
        version: String::new(),
        schema: schema.unwrap_or_default(),
    }
}

/// How many large objects an entry makes: one, or from pg_dump 17 on those that it lists.
fn large_objects(entry: &Entry) -> i64 {
    let count = match entry.kind.as_str() {
        "BLOB" => 1,
        "BLOB METADATA" => entry.definition.split_whitespace().count(),
        _ => 0,
    };
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Every table whose rows are in the archive, with how many were counted there: none where they are written as INSERT statements.
pub(super) fn tables(toc: &Toc, rows: &Rows) -> Vec<Table> {
    let of_kind = |kind| toc.entries.iter().filter(move |entry| entry.kind == kind);
    let filled: HashSet<i64> = of_kind("TABLE DATA").map(|entry| entry.oid).collect();
    of_kind("TABLE")
        .filter(|entry| filled.contains(&entry.oid))
        .map(|entry| Table {
            id: Some(entry.oid),
            schema: entry.schema.clone().unwrap_or_default(),
            name: entry.tag.clone(),
            rows: rows.get(&entry.oid).copied(),
            bytes: 0,
            dump_ms: None,
        })
        .collect()
}

/// What a reader must know, in sentences.
pub(super) fn notes(toc: &Toc, tables: &[Table]) -> Vec<String> {
    let has = |kind: &str| toc.entries.iter().any(|entry| entry.kind == kind);
    let mut notes = Vec::new();
    if !has("TABLE DATA") {
        notes.push("It holds definitions alone, and no rows.".to_owned());
    }
    if !has("TABLE") && has("TABLE DATA") {
        notes.push(
            "It holds rows alone, and no definitions of their tables: it cannot be restored by itself."
                .to_owned(),
        );
    }
    let uncounted = tables.iter().filter(|table| table.rows.is_none()).count();
    if uncounted > 0 {
        notes.push(format!(
            "The rows of {} are written as INSERT statements: they were not counted, and are not compared after a restore.",
            contract::format::counted(uncounted, "table", "tables")
        ));
    }
    if toc.head.form == ArchiveForm::Tar {
        notes.push(
            "A tar of pg_dump is read from its beginning to its end: it is restored over one connection."
                .to_owned(),
        );
    }
    notes
}

/// As much of a text as anyone reads, without what steers a terminal.
fn short(text: &str) -> String {
    text.chars().take(200).filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_times_are_read_and_nonsense_is_none() {
        for (text, number) in [
            ("15.4", 150_004),
            ("9.6.24", 90_600),
            ("17beta1", 170_000),
            ("x", 0),
            ("", 0),
        ] {
            assert_eq!(version_num(text), number, "{text}");
        }
        let mut head = Head {
            made: [5, 4, 3, 30, 10, 126],
            server: "15.4 (Debian 15.4-1)".into(),
            ..Head::default()
        };
        assert_eq!(made(&head).as_deref(), Some("2026-11-30 03:04:05"));
        assert_eq!(server(&head).version, "15.4");
        head.made = [0, 0, 0, 31, -1, i64::MAX];
        assert_eq!(made(&head), None);
    }

    #[test]
    fn a_database_is_described_as_it_would_be_created() {
        let sql = "CREATE DATABASE \"a = b\" WITH TEMPLATE = template0 ENCODING = 'LATIN1' LOCALE_PROVIDER = icu LOCALE = 'de_DE.UTF-8' \
                   ICU_LOCALE = 'de''';";
        let found = options(sql);
        let value = |name: &str| {
            found
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.as_str())
        };
        assert_eq!(
            (
                value("ENCODING"),
                value("LOCALE_PROVIDER"),
                value("LOCALE"),
                value("ICU_LOCALE")
            ),
            (Some("LATIN1"), Some("icu"), Some("de_DE.UTF-8"), Some("de'"))
        );
    }
}
