//! The statements by which rows wait, go into a table that is there, and are found in it again.

use contract::import::OnConflict;

use super::super::{ColumnPlan, TablePlan};
use crate::quote;

/// Types that take a value of the staging column's type when it is assigned, with an error when it does not fit. A cast
/// would cut a text that is too long.
const ASSIGNED: [&str; 19] = [
    "int2",
    "int4",
    "int8",
    "float4",
    "float8",
    "numeric",
    "bool",
    "bytea",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "uuid",
    "jsonb",
    "json",
    "text",
    "varchar",
    "bpchar",
    "name",
];

impl TablePlan {
    /// The staging table in which rows of a part wait.
    pub(in crate::import) fn staging(&self) -> String {
        let columns: Vec<String> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| format!("c{at} {}", column.encoder.to.sql()))
            .collect();
        format!(
            "create temp table pgsteward_stage ({}) on commit drop",
            columns.join(", ")
        )
    }

    /// The statement that brings the waiting rows into the table, and gives what became of them in the staging types.
    pub(in crate::import) fn bring_in(&self, schema: &str, on_conflict: OnConflict) -> String {
        let names: Vec<String> = self
            .columns
            .iter()
            .map(|column| quote::ident(&column.name))
            .collect();
        let values: Vec<String> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| column.given(at))
            .collect();
        let conflict: &[String] = self.existing.as_ref().map_or(&[], |existing| &existing.conflict);
        let on_conflict = match on_conflict {
            OnConflict::Fail => String::new(),
            OnConflict::Skip => " on conflict do nothing".to_owned(),
            OnConflict::Upsert => {
                let keys: Vec<String> = conflict.iter().map(|name| quote::ident(name)).collect();
                let sets: Vec<String> = self
                    .columns
                    .iter()
                    .map(|column| quote::ident(&column.name))
                    // A key that is set to itself makes the statement whole when there is nothing else.
                    .filter(|name| !keys.contains(name) || keys.len() == names.len())
                    .map(|name| format!("{name} = excluded.{name}"))
                    .collect();
                format!(
                    " on conflict ({}) do update set {}",
                    keys.join(", "),
                    sets.join(", ")
                )
            }
        };
        format!(
            "insert into {} ({}) overriding system value select {} from pgsteward_stage{on_conflict} returning {}",
            quote::qualified(schema, &self.name),
            names.join(", "),
            values.join(", "),
            self.kept("").join(", ")
        )
    }

    /// What the table keeps, in the staging types; `of` names the table and ends with a dot when there are several.
    pub(in crate::import) fn kept(&self, of: &str) -> Vec<String> {
        self.columns
            .iter()
            .map(|column| format!("{of}{}::{}", quote::ident(&column.name), column.encoder.to.sql()))
            .collect()
    }

    /// The places of the columns of the key by which rows agree, when there is one.
    pub(in crate::import) fn conflict_places(&self) -> Option<Vec<usize>> {
        let existing = self.existing.as_ref().filter(|it| !it.conflict.is_empty())?;
        self.places(&existing.conflict)
    }

    /// The places of columns, when the file has all of them.
    pub(in crate::import) fn places(&self, key: &[String]) -> Option<Vec<usize>> {
        key.iter()
            .map(|name| self.columns.iter().position(|column| column.name == *name))
            .collect()
    }
}

/// How PostgreSQL itself calls the type of a column of this declared type, without its modifier, when values are assigned
/// to it without a cast.
fn assigned(declared: &str) -> Option<&'static str> {
    let spelled = [
        ("smallint", "int2"),
        ("integer", "int4"),
        ("bigint", "int8"),
        ("real", "float4"),
        ("double precision", "float8"),
        ("boolean", "bool"),
        ("character varying", "varchar"),
        ("character", "bpchar"),
        ("time without time zone", "time"),
        ("timestamp with time zone", "timestamptz"),
        ("timestamp without time zone", "timestamp"),
    ];
    // A modifier may stand in the middle: timestamp(3) without time zone.
    let mut bare = String::new();
    let mut depth = 0;
    for char in declared.chars() {
        match char {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 => bare.push(char),
            _ => {}
        }
    }
    let name = spelled
        .iter()
        .find(|(words, _)| *words == bare)
        .map_or(bare.as_str(), |(_, name)| name);
    ASSIGNED.into_iter().find(|it| *it == name)
}

impl ColumnPlan {
    fn declared(&self) -> &str {
        self.declared.as_deref().unwrap_or("text")
    }

    /// A staged value as it is assigned to the column: uncast where PostgreSQL itself refuses what does not fit.
    pub(in crate::import) fn given(&self, at: usize) -> String {
        match assigned(self.declared()) {
            Some(_) => format!("c{at}"),
            None => format!("c{at}::{}", self.declared()),
        }
    }

    /// A staged value as it is compared with the column's: in the column's type, without the modifier that would cut it.
    pub(in crate::import) fn compared(&self, at: usize) -> String {
        let bare = assigned(self.declared()).unwrap_or(self.declared());
        format!("c{at}::{bare}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_types_that_refuse_what_does_not_fit_are_assigned() {
        for declared in [
            "character varying(36)",
            "integer",
            "timestamp(3) without time zone",
            "numeric(10,2)",
            "text",
            "json",
            "time(3) without time zone",
        ] {
            assert!(assigned(declared).is_some(), "{declared}");
        }
        for declared in ["inet", "\"Mood\"", "xml"] {
            assert_eq!(assigned(declared), None, "{declared}");
        }
    }
}
