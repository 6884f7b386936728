//! The rows of a table, hashed as COPY gives them: that evaluates nothing but the output functions of types, plans nothing, and
//! fails where row security would hide a row. Columns go by their names' order, since a restore may put them in another one; generated ones are left out,
//! since what they hold follows from the rest and from their definitions.

use std::collections::HashMap;

use futures::TryStreamExt;
use sqlx::PgConnection;
use twox_hash::XxHash3_128;

use super::{Content, TableContent};
use crate::{backup::catalog::TableRow, quote, target::look::query_as};

/// The columns of every table, and what it is a partition of.
pub(in crate::backup) struct Columns(HashMap<i64, OfTable>);

struct OfTable {
    /// In their names' order.
    columns: Vec<String>,
    root: Option<String>,
    /// Those that the server computes and stores.
    generated: Vec<String>,
}

impl Columns {
    /// The statement that gives all rows of a table. Never of its children.
    pub(in crate::backup) fn copy(&self, table: &TableRow) -> String {
        let name = quote::qualified(&table.schema, &table.name);
        match self.0.get(&table.id) {
            Some(OfTable { columns, .. }) if !columns.is_empty() => {
                let columns: Vec<String> = columns.iter().map(|column| quote::ident(column)).collect();
                format!("copy {name} ({}) to stdout", columns.join(", "))
            }
            _ => format!("copy {name} to stdout"),
        }
    }

    /// A table whose rows were read.
    pub(in crate::backup) fn with(&self, table: &TableRow, content: Content) -> TableContent {
        TableContent {
            schema: table.schema.clone(),
            name: table.name.clone(),
            root: self.0.get(&table.id).and_then(|table| table.root.clone()),
            generated: self
                .0
                .get(&table.id)
                .map_or_else(Vec::new, |table| table.generated.clone()),
            content,
        }
    }
}

/// Reads the columns of the tables of an archive.
pub(in crate::backup) async fn columns(connection: &mut PgConnection) -> Result<Columns, sqlx::Error> {
    let rows: Vec<(i64, Vec<String>, Vec<String>, Option<String>)> = query_as(
        "select c.oid::bigint,
                coalesce(array_agg(a.attname::text) filter (where a.attgenerated = ''), '{}'),
                coalesce(array_agg(a.attname::text order by a.attnum) filter (where a.attgenerated = 's'), '{}'),
                case when c.relispartition then pg_partition_root(c.oid)::regclass::text end
           from pg_class c
           join pg_namespace n on n.oid = c.relnamespace
           left join pg_attribute a
                  on a.attrelid = c.oid
                 and a.attnum > 0
                 and not a.attisdropped
          where c.relkind = 'r'
            and n.nspname !~ '^pg_'
            and n.nspname <> 'information_schema'
          group by c.oid, c.relispartition",
    )
    .fetch_all(connection)
    .await?;
    Ok(Columns(
        rows.into_iter()
            .map(|(id, mut columns, generated, root)| {
                columns.sort_unstable();
                let of_table = OfTable {
                    columns,
                    root,
                    generated,
                };
                (id, of_table)
            })
            .collect(),
    ))
}

/// Reads what a COPY gives; `each` hears of every piece, with its bytes.
pub(in crate::backup) async fn content(
    connection: &mut PgConnection,
    copy: &str,
    mut each: impl FnMut(usize),
) -> Result<Content, sqlx::Error> {
    let mut stream = connection.copy_out_raw(copy).await?;
    let mut lines = Lines::default();
    while let Some(bytes) = stream.try_next().await? {
        lines.take(&bytes);
        each(bytes.len());
    }
    Ok(lines.content)
}

/// Hashes lines as they come: a row's own line breaks are escaped. The server sends a row at a time, which is not promised.
#[derive(Default)]
struct Lines {
    content: Content,
    begun: Vec<u8>,
}

impl Lines {
    fn take(&mut self, mut bytes: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            bytes = rest;
            if self.begun.is_empty() {
                self.content.add(XxHash3_128::oneshot(line));
            } else {
                self.begun.extend_from_slice(line);
                self.content.add(XxHash3_128::oneshot(&self.begun));
                self.begun.clear();
            }
        }
        self.begun.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(pieces: &[&str]) -> Content {
        let mut lines = Lines::default();
        for piece in pieces {
            lines.take(piece.as_bytes());
        }
        lines.content
    }

    #[test]
    fn neither_order_nor_pieces_matter_and_twice_is_not_once() {
        let all = content(&["1\ta\n2\tb\n\n"]);
        assert_eq!(all.count, 3);
        assert_eq!(all, content(&["2\t", "", "b", "\n", "\n1\ta\n"]));
        assert_ne!(all, content(&["1\ta\n2\tb\n\n\n"]));
        assert_ne!(all.hash, content(&["1\ta\n1\ta\n\n"]).hash);
        assert_ne!(content(&["1\ta\n"]).hash, content(&["1\tb\n"]).hash);
    }
}
