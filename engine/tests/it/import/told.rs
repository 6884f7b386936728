//! What an import says of itself is so: verdicts, counts and ways on.

use std::path::PathBuf;

use contract::import::{ColumnChoice, ColumnType, ImportReport, ImportState, Mapping, TextPolicy, Verdict};
use rusqlite::Connection;

use super::{
    behaviour::{ask, run},
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
