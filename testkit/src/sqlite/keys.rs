//! Keys, identities and references.

use super::{Trap, write};

pub(super) const TRAPS: &[Trap] = &[
    Trap::new(
        "autoincrement_of_an_empty_table",
        "AUTOINCREMENT whose rows are all deleted",
        |path| {
            write(
                path,
                "create table t (id integer primary key autoincrement, v text); insert into t values (41, 'gone'); delete from t;",
            );
        },
    ),
    Trap::new(
        "autoincrement_beyond_the_last_row",
        "AUTOINCREMENT whose newest row is deleted",
        |path| {
            write(
                path,
                "create table t (id integer primary key autoincrement); insert into t values (1), (90); delete from t where id = 90;",
            );
        },
    ),
    Trap::new(
        "integer_primary_key",
        "INTEGER PRIMARY KEY without AUTOINCREMENT",
        |path| {
            write(
                path,
                "create table t (id integer primary key, v text); insert into t values (7, 'seven');",
            );
        },
    ),
    Trap::new("largest_rowid", "an identity that has no next number", |path| {
        write(
            path,
            "create table t (id integer primary key); insert into t values (9223372036854775807);",
        );
    }),
    Trap::new(
        "int_primary_key",
        "INT PRIMARY KEY, which is not the rowid",
        |path| {
            write(
                path,
                "create table t (id int primary key); insert into t values (7);",
            );
        },
    ),
    Trap::new("nulls_in_a_primary_key", "a primary key with NULLs", |path| {
        write(
            path,
            "create table t (id text primary key, v int); insert into t values (null, 1), (null, 2), ('a', 3);",
        );
    }),
    Trap::new(
        "key_in_its_own_order",
        "a composite key in another order than the columns",
        |path| {
            write(
                path,
                "create table t (a int, b int, c int, primary key (c, a)); insert into t values (1, 2, 3);",
            );
        },
    ),
    Trap::new(
        "without_rowid",
        "a table without rowids, with a value against its type",
        |path| {
            write(
                path,
                "create table t (word text primary key, n int) without rowid; insert into t values ('b', 1), ('a', 'x'), ('c', 2);",
            );
        },
    ),
    Trap::new("no_key", "a table without a key, with rows twice", |path| {
        write(path, "create table t (v int); insert into t values (1), (1);");
    }),
    Trap::new(
        "rowid_names_taken",
        "columns named rowid, oid and _rowid_",
        |path| {
            write(
                path,
                "create table t (rowid text, oid text, _rowid_ int); insert into t values ('a', 'b', 1), ('c', 'd', 'e');",
            );
        },
    ),
    Trap::new("orphans", "rows whose parent is not there", |path| {
        write(
            path,
            "create table p (id integer primary key);
             create table t (id integer primary key, p int references p on delete cascade);
             insert into p values (1);
             insert into t values (1, 1), (2, 5), (3, null), (4, 6);",
        );
    }),
    Trap::new(
        "missing_parent",
        "a foreign key to a table that is not there",
        |path| {
            write(
                path,
                "create table t (v int references gone (id)); insert into t values (null);",
            );
        },
    ),
    Trap::new(
        "cycle_of_keys",
        "two tables that refer to each other, and to themselves",
        |path| {
            write(
                path,
                "create table a (id integer primary key, b int references b, self int references a);
             create table b (id integer primary key, a int references a);
             insert into a values (1, 1, 1);
             insert into b values (1, 1);",
            );
        },
    ),
    Trap::new(
        "uuid_key_with_a_text_child",
        "a key of UUIDs, and a reference to it that is none",
        |path| {
            write(
                path,
                "create table p (id text primary key);
             create table t (p text references p);
             create table u (p text references p);
             insert into p values ('0a1b2c3d-0000-4000-8000-000000000001');
             insert into t values ('unknown');
             insert into u values ('0a1b2c3d-0000-4000-8000-000000000001');",
            );
        },
    ),
    Trap::new(
        "uuid_key_with_an_empty_child",
        "a key of UUIDs, and a reference without rows",
        |path| {
            write(
                path,
                "create table p (id text primary key);
             create table t (p text references p);
             insert into p values ('0a1b2c3d-0000-4000-8000-000000000001');",
            );
        },
    ),
    Trap::new(
        "text_child_of_an_integer_key",
        "a reference with text to a key of integers",
        |path| {
            write(
                path,
                "create table p (id integer primary key);
             create table t (p text references p);
             insert into p values (1);
             insert into t values ('1');",
            );
        },
    ),
];
