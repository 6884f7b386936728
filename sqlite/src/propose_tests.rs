//! Each rule for types, one by one.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use contract::import::{ColumnType as T, Conversion as C, Places, Proposal};
use rusqlite::types::ValueRef::{self, Blob, Integer, Null, Real};

use super::{super::tally::Tally, Forms, Part, could_become_equal, propose};

fn of(declared: &str, values: &[ValueRef<'_>]) -> Proposal {
    as_part(declared, Part::default(), values)
}

fn as_part(declared: &str, part: Part, values: &[ValueRef<'_>]) -> Proposal {
    let mut tally = Tally::default();
    for (row, value) in (1..).zip(values) {
        tally.add(row, *value);
    }
    propose(declared, part, &tally.finish())
}

fn text(value: &str) -> ValueRef<'_> {
    ValueRef::Text(value.as_bytes())
}

fn against(proposal: &Proposal, to: T) -> Option<Places> {
    proposal
        .others
        .iter()
        .find(|it| it.column_type == to)
        .map(|it| it.against.clone())
}

fn rows(rows: &[i64]) -> Option<Places> {
    Some(Places {
        count: i64::try_from(rows.len()).unwrap(),
        first: rows.to_vec(),
    })
}

/// The type and conversion of columns, by what they hold.
fn check(cases: &[(&str, &[ValueRef<'_>], T, Option<C>)]) {
    for (declared, values, column_type, conversion) in cases {
        let proposal = of(declared, values);
        assert_eq!(
            (proposal.column_type, proposal.conversion),
            (*column_type, *conversion),
            "{declared} {values:?}: {}",
            proposal.reason
        );
    }
}

#[test]
fn numbers_follow_what_is_stored() {
    check(&[
        ("INT", &[Integer(i64::MAX), Null, Integer(-1)], T::Bigint, None),
        (
            "FLOAT4",
            &[Real(0.1), Real(f64::INFINITY), Real(-0.0), Real(5e-324)],
            T::Double,
            None,
        ),
        ("DECIMAL(10,2)", &[Real(0.1), Integer(3)], T::Numeric, None),
        ("NUMERIC", &[Integer(3)], T::Numeric, None),
        ("INTEGER", &[Integer(1), Real(1.5)], T::Double, None),
        (
            "INTEGER",
            &[Integer(9_007_199_254_740_993), Real(1.5)],
            T::Numeric,
            None,
        ),
        ("POINT", &[Integer(2)], T::Bigint, None),
        ("STRING", &[Integer(501)], T::Bigint, None),
        ("", &[Integer(2)], T::Bigint, None),
        ("TEXT", &[text("00501"), text("7")], T::Text, None),
        (
            "INTEGER",
            &[Integer(1), text("many")],
            T::Text,
            Some(C::NumberToText),
        ),
        (
            "INTEGER",
            &[Integer(1), Blob(&[0xff])],
            T::Text,
            Some(C::BlobToHex),
        ),
    ]);
    let mixed = of("INTEGER", &[Integer(1), text("many"), Integer(3), text("few")]);
    assert_eq!(against(&mixed, T::Bigint), rows(&[2, 4]));
    let padded = of("TEXT", &[text("1"), text("7"), text("007")]);
    assert_eq!(against(&padded, T::Bigint), rows(&[3]));
}

#[test]
fn booleans_need_every_value() {
    check(&[
        (
            "BOOLEAN",
            &[Integer(0), Integer(1), Null],
            T::Boolean,
            Some(C::TruthValues),
        ),
        ("BOOL", &[text("t"), text("f")], T::Boolean, Some(C::TruthValues)),
        (
            "BOOLEAN",
            &[text("true"), text("FALSE"), Integer(1)],
            T::Boolean,
            Some(C::TruthValues),
        ),
        (
            "BOOLEAN",
            &[text("y"), text("n")],
            T::Boolean,
            Some(C::TruthValues),
        ),
        (
            "BOOLEAN",
            &[Real(1.0), Real(0.0)],
            T::Boolean,
            Some(C::TruthValues),
        ),
        ("BOOLEAN", &[Integer(0), Integer(2)], T::Bigint, None),
        ("BOOLEAN", &[Integer(0), Integer(-1)], T::Bigint, None),
        (
            "BOOLEAN",
            &[Integer(0), text("maybe")],
            T::Text,
            Some(C::NumberToText),
        ),
        ("INTEGER", &[Integer(0), Integer(1)], T::Bigint, None),
    ]);
    assert_eq!(
        against(&of("BOOLEAN", &[Integer(0), Integer(2)]), T::Boolean),
        rows(&[2])
    );
    assert_eq!(
        against(&of("INTEGER", &[Integer(0), Integer(1)]), T::Boolean),
        rows(&[])
    );
    let key = Part {
        unique: true,
        key: true,
        indexed: false,
    };
    assert_eq!(against(&as_part("INTEGER", key, &[Integer(1)]), T::Boolean), None);
}

#[test]
fn iso_texts_become_times_when_a_time_is_declared() {
    check(&[
        (
            "DATETIME",
            &[text("2024-05-01 10:00:00.123456"), text("2024-05-01T10:00:00")],
            T::Timestamp,
            Some(C::IsoText),
        ),
        (
            "TIMESTAMP",
            &[text("2024-05-01T10:00:00Z"), text("2024-05-01 10:00:00+02:00")],
            T::Timestamptz,
            Some(C::IsoText),
        ),
        ("DATE", &[text("2024-05-01")], T::Date, Some(C::IsoText)),
        (
            "DATETIME",
            &[text("2024-05-01"), text("2024-05-01 10:00")],
            T::Timestamp,
            Some(C::IsoText),
        ),
        (
            "DATETIME",
            &[text("2024-05-01 10:00:00"), text("2024-05-01 10:00:00Z")],
            T::Text,
            None,
        ),
        ("TEXT", &[text("2024-05-01 10:00:00")], T::Text, None),
        (
            "TIME",
            &[text("10:00:00"), text("23:30:01.5")],
            T::Time,
            Some(C::IsoText),
        ),
        ("TIME", &[text("10:00:00"), text("24:00")], T::Text, None),
        ("TIME WITH TIME ZONE", &[text("10:00:00+02")], T::Text, None),
    ]);
    for odd in [
        "",
        "0000-00-00",
        "2024-05-01 24:00:00",
        "2024-05-01 10:00:60",
        "2024-05-01 10:00:00.123456789",
        "10000-01-01",
        "soon",
    ] {
        let proposal = of("DATETIME", &[text("2024-05-01 10:00:00"), text(odd)]);
        assert_eq!(
            (proposal.column_type, proposal.conversion),
            (T::Text, None),
            "{odd}"
        );
        assert_eq!(against(&proposal, T::Timestamp), rows(&[2]), "{odd}");
    }
    assert_eq!(
        against(&of("TEXT", &[text("2024-05-01 10:00:00")]), T::Timestamp),
        rows(&[])
    );
}

#[test]
fn numbers_become_times_only_when_that_is_sure() {
    check(&[
        (
            "DATETIME",
            &[Integer(1_700_000_000)],
            T::Timestamptz,
            Some(C::UnixSeconds),
        ),
        (
            "DATETIME",
            &[Integer(1_700_000_000_000)],
            T::Timestamptz,
            Some(C::UnixMillis),
        ),
        (
            "DATETIME",
            &[Integer(1_700_000_000_000_000)],
            T::Timestamptz,
            Some(C::UnixMicros),
        ),
        (
            "DATETIME",
            &[Real(1_700_000_000.25), Integer(1_700_000_000)],
            T::Timestamptz,
            Some(C::RealSeconds),
        ),
        (
            "DATETIME",
            &[Real(2_460_000.25), Integer(2_460_001)],
            T::Timestamp,
            Some(C::JulianDays),
        ),
        ("DATETIME", &[Integer(2_460_001)], T::Bigint, None),
        ("DATETIME", &[Real(721_692_800.5)], T::Double, None),
        ("DATETIME", &[Integer(13_350_000_000_000_000)], T::Bigint, None),
        ("DATETIME", &[Integer(1_700_000_000), Integer(0)], T::Bigint, None),
        (
            "DATETIME",
            &[Integer(1_700_000_000), text("2024-05-01 10:00:00")],
            T::Timestamp,
            Some(C::EachByItsForm),
        ),
        (
            "DATETIME",
            &[Integer(1_700_000_000), text("2024-05-01 10:00:00Z")],
            T::Timestamptz,
            Some(C::EachByItsForm),
        ),
        (
            "DATETIME",
            &[Integer(1_700_000_000), text("soon")],
            T::Text,
            Some(C::NumberToText),
        ),
        ("INTEGER", &[Integer(1_700_000_000)], T::Bigint, None),
    ]);
    assert_eq!(
        against(
            &of("DATETIME", &[Integer(1_700_000_000), Integer(0)]),
            T::Timestamptz
        ),
        rows(&[2])
    );
    assert_eq!(
        against(&of("INTEGER", &[Integer(1_700_000_000)]), T::Timestamptz),
        rows(&[])
    );
}

#[test]
fn a_cast_that_could_make_unique_values_equal_is_refused() {
    let unique = Part {
        unique: true,
        key: false,
        indexed: false,
    };
    let spelled = [text("2024-05-01 10:00:00"), text("2024-05-01T10:00:00")];
    assert_eq!(as_part("DATETIME", unique, &spelled).column_type, T::Text);
    assert_eq!(of("DATETIME", &spelled).column_type, T::Timestamp);
    let alike = [text("2024-05-01 10:00:00"), text("2024-05-02 10:00:00")];
    assert_eq!(as_part("DATETIME", unique, &alike).column_type, T::Timestamp);
    let words = [text("t"), text("true")];
    assert_eq!(as_part("BOOLEAN", unique, &words).column_type, T::Text);
}

#[test]
fn text_and_bytes_stay_what_they_are() {
    check(&[
        ("TEXT", &[text("a\tb\r\n\\."), text("")], T::Text, None),
        (
            "TEXT",
            &[ValueRef::Text(b"\xff"), ValueRef::Text(b"a\0")],
            T::Text,
            None,
        ),
        ("BLOB", &[Blob(&[0, 0xff])], T::Bytea, None),
        (
            "BLOB",
            &[Blob(&[0, 0xff]), text("a")],
            T::Bytea,
            Some(C::TextToBytes),
        ),
        ("BLOB", &[text("a")], T::Bytea, Some(C::TextToBytes)),
        ("TEXT", &[text("a"), Blob(b"b")], T::Text, Some(C::BlobToText)),
        (
            "TEXT",
            &[text("a"), Blob(&[0xff])],
            T::Bytea,
            Some(C::TextToBytes),
        ),
        ("TEXT", &[Null], T::Text, None),
    ]);
}

#[test]
fn uuids_are_found_without_a_declaration() {
    const ONE: &str = "0a1b2c3d-0000-4000-8000-000000000001";
    check(&[
        ("VARCHAR(36)", &[text(ONE), Null], T::Uuid, Some(C::Uuid)),
        ("UUID", &[text(ONE)], T::Uuid, Some(C::Uuid)),
        ("UUID", &[Blob(&[0xff; 16])], T::Uuid, Some(C::Uuid)),
        ("BLOB", &[Blob(&[0xff; 16])], T::Bytea, None),
        ("TEXT", &[text(ONE), text("none")], T::Text, None),
        (
            "TEXT",
            &[text("0A1B2C3D-0000-4000-8000-000000000001")],
            T::Text,
            None,
        ),
    ]);
    assert_eq!(
        against(&of("TEXT", &[text(ONE), text("none")]), T::Uuid),
        rows(&[2])
    );
}

#[test]
fn json_becomes_jsonb_only_when_nothing_would_change() {
    check(&[
        (
            "JSON",
            &[text("{\"a\": 1}"), Integer(5), text("[]"), Null],
            T::Jsonb,
            Some(C::Json),
        ),
        ("JSON", &[text("{\"a\": 1, \"a\": 2}")], T::Json, None),
        ("JSON", &[text("{\"bb\": 1, \"a\": 2}")], T::Json, None),
        ("JSON", &[text("[NaN]")], T::Text, None),
        ("JSON", &[text("[\"\\u0000\"]")], T::Json, None),
        (
            "JSON",
            &[text("[1234567890123456789012345678901234567890]")],
            T::Json,
            None,
        ),
        ("JSON", &[Blob(b"{\"a\": 1}")], T::Jsonb, Some(C::Json)),
        ("JSON", &[Blob(&[0x2b, 0x13, b'7'])], T::Jsonb, Some(C::Json)),
        (
            "JSON",
            &[Blob(b"{\"bb\": 1, \"a\": 1}")],
            T::Json,
            Some(C::JsonText),
        ),
        ("TEXT", &[text("{\"a\": 1}")], T::Text, None),
    ]);
    // An index needs an order, which json has not.
    let indexed = Part {
        indexed: true,
        ..Part::default()
    };
    let ordered = as_part("JSON", indexed, &[text("{\"bb\": 1, \"a\": 2}")]);
    assert_eq!(
        (ordered.column_type, against(&ordered, T::Json).is_some()),
        (T::Text, true)
    );
    assert_eq!(against(&of("TEXT", &[text("{\"a\": 1}")]), T::Jsonb), rows(&[]));
    assert_eq!(
        against(&of("JSON", &[text("{}"), text("[NaN]")]), T::Jsonb),
        rows(&[2])
    );
}

#[test]
fn an_empty_column_goes_by_its_declaration() {
    for (declared, expected) in [
        ("BOOLEAN", T::Boolean),
        ("DATETIME", T::Timestamp),
        ("DATE", T::Date),
        ("TIME", T::Time),
        ("TIMESTAMP WITH TIME ZONE", T::Timestamptz),
        ("TIMESTAMP WITHOUT TIME ZONE", T::Timestamp),
        ("JSON", T::Jsonb),
        ("DECIMAL(8,2)", T::Numeric),
        ("INT", T::Bigint),
        ("REAL", T::Double),
        ("VARCHAR(9)", T::Text),
        ("BLOB", T::Bytea),
        ("", T::Text),
        ("WHATEVER", T::Text),
    ] {
        assert_eq!(of(declared, &[]).column_type, expected, "{declared}");
        assert_eq!(of(declared, &[Null]).others, [], "{declared}");
    }
}

#[test]
fn values_of_several_kinds_may_become_equal() {
    let could = |to, values: &[ValueRef<'_>]| {
        let mut tally = Tally::default();
        for (row, value) in (1..).zip(values) {
            tally.add(row, *value);
        }
        could_become_equal(to, &Forms(&tally.finish()))
    };
    for (values, expected) in [
        (&[Integer(5), text("5")][..], true),
        (&[Integer(5), text("05")], true),
        (&[Real(5.5), text("5.5")], true),
        (&[Real(f64::INFINITY), text("Inf")], true),
        (&[text("a"), Blob(b"a")], true),
        (&[Integer(7), Blob(b"7")], true),
        (&[Integer(5), text("five")], false),
        (&[Integer(5), Blob(b"\xff")], false),
        (&[Integer(5), Real(5.5), Null], false),
        (&[text("5"), text("05")], false),
    ] {
        assert_eq!(could(T::Text, values), expected, "{values:?}");
    }
    assert!(could(T::Bytea, &[text("a"), Blob(b"\xff")]));
    assert!(could(T::Bigint, &[text("5"), Integer(5)]));
    assert!(!could(T::Bigint, &[text("5"), text("6")]));
}
