//! Parts of a database that were chosen for a backup: what they are, what pg_dump is told of them, and what it leaves out then.

use std::collections::HashSet;

use contract::backup::{BackupSpec, Part};
use sqlx::{PgConnection, postgres::types::Oid};

use super::{
    catalog::{self, TableRow},
    words,
};
use crate::{Error, Result, target::Target};

/// The most parts of one backup: each is an argument of pg_dump.
const MOST: usize = 500;
/// The most arguments of pg_dump, a table with many partitions being one each.
const MOST_ARGUMENTS: usize = 5_000;

/// What of the database is taken.
pub(super) enum Chosen {
    /// All of it.
    All,
    /// Some of it.
    Parts {
        /// Every relation in it.
        relations: Vec<Oid>,
        /// The schemas that are taken whole; none where tables were chosen.
        schemas: Vec<String>,
        /// What makes pg_dump take just that.
        arguments: Vec<String>,
        /// What a reader must know of such a backup.
        note: String,
    },
}

/// Refuses what no backup can be of.
///
/// # Errors
/// `Invalid` in words.
pub(crate) fn check(spec: &BackupSpec) -> Result<()> {
    let refused = |message: String, hint: &str| Err(Error::invalid("only", message, hint));
    if spec.only.len() > MOST {
        return refused(
            format!("{} parts were chosen; one backup takes {MOST}.", spec.only.len()),
            "Choose schemas instead of tables, or the whole database.",
        );
    }
    let tables = spec.only.iter().filter(|part| part.table.is_some()).count();
    if tables > 0 && tables < spec.only.len() {
        return refused(
            "Schemas and tables cannot be chosen for one backup together: pg_dump would leave out the schemas.".into(),
            "Take two backups, or choose every table of the schema.",
        );
    }
    if !(1..=BackupSpec::MOST_PARALLEL).contains(&spec.parallel) {
        return Err(Error::invalid(
            "parallel",
            format!(
                "A backup reads over 1 to {} connections.",
                BackupSpec::MOST_PARALLEL
            ),
            "Name a number between them, or leave it out.",
        ));
    }
    let empty = |part: &Part| part.schema.is_empty() || part.table.as_deref() == Some("");
    if spec.only.iter().any(empty) {
        return refused(
            "A chosen part has no name.".into(),
            "Name a schema as \"sales\" and a table as \"sales.orders\".",
        );
    }
    Ok(())
}

impl Chosen {
    /// Looks the parts up in the transaction that the connection is in.
    ///
    /// # Errors
    /// `Invalid` when one is not there; the managed database's.
    pub(super) async fn of(connection: &mut PgConnection, target: &Target, parts: &[Part]) -> Result<Self> {
        if parts.is_empty() {
            return Ok(Self::All);
        }
        let failed = |source| target.error(source);
        let (schemas, names): (Vec<String>, Vec<Option<String>>) = parts
            .iter()
            .map(|part| (part.schema.clone(), part.table.clone()))
            .unzip();
        let missing = catalog::not_there(connection, &schemas, &names)
            .await
            .map_err(failed)?;
        if !missing.is_empty() {
            return Err(words::no_such_part(target.name(), &missing));
        }
        let found = catalog::chosen(connection, &schemas, &names)
            .await
            .map_err(failed)?;
        let by_schema = names.iter().all(Option::is_none);
        let arguments: Vec<String> = match by_schema {
            true => schemas
                .iter()
                .map(|schema| format!("--schema={}", pattern(schema)))
                .collect(),
            false => found
                .iter()
                .map(|row| format!("--table={}.{}", pattern(&row.schema), pattern(&row.name)))
                .collect(),
        };
        if arguments.len() > MOST_ARGUMENTS {
            return Err(Error::invalid(
                "only",
                format!(
                    "The chosen tables have {} partitions together; one backup takes {MOST_ARGUMENTS}.",
                    arguments.len()
                ),
                "Choose their schema instead.",
            ));
        }
        let listed: Vec<String> = parts.iter().map(Part::to_string).collect();
        let listed = words::some(&listed);
        let note = match by_schema {
            true => format!(
                "Only these schemas are in this backup: {listed}. Large objects, extensions, event triggers and publications are \
                 not, nor is what they need of other schemas."
            ),
            false => format!(
                "Only these tables are in this backup: {listed}. Their schema, the types and functions that they use, large objects \
                 and extensions are not."
            ),
        };
        Ok(Self::Parts {
            relations: found.iter().map(|row| row.id).collect(),
            schemas: if by_schema { schemas } else { Vec::new() },
            arguments,
            note,
        })
    }

    /// Every relation that is taken; `None` for all.
    pub(super) fn relations(&self) -> Option<&[Oid]> {
        match self {
            Self::All => None,
            Self::Parts { relations, .. } => Some(relations),
        }
    }

    /// Those of the tables that are taken.
    pub(super) fn keep(&self, tables: Vec<TableRow>) -> Vec<TableRow> {
        let Self::Parts { relations, .. } = self else {
            return tables;
        };
        let chosen: HashSet<i64> = relations.iter().map(|oid| i64::from(oid.0)).collect();
        let keeps = |table: &TableRow| chosen.contains(&table.id);
        tables.into_iter().filter(keeps).collect()
    }
}

/// A name as a pattern of pg_dump that matches nothing else: inside double quotes no character is special but the quote.
fn pattern(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
