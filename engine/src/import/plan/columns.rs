//! The type and the name of each column.

use contract::import::{
    ColumnChoice, ColumnFacts, ColumnType, Conversion, Finding, FindingKind, RowsBy, TableFacts, TextPolicy,
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
    let mut to = wanted;
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
    let against = forms.against(to);
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

/// Says that texts do not stay as they are.
fn altered(
    table: &TableFacts,
    column: &ColumnFacts,
    unfit: &[(contract::import::Severity, String)],
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
