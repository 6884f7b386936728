//! JSON in its forms.

use std::path::Path;

use super::{Trap, write};

pub(super) const TRAPS: &[Trap] = &[
    Trap::new("json", "JSON that jsonb keeps", |path| {
        document(path, r#"{"a": 1, "b": [true, null, "x"]}"#)
    }),
    Trap::new("json_key_twice", "a key twice in one object", |path| {
        document(path, r#"{"a": 1, "a": 2}"#)
    }),
    Trap::new("json_key_order", "keys in an order that jsonb changes", |path| {
        document(path, r#"{"name": 1, "id": 2}"#)
    }),
    Trap::new("json_nan", "NaN, as Python writes it", |path| {
        document(path, "[NaN]")
    }),
    Trap::new("json_escaped_nul", "an escaped U+0000", |path| {
        document(path, r#"["a\u0000b"]"#)
    }),
    Trap::new("json_40_digits", "a number of 40 digits", |path| {
        document(path, "[1234567890123456789012345678901234567890]");
    }),
    Trap::new("json_in_text", "JSON in a TEXT column", |path| {
        write(
            path,
            r#"create table t (v text); insert into t values ('{"a": 1}');"#,
        );
    }),
    Trap::new("json_in_blobs", "the text of JSON in blobs", |path| {
        write(
            path,
            r#"create table t (v json); insert into t values (cast('{"a": 1}' as blob));"#,
        );
    }),
    Trap::new("binary_json", "SQLite's binary JSON", |path| {
        write(
            path,
            r#"create table t (v jsonb); insert into t values (jsonb('{"a": [1, 2.5, "x"]}'));"#,
        );
    }),
];

fn document(path: &Path, json: &str) {
    write(
        path,
        &format!("create table t (v json); insert into t values ('{json}'), ('[]');"),
    );
}
