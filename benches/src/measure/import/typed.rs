//! The typed tables that the floor loads, and their rows as text for the first load.

use std::{
    fmt::Write as _,
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use rusqlite::{Connection, OpenFlags, Row, types::ValueRef};

/// Columns of UUIDs; the models declare them as texts.
const UUIDS: [&str; 8] = [
    "snapshot_id",
    "debt_id",
    "goal_id",
    "block_id",
    "entry_id",
    "request_id",
    "task_id",
    "celery_task_id",
];

/// A table as it shall be in PostgreSQL.
pub struct Table {
    /// Its name.
    pub name: String,
    columns: Vec<String>,
    /// The statements of its indexes, which mean the same to both; the primary key is not among them.
    pub indexes: Vec<String>,
    /// The statements of its foreign keys.
    pub foreign_keys: Vec<String>,
}

impl Table {
    /// `create table`, without its keys.
    pub fn definition(&self) -> String {
        format!(
            "create table {} (\n    {}\n);\n",
            self.name,
            self.columns.join(",\n    ")
        )
    }
}

/// The file's tables.
pub fn tables(file: &Path) -> rusqlite::Result<Vec<Table>> {
    let source = open(file)?;
    let names = texts(
        &source,
        "select name from sqlite_master where type = 'table' order by rowid",
        None,
    )?;
    let of = |name: String| {
        let columns = "select name || ' ' || type || iif(\"notnull\", ' not null', '') from pragma_table_info(?1) order by cid";
        let indexes =
            "select sql from sqlite_master where type = 'index' and tbl_name = ?1 and sql is not null";
        let keys = "select format('alter table %s add foreign key (%s) references %s (%s)', ?1, \"from\", \"table\", \"to\")
                    from pragma_foreign_key_list(?1)";
        Ok(Table {
            columns: texts(&source, columns, Some(&name))?
                .iter()
                .map(|it| typed(it))
                .collect(),
            indexes: texts(&source, indexes, Some(&name))?,
            foreign_keys: texts(&source, keys, Some(&name))?,
            name,
        })
    };
    names.into_iter().map(of).collect()
}

/// The column with the type that pgsteward proposes for what is stored in it.
fn typed(column: &str) -> String {
    let (name, rest) = column.split_once(' ').unwrap_or((column, ""));
    let kind = match rest.split(['(', ' ']).next().unwrap_or_default() {
        "INTEGER" => "bigint",
        "FLOAT" => "double precision",
        "DATETIME" => "timestamp",
        "BOOLEAN" => "boolean",
        _ if UUIDS.contains(&name) => "uuid",
        _ => "text",
    };
    let null = if rest.ends_with(" not null") {
        " not null"
    } else {
        ""
    };
    format!("{name} {kind}{null}")
}

/// Writes a table's rows in COPY's text format.
pub fn write_text(file: &Path, table: &str, to: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let source = open(file)?;
    let mut out = BufWriter::with_capacity(1 << 20, File::create(to)?);
    let mut statement = source.prepare(&format!("select * from {table} order by rowid"))?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    let mut line = String::new();
    while let Some(row) = rows.next()? {
        line.clear();
        for column in 0..columns {
            if column > 0 {
                line.push('\t');
            }
            value(row, column, &mut line)?;
        }
        line.push('\n');
        out.write_all(line.as_bytes())?;
    }
    out.flush()?;
    Ok(())
}

fn value(row: &Row<'_>, column: usize, line: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    match row.get_ref(column)? {
        ValueRef::Null => line.push_str("\\N"),
        ValueRef::Integer(number) => write!(line, "{number}")?,
        // The shortest form that reads back the same.
        ValueRef::Real(number) => write!(line, "{number}")?,
        ValueRef::Text(bytes) => escape(std::str::from_utf8(bytes)?, line),
        ValueRef::Blob(_) => return Err("AI-PAL's tables hold no blobs".into()),
    }
    Ok(())
}

fn escape(text: &str, line: &mut String) {
    for char in text.chars() {
        match char {
            '\\' => line.push_str("\\\\"),
            '\t' => line.push_str("\\t"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            other => line.push(other),
        }
    }
}

fn open(file: &Path) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

fn texts(source: &Connection, sql: &str, about: Option<&str>) -> rusqlite::Result<Vec<String>> {
    let mut statement = source.prepare(sql)?;
    let rows = statement.query_map(rusqlite::params_from_iter(about), |row| row.get(0))?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_get_the_types_of_what_they_hold() {
        let all = [
            "id INTEGER not null",
            "goal_id VARCHAR(36)",
            "timestamp DATETIME not null",
            "x FLOAT",
            "y BOOLEAN",
        ];
        assert_eq!(
            all.map(typed),
            [
                "id bigint not null",
                "goal_id uuid",
                "timestamp timestamp not null",
                "x double precision",
                "y boolean"
            ]
        );
        assert_eq!(typed("claim TEXT not null"), "claim text not null");
    }

    #[test]
    fn what_copy_reads_differently_is_escaped() {
        let mut line = String::new();
        escape("a\tb\\.\r\né", &mut line);
        assert_eq!(line, "a\\tb\\\\.\\r\\né");
    }
}
