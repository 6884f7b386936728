//! Rows into tables that are there.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use contract::import::{Destination, ImportReport, Mapping, OnCancel, OnConflict, Verdict};

use super::{
    run::{Runner, into},
    samples::folder,
};

fn existing(on_conflict: OnConflict) -> Mapping {
    Mapping {
        into: Destination::Existing,
        on_conflict,
        ..Mapping::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ai_pals_own_file_goes_into_its_migrated_schema_and_every_index_of_the_guide_is_used() {
    let runner = Runner::new().await;
    testkit::ai_pal::apply_schema(&runner.pool).await;
    let file = folder().join("ai_pal.db");
    let report = runner.import(&file, existing(OnConflict::Fail)).await.unwrap();
    assert_eq!(report.verdict, Verdict::Identical, "{}", report.summary());
    assert_eq!(report.rows(), 8930);
    let count =
        async |sql: &'static str| -> i64 { sqlx::query_scalar(sql).fetch_one(&runner.pool).await.unwrap() };
    assert_eq!(count("select count(*) from ari_snapshots").await, 5000);
    assert_eq!(
        count("select count(*) from user_profiles").await,
        200,
        "180 of the file, 20 that rows name"
    );
    let made = report
        .items
        .iter()
        .any(|item| item.words.contains("had were made"));
    assert!(made, "{:?}", report.items);
    assert!(
        !runner
            .tables("public")
            .await
            .contains(&"pgsteward_import".to_owned())
    );
    let next = count("select nextval(pg_get_serial_sequence('ari_snapshots', 'id'))").await;
    assert_eq!(
        next,
        count("select (max(id) + 1)::bigint from ari_snapshots").await
    );
    for identity in &report.identities {
        assert!(identity.right, "{identity:?}");
    }
    every_index_of_the_guide(&runner).await;

    // The rows are there: the same again fails and changes nothing …
    let fault = runner
        .import(&file, existing(OnConflict::Fail))
        .await
        .unwrap_err();
    assert!(fault.message.starts_with("user_profiles, all rows"), "{fault}");
    assert_eq!(count("select count(*) from ari_snapshots").await, 5000);
    // … unless what is there stays, or gets the file's values.
    sqlx::raw_sql(
        "update ari_snapshots set task_description = 'changed here' where id <= 7;
         delete from ari_snapshots where id > 4990",
    )
    .execute(&runner.pool)
    .await
    .unwrap();
    let skipped = runner.import(&file, existing(OnConflict::Skip)).await.unwrap();
    assert_eq!(skipped.verdict, Verdict::Explained, "{}", skipped.summary());
    let snapshots = skipped
        .tables
        .iter()
        .find(|table| table.name == "ari_snapshots")
        .unwrap();
    assert_eq!((snapshots.skipped, snapshots.rows_back), (4990, 10));
    assert!(!snapshots.differences.is_empty());
    assert_eq!(
        count("select count(*) from ari_snapshots where task_description = 'changed here'").await,
        7
    );
    let upserted = runner.import(&file, existing(OnConflict::Upsert)).await.unwrap();
    assert_eq!(upserted.verdict, Verdict::Identical, "{}", upserted.summary());
    assert_eq!(
        count("select count(*) from ari_snapshots where task_description = 'changed here'").await,
        0
    );
}

async fn every_index_of_the_guide(runner: &Runner) {
    let caller = super::support::caller(&runner.console, contract::session::Role::Operator).await;
    let spec = contract::optimize::OptimizeSpec {
        target: "main".to_owned(),
        constraints: true,
        indexes: true,
        analyze: true,
    };
    let job = runner.console.optimize().start(&caller, spec).await.unwrap();
    runner.over(job).await.unwrap();
    let mut connection = runner.pool.acquire().await.unwrap();
    // Tables of some thousand rows fit a few pages; the question is whether each index can answer its query.
    sqlx::raw_sql("set enable_seqscan = off; set enable_bitmapscan = off")
        .execute(&mut *connection)
        .await
        .unwrap();
    let queries = [
        (
            "idx_ari_user_id",
            "select * from ari_snapshots where user_id = 'u'",
        ),
        (
            "idx_ari_timestamp",
            "select * from ari_snapshots order by timestamp desc limit 5",
        ),
        (
            "idx_ari_user_timestamp",
            "select * from ari_snapshots where user_id = 'u' order by timestamp desc limit 5",
        ),
        (
            "idx_ari_score",
            "select * from ari_snapshots order by autonomy_retention desc limit 5",
        ),
        (
            "idx_task_user_status",
            "select * from background_tasks where user_id = 'u' order by status limit 5",
        ),
        (
            "idx_task_created",
            "select * from background_tasks order by created_at desc limit 5",
        ),
        (
            "idx_task_celery_id",
            "select * from background_tasks where celery_task_id = 'c'",
        ),
        (
            "idx_task_status",
            "select * from background_tasks where status = 's'",
        ),
        (
            "idx_task_type",
            "select * from background_tasks where task_type = 't'",
        ),
        (
            "idx_goal_user_status",
            "select * from ffe_goals where user_id = 'u' and status = 's'",
        ),
        (
            "idx_goal_deadline",
            "select * from ffe_goals order by deadline limit 5",
        ),
        (
            "idx_edm_user_unresolved",
            "select * from edm_debts where user_id = 'u' and resolved = false",
        ),
        ("idx_edm_severity", "select * from edm_debts where severity = 's'"),
        (
            "idx_block_goal_id",
            "select * from atomic_blocks where goal_id = 'g'",
        ),
        (
            "idx_block_user_id",
            "select * from atomic_blocks where user_id = 'u'",
        ),
        (
            "idx_audit_user_timestamp",
            "select * from audit_logs where user_id = 'u' order by timestamp desc limit 5",
        ),
        (
            "idx_audit_severity",
            "select * from audit_logs where severity = 's'",
        ),
        (
            "idx_audit_event_type",
            "select * from audit_logs where event_type = 'e'",
        ),
        (
            "idx_patch_component_status",
            "select * from patch_requests order by component, status limit 5",
        ),
        (
            "idx_patch_status",
            "select * from patch_requests where status = 's'",
        ),
    ];
    let mut unused = Vec::new();
    for (index, query) in queries {
        let plan: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("explain {query}")))
            .fetch_all(&mut *connection)
            .await
            .unwrap();
        let plan = plan.join("\n");
        if !plan.contains(&format!(" {index} ")) {
            unused.push(format!("{index}:\n{plan}"));
        }
    }
    assert!(unused.is_empty(), "{}", unused.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_place_or_does_not_fit_is_named_before_a_row_moves() {
    let runner = Runner::new().await;
    sqlx::raw_sql(
        "create table a (id integer primary key, small smallint, must text not null);
         create table c (id bigint primary key, word varchar(3))",
    )
    .execute(&runner.pool)
    .await
    .unwrap();
    let file = runner.folder.path().join("f.db");
    rusqlite::Connection::open(&file)
        .unwrap()
        .execute_batch(
            "create table a (id integer primary key, small int, more text);
             insert into a values (1, 40000, 'x');
             create table b (v int);
             insert into b values (1);
             create table c (id integer primary key, word text);
             insert into c values (1, 'abc'), (2, 'abcd')",
        )
        .unwrap();
    let id = runner.look(&file).await.unwrap();
    let plan = runner.plan(id, existing(OnConflict::Fail)).await.unwrap();
    let said: Vec<&str> = plan.obstacles.iter().map(|it| it.words.as_str()).collect();
    for words in [
        "Holds 40,000 to 40,000, more than smallint can.",
        "a has no column more for 1 values.",
        "a.must must have a value, has no default",
        "The schema public has no table b for the 1 rows of b.",
    ] {
        assert!(
            said.iter().any(|said| said.starts_with(words)),
            "{words}: {said:?}"
        );
    }
    assert_eq!(plan.obstacles.len(), 4, "{said:?}");
    let fault = runner.start(id, false).await.unwrap_err();
    assert!(fault.message.contains("There are 3 more obstacles."), "{fault}");

    // A text that is too long shows when it is written; nothing of the import stays.
    let mut only = existing(OnConflict::Fail);
    for name in ["a", "b"] {
        only.tables.entry(name.to_owned()).or_default().skip = true;
    }
    let fault = runner.load(id, only.clone()).await.unwrap_err();
    assert!(fault.message.starts_with("c, all rows"), "{fault}");
    let words = fault.target.unwrap().message;
    assert!(
        words.contains("value too long for type character varying(3)"),
        "{words}"
    );
    let rows: i64 = sqlx::query_scalar("select count(*) from c")
        .fetch_one(&runner.pool)
        .await
        .unwrap();
    assert_eq!(rows, 0);
    assert_eq!(runner.tables("public").await, ["a", "c"]);
    // In parts that stay, the import says that they do.
    only.on_cancel = OnCancel::Keep;
    let detail = runner.detail(id).await;
    assert_eq!(detail.import.state, contract::import::ImportState::Ready);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_target_changes_on_its_way_in_is_called_different() {
    let runner = Runner::new().await;
    sqlx::raw_sql(
        "create table t (id integer primary key, price numeric(6, 1), word text);
         create function shout() returns trigger language plpgsql as
         $$begin new.word := upper(new.word); return new; end$$;
         create trigger shout before insert on t for each row execute function shout()",
    )
    .execute(&runner.pool)
    .await
    .unwrap();
    let file = runner.folder.path().join("f.db");
    rusqlite::Connection::open(&file)
        .unwrap()
        .execute_batch(
            "create table t (id integer primary key, price decimal(6,2), word text);
             insert into t values (1, 1.5, 'A'), (2, 1.25, 'B'), (3, 2.0, 'c')",
        )
        .unwrap();
    let report = runner.import(&file, existing(OnConflict::Fail)).await.unwrap();
    assert_eq!(report.verdict, Verdict::Differs);
    let named: Vec<&str> = report.tables[0]
        .differences
        .iter()
        .map(|it| it.row.as_str())
        .collect();
    assert_eq!(named.len(), 2, "{named:?}");
    assert!(
        named[0].ends_with("id 2, in price") && named[1].ends_with("id 3, in word"),
        "{named:?}"
    );
    let noted = report
        .items
        .iter()
        .any(|item| item.words.contains("its triggers run: shout"));
    assert!(noted);
    assert!(runner.import(&file, into("other")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_after_a_row_is_in_is_compared_too() {
    let runner = Runner::new().await;
    sqlx::raw_sql(
        "create table a (id integer primary key, children integer);
         create table b (id integer primary key, a integer references a);
         create function count_up() returns trigger language plpgsql as
         $$begin update a set children = children + 1 where id = new.a; return null; end$$;
         create trigger count_up after insert on b for each row execute function count_up()",
    )
    .execute(&runner.pool)
    .await
    .unwrap();
    let file = runner.folder.path().join("f.db");
    rusqlite::Connection::open(&file)
        .unwrap()
        .execute_batch(
            "create table a (id integer primary key, children integer);
             insert into a values (1, 2), (2, 0);
             create table b (id integer primary key, a integer references a(id));
             insert into b values (1, 1), (2, 1)",
        )
        .unwrap();
    let report = runner.import(&file, existing(OnConflict::Fail)).await.unwrap();
    let verdicts: Vec<_> = report
        .tables
        .iter()
        .map(|it| (it.name.as_str(), it.verdict))
        .collect();
    assert_eq!(verdicts, [("a", Verdict::Differs), ("b", Verdict::Identical)]);
    assert_eq!(report.verdict, Verdict::Differs);

    // The same trigger, with nothing to count.
    sqlx::raw_sql("truncate a, b; create or replace function count_up() returns trigger language plpgsql as $$begin return null; end$$")
        .execute(&runner.pool)
        .await
        .unwrap();
    let report = runner.import(&file, existing(OnConflict::Fail)).await.unwrap();
    assert_eq!(report.verdict, Verdict::Identical, "{}", report.summary());
    assert_eq!(report.rows(), 4);
    let skipped = runner.import(&file, existing(OnConflict::Skip)).await.unwrap();
    let warned = skipped
        .items
        .iter()
        .any(|it| it.words.contains("after a row is in is not compared"));
    assert!(warned, "{:?}", skipped.items);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_too_long_for_its_parent_is_refused_and_not_cut() {
    let runner = Runner::new().await;
    sqlx::raw_sql(
        "create table parent (code varchar(3) primary key);
         create table child (id integer primary key, code varchar(3) references parent)",
    )
    .execute(&runner.pool)
    .await
    .unwrap();
    let file = runner.folder.path().join("f.db");
    rusqlite::Connection::open(&file)
        .unwrap()
        .execute_batch(
            "create table child (id integer primary key, code text);
             insert into child values (1, 'abc'), (2, 'abcd')",
        )
        .unwrap();
    let fault = runner
        .import(&file, existing(OnConflict::Fail))
        .await
        .unwrap_err();
    assert!(fault.message.starts_with("child, parents in parent"), "{fault}");
    let words = fault.target.unwrap().message;
    assert!(
        words.contains("value too long for type character varying(3)"),
        "{words}"
    );
    let mut alone = existing(OnConflict::Fail);
    alone.create_parents = false;
    let fault = runner.import(&file, alone).await.unwrap_err();
    let words = fault.target.unwrap().message;
    assert!(
        words.contains("foreign key") || words.contains("too long"),
        "{words}"
    );
    assert!(fault.message.starts_with("child, all rows"), "{}", fault.message);
    let rows: i64 = sqlx::query_scalar("select count(*) from parent")
        .fetch_one(&runner.pool)
        .await
        .unwrap();
    assert_eq!(rows, 0);
}

/// A file made by these statements.
fn file(runner: &Runner, sql: &str) -> PathBuf {
    let path = runner.folder.path().join("f.db");
    std::fs::remove_file(&path).ok();
    let connection = rusqlite::Connection::open(&path).unwrap();
    // Looking for the children of each new row would take SQLite minutes.
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    connection
        .execute_batch(&format!("begin; {sql}; commit"))
        .unwrap();
    path
}

async fn execute(runner: &Runner, sql: &'static str) {
    sqlx::raw_sql(sql).execute(&runner.pool).await.unwrap();
}

async fn number(runner: &Runner, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&runner.pool).await.unwrap()
}

/// What stands in the way of an import.
async fn obstacles(runner: &Runner, file: &Path, mapping: Mapping) -> Vec<String> {
    let id = runner.look(file).await.unwrap();
    let plan = runner.plan(id, mapping).await.unwrap();
    plan.obstacles.into_iter().map(|it| it.words).collect()
}

/// The verdict of each table.
fn verdicts(report: &ImportReport) -> Vec<(&str, Verdict)> {
    report
        .tables
        .iter()
        .map(|it| (it.name.as_str(), it.verdict))
        .collect()
}

fn said(report: &ImportReport, words: &str) -> bool {
    report.items.iter().any(|item| item.words.contains(words))
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_which_one_would_overwrite_another_are_refused_also_in_different_parts() {
    let runner = Runner::new().await;
    execute(
        &runner,
        "create extension citext;
         create table t (id bigint primary key, v text);
         create table words (word citext primary key, v text);
         create collation blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
         create table names (name text collate blind primary key)",
    )
    .await;
    let rows = "with recursive n (i) as (select 1 union all select i + 1 from n where i < 160000)";
    let upsert = existing(OnConflict::Upsert);
    let twice = file(
        &runner,
        &format!(
            "create table t (id integer, v text);
             insert into t {rows} select i, 'row ' || i from n;
             insert into t values (1, 'the last one')"
        ),
    );
    for on_cancel in [OnCancel::Remove, OnCancel::Keep] {
        let mapping = Mapping {
            on_cancel,
            ..upsert.clone()
        };
        let fault = runner.import(&twice, mapping).await.unwrap_err();
        assert!(
            fault
                .message
                .starts_with("t: one key stands in several rows of the file (id)"),
            "{fault}"
        );
        assert_eq!(number(&runner, "select count(*) from t").await, 0);
        execute(&runner, "drop table if exists pgsteward_import").await;
    }
    // What is one key is for the table to say.
    for (table, column) in [("words", "word"), ("names", "name")] {
        let alike = file(
            &runner,
            &format!(
                "create table {table} ({column} text primary key);
                 insert into {table} {rows} select 'word ' || i from n;
                 insert into {table} values ('Word 7'), ('WORD 8')"
            ),
        );
        let fault = runner.import(&alike, upsert.clone()).await.unwrap_err();
        assert!(
            fault.message.starts_with(&format!(
                "{table}: 2 keys stand in several rows of the file each ({column})"
            )),
            "{fault}"
        );
    }
    // Keys that differ go in, twice with the same end.
    let once = file(
        &runner,
        &format!(
            "create table words (word text primary key, v text);
             insert into words {rows} select 'word ' || i, 'row ' || i from n"
        ),
    );
    for _ in 0..2 {
        let report = runner.import(&once, upsert.clone()).await.unwrap();
        assert_eq!(report.verdict, Verdict::Identical, "{}", report.summary());
        assert_eq!(number(&runner, "select count(*) from words").await, 160_000);
    }

    // Within a part PostgreSQL finds them itself.
    let small = file(
        &runner,
        "create table t (id integer, v text);
         insert into t values (1, 'a'), (2, 'b'), (1, 'c')",
    );
    let fault = runner.import(&small, upsert.clone()).await.unwrap_err();
    assert!(
        fault
            .message
            .starts_with("t: two rows of the file have one key (id)"),
        "{fault}"
    );
    assert!(fault.hint.is_some());

    let two = file(
        &runner,
        "create table t (id integer, v text);
         insert into t values (1, 'a');
         create table u (id integer, v text);
         insert into u values (1, 'b')",
    );
    let mut mapping = upsert;
    mapping.tables.entry("u".to_owned()).or_default().name = Some("t".to_owned());
    assert_eq!(
        obstacles(&runner, &two, mapping).await,
        ["Goes into t, and so does t."]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_noted_of_a_file_that_was_written_to_meanwhile() {
    let runner = Runner::new().await;
    execute(
        &runner,
        "create table t (id bigint primary key, v text);
         create function wait() returns trigger language plpgsql as
         $$begin perform pg_sleep(3); return new; end$$;
         create trigger wait before insert on t for each row execute function wait()",
    )
    .await;
    let file = file(
        &runner,
        "create table t (id integer primary key, v text);
         insert into t values (1, 'a')",
    );
    let id = runner.look(&file).await.unwrap();
    let mapping = Mapping {
        on_cancel: OnCancel::Keep,
        ..existing(OnConflict::Fail)
    };
    let writing = async {
        let asleep = "select count(*) from pg_stat_activity
                       where datname = current_database() and wait_event = 'PgSleep'";
        while number(&runner, asleep).await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let opened = std::fs::File::options().write(true).open(&file).unwrap();
        opened
            .set_modified(std::time::SystemTime::now() + Duration::from_secs(60))
            .unwrap();
    };
    let (loaded, ()) = tokio::join!(runner.load(id, mapping), writing);
    let fault = loaded.unwrap_err();
    assert!(fault.message.contains("written to"), "{fault}");
    assert_eq!(number(&runner, "select count(*) from t").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_when_rows_are_updated_or_before_they_are_in_is_compared_too() {
    let runner = Runner::new().await;
    execute(
        &runner,
        "create table a (id integer primary key, v text);
         insert into a values (1, 'old'), (2, 'old');
         create function shout() returns trigger language plpgsql as
         $$begin
             if pg_trigger_depth() = 1 then
                 update a set v = upper(v) where id = new.id;
             end if;
             return null;
         end$$;
         create trigger shout after update on a for each row execute function shout()",
    )
    .await;
    let rows = file(
        &runner,
        "create table a (id integer primary key, v text);
         insert into a values (1, 'x'), (2, 'y')",
    );
    let report = runner.import(&rows, existing(OnConflict::Upsert)).await.unwrap();
    assert_eq!(verdicts(&report), [("a", Verdict::Differs)]);

    // A row that comes in changes one that came before it; for whole statements, and in a partition, too.
    for (table, trigger) in [
        (
            "create table b (id integer primary key, key integer, current boolean)",
            "create trigger outdate before insert on b for each row execute function outdate()",
        ),
        (
            "create table b (id integer primary key, key integer, current boolean)",
            "create trigger outdate before insert on b for each statement execute function outdate();
             alter table b add foreign key (key) references c",
        ),
        (
            "create table b (id integer primary key, key integer, current boolean) partition by range (id);
             create schema elsewhere;
             create table elsewhere.first partition of b for values from (0) to (100)",
            "create trigger outdate before insert on elsewhere.first for each row execute function outdate()",
        ),
    ] {
        execute(
            &runner,
            "drop table if exists b;
             drop schema if exists elsewhere cascade;
             drop table if exists c;
             create table c (id integer primary key, v integer);
             create or replace function outdate() returns trigger language plpgsql as
             $$begin
                 if tg_level = 'ROW' then
                     update b set current = false where key = new.key;
                 else
                     update c set v = 11;
                 end if;
                 return new;
             end$$",
        )
        .await;
        for sql in [table, trigger] {
            execute(&runner, sql).await;
        }
        let rows = file(
            &runner,
            "create table b (id integer primary key, key integer, current boolean);
             insert into b values (1, 7, 1), (2, 7, 1);
             create table c (id integer primary key, v integer);
             insert into c values (7, 10)",
        );
        let report = runner.import(&rows, existing(OnConflict::Fail)).await.unwrap();
        let changed: Vec<i64> = sqlx::query_scalar(
            "select count(*) from b where not current union all select count(*) from c where v = 11",
        )
        .fetch_all(&runner.pool)
        .await
        .unwrap();
        let expected = |changed: i64| match changed {
            0 => Verdict::Identical,
            _ => Verdict::Differs,
        };
        assert_eq!(changed.iter().sum::<i64>(), 1, "{trigger}");
        assert_eq!(
            verdicts(&report),
            [("b", expected(changed[0])), ("c", expected(changed[1]))],
            "{trigger}"
        );
    }

    // An insert that becomes something else is no import.
    execute(
        &runner,
        "create rule elsewhere as on insert to c do also update b set current = null",
    )
    .await;
    let rows = file(
        &runner,
        "create table c (id integer primary key);
         insert into c values (50)",
    );
    let found = obstacles(&runner, &rows, existing(OnConflict::Fail)).await;
    assert!(found[0].starts_with("The rule elsewhere of c"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_null_finds_no_row() {
    let runner = Runner::new().await;
    execute(
        &runner,
        "create table t (email text unique, name text);
         create table other (email text unique, code text unique, name text)",
    )
    .await;
    let rows = file(
        &runner,
        "create table t (email text, name text);
         insert into t values (null, 'a'), (null, 'b'), ('c@x', 'c')",
    );
    let found = obstacles(&runner, &rows, existing(OnConflict::Upsert)).await;
    assert_eq!(
        found,
        ["2 rows hold NULL in email, by which t tells its rows apart: each import brings them in once more."]
    );
    let report = runner.import(&rows, existing(OnConflict::Skip)).await.unwrap();
    assert_eq!(report.verdict, Verdict::Identical, "{}", report.summary());
    assert!(said(&report, "2 rows hold NULL in email"), "{:?}", report.items);

    // Another key will do.
    let rows = file(
        &runner,
        "create table other (email text, code text, name text);
         insert into other values (null, 'x', 'a'), (null, 'y', 'b')",
    );
    for _ in 0..2 {
        let report = runner.import(&rows, existing(OnConflict::Upsert)).await.unwrap();
        assert_eq!(report.verdict, Verdict::Identical, "{}", report.summary());
        assert_eq!(number(&runner, "select count(*) from other").await, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_a_trigger_throws_away_are_not_called_skipped() {
    let runner = Runner::new().await;
    execute(
        &runner,
        "create table t (id integer primary key, code text unique, x integer);
         create table bare (x integer);
         create function positive() returns trigger language plpgsql as
         $$begin
             if new.x < 0 then return null; end if;
             return new;
         end$$;
         create trigger positive before insert on t for each row execute function positive();
         create trigger positive before insert on bare for each row execute function positive()",
    )
    .await;
    let rows = file(
        &runner,
        "create table t (id integer primary key, code text, x integer);
         insert into t values (1, 'a', 1), (2, 'b', -1), (3, 'c', 3);
         create table bare (x integer);
         insert into bare values (1), (-1)",
    );
    let report = runner.import(&rows, existing(OnConflict::Skip)).await.unwrap();
    assert_eq!(
        verdicts(&report),
        [("t", Verdict::Differs), ("bare", Verdict::Differs)]
    );
    let named: Vec<&str> = report.tables[0]
        .differences
        .iter()
        .map(|it| it.row.as_str())
        .collect();
    assert_eq!(named, ["neither came in nor is there: 2"]);

    // A row that another key keeps out is skipped, as was wished.
    execute(
        &runner,
        "truncate t; truncate bare; insert into t values (1, 'x', 0), (9, 'c', 0)",
    )
    .await;
    let rows = file(
        &runner,
        "create table t (id integer primary key, code text, x integer);
         insert into t values (1, 'a', 1), (2, 'b', 1), (3, 'c', 3)",
    );
    let report = runner.import(&rows, existing(OnConflict::Skip)).await.unwrap();
    assert_eq!(verdicts(&report), [("t", Verdict::Explained)]);
    assert_eq!(report.tables[0].skipped, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_table_that_refers_to_itself_is_compared_row_by_row_too() {
    let runner = Runner::new().await;
    execute(
        &runner,
        "create table t (id integer primary key, parent integer references t, v text, n numeric)",
    )
    .await;
    let rows = file(
        &runner,
        "create table t (id integer primary key, parent integer references t, v text, n numeric);
         insert into t
             with recursive n (i) as (select 1 union all select i + 1 from n where i < 200000)
           select i, min(i + 7, 200000), 'row ' || i, i / 4.0 from n",
    );
    for on_conflict in [OnConflict::Fail, OnConflict::Upsert] {
        let report = runner.import(&rows, existing(on_conflict)).await.unwrap();
        assert_eq!(report.verdict, Verdict::Identical, "{}", report.summary());
    }
    execute(
        &runner,
        "delete from t where id < 5; update t set v = '' where id = 100000",
    )
    .await;
    let report = runner.import(&rows, existing(OnConflict::Skip)).await.unwrap();
    assert_eq!(report.verdict, Verdict::Explained, "{}", report.summary());
    assert_eq!(report.tables[0].skipped, 199_996);
    execute(
        &runner,
        "truncate t;
         create function mend() returns trigger language plpgsql as
         $$begin
             if new.id in (5, 150000) then new.v := ''; end if;
             return new;
         end$$;
         create trigger mend before insert on t for each row execute function mend();
         insert into t select i, null, 'x', 0 from generate_series(199981, 200000) i",
    )
    .await;
    let report = runner.import(&rows, existing(OnConflict::Skip)).await.unwrap();
    assert_eq!(report.verdict, Verdict::Differs);
    assert_eq!(report.tables[0].skipped, 20);
    execute(&runner, "truncate t").await;
    let report = runner.import(&rows, existing(OnConflict::Fail)).await.unwrap();
    let mut named: Vec<&str> = report.tables[0]
        .differences
        .iter()
        .map(|it| it.row.as_str())
        .collect();
    named.sort_unstable();
    assert_eq!(
        named,
        [
            "changed on its way in: id 150000, in v",
            "changed on its way in: id 5, in v"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sequences_never_go_back() {
    let runner = Runner::new().await;
    execute(
        &runner,
        "create table later (id serial primary key, v text);
         alter sequence later_id_seq start 1000 restart;
         create table called (id bigint generated always as identity primary key, v text);
         select setval('called_id_seq', 700);
         create table low (id serial primary key, v text);
         create table exact (id bigint generated by default as identity (start 3) primary key, v text);
         create table down (id integer primary key, v text);
         create sequence down_id_seq increment -1 owned by down.id;
         alter table down alter id set default nextval('down_id_seq')",
    )
    .await;
    let tables: Vec<String> = ["later", "called", "low", "exact", "down"]
        .iter()
        .map(|name| {
            format!(
                "create table {name} (id integer primary key, v text);
                 insert into {name} values (1, 'a'), (3, 'b');"
            )
        })
        .collect();
    let rows = file(&runner, &tables.concat());
    let report = runner.import(&rows, existing(OnConflict::Fail)).await.unwrap();
    assert_eq!(report.verdict, Verdict::Identical, "{}", report.summary());
    assert!(said(&report, "numbers down.id downwards"), "{:?}", report.items);
    let next: Vec<i64> = sqlx::query_scalar(
        "select nextval(name)
           from unnest(array['later_id_seq', 'called_id_seq', 'low_id_seq', 'exact_id_seq', 'down_id_seq']) name",
    )
    .fetch_all(&runner.pool)
    .await
    .unwrap();
    assert_eq!(next, [1000, 701, 4, 4, -1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_rows_that_differ_are_named_when_they_are_many() {
    let runner = Runner::new().await;
    // Rows are meddled with before the indexes are built, and lie in another order than in the file then.
    execute(
        &runner,
        "create function meddle() returns event_trigger language plpgsql as
         $$begin
            if current_query() like '%t_v%' and to_regclass('seen.t') is not null then
                update seen.t set v = v where id <= 5000;
                update seen.t set v = 'meddled' where id > 10000;
            end if;
         end$$;
         create event trigger meddle on ddl_command_end when tag in ('CREATE INDEX') execute function meddle()",
    )
    .await;
    let rows = file(
        &runner,
        "create table t (id integer primary key, v text);
         create index t_v on t (v);
         insert into t
             with recursive n (i) as (select 1 union all select i + 1 from n where i < 20000)
           select i, 'row ' || i from n",
    );
    let report = runner.import(&rows, into("seen")).await.unwrap();
    assert_eq!(report.verdict, Verdict::Differs);
    let named = &report.tables[0].differences;
    assert!(!named.is_empty());
    for difference in named {
        let id: i64 = difference.row.trim_start_matches("id ").parse().unwrap();
        assert!(id > 10_000, "{difference:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_whose_parents_come_later_in_the_file_get_new_values() {
    let runner = Runner::new().await;
    let chinook = super::samples::folder().join("chinook.sqlite");
    let report = runner.import(&chinook, into("music")).await.unwrap();
    assert_eq!(report.verdict, Verdict::Identical, "{}", report.summary());
    execute(
        &runner,
        "update music.\"Artist\" set \"Name\" = 'Someone' where \"ArtistId\" = 201",
    )
    .await;
    for keep in [false, true] {
        let mapping = Mapping {
            schema: "music".to_owned(),
            on_cancel: if keep { OnCancel::Keep } else { OnCancel::Remove },
            ..existing(OnConflict::Upsert)
        };
        let report = runner.import(&chinook, mapping).await.unwrap();
        assert_eq!(report.verdict, Verdict::Identical, "{}", report.summary());
    }
    let name: String = sqlx::query_scalar("select \"Name\" from music.\"Artist\" where \"ArtistId\" = 201")
        .fetch_one(&runner.pool)
        .await
        .unwrap();
    assert_eq!(name, "Luciana Souza/Romero Lubambo");
}
