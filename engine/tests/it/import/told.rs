//! What an import says of itself is so: verdicts, counts and ways on.

use std::path::PathBuf;

use contract::import::{ColumnChoice, ColumnType, ImportReport, ImportState, Mapping, TextPolicy, Verdict};
use rusqlite::Connection;

use super::{
    behaviour::{ask, run},
    compare::differences,
    run::{Runner, into},
};

/// A file made by statements. Rows without a parent are let in, as in files of most programs.
fn file_of(runner: &Runner, name: &str, sql: &str) -> PathBuf {
    let file = runner.folder.path().join(name);
    let connection = Connection::open(&file).unwrap();
    connection.execute_batch("pragma foreign_keys = off").unwrap();
    connection.execute_batch(sql).unwrap();
    file
}

fn said(report: &ImportReport, words: &str) -> usize {
    report
        .items
        .iter()
        .filter(|item| item.words.contains(words))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_reals_arrive_and_nothing_that_is_only_told_stops_an_import() {
    let runner = Runner::new().await;
    let file = file_of(
        &runner,
        "reals.db",
        "create table c(id integer primary key, m real);
         insert into c values (1, 1.7976931348623157e308), (2, -1.7976931348623157e308), (3, 5e-324);",
    );
    let report = runner.import(&file, into("public")).await.unwrap();
    assert_eq!(report.verdict, Verdict::Identical, "{}", report.summary());
    for (of, expected) in [
        ("max", "1.7976931348623157e+308"),
        ("min", "-1.7976931348623157e+308"),
    ] {
        assert_eq!(
            ask(&runner.pool, &format!("select {of}(m) from c"))
                .await
                .unwrap(),
            expected
        );
    }
    // SQL that ends in U+0000, which the console's own database cannot keep.
    let file = file_of(
        &runner,
        "nul.db",
        "create table n(v text);
         insert into n values ('a');
         pragma writable_schema = on;
         update sqlite_schema set sql = sql || char(0) || 'x';",
    );
    let report = runner.import(&file, into("nul")).await.unwrap();
    assert_eq!(report.verdict, Verdict::Identical, "{}", report.summary());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_beside_a_key_that_cannot_be_checked_is_counted() {
    let runner = Runner::new().await;
    let file = file_of(
        &runner,
        "f.db",
        "create table p(id integer primary key, nu text);
         create table c(id integer primary key, p integer references p(id), nu text references p(nu));
         insert into p values (1, 'a'), (2, 'a');
         insert into c values (1, 1, 'a'), (2, 9, 'a');",
    );
    let report = runner.import(&file, into("public")).await.unwrap();
    // The key to a column that is not unique is not carried over.
    assert_eq!(
        report.verdict,
        Verdict::Explained,
        "{} {:?}",
        report.summary(),
        report.items
    );
    assert!(
        report
            .summary()
            .contains("one thing of the file is not carried over"),
        "{}",
        report.summary()
    );
    assert_eq!(
        said(&report, "The foreign key c (nu) → p (nu) is not carried over"),
        1,
        "{:?}",
        report.items
    );
    assert_eq!(said(&report, "rowid 2"), 1, "{:?}", report.items);
    let keys: Vec<_> = report
        .foreign_keys
        .iter()
        .map(|key| (key.validated, key.orphans))
        .collect();
    assert_eq!(keys, [(false, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_key_that_does_not_hold_against_all_that_was_known_is_called_so() {
    let runner = Runner::new().await;
    let file = file_of(
        &runner,
        "f.db",
        "create table p(id integer primary key);
         create table c(id integer primary key, p integer references p(id));
         insert into p values (1), (2);
         insert into c values (1, 1), (2, 2), (3, 2);",
    );
    let mapping = Mapping {
        follow: true,
        ..into("public")
    };
    let id = runner.look(&file).await.unwrap();
    runner.load(id, mapping).await.unwrap();
    run(
        &runner.pool,
        "alter table c drop constraint c_fkey;
         delete from p where id = 2;
         alter table c add constraint c_fkey foreign key (p) references p (id) not valid",
    )
    .await
    .unwrap();
    let report = runner.go_on(id, true).await.unwrap();
    assert_eq!(report.verdict, Verdict::Differs);
    let key = &report.foreign_keys[0];
    assert_eq!((key.validated, key.orphans, key.foretold), (false, 2, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_which_no_table_gets_rows_ends_well_also_when_it_is_followed() {
    let runner = Runner::new().await;
    let empty = file_of(
        &runner,
        "empty.db",
        "pragma user_version = 1; create table t(id integer primary key); drop table t;",
    );
    let id = runner.look(&empty).await.unwrap();
    let mapping = Mapping {
        follow: true,
        ..into("public")
    };
    runner.load(id, mapping.clone()).await.unwrap();
    let report = runner.go_on(id, false).await.unwrap();
    assert_eq!((report.verdict, report.tables.len()), (Verdict::Identical, 0));
    assert!(
        report.summary().contains("no rows to bring over"),
        "{}",
        report.summary()
    );

    let skipped = file_of(
        &runner,
        "skipped.db",
        "create table t(id integer primary key); insert into t values (1);",
    );
    let mut mapping = into("public");
    mapping.tables.entry("t".to_owned()).or_default().skip = true;
    let report = runner.import(&skipped, mapping).await.unwrap();
    assert_eq!(report.verdict, Verdict::Explained, "{}", report.summary());
    assert!(
        report
            .summary()
            .starts_with("Explained: no table gets rows; one thing"),
        "{}",
        report.summary()
    );
    assert_eq!(said(&report, "Left out by choice, with 1 rows."), 1);
    assert_eq!(runner.tables("public").await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_followed_import_whose_tables_are_gone_can_be_begun_anew() {
    let runner = Runner::new().await;
    let file = file_of(
        &runner,
        "f.db",
        "create table t(id integer primary key); create table u(id integer primary key);
         insert into t values (1); insert into u values (1);",
    );
    let mapping = Mapping {
        follow: true,
        ..into("public")
    };
    let id = runner.look(&file).await.unwrap();
    runner.load(id, mapping.clone()).await.unwrap();
    run(&runner.pool, "drop table t, u").await.unwrap();
    let fault = runner.go_on(id, true).await.unwrap_err();
    assert!(fault.message.contains("followed no longer"), "{fault}");
    assert!(!runner.detail(id).await.following);
    assert_eq!(runner.tables("public").await, [""; 0], "its notes are gone too");
    let import = runner.console.import();
    let unfinished = async || {
        import
            .unfinished(&runner.caller, "main", &file, "public")
            .await
            .unwrap()
    };
    assert!(unfinished().await.is_none());
    let id = runner.look(&file).await.unwrap();
    let report = runner.load(id, mapping.clone()).await.unwrap();
    assert_eq!(report.verdict, Verdict::Identical, "{:?}", report.items);

    // Of one that is there in part the tables are named, and it is the reader who ends it.
    run(&runner.pool, "drop table t").await.unwrap();
    let fault = runner.go_on(id, true).await.unwrap_err();
    assert!(
        fault.message.contains("\"public\".\"t\"") && !fault.message.contains("\"u\""),
        "{fault}"
    );
    assert!(fault.hint.unwrap().contains("--discard"));
    assert!(runner.detail(id).await.following);
    runner.discard(id).await.unwrap();
    let detail = runner.detail(id).await;
    assert_eq!(
        (detail.following, detail.import.state),
        (false, ImportState::Done)
    );
    assert!(detail.report.is_some());
    assert_eq!(runner.tables("public").await, ["u"]);
    assert!(unfinished().await.is_none());
    let fault = runner.discard(id).await.unwrap_err();
    assert!(fault.message.contains("This import is done"), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_tie_the_types_that_are_chosen_and_the_report_says_those() {
    let runner = Runner::new().await;
    let file = file_of(
        &runner,
        "f.db",
        "create table p(code int_or_text primary key);
         create table c(p int_or_text references p(code));
         create table void(p references p(code));
         insert into p values (1), ('x');
         insert into c values (1);
         create table q(id integer primary key);
         create table d(q int_or_text references q(id));
         insert into q values (1);
         insert into d values (1), ('gone');",
    );
    let report = runner.import(&file, into("public")).await.unwrap();
    let words: Vec<_> = report
        .foreign_keys
        .iter()
        .map(|key| (key.words.as_str(), key.validated))
        .collect();
    assert_eq!(
        words,
        [("c (p) → p (code)", true), ("void (p) → p (code)", true)],
        "{:?}",
        report.items
    );
    assert_eq!(ask(&runner.pool, "select p from c").await.unwrap(), "1");
    let refused = run(&runner.pool, "insert into c values ('y')").await.unwrap_err();
    assert!(refused.contains("foreign key"), "{refused}");
    assert_eq!(said(&report, "it ties text to bigint"), 1, "{:?}", report.items);
    assert_eq!(report.verdict, Verdict::Explained);

    // What is chosen decides, and what was found with other types is not told any more.
    let mut mapping = into("chosen");
    let choice = mapping.tables.entry("q".to_owned()).or_default();
    choice.columns.insert(
        "id".to_owned(),
        ColumnChoice {
            column_type: Some(ColumnType::Text),
            ..ColumnChoice::default()
        },
    );
    let report = runner.import(&file, mapping).await.unwrap();
    assert_eq!(report.foreign_keys.len(), 3, "{:?}", report.items);
    assert_eq!(said(&report, " ties "), 0, "{:?}", report.items);
    assert_eq!(
        said(&report, "Numbers its rows in the file, and not"),
        1,
        "{:?}",
        report.items
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn identical_is_said_only_when_nothing_is_left_out_and_no_text_is_changed() {
    let runner = Runner::new().await;
    let whole = "create table t(id integer primary key, v text, w int check (w > 0));
                 create table p(id integer primary key);
                 create index by_v on t(v);
                 create view seen as select id from t;
                 insert into t values (1, 'a', 1);";
    let file = file_of(&runner, "whole.db", whole);
    let report = runner.import(&file, into("whole")).await.unwrap();
    assert_eq!(report.verdict, Verdict::Identical, "{:?}", report.items);
    for (name, more) in [
        (
            "a_check",
            "create table u(v text, check (v <> sqlite_version()));",
        ),
        ("a_view", "create view other as select changes() as n from t;"),
        (
            "a_trigger",
            "create trigger other after insert on t begin select 1; insert into t select last_insert_rowid(), 'b', 2; end;",
        ),
        ("a_key", "create table u(v text references t(v));"),
        ("an_index", "create index odd on t(printf('%5.2q', v));"),
        ("a_default", "create table u(v text default (sqlite_version()));"),
    ] {
        let file = file_of(&runner, &format!("{name}.db"), &format!("{whole}{more}"));
        let report = runner.import(&file, into(name)).await.unwrap();
        assert_eq!(report.verdict, Verdict::Explained, "{name}: {:?}", report.items);
        assert!(
            report
                .summary()
                .contains("one thing of the file is not carried over, as listed"),
            "{name}: {} {:?}",
            report.summary(),
            report.items
        );
    }
    let nul = format!("{whole} insert into t values (2, 'b' || char(0), 1);");
    let file = file_of(&runner, "nul.db", &nul);
    for (policy, verdict, how) in [
        (TextPolicy::Replace, Verdict::Explained, "each becomes U+FFFD"),
        (TextPolicy::Remove, Verdict::Explained, "each is left out"),
        (TextPolicy::Bytes, Verdict::Identical, ""),
    ] {
        let mapping = Mapping {
            text: policy,
            ..into(&format!("text_{policy:?}"))
        };
        let report = runner.import(&file, mapping).await.unwrap();
        assert_eq!(report.verdict, verdict, "{policy:?}: {:?}", report.items);
        if verdict == Verdict::Explained {
            assert!(
                report.summary().contains("texts are changed"),
                "{}",
                report.summary()
            );
            assert_eq!(said(&report, how), 1, "{:?}", report.items);
        }
    }
    // Rows that break a rule break it in the file too: nothing is lost.
    let broken = format!("{whole} pragma ignore_check_constraints = on; insert into t values (2, 'b', 0);");
    let file = file_of(&runner, "broken.db", &broken);
    let report = runner.import(&file, into("broken")).await.unwrap();
    assert_eq!(report.verdict, Verdict::Identical, "{:?}", report.items);
    assert_eq!(said(&report, "Rows break the check"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_does_not_fit_is_one_obstacle_and_no_second_one() {
    let runner = Runner::new().await;
    run(
        &runner.pool,
        "create table t(id bigint primary key, n bigint not null)",
    )
    .await
    .unwrap();
    let file = file_of(
        &runner,
        "f.db",
        "create table t(id integer primary key, n); insert into t values (1, 'x');",
    );
    let id = runner.look(&file).await.unwrap();
    let mapping = Mapping {
        into: contract::import::Destination::Existing,
        ..into("public")
    };
    let plan = runner.plan(id, mapping).await.unwrap();
    let words: Vec<&str> = plan.obstacles.iter().map(|it| it.words.as_str()).collect();
    assert_eq!(words, ["Not all values are of type bigint: rowid 1."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn times_of_day_and_json_keep_what_they_are_and_can_be_chosen() {
    let runner = Runner::new().await;
    let file = file_of(
        &runner,
        "f.db",
        "create table t(
             id integer primary key,
             at time default current_time,
             late time,
             doc json default (json('{}')),
             odd json,
             note text default (json('[ 1 ]'))
         );
         create view docs as select id, odd from t where odd <> '[]';
         insert into t values
             (1, '10:30', '24:00', '{\"b\": 1, \"a\":  2}', '[1e400, \"\\u0000\", \"\\ud800\"]', 'x'),
             (2, '23:59:59.999999', '1:00', '{\"a\": 1, \"a\": 2}', null, 'y');",
    );
    let id = runner.look(&file).await.unwrap();
    let plan = runner.plan(id, into("public")).await.unwrap();
    let types: Vec<_> = plan.tables[0]
        .columns
        .iter()
        .map(|column| column.column_type)
        .collect();
    assert_eq!(
        types,
        [
            ColumnType::Bigint,
            ColumnType::Time,
            ColumnType::Text,
            ColumnType::Json,
            ColumnType::Json,
            ColumnType::Text
        ]
    );
    let report = runner.go_on(id, true).await.unwrap();
    assert_eq!(
        report.verdict,
        Verdict::Identical,
        "{} {:?}",
        report.summary(),
        report.items
    );
    assert_eq!(differences(&file, &runner.pool, &plan).await, [""; 0]);
    assert!(
        said(&report, "Declared time, but stays text: rowids 1, 2 against it") == 1,
        "{:?}",
        report.items
    );
    assert_eq!(
        ask(&runner.pool, "select max(at) from t").await.unwrap(),
        "23:59:59.999999"
    );
    assert_eq!(
        ask(&runner.pool, "select odd from docs where id = 1")
            .await
            .unwrap(),
        "[1e400, \"\\u0000\", \"\\ud800\"]"
    );
    run(&runner.pool, "insert into t (id) values (3)").await.unwrap();
    let defaults = "select concat_ws('|', doc, note, extract(second from at) = trunc(extract(second from at))) from t where id = 3";
    assert_eq!(ask(&runner.pool, defaults).await.unwrap(), "{}|[1]|t");

    // Both can be chosen, and json not where a key needs an order.
    let file = file_of(
        &runner,
        "chosen.db",
        "create table u(id integer primary key, at text, doc text unique); insert into u values (1, '10:30:00', '{\"a\": 1}');",
    );
    let mut mapping = into("chosen");
    let mut choose = |column: &str, column_type| {
        let choice = mapping.tables.entry("u".to_owned()).or_default();
        choice.columns.insert(
            column.to_owned(),
            ColumnChoice {
                column_type: Some(column_type),
                ..ColumnChoice::default()
            },
        );
        mapping.clone()
    };
    choose("at", ColumnType::Time);
    let mapping = choose("doc", ColumnType::Json);
    let written = serde_json::to_string(&mapping).unwrap();
    assert!(
        written.contains("\"type\":\"time\"") && written.contains("\"type\":\"json\""),
        "{written}"
    );
    let id = runner.look(&file).await.unwrap();
    let plan = runner.plan(id, mapping).await.unwrap();
    let words: Vec<&str> = plan.obstacles.iter().map(|it| it.words.as_str()).collect();
    assert_eq!(words, ["Is in a unique key, and json has no equality."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn uuids_in_other_spellings_and_times_without_a_zone_can_be_chosen() {
    let runner = Runner::new().await;
    let file = file_of(
        &runner,
        "f.db",
        "create table t(id char(32) primary key, raw blob, braces text, at text, day date);
         insert into t values
             ('0a1b2c3d000040008000000000000001', cast('0123456789abcdef' as blob), '{0A1B2C3D-0000-4000-8000-000000000002}',
              '2024-05-01 10:00:00', '2024-05-01'),
             ('0a1b2c3d000040008000000000000003', x'ff00000000000000000000000000000f', null, '2024-05-01T23:00:00.5', '2024-05-02');",
    );
    let mut mapping = into("public");
    for (column, column_type) in [
        ("id", ColumnType::Uuid),
        ("raw", ColumnType::Uuid),
        ("braces", ColumnType::Uuid),
        ("at", ColumnType::Timestamptz),
        ("day", ColumnType::Timestamptz),
    ] {
        let choice = mapping.tables.entry("t".to_owned()).or_default();
        choice.columns.insert(
            column.to_owned(),
            ColumnChoice {
                column_type: Some(column_type),
                ..ColumnChoice::default()
            },
        );
    }
    let report = runner.import(&file, mapping).await.unwrap();
    assert_eq!(
        report.verdict,
        Verdict::Identical,
        "{} {:?}",
        report.summary(),
        report.items
    );
    assert_eq!(
        said(&report, "UUIDs get PostgreSQL's spelling: rowids 1, 2"),
        1,
        "{:?}",
        report.items
    );
    assert_eq!(
        said(&report, "Times without a zone are taken as UTC: rowids 1, 2"),
        2,
        "{:?}",
        report.items
    );
    let rows = "select string_agg(concat_ws(' ', id, raw, braces, at at time zone 'utc', day at time zone 'utc'), E'\\n' order by id) from t";
    assert_eq!(
        ask(&runner.pool, rows).await.unwrap(),
        "0a1b2c3d-0000-4000-8000-000000000001 30313233-3435-3637-3839-616263646566 0a1b2c3d-0000-4000-8000-000000000002 2024-05-01 10:00:00 2024-05-01 00:00:00\n\
         0a1b2c3d-0000-4000-8000-000000000003 ff000000-0000-0000-0000-00000000000f 2024-05-01 23:00:00.5 2024-05-02 00:00:00"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_postgresql_spells_in_its_own_way_are_the_same() {
    let runner = Runner::new().await;
    run(
        &runner.pool,
        "create table t(id bigint primary key, host inet, took interval, rough interval(0), at time, doc json)",
    )
    .await
    .unwrap();
    let sql = "create table t(id integer primary key, host text, took text, rough text, at text, doc text);
         insert into t values (1, '192.168.0.1/32', '1 day 2:00', '1.5 seconds', '10:30', '{\"b\": 1, \"a\": 1}'), (2, 'fe80:0:0::1', '90 minutes', null, null, null);";
    let file = file_of(&runner, "f.db", sql);
    let existing = Mapping {
        into: contract::import::Destination::Existing,
        ..into("public")
    };
    // What a modifier cuts off is a difference, and so is named with its column.
    let report = runner.import(&file, existing.clone()).await.unwrap();
    assert_eq!(report.verdict, Verdict::Differs, "{}", report.summary());
    let named: Vec<String> = report.tables[0].differences.iter().map(|it| it.words()).collect();
    assert_eq!(named, ["changed on its way in: id 1, in rough"]);
    run(
        &runner.pool,
        "truncate t; alter table t alter rough type interval",
    )
    .await
    .unwrap();
    let report = runner.import(&file, existing).await.unwrap();
    assert_eq!(
        report.verdict,
        Verdict::Identical,
        "{} {:?}",
        report.summary(),
        report.tables
    );
    assert_eq!(
        ask(&runner.pool, "select took from t where id = 2")
            .await
            .unwrap(),
        "01:30:00"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_text_table_whose_tokenizer_is_not_there_costs_its_index_alone() {
    let runner = Runner::new().await;
    let file = file_of(
        &runner,
        "f.db",
        "create virtual table f using fts4(body);
         insert into f(body) values ('some words');
         create table t(id integer primary key);
         insert into t values (1);
         pragma writable_schema = on;
         update sqlite_schema set sql = 'CREATE VIRTUAL TABLE f using fts4(body, tokenize=icu)' where name = 'f';",
    );
    let report = runner.import(&file, into("public")).await.unwrap();
    assert_eq!(
        report.verdict,
        Verdict::Explained,
        "{} {:?}",
        report.summary(),
        report.items
    );
    assert_eq!(
        said(&report, "cannot be opened here (unknown tokenizer: icu)"),
        1,
        "{:?}",
        report.items
    );
    assert_eq!(runner.tables("public").await, ["f_content", "t"]);
    assert_eq!(
        ask(&runner.pool, "select c0body from f_content").await.unwrap(),
        "some words"
    );
}

/// A runner whose database has another encoding than UTF-8.
async fn encoded(encoding: &str) -> Runner {
    let cluster = testkit::shared().await;
    let target = cluster.database("import").await;
    let name = target.name();
    cluster.execute(&format!("drop database \"{name}\"")).await;
    cluster
        .execute(&format!(
            "create database \"{name}\" template template0 encoding '{encoding}' lc_collate 'C' lc_ctype 'C'"
        ))
        .await;
    Runner::on(target).await
}

#[tokio::test(flavor = "multi_thread")]
async fn characters_that_the_databases_encoding_lacks_are_an_obstacle_before_a_row_moves() {
    let runner = encoded("LATIN1").await;
    let file = file_of(
        &runner,
        "f.db",
        "create table t(id integer primary key, v text, doc json);
         insert into t values (1, 'café', '{\"a\": \"\\u20ac\"}'), (2, 'naïve', '[]');
         create table bad(id integer primary key, v text);
         insert into bad values (1, 'fine'), (2, '12 €');",
    );
    let id = runner.look(&file).await.unwrap();
    let mut mapping = into("public");
    let plan = runner.plan(id, mapping.clone()).await.unwrap();
    let words: Vec<&str> = plan.obstacles.iter().map(|it| it.words.as_str()).collect();
    assert_eq!(
        words,
        ["Holds characters that the database's encoding LATIN1 does not have: rowid 2."]
    );
    assert!(plan.obstacles[0].hint.contains("encoding 'UTF8'"));
    mapping.tables.entry("bad".to_owned()).or_default().skip = true;
    let report = runner.load(id, mapping).await.unwrap();
    assert!(
        report.summary().starts_with("Explained: 2 rows of 1 tables"),
        "{}",
        report.summary()
    );
    assert_eq!(
        ask(&runner.pool, "select string_agg(v, ' ' order by id) from t")
            .await
            .unwrap(),
        "café naïve"
    );

    let runner = encoded("SQL_ASCII").await;
    let file = file_of(
        &runner,
        "f.db",
        "create table t(id integer primary key, v text, doc json);
         insert into t values (1, '12 €', '{\"a\": \"\\u20ac\"}');",
    );
    let report = runner.import(&file, into("public")).await.unwrap();
    assert_eq!(
        report.verdict,
        Verdict::Identical,
        "{} {:?}",
        report.summary(),
        report.items
    );
    assert_eq!(
        said(&report, "Becomes json and not jsonb"),
        1,
        "{:?}",
        report.items
    );
}
