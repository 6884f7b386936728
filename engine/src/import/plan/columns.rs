//! The type and the name of each column.

use contract::import::{
    ColumnChoice, ColumnFacts, ColumnType, Conversion, Destination, Finding, FindingKind, RowsBy, Severity,
    TableFacts, TextPolicy,
};
use serde::{Deserialize, Serialize};
use sqlite::{
    column_findings::{rows, unfit},
    encode::{BlobsAs, Encoder},
    fit::Forms,
    propose::{could_become_equal, inventory},
};

use super::{Draft, conversion, finding};

/// One column of a planned table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::import) struct ColumnPlan {
    /// Its name in the file; none for the rowid, which is no column.
    pub source: Option<String>,
    /// Its name in the table.
    pub name: String,
    /// How its values are written.
    pub encoder: Encoder,
    /// What is done to them, for the reader.
    pub conversion: Option<Conversion>,
    /// Whether PostgreSQL computes it.
    pub generated: bool,
    /// Its type as the table has it, when it is there already.
    pub declared: Option<String>,
}

/// How the values of a column are written as this type; none, with the obstacle added, when some do not fit.
pub(super) fn encoder(
    table: &TableFacts,
    column: &ColumnFacts,
    wanted: ColumnType,
    text: TextPolicy,
    draft: &mut Draft,
) -> Option<Encoder> {
    let forms = Forms(&column.stored);
    let unfit = unfit(column, table.rows_by);
    let mut to = encoded_json(table, column, wanted, draft);
    if to == ColumnType::Text && !unfit.is_empty() {
        match text {
            TextPolicy::Replace => altered(table, column, &unfit, "each becomes U+FFFD", draft),
            TextPolicy::Remove => altered(table, column, &unfit, "each is left out", draft),
            TextPolicy::Bytes => to = ColumnType::Bytea,
            TextPolicy::Refuse => {
                let places = [&column.stored.invalid_utf8, &column.stored.with_nul]
                    .into_iter()
                    .find(|places| places.count > 0);
                let where_ = places
                    .map(|places| rows(places, table.rows_by))
                    .unwrap_or_default();
                draft.obstacle(
                    Some(&table.name),
                    Some(&column.name),
                    format!("Texts that PostgreSQL cannot hold, and the text policy refuses them: {where_}."),
                    "Choose another text policy, another type, or mend the rows in the file.",
                );
                return None;
            }
        }
    }
    let against = forms.refused(to);
    if to != column.proposal.column_type && to != ColumnType::Text && against.count > 0 {
        draft.obstacle(
            Some(&table.name),
            Some(&column.name),
            format!(
                "Not all values are of type {}: {}.",
                to.sql(),
                rows(&against, table.rows_by)
            ),
            "Choose a type that all values fit, or mend the rows in the file.",
        );
        return None;
    }
    if is_unique(table, column) && to == ColumnType::Json {
        draft.obstacle(
            Some(&table.name),
            Some(&column.name),
            "Is in a unique key, and json has no equality.",
            "Choose jsonb or text.",
        );
        return None;
    }
    if !has_characters(table, column, to, text, !unfit.is_empty(), draft) {
        return None;
    }
    by_choice(table, column, to, draft);
    if is_unique(table, column) && could_become_equal(to, &forms) {
        draft.obstacle(
            Some(&table.name),
            Some(&column.name),
            format!(
                "Is unique, and holds values that SQLite tells apart and that could become equal as {}: {}.",
                to.sql(),
                inventory(&column.stored)
            ),
            "Give all values one kind in a copy of the file (update … set … = cast(… as text)), or leave the column out.",
        );
        return None;
    }
    let blobs = match forms.conversion(to) {
        Some(Conversion::JsonText) => BlobsAs::Json,
        Some(Conversion::BlobToHex) => BlobsAs::Hex,
        _ => BlobsAs::Text,
    };
    Some(Encoder {
        to,
        text,
        blobs,
        only: None,
    })
}

/// jsonb decodes escapes into characters, which only UTF-8 has all of; json keeps them as they are written.
fn encoded_json(
    table: &TableFacts,
    column: &ColumnFacts,
    wanted: ColumnType,
    draft: &mut Draft,
) -> ColumnType {
    let proposed = wanted == ColumnType::Jsonb
        && column.proposal.column_type == ColumnType::Jsonb
        && draft.plan.into == Destination::New;
    if !proposed || draft.encoding == "UTF8" || is_unique(table, column) {
        return wanted;
    }
    draft.plan.items.push(Finding {
        column: Some(column.name.clone()),
        ..finding(
            Severity::Note,
            FindingKind::Changed,
            &table.name,
            format!(
                "Becomes json and not jsonb, which cannot hold every character where the database's encoding is {}.",
                draft.encoding
            ),
        )
    });
    ColumnType::Json
}

/// Whether the database's encoding has the characters of a column's texts; adds an obstacle when it has not, or when that is not
/// known.
fn has_characters(
    table: &TableFacts,
    column: &ColumnFacts,
    to: ColumnType,
    text: TextPolicy,
    unfit: bool,
    draft: &mut Draft,
) -> bool {
    if !matches!(to, ColumnType::Text | ColumnType::Json | ColumnType::Jsonb) {
        return true;
    }
    let encoding = draft.encoding.clone();
    let (lacking, words) = match encoding.as_str() {
        // Without an encoding the bytes stay as they are sent.
        "UTF8" | "SQL_ASCII" => return true,
        "LATIN1" => (
            &column.stored.beyond_latin1,
            "Holds characters that the database's encoding LATIN1 does not have".to_owned(),
        ),
        other => (
            &column.stored.beyond_ascii,
            format!(
                "Holds characters of which it is not known whether the database's encoding {other} has them"
            ),
        ),
    };
    if lacking.count > 0 {
        draft.obstacle(
            Some(&table.name),
            Some(&column.name),
            format!("{words}: {}.", rows(lacking, table.rows_by)),
            "Import into a database with the encoding UTF8 (create database … template template0 encoding 'UTF8'), choose bytea for the column, or leave it out.",
        );
        return false;
    }
    if unfit && text == TextPolicy::Replace {
        draft.obstacle(
            Some(&table.name),
            Some(&column.name),
            format!("Texts that PostgreSQL cannot hold get U+FFFD, which the database's encoding {encoding} does not have."),
            "Choose another text policy (remove or bytes), or a database with the encoding UTF8.",
        );
        return false;
    }
    true
}

/// Says what a chosen type does to values that would not get it by themselves.
fn by_choice(table: &TableFacts, column: &ColumnFacts, to: ColumnType, draft: &mut Draft) {
    let places = Forms(&column.stored).by_choice(to);
    if places.count == 0 {
        return;
    }
    let what = match to {
        ColumnType::Uuid => "UUIDs get PostgreSQL's spelling",
        _ => "Times without a zone are taken as UTC",
    };
    draft.plan.items.push(Finding {
        column: Some(column.name.clone()),
        ..finding(
            Severity::Warning,
            FindingKind::Changed,
            &table.name,
            format!("{what}: {}.", rows(&places, table.rows_by)),
        )
    });
}

/// Says that texts do not stay as they are.
fn altered(
    table: &TableFacts,
    column: &ColumnFacts,
    unfit: &[(Severity, String)],
    how: &str,
    draft: &mut Draft,
) {
    draft
        .plan
        .items
        .extend(unfit.iter().map(|(severity, words)| Finding {
            column: Some(column.name.clone()),
            ..finding(
                *severity,
                FindingKind::Altered,
                &table.name,
                format!("{words}. The row is kept; of such bytes and characters {how}."),
            )
        }));
}

/// Whether no two rows may agree in a column, alone or with others.
fn is_unique(table: &TableFacts, column: &ColumnFacts) -> bool {
    let mut parts = table
        .indexes
        .iter()
        .filter(|index| index.unique)
        .flat_map(|index| &index.columns);
    table.primary_key.contains(&column.name) || parts.any(|part| part.name.as_ref() == Some(&column.name))
}

/// The type that was chosen, else the proposed one.
pub(super) fn wanted(column: &ColumnFacts, choice: Option<&ColumnChoice>) -> ColumnType {
    choice
        .and_then(|choice| choice.column_type)
        .unwrap_or(column.proposal.column_type)
}

impl ColumnPlan {
    /// A column with the values of one of the file.
    pub fn of(column: &ColumnFacts, name: String, encoder: Encoder) -> Self {
        Self {
            source: Some(column.name.clone()),
            name,
            encoder,
            conversion: conversion(column, encoder),
            generated: false,
            declared: None,
        }
    }

    /// A column with the rowid.
    pub fn rowid(name: String) -> Self {
        Self {
            source: None,
            name,
            encoder: Encoder {
                to: ColumnType::Bigint,
                text: TextPolicy::Replace,
                blobs: BlobsAs::Text,
                only: None,
            },
            conversion: None,
            generated: false,
            declared: None,
        }
    }
}

/// What names a row in words.
pub(super) fn by(rows_by: RowsBy) -> &'static str {
    match rows_by {
        RowsBy::Rowid => "rowid",
        RowsBy::Position => "position",
    }
}
