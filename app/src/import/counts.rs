//! How many there are of something, in words.

use contract::format;

/// How many errors, warnings and notes there are.
pub fn counted([errors, warnings, notes]: [i64; 3]) -> String {
    [
        (errors, "error", "errors"),
        (warnings, "warning", "warnings"),
        (notes, "note", "notes"),
    ]
    .into_iter()
    .filter(|(count, ..)| *count > 0)
    .map(|(count, one, many)| plural(count, one, many))
    .collect::<Vec<_>>()
    .join(" · ")
}

/// How many of a list are shown.
pub fn first_of(shown: i64, all: i64) -> String {
    match all > shown {
        true => format!(
            "the first {} of {}; all are in the JSON",
            format::exact(shown),
            format::exact(all)
        ),
        false => format::exact(all),
    }
}

/// A count with its word.
pub fn plural(count: i64, one: &str, many: &str) -> String {
    format!("{} {}", format::exact(count), if count == 1 { one } else { many })
}

/// A number of rows for a button or a title.
pub fn rows_words(rows: i64) -> String {
    match rows {
        1 => "1 row".to_owned(),
        rows => format!("{} rows", format::exact(rows)),
    }
}
