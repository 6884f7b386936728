#![expect(clippy::unwrap_used, reason = "a wrong translation fails the test")]

use super::*;

fn column(name: &str, column_type: ColumnType, conversion: Option<Conversion>) -> Column {
    let affinity = match column_type {
        ColumnType::Text => Affinity::Text,
        ColumnType::Bigint => Affinity::Integer,
        ColumnType::Double => Affinity::Real,
        ColumnType::Bytea => Affinity::Blob,
        _ => Affinity::Numeric,
    };
    Column {
        source: name.into(),
        name: name.into(),
        column_type,
        conversion,
        affinity,
        spelling: None,
        nocase: false,
    }
}

fn table() -> Table {
    let columns = vec![
        column("a", ColumnType::Bigint, None),
        column("b", ColumnType::Text, None),
        Column {
            nocase: true,
            ..column("email", ColumnType::Text, None)
        },
        column("flag", ColumnType::Boolean, Some(Conversion::TruthValues)),
        column("r", ColumnType::Double, None),
        column("day", ColumnType::Date, Some(Conversion::IsoText)),
        column("at", ColumnType::Timestamp, Some(Conversion::IsoText)),
        column("since", ColumnType::Timestamptz, Some(Conversion::UnixSeconds)),
        column("data", ColumnType::Jsonb, Some(Conversion::Json)),
        Column {
            name: "Renamed".into(),
            ..column("x y", ColumnType::Bigint, None)
        },
    ];
    Table {
        source: "t".into(),
        name: "t".into(),
        columns,
        rowid_alias: Some("a".into()),
    }
}

#[test]
fn defaults_take_the_type_of_their_column() {
    use ColumnType::{Bigint, Boolean, Bytea, Date, Double, Jsonb, Text, Timestamp, Timestamptz, Uuid};
    let iso = Some(Conversion::IsoText);
    let cases = [
        ("'5'", Bigint, None, Some("5")),
        ("5", Text, None, Some("'5'")),
        ("\"x\"", Text, None, Some("'x'")),
        ("word", Text, None, Some("'word'")),
        ("NULL", Text, None, None),
        ("(1 + 1)", Bigint, None, Some("1::bigint + 1")),
        ("-1", Bigint, None, Some("-1")),
        ("+1", Bigint, None, Some("1")),
        ("1.0", Bigint, None, Some("1")),
        ("1", Double, None, Some("1")),
        ("FALSE", Boolean, Some(Conversion::TruthValues), Some("false")),
        ("1", Boolean, Some(Conversion::TruthValues), Some("true")),
        ("'y'", Boolean, Some(Conversion::TruthValues), Some("true")),
        ("x'00ff'", Bytea, None, Some("'\\x00ff'::bytea")),
        ("0x10", Bigint, None, Some("16")),
        ("'[]'", Jsonb, Some(Conversion::Json), Some("'[]'")),
        ("'{\"a\":1}'", Jsonb, Some(Conversion::Json), Some("'{\"a\":1}'")),
        ("'2024-02-29'", Date, iso, Some("'2024-02-29'")),
        (
            "'2024-02-29T10:00:00'",
            Timestamp,
            iso,
            Some("'2024-02-29 10:00:00'"),
        ),
        (
            "current_timestamp",
            Timestamp,
            iso,
            Some("date_trunc('second', (statement_timestamp() at time zone 'UTC'))"),
        ),
        (
            "current_date",
            Date,
            iso,
            Some("(statement_timestamp() at time zone 'UTC')::date"),
        ),
        (
            "datetime('now')",
            Text,
            None,
            Some(
                "to_char(date_trunc('second', (statement_timestamp() at time zone 'UTC')), 'YYYY-MM-DD HH24:MI:SS')",
            ),
        ),
        (
            "strftime('%s', 'now')",
            Timestamptz,
            Some(Conversion::UnixSeconds),
            Some(
                "to_timestamp(floor(extract(epoch from (statement_timestamp() at time zone 'UTC')))::bigint)",
            ),
        ),
        (
            "lower(hex(randomblob(16)))",
            Uuid,
            Some(Conversion::Uuid),
            Some("gen_random_uuid()"),
        ),
    ];
    for (sql, column_type, conversion, expected) in cases {
        assert_eq!(
            default(sql, &column("c", column_type, conversion))
                .unwrap()
                .as_deref(),
            expected,
            "{sql}"
        );
    }
    let random = default("('r'||lower(hex(randomblob(7))))", &column("c", Text, None))
        .unwrap()
        .unwrap();
    assert!(
        random.contains("sha256(uuid_send(gen_random_uuid()))"),
        "{random}"
    );
}

#[test]
fn defaults_that_do_not_fit_are_refused() {
    use ColumnType::{Bigint, Boolean, Date, Jsonb, Timestamp};
    for (sql, column_type) in [
        ("'abc'", Bigint),
        ("1.5", Bigint),
        ("2", Boolean),
        ("''", Timestamp),
        ("'2023-02-29'", Date),
        ("'24:00'", Timestamp),
        ("''", Jsonb),
        ("'{a'", Jsonb),
        ("datetime('now', 'localtime')", Timestamp),
        ("random()", Bigint),
        ("current_timestamp", Date),
        ("(", Bigint),
    ] {
        assert!(default(sql, &column("c", column_type, None)).is_err(), "{sql}");
    }
}

#[test]
fn checks_keep_their_meaning() {
    for (sql, expected) in [
        ("a", "\"a\" <> 0"),
        ("flag in (0, 1)", "\"flag\" in (false, true)"),
        ("b in ('x', \"y\")", "\"b\" in ('x', 'y')"),
        ("a >= '0'", "\"a\" >= 0"),
        ("[x y] > 0 and `b` <> ''", "\"Renamed\" > 0 and \"b\" <> ''"),
        (
            "length(b) <= 10 OR b IS NULL",
            "length(\"b\") <= 10 or \"b\" is null",
        ),
        (
            "typeof(a) = 'integer'",
            "case when \"a\" is null then 'null' else 'integer' end = 'integer'",
        ),
        (
            "json_valid(data) or data is null",
            "case when \"data\" is not null then true end or \"data\" is null",
        ),
        ("day >= '2000-01-01'", "\"day\" >= date '2000-01-01'"),
        (
            "since > 0",
            "extract(epoch from \"since\" at time zone 'UTC')::bigint > 0",
        ),
        ("b like 'a%'", "\"b\" collate \"C\" ilike 'a%'"),
        ("b glob '[0-9]*'", "\"b\" collate \"C\" ~ '^(?:[0-9].*)$'"),
        ("not (a between 1 and 5)", "not \"a\" between 1 and 5"),
        ("a / r > 1", "\"a\"::double precision / nullif(\"r\", 0) > 1"),
        (
            "email = 'X'",
            "lower(\"email\" collate \"C\") = lower('X' collate \"C\")",
        ),
    ] {
        assert_eq!(check(sql, &table()).unwrap(), expected, "{sql}");
    }
}

#[test]
fn checks_that_are_not_sure_are_refused() {
    for sql in [
        "at > '2024-01-01'",
        "b > r",
        "b + 1",
        "b",
        "at = 'now'",
        "(select 1)",
        "gone = 1",
        "a || b * 2 = 'x'",
        "r || '' = '1.0'",
    ] {
        let reason = check(sql, &table()).unwrap_err();
        assert!(reason.ends_with('.') && !reason.is_empty(), "{sql}: {reason}");
    }
}

#[test]
fn generated_columns_are_immutable() {
    let text = column("g", ColumnType::Text, None);
    let number = column("g", ColumnType::Bigint, None);
    let day = column("g", ColumnType::Date, None);
    assert_eq!(generated("a * 2", &number, &table()).unwrap(), "\"a\" * 2");
    assert_eq!(
        generated("'n' || a", &text, &table()).unwrap(),
        "'n' || \"a\"::text"
    );
    assert_eq!(
        generated("lower(b)", &text, &table()).unwrap(),
        "lower(\"b\" collate \"C\")"
    );
    assert_eq!(generated("a > 5", &number, &table()).unwrap(), "(\"a\" > 5)::int");
    assert!(generated("strftime('%Y', at)", &text, &table()).is_err());
    assert!(generated("random()", &number, &table()).is_err());
    assert_eq!(generated("date(at)", &day, &table()).unwrap(), "\"at\"::date");
}

#[test]
fn indexes_are_translated() {
    let sql = |sql: &str| index(sql, &table()).unwrap();
    assert_eq!(
        sql("create index i on t (a, b desc)").keys,
        ["\"a\"", "\"b\" desc"]
    );
    assert_eq!(
        sql("create index i on t (b collate nocase)").keys,
        ["lower(\"b\")"]
    );
    assert_eq!(sql("create index i on t (email)").keys, ["lower(\"email\")"]);
    assert_eq!(
        sql("create unique index i on t (email)").keys,
        ["lower(\"email\" collate \"C\")"]
    );
    assert_eq!(
        sql("create unique index i on t (email collate binary)").keys,
        ["\"email\""]
    );
    assert_eq!(
        sql("create index i on t (b collate rtrim desc)").keys,
        ["rtrim(\"b\") desc"]
    );
    assert_eq!(
        sql("create index i on t ((lower(b)) desc, a)").keys,
        ["lower(\"b\") desc", "\"a\""]
    );
    assert_eq!(sql("create index i on t (a + 1)").keys, ["(\"a\" + 1)"]);
    assert_eq!(sql("create index i on t (date(at))").keys, ["(\"at\"::date)"]);
    assert_eq!(
        sql("create index i on t (data -> '$.x')").keys,
        ["(\"data\" #> '{x}')"]
    );
    assert_eq!(
        sql("create unique index i on t (a) where flag")
            .predicate
            .unwrap(),
        "\"flag\""
    );
    assert_eq!(
        sql("create index i on t (a) where b != ''").predicate.unwrap(),
        "\"b\" <> ''"
    );
    for refused in [
        "create index i on t (\"no column\")",
        "create index i on t (b collate unicase)",
        "create index i on t (strftime('%Y-%m', at) || 'x')",
        "create index i on t (a) where at > datetime('now')",
    ] {
        assert!(index(refused, &table()).is_err(), "{refused}");
    }
}

#[test]
fn a_view_tells_its_columns_to_the_next() {
    let mut schema = Schema {
        name: "s".into(),
        tables: vec![table()],
    };
    let first = view(
        "create view v (n, f) as select a, flag from t where flag = 1",
        &schema,
        "v",
    )
    .unwrap();
    assert_eq!(
        first.sql,
        "create view \"s\".\"v\" (\"n\", \"f\") as\nselect \"t\".\"a\" as \"a\", \"t\".\"flag\" as \"flag\"\nfrom \"s\".\"t\" as \"t\"\nwhere \"t\".\"flag\" = true"
    );
    schema.tables.push(first.table);
    let second = view(
        "create view w as select *, n as N from v where f = 0",
        &schema,
        "w",
    )
    .unwrap();
    assert!(second.sql.contains("(\"n\", \"f\", \"N:1\")"), "{}", second.sql);
    assert!(
        second.sql.ends_with("where \"v\".\"f\" = false"),
        "{}",
        second.sql
    );
    assert!(view("create view w as select gone from v", &schema, "w").is_err());
    assert!(view("create view w as select name from sqlite_master", &schema, "w").is_err());
}

#[test]
fn deep_trees_are_refused_before_the_stack_ends() {
    let chain = |count: usize| vec!["a = 1"; count].join(" or ");
    let run = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
        assert!(check(&chain(390), &table()).is_ok());
        assert!(check(&chain(1000), &table()).is_err());
        let nested = |depth: usize| format!("{}a{} > 0", "abs(".repeat(depth), ")".repeat(depth));
        assert!(check(&nested(10), &table()).is_ok());
        assert!(check(&nested(900), &table()).is_err());
    });
    run.unwrap().join().unwrap();
}

#[test]
fn what_files_have_in_the_field_is_known_or_refused() {
    let number = column("g", ColumnType::Bigint, None);
    assert_eq!(generated("abs(a)", &number, &table()).unwrap(), "abs(\"a\")");
    assert!(
        generated("their_own(a)", &number, &table())
            .unwrap_err()
            .contains("their_own()")
    );
    let schema = Schema {
        name: "s".into(),
        tables: vec![table()],
    };
    assert!(
        view("create view w as select * from gone", &schema, "w")
            .unwrap_err()
            .contains("gone")
    );
    assert!(view("create view w as select ifnull(a, 0) as v from t", &schema, "w").is_ok());
    let made = trigger(
        "create trigger no_minus before insert on t when new.a < 0 begin select raise(abort, 'no'); end",
        &schema,
    );
    let [function, called] = made.unwrap().create.try_into().unwrap();
    assert!(
        function.contains("raise exception using message = 'no';"),
        "{function}"
    );
    assert!(called.contains("when (new.\"a\" < 0)"), "{called}");
}
