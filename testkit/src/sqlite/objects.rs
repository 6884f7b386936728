//! Generated columns, checks, indexes, views, triggers and virtual tables.

use super::{Trap, write};

pub(super) const TRAPS: &[Trap] = &[
    Trap::new(
        "generated_columns",
        "a stored and a virtual generated column",
        |path| {
            write(
                path,
                "create table t (a int, b int generated always as (a * 2) stored, c text as ('n' || a)); insert into t (a) values (1), (2);",
            );
        },
    ),
    Trap::new(
        "generated_by_a_stranger",
        "a virtual column by a function that only its own program has",
        |path| {
            write(
                path,
                "create table t (a int, b int as (abs(a)));
             insert into t (a) values (1);
             pragma writable_schema = on;
             update sqlite_schema set sql = replace(sql, 'abs(a)', 'their_own(a)');",
            );
        },
    ),
    Trap::new("violated_check", "a CHECK that a row breaks", |path| {
        write(
            path,
            "create table t (v int check (v > 0)); pragma ignore_check_constraints = on; insert into t values (1), (-1);",
        );
    }),
    Trap::new("defaults", "defaults in every spelling", |path| {
        write(
            path,
            "create table t (a int default '5', b text default \"x\", c datetime default current_timestamp, d int default (1 + 1), e text collate nocase);
             insert into t (e) values ('E');",
        );
    }),
    Trap::new(
        "special_indexes",
        "partial, expression, descending and collated indexes",
        |path| {
            write(
                path,
                "create table t (a text, b int);
             create unique index part on t (a) where b > 0;
             create index expr on t (lower(a), b desc);
             create index coll on t (a collate nocase);
             insert into t values ('x', 1);",
            );
        },
    ),
    Trap::new(
        "strange_collation",
        "a key by a collation that only its own program has",
        |path| {
            write(
                path,
                "create table t (v text primary key collate nocase, n int) without rowid;
             create table u (v text collate nocase unique);
             insert into t values ('a', 1), ('b', 2);
             insert into u values ('a'), ('b');
             pragma writable_schema = on;
             update sqlite_schema set sql = replace(sql, 'nocase', 'unicase');",
            );
        },
    ),
    Trap::new("view", "a view", |path| {
        write(
            path,
            "create table t (v int); create view w as select ifnull(v, 0) as v from t; insert into t values (1);",
        );
    }),
    Trap::new("broken_view", "a view of a table that is not there", |path| {
        write(
            path,
            "create table t (v int); create view w as select * from gone; insert into t values (1);",
        );
    }),
    Trap::new("trigger", "a trigger", |path| {
        write(
            path,
            "create table t (v int);
             create trigger no_minus before insert on t when new.v < 0 begin select raise(abort, 'no'); end;
             insert into t values (1);",
        );
    }),
    Trap::new(
        "full_text_table",
        "an FTS5 table with its shadow tables",
        |path| {
            write(
                path,
                "create table t (v int); create virtual table f using fts5(body); insert into f values ('words');",
            );
        },
    ),
    Trap::new("spatial_table", "an R-Tree with its shadow tables", |path| {
        write(
            path,
            "create table t (v int); create virtual table r using rtree(id, low, high); insert into r values (1, 0.0, 1.0);",
        );
    }),
    Trap::new(
        "unknown_module",
        "a virtual table of a module that nobody has",
        |path| {
            write(
                path,
                "create table t (v int);
                 insert into t values (1);
                 pragma writable_schema = on;
                 insert into sqlite_schema (type, name, tbl_name, rootpage, sql)
                 values ('table', 'x', 'x', 0, 'CREATE VIRTUAL TABLE x USING their_module(a)');",
            );
        },
    ),
];
