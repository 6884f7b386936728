//! What was found in a column, in words.

use contract::{
    format,
    import::{ColumnFacts, ColumnType, Conversion, OtherType, Places, RowsBy, Stored, TableFacts},
};

use super::sheet::{OpenColumn, OtherChoice};

/// A column as the page shows it.
pub fn column(column: &ColumnFacts, rows_by: RowsBy) -> OpenColumn {
    OpenColumn {
        name: column.name.clone(),
        declared: declared(column),
        stored: stored(&column.stored),
        facts: facts(&column.stored, rows_by),
        proposed: type_words(column.proposal.column_type, column.proposal.conversion),
        reason: column.proposal.reason.clone(),
        others: column
            .proposal
            .others
            .iter()
            .map(|other| choice(other, rows_by))
            .collect(),
    }
}

/// What there is to say of a table as a whole.
pub fn notes(table: &TableFacts) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    if let Some(why) = table.kind.skipped() {
        notes.push(format!("It is not imported: {why}."));
    }
    if !table.primary_key.is_empty() {
        notes.push(format!("Primary key: {}.", table.primary_key.join(", ")));
    }
    if let Some(identity) = &table.identity {
        let next = match identity.next {
            Some(next) => format!("the next is {}", format::exact(next)),
            None => "the largest possible number is taken".to_owned(),
        };
        let again = if identity.autoincrement {
            ", and numbers of deleted rows never come again"
        } else {
            ""
        };
        notes.push(format!(
            "{} numbers the rows by itself: {next}{again}.",
            identity.column
        ));
    }
    notes
}

/// How often, and in which rows: `12 · rows 3, 9, 41, …`.
pub fn places(places: &Places, rows_by: RowsBy) -> String {
    let count = format::exact(places.count);
    if places.first.is_empty() {
        return count;
    }
    let one = match rows_by {
        RowsBy::Rowid => "row",
        RowsBy::Position => "position",
    };
    let s = if places.first.len() == 1 { "" } else { "s" };
    let mut first: Vec<String> = places.first.iter().map(i64::to_string).collect();
    if places.count > places.first.len() as i64 {
        first.push("…".to_owned());
    }
    format!("{count} · {one}{s} {}", first.join(", "))
}

fn declared(column: &ColumnFacts) -> String {
    let mut words = vec![match column.declared.as_str() {
        "" => "no type".to_owned(),
        declared => declared.to_owned(),
    }];
    if column.not_null {
        words.push("not null".to_owned());
    }
    words.extend(
        column
            .default
            .as_ref()
            .map(|default| format!("default {default}")),
    );
    words.extend(column.generated.as_ref().map(|sql| format!("generated as {sql}")));
    words.extend(column.collation.as_ref().map(|name| format!("collate {name}")));
    words.join(" · ")
}

fn stored(stored: &Stored) -> String {
    let classes = [
        (stored.integers, "integer", "integers"),
        (stored.reals, "real", "reals"),
        (stored.texts, "text", "texts"),
        (stored.blobs, "blob", "blobs"),
        (stored.nulls, "NULL", "NULLs"),
    ];
    let words: Vec<String> = classes
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| format!("{} {}", format::exact(count), if count == 1 { one } else { many }))
        .collect();
    match words.is_empty() {
        true => "no rows".to_owned(),
        false => words.join(" · "),
    }
}

fn facts(stored: &Stored, rows_by: RowsBy) -> Vec<(String, String)> {
    let mut facts: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, words: String| facts.push((name.to_owned(), words));
    if let Some((least, most)) = stored.integer_range {
        add("Integers", range(&format::exact(least), &format::exact(most)));
    }
    if let Some((least, most)) = stored.real_range {
        // `Debug` writes 1e300 short; `Display` writes all its zeros.
        add("Reals", range(&format!("{least:?}"), &format!("{most:?}")));
    }
    if stored.longest_text > 0 {
        add("Longest text", format::bytes(stored.longest_text));
    }
    if stored.longest_blob > 0 {
        add("Longest blob", format::bytes(stored.longest_blob));
    }
    for (name, found) in [
        ("Beyond 2^53", &stored.beyond_double),
        ("Not UTF-8", &stored.invalid_utf8),
        ("With U+0000", &stored.with_nul),
    ] {
        if found.count > 0 {
            add(name, places(found, rows_by));
        }
    }
    if stored.not_finite > 0 {
        add("Infinities", format::exact(stored.not_finite));
    }
    for form in &stored.forms {
        add(capital(form.form.words()).as_str(), places(&form.places, rows_by));
    }
    facts
}

fn choice(other: &OtherType, rows_by: RowsBy) -> OtherChoice {
    let against = (other.against.count > 0).then(|| match other.against.count {
        1 => format!("1 value does not fit: {}", first_rows(&other.against, rows_by)),
        count => format!(
            "{} values do not fit: {}",
            format::exact(count),
            first_rows(&other.against, rows_by)
        ),
    });
    OtherChoice {
        column_type: other.column_type,
        words: type_words(other.column_type, other.conversion),
        against,
    }
}

/// The rows alone, since the sentence has the count.
fn first_rows(found: &Places, rows_by: RowsBy) -> String {
    let words = places(found, rows_by);
    words
        .split_once(" · ")
        .map_or_else(|| "rows unknown".to_owned(), |(_, rows)| rows.to_owned())
}

fn type_words(column_type: ColumnType, conversion: Option<Conversion>) -> String {
    match conversion {
        Some(conversion) => format!("{}, {}", column_type.sql(), conversion.words()),
        None => column_type.sql().to_owned(),
    }
}

fn range(least: &str, most: &str) -> String {
    match least == most {
        true => format!("all {least}"),
        false => format!("{least} to {most}"),
    }
}

fn capital(words: &str) -> String {
    let mut chars = words.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(count: i64, first: &[i64]) -> Places {
        Places {
            count,
            first: first.to_vec(),
        }
    }

    #[test]
    fn counter_examples_are_named_by_row() {
        assert_eq!(places(&found(1, &[7]), RowsBy::Rowid), "1 · row 7");
        assert_eq!(places(&found(2, &[7, 9]), RowsBy::Position), "2 · positions 7, 9");
        assert_eq!(
            places(&found(2000, &[7, 9]), RowsBy::Rowid),
            "2,000 · rows 7, 9, …"
        );
    }

    #[test]
    fn a_type_that_values_do_not_fit_says_which() {
        let other = OtherType {
            column_type: ColumnType::Boolean,
            conversion: Some(Conversion::TruthValues),
            against: found(3, &[4, 5]),
        };
        let other = choice(&other, RowsBy::Rowid);
        assert_eq!(other.words, "boolean, from values for true and false");
        assert_eq!(
            other.against.as_deref(),
            Some("3 values do not fit: rows 4, 5, …")
        );
    }

    #[test]
    fn what_is_stored_is_said_class_by_class_of_storage() {
        let mixed = Stored {
            integers: 1,
            texts: 1200,
            nulls: 2,
            real_range: Some((1e300, 1e300)),
            ..Stored::default()
        };
        assert_eq!(stored(&mixed), "1 integer · 1,200 texts · 2 NULLs");
        assert_eq!(stored(&Stored::default()), "no rows");
        assert_eq!(
            facts(&mixed, RowsBy::Rowid),
            [("Reals".to_owned(), "all 1e300".to_owned())]
        );
    }
}
