//! What SQLite computes and compares in ways that PostgreSQL has to be told.

use super::{Trap, write};

pub(super) const TRAPS: &[Trap] = &[
    Trap::new(
        "rounded_columns",
        "columns rounded and printed from small, large and halved reals",
        |path| {
            write(
                path,
                "create table t (
                    v real,
                    zero real as (round(v)) stored,
                    one real as (round(v, 1)) stored,
                    two real as (round(v, 2)) stored,
                    shown text as (printf('%.1f', v)) stored,
                    exactly text as (printf('%.2f', v)) stored
                 );
                 insert into t (v) values (0.45), (0.05), (0.005), (-0.04), (-0.45), (2.675), (1.005), (0.285), (1e-20), (5e-324),
                    (0.49999999999999994), (4503599627370497.0), (9.3e18), (-9.3e18), (1e300), (123456789012.345), (-0.0), (null);",
            );
        },
    ),
    Trap::new(
        "products_of_decimals",
        "a decimal column computed from decimals, as doubles",
        |path| {
            write(
                path,
                "create table t (price decimal(10, 2), qty int, total decimal as (price * qty) stored);
                 insert into t (price, qty) values (0.1, 3), (19.99, 7), (5, 2), (1.1, 1), (null, 1);",
            );
        },
    ),
    Trap::new(
        "computed_from_computed",
        "a generated column over another one",
        |path| {
            write(
                path,
                "create table t (a int, b int as (a * 2) stored, c int as (b + 1) stored);
                 insert into t (a) values (1), (2);",
            );
        },
    ),
    Trap::new(
        "computed_fails_at_a_row",
        "a virtual column that one row makes fail",
        |path| {
            write(
                path,
                "create table t (a text);
                 insert into t values ('{\"x\": 1}'), ('no json'), (null);
                 alter table t add column b as (json_extract(a, '$.x'));",
            );
        },
    ),
    Trap::new(
        "keys_without_regard_to_case",
        "keys under NOCASE, with letters beyond ASCII that differ in case",
        |path| {
            write(
                path,
                "create table t (v text primary key collate nocase, w text collate nocase unique, x text collate rtrim unique);
                 insert into t values ('a', 'É', 'x'), ('É', 'é', 'y'), ('é', 'b', 'z');",
            );
        },
    ),
    Trap::new(
        "long_keys_together",
        "keys of which no part is too long, but all together are",
        |path| {
            write(
                path,
                "create table t (a text, b text, c int, primary key (a, b), unique (c, b, a));
                 create index shown on t (lower(a), b);
                 create unique index expression on t (a || b, c + 1);
                 insert into t with recursive n(i) as (select 1 union all select i + 1 from n where i < 40)
                    select i || hex(randomblob(900)), i || hex(randomblob(900)), i from n;",
            );
        },
    ),
    Trap::new("json_reals", "reals in a JSON column", |path| {
        write(
            path,
            "create table t (v json); insert into t values (1e-7), (1e16), (2.5), ('[1]'), (7);",
        );
    }),
    Trap::new(
        "clauses_of_rules",
        "ON CONFLICT in keys, a check that ends in a comment, a key that is deferred",
        |path| {
            write(
                path,
                "create table p (id integer primary key on conflict replace, a int unique on conflict ignore);
                 create table t (
                    v int check (v > 0 -- positive
                    ),
                    p int references p (id) deferrable initially deferred,
                    q int references p (id)
                 );
                 insert into p values (1, 1), (2, 2);
                 pragma ignore_check_constraints = on;
                 insert into t values (1, 1, 1), (-1, 2, 2);",
            );
        },
    ),
    Trap::new(
        "long_names_of_objects",
        "a view and a trigger with names of over 63 bytes",
        |path| {
            let name = "n".repeat(70);
            write(
                path,
                &format!(
                    "create table t (v int);
                     create table log (v int);
                     create view v{name} as select v from t;
                     create view w{name} as select v from v{name};
                     create trigger t{name} after insert on t begin insert into log values (new.v); end;
                     insert into t values (1);"
                ),
            );
        },
    ),
];
