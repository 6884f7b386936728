//! Jobs of the console, started and watched over HTTP as a page does.

use std::time::{Duration, Instant};

use contract::{
    backup::{BackupSpec, Proof, VerifySpec},
    jobs::{JobDetail, JobId, JobState, JobView},
    migration::MigrateSpec,
    optimize::OptimizeSpec,
    restore::RestoreSpec,
    swap::DropSpec,
};
use serde_json::{Value, json};
use tokio::time;

use crate::{Result, visitor::Visitor};

/// The embedded managed database.
pub const TARGET: &str = "ai_pal";
/// Between two looks at a job that is to be caught in a certain state.
const LOOK: Duration = Duration::from_millis(10);
/// Between two looks at a job that is waited for: rare, since looking costs the console work.
const WAIT: Duration = Duration::from_millis(100);
/// No job of a run takes this long.
const LONGEST: Duration = Duration::from_secs(600);

/// Applies all pending migrations.
pub async fn migrate(visitor: &Visitor) -> Result<JobId> {
    visitor
        .call(
            "start_migrations",
            &json!({ "spec": MigrateSpec { target: TARGET.into(), ..MigrateSpec::default() } }),
        )
        .await
}

/// Takes a backup.
pub async fn back_up(visitor: &Visitor) -> Result<JobId> {
    visitor
        .call("start_backup", &json!({ "spec": BackupSpec::whole(TARGET) }))
        .await
}

/// Restores a backup for trial and compares it with its snapshot. A backup has its job's id.
pub async fn verify(visitor: &Visitor, backup: JobId) -> Result<JobId> {
    let spec = VerifySpec {
        target: TARGET.into(),
        id: backup.0,
        level: Proof::Equal,
        on: None,
    };
    visitor.call("verify_backup", &json!({ "spec": spec })).await
}

/// Restores a backup into a new database.
pub async fn restore(visitor: &Visitor, spec: &RestoreSpec) -> Result<JobId> {
    visitor.call("start_restore", &json!({ "spec": spec })).await
}

/// Drops a database beside the live one.
pub async fn drop_spare(visitor: &Visitor, database: &str) -> Result<JobId> {
    let spec = DropSpec {
        target: TARGET.into(),
        database: database.into(),
        confirm: database.into(),
    };
    visitor.call("drop_database", &json!({ "spec": spec })).await
}

/// Creates what is missing, and analyzes.
pub async fn optimize(visitor: &Visitor) -> Result<JobId> {
    start_optimize(visitor, OptimizeSpec::all(TARGET)).await
}

/// Creates missing indexes.
pub async fn create_indexes(visitor: &Visitor) -> Result<JobId> {
    let spec = OptimizeSpec {
        constraints: false,
        analyze: false,
        ..OptimizeSpec::all(TARGET)
    };
    start_optimize(visitor, spec).await
}

/// Collects planner statistics of every table.
pub async fn analyze(visitor: &Visitor) -> Result<JobId> {
    let spec = OptimizeSpec {
        constraints: false,
        indexes: false,
        ..OptimizeSpec::all(TARGET)
    };
    start_optimize(visitor, spec).await
}

async fn start_optimize(visitor: &Visitor, spec: OptimizeSpec) -> Result<JobId> {
    visitor.call("start_optimization", &json!({ "spec": spec })).await
}

/// Asks a job to stop.
pub async fn cancel(visitor: &Visitor, id: JobId) -> Result<()> {
    visitor
        .call::<Value>("cancel_job", &json!({ "id": id }))
        .await
        .map(drop)
}

/// A job now.
pub async fn view(visitor: &Visitor, id: JobId) -> Result<JobView> {
    Ok(visitor
        .call::<JobDetail>("view_job", &json!({ "id": id }))
        .await?
        .job)
}

/// Looks often, until the job is as wanted or over.
pub async fn until(visitor: &Visitor, id: JobId, wanted: impl Fn(&JobView) -> bool) -> Result<JobView> {
    look(visitor, id, LOOK, wanted).await
}

/// Waits for the end, which must be a good one.
pub async fn succeeded(visitor: &Visitor, id: JobId) -> Result<JobView> {
    watched(visitor, id, |_| ()).await
}

/// The same, and shows what is seen on the way.
pub async fn watched(visitor: &Visitor, id: JobId, mut each: impl FnMut(&JobView)) -> Result<JobView> {
    let job = look(visitor, id, WAIT, |job| {
        each(job);
        false
    })
    .await?;
    match job.state {
        JobState::Succeeded => Ok(job),
        state => {
            let why = job.fault.map(|fault| fault.message).unwrap_or_default();
            Err(format!("{} {}: {why}", job.title, state.name()))
        }
    }
}

async fn look(
    visitor: &Visitor,
    id: JobId,
    every: Duration,
    mut wanted: impl FnMut(&JobView) -> bool,
) -> Result<JobView> {
    let begun = Instant::now();
    loop {
        let job = view(visitor, id).await?;
        if wanted(&job) || job.state.is_final() {
            return Ok(job);
        }
        if begun.elapsed() > LONGEST {
            return Err(format!("{} is not over after {} s", job.title, LONGEST.as_secs()));
        }
        time::sleep(every).await;
    }
}
