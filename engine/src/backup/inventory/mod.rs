//! What a database holds: the rows of every table as a number and a hash, sequences, large objects, and every object with its
//! owner, grants and comment. Taken in the snapshot of a dump and again of what was restored from it, two inventories say
//! whether the one is the other, row for row.
//!
//! Nothing in it depends on object ids, on the order of rows or columns, on collations, or on a session's settings; rows
//! hash alike on every version of the server. What a server renders from its own memory (a view's query, a default) may be
//! spelled differently by another major version, and is compared within one version alone.

mod compare;
mod large_objects;
mod objects;
mod rows;
mod sequences;

use serde::{Deserialize, Serialize};
use sqlx::{Executor, PgConnection};

pub(super) use self::{
    compare::{About, Difference},
    rows::Columns,
};
use super::catalog::{self, TableRow};
use crate::target::look::query_scalar;

/// The format that this version writes and reads.
pub(super) const FORMAT: u32 = 1;

/// What text depends on. The owner of a database sets these for everyone who comes. `set local`, so inside a transaction.
const SETTINGS: &str = "set local search_path = pg_catalog, pg_temp;
    set local datestyle = 'ISO, MDY';
    set local intervalstyle = postgres;
    set local timezone = 'UTC';
    set local extra_float_digits = 3;
    set local bytea_output = hex;
    set local lc_monetary = 'C';
    set local xmloption = content;
    set local standard_conforming_strings = on;
    set local quote_all_identifiers = off;
    set local synchronize_seqscans = off;
    set local jit = off;
    set local max_parallel_workers_per_gather = 0;
    set local row_security = off;
    set local client_min_messages = error";

/// A database, counted and hashed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Inventory {
    pub format: u32,
    pub server_version_num: i32,
    /// Every role that the database names.
    #[serde(default)]
    pub roles: Vec<String>,
    /// By schema and name.
    pub tables: Vec<TableContent>,
    pub sequences: Vec<Sequence>,
    pub large_objects: LargeObjects,
    pub objects: Vec<Object>,
}

/// The rows of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TableContent {
    pub schema: String,
    pub name: String,
    /// The partitioned table at the top, when it is a partition: rows may come into another partition of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// Its generated columns that are stored, which are not in the content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub generated: Vec<String>,
    pub content: Content,
}

/// Things as a set: how many, and the sum of their hashes modulo 2^128. Their order does not matter, and one that is there twice is
/// not there once. XXH3 proves against faults, not against forgers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Content {
    pub count: i64,
    #[serde(with = "hexadecimal")]
    pub hash: u128,
}

impl Content {
    /// Things that were counted alone.
    pub(super) fn of(count: i64) -> Self {
        Self { count, hash: 0 }
    }

    fn add(&mut self, hash: u128) {
        self.count += 1;
        self.hash = self.hash.wrapping_add(hash);
    }

    fn join(&mut self, other: Self) {
        self.count += other.count;
        self.hash = self.hash.wrapping_add(other.hash);
    }
}

/// Where a sequence stands. It is outside of every snapshot: a backup of it holds some value between two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sequence {
    /// Quoted, with its schema.
    pub name: String,
    /// When the snapshot was taken.
    pub first: Standing,
    /// When the dump was done.
    pub last: Standing,
    pub cycles: bool,
}

/// The value of a sequence, and whether it was given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Standing {
    pub value: i64,
    pub called: bool,
}

/// All large objects, with their owners and grants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LargeObjects {
    pub content: Content,
    /// Each by its number, unless there are very many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub each: Vec<LargeObject>,
}

/// One large object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LargeObject {
    pub id: i64,
    #[serde(with = "hexadecimal")]
    pub hash: u128,
}

/// Something that a database has, or that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Object {
    pub aspect: Aspect,
    /// As PostgreSQL names it: `table`, `policy`, `table column`…
    pub kind: String,
    /// Its whole name, quoted.
    pub name: String,
    /// What it is, as the catalogs say: text when it is short, else its hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain: Option<String>,
    /// What the server renders, as text or hash: to compare within one major version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rendered: Option<String>,
}

/// What of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Aspect {
    /// That it is there, and how.
    Definition,
    /// Whose it is.
    Owner,
    /// Who may do what, beyond what everybody may by default.
    Grants,
    /// Its comment.
    Comment,
}

impl Inventory {
    /// Takes the inventory of a whole database in a transaction of its own. Reads each table to its end, in memory that
    /// does not grow with it; `each` hears of every table before it is read, with its bytes. A role that row security hides rows
    /// from fails.
    ///
    /// # Errors
    /// What the database says.
    pub(super) async fn take(
        connection: &mut PgConnection,
        mut each: impl FnMut(&TableRow),
    ) -> Result<Self, sqlx::Error> {
        connection
            .execute("begin transaction isolation level repeatable read, read only")
            .await?;
        settle(connection).await?;
        let found = catalog::tables(connection).await?;
        let columns = rows::columns(connection).await?;
        let mut tables = Vec::with_capacity(found.len());
        for table in &found {
            each(table);
            let content = rows::content(connection, &columns.copy(table), |_| ()).await?;
            tables.push(columns.with(table, content));
        }
        let sequences = sequences::stand(connection).await?;
        let mut inventory = Self::of(connection, tables).await?;
        inventory.sequences = sequences::between(sequences.clone(), sequences);
        connection.execute("commit").await?;
        Ok(inventory)
    }

    /// The rest of an inventory whose tables are read; its sequences are for the caller to add. Inside a transaction with
    /// the settings of [`settle`].
    ///
    /// # Errors
    /// What the database says.
    pub(super) async fn of(
        connection: &mut PgConnection,
        tables: Vec<TableContent>,
    ) -> Result<Self, sqlx::Error> {
        let server_version_num = query_scalar("select current_setting('server_version_num')::int")
            .fetch_one(&mut *connection)
            .await?;
        Ok(Self {
            format: FORMAT,
            server_version_num,
            roles: objects::roles(connection).await?,
            tables,
            sequences: Vec::new(),
            large_objects: large_objects::read(connection).await?,
            objects: objects::read(connection).await?,
        })
    }
}

pub(super) use rows::{columns, content};
pub(super) use sequences::{Read, between, stand};

/// Makes what a transaction reads independent of all settings.
pub(super) async fn settle(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection.execute(SETTINGS).await?;
    Ok(())
}

/// A name as PostgreSQL tells it: quoted where it must be.
fn named(schema: &str, name: &str) -> String {
    let part = |name: &str| {
        let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if plain {
            name.to_owned()
        } else {
            crate::quote::ident(name)
        }
    };
    format!("{}.{}", part(schema), part(name))
}

/// Text when it is short, else its hash.
fn short(text: String) -> String {
    const LONGEST: usize = 120;
    if text.len() <= LONGEST {
        return text;
    }
    hashed(&text)
}

fn hashed(text: &str) -> String {
    format!("xxh3:{:032x}", twox_hash::XxHash3_128::oneshot(text.as_bytes()))
}

/// A hash as 32 digits: JSON has no number that large.
mod hexadecimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(hash: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{hash:032x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        u128::from_str_radix(&String::deserialize(deserializer)?, 16).map_err(D::Error::custom)
    }
}
