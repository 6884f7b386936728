//! The course of an import: cancelled, interrupted, followed, refused.

use std::time::Duration;

use contract::{
    import::{
        ColumnChoice, ColumnType, FindingKind, ImportState, Mapping, OnCancel, Side, TableChoice, TextPolicy,
        Verdict,
    },
    session::Role,
};
use rusqlite::Connection;

use super::{
    run::{Runner, into},
    support::caller,
};

/// A file with a table of many rows and its child.
fn large(runner: &Runner, rows: i64) -> std::path::PathBuf {
    let file = runner.folder.path().join("large.db");
    Connection::open(&file)
        .unwrap()
        .execute_batch(&format!(
            "create table parent (id integer primary key autoincrement, name text unique, at datetime);
             create table child (parent int references parent(id), n int, primary key (parent, n)) without rowid;
             create table loose (v text);
             create index by_time on parent (at desc);
             with recursive c(i) as (select 1 union all select i + 1 from c where i < {rows})
             insert into parent select i, 'name ' || i, datetime(1700000000 + i, 'unixepoch') from c;
             insert into child select id, 1 from parent where id % 2 = 0;
             insert into loose select 'again ' || (id % 10) from parent"
        ))
        .unwrap();
    file
}

/// Holds up the making of indexes until it is dropped: the server waits for the lock of another session.
async fn hold_up(runner: &Runner, schema: &str) -> sqlx::Transaction<'static, sqlx::Postgres> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "create schema {schema};
         create table {schema}.gate (v int);
         create function {schema}.wait() returns event_trigger language plpgsql as
         $$begin if exists (select from {schema}.parent) then lock table {schema}.gate; end if; end$$;
         create event trigger {schema}_wait on ddl_command_start when tag in ('CREATE INDEX')
         execute function {schema}.wait()"
    )))
    .execute(&runner.pool)
    .await
    .unwrap();
    let mut gate = runner.pool.begin().await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("lock table {schema}.gate")))
        .execute(&mut *gate)
        .await
        .unwrap();
    gate
}

async fn open_gate(runner: &Runner, schema: &str, gate: sqlx::Transaction<'static, sqlx::Postgres>) {
    gate.rollback().await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("drop event trigger {schema}_wait")))
        .execute(&runner.pool)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_import_shows_every_table_read_back() {
    let runner = Runner::new().await;
    let file = large(&runner, 340);
    let id = runner.look(&file).await.unwrap();
    runner.plan(id, into("whole")).await.unwrap();
    let job = runner.start(id, false).await.unwrap();
    let view = runner.over(job).await.unwrap();
    let shown: Vec<_> = view
        .progress
        .steps
        .iter()
        .map(|step| {
            let rows = step.detail.as_deref().unwrap().split(',').next().unwrap();
            (step.name.as_str(), step.state, rows)
        })
        .collect();
    let done = contract::jobs::StepState::Done;
    assert_eq!(
        shown,
        [
            ("parent", done, "340 of 340 rows read back"),
            ("child", done, "170 of 170 rows read back"),
            ("loose", done, "340 of 340 rows read back"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_import_leaves_nothing_or_what_a_later_run_goes_on_from() {
    let runner = Runner::new().await;
    // Enough rows for several threads to look at them.
    let file = large(&runner, 60_000);
    for keep in [false, true] {
        let schema = if keep { "kept" } else { "gone" };
        let id = runner.look(&file).await.unwrap();
        let mapping = Mapping {
            on_cancel: if keep { OnCancel::Keep } else { OnCancel::Remove },
            ..into(schema)
        };
        let gate = hold_up(&runner, schema).await;
        runner.plan(id, mapping).await.unwrap();
        let job = runner.start(id, false).await.unwrap();
        // All rows are in when the first index waits.
        for _ in 0..500 {
            let waiting: i64 = sqlx::query_scalar(
                "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
            )
            .fetch_one(&runner.pool)
            .await
            .unwrap();
            if waiting > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        runner.console.jobs().cancel(&runner.caller, job).await.unwrap();
        let view = runner.over(job).await.unwrap();
        assert_eq!(view.state, contract::jobs::JobState::Cancelled);
        open_gate(&runner, schema, gate).await;
        let tables = runner.tables(schema).await;
        let state = runner.detail(id).await.import.state;
        if keep {
            assert_eq!(tables, ["child", "gate", "loose", "parent", "pgsteward_import"]);
            assert_eq!(state, ImportState::Loading);
            let report = runner.go_on(id, false).await.unwrap();
            assert_eq!(report.verdict, Verdict::Identical, "{}", report.summary());
            assert_eq!(runner.tables(schema).await, ["child", "gate", "loose", "parent"]);
        } else {
            assert_eq!(tables, ["gate"]);
            assert_eq!(state, ImportState::Ready);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_stays_behind_can_be_discarded_by_name() {
    let runner = Runner::new().await;
    let file = large(&runner, 100);
    let import = runner.console.import();
    let id = runner.look(&file).await.unwrap();
    // A disk that fills up while an index is built: the rehearsal, without rows, could not know.
    sqlx::raw_sql(
        "create schema late;
         create function late.no() returns event_trigger language plpgsql as
         $$begin if current_query() like '%by_time%late%' and exists (select from late.parent) then raise exception using errcode = '53100', message = 'no room'; end if; end$$;
         create event trigger late_no on ddl_command_start when tag in ('CREATE INDEX') execute function late.no()",
    )
    .execute(&runner.pool)
    .await
    .unwrap();
    runner.plan(id, into("late")).await.unwrap();
    let fault = runner.go_on(id, false).await.unwrap_err();
    assert!(fault.message.contains("disk is full"), "{fault}");
    assert_eq!(runner.detail(id).await.import.state, ImportState::Loading);
    assert_eq!(
        runner.tables("late").await,
        ["child", "loose", "parent", "pgsteward_import"]
    );
    let fault = import
        .discard(&runner.caller, id, "mine")
        .await
        .unwrap_err()
        .fault();
    assert_eq!(fault.field.as_deref(), Some("confirm"), "{fault}");
    // Someone's own table under the name of one that the import made is not the import's.
    sqlx::raw_sql("drop table late.loose; create table late.loose (mine int); drop event trigger late_no")
        .execute(&runner.pool)
        .await
        .unwrap();
    runner.discard(id).await.unwrap();
    assert_eq!(runner.tables("late").await, ["loose"]);
    let fault = import.detail(&runner.caller, id).await.unwrap_err().fault();
    assert_eq!(
        fault.code,
        contract::Code::NotFound,
        "a discarded import is forgotten"
    );

    let id = runner.look(&file).await.unwrap();
    let report = runner.load(id, into("later")).await.unwrap();
    assert_eq!(report.verdict, Verdict::Identical, "{}", report.summary());
    let fault = runner.discard(id).await.unwrap_err();
    assert!(fault.message.contains("done"), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_starts_is_what_was_rehearsed_and_seen() {
    let runner = Runner::new().await;
    let file = large(&runner, 10);
    let id = runner.look(&file).await.unwrap();
    let import = runner.console.import();
    let fault = runner.start(id, false).await.unwrap_err();
    assert!(fault.message.contains("was not rehearsed"), "{fault}");
    runner.plan(id, into("first")).await.unwrap();
    let seen = runner.detail(id).await.revision;

    // Someone else decides something else: neither a start nor a rehearsal of the former reader goes through.
    runner.plan(id, into("second")).await.unwrap();
    let start = import.start(&runner.caller, id, false, Some(&seen), None).await;
    let fault = start.unwrap_err().fault();
    assert!(fault.message.contains("Something else was decided"), "{fault}");
    let again = import
        .rehearse(&runner.caller, id, into("first"), Some(&seen))
        .await;
    assert_eq!(again.unwrap_err().fault().code, contract::Code::Conflict);
    assert_eq!(runner.detail(id).await.mapping.schema, "second");

    // A choice that only repeats what is proposed is none.
    let mut mapping = into("second");
    let table = mapping.tables.entry("loose".to_owned()).or_default();
    table.name = Some("loose".to_owned());
    table.columns.entry("v".to_owned()).or_default().column_type = Some(ColumnType::Text);
    runner.plan(id, mapping).await.unwrap();
    let detail = runner.detail(id).await;
    assert_eq!(detail.mapping, into("second"));
    assert_eq!(detail.rehearsal.unwrap().revision, detail.revision);

    // The database changed since: what would happen now is not what was read.
    sqlx::raw_sql("create schema second")
        .execute(&runner.pool)
        .await
        .unwrap();
    let fault = runner.go_on(id, false).await.unwrap_err();
    assert!(
        fault.message.contains("was changed since the rehearsal"),
        "{fault}"
    );
    assert_eq!(runner.detail(id).await.import.state, ImportState::Ready);
    assert_eq!(runner.tables("second").await, Vec::<String>::new());
    // Rehearsed again, it goes.
    runner.plan(id, into("second")).await.unwrap();
    let report = runner.go_on(id, false).await.unwrap();
    assert_eq!(report.verdict, Verdict::Identical, "{}", report.summary());
}

#[tokio::test(flavor = "multi_thread")]
async fn more_tables_than_one_transaction_locks_are_discarded_after_an_interruption() {
    let runner = Runner::new().await;
    let file = runner.folder.path().join("many.db");
    let many = Connection::open(&file).unwrap();
    many.execute_batch("begin").unwrap();
    for number in 0..1200 {
        many.execute_batch(&format!(
            "create table t{number} (id integer primary key, v text); insert into t{number} values (1, 'a')"
        ))
        .unwrap();
    }
    many.execute_batch("commit").unwrap();
    sqlx::raw_sql(
        "create function no_view() returns event_trigger language plpgsql as
         $$begin if exists (select from many.t1199) then raise exception using errcode = '53100', message = 'no room'; end if; end$$;
         create event trigger no_view on ddl_command_start when tag in ('CREATE INDEX', 'ALTER TABLE') execute function no_view()",
    )
    .execute(&runner.pool)
    .await
    .unwrap();
    many.execute_batch("create index last on t1199 (v)").unwrap();
    let id = runner.look(&file).await.unwrap();
    let fault = runner.load(id, into("many")).await.unwrap_err();
    assert!(fault.message.contains("disk is full"), "{fault}");
    assert!(runner.tables("many").await.len() > 1100);
    sqlx::raw_sql("drop event trigger no_view")
        .execute(&runner.pool)
        .await
        .unwrap();
    runner.discard(id).await.unwrap();
    let left: i64 = sqlx::query_scalar("select count(*) from pg_namespace where nspname = 'many'")
        .fetch_one(&runner.pool)
        .await
        .unwrap();
    assert_eq!(left, 0, "the schema was the import's own");
}

#[tokio::test(flavor = "multi_thread")]
async fn discarding_takes_away_all_that_the_import_made_and_nothing_of_others() {
    let runner = Runner::new().await;
    let file = runner.folder.path().join("objects.db");
    Connection::open(&file)
        .unwrap()
        .execute_batch(
            "create table t (id integer primary key, v int);
             insert into t values (1, 1);
             create view seen as select id, v from t;
             create trigger first before insert on t when new.v < 0 begin select raise(abort, 'no'); end;
             create trigger second before insert on t when new.v > 9 begin select raise(abort, 'no'); end",
        )
        .unwrap();
    // A disk that fills up at the last object.
    sqlx::raw_sql(
        "create function no_room() returns event_trigger language plpgsql as
         $$begin if current_query() like '%function%second%' and exists (select from made.t) then raise exception using errcode = '53100', message = 'no room'; end if; end$$;
         create event trigger no_room on ddl_command_start when tag in ('CREATE FUNCTION') execute function no_room()",
    )
    .execute(&runner.pool)
    .await
    .unwrap();
    let id = runner.look(&file).await.unwrap();
    let fault = runner.load(id, into("made")).await.unwrap_err();
    assert!(fault.message.contains("disk is full"), "{fault}");
    let left = async || -> Vec<String> {
        sqlx::query_scalar(
            "select 'schema' from pg_namespace where nspname = 'made'
             union all
             select relname::text from pg_class where relnamespace = to_regnamespace('made') and relkind in ('r', 'v')
             union all
             select proname::text from pg_proc where pronamespace = to_regnamespace('made')
              order by 1",
        )
        .fetch_all(&runner.pool)
        .await
        .unwrap()
    };
    assert_eq!(left().await, ["first", "pgsteward_import", "schema", "seen", "t"]);
    // Someone's own view over a table of the import: nothing is dropped from under it.
    sqlx::raw_sql("drop event trigger no_room; create view public.mine as select id from made.t")
        .execute(&runner.pool)
        .await
        .unwrap();
    let fault = runner.discard(id).await.unwrap_err();
    let detail = fault.target.unwrap().detail.unwrap();
    assert!(detail.contains("view public.mine depends on table"), "{detail}");
    assert_eq!(left().await.len(), 5);
    sqlx::raw_sql("drop view public.mine")
        .execute(&runner.pool)
        .await
        .unwrap();
    runner.discard(id).await.unwrap();
    assert_eq!(left().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_carried_over_or_damaged_is_never_called_identical() {
    let runner = Runner::new().await;
    let file = runner.folder.path().join("rules.db");
    let connection = Connection::open(&file).unwrap();
    connection
        .execute_batch(
            "create table t (id integer primary key, v text);
             insert into t values (1, 'a'), (2, 'b');
             create unique index by_sound on t (printf('%5.2q', v));
             create table gone (v text);
             insert into gone select hex(zeroblob(3000)) from t;
             drop table gone",
        )
        .unwrap();
    drop(connection);
    let report = runner.import(&file, into("lost")).await.unwrap();
    assert_eq!(report.verdict, Verdict::Explained, "{}", report.summary());
    assert!(
        report
            .summary()
            .contains("one thing of the file is not carried over")
    );

    // The header names another number of free pages than there are.
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[39] += 1;
    std::fs::write(&file, bytes).unwrap();
    let report = runner.import(&file, into("damaged")).await.unwrap();
    assert_eq!(report.verdict, Verdict::Differs);
    assert!(
        report.summary().contains("the file is damaged"),
        "{}",
        report.summary()
    );
    let damages = report
        .items
        .iter()
        .filter(|item| item.kind == FindingKind::Damage);
    let words: Vec<&str> = damages.map(|item| item.words.as_str()).collect();
    assert!(
        words.len() == 1 && words[0].contains("Freelist"),
        "a fault, and no heading: {words:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn later_runs_bring_over_what_changed_since() {
    let runner = Runner::new().await;
    let file = large(&runner, 40_000);
    let id = runner.look(&file).await.unwrap();
    let mapping = Mapping {
        follow: true,
        ..into("followed")
    };
    let report = runner.load(id, mapping).await.unwrap();
    assert_eq!(report.verdict, Verdict::Identical);
    let changes = [
        "",
        "update parent set name = 'other ' || id where id % 100 = 0;
         insert into parent (name, at) values ('new', '2030-01-01 00:00:00')",
        "delete from child where parent > 39000; delete from parent where id > 39000;
         delete from child where parent in (12500, 12502); delete from parent where id between 12499 and 12503;
         insert into loose values ('more'), ('more')",
        // Nobody asks SQLite to keep foreign keys, and values that must be unique change places.
        "pragma foreign_keys = off;
         delete from parent where id = 8; delete from child where parent = 10;
         update parent set name = 'free' where id = 20; update parent set name = 'name 20' where id = 30;
         update parent set name = 'name 30' where id = 20;
         insert or replace into parent values (60000, 'name 40', null)",
        "delete from loose; update child set n = n + 1 where parent < 50",
    ];
    for (number, sql) in changes.into_iter().enumerate() {
        Connection::open(&file).unwrap().execute_batch(sql).unwrap();
        let last = number + 1 == changes.len();
        let report = runner.go_on(id, !last).await.unwrap();
        assert_eq!(
            report.verdict,
            Verdict::Identical,
            "{sql}: {} {:?}",
            report.summary(),
            report.tables
        );
        let rows: i64 = sqlx::query_scalar("select count(*) from followed.parent")
            .fetch_one(&runner.pool)
            .await
            .unwrap();
        let expected: i64 = Connection::open(&file)
            .unwrap()
            .query_row("select count(*) from parent", [], |row| row.get(0))
            .unwrap();
        assert_eq!(rows, expected, "{sql}");
    }
    assert_eq!(runner.tables("followed").await, ["child", "loose", "parent"]);
    let fault = runner.go_on(id, true).await.unwrap_err();
    assert!(fault.message.contains("This import is done"), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_differ_are_named_with_their_columns() {
    let runner = Runner::new().await;
    let file = large(&runner, 3_000);
    sqlx::raw_sql(
        "create schema seen;
         create function meddle() returns event_trigger language plpgsql as
         $$begin
            if current_query() like '%by_time%seen%' and exists (select from seen.parent) then
                update seen.parent set name = 'meddled' where id = 17;
                delete from seen.parent where id = 18;
                insert into seen.parent (id, name) values (99999, 'extra');
            end if;
         end$$;
         create event trigger meddle on ddl_command_end when tag in ('CREATE INDEX') execute function meddle()",
    )
    .execute(&runner.pool)
    .await
    .unwrap();
    let id = runner.look(&file).await.unwrap();
    let report = runner.load(id, into("seen")).await.unwrap();
    assert_eq!(report.verdict, Verdict::Differs);
    let parent = report.tables.iter().find(|table| table.name == "parent").unwrap();
    assert_eq!(parent.verdict, Verdict::Differs);
    let found: Vec<(Side, &str, Vec<String>)> = parent
        .differences
        .iter()
        .map(|it| (it.side, it.row.as_str(), it.columns.clone()))
        .collect();
    assert!(
        found.contains(&(Side::Both, "id 17", vec!["name".to_owned()])),
        "{found:?}"
    );
    assert!(found.contains(&(Side::File, "id 18", vec![])), "{found:?}");
    assert!(found.contains(&(Side::Database, "id 99999", vec![])), "{found:?}");
    assert!(report.markdown().contains("id 17: other values in name"));
}

#[tokio::test(flavor = "multi_thread")]
async fn choices_change_names_types_and_what_is_left_out() {
    let runner = Runner::new().await;
    let file = runner.folder.path().join("f.db");
    Connection::open(&file)
        .unwrap()
        .execute_batch(
            "create table Words (Id integer primary key, At integer, Bad text, More text);
             insert into Words values (1, 1700000000, cast(x'61ff62' as text), 'x');
             create table other (v int)",
        )
        .unwrap();
    let id = runner.look(&file).await.unwrap();
    let mut choice = TableChoice {
        name: Some("vocabulary".to_owned()),
        ..TableChoice::default()
    };
    choice.columns.insert(
        "At".to_owned(),
        ColumnChoice {
            column_type: Some(ColumnType::Timestamptz),
            ..ColumnChoice::default()
        },
    );
    choice.columns.insert(
        "More".to_owned(),
        ColumnChoice {
            skip: true,
            ..ColumnChoice::default()
        },
    );
    let mut mapping = into("chosen");
    mapping.names = contract::import::NamePolicy::Lower;
    mapping.tables.insert("Words".to_owned(), choice);
    mapping.tables.entry("other".to_owned()).or_default().skip = true;
    let report = runner.load(id, mapping.clone()).await.unwrap();
    assert_eq!(report.verdict, Verdict::Explained, "{}", report.summary());
    assert!(
        report
            .summary()
            .contains("2 things of the file are not carried over and texts are changed"),
        "{}",
        report.summary()
    );
    let row: (i64, String, String) =
        sqlx::query_as("select id, at::timestamptz(0) at time zone 'utc' || '', bad from chosen.vocabulary")
            .fetch_one(&runner.pool)
            .await
            .unwrap();
    assert_eq!(
        row,
        (1, "2023-11-14 22:13:20".to_owned(), "a\u{fffd}b".to_owned())
    );
    assert_eq!(runner.tables("chosen").await, ["vocabulary"]);

    let id = runner.look(&file).await.unwrap();
    mapping.text = TextPolicy::Refuse;
    mapping.schema = "again".to_owned();
    mapping.tables.entry("missing".to_owned()).or_default().skip = true;
    let plan = runner.plan(id, mapping).await.unwrap();
    let said: Vec<&str> = plan.obstacles.iter().map(|it| it.words.as_str()).collect();
    assert!(
        said.iter()
            .any(|words| words.contains("which the file does not have")),
        "{said:?}"
    );
    assert!(
        said.iter()
            .any(|words| words.contains("the text policy refuses them: rowid 1")),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_are_there_are_never_touched_and_rights_are_asked_for_first() {
    let runner = Runner::new().await;
    let file = large(&runner, 10);
    sqlx::raw_sql("create table parent (mine int); insert into parent values (42)")
        .execute(&runner.pool)
        .await
        .unwrap();
    let id = runner.look(&file).await.unwrap();
    let import = runner.console.import();
    let plan = runner.plan(id, into("public")).await.unwrap();
    assert_eq!(plan.obstacles.len(), 1, "{:?}", plan.obstacles);
    assert!(
        plan.obstacles[0]
            .words
            .contains("parent is in the schema public already")
    );
    let fault = runner.start(id, false).await.unwrap_err();
    assert_eq!(fault.code, contract::Code::Conflict);
    let mine: i32 = sqlx::query_scalar("select mine from parent")
        .fetch_one(&runner.pool)
        .await
        .unwrap();
    assert_eq!(mine, 42);
    // A viewer may not even look.
    let viewer = caller(&runner.console, Role::Viewer).await;
    let fault = import.list(&viewer, "main").await.unwrap_err().fault();
    assert_eq!(fault.code, contract::Code::Forbidden);
    // A file that changes between the look and the load is refused.
    let plan = runner.plan(id, into("fresh")).await.unwrap();
    assert!(plan.obstacles.is_empty());
    Connection::open(&file)
        .unwrap()
        .execute_batch("insert into loose values ('late')")
        .unwrap();
    let fault = runner.go_on(id, false).await.unwrap_err();
    assert!(
        fault.message.contains("was changed since it was looked at"),
        "{fault}"
    );
    assert_eq!(runner.tables("fresh").await, Vec::<String>::new());
}
