//! What SQLite tells of its tables, views and triggers.

use contract::import::{
    CheckFacts, ForeignKey, Identity, IndexColumn, IndexFacts, ObjectFacts, Places, RowsBy, TableKind,
};
use rusqlite::{Connection, Result, Row, types::ValueRef};

use super::{
    ddl::{self, Definition},
    quote::ident,
    stop::{is_damage, is_interrupted},
};

/// The most columns that a query can give; a table can have as many.
const WIDEST: usize = 2000;

/// A table before its rows are read.
pub struct Table {
    pub name: String,
    pub kind: TableKind,
    pub sql: Option<String>,
    pub strict: bool,
    pub columns: Vec<Column>,
    pub primary_key: Vec<String>,
    pub identity: Option<Identity>,
    pub foreign_keys: Vec<ForeignKey>,
    pub indexes: Vec<IndexFacts>,
    pub checks: Vec<CheckFacts>,
    /// The name under which a query over all columns gets the rowid, if there is one.
    pub rowid: Option<&'static str>,
    /// The name under which a query over fewer columns gets it.
    pub rowid_alone: Option<&'static str>,
}

/// A column before its values are read.
pub struct Column {
    pub name: String,
    pub declared: String,
    pub not_null: bool,
    pub default: Option<String>,
    pub generated: Option<String>,
    /// Computed when it is read, so that reading it can fail.
    pub is_virtual: bool,
    pub collation: Option<String>,
}

impl Table {
    /// How its rows are named.
    pub fn rows_by(&self) -> RowsBy {
        match self.rowid {
            Some(_) => RowsBy::Rowid,
            None => RowsBy::Position,
        }
    }
}

/// Every table but SQLite's own.
pub fn tables(connection: &Connection) -> Result<Vec<Table>> {
    let mut found = connection.prepare(
        "select entry.name, list.type, list.wr, list.strict, entry.sql
         from sqlite_schema as entry
         join pragma_table_list as list on list.schema = 'main' and list.name = entry.name
         where entry.type = 'table'
           and lower(substr(entry.name, 1, 7)) <> 'sqlite_'
         order by entry.rowid",
    )?;
    let heads: Vec<(String, String, bool, bool, Option<String>)> = found
        .query_map([], |row| {
            Ok((
                text(row, 0)?,
                text(row, 1)?,
                row.get(2)?,
                row.get(3)?,
                optional(row, 4)?,
            ))
        })?
        .collect::<Result<_>>()?;
    let mut found = heads
        .into_iter()
        .map(|(name, kind, without_rowid, strict, sql)| {
            let module = sql.as_deref().and_then(ddl::module);
            let kind = match kind.as_str() {
                "virtual" => of_module(module.unwrap_or_default(), sql.as_deref().unwrap_or_default()),
                "shadow" => TableKind::Shadow,
                _ if without_rowid => TableKind::WithoutRowid,
                _ => TableKind::Ordinary,
            };
            match (table(connection, &name, kind.clone(), strict, sql.clone()), kind) {
                (Err(error), TableKind::Searchable { module })
                    if !is_interrupted(&error) && !is_damage(&error) =>
                {
                    let why = error.to_string();
                    table(
                        connection,
                        &name,
                        TableKind::Unreadable { module, why },
                        strict,
                        sql,
                    )
                }
                (read, _) => read,
            }
        })
        .collect::<Result<Vec<Table>>>()?;
    // What such a table holds is read from where it keeps it.
    let kept: Vec<String> = found
        .iter()
        .filter(|table| matches!(table.kind, TableKind::Unreadable { .. }))
        .map(|table| format!("{}_content", table.name))
        .collect();
    for shadow in found.iter_mut().filter(|table| table.kind == TableKind::Shadow) {
        if kept.contains(&shadow.name) {
            *shadow = table(
                connection,
                &shadow.name,
                TableKind::Ordinary,
                false,
                shadow.sql.clone(),
            )?;
        }
    }
    Ok(found)
}

/// What a virtual table of a module is. One for full-text search may leave its content to another table, or keep none.
fn of_module(module: String, sql: &str) -> TableKind {
    let bare: String = sql
        .chars()
        .filter(|char| !char.is_whitespace())
        .collect::<String>()
        .to_ascii_lowercase();
    let own = match module.to_ascii_lowercase().as_str() {
        "fts3" | "fts4" | "fts5" => !bare.contains("content="),
        "rtree" | "rtree_i32" => true,
        _ => false,
    };
    match own {
        true => TableKind::Searchable { module },
        false => TableKind::Virtual { module },
    }
}

fn table(
    connection: &Connection,
    name: &str,
    kind: TableKind,
    strict: bool,
    sql: Option<String>,
) -> Result<Table> {
    let mut table = Table {
        name: name.to_owned(),
        kind,
        sql,
        strict,
        columns: Vec::new(),
        primary_key: Vec::new(),
        identity: None,
        foreign_keys: Vec::new(),
        indexes: Vec::new(),
        checks: Vec::new(),
        rowid: None,
        rowid_alone: None,
    };
    if table.kind.skipped().is_some() {
        return Ok(table);
    }
    let searchable = matches!(table.kind, TableKind::Searchable { .. });
    // The arguments of a module are no columns.
    let definition = match &table.sql {
        Some(sql) if !searchable => ddl::table(sql),
        _ => Definition::default(),
    };
    columns(connection, &mut table, &definition)?;
    table.indexes = indexes(connection, &table.name)?;
    table.foreign_keys = foreign_keys(connection, &table.name)?;
    if let TableKind::Searchable { module } = &table.kind
        && module.to_ascii_lowercase().starts_with("rtree")
    {
        table
            .primary_key
            .extend(table.columns.first().map(|column| column.name.clone()));
    }
    if table.kind == TableKind::Ordinary || searchable {
        let taken = |name: &&str| {
            table
                .columns
                .iter()
                .any(|column| column.name.eq_ignore_ascii_case(name))
        };
        table.rowid_alone = ["rowid", "_rowid_", "oid"].into_iter().find(|name| !taken(name));
        table.rowid = table.rowid_alone.filter(|_| table.columns.len() < WIDEST);
    }
    table.identity = identity(connection, &table, &definition)?;
    table.checks = definition
        .checks
        .into_iter()
        .map(|expression| CheckFacts {
            expression,
            broken: Places::default(),
        })
        .collect();
    Ok(table)
}

fn columns(connection: &Connection, table: &mut Table, definition: &Definition) -> Result<()> {
    let mut query = connection.prepare(
        "select name, type, \"notnull\", dflt_value, pk, hidden
         from pragma_table_xinfo(?)
         order by cid",
    )?;
    let mut rows = query.query([&table.name])?;
    let of = |list: &[(String, String)], name: &str| {
        list.iter()
            .find(|(column, _)| column.eq_ignore_ascii_case(name))
            .map(|(_, what)| what.clone())
    };
    let mut key = Vec::new();
    while let Some(row) = rows.next()? {
        let name = text(row, 0)?;
        if let ValueRef::Text(bytes) = row.get_ref(0)?
            && bytes != name.as_bytes()
        {
            return Err(rusqlite::Error::InvalidColumnName(format!(
                "{}.{name}",
                table.name
            )));
        }
        let (place, hidden): (i64, i64) = (row.get(4)?, row.get(5)?);
        // A module's own, which ask it something.
        if hidden == 1 {
            continue;
        }
        if place > 0 {
            key.push((place, name.clone()));
        }
        table.columns.push(Column {
            declared: text(row, 1)?,
            not_null: row.get(2)?,
            default: optional(row, 3)?,
            generated: of(&definition.generated, &name),
            is_virtual: hidden == 2,
            collation: of(&definition.collations, &name).filter(|it| !it.eq_ignore_ascii_case("binary")),
            name,
        });
    }
    key.sort();
    table.primary_key = key.into_iter().map(|(_, name)| name).collect();
    Ok(())
}

fn indexes(connection: &Connection, table: &str) -> Result<Vec<IndexFacts>> {
    let mut list = connection.prepare(
        "select list.name, list.\"unique\", list.origin, list.partial, entry.sql
         from pragma_index_list(?) as list
         left join sqlite_schema as entry on entry.type = 'index' and entry.name = list.name
         order by list.seq desc",
    )?;
    let mut parts = connection.prepare(
        "select name, \"desc\", coll
         from pragma_index_xinfo(?)
         where key = 1
         order by seqno",
    )?;
    let mut found = list
        .query_map([table], |row| {
            Ok(IndexFacts {
                name: text(row, 0)?,
                unique: row.get(1)?,
                of_constraint: text(row, 2)? != "c",
                partial: row.get(3)?,
                columns: Vec::new(),
                sql: optional(row, 4)?,
            })
        })?
        .collect::<Result<Vec<_>>>()?;
    for index in &mut found {
        index.columns = parts
            .query_map([&index.name], |row| {
                Ok(IndexColumn {
                    name: optional(row, 0)?,
                    descending: row.get(1)?,
                    collation: optional(row, 2)?.unwrap_or_default(),
                })
            })?
            .collect::<Result<_>>()?;
    }
    Ok(found)
}

fn foreign_keys(connection: &Connection, table: &str) -> Result<Vec<ForeignKey>> {
    let mut query = connection.prepare(
        "select id, \"table\", \"from\", \"to\", on_update, on_delete
         from pragma_foreign_key_list(?)
         order by id, seq",
    )?;
    let mut rows = query.query([table])?;
    let mut keys: Vec<ForeignKey> = Vec::new();
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        if usize::try_from(id) == Ok(keys.len()) {
            keys.push(ForeignKey {
                columns: Vec::new(),
                parent: text(row, 1)?,
                parent_columns: Vec::new(),
                on_update: text(row, 4)?,
                on_delete: text(row, 5)?,
                orphans: Places::default(),
            });
        }
        if let Some(key) = keys.last_mut() {
            key.columns.push(text(row, 2)?);
            key.parent_columns.extend(optional(row, 3)?);
        }
    }
    Ok(keys)
}

/// The column that is another name of the rowid, with the number that comes next.
fn identity(connection: &Connection, table: &Table, definition: &Definition) -> Result<Option<Identity>> {
    let [only] = table.primary_key.as_slice() else {
        return Ok(None);
    };
    let declared = table.columns.iter().find(|column| column.name == *only);
    // A key that is not the rowid has an index of its own, as `INTEGER PRIMARY KEY DESC` has.
    let own_index = table.indexes.iter().any(|index| {
        index.of_constraint
            && index.sql.is_none()
            && matches!(index.columns.as_slice(), [part] if part.name.as_ref() == Some(only))
    });
    let alias = table.kind == TableKind::Ordinary
        && !own_index
        && declared.is_some_and(|column| column.declared.eq_ignore_ascii_case("integer"));
    if !alias {
        return Ok(None);
    }
    let largest: Option<i64> = connection.query_row(
        &format!("select max({}) from {}", ident(only), ident(&table.name)),
        [],
        |row| row.get(0),
    )?;
    let mut next = largest.map_or(Some(1), |largest| largest.checked_add(1));
    if definition.autoincrement {
        let kept = connection
            .query_row(
                "select max(cast(seq as integer)) from sqlite_sequence where name = ?",
                [&table.name],
                |row| row.get::<_, Option<i64>>(0),
            )?
            .unwrap_or_default()
            .max(0);
        next = next.and_then(|next| Some(next.max(kept.checked_add(1)?)));
    }
    Ok(Some(Identity {
        column: only.clone(),
        autoincrement: definition.autoincrement,
        next,
    }))
}

/// Views or triggers.
pub fn objects(connection: &Connection, kind: &str) -> Result<Vec<ObjectFacts>> {
    let mut query = connection.prepare(
        "select name, tbl_name, sql
         from sqlite_schema
         where type = ?
         order by rowid",
    )?;
    query
        .query_map([kind], |row| {
            Ok(ObjectFacts {
                name: text(row, 0)?,
                table: text(row, 1)?,
                sql: optional(row, 2)?.unwrap_or_default(),
            })
        })?
        .collect()
}

/// A text of the schema; bytes that are not UTF-8 are replaced, for a name must be shown.
pub(super) fn text(row: &Row<'_>, at: usize) -> Result<String> {
    Ok(optional(row, at)?.unwrap_or_default())
}

fn optional(row: &Row<'_>, at: usize) -> Result<Option<String>> {
    Ok(match row.get_ref(at)? {
        ValueRef::Null => None,
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Integer(value) => Some(value.to_string()),
        ValueRef::Real(value) => Some(value.to_string()),
    })
}
