//! Numbers and booleans.

use super::{Trap, write};

pub(super) const TRAPS: &[Trap] = &[
    Trap::new(
        "integers_of_64_bits",
        "INT columns hold the largest and smallest 64-bit integers",
        |path| {
            write(
                path,
                "create table t (v int); insert into t values (9223372036854775807), (-9223372036854775808), (null);",
            );
        },
    ),
    Trap::new(
        "reals_to_the_bit",
        "infinities, minus zero and a denormal in FLOAT4",
        |path| {
            write(
                path,
                "create table t (v float4); insert into t values (9e999), (-9e999), (-0.0), (5e-324), (0.1);",
            );
        },
    ),
    Trap::new(
        "decimals",
        "DECIMAL values, integral ones stored as integers",
        |path| {
            write(
                path,
                "create table t (v decimal(10, 2)); insert into t values (0.1), (12.50), (3), (null);",
            );
        },
    ),
    Trap::new(
        "text_in_the_last_row",
        "an INTEGER column of 5,000 rows whose last one is text",
        |path| {
            write(
            path,
            "create table t (v integer);
             insert into t with recursive n(i) as (select 1 union all select i + 1 from n where i < 4999) select i from n;
             insert into t values ('none');",
        );
        },
    ),
    Trap::new(
        "fractions_in_an_integer_column",
        "an INTEGER column with 1.5 in it",
        |path| {
            write(
                path,
                "create table t (v integer); insert into t values (1), (1.5);",
            );
        },
    ),
    Trap::new(
        "integers_no_double_holds",
        "integers beyond 2^53 beside fractions",
        |path| {
            write(
                path,
                "create table t (v integer); insert into t values (9007199254740993), (1.5);",
            );
        },
    ),
    Trap::new("digits_in_text", "postcodes with leading zeros", |path| {
        write(
            path,
            "create table t (v text); insert into t values ('00501'), ('10115');",
        );
    }),
    Trap::new(
        "integer_by_substring",
        "POINT and CHARINT, which SQLite takes for integers",
        |path| {
            write(
                path,
                "create table t (p point, c charint); insert into t values ('7', '8');",
            );
        },
    ),
    Trap::new(
        "string_is_numeric",
        "STRING, in which 00501 was stored as 501",
        |path| {
            write(
                path,
                "create table t (v string); insert into t values ('00501'), ('502');",
            );
        },
    ),
    Trap::new(
        "no_type",
        "columns without a declared type, one with several classes of values",
        |path| {
            write(
                path,
                "create table t (n, m); insert into t values (1, 1), (2, 'two'), (3, 2.5);",
            );
        },
    ),
    Trap::new("strict_any", "a STRICT table with a column of ANY", |path| {
        write(
            path,
            "create table t (i int, a any) strict; insert into t values (1, '007'), (2, 7);",
        );
    }),
    Trap::new("booleans", "BOOLEAN as 0, 1 and NULL", |path| {
        write(
            path,
            "create table t (v boolean); insert into t values (0), (1), (null);",
        );
    }),
    Trap::new("booleans_in_words", "BOOLEAN as true, f, Y and 1", |path| {
        write(
            path,
            "create table t (v boolean); insert into t values ('true'), ('f'), ('Y'), (1);",
        );
    }),
    Trap::new("boolean_two", "BOOLEAN with a 2 and a -1", |path| {
        write(
            path,
            "create table t (v boolean); insert into t values (0), (1), (2), (-1);",
        );
    }),
    Trap::new("boolean_maybe", "BOOLEAN with the word maybe", |path| {
        write(
            path,
            "create table t (v boolean); insert into t values (0), (1), ('maybe');",
        );
    }),
    Trap::new(
        "undeclared_booleans",
        "an INTEGER column with nothing but 0 and 1",
        |path| {
            write(path, "create table t (v integer); insert into t values (0), (1);");
        },
    ),
    Trap::new(
        "nothing_stored",
        "an empty table, whose declared types are all there is",
        |path| {
            write(
                path,
                "create table t (a int, b boolean, c datetime, d json, e decimal, f, g blob, h double);",
            );
        },
    ),
];
