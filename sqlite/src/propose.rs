//! From what is stored to a type of PostgreSQL. Pure: the declaration only breaks ties between types that hold every value.

use contract::{
    format,
    import::{ColumnType, Conversion, Form, OtherType, Places, Proposal, Stored},
};

use super::{
    affinity::{Promise, promise},
    fit::Forms,
};

/// The role a column has in its table, as far as it narrows the choice.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Part {
    /// It is in a unique index or the primary key, where two values must not become equal.
    pub unique: bool,
    /// It is in the primary key: a number there is a number.
    pub key: bool,
    /// It is in an index, for which its type needs an order.
    pub indexed: bool,
}

/// The types that are looked at beside the proposed one, in this order.
const CANDIDATES: [ColumnType; 13] = [
    ColumnType::Bigint,
    ColumnType::Numeric,
    ColumnType::Double,
    ColumnType::Boolean,
    ColumnType::Date,
    ColumnType::Time,
    ColumnType::Timestamp,
    ColumnType::Timestamptz,
    ColumnType::Uuid,
    ColumnType::Jsonb,
    ColumnType::Json,
    ColumnType::Text,
    ColumnType::Bytea,
];

/// Proposes a type for a column.
pub(super) fn propose(declared: &str, part: Part, stored: &Stored) -> Proposal {
    let forms = Forms(stored);
    let promised = promise(declared);
    let (column_type, conversion, reason) = if stored.values() == 0 {
        (
            by_declaration(declared, promised),
            None,
            nothing(declared, stored),
        )
    } else {
        promised_type(declared, promised, part, &forms)
            .unwrap_or_else(|| by_storage(declared, promised, &forms))
    };
    Proposal {
        others: others(column_type, promised, part, &forms),
        column_type,
        conversion,
        reason,
        tied: None,
    }
}

type Choice = (ColumnType, Option<Conversion>, String);

fn nothing(declared: &str, stored: &Stored) -> String {
    let what = match stored.nulls {
        0 => "no rows",
        _ => "only NULLs",
    };
    match declared {
        "" => format!("{what}, and no type declared"),
        _ => format!("{what}, so the declared type {declared} decides"),
    }
}

fn by_declaration(declared: &str, promised: Promise) -> ColumnType {
    use super::affinity::affinity;
    use contract::import::Affinity;
    match promised {
        Promise::Boolean => ColumnType::Boolean,
        Promise::Time if declared.trim().eq_ignore_ascii_case("date") => ColumnType::Date,
        Promise::Time if has_zone(declared) => ColumnType::Timestamptz,
        Promise::Time => ColumnType::Timestamp,
        Promise::Clock => ColumnType::Time,
        Promise::Uuid => ColumnType::Uuid,
        Promise::Json => ColumnType::Jsonb,
        Promise::Decimal => ColumnType::Numeric,
        Promise::Integer => ColumnType::Bigint,
        Promise::Real => ColumnType::Double,
        Promise::Text => ColumnType::Text,
        Promise::Bytes => ColumnType::Bytea,
        // Nothing stored and nothing known: what SQLite would do with the next value.
        Promise::Nothing => match affinity(declared, false) {
            Affinity::Integer => ColumnType::Bigint,
            Affinity::Real => ColumnType::Double,
            Affinity::Blob if !declared.is_empty() => ColumnType::Bytea,
            Affinity::Text | Affinity::Blob | Affinity::Numeric => ColumnType::Text,
        },
    }
}

/// Whether a declared time says that it knows its zone.
fn has_zone(declared: &str) -> bool {
    let name = declared.to_ascii_uppercase();
    ["TIMESTAMPTZ", "DATETIMEOFFSET", "WITH TIME ZONE"]
        .iter()
        .any(|words| name.contains(words))
}

/// The promised type, when every value keeps the promise.
fn promised_type(declared: &str, promised: Promise, part: Part, forms: &Forms<'_>) -> Option<Choice> {
    let candidates: &[ColumnType] = match promised {
        Promise::Boolean => &[ColumnType::Boolean],
        Promise::Time => &[ColumnType::Date, ColumnType::Timestamptz, ColumnType::Timestamp],
        Promise::Clock => &[ColumnType::Time],
        Promise::Uuid => &[ColumnType::Uuid],
        // No index can be over json.
        Promise::Json if part.unique || part.key || part.indexed => &[ColumnType::Jsonb],
        Promise::Json => &[ColumnType::Jsonb, ColumnType::Json],
        _ => return None,
    };
    let found = candidates.iter().copied().find(|to| forms.all(*to))?;
    if part.unique && !one_to_one(found, forms) {
        return None;
    }
    let reason = format!(
        "declared {declared}, and {} fit: {}",
        every(forms.0),
        inventory(forms.0)
    );
    Some((found, forms.conversion(found), reason))
}

/// Whether values of different storage classes, which are different in SQLite, could become equal as this type.
pub fn could_become_equal(to: ColumnType, forms: &Forms<'_>) -> bool {
    let stored = forms.0;
    let numbers = stored.integers + stored.reals > 0;
    // Digits in a text are those of a number.
    let spelled = forms.of(&[
        Form::ZeroOneText,
        Form::IntegerText,
        Form::DecimalText,
        Form::PaddedNumber,
    ]);
    let infinite = stored.not_finite > 0 && stored.texts > 0;
    match to {
        ColumnType::Text | ColumnType::Jsonb | ColumnType::Json => {
            numbers && (spelled.count > 0 || infinite)
                || stored.blobs > 0 && stored.texts > 0
                || numbers && stored.blobs > 0 && forms.blobs_are_text()
        }
        ColumnType::Bytea => stored.texts > 0 && stored.blobs > 0,
        ColumnType::Uuid => {
            let other = forms.of(&[Form::UuidOtherSpelling]).count;
            stored.texts > 0 && stored.blobs > 0 || other > 0 && forms.of(&[Form::Uuid]).count > 0
        }
        ColumnType::Bigint | ColumnType::Numeric => numbers && stored.texts > 0,
        _ => false,
    }
}

/// Whether different values stay different.
fn one_to_one(to: ColumnType, forms: &Forms<'_>) -> bool {
    match to {
        ColumnType::Timestamp | ColumnType::Timestamptz | ColumnType::Time => {
            forms.single().is_some() && forms.0.times_alike
        }
        ColumnType::Uuid if forms.only(&[Form::SixteenBytes, Form::SixteenBytesText]) => true,
        ColumnType::Boolean | ColumnType::Uuid => {
            forms.single().is_some_and(|form| form != Form::BooleanWord)
        }
        // Spaces between tokens do not count in jsonb, and text in a JSON column may differ in nothing else.
        ColumnType::Jsonb => forms.0.texts == 0 && forms.0.blobs == 0,
        _ => true,
    }
}

/// The type that holds what is stored, by its storage classes alone.
fn by_storage(declared: &str, promised: Promise, forms: &Forms<'_>) -> Choice {
    let stored = forms.0;
    let all = |to| forms.all(to);
    let has = (
        stored.integers + stored.reals > 0,
        stored.texts > 0,
        stored.blobs > 0,
    );
    let why = inventory(stored);
    match has {
        (true, false, false) => {
            let to = match promised {
                Promise::Decimal if all(ColumnType::Numeric) => ColumnType::Numeric,
                _ if all(ColumnType::Bigint) => ColumnType::Bigint,
                _ if all(ColumnType::Double) => ColumnType::Double,
                // Integers beyond 2^53 beside reals: only a decimal number holds both.
                _ => ColumnType::Numeric,
            };
            let why = match stored.integer_range {
                Some((low, high)) if to == ColumnType::Bigint => {
                    format!("integers from {} to {}", format::exact(low), format::exact(high))
                }
                _ => why,
            };
            (to, None, format!("holds {why}"))
        }
        (false, true, false) if promised == Promise::Bytes => (
            ColumnType::Bytea,
            Some(Conversion::TextToBytes),
            format!("declared {declared}; text in it keeps its bytes: {why}"),
        ),
        (false, true, false) if forms.only(&[Form::Uuid]) => (
            ColumnType::Uuid,
            forms.conversion(ColumnType::Uuid),
            format!("{} are UUIDs in PostgreSQL's own spelling", every(stored)),
        ),
        (_, true, false) => (
            ColumnType::Text,
            forms.conversion(ColumnType::Text),
            format!("holds {why}"),
        ),
        (false, false, true) if promised == Promise::Json && all(ColumnType::Text) => (
            ColumnType::Text,
            forms.conversion(ColumnType::Text),
            format!("declared {declared}; jsonb would change some of it: {why}"),
        ),
        (false, false, _) => (ColumnType::Bytea, None, format!("holds {why}")),
        (false, true, true) if promised != Promise::Bytes && all(ColumnType::Text) => (
            ColumnType::Text,
            forms.conversion(ColumnType::Text),
            format!("text, and blobs that are UTF-8 text: {why}"),
        ),
        (false, true, true) => (
            ColumnType::Bytea,
            Some(Conversion::TextToBytes),
            format!("text and blobs: only bytes hold both: {why}"),
        ),
        (true, _, true) => (
            ColumnType::Text,
            forms.conversion(ColumnType::Text),
            format!("numbers and blobs: only text shows both: {why}"),
        ),
    }
}

fn others(proposed: ColumnType, promised: Promise, part: Part, forms: &Forms<'_>) -> Vec<OtherType> {
    let values = forms.0.values();
    CANDIDATES
        .into_iter()
        .filter(|to| *to != proposed && values > 0)
        .filter_map(|to| {
            let against = forms.refused(to);
            let fitting = values - against.count.min(values);
            let wanted = wants(promised, to, proposed, part, forms);
            // A type that most values refuse is no choice, unless the declaration promised it.
            let worth = match wanted {
                Wanted::Promised => fitting > 0,
                Wanted::Offered => fitting > 0 && fitting * 2 >= values,
                Wanted::Whole => against.count == 0,
                Wanted::No => false,
            };
            worth.then(|| OtherType {
                column_type: to,
                conversion: forms.conversion(to),
                against,
            })
        })
        .collect()
}

/// How much a type comes into question beside the proposed one.
enum Wanted {
    /// The declaration names it.
    Promised,
    /// When at least half of the values fit.
    Offered,
    /// When all values fit.
    Whole,
    /// Not at all.
    No,
}

fn wants(promised: Promise, to: ColumnType, proposed: ColumnType, part: Part, forms: &Forms<'_>) -> Wanted {
    use ColumnType as T;
    let stored = forms.0;
    match to {
        T::Bigint if promised == Promise::Integer => Wanted::Promised,
        T::Double if promised == Promise::Real => Wanted::Promised,
        T::Numeric if promised == Promise::Decimal => Wanted::Promised,
        T::Boolean if promised == Promise::Boolean => Wanted::Promised,
        T::Timestamp | T::Timestamptz | T::Date if promised == Promise::Time => Wanted::Promised,
        T::Time if promised == Promise::Clock => Wanted::Promised,
        T::Uuid if promised == Promise::Uuid => Wanted::Promised,
        T::Jsonb | T::Json if promised == Promise::Json => Wanted::Promised,
        T::Bytea if promised == Promise::Bytes => Wanted::Promised,
        T::Text if promised == Promise::Text => Wanted::Promised,
        // A key's numbers and 0 or 1 among others mean numbers.
        T::Boolean | T::Date | T::Time | T::Timestamp | T::Timestamptz if part.key && stored.texts == 0 => {
            Wanted::No
        }
        T::Boolean => Wanted::Whole,
        T::Date | T::Time | T::Timestamp | T::Timestamptz => Wanted::Offered,
        T::Uuid if stored.texts > 0 => Wanted::Offered,
        T::Uuid if forms.only(&[Form::SixteenBytes, Form::SixteenBytesText]) => Wanted::Offered,
        T::Uuid => Wanted::No,
        T::Jsonb if forms.of(&[Form::Json, Form::JsonBlob, Form::BinaryJson]).count > 0 => Wanted::Offered,
        T::Jsonb => Wanted::No,
        T::Json if part.unique || part.key || part.indexed => Wanted::No,
        T::Json if stored.texts > 0 && forms.between(Form::Json, Form::JsonNumber).count > 0 => {
            Wanted::Offered
        }
        T::Json => Wanted::No,
        T::Bigint | T::Numeric if stored.texts > 0 => Wanted::Offered,
        T::Bigint => Wanted::No,
        T::Numeric if proposed == T::Double => Wanted::Whole,
        T::Double if proposed == T::Numeric => Wanted::Whole,
        T::Numeric | T::Double => Wanted::No,
        T::Text if stored.texts > 0 || stored.blobs > 0 => Wanted::Whole,
        T::Text => Wanted::No,
        T::Bytea if stored.blobs > 0 => Wanted::Offered,
        T::Bytea => Wanted::No,
    }
}

fn every(stored: &Stored) -> String {
    match stored.values() {
        1 => "the only value".to_owned(),
        values => format!("all {} values", format::exact(values)),
    }
}

/// What is stored in words, most frequent first.
pub fn inventory(stored: &Stored) -> String {
    let mut found: Vec<(&'static str, &Places)> = stored
        .forms
        .iter()
        .map(|facts| (facts.form.words(), &facts.places))
        .collect();
    found.sort_by_key(|(_, places)| std::cmp::Reverse(places.count));
    if let [(words, _)] = found.as_slice() {
        return (*words).to_owned();
    }
    let shown: Vec<String> = found
        .iter()
        .take(3)
        .map(|(words, places)| format!("{words} ({})", format::exact(places.count)))
        .collect();
    match found.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} other forms", shown.join(", ")),
    }
}

#[cfg(test)]
#[path = "propose_tests.rs"]
mod tests;
