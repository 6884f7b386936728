//! Plans: asked for, run and rolled back, pasted, kept and compared; on real servers.

use contract::{
    Code, Fault,
    audit::{AuditQuery, Outcome},
    explain::{ExplainSpec, PLANS_OF_USER, PasteSpec, Plan, PlanMode, PlanNode, PlanView},
    finding::Level,
    session::Role,
};
use engine::{Caller, Engine, EngineConfig, target::url};
use sqlx::{AssertSqlSafe, PgPool};
use testkit::{Cluster, Database, PgBouncer, PoolMode, Version, shared, shared_of};

use crate::{
    support::{self, Console},
    work::refused,
};

struct Test {
    console: Console,
    viewer: Caller,
    operator: Caller,
    database: Database,
    pool: PgPool,
}

async fn with(database: Database) -> Test {
    let console = support::engine(&database, false).await;
    Test {
        viewer: support::caller(&console, Role::Viewer).await,
        operator: support::caller(&console, Role::Operator).await,
        pool: database.pool().await,
        console,
        database,
    }
}

async fn test() -> Test {
    with(shared().await.database("explain").await).await
}

/// A table that is worth an index, and its statistics.
const ORDERS: &str =
    "create table orders (id int primary key, customer int not null, state text not null, note text);
    insert into orders select n, n % 5000, case n % 10 when 0 then 'open' else 'done' end, 'secret-' || n
      from generate_series(1, 50000) as n;
    create index orders_customer on orders (customer);
    analyze orders";

impl Test {
    async fn sql(&self, sql: &str) {
        execute(&self.pool, sql).await;
    }

    async fn number(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }
}

async fn execute(pool: &PgPool, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(pool)
        .await
        .unwrap();
}

fn spec(statement: &str) -> ExplainSpec {
    ExplainSpec {
        target: "main".into(),
        statement: statement.into(),
        ..ExplainSpec::default()
    }
}

fn accepted(statement: &str) -> ExplainSpec {
    ExplainSpec {
        accept: true,
        ..spec(statement)
    }
}

async fn plan(test: &Test, statement: &str) -> PlanView {
    test.console
        .explain()
        .plan(&test.operator, spec(statement))
        .await
        .unwrap()
}

async fn analyze(test: &Test, statement: &str) -> PlanView {
    test.console
        .explain()
        .analyze(&test.operator, accepted(statement))
        .await
        .unwrap()
}

async fn why(test: &Test, spec: ExplainSpec, code: Code) -> Fault {
    refused(test.console.explain().plan(&test.operator, spec).await, code)
}

fn node<'a>(plan: &'a Plan, kind: &str) -> &'a PlanNode {
    let found = plan.nodes.iter().find(|node| node.kind == kind);
    found.unwrap_or_else(|| panic!("no {kind} in {plan:#?}"))
}

fn said(view: &PlanView) -> String {
    let words = view.remarks.iter().map(|remark| {
        format!(
            "{} {} {}",
            remark.words,
            remark.remedy.as_deref().unwrap_or_default(),
            remark.sql.as_deref().unwrap_or_default()
        )
    });
    words.collect::<Vec<_>>().join("\n")
}

/// The console as a role that it reaches the database as.
async fn as_role(test: &Test, role: &str) -> Engine {
    let cluster = shared().await;
    let url = cluster.url_of(role, "a long sentence", cluster.port(), test.database.name());
    by(&test.console, &url).await
}

async fn by(console: &Console, text: &str) -> Engine {
    let parsed = url::parse(text).unwrap();
    let mut config: EngineConfig = console.config.clone();
    config.targets[0].options = parsed.options;
    config.targets[0].password = parsed.password;
    Engine::open(config).await.unwrap()
}

async fn on_version(version: Version) {
    let test = with(shared_of(version).await.database("explain").await).await;
    test.sql(ORDERS).await;
    let view = plan(&test, "select * from orders where id = 42;").await;
    assert_eq!((view.mode, view.plan.ran()), (PlanMode::Plain, false));
    let scan = node(&view.plan, "Index Scan");
    assert_eq!(
        (scan.index.as_deref(), scan.name().as_deref(), scan.met),
        (Some("orders_pkey"), Some("orders"), None)
    );
    assert!(said(&view).contains("No table is read whole: Index Scan using orders_pkey on orders"));

    // With parameters: without values since 16, before with what statistics know.
    let open = plan(
        &test,
        "select * from orders o where o.customer = $1 and state = $2 limit $3",
    )
    .await;
    if version >= Version::V16 {
        assert_eq!((open.mode, open.parameters.len()), (PlanMode::Generic, 0));
        let wrong = spec("select * from orders where id = $1 and nothing = $2");
        let wrong = why(&test, wrong, Code::TargetRefused).await;
        assert_eq!(wrong.target.unwrap().position, Some(40));
    } else {
        let fault = why(
            &test,
            ExplainSpec {
                generic: true,
                ..spec("select * from orders where id = $1")
            },
            Code::Invalid,
        )
        .await;
        assert!(fault.message.contains("PostgreSQL 16"), "{fault}");
    }
    let sampled = ExplainSpec {
        sampled: true,
        ..spec("select * from orders o where o.customer = $1 and state = $2 limit $3")
    };
    let sampled = test
        .console
        .explain()
        .plan(&test.operator, sampled)
        .await
        .unwrap();
    assert_eq!(sampled.mode, PlanMode::Plain);
    let from: Vec<(u32, &str)> = sampled
        .parameters
        .iter()
        .map(|it| (it.number, it.from.as_str()))
        .collect();
    assert!(from[0].1.ends_with("of public.orders.customer"), "{from:?}");
    assert_eq!(from[1], (2, "the most common value of public.orders.state"));
    assert_eq!(from[2], (3, "assumed for LIMIT"));
    assert_eq!(sampled.parameters[1].value, "done");

    let ran = analyze(
        &test,
        "select state, count(*) from orders where note like 'secret-1%' group by state",
    )
    .await;
    assert!(ran.plan.ran() && ran.plan.execution_ms.is_some() && ran.plan.planning_ms.is_some());
    let scan = node(&ran.plan, "Seq Scan");
    assert_eq!(scan.met.unwrap().rows, 11_111.0);
    assert_eq!(scan.removed, Some(38_889.0));
    assert!(scan.blocks.is_some_and(|blocks| blocks.hit + blocks.read > 0));
    let shares: f64 = ran.plan.nodes.iter().filter_map(|node| node.share).sum();
    assert!((shares - 1.0).abs() < 0.001, "{shares}");

    // The same plan as text is the same tree.
    let statement = "with recent as materialized (select * from orders where id > 100)
         select r.id, (select max(id) from orders) from recent r left join orders o on o.id = r.customer
          where r.state = (select 'open') order by o.note desc, r.id";
    let read = async |format: &str| -> PlanView {
        let sql = format!("explain (analyze, buffers, verbose, settings, format {format}) {statement}");
        let mut session = test.pool.acquire().await.unwrap();
        sqlx::raw_sql("set work_mem = '64kB'; set max_parallel_workers_per_gather = 0")
            .execute(&mut *session)
            .await
            .unwrap();
        let rows = sqlx::raw_sql(AssertSqlSafe(sql))
            .fetch_all(&mut *session)
            .await
            .unwrap();
        let lines: Vec<String> = rows
            .iter()
            .map(|row| sqlx::Row::try_get_unchecked(row, 0).unwrap())
            .collect();
        let paste = PasteSpec {
            target: "main".into(),
            plan: lines.join("\n"),
            statement: None,
        };
        test.console.explain().paste(&test.viewer, paste).await.unwrap()
    };
    let (json, text) = (read("json").await, read("text").await);
    let shape = |view: &PlanView| -> Vec<String> {
        view.plan
            .nodes
            .iter()
            .map(|node| {
                let mut conditions = node.conditions.clone();
                conditions.sort();
                format!(
                    "{} {:?} {} {:?} {:?} {:?} {:?} {conditions:?}",
                    node.depth,
                    node.part,
                    node.title(),
                    node.expected,
                    node.met.map(|met| (met.rows, met.loops)),
                    node.removed,
                    node.spill,
                )
            })
            .collect()
    };
    assert_eq!(shape(&json), shape(&text), "{version:?}");
    assert!(
        text.plan
            .nodes
            .iter()
            .any(|node| node.part.as_deref() == Some("CTE recent"))
    );
    let sort = node(&text.plan, "Sort");
    assert!(
        sort.spill.as_ref().is_some_and(|spill| spill.disk_kb > Some(0)),
        "{sort:#?}"
    );
    assert!(said(&text).contains("Sort wrote "), "{}", said(&text));
    assert!(text.plan.settings.contains(&("work_mem".into(), "64kB".into())));
    assert_eq!(
        text.plan.execution_ms.is_some() && text.plan.planning_ms.is_some(),
        json.plan.execution_ms.is_some()
    );
}

#[tokio::test]
async fn plans_are_had_and_read_on_version_14() {
    on_version(Version::V14).await;
}

#[tokio::test]
async fn plans_are_had_and_read_on_version_16() {
    on_version(Version::V16).await;
}

#[tokio::test]
async fn plans_are_had_and_read_on_version_18() {
    on_version(Version::V18).await;
}

#[tokio::test]
async fn the_guides_own_query_shows_an_index_scan() {
    let test = test().await;
    testkit::ai_pal::apply_schema(&test.pool).await;
    test.sql(
        "insert into user_profiles (user_id, created_at, updated_at) select 'user-' || n, now(), now() from generate_series(1, 500) as n;
         insert into ari_snapshots (snapshot_id, user_id, timestamp, decision_quality, skill_development, ai_reliance,
                                    bottleneck_resolution, user_confidence, engagement, autonomy_perception, autonomy_retention,
                                    delta_agency)
         select 's-' || n, 'user-' || (n % 500 + 1), now() - n * interval '1 minute', 0, 0, 0, 0, 0, 0, 0, 0, 0
           from generate_series(1, 20000) as n;
         analyze",
    )
    .await;
    let query = "SELECT * FROM ari_snapshots WHERE user_id = 'user-123' ORDER BY timestamp DESC LIMIT 10";
    let without = analyze(&test, query).await;
    assert!(
        without.plan.nodes.iter().any(|node| node.kind == "Seq Scan"),
        "{without:#?}"
    );
    let words = said(&without);
    assert!(
        words.contains("Seq Scan on ari_snapshots reads 20.0 k rows to return 40."),
        "{words}"
    );
    assert!(words.contains("An index on (user_id) might serve it."), "{words}");
    assert!(
        words.contains("create index concurrently on \"public\".\"ari_snapshots\" (\"user_id\");"),
        "{words}"
    );
    // As Optimize makes it.
    test.sql("create index idx_ari_user_timestamp on ari_snapshots (user_id, timestamp desc)")
        .await;
    let with = analyze(&test, query).await;
    let scan = node(&with.plan, "Index Scan");
    assert_eq!(scan.index.as_deref(), Some("idx_ari_user_timestamp"));
    assert!(
        said(&with)
            .contains("No table is read whole: Index Scan using idx_ari_user_timestamp on ari_snapshots")
    );

    let pair = test
        .console
        .explain()
        .compare(&test.viewer, "main", with.id, without.id)
        .await
        .unwrap();
    assert_eq!((pair.before.id, pair.after.id), (without.id, with.id));
    // The index brings the order, too: it stands where the Sort stood, and what was below that is gone.
    let told: Vec<&str> = pair.pairs.iter().map(|pair| pair.words.as_str()).collect();
    assert_eq!(
        told,
        [
            "",
            "Index Scan using idx_ari_user_timestamp on ari_snapshots instead of Sort",
            "gone"
        ]
    );
    assert!(
        pair.words
            .iter()
            .all(|words| !words.contains("different statements")),
        "{:?}",
        pair.words
    );

    // An index that is there and was not taken is named.
    let pasted = PasteSpec {
        target: "main".into(),
        plan: " Limit  (cost=0.00..1.00 rows=10 width=8) (actual time=0.1..900.0 rows=10 loops=1)\n   ->  Seq Scan on \
               ari_snapshots  (cost=0.00..9.00 rows=40 width=8) (actual time=0.1..899.0 rows=10 loops=1)\n         Filter: \
               ((user_id)::text = 'user-123'::text)\n         Rows Removed by Filter: 1999990\n Execution Time: 901.0 ms"
            .into(),
        statement: None,
    };
    let pasted = test.console.explain().paste(&test.viewer, pasted).await.unwrap();
    let words = said(&pasted);
    assert!(
        words.contains("Seq Scan on ari_snapshots reads 2.00 M rows to return 10. idx_ari_user_timestamp (user_id, timestamp) would serve it"),
        "{words}"
    );
}

#[tokio::test]
async fn what_is_not_one_statement_of_rows_is_refused_and_changes_nothing() {
    let test = test().await;
    test.sql(ORDERS).await;
    for statement in [
        "select 1; delete from orders",
        "explain analyze delete from orders",
        "set role postgres",
        "commit",
        "drop table orders",
        "copy orders to program 'true'",
        "do $$ begin delete from orders; end $$",
    ] {
        why(&test, spec(statement), Code::Invalid).await;
        let run = test
            .console
            .explain()
            .analyze(&test.operator, accepted(statement))
            .await;
        refused(run, Code::Invalid);
    }
    // What only the server can read as two, it refuses: it is one message with one prepared statement.
    let fault = why(&test, spec("select $1; select $2"), Code::Invalid).await;
    assert!(fault.message.contains("several"));
    let wrong = why(&test, spec("select nothing from orders"), Code::TargetRefused).await;
    let refusal = wrong.target.unwrap();
    assert_eq!(
        (refusal.sqlstate.as_deref(), refusal.position),
        (Some("42703"), Some(8))
    );
    assert_eq!(test.number("select count(*) from orders").await, 50_000);
}

#[tokio::test]
async fn analyze_runs_is_rolled_back_written_down_without_values_and_is_no_viewers_right() {
    let test = test().await;
    test.sql(ORDERS).await;
    test.sql("create sequence numbers").await;
    let explain = test.console.explain();
    let delete = "delete from orders where customer = 4711 or note = 'secret-7'";
    refused(
        explain.analyze(&test.viewer, accepted(delete)).await,
        Code::Forbidden,
    );
    // It has to be agreed to.
    let fault = refused(
        explain.analyze(&test.operator, spec(delete)).await,
        Code::Conflict,
    );
    assert_eq!(fault.field.as_deref(), Some("accept"));
    assert!(fault.message.contains("changes rows"), "{fault}");
    let ran = analyze(&test, delete).await;
    assert_eq!(node(&ran.plan, "Delete").name().as_deref(), Some("orders"));
    assert!(
        ran.notes.iter().any(|note| note.contains("rolled back")),
        "{:?}",
        ran.notes
    );
    assert_eq!(test.number("select count(*) from orders").await, 50_000);

    let query = AuditQuery {
        event_type: Some("explain.analyze".into()),
        ..AuditQuery::default()
    };
    let entries = test.console.audit().export(&test.viewer, query).await.unwrap();
    let outcomes: Vec<Outcome> = entries.iter().map(|entry| entry.outcome).collect();
    assert_eq!(outcomes, [Outcome::Success, Outcome::Started]);
    for entry in &entries {
        let detail = entry.detail.as_deref().unwrap();
        assert!(
            detail.starts_with("delete from orders where customer = … or note = …"),
            "{detail}"
        );
        assert!(entry.object.as_deref().unwrap().starts_with("statement "));
        assert_eq!(entry.user.as_deref(), Some(test.operator.name()));
    }

    // What rolling back does not undo is told before.
    let takes = "select nextval('numbers')";
    let fault = refused(explain.analyze(&test.operator, spec(takes)).await, Code::Conflict);
    assert!(fault.message.contains("sequence"), "{fault}");
    assert_eq!(
        test.number("select case when is_called then 1 else 0 end::int8 from numbers")
            .await,
        0
    );
    analyze(&test, takes).await;
    test.sql("create function acts() returns int language plpgsql as 'begin perform pg_notify(''x'', ''y''); return 1; end'")
        .await;
    let fault = refused(
        explain.analyze(&test.operator, spec("select acts()")).await,
        Code::Conflict,
    );
    assert!(fault.message.contains("public.acts is volatile"), "{fault}");
    // And some things are never done for a plan.
    for never in [
        "select pg_read_file('/etc/hostname')",
        "select pg_advisory_lock(1)",
        "select pg_stat_reset()",
        "select pg_terminate_backend(1)",
    ] {
        let fault = refused(
            explain.analyze(&test.operator, accepted(never)).await,
            Code::Conflict,
        );
        assert!(fault.message.contains("acts on the server"), "{fault}");
    }

    // A time of its own.
    let slow = ExplainSpec {
        seconds: Some(1),
        ..spec("select pg_sleep(600)")
    };
    let fault = refused(explain.analyze(&test.operator, slow).await, Code::TargetTimeout);
    assert!(fault.message.contains("within 1 s"), "{fault}");
    let long = ExplainSpec {
        seconds: Some(600),
        ..spec("select 1")
    };
    refused(explain.analyze(&test.operator, long).await, Code::Invalid);
    // And of its locks.
    let mut other = test.pool.begin().await.unwrap();
    sqlx::raw_sql("lock table orders")
        .execute(&mut *other)
        .await
        .unwrap();
    let fault = refused(
        explain
            .analyze(&test.operator, spec("select * from orders"))
            .await,
        Code::TargetTimeout,
    );
    assert!(fault.message.contains("lock"), "{fault}");
}

#[tokio::test]
async fn a_viewer_sees_no_values_and_a_password_nobody() {
    let test = test().await;
    test.sql(ORDERS).await;
    let made = plan(&test, "select * from orders where note = 'secret-7' and id < 99").await;
    assert!(!made.masked && made.statement.as_deref().unwrap().contains("secret-7"));
    assert!(format!("{:?}", made.plan).contains("secret-7"));
    let seen = test
        .console
        .explain()
        .view(&test.viewer, "main", made.id)
        .await
        .unwrap();
    assert!(seen.masked);
    assert!(!format!("{seen:?}").contains("secret-7"), "{seen:#?}");
    let list = test.console.explain().list(&test.viewer, "main").await.unwrap();
    assert_eq!(list.plans.len(), 1);
    assert_eq!(
        list.plans[0].title,
        "select * from orders where note = … and id < …"
    );

    test.sql("create table accounts (password text)").await;
    let secret = plan(&test, "select 1 from accounts where password = 'swordfish'").await;
    assert!(!format!("{secret:?}").contains("swordfish"), "{secret:#?}");

    // An error on the way may say what is in a table.
    test.sql(
        "create function told() returns text language sql stable as 'select note from orders where id = 7'",
    )
    .await;
    let asks = || spec("select * from orders where id = told()::int");
    let fault = refused(
        test.console.explain().plan(&test.viewer, asks()).await,
        Code::TargetRefused,
    );
    assert!(!format!("{fault:?}").contains("secret-7"), "{fault:?}");
    let fault = refused(
        test.console.explain().plan(&test.operator, asks()).await,
        Code::TargetRefused,
    );
    assert!(format!("{fault:?}").contains("secret-7"), "{fault:?}");
}

/// A role of one test.
async fn role(test: &Test, name: &str) -> String {
    let role = format!("{name}_{}", test.database.name());
    shared()
        .await
        .execute(&format!("create role {role} login password 'a long sentence'"))
        .await;
    role
}

#[tokio::test]
async fn no_code_of_a_databases_owner_runs_as_the_console() {
    let test = test().await;
    test.sql(ORDERS).await;
    let owner = role(&test, "owner").await;
    let database = test.database.name();
    test.sql(&format!(
        "grant create on schema public to {owner};
         alter database {database} owner to {owner};
         grant all on all tables in schema public to {owner}"
    ))
    .await;
    let cluster = shared().await;
    let theirs = cluster.url_of(&owner, "a long sentence", cluster.port(), database);
    let theirs = url::parse(&theirs).unwrap().options.password("a long sentence");
    let theirs = sqlx::PgPool::connect_with(theirs).await.unwrap();
    // Each of these tells, by making a sequence count (which no rolling back undoes), that it ran.
    execute(
        &theirs,
        "create schema evil;
         create sequence evil.ran;
         create function evil.trap(anyelement) returns anyelement language plpgsql immutable as $$
            begin perform nextval('evil.ran'); return $1; end $$;
         create function public.innocent(int) returns int language plpgsql immutable as $$
            begin perform nextval('evil.ran'); return $1; end $$;
         create function evil.lower(varchar) returns text language plpgsql immutable as $$
            begin perform nextval('evil.ran'); return $1; end $$;
         create table evil.mine (id int);
         insert into evil.mine values (1), (2);
         create view evil.seen as select id, evil.trap(1) as one from evil.mine where id = evil.trap(1);
         create domain evil.guarded as int check (evil.trap(value) > 0);
         create table evil.typed (id evil.guarded);
         create table evil.checked (id int check (id > evil.trap(0)));
         create index on evil.checked (evil.trap(id));
         create table evil.policed (id int);
         alter table evil.policed enable row level security;
         alter table evil.policed force row level security;
         create policy p on evil.policed using (id = evil.trap(1))",
    )
    .await;
    execute(
        &theirs,
        &format!("alter database {database} set search_path to evil, public"),
    )
    .await;
    let steward = by(&test.console, &cluster.url(database)).await;
    let refusal = async |statement: &str, generic: bool| {
        let asked = steward.explain().plan(&test.operator, spec(statement)).await;
        let fault = refused(asked, Code::Conflict);
        assert!(fault.message.contains(&owner), "{statement}: {fault}");
        if !generic {
            let run = steward
                .explain()
                .analyze(&test.operator, accepted(statement))
                .await;
            refused(run, Code::Conflict);
        }
    };
    for statement in [
        "select public.innocent(1)",
        "select INNOCENT(1)",
        "select \"innocent\"(1)",
        "select 1 where evil.trap(1) = 1",
        "select lower('a'::varchar)",
        "select * from seen",
        "select * from evil.seen where id = 1",
        "select 1::evil.guarded",
        "select * from typed",
        "select * from checked where id = 1",
        "insert into evil.checked values (1)",
        "select * from policed",
    ] {
        refusal(statement, false).await;
    }
    refusal("select innocent($1)", true).await;
    // An operator of theirs may be meant by any sign.
    execute(
        &theirs,
        "create function evil.same(int, text) returns boolean language plpgsql immutable as $$
            begin perform nextval('evil.ran'); return true; end $$;
         create operator evil.= (leftarg = int, rightarg = text, procedure = evil.same)",
    )
    .await;
    refusal("select 1 from orders where id = 'x'::text", false).await;
    // None of it ran, at planning or before.
    let ran: bool = sqlx::query_scalar("select is_called from evil.ran")
        .fetch_one(&theirs)
        .await
        .unwrap();
    assert!(!ran);
    execute(&theirs, "drop operator evil.= (int, text)").await;
    // Tables of theirs without code are planned.
    let fine = steward
        .explain()
        .plan(&test.operator, spec("select * from mine where id = 1"))
        .await
        .unwrap();
    assert_eq!(node(&fine.plan, "Seq Scan").name().as_deref(), Some("evil.mine"));
    let ran: bool = sqlx::query_scalar("select is_called from evil.ran")
        .fetch_one(&theirs)
        .await
        .unwrap();
    assert!(!ran);
    steward.close().await;
}

#[tokio::test]
async fn a_role_without_rights_on_the_table_is_told_so() {
    let test = test().await;
    test.sql(ORDERS).await;
    let steward = role(&test, "poor").await;
    let engine = as_role(&test, &steward).await;
    let asked = engine
        .explain()
        .plan(&test.operator, spec("select * from orders where id = 1"))
        .await;
    let fault = refused(asked, Code::TargetRefused);
    assert_eq!(fault.target.unwrap().sqlstate.as_deref(), Some("42501"));
    let run = engine
        .explain()
        .analyze(&test.operator, spec("select * from orders where id = 1"))
        .await;
    let fault = refused(run, Code::TargetRefused);
    assert!(fault.hint.unwrap().contains("needs the right itself"));
    // Statistics that it may not read give no values.
    let sampled = ExplainSpec {
        sampled: true,
        ..spec("select * from orders where customer = $1")
    };
    let fault = refused(
        engine.explain().plan(&test.operator, sampled).await,
        Code::Invalid,
    );
    assert!(
        fault.message.contains("no value for $1 (for customer)"),
        "{fault}"
    );
    let given = ExplainSpec {
        values: "$1 = 42".into(),
        ..spec("select * from pg_class where relpages = $1")
    };
    let view = engine.explain().plan(&test.operator, given).await.unwrap();
    assert_eq!(view.parameters[0].value, "42");
    engine.close().await;
}

#[tokio::test]
async fn it_goes_through_a_transaction_pooler_and_leaves_nothing_there() {
    let test = test().await;
    test.sql(ORDERS).await;
    let bouncer = PgBouncer::before(shared().await, PoolMode::Transaction).await;
    let engine = by(&test.console, &bouncer.url(test.database.name())).await;
    for _ in 0..3 {
        let explain = engine.explain();
        explain
            .plan(&test.operator, spec("select * from orders where id = 1"))
            .await
            .unwrap();
        explain
            .plan(
                &test.operator,
                spec("select * from orders where id = $1 and state = $2"),
            )
            .await
            .unwrap();
        let ran = explain
            .analyze(
                &test.operator,
                accepted("update orders set note = 'x' where id = 1"),
            )
            .await
            .unwrap();
        assert!(ran.plan.ran());
        refused(
            explain
                .plan(&test.operator, spec("select nothing from orders"))
                .await,
            Code::TargetRefused,
        );
    }
    let left = test
        .number(
            "select count(*) from pg_stat_activity
              where datname = current_database()
                and state like 'idle in transaction%'",
        )
        .await;
    assert_eq!(left, 0);
    assert_eq!(
        test.number("select count(*) from orders where note = 'x'").await,
        0
    );
    engine.close().await;
}

#[tokio::test]
async fn a_standby_plans_and_runs_what_reads() {
    let cluster = Cluster::start().await;
    let database = cluster.database("stands_by").await;
    let test = with(database).await;
    test.sql(ORDERS).await;
    let standby = cluster.standby().await;
    cluster.wait_for_standby(&standby).await;
    let mut config = test.console.config.clone();
    config.targets[0].options = standby.socket_options(test.database.name());
    let engine = Engine::open(config).await.unwrap();
    let explain = engine.explain();
    let view = explain
        .plan(&test.operator, spec("select * from orders where id = 1"))
        .await
        .unwrap();
    assert!(!view.plan.ran());
    let view = explain
        .analyze(&test.operator, spec("select * from orders where id = 1"))
        .await
        .unwrap();
    assert!(view.plan.ran());
    let fault = refused(
        explain
            .analyze(&test.operator, accepted("delete from orders"))
            .await,
        Code::TargetRefused,
    );
    assert_eq!(fault.target.unwrap().sqlstate.as_deref(), Some("25006"));
    engine.close().await;
}

#[tokio::test]
async fn the_newest_plans_are_kept_and_nobody_pushes_out_all_others() {
    let test = test().await;
    let paste = |cost: i64| PasteSpec {
        target: "main".into(),
        plan: format!("Result  (cost=0.00..{cost}.00 rows=1 width=4)"),
        statement: None,
    };
    let explain = test.console.explain();
    let of_operator = explain.paste(&test.operator, paste(1)).await.unwrap();
    for cost in 0..PLANS_OF_USER + 3 {
        explain.paste(&test.viewer, paste(cost)).await.unwrap();
    }
    let list = explain.list(&test.viewer, "main").await.unwrap();
    assert_eq!(list.plans.len() as i64, PLANS_OF_USER + 1);
    assert_eq!(list.plans[0].cost, Some((PLANS_OF_USER + 2) as f64));
    assert_eq!(list.plans.last().unwrap().id, of_operator.id);
    let gone = explain.view(&test.viewer, "main", uuid::Uuid::nil()).await;
    refused(gone, Code::NotFound);
}

#[tokio::test]
async fn what_is_pasted_and_no_plan_is_refused() {
    let test = test().await;
    for (text, words) in [
        ("hello", "no plan in it"),
        ("[{\"Plan\": {}}]", "no plan in it"),
        ("[{\"Plan\": {\"Node Type\": \"Seq", "ends before it is closed"),
        ("a\0b", "NUL"),
    ] {
        let paste = PasteSpec {
            target: "main".into(),
            plan: text.into(),
            statement: None,
        };
        let fault = refused(
            test.console.explain().paste(&test.viewer, paste).await,
            Code::Invalid,
        );
        assert!(fault.message.contains(words), "{fault}");
        assert_eq!(fault.field.as_deref(), Some("plan"));
    }
    assert!(
        test.console
            .explain()
            .list(&test.viewer, "main")
            .await
            .unwrap()
            .plans
            .is_empty()
    );
    let drawn = PasteSpec {
        target: "main".into(),
        plan: "  QUERY PLAN\n-----\n Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)\n(1 row)\n".into(),
        statement: None,
    };
    let found = test.console.explain().paste(&test.viewer, drawn).await.unwrap();
    assert_eq!(found.plan.nodes.len(), 1);
    assert!(found.remarks.iter().all(|remark| remark.level == Level::Note));
}
