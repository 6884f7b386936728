//! What the reader must know of one column.

use contract::{
    format,
    import::{ColumnFacts, ColumnType, Conversion, FindingKind, Form, Places, RowsBy, Severity},
};

use super::{
    affinity::{Promise, promise, surprises},
    fit::Forms,
    propose::inventory,
};

type Words = (Severity, FindingKind, String);

/// The findings of a column. `key` says whether it is in the primary key, `rows_by` how its rows are named.
pub(super) fn of(column: &ColumnFacts, key: bool, rows_by: RowsBy) -> Vec<Words> {
    let mut found: Vec<Words> = unfit(column, rows_by)
        .into_iter()
        .map(|(severity, words)| {
            let words = format!("{words}. Such rows are kept, the characters by the policy that you choose.");
            (severity, FindingKind::Altered, words)
        })
        .collect();
    match &column.proposal.tied {
        Some(key) => tied(column, key, &mut found),
        None => {
            conversion(column, rows_by, &mut found);
            kept(column, rows_by, &mut found);
        }
    }
    if key && column.stored.nulls > 0 {
        found.push((
            Severity::Warning,
            // Several rows may hold NULL under it, as in the file.
            FindingKind::Changed,
            format!(
                "The primary key holds {} NULLs, which PostgreSQL does not allow there: it becomes a unique index.",
                format::exact(column.stored.nulls)
            ),
        ));
    }
    if surprises(&column.declared, column.affinity) {
        found.push((
            Severity::Note,
            FindingKind::KeptAsStored,
            format!(
                "SQLite does not know {} and treats the column as {:?}; numbers may have lost their spelling when they were written.",
                column.declared, column.affinity
            ),
        ));
    }
    if let Some(collation) = &column.collation {
        found.push((
            Severity::Note,
            FindingKind::Changed,
            format!("Compares by the collation {collation}, which PostgreSQL does not have under that name."),
        ));
    }
    found
}

/// Texts that PostgreSQL cannot hold.
pub fn unfit(column: &ColumnFacts, rows_by: RowsBy) -> Vec<(Severity, String)> {
    let stored = &column.stored;
    let mut found = Vec::new();
    for (places, what) in [
        (&stored.invalid_utf8, "with bytes that are not UTF-8"),
        (
            &stored.with_nul,
            "with U+0000, which PostgreSQL's text cannot hold",
        ),
    ] {
        if places.count > 0 {
            let words = format!("{} {what}: {}", texts(places.count), rows(places, rows_by));
            found.push((Severity::Warning, words));
        }
    }
    found
}

/// A column that has its type from a foreign key.
fn tied(column: &ColumnFacts, key: &str, found: &mut Vec<Words>) {
    if column.stored.values() == 0 {
        return;
    }
    let to = column.proposal.column_type.sql();
    let (severity, how) = match column.proposal.conversion {
        None => (Severity::Note, String::new()),
        Some(how) => (Severity::Warning, format!(": {}", how.words())),
    };
    found.push((
        severity,
        FindingKind::Changed,
        format!("Is {to} for the sake of the foreign key {key}, whose two sides need one type{how}."),
    ));
}

fn conversion(column: &ColumnFacts, rows_by: RowsBy, found: &mut Vec<Words>) {
    let stored = &column.stored;
    let forms = Forms(stored);
    let to = column.proposal.column_type;
    let mut note = |severity, words: String| found.push((severity, FindingKind::Changed, words));
    match column.proposal.conversion {
        _ if to == ColumnType::Json => note(
            Severity::Note,
            format!(
                "Becomes json and not jsonb, which would change some of it ({}); json has no order, so no index and no DISTINCT.",
                inventory(stored)
            ),
        ),
        Some(Conversion::NumberToText) => note(
            Severity::Warning,
            format!(
                "Numbers stand among text: {}. They become their digits, so that every value is kept.",
                rows(&forms.between(Form::ZeroOne, Form::NotFinite), rows_by)
            ),
        ),
        Some(Conversion::TextToBytes) if promise(&column.declared) == Promise::Text => note(
            Severity::Warning,
            format!(
                "Bytes that are no text stand in a column of text: {}. The whole column becomes bytes, so that they are kept.",
                rows(&forms.between(Form::SixteenBytes, Form::Blob), rows_by)
            ),
        ),
        Some(Conversion::TextToBytes) => note(
            Severity::Warning,
            format!(
                "Text stands in a column of bytes: {}. It becomes its bytes.",
                rows(&forms.between(Form::Empty, Form::Text), rows_by)
            ),
        ),
        Some(how @ (Conversion::BlobToText | Conversion::BlobToHex | Conversion::JsonText)) => note(
            Severity::Warning,
            format!(
                "Blobs stand where text is due: {}; {}.",
                rows(&forms.between(Form::EmptyBlob, Form::Blob), rows_by),
                how.words()
            ),
        ),
        Some(Conversion::EachByItsForm) => note(
            Severity::Warning,
            format!(
                "Times in several forms ({}) become one type; those without a zone are taken as UTC.",
                inventory(stored)
            ),
        ),
        Some(Conversion::TruthValues) if forms.single() != Some(Form::ZeroOne) => note(
            Severity::Note,
            format!(
                "True and false are written in other ways than 0 and 1 ({}).",
                inventory(stored)
            ),
        ),
        Some(Conversion::Json) if stored.texts > 0 => note(
            Severity::Note,
            "jsonb does not keep white space between the parts of JSON.".to_owned(),
        ),
        Some(
            Conversion::UnixSeconds
            | Conversion::UnixMillis
            | Conversion::UnixMicros
            | Conversion::RealSeconds
            | Conversion::JulianDays,
        ) => note(
            Severity::Note,
            format!("Numbers become times: {}.", inventory(stored)),
        ),
        Some(Conversion::IsoText) => match to {
            ColumnType::Time if !stored.times_alike => note(
                Severity::Note,
                "The times of day are spelled in several ways, and come back in PostgreSQL's.".to_owned(),
            ),
            ColumnType::Timestamptz => note(
                Severity::Note,
                "The instants stay, the offsets that they are written with do not.".to_owned(),
            ),
            ColumnType::Timestamp if forms.of(&[Form::Date]).count > 0 => note(
                Severity::Note,
                format!(
                    "Dates without a time become midnight: {}.",
                    rows(&forms.of(&[Form::Date]), rows_by)
                ),
            ),
            _ => {}
        },
        _ => {}
    }
    let negative = forms.of(&[Form::NegativeZero]);
    if to == ColumnType::Numeric && negative.count > 0 {
        note(
            Severity::Warning,
            format!("numeric has no minus zero: {}.", rows(&negative, rows_by)),
        );
    }
}

/// Where the declaration promises a type that the values do not keep.
fn kept(column: &ColumnFacts, rows_by: RowsBy, found: &mut Vec<Words>) {
    if column.stored.values() == 0 {
        return;
    }
    let to = column.proposal.column_type;
    let promised: &[ColumnType] = match promise(&column.declared) {
        Promise::Boolean => &[ColumnType::Boolean],
        Promise::Time => &[ColumnType::Timestamp, ColumnType::Timestamptz, ColumnType::Date],
        Promise::Clock => &[ColumnType::Time],
        Promise::Uuid => &[ColumnType::Uuid],
        Promise::Json => &[ColumnType::Jsonb, ColumnType::Json],
        Promise::Integer => &[ColumnType::Bigint],
        Promise::Decimal => &[ColumnType::Numeric],
        Promise::Real => &[ColumnType::Double],
        Promise::Text | Promise::Bytes | Promise::Nothing => return,
    };
    if promised.contains(&to) {
        return;
    }
    let forms = Forms(&column.stored);
    // Of several promised types, the one that fewest values refuse.
    let best = promised
        .iter()
        .map(|to| forms.against(*to))
        .min_by_key(|against| against.count)
        .unwrap_or_default();
    let words = match best.count {
        0 => format!(
            "Declared {}, and all values fit, but different ones could become equal under a unique key: stays {}.",
            column.declared,
            to.sql()
        ),
        _ => format!(
            "Declared {}, but stays {}: {} against it ({}).",
            column.declared,
            to.sql(),
            rows(&best, rows_by),
            inventory(&column.stored)
        ),
    };
    found.push((Severity::Warning, FindingKind::KeptAsStored, words));
}

fn texts(count: i64) -> String {
    match count {
        1 => "1 text".to_owned(),
        count => format!("{} texts", format::exact(count)),
    }
}

/// Rows in words: how many, and the first few.
pub fn rows(places: &Places, rows_by: RowsBy) -> String {
    let shown: Vec<String> = places.first.iter().map(i64::to_string).collect();
    let named = match rows_by {
        RowsBy::Rowid => "rowid",
        RowsBy::Position => "row",
    };
    match (places.count, shown.len()) {
        (1, 1) => format!("{named} {}", shown.join(", ")),
        (count, 0) => format!("{} rows", format::exact(count)),
        (count, listed) if usize::try_from(count) == Ok(listed) => format!("{named}s {}", shown.join(", ")),
        (count, _) => format!(
            "{} rows, first {named}s {}",
            format::exact(count),
            shown.join(", ")
        ),
    }
}
