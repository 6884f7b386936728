//! Files as a whole: encodings, pages, journals, and damage.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Trap, must, open, run, write};

const ROWS: &str = "create table t (id integer primary key, v text);
    insert into t with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000) select i, 'row ' || i from n;";

pub(super) const TRAPS: &[Trap] = &[
    Trap::new("utf16", "text kept as UTF-16", |path| {
        write(
            path,
            "pragma encoding = 'UTF-16be'; create table t (v text); insert into t values ('é😀'), ('plain');",
        );
    }),
    Trap::new(
        "small_pages",
        "pages of 512 bytes, with a text over many of them",
        |path| {
            write(
                path,
                "pragma page_size = 512; create table t (v text); insert into t values (hex(zeroblob(9000)));",
            );
        },
    ),
    Trap::new("large_pages", "pages of 64 KiB", |path| {
        write(
            path,
            "pragma page_size = 65536; create table t (v int); insert into t values (1);",
        );
    }),
    Trap::new(
        "marked_file",
        "an application id and a version of its own",
        |path| {
            write(
                path,
                "pragma application_id = 252006675; pragma user_version = 10; create table t (v int); insert into t values (1);",
            );
        },
    ),
    Trap::new(
        "rows_before_a_column",
        "rows that are older than an added column",
        |path| {
            write(
                path,
                "create table t (a int); insert into t values (1), (2); alter table t add column b text default 'new'; insert into t values (3, 'x');",
            );
        },
    ),
    Trap::new("wal_pending", "rows that are only in the -wal", |path| {
        let work = beside(path, ".work");
        let connection = open(&work);
        run(
            &connection,
            "pragma journal_mode = wal;
                 create table t (v int);
                 insert into t values (1);
                 pragma wal_checkpoint(truncate);
                 pragma wal_autocheckpoint = 0;
                 insert into t values (2), (3);",
        );
        take(&work, path, "-wal");
    }),
    Trap::new("wal_missing", "WAL mode, with no -wal beside it", |path| {
        write(
            path,
            "pragma journal_mode = wal; create table t (v int); insert into t values (1);",
        );
    }),
    Trap::new(
        "hot_journal",
        "a writer that ended in the middle: its journal has to be rolled back",
        |path| {
            let work = beside(path, ".work");
            let connection = open(&work);
            run(&connection, &format!(
                "{ROWS}
                 pragma cache_size = 1;
                 begin;
                 update t set v = 'a text that was never committed, long enough to move the rows to other pages';"));
            take(&work, path, "-journal");
        },
    ),
];

pub(super) const REFUSED: &[Trap] = &[
    Trap::new("empty_file", "no bytes at all", |path| put(path, b"")),
    Trap::new("short_header", "a file that ends inside the header", |path| {
        put(path, b"SQLite format 3\0\x10\0")
    }),
    Trap::new("words", "a text file", |path| {
        put(path, "Nothing but words. ".repeat(300).as_bytes())
    }),
    Trap::new("text_dump", "the text that .dump writes", |path| {
        put(path, b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n");
    }),
    Trap::new("gzip", "a compressed file", |path| {
        put(path, b"\x1f\x8b\x08\0\0\0\0\0")
    }),
    Trap::new(
        "encrypted",
        "bytes without any order, as encryption makes them",
        |path| {
            let mut seed = 7_u64;
            let bytes: Vec<u8> = std::iter::repeat_with(|| {
                seed = seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                seed.to_be_bytes()[0]
            })
            .take(8192)
            .collect();
            put(path, &bytes);
        },
    ),
    Trap::new("truncated", "a file whose last pages are missing", |path| {
        write(path, ROWS);
        let bytes = read(path);
        put(path, &bytes[..bytes.len() - 5000]);
    }),
    Trap::new(
        "damaged_page",
        "a page in the middle of a table that was overwritten",
        |path| {
            write(path, ROWS);
            let mut bytes = read(path);
            // Behind the schema and the root lie only leaves of the one table.
            let middle = bytes.len() / 4096 / 2 * 4096;
            bytes[middle..middle + 4096].fill(0xff);
            put(path, &bytes);
        },
    ),
    Trap::new(
        "damaged_schema",
        "a first page that was overwritten behind the header",
        |path| {
            write(path, ROWS);
            let mut bytes = read(path);
            bytes[100..4096].fill(0xff);
            put(path, &bytes);
        },
    ),
];

/// Copies a database in use with what lies beside it, as a crash would leave them.
fn take(work: &Path, path: &Path, end: &str) {
    put(path, &read(work));
    put(&beside(path, end), &read(&beside(work, end)));
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn put(path: &Path, bytes: &[u8]) {
    must("a trap cannot be written", fs::write(path, bytes));
}

fn read(path: &Path) -> Vec<u8> {
    must("a trap cannot be read", fs::read(path))
}
