//! Whole imports, as a page or a command runs them.

use std::{path::Path, time::Duration};

use contract::{
    Fault,
    import::{ImportDetail, ImportId, ImportPlan, ImportReport, Mapping},
    jobs::{JobId, JobView},
    session::Role,
};
use engine::Caller;
use sqlx::PgPool;
use tempfile::TempDir;
use testkit::{Database, shared};

use super::support::{Console, caller, engine};

/// A console that works on jobs, its managed database, and a folder for files.
pub struct Runner {
    pub console: Console,
    pub caller: Caller,
    pub pool: PgPool,
    pub folder: TempDir,
}

impl Runner {
    pub async fn new() -> Self {
        Self::on(shared().await.database("import").await).await
    }

    pub async fn on(target: Database) -> Self {
        let console = engine(&target, true).await;
        Self {
            caller: caller(&console, Role::Operator).await,
            console,
            pool: target.pool().await,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Begins an import and waits until the file is looked at.
    pub async fn look(&self, file: &Path) -> Result<ImportId, Fault> {
        let import = self.console.import();
        let created = import
            .create_from_path(&self.caller, "main", file, Mapping::default())
            .await
            .map_err(|error| error.fault())?;
        self.over(created.job.unwrap()).await.map(|_| created.id)
    }

    /// A whole import.
    pub async fn import(&self, file: &Path, mapping: Mapping) -> Result<ImportReport, Fault> {
        let id = self.look(file).await?;
        self.load(id, mapping).await
    }

    /// Rehearses, and loads; gives the report also when something differs.
    pub async fn load(&self, id: ImportId, mapping: Mapping) -> Result<ImportReport, Fault> {
        self.plan(id, mapping).await?;
        self.go_on(id, true).await
    }

    /// Rehearses.
    pub async fn plan(&self, id: ImportId, mapping: Mapping) -> Result<ImportPlan, Fault> {
        let import = self.console.import();
        let job = import
            .rehearse(&self.caller, id, mapping, None)
            .await
            .map_err(|error| error.fault())?;
        self.over(job).await?;
        Ok(self.detail(id).await.rehearsal.unwrap().plan)
    }

    /// Starts what is decided.
    pub async fn start(&self, id: ImportId, follow: bool) -> Result<JobId, Fault> {
        let revision = self.detail(id).await.revision;
        let import = self.console.import();
        import
            .start(&self.caller, id, follow, Some(&revision), None)
            .await
            .map_err(|error| error.fault())
    }

    /// Starts or goes on.
    pub async fn go_on(&self, id: ImportId, follow: bool) -> Result<ImportReport, Fault> {
        let before = self.detail(id).await.report.map(|report| report.ended_at);
        let job = self.start(id, follow).await?;
        let ended = self.over(job).await;
        match self
            .detail(id)
            .await
            .report
            .filter(|report| Some(report.ended_at) != before)
        {
            Some(report) => Ok(report),
            None => Err(ended.expect_err("a job without a report has failed")),
        }
    }

    /// Discards what an import left, and waits until that is gone.
    pub async fn discard(&self, id: ImportId) -> Result<(), Fault> {
        let import = self.console.import();
        let job = import
            .discard(&self.caller, id, "main")
            .await
            .map_err(|error| error.fault())?;
        match job {
            Some(job) => self.over(job).await.map(|_| ()),
            None => Ok(()),
        }
    }

    pub async fn detail(&self, id: ImportId) -> ImportDetail {
        self.console.import().detail(&self.caller, id).await.unwrap()
    }

    /// Waits for a job's end.
    pub async fn over(&self, job: JobId) -> Result<JobView, Fault> {
        for _ in 0..6000 {
            let view = self.console.jobs().detail(&self.caller, job).await.unwrap().job;
            if view.state.is_final() {
                return match view.fault.clone() {
                    None => Ok(view),
                    Some(fault) => Err(fault),
                };
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("job {job} does not end");
    }

    /// The names of all tables in a schema.
    pub async fn tables(&self, schema: &str) -> Vec<String> {
        sqlx::query_scalar("select tablename::text from pg_tables where schemaname = $1 order by 1")
            .bind(schema)
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }
}

/// A mapping into a schema of its own.
pub fn into(schema: &str) -> Mapping {
    Mapping {
        schema: schema.to_owned(),
        ..Mapping::default()
    }
}
