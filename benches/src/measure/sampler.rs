//! What it costs to watch databases: the console's processor time, and the time that their servers spend on its questions.

use std::time::{Duration, Instant};

use reqwest::header;
use sqlx::{AssertSqlSafe, PgPool};
use testkit::{Cluster, ClusterOptions, Database};
use tokio::{task::JoinHandle, time};

use crate::{
    Result,
    console::{Console, Setup},
    plan::Plan,
    process,
    report::{Row, Section},
    visitor::{self, Sessions, Visitor},
};

/// Of a core, for each database.
const CORE: f64 = 0.01;
/// Of queries, in each second and for each database.
const QUERIES: Duration = Duration::from_millis(10);
/// Statements that pg_stat_statements knows.
const STATEMENTS: u32 = 5_000;
/// Statements that are sent at once.
const AT_ONCE: u32 = 250;

/// What a stretch of time cost for each database.
struct Cost {
    /// The share of a core.
    core: f64,
    /// Milliseconds of queries in a second.
    queries_ms: f64,
}

/// Fills a throw-away cluster, and lets consoles watch one database of it, and more.
pub async fn cost(setup: &Setup, plan: &Plan) -> Result<Section> {
    let options = ClusterOptions::new()
        .max_connections(500)
        .setting("pg_stat_statements.max", "10000");
    let cluster = Cluster::try_start(options)
        .await
        .map_err(|failure| failure.to_string())?;
    let large = cluster.database("large").await;
    let pool = large.pool().await;
    testkit::seed::many_tables(&pool, plan.tables).await;
    run_sql(&pool, "create extension pg_stat_statements; analyze").await?;
    let statements = STATEMENTS.min(plan.tables);
    for first in (1..=statements).step_by(AT_ONCE as usize) {
        let last = statements.min(first + AT_ONCE - 1);
        let sql: String = (first..=last)
            .map(|number| format!("select count(*) from many_{number:05};"))
            .collect();
        run_sql(&pool, &sql).await?;
    }
    let mut databases = vec![large];
    let mut rows = Vec::new();
    for count in plan.watched {
        while databases.len() < count {
            let small = cluster.database("small").await;
            let pool = small.pool().await;
            run_sql(&pool, "create extension pg_stat_statements").await?;
            pool.close().await;
            databases.push(small);
        }
        eprintln!("  the sampler on {count} databases");
        let store = cluster.database("store").await;
        let console = watching(setup, &databases, &store).await?;
        time::sleep(plan.settle).await;
        let cost = over(&console, &pool, &databases, plan.watching).await?;
        rows.extend(told(&format!("sampler on {count} databases"), &cost));
        if count == 1 {
            let visitor = Sessions::new(&console).one().await?;
            let viewer = look(&visitor, databases[0].name()).await?;
            let cost = over(&console, &pool, &databases, plan.looking).await?;
            viewer.abort();
            rows.extend(told("sampler on 1 database, charts open", &cost));
        }
        console.stop().await?;
    }
    pool.close().await;
    let note = format!(
        "Sampler: a throw-away cluster whose first database has {} tables, with {} statements in pg_stat_statements; the others are \
         empty. {} s after the console's start its processor time and the time of its questions (pg_stat_statements, by database) were \
         read, and again {} s later: all that it does for databases which nobody looks at, once a minute and every few seconds. With \
         charts open, one page reads the pulse for {} s.",
        contract::format::exact(i64::from(plan.tables)),
        contract::format::exact(i64::from(statements)),
        plan.settle.as_secs(),
        plan.watching.as_secs(),
        plan.looking.as_secs(),
    );
    Ok(Section {
        rows,
        notes: vec![note],
        ..Section::default()
    })
}

fn told(what: &str, cost: &Cost) -> [Row; 2] {
    let budget_ms = QUERIES.as_secs_f64() * 1000.0;
    [
        Row::new(
            format!("{what}: processor for each"),
            format!("≤ {} % of a core", CORE * 100.0),
            format!("{:.2} %", cost.core * 100.0),
            cost.core <= CORE,
            || "the console's own work".to_owned(),
        ),
        Row::new(
            format!("{what}: queries for each"),
            format!("≤ {budget_ms} ms a second"),
            format!("{:.2} ms", cost.queries_ms),
            cost.queries_ms <= budget_ms,
            || "the server's work".to_owned(),
        ),
    ]
}

/// A console that watches these databases.
async fn watching(setup: &Setup, databases: &[Database], store: &Database) -> Result<Console> {
    let name = format!("watching-{}", databases.len());
    let file = setup.work.join(format!("{name}.toml"));
    let entries: String = databases
        .iter()
        .map(|database| {
            format!(
                "[[target]]\nname = \"{}\"\nurl = \"{}\"\n",
                database.name(),
                database.url()
            )
        })
        .collect();
    std::fs::write(&file, entries).map_err(|error| format!("writing {}: {error}", file.display()))?;
    let variables = [
        ("PGSTEWARD_CONFIG", file.display().to_string()),
        ("PGSTEWARD_STORE_URL", store.url()),
    ];
    Console::start(setup, &name, &variables, false).await
}

/// What a stretch of time costs.
async fn over(console: &Console, pool: &PgPool, databases: &[Database], length: Duration) -> Result<Cost> {
    let names: Vec<&str> = databases.iter().map(Database::name).collect();
    let (spent, had, begun) = (
        spent(pool, &names).await?,
        process::processor_time(console.pid),
        Instant::now(),
    );
    time::sleep(length).await;
    let passed = begun.elapsed().as_secs_f64() * databases.len() as f64;
    let had = process::processor_time(console.pid).saturating_sub(had);
    Ok(Cost {
        core: had.as_secs_f64() / passed,
        queries_ms: (self::spent(pool, &names).await? - spent) / passed,
    })
}

/// Milliseconds that all statements took so far in these databases. This one is among them.
async fn spent(pool: &PgPool, names: &[&str]) -> Result<f64> {
    sqlx::query_scalar(
        "select coalesce(sum(total_exec_time), 0)::float8
           from pg_stat_statements(false)
          where dbid in (select oid from pg_database where datname = any($1))",
    )
    .bind(names)
    .fetch_one(pool)
    .await
    .map_err(|error| format!("reading pg_stat_statements: {error}"))
}

/// Reads the pulse of a database as a page does; comes back with the first one.
async fn look(visitor: &Visitor, database: &str) -> Result<JoinHandle<()>> {
    let failed = |error: reqwest::Error| format!("/events: {}", visitor::chain(&error));
    let request = visitor::streaming_client()?.get(format!("{}/events?pulse={database}", visitor.origin));
    let request = request
        .header(header::COOKIE, &visitor.cookie)
        .header(header::ACCEPT, "text/event-stream");
    let mut answer = request.send().await.map_err(failed)?;
    if !answer.status().is_success() {
        return Err(format!("/events answered {}", answer.status()));
    }
    let mut text = String::new();
    while !text.contains("\"pulse\"") {
        match time::timeout(Duration::from_secs(30), answer.chunk()).await {
            Ok(Ok(Some(part))) => text.push_str(&String::from_utf8_lossy(&part)),
            Ok(Err(error)) => return Err(failed(error)),
            Ok(Ok(None)) | Err(_) => return Err("/events brought no pulse".to_owned()),
        }
    }
    Ok(tokio::spawn(async move {
        while let Ok(Some(_)) = answer.chunk().await {}
    }))
}

async fn run_sql(pool: &PgPool, sql: &str) -> Result<()> {
    let ran = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(pool).await;
    ran.map(drop)
        .map_err(|error| format!("{}: {error}", sql.chars().take(80).collect::<String>()))
}
