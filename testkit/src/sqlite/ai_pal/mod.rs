//! A SQLite file as AI-PAL leaves it after long use: its tables and indexes, in any number of rows.
//!
//! `tables.sql` and `indexes.sql` are what AI-PAL's own models make. The rows are invented, look like AI-PAL's, and are the same
//! each time; 3.7 million of them make about 1.6 GB.

mod rows;
mod values;

use std::path::Path;

use rusqlite::Connection;

use super::{must, open, run};
use rows::Row;
use values::Values;

const TABLES: &str = include_str!("tables.sql");
const INDEXES: &str = include_str!("indexes.sql");

/// The nine tables with their share of the rows in a thousand, in the order in which AI-PAL makes them, so that a goal
/// is there before its blocks. What is left by rounding goes to the first.
const SHARES: [(&str, u64); 9] = [
    ("ari_snapshots", 541),
    ("edm_debts", 70),
    ("ffe_goals", 45),
    ("user_profiles", 13),
    ("progress_tapestry", 55),
    ("momentum_history", 30),
    ("patch_requests", 3),
    ("background_tasks", 135),
    ("atomic_blocks", 108),
];

/// The indexes of [`Shape::Guide`]: the unique keys beside the primary ones, and those of AI-PAL's models that are nearest to the
/// ones its migration guide asks for.
const GUIDE: [&str; 16] = [
    "ix_ari_snapshots_snapshot_id",
    "ix_ari_snapshots_timestamp",
    "idx_user_timestamp",
    "ix_edm_debts_debt_id",
    "idx_user_unresolved",
    "ix_ffe_goals_goal_id",
    "ix_ffe_goals_user_id",
    "ix_user_profiles_user_id",
    "ix_progress_tapestry_entry_id",
    "ix_patch_requests_request_id",
    "idx_component_status",
    "ix_background_tasks_task_id",
    "ix_background_tasks_created_at",
    "idx_user_status",
    "ix_atomic_blocks_block_id",
    "ix_atomic_blocks_goal_id",
];

/// Which indexes the file has. The one foreign key, of a block to its goal, is always there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// 16.
    #[default]
    Guide,
    /// All 40 of AI-PAL's models.
    Models,
}

impl Shape {
    /// The statements that make its indexes.
    fn indexes(self) -> impl Iterator<Item = &'static str> {
        INDEXES.lines().filter(move |statement| {
            let name = statement
                .split_once(" ON ")
                .and_then(|(head, _)| head.rsplit(' ').next());
            self == Self::Models || name.is_some_and(|name| GUIDE.contains(&name))
        })
    }
}

/// How many rows each table gets of so many in all. A file of less than a hundred has snapshots alone, since blocks need goals.
#[must_use]
pub fn counts(rows: u64) -> [(&'static str, u64); 9] {
    let shared = if rows < 100 { 0 } else { rows };
    let mut counts = SHARES.map(|(table, share)| (table, shared * share / 1000));
    let others: u64 = counts.iter().skip(1).map(|(_, count)| count).sum();
    counts[0].1 = rows - others;
    counts
}

/// Writes a file of so many rows that is not there yet, with the indexes of [`Shape::Guide`].
pub fn ai_pal(path: &Path, rows: u64) {
    ai_pal_as(path, rows, Shape::Guide);
}

/// Writes a file of so many rows that is not there yet.
pub fn ai_pal_as(path: &Path, rows: u64, shape: Shape) {
    let connection = open(path);
    // A power cut costs a file that can be made again.
    run(
        &connection,
        "pragma journal_mode = off;
         pragma synchronous = off;
         pragma locking_mode = exclusive;
         pragma temp_store = memory;
         pragma cache_size = -262144;",
    );
    run(&connection, "begin");
    run(&connection, TABLES);
    let counts = counts(rows);
    let count = |wanted: &str| {
        counts
            .iter()
            .find(|(table, _)| *table == wanted)
            .map_or(0, |it| it.1)
    };
    let mut values = Values::new(count("user_profiles"), count("ffe_goals"));
    for (table, count) in counts {
        let make = rows::maker(table);
        values.spread(count);
        fill(&connection, table, count, |row, number| {
            make(&mut values, row, number)
        });
    }
    // Made after the rows they are built in order, which takes less time than to keep them up row by row.
    for statement in shape.indexes() {
        run(&connection, statement);
    }
    run(&connection, "commit");
    must(
        "the file cannot be closed",
        connection.close().map_err(|(_, error)| error),
    );
}

/// Inserts rows numbered from 1 on, which is also what their `id` is.
fn fill(connection: &Connection, table: &str, count: u64, mut make: impl FnMut(&mut Row<'_, '_>, u64)) {
    let what = "rows cannot be written";
    let all = must(what, connection.prepare(&format!("select * from {table}")));
    let places = vec!["?"; all.column_count()].join(", ");
    let mut statement = must(
        what,
        connection.prepare(&format!("insert into {table} values ({places})")),
    );
    for number in 1..=count {
        let mut row = Row::new(&mut statement);
        make(&mut row, number);
        row.insert();
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::fs;

    use super::*;

    fn made(rows: u64, shape: Shape) -> (tempfile::TempDir, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ai_pal.db");
        ai_pal_as(&path, rows, shape);
        let connection = Connection::open(&path).unwrap();
        (folder, connection)
    }

    fn number(connection: &Connection, sql: &str) -> u64 {
        let found: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
        found.unsigned_abs()
    }

    #[test]
    fn every_table_has_its_share_and_every_index_is_there() {
        for (shape, indexes) in [(Shape::Guide, 16), (Shape::Models, 40)] {
            let (_folder, connection) = made(3000, shape);
            let mut all = 0;
            for (table, expected) in counts(3000) {
                let found = number(&connection, &format!("select count(*) from {table}"));
                assert_eq!(found, expected, "{table}");
                all += found;
            }
            assert_eq!(all, 3000);
            let of = |kind: &str| {
                number(
                    &connection,
                    &format!("select count(*) from sqlite_master where type = '{kind}' and sql is not null"),
                )
            };
            assert_eq!((of("table"), of("index")), (9, indexes), "{shape:?}");
            let key = "select count(*) from pragma_foreign_key_list('atomic_blocks')";
            assert_eq!(number(&connection, key), 1);
        }
    }

    #[test]
    fn the_file_is_sound_and_no_block_lacks_its_goal() {
        let (_folder, connection) = made(5000, Shape::Models);
        let orphans = "select count(*) from pragma_foreign_key_check";
        assert_eq!(number(&connection, orphans), 0);
        let sound: String = connection
            .query_row("pragma integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(sound, "ok");
    }

    #[test]
    fn values_are_stored_as_ai_pal_stores_them() {
        let (_folder, connection) = made(5000, Shape::Guide);
        let odd = |table: &str, condition: &str| {
            number(
                &connection,
                &format!("select count(*) from {table} where not ({condition})"),
            )
        };
        let uuid =
            "length(snapshot_id) = 36 and snapshot_id glob '????????-????-4???-[89ab]???-????????????'";
        let time = "timestamp glob '202?-??-?? ??:??:??.??????' and julianday(timestamp) is not null";
        assert_eq!(odd("ari_snapshots", uuid), 0);
        assert_eq!(odd("ari_snapshots", time), 0);
        assert_eq!(odd("ari_snapshots", "typeof(autonomy_retention) = 'real'"), 0);
        assert_eq!(odd("atomic_blocks", "completed in (0, 1)"), 0);
        assert_eq!(odd("background_tasks", "result is null or json_valid(result)"), 0);
        assert_eq!(odd("user_profiles", "json_valid(preferences)"), 0);
        assert_eq!(
            odd(
                "background_tasks",
                "started_at is null or started_at >= created_at"
            ),
            0
        );
        for (table, column) in [
            ("ari_snapshots", "task_description"),
            ("background_tasks", "error_message"),
        ] {
            let nulls = odd(table, &format!("{column} is not null"));
            let whole = number(&connection, &format!("select count(*) from {table}"));
            assert!(
                nulls > 0 && nulls < whole,
                "{table}.{column}: {nulls} of {whole} are null"
            );
        }
    }

    #[test]
    fn the_same_number_of_rows_makes_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
        ai_pal(&one, 2000);
        ai_pal(&other, 2000);
        assert!(fs::read(one).unwrap() == fs::read(other).unwrap());
    }

    #[test]
    fn a_few_rows_are_enough() {
        let (_folder, connection) = made(3, Shape::Guide);
        assert_eq!(number(&connection, "select count(*) from ari_snapshots"), 3);
    }
}
