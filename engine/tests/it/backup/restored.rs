//! What the tests of restores ask of a world.

use std::process::Command;

use contract::{
    Fault,
    backup::BackupView,
    jobs::{JobId, JobState, JobView},
    restore::{RestoreSpec, RestoredState, RestoredView},
};
use sqlx::{AssertSqlSafe, PgConnection, PgPool};
use testkit::Cluster;

use super::world::{World, entries, processes_with};

/// A restore of this backup with everything as usual.
pub fn spec(backup: &BackupView) -> RestoreSpec {
    RestoreSpec {
        target: "main".into(),
        backup: backup.id,
        parallel: Some(2),
        ..RestoreSpec::default()
    }
}

impl World {
    pub async fn start_restore(&self, spec: RestoreSpec) -> JobId {
        self.engine.backup().restore(&self.caller, spec).await.unwrap()
    }

    /// Restores and gives the restored database.
    pub async fn restore(&self, spec: RestoreSpec) -> RestoredView {
        let id = self.start_restore(spec).await;
        let job = self.ended(id).await;
        assert_eq!(
            job.state,
            JobState::Succeeded,
            "{:#?} {:?}",
            job.fault,
            self.log(id).await
        );
        let restored = self.restored(id).await.unwrap();
        assert_eq!(restored.state, RestoredState::Ready);
        restored
    }

    pub async fn restored(&self, id: JobId) -> Option<RestoredView> {
        let all = self.engine.backup().restored(&self.caller, "main").await.unwrap();
        all.into_iter().find(|restored| restored.job == id)
    }

    pub async fn log(&self, id: JobId) -> Vec<String> {
        let lines = self.engine.jobs().log(&self.caller, id, 0).await.unwrap();
        lines.into_iter().map(|line| line.text).collect()
    }

    /// Why the restore cannot even be queued.
    pub async fn refused(&self, spec: RestoreSpec) -> Fault {
        self.engine
            .backup()
            .restore(&self.caller, spec)
            .await
            .unwrap_err()
            .fault()
    }

    /// Fails, and leaves nothing.
    pub async fn fails_to_restore(&self, cluster: &Cluster, spec: RestoreSpec) -> Fault {
        let id = self.start_restore(spec).await;
        let job = self.ended(id).await;
        assert_eq!(job.state, JobState::Failed, "{job:?}");
        self.nothing_of(cluster, &job).await;
        job.fault.unwrap()
    }

    /// Nothing of a restore is left: no database, role, session, process, file or row.
    pub async fn nothing_of(&self, cluster: &Cluster, job: &JobView) {
        let mut admin = cluster.admin().await;
        assert_eq!(
            left_on(&mut admin, job.id).await,
            [] as [&str; 0],
            "{:?}",
            self.log(job.id).await
        );
        assert_eq!(
            processes_with(&format!("pgsteward restore {}", job.id)),
            [] as [&str; 0]
        );
        assert_eq!(
            entries(&self.config.data_dir.join("tool-secrets")),
            [] as [&str; 0]
        );
        assert_eq!(self.attempt_rows().await, 0);
        assert_eq!(self.restored(job.id).await, None);
    }

    /// A pool on the restored database, over the socket of its cluster.
    pub async fn inside(&self, cluster: &Cluster, restored: &RestoredView) -> PgPool {
        PgPool::connect_with(cluster.socket_options(&restored.database))
            .await
            .unwrap()
    }
}

/// What a job has left on a server, by name.
pub async fn left_on(admin: &mut PgConnection, job: JobId) -> Vec<String> {
    let number = job.0.simple().to_string();
    sqlx::query_scalar(AssertSqlSafe(format!(
        "select 'database ' || datname from pg_database where datname like '%{number}%'
          union all
         select 'role ' || rolname from pg_roles where rolname like '%{number}%'
          union all
         select 'session ' || application_name || ' ' || state from pg_stat_activity
          where application_name = 'pgsteward restore {job}'"
    )))
    .fetch_all(admin)
    .await
    .unwrap()
}

/// The definitions of a database as pg_dump writes them, grants and owners too, line by line.
pub fn definitions(cluster: &Cluster, database: &str) -> Vec<String> {
    let done = Command::new(cluster.bin_dir().join("pg_dump"))
        .args(["--schema-only", "--username=postgres"])
        .arg(format!("--host={}", cluster.socket_dir().display()))
        .arg(format!("--port={}", cluster.port()))
        .arg(format!(
            "--dbname=dbname='{}'",
            database.replace('\\', "\\\\").replace('\'', "\\'")
        ))
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout)
        .unwrap()
        .lines()
        // A random word against injected commands.
        .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"))
        .map(str::to_owned)
        .collect()
}
