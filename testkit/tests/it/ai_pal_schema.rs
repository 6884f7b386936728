//! The AI-PAL schema as migrations/ai_pal builds it: types and keys as AI-PAL's own models expect them.

use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};
use testkit::{ai_pal, shared};

/// Column, type, `null` where it may be, default. `id` is tested apart.
const COLUMNS: [(&str, &str); 10] = [
    (
        "ari_snapshots",
        "snapshot_id varchar(36), user_id varchar(255), timestamp timestamp, decision_quality double precision, \
         skill_development double precision, ai_reliance double precision, bottleneck_resolution double precision, \
         user_confidence double precision, engagement double precision, autonomy_perception double precision, \
         autonomy_retention double precision, delta_agency double precision, task_description text null, \
         task_complexity varchar(50) null",
    ),
    (
        "atomic_blocks",
        "block_id varchar(36), goal_id varchar(36), user_id varchar(255), description text, block_index integer, \
         size varchar(20), estimated_minutes integer, original_description text null, reframed_description text null, \
         strengths_used text null, completed boolean null default false, completed_at timestamp null",
    ),
    (
        "audit_logs",
        "user_id varchar(255) null, timestamp timestamp default now, severity varchar(20) default 'info', \
         event_type varchar(100), session_id varchar(255) null, component varchar(100), action varchar(255), \
         details jsonb default '{}', result varchar(20) default 'success', ip_address varchar(45) null, \
         resource text null",
    ),
    (
        "background_tasks",
        "task_id varchar(255), task_name varchar(255), user_id varchar(255) null, task_type varchar(50), \
         status varchar(50) default 'pending', priority integer default 5, created_at timestamp default now, \
         started_at timestamp null, completed_at timestamp null, result text null, error_message text null, \
         error_traceback text null, attempts integer default 0, max_retries integer default 3, args text null, \
         kwargs text null, duration_seconds double precision null, celery_task_id varchar(255) null",
    ),
    (
        "edm_debts",
        "debt_id varchar(36), user_id varchar(255), timestamp timestamp, claim text, debt_type varchar(50), \
         severity varchar(20), confidence_score double precision, source_response text null, task_context text null, \
         resolved boolean null default false, resolution_date timestamp null, resolution_method varchar(100) null",
    ),
    (
        "ffe_goals",
        "goal_id varchar(36), user_id varchar(255), created_at timestamp default now, description text, \
         importance integer, complexity_level varchar(50), estimated_value double precision null, \
         status varchar(50) null default 'active', completed_at timestamp null, deadline timestamp null",
    ),
    (
        "momentum_history",
        "user_id varchar(255), timestamp timestamp, state varchar(50), goal_id varchar(36) null",
    ),
    (
        "patch_requests",
        "request_id varchar(36), created_at timestamp default now, target_file varchar(500), reasoning text, diff text, \
         new_code_blob text, component varchar(100), improvement_type varchar(50), confidence double precision, \
         status varchar(50) default 'PENDING_APPROVAL', reviewed_at timestamp null, reviewed_by varchar(255) null, \
         review_comment text null, applied_at timestamp null, application_error text null, feedback_ids text null, \
         metrics text null",
    ),
    (
        "progress_tapestry",
        "entry_id varchar(36), user_id varchar(255), timestamp timestamp, win_description text, win_type varchar(50), \
         goal_id varchar(36) null, pride_level double precision, strengths_used text null, connected_to text null",
    ),
    (
        "user_profiles",
        "user_id varchar(255), created_at timestamp default now, updated_at timestamp default now, \
         display_name varchar(255) null, email varchar(255) null, signature_strengths text null, \
         learning_style varchar(50) null, preferences text null, total_goals integer null default 0, \
         total_tasks_completed integer null default 0, current_ari_score double precision null",
    ),
];

/// The guide's indexes, which the Optimize page creates: name and what it is on.
const GUIDE: [(&str, &str); 20] = [
    ("idx_ari_user_id", "ari_snapshots (user_id)"),
    ("idx_ari_timestamp", "ari_snapshots (timestamp desc)"),
    (
        "idx_ari_user_timestamp",
        "ari_snapshots (user_id, timestamp desc)",
    ),
    ("idx_ari_score", "ari_snapshots (autonomy_retention desc)"),
    ("idx_task_user_status", "background_tasks (user_id, status)"),
    ("idx_task_created", "background_tasks (created_at desc)"),
    ("idx_task_celery_id", "background_tasks (celery_task_id)"),
    ("idx_task_status", "background_tasks (status)"),
    ("idx_task_type", "background_tasks (task_type)"),
    ("idx_goal_user_status", "ffe_goals (user_id, status)"),
    ("idx_goal_deadline", "ffe_goals (deadline)"),
    ("idx_edm_user_unresolved", "edm_debts (user_id, resolved)"),
    ("idx_edm_severity", "edm_debts (severity)"),
    ("idx_block_goal_id", "atomic_blocks (goal_id)"),
    ("idx_block_user_id", "atomic_blocks (user_id)"),
    ("idx_audit_user_timestamp", "audit_logs (user_id, timestamp desc)"),
    ("idx_audit_severity", "audit_logs (severity)"),
    ("idx_audit_event_type", "audit_logs (event_type)"),
    ("idx_patch_component_status", "patch_requests (component, status)"),
    ("idx_patch_status", "patch_requests (status)"),
];

/// One row in each table that has a user, as AI-PAL's models write it: what has a default there is left out.
const ROWS_OF_A_USER: [(&str, &str); 8] = [
    (
        "ari_snapshots",
        "insert into ari_snapshots (snapshot_id, user_id, timestamp, decision_quality, skill_development, ai_reliance, \
         bottleneck_resolution, user_confidence, engagement, autonomy_perception, autonomy_retention, delta_agency) \
         values ('s', $1, '2026-01-02 03:04:05', 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, -0.1)",
    ),
    (
        "edm_debts",
        "insert into edm_debts (debt_id, user_id, timestamp, claim, debt_type, severity, confidence_score) \
         values ('d', $1, '2026-01-02 03:04:05', 'it is so', 'unverified', 'high', 0.9)",
    ),
    (
        "ffe_goals",
        "insert into ffe_goals (goal_id, user_id, description, importance, complexity_level) \
         values ('g', $1, 'learn', 5, 'medium')",
    ),
    (
        "atomic_blocks",
        "insert into atomic_blocks (block_id, goal_id, user_id, description, block_index, size, estimated_minutes) \
         values ('b', 'g', $1, 'read', 0, 'small', 25)",
    ),
    (
        "progress_tapestry",
        "insert into progress_tapestry (entry_id, user_id, timestamp, win_description, win_type, pride_level) \
         values ('e', $1, '2026-01-02 03:04:05', 'done', 'small', 0.5)",
    ),
    (
        "momentum_history",
        "insert into momentum_history (user_id, timestamp, state) values ($1, '2026-01-02 03:04:05', 'win')",
    ),
    (
        "background_tasks",
        "insert into background_tasks (task_id, task_name, user_id, task_type) values ('t', 'plan', $1, 'ffe_planning')",
    ),
    (
        "audit_logs",
        "insert into audit_logs (user_id, event_type, component, action) values ($1, 'login', 'api', 'log in')",
    ),
];

async fn schema() -> PgPool {
    let pool = shared().await.database("ai_pal").await.pool().await;
    ai_pal::apply_schema(&pool).await;
    pool
}

async fn count(pool: &PgPool, table: &str) -> i64 {
    let sql = format!("select count(*) from {table}");
    sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_one(pool)
        .await
        .unwrap()
}

async fn write_rows_of(pool: &PgPool, user: &str) {
    for (table, sql) in ROWS_OF_A_USER {
        sqlx::query(sql)
            .bind(user)
            .execute(pool)
            .await
            .map_err(|error| format!("{table}: {error}"))
            .unwrap();
    }
}

#[tokio::test]
async fn every_column_has_the_type_and_default_of_the_models() {
    let pool = schema().await;
    let found: Vec<(String, String)> = sqlx::query_as(
        "select class.relname::text,
                string_agg(
                    column_name.attname
                        || ' ' || replace(replace(format_type(atttypid, atttypmod), 'character varying', 'varchar'),
                                          ' without time zone', '')
                        || case when attnotnull then '' else ' null' end
                        || coalesce(' default ' || replace(regexp_replace(pg_get_expr(adbin, adrelid), '::[a-z ]+$', ''),
                                                           '(now() AT TIME ZONE ''utc''::text)', 'now'), ''),
                    ', ' order by attnum)
           from pg_class as class
           join pg_attribute as column_name on attrelid = class.oid and attnum > 0 and attname <> 'id'
           left join pg_attrdef on adrelid = class.oid and adnum = attnum
          where relnamespace = 'public'::regnamespace
            and relkind = 'r'
          group by relname
          order by relname",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|(table, columns)| (table.as_str(), columns.as_str()))
        .collect();
    assert_eq!(found, COLUMNS);
}

#[tokio::test]
async fn every_table_has_a_comment_and_a_unique_integer_id_that_counts_by_itself() {
    let pool = schema().await;
    let odd: Vec<String> = sqlx::query_scalar(
        "select relname::text
           from pg_class as class
          where relnamespace = 'public'::regnamespace
            and relkind = 'r'
            and (obj_description(oid, 'pg_class') is null
                 or not exists (
                     select from pg_attribute
                       join pg_constraint on conrelid = attrelid and conkey = array[attnum] and contype in ('p', 'u')
                      where attrelid = class.oid
                        and attname = 'id'
                        and atttypid = 'integer'::regtype
                        and attidentity = 'd'))",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(odd, Vec::<String>::new());
    assert_eq!(
        count(
            &pool,
            "pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
        )
        .await,
        10
    );
}

#[tokio::test]
async fn only_the_guides_indexes_are_left_to_create_and_all_of_them_can_be() {
    let pool = schema().await;
    let own: Vec<String> = sqlx::query_scalar(
        "select indexrelid::regclass::text from pg_index
          where indrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace)
            and not indisunique
          order by 1",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(own, ["idx_momentum_user_id", "idx_tapestry_user_id"]);
    for (name, on) in GUIDE {
        let sql = format!("create index concurrently {name} on {on}");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&pool).await.unwrap();
    }
    let unsupported: Vec<String> = sqlx::query_scalar(
        "select conrelid::regclass::text || '.' || conname from pg_constraint as key
          where contype = 'f'
            and not exists (select from pg_index where indrelid = conrelid and indisvalid and indkey[0] = conkey[1])",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(
        unsupported,
        Vec::<String>::new(),
        "foreign keys without an index once the guide's are there"
    );
}

#[tokio::test]
async fn a_row_for_an_unknown_user_creates_the_profile_and_takes_one_number_for_it() {
    let pool = schema().await;
    // One connection, so that the zone holds for all that follows.
    let options = (*pool.connect_options()).clone();
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .unwrap();
    sqlx::raw_sql("set time zone 'Asia/Tokyo'")
        .execute(&pool)
        .await
        .unwrap();
    let zone: String = sqlx::query_scalar("show timezone")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(zone, "Asia/Tokyo");
    write_rows_of(&pool, "new user").await;
    assert_eq!(count(&pool, "user_profiles").await, 1);
    let recent: bool = sqlx::query_scalar(
        "select abs(extract(epoch from created_at - (now() at time zone 'utc'))) < 60 and total_goals = 0 from user_profiles",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert!(recent, "times are in UTC whatever the session's zone");
    let numbers: i64 = sqlx::query_scalar("select last_value from user_profiles_id_seq")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(numbers, 1, "rows of known users must not use up numbers");
}

#[tokio::test]
async fn two_writers_of_the_same_unknown_user_both_succeed() {
    let pool = schema().await;
    let sql = "insert into momentum_history (user_id, timestamp, state) values ('same', now(), 'win')";
    let mut first = pool.begin().await.unwrap();
    sqlx::raw_sql(sql).execute(&mut *first).await.unwrap();
    let second = tokio::spawn({
        let pool = pool.clone();
        async move { sqlx::raw_sql(sql).execute(&pool).await }
    });
    // The second one waits for the first one's profile. Commit only when it does.
    const WAITING: &str = "pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    while count(&pool, WAITING).await == 0 {
        tokio::task::yield_now().await;
    }
    first.commit().await.unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(
        (
            count(&pool, "user_profiles").await,
            count(&pool, "momentum_history").await
        ),
        (1, 2)
    );
}

#[tokio::test]
async fn tasks_and_audit_entries_may_have_no_user() {
    let pool = schema().await;
    sqlx::raw_sql(
        "insert into background_tasks (task_id, task_name, task_type) values ('t', 'tidy', 'maintenance');
         insert into audit_logs (event_type, component, action, details) values ('system_start', 'api', 'start', '{\"n\": 1}')",
    )
    .execute(&pool)
    .await
    .unwrap();
    assert_eq!(count(&pool, "user_profiles").await, 0);
}

#[tokio::test]
async fn the_trigger_works_for_a_role_with_another_search_path_and_asks_for_its_own_rights() {
    let pool = schema().await;
    let mut connection = pool.acquire().await.unwrap();
    sqlx::raw_sql(
        "create role writer_of_schema_test;
         grant select, insert on momentum_history to writer_of_schema_test;
         set role writer_of_schema_test;
         set search_path = ''",
    )
    .execute(&mut *connection)
    .await
    .unwrap();
    let insert = "insert into public.momentum_history (user_id, timestamp, state) values ('u', now(), 'win')";
    let refused = sqlx::raw_sql(insert).execute(&mut *connection).await.unwrap_err();
    assert_eq!(
        refused
            .as_database_error()
            .and_then(|error| error.code())
            .as_deref(),
        Some("42501"),
        "{refused}"
    );
    sqlx::raw_sql("reset role; grant select, insert on public.user_profiles to writer_of_schema_test; set role writer_of_schema_test")
        .execute(&mut *connection)
        .await
        .unwrap();
    sqlx::raw_sql(insert).execute(&mut *connection).await.unwrap();
}

#[tokio::test]
async fn deleting_a_profile_takes_its_rows_along_and_leaves_the_audit_entries() {
    let pool = schema().await;
    write_rows_of(&pool, "leaver").await;
    sqlx::raw_sql("delete from user_profiles")
        .execute(&pool)
        .await
        .unwrap();
    for (table, _) in ROWS_OF_A_USER {
        let kept = i64::from(table == "audit_logs");
        assert_eq!(count(&pool, table).await, kept, "{table}");
    }
    assert_eq!(count(&pool, "audit_logs where user_id is null").await, 1);
}

#[tokio::test]
async fn deleting_a_goal_takes_its_blocks_along() {
    let pool = schema().await;
    write_rows_of(&pool, "planner").await;
    sqlx::raw_sql("delete from ffe_goals")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(count(&pool, "atomic_blocks").await, 0);
}

#[tokio::test]
async fn a_patch_request_waits_for_approval_unless_it_says_otherwise() {
    let pool = schema().await;
    let status: String = sqlx::query_scalar(
        "insert into patch_requests (request_id, target_file, reasoning, diff, new_code_blob, component, improvement_type, confidence)
         values ('p', 'a.py', 'faster', '-+', 'pass', 'api', 'performance', 0.7)
         returning status",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(status, "PENDING_APPROVAL");
}
