//! From the wish to stop a job to its last state, clean-up included.

use std::time::{Duration, Instant};

use contract::jobs::{JobId, JobState, JobView, Phase};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tokio::time;

use crate::{
    Result,
    console::Console,
    jobs,
    plan::Plan,
    report::{Row, Section},
    timing::{Latencies, ms},
    visitor::{Sessions, Visitor},
};

/// Seconds.
const BAR: Duration = Duration::from_secs(10);
/// An index of the guide, which the job builds again when it is gone.
const INDEX: &str = "idx_ari_score";
/// Its table.
const TABLE: &str = "ari_snapshots";

/// Cancels backups while pg_dump writes.
pub async fn backups(sessions: &mut Sessions, plan: &Plan) -> Result<Section> {
    let visitor = sessions.one().await?;
    let mut times = Vec::new();
    for _ in 0..plan.cancels {
        let id = jobs::back_up(&visitor).await?;
        times.push(stopped(&visitor, id, Phase::Dumping).await?);
    }
    Ok(section("cancelling a backup", "while pg_dump was writing", times))
}

/// Cancels index builds that wait behind another session's open transaction, which is the hardest case; afterwards makes
/// everything that is missing, which proves that nothing was left in the way.
pub async fn indexes(console: &Console, sessions: &mut Sessions, plan: &Plan) -> Result<Section> {
    let visitor = sessions.one().await?;
    let server = console.embedded().await?;
    let connect = || async {
        server
            .connect()
            .await
            .map_err(|error| format!("connecting to the embedded PostgreSQL: {error}"))
    };
    let mut other = connect().await?;
    let mut times = Vec::new();
    for _ in 0..plan.cancels {
        run(&mut other, &format!("drop index if exists {INDEX}")).await?;
        let mut blocker = connect().await?;
        // A writer that has not committed: the build waits for it before it begins.
        run(
            &mut blocker,
            &format!("begin; lock table {TABLE} in row exclusive mode"),
        )
        .await?;
        let id = jobs::create_indexes(&visitor).await?;
        times.push(stopped(&visitor, id, Phase::Indexing).await?);
        run(&mut blocker, "rollback").await?;
        blocker.close().await.ok();
    }
    other.close().await.ok();
    let id = jobs::optimize(&visitor).await?;
    jobs::succeeded(&visitor, id).await?;
    Ok(section(
        "cancelling an index build",
        "while it waited for another session's open transaction",
        times,
    ))
}

/// Cancels a job once it has been in this phase for a moment; how long its end took.
async fn stopped(visitor: &Visitor, id: JobId, phase: Phase) -> Result<Duration> {
    let there = |job: &JobView| job.state == JobState::Running && job.progress.phase == phase;
    jobs::until(visitor, id, there).await?;
    time::sleep(Duration::from_millis(300)).await;
    let asked = Instant::now();
    jobs::cancel(visitor, id).await?;
    let job = jobs::until(visitor, id, |_| false).await?;
    match job.state {
        JobState::Cancelled => Ok(asked.elapsed()),
        state => Err(format!(
            "{} {} instead of being cancelled",
            job.title,
            state.name()
        )),
    }
}

fn section(what: &str, when: &str, times: Vec<Duration>) -> Section {
    let times = Latencies::new(times);
    let longest = times.longest();
    let row = Row::new(
        what,
        format!("≤ {} s", BAR.as_secs()),
        format!("{:.2} s", longest.as_secs_f64()),
        longest <= BAR,
        || "the clean-up".to_owned(),
    );
    let note = format!(
        "{}{}: the longest of {}, {when}, from the request to the job's last state; the middle one took {} ms.",
        what[..1].to_uppercase(),
        &what[1..],
        times.count(),
        ms(times.percentile(50)),
    );
    Section {
        rows: vec![row],
        notes: vec![note],
        ..Section::default()
    }
}

async fn run(connection: &mut PgConnection, sql: &str) -> Result<()> {
    let ran = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(connection)
        .await;
    ran.map(drop).map_err(|error| format!("{sql}: {error}"))
}
