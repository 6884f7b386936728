//! Text, bytes and UUIDs.

use super::{Trap, write};

pub(super) const TRAPS: &[Trap] = &[
    Trap::new("nul_in_text", "a text with U+0000 in its middle", |path| {
        write(
            path,
            "create table t (v text); insert into t values ('fine'), (cast(x'610062' as text));",
        );
    }),
    Trap::new("text_not_utf8", "a text in Latin-1", |path| {
        write(
            path,
            "create table t (v text); insert into t values ('fine'), (cast(x'636166e9' as text)), ('fine');",
        );
    }),
    Trap::new(
        "text_of_all_sorts",
        "tabs, line ends, backslashes, a byte order mark, combining marks, emoji",
        |path| {
            write(
            path,
            "create table t (v text);
             insert into t values (char(9) || char(13, 10)), ('a\\b\\.'), (char(65279) || 'bom'), ('e' || char(769)), (char(128512)), ('\\N'), ('');",
        );
        },
    ),
    Trap::new("long_text", "a text of 5 MB", |path| {
        write(
            path,
            "create table t (v text); insert into t values (replace(hex(zeroblob(2500000)), '00', 'ab')), ('short');",
        );
    }),
    Trap::new("large_blob", "a blob of 20 MB", |path| {
        write(
            path,
            "create table t (v blob); insert into t values (zeroblob(20000000)), (x'ff');",
        );
    }),
    Trap::new(
        "text_in_a_blob_column",
        "text beside bytes in a BLOB column",
        |path| {
            write(
                path,
                "create table t (v blob); insert into t values (x'00ff'), ('text');",
            );
        },
    ),
    Trap::new(
        "utf8_blob_in_a_text_column",
        "bytes that are UTF-8 in a TEXT column",
        |path| {
            write(
                path,
                "create table t (v text); insert into t values ('text'), (x'62797465');",
            );
        },
    ),
    Trap::new(
        "blob_in_a_text_column",
        "bytes that are no text in a TEXT column",
        |path| {
            write(
                path,
                "create table t (v text); insert into t values ('text'), (x'ff00');",
            );
        },
    ),
    Trap::new("blob_among_numbers", "bytes in an INTEGER column", |path| {
        write(
            path,
            "create table t (v integer); insert into t values (1), (x'ff');",
        );
    }),
    Trap::new(
        "uuids",
        "UUIDs in a VARCHAR column, as PostgreSQL spells them",
        |path| {
            write(
                path,
                "create table t (v varchar(36)); insert into t values ('0a1b2c3d-0000-4000-8000-000000000001'), (null);",
            );
        },
    ),
    Trap::new(
        "uuids_in_capitals",
        "UUIDs in capitals, whose spelling the type would lose",
        |path| {
            write(
                path,
                "create table t (v char(36)); insert into t values ('0A1B2C3D-0000-4000-8000-000000000001');",
            );
        },
    ),
    Trap::new("uuids_as_bytes", "UUIDs as 16 bytes, declared so", |path| {
        write(
            path,
            "create table t (v uuid); insert into t values (x'ff1b2c3d000040008000000000000001');",
        );
    }),
];
