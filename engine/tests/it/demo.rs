//! The demonstration data is complete, plausible, the same every time, and never lands among other people's rows.

use engine::demo::{Error, Filled, fill};
use sqlx::{AssertSqlSafe, PgPool};
use testkit::{ai_pal, shared};

const ROWS: u64 = 20_000;

/// What must not be found, and the query that counts it.
const NEVER: [(&str, &str); 11] = [
    (
        "rows from the future",
        "from ari_snapshots where timestamp > now() at time zone 'utc'",
    ),
    (
        "tasks that end before they start",
        "from background_tasks where completed_at < started_at",
    ),
    (
        "goals completed before they are set",
        "from ffe_goals where completed_at < created_at",
    ),
    (
        "resolved debts without a date",
        "from edm_debts where resolved <> (resolution_date is not null)",
    ),
    (
        "blocks of another user than their goal's",
        "from atomic_blocks join ffe_goals as goal using (goal_id) where atomic_blocks.user_id <> goal.user_id",
    ),
    (
        "goals whose blocks do not count from 0",
        "from (select from atomic_blocks group by goal_id
               having max(block_index) + 1 <> count(*) or min(block_index) <> 0) as odd",
    ),
    (
        "completed goals with blocks to do",
        "from atomic_blocks join ffe_goals using (goal_id) where status = 'completed' and not completed",
    ),
    (
        "dimensions beyond 0 and 1",
        "from ari_snapshots where autonomy_retention not between 0 and 1 or ai_reliance not between 0 and 1",
    ),
    (
        "unknown words in audit entries",
        "from audit_logs where severity not in ('debug', 'info', 'warning', 'error', 'critical')
                            or result not in ('success', 'failure', 'denied')",
    ),
    (
        "unknown severities of debts",
        "from edm_debts where severity not in ('low', 'medium', 'high', 'critical')",
    ),
    (
        "profiles that miscount their goals",
        "from user_profiles as profile
         where total_goals <> (select count(*) from ffe_goals where user_id = profile.user_id)",
    ),
];

/// What must be found at least so often.
const VARIETY: [(&str, i64, &str); 7] = [
    (
        "days of history",
        700,
        "extract(day from max(timestamp) - min(timestamp))::bigint from ari_snapshots",
    ),
    ("severities", 5, "count(distinct severity) from audit_logs"),
    (
        "failed tasks",
        50,
        "count(*) from background_tasks where status = 'failed'",
    ),
    (
        "waiting tasks",
        10,
        "count(*) from background_tasks where status = 'pending'",
    ),
    (
        "audit entries without a user",
        20,
        "count(*) from audit_logs where user_id is null",
    ),
    (
        "people with snapshots",
        35,
        "count(distinct user_id) from ari_snapshots",
    ),
    ("kinds of goals", 4, "count(distinct status) from ffe_goals"),
];

async fn schema() -> PgPool {
    let pool = shared().await.database("demo").await.pool().await;
    ai_pal::apply_schema(&pool).await;
    pool
}

async fn number(pool: &PgPool, what: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(format!("select {what}")))
        .fetch_one(pool)
        .await
        .unwrap()
}

/// Everything but times and running numbers, which differ between runs.
async fn fingerprint(pool: &PgPool) -> String {
    sqlx::query_scalar(
        "select md5(string_agg(snapshot_id || user_id || autonomy_retention || coalesce(task_description, ''),
                               ',' order by snapshot_id))
           from ari_snapshots",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn all_rows_are_there_analysed_and_a_second_call_writes_nothing() {
    let pool = schema().await;
    let mut reported = Vec::new();
    let filled = fill(&pool, ROWS, |done, total| reported.push((done, total)))
        .await
        .unwrap();
    assert_eq!(filled, Filled::Now);
    assert!(reported.is_sorted() && reported.iter().all(|(_, total)| *total == ROWS));
    assert_eq!(reported.last(), Some(&(ROWS, ROWS)));
    for (table, rows) in [
        ("user_profiles", 40),
        ("ari_snapshots", 11_200),
        ("edm_debts", 800),
        ("ffe_goals", 1_000),
        ("atomic_blocks", 2_800),
        ("progress_tapestry", 200),
        ("momentum_history", 120),
        ("patch_requests", 40),
        ("background_tasks", 2_400),
        ("audit_logs", 1_400),
    ] {
        assert_eq!(
            number(&pool, &format!("count(*) from {table}")).await,
            rows,
            "{table}"
        );
        let analysed = format!("reltuples::bigint from pg_class where oid = '{table}'::regclass");
        assert_eq!(number(&pool, &analysed).await, rows, "{table} as ANALYZE saw it");
    }

    let mut reports = 0;
    assert_eq!(
        fill(&pool, 2 * ROWS, |_, _| reports += 1).await.unwrap(),
        Filled::Before
    );
    assert_eq!(
        (reports, number(&pool, "count(*) from ari_snapshots").await),
        (0, 11_200)
    );
}

#[tokio::test]
async fn rows_make_sense() {
    let pool = schema().await;
    fill(&pool, ROWS, |_, _| {}).await.unwrap();
    for (what, query) in NEVER {
        assert_eq!(number(&pool, &format!("count(*) {query}")).await, 0, "{what}");
    }
    for (what, least, query) in VARIETY {
        let found = number(&pool, query).await;
        assert!(found >= least, "{what}: {found}");
    }
}

#[tokio::test]
async fn an_interrupted_fill_goes_on_where_it_stopped_and_ends_the_same() {
    let (whole, broken) = (schema().await, schema().await);
    fill(&whole, ROWS, |_, _| {}).await.unwrap();

    // The table after the snapshots takes no row, so the fill ends there; and a part of the snapshots is lost.
    sqlx::raw_sql("alter table edm_debts add constraint stop check (debt_id is null)")
        .execute(&broken)
        .await
        .unwrap();
    let stopped = fill(&broken, ROWS, |_, _| {}).await.unwrap_err();
    assert!(matches!(stopped, Error::Database(_)), "{stopped}");
    sqlx::raw_sql("alter table edm_debts drop constraint stop; delete from ari_snapshots where id > 5000")
        .execute(&broken)
        .await
        .unwrap();

    let mut first = None;
    // It asks for another number of rows: what was begun is what is finished.
    let filled = fill(&broken, 9 * ROWS, |done, _| {
        first.get_or_insert(done);
    })
    .await
    .unwrap();
    assert_eq!((filled, first), (Filled::Now, Some(40 + 11_200)));
    assert_eq!(number(&broken, "count(*) from audit_logs").await, 1_400);
    assert_eq!(fingerprint(&broken).await, fingerprint(&whole).await);
}

#[tokio::test]
async fn a_database_with_rows_of_others_or_without_the_schema_is_left_alone() {
    let used = schema().await;
    sqlx::raw_sql("insert into audit_logs (event_type, component, action) values ('login', 'api', 'login')")
        .execute(&used)
        .await
        .unwrap();
    let refused = fill(&used, ROWS, |_, _| {}).await.unwrap_err();
    assert!(matches!(refused, Error::NotEmpty("audit_logs")), "{refused}");
    assert_eq!(number(&used, "count(*) from user_profiles").await, 0);

    let bare = shared().await.database("bare").await.pool().await;
    let refused = fill(&bare, ROWS, |_, _| {}).await.unwrap_err();
    assert!(
        matches!(refused, Error::NotMigrated("user_profiles")),
        "{refused}"
    );
}

#[tokio::test]
async fn two_processes_do_not_fill_at_once() {
    let pool = schema().await;
    let mut other = None;
    fill(&pool, ROWS, |_, _| {
        // The first batch is written, and the first fill still runs.
        other.get_or_insert_with(|| {
            let pool = pool.clone();
            tokio::spawn(async move { fill(&pool, ROWS, |_, _| {}).await })
        });
    })
    .await
    .unwrap();
    let other = other.unwrap().await.unwrap();
    assert!(matches!(other, Err(Error::Busy)), "{other:?}");
    assert_eq!(fill(&pool, ROWS, |_, _| {}).await.unwrap(), Filled::Before);
}
