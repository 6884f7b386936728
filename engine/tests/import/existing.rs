//! Rows into tables that are there.

use contract::import::{Destination, Mapping, OnCancel, OnConflict, Verdict};

use crate::{
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
    let caller = crate::support::caller(&runner.console, contract::session::Role::Operator).await;
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
    let import = runner.console.import();
    let plan = import
        .plan(&runner.caller, id, existing(OnConflict::Fail))
        .await
        .unwrap();
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
    let fault = import.start(&runner.caller, id, false).await.unwrap_err().fault();
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
        named[0].contains("id 2") && named[1].contains("id 3"),
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
