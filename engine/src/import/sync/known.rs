//! Which forms of values a later run brings over. How a column is written was decided by the values that it had when the
//! file was looked at; a value of another form would be changed without a word.

use contract::import::{ColumnType, Form, Inspection, Stored};
use sqlite::encode::{BlobsAs, Encoder, Known};

use super::super::plan::{ColumnPlan, TablePlan};

/// A table that refuses values of forms that were not known.
pub(super) fn strict(table: &TablePlan, inspection: &Inspection) -> TablePlan {
    let mut table = table.clone();
    let facts = inspection.tables.iter().find(|facts| facts.name == table.source);
    for ColumnPlan { source, encoder, .. } in &mut table.columns {
        let stored = facts
            .iter()
            .flat_map(|facts| &facts.columns)
            .find(|column| Some(&column.name) == source.as_ref())
            .map(|column| &column.stored);
        encoder.only = Some(match stored {
            Some(stored) => forms(stored, *encoder),
            None => unchanged(encoder.to),
        });
    }
    table
}

/// Forms that were found in the column, those that its type keeps as they are, and those that are written in the same way
/// as one that was found.
fn forms(stored: &Stored, encoder: Encoder) -> Known {
    let found = Known::of(stored.forms.iter().map(|facts| facts.form));
    alike(encoder)
        .into_iter()
        .filter(|class| class.meets(found))
        .fold(found.and(unchanged(encoder.to)), Known::and)
}

/// Forms that a type keeps as they are.
fn unchanged(to: ColumnType) -> Known {
    use Form as F;
    match to {
        ColumnType::Bigint => Known::INTEGERS,
        // A number that a double cannot hold exactly is refused where it is written.
        ColumnType::Double => Known::INTEGERS.and(Known::REALS),
        ColumnType::Numeric => Known::INTEGERS
            .and(Known::REALS)
            .without(Known::one(F::NegativeZero)),
        ColumnType::Boolean => Known::one(F::ZeroOne),
        ColumnType::Text => Known::TEXTS.without(Known::of([F::Nul, F::NotUtf8])),
        ColumnType::Bytea => Known::BLOBS,
        ColumnType::Date => Known::one(F::Date),
        ColumnType::Time => Known::one(F::TimeOfDay),
        ColumnType::Json => Known::of([
            F::Json,
            F::JsonScalar,
            F::JsonKeyOrder,
            F::JsonKeyTwice,
            F::JsonEscape,
            F::JsonNumber,
            F::TrueFalse,
            F::IntegerText,
            F::DecimalText,
            F::ZeroOneText,
        ]),
        ColumnType::Timestamp => Known::one(F::Naive),
        ColumnType::Timestamptz => Known::one(F::Offset),
        ColumnType::Uuid => Known::one(F::Uuid),
        ColumnType::Jsonb => Known::of([
            F::Json,
            F::JsonScalar,
            F::TrueFalse,
            F::IntegerText,
            F::DecimalText,
            F::ZeroOneText,
        ]),
    }
}

/// Forms that are written in one and the same way: with one of them, the others are known too.
fn alike(encoder: Encoder) -> Vec<Known> {
    use Form as F;
    match encoder.to {
        ColumnType::Bigint => vec![Known::of([F::IntegerText, F::ZeroOneText])],
        ColumnType::Numeric => vec![Known::of([F::IntegerText, F::ZeroOneText, F::DecimalText])],
        ColumnType::Text => {
            let blobs = match encoder.blobs {
                BlobsAs::Text => Known::of([
                    F::EmptyBlob,
                    F::TextBlob,
                    F::SixteenBytesText,
                    F::JsonBlob,
                    F::JsonBlobChanging,
                ]),
                BlobsAs::Json => Known::of([
                    F::JsonBlob,
                    F::JsonBlobChanging,
                    F::BinaryJson,
                    F::BinaryJsonChanging,
                ]),
                BlobsAs::Hex => Known::BLOBS,
            };
            vec![Known::INTEGERS, Known::REALS, blobs]
        }
        ColumnType::Bytea => vec![Known::INTEGERS, Known::REALS, Known::TEXTS],
        ColumnType::Jsonb => {
            let reals = Known::REALS.without(Known::of([F::NegativeZero, F::NotFinite]));
            vec![Known::INTEGERS, reals, Known::of([F::JsonBlob, F::BinaryJson])]
        }
        ColumnType::Json => {
            let blobs = Known::of([
                F::JsonBlob,
                F::JsonBlobChanging,
                F::BinaryJson,
                F::BinaryJsonChanging,
            ]);
            vec![
                Known::INTEGERS,
                Known::REALS.without(Known::one(F::NotFinite)),
                blobs,
            ]
        }
        ColumnType::Uuid => vec![Known::of([F::SixteenBytes, F::SixteenBytesText])],
        ColumnType::Double
        | ColumnType::Boolean
        | ColumnType::Time
        | ColumnType::Timestamp
        | ColumnType::Timestamptz
        | ColumnType::Date => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use contract::import::{FormFacts, Places, TextPolicy};
    use rusqlite::types::ValueRef;

    use super::*;

    /// Whether a value is written to a column that had values of these forms.
    fn takes(to: ColumnType, found: &[Form], value: ValueRef<'_>) -> bool {
        let stored = Stored {
            forms: found
                .iter()
                .map(|form| FormFacts {
                    form: *form,
                    places: Places::default(),
                })
                .collect(),
            ..Stored::default()
        };
        let mut encoder = Encoder {
            to,
            text: TextPolicy::Replace,
            blobs: BlobsAs::Text,
            only: None,
        };
        encoder.only = Some(forms(&stored, encoder));
        encoder.write(value, &mut Vec::new()).is_ok()
    }

    #[test]
    fn what_a_type_keeps_is_brought_over_and_what_it_would_change_is_not() {
        use ColumnType as C;
        let text = |text: &'static str| ValueRef::Text(text.as_bytes());
        // Tables that had no rows get their first ones.
        assert!(takes(C::Bigint, &[], ValueRef::Integer(1_700_000_000)));
        assert!(takes(C::Boolean, &[], ValueRef::Integer(1)));
        assert!(takes(C::Text, &[], text("007")));
        assert!(takes(C::Timestamp, &[], text("2024-05-01 10:00:00")));
        assert!(takes(C::Bytea, &[Form::Blob], ValueRef::Blob(b"text")));
        assert!(takes(C::Double, &[Form::Real], ValueRef::Real(-0.0)));
        for (to, found, value) in [
            (C::Bigint, Form::Integer, text("007")),
            (C::Bigint, Form::Integer, text("7")),
            (C::Bigint, Form::IntegerText, text("007")),
            (C::Boolean, Form::ZeroOne, text("Y")),
            (C::Bytea, Form::Blob, ValueRef::Integer(7)),
            (C::Bytea, Form::Blob, text("7")),
            (C::Text, Form::Text, text("a\0b")),
            (C::Text, Form::Text, ValueRef::Integer(7)),
            (C::Text, Form::TextBlob, ValueRef::Blob(b"\xff")),
            (C::Numeric, Form::Real, ValueRef::Real(-0.0)),
            (C::Timestamp, Form::Naive, ValueRef::Integer(1_700_000_000)),
            (C::Uuid, Form::Uuid, ValueRef::Blob(&[7; 16])),
            (C::Jsonb, Form::Json, ValueRef::Integer(7)),
        ] {
            assert!(!takes(to, &[found], value), "{to:?} {value:?}");
        }
        assert!(takes(C::Bigint, &[Form::ZeroOneText], text("12")));
        assert!(takes(C::Text, &[Form::Integer], ValueRef::Integer(1)));
        assert!(takes(C::Boolean, &[Form::BooleanWord], text("Y")));
        assert!(takes(C::Text, &[Form::Nul], text("a\0b")));
        assert!(takes(C::Time, &[], text("10:30")) && !takes(C::Time, &[], text("24:00")));
        assert!(takes(C::Json, &[], text("{\"b\": 1, \"a\": 1}")) && !takes(C::Json, &[], text("[NaN]")));
        assert!(takes(
            C::Uuid,
            &[Form::SixteenBytes],
            ValueRef::Blob(b"0123456789abcdef")
        ));
    }
}
