//! The Tables page of a database with very many tables.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgPool};
use testkit::{Cluster, ClusterOptions};
use tokio::time;

use crate::{
    Result,
    console::{Console, Setup},
    load::{self, Ask},
    plan::Plan,
    report::{Row, Section},
    timing::{Latencies, ms},
    visitor::{self, Sessions},
};

/// For every single request.
const BAR: Duration = Duration::from_millis(300);
/// Pages that are asked for in turn.
const PAGES: usize = 20;

/// What PostgreSQL itself counted of one statement, in milliseconds.
#[derive(sqlx::FromRow)]
struct Spent {
    calls: i64,
    mean_ms: f64,
    max_ms: f64,
}

/// Fills a throw-away cluster and asks for its tables, one request after the other.
pub async fn many(setup: &Setup, plan: &Plan) -> Result<Section> {
    eprintln!("  {} tables", plan.tables);
    let cluster = Cluster::try_start(ClusterOptions::new())
        .await
        .map_err(|failure| failure.to_string())?;
    let database = cluster.database("many").await;
    let pool = database.pool().await;
    testkit::seed::many_tables(&pool, plan.tables).await;
    run_sql(&pool, "create extension pg_stat_statements").await?;
    run_sql(&pool, "analyze").await?;

    let console = Console::start(setup, "many-tables", &[("DATABASE_URL", database.url())], false).await?;
    let visitor = Sessions::new(&console).one().await?;
    let client = visitor::client()?;
    let page = |number: usize| Ask {
        path: format!(
            "/db/{}/tables?sort=name&page={}",
            database.name(),
            number % PAGES + 1
        ),
        body: None,
        proof: "many_0",
        logged_in: true,
    };
    run_sql(&pool, "select pg_stat_statements_reset()").await?;
    let first = load::once(&client, &visitor, &page(0)).await?;
    let mut times = vec![first];
    for number in 1..plan.table_requests {
        time::sleep(plan.table_pause).await;
        times.push(load::once(&client, &visitor, &page(number)).await?);
    }
    let times = Latencies::new(times);
    let spent = spent(&pool).await?;
    pool.close().await;
    console.stop().await?;

    let [p50, p95] = [50, 95].map(|percent| times.percentile(percent));
    let row = Row::new(
        format!("tables page on {} tables: p50 / p95", grouped(plan.tables)),
        format!("≤ {} ms", ms(BAR)),
        format!("{} / {} ms", ms(p50), ms(p95)),
        p95 <= BAR,
        || format!("the slowest statement took {:.0} ms", spent.max_ms),
    );
    let note = format!(
        "{} tables: a throw-away cluster with as many tables of three rows and two indexes each; {} requests one after the \
         other, {} ms apart, for different pages of the list. The first one, when nothing was read yet, took {} ms, and the \
         longest {} ms. In the database alone the statement that reads all tables ran {} times for these: {:.0} ms on \
         average, {:.0} ms at most (pg_stat_statements); the console uses one look for several pages.",
        grouped(plan.tables),
        times.count(),
        plan.table_pause.as_millis(),
        ms(first),
        ms(times.longest()),
        spent.calls,
        spent.mean_ms,
        spent.max_ms,
    );
    Ok(Section {
        rows: vec![row],
        notes: vec![note],
        ..Section::default()
    })
}

/// The console's statement about all tables is the one that adds up heap, TOAST and indexes by table.
async fn spent(pool: &PgPool) -> Result<Spent> {
    sqlx::query_as(
        "select calls,
                mean_exec_time as mean_ms,
                max_exec_time as max_ms
           from pg_stat_statements
          where dbid = (select oid from pg_database where datname = current_database())
            and query like '%of_table%'
            and query like '%heap_bytes%'
          order by calls desc
          limit 1",
    )
    .fetch_optional(pool)
    .await
    .map_err(|error| format!("reading pg_stat_statements: {error}"))?
    .ok_or_else(|| "pg_stat_statements does not know the statement that reads all tables".to_owned())
}

async fn run_sql(pool: &PgPool, sql: &str) -> Result<()> {
    let ran = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(pool).await;
    ran.map(drop).map_err(|error| format!("{sql}: {error}"))
}

fn grouped(count: u32) -> String {
    contract::format::exact(i64::from(count))
}
