//! What the user decides about an import; also the format of the mapping file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ColumnType, Inspection};

/// Every decision about one import. What is not mentioned stays as proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mapping {
    /// The schema that receives the tables; it is made when it is missing.
    pub schema: String,
    /// Whether tables are made, or rows go into tables that are there.
    pub into: Destination,
    /// What happens to a row whose key is in the table already; for tables that are there.
    pub on_conflict: OnConflict,
    /// Whether parents that rows name and nobody has are made first, with their key alone; for tables that are there.
    pub create_parents: bool,
    /// How names are carried over.
    pub names: NamePolicy,
    /// What happens to text that PostgreSQL cannot hold.
    pub text: TextPolicy,
    /// What a cancelled import leaves.
    pub on_cancel: OnCancel,
    /// Whether later runs bring over what changed in the file since.
    pub follow: bool,
    /// Whether views are left out.
    pub skip_views: bool,
    /// Whether triggers are left out.
    pub skip_triggers: bool,
    /// Choices for single tables, by their name in the file.
    pub tables: BTreeMap<String, TableChoice>,
}

impl Default for Mapping {
    fn default() -> Self {
        Self {
            schema: "public".to_owned(),
            into: Destination::default(),
            on_conflict: OnConflict::default(),
            create_parents: true,
            names: NamePolicy::default(),
            text: TextPolicy::default(),
            on_cancel: OnCancel::default(),
            follow: false,
            skip_views: false,
            skip_triggers: false,
            tables: BTreeMap::new(),
        }
    }
}

impl Mapping {
    /// Without choices that only repeat what is proposed, so that two mappings that mean the same are the same.
    pub fn tidied(mut self, found: &Inspection) -> Self {
        let names = self.names;
        for (source, choice) in &mut self.tables {
            let table = found.tables.iter().find(|table| table.name == *source);
            choice.name.take_if(|name| *name == names.of(source));
            for (source, column) in &mut choice.columns {
                column.name.take_if(|name| *name == names.of(source));
                let facts = table.and_then(|table| table.columns.iter().find(|it| it.name == *source));
                if let Some(facts) = facts {
                    column.column_type.take_if(|it| *it == facts.proposal.column_type);
                }
            }
            // What the file does not have stays, so that the rehearsal can say so.
            choice.columns.retain(|source, column| {
                *column != ColumnChoice::default()
                    || table.is_some_and(|table| table.columns.iter().all(|it| it.name != *source))
            });
        }
        self.tables.retain(|source, choice| {
            *choice != TableChoice::default() || found.tables.iter().all(|table| table.name != *source)
        });
        self
    }
}

/// Where rows go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// Into tables that the import makes. One that is there already is never dropped: the import refuses.
    #[default]
    New,
    /// Into tables that are there, columns matched by name. Their constraints and triggers hold.
    Existing,
}

/// What happens to a row whose key is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// The import fails, and names it.
    #[default]
    Fail,
    /// The row that is there stays.
    Skip,
    /// The row that is there gets the file's values.
    Upsert,
}

/// How names are carried over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamePolicy {
    /// Exactly as they are.
    #[default]
    Keep,
    /// ASCII letters in lower case, so that statements need no quotes.
    Lower,
}

impl NamePolicy {
    /// What becomes of a name.
    pub fn of(self, name: &str) -> String {
        match self {
            Self::Keep => name.to_owned(),
            Self::Lower => name.to_ascii_lowercase(),
        }
    }
}

/// What happens to text with U+0000 or with bytes that are not UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextPolicy {
    /// Each such byte becomes U+FFFD, and the row is reported.
    #[default]
    Replace,
    /// Each such byte is left out, and the row is reported.
    Remove,
    /// The column becomes `bytea`, so that nothing changes.
    Bytes,
    /// The import refuses.
    Refuse,
}

/// What a cancelled import leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnCancel {
    /// Nothing: the tables that it made are dropped.
    #[default]
    Remove,
    /// What is loaded, so that a later run goes on from there.
    Keep,
}

/// Choices for one table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TableChoice {
    /// Leave it out.
    pub skip: bool,
    /// Another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Choices for single columns, by their name in the file.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, ColumnChoice>,
}

/// Choices for one column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColumnChoice {
    /// Leave it out.
    pub skip: bool,
    /// Another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Another type than the proposed one; one that all values fit.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub column_type: Option<ColumnType>,
}
