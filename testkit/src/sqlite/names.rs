//! Names and sizes that PostgreSQL does not take as they are.

use super::{Trap, write};

pub(super) const TRAPS: &[Trap] = &[
    Trap::new("system_names", "columns named like PostgreSQL's own", |path| {
        write(
            path,
            "create table t (ctid int, xmin int, plain int); insert into t values (1, 2, 3);",
        );
    }),
    Trap::new(
        "long_names",
        "columns whose names are equal in their first 63 bytes",
        |path| {
            let long = "n".repeat(63);
            write(
                path,
                &format!("create table t ({long}_one int, {long}_two int); insert into t values (1, 2);"),
            );
        },
    ),
    Trap::new("empty_name", "a column whose name is empty", |path| {
        write(
            path,
            "create table t (\"\" int, v int); insert into t values (1, 2);",
        );
    }),
    Trap::new(
        "names_to_quote",
        "names with quotes, brackets, spaces, capitals and accents",
        |path| {
            write(
                path,
                "create table \"a \"\"b\"\"; drop\" (\"select\" int, [x y] int, `é` int, \"É\" int); insert into \"a \"\"b\"\"; drop\" values (1, 2, 3, 4);",
            );
        },
    ),
    Trap::new("too_many_columns", "a table of 1,700 columns", |path| {
        let columns: Vec<String> = (0..1700).map(|at| format!("c{at} int")).collect();
        write(
            path,
            &format!(
                "create table t ({}); insert into t (c0) values (1);",
                columns.join(", ")
            ),
        );
    }),
    Trap::new(
        "as_many_columns_as_possible",
        "a table of 2,000 columns, beside which no rowid can be asked for",
        |path| {
            let columns: Vec<String> = (0..2000).map(|at| format!("c{at} int")).collect();
            write(
                path,
                &format!(
                    "create table t ({}); insert into t (c0, c1999) values (1, 'x');",
                    columns.join(", ")
                ),
            );
        },
    ),
    Trap::new("wide_rows", "rows of 600 long texts, wider than a page", |path| {
        let columns: Vec<String> = (0..600)
            .map(|at| format!("c{at} text default 'a text of more than eighteen bytes'"))
            .collect();
        write(
            path,
            &format!(
                "create table t ({}); insert into t default values;",
                columns.join(", ")
            ),
        );
    }),
];
