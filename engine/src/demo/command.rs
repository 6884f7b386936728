//! The demonstration as an operation of the engine.

use contract::{Code, Fault, audit::Severity, session::Permission};
use sqlx::{ConnectOptions, postgres::PgPoolOptions};

use super::{Error as Why, Filled, fill};
use crate::{Caller, Engine, Error, Result, audit};

impl Engine {
    /// Fills a managed database that has the AI-PAL schema and no rows; see [`fill`].
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`; `Conflict` when the schema is missing, rows of others are there, or another process fills;
    /// what the database says.
    pub async fn fill_demo(
        &self,
        caller: &Caller,
        target: &str,
        rows: u64,
        on_progress: impl FnMut(u64, u64),
    ) -> Result<Filled> {
        caller.permit(Permission::Migrate)?;
        let target = self.target(target)?;
        // A pool of its own: this takes minutes, and the pages' statements have a time limit.
        let options = target
            .options()
            .clone()
            .application_name("pgsteward demo")
            // Its statements are large and slow by nature: the log's slow statements are the users'.
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await
            .map_err(|source| target.error(source))?;
        let filled = fill(&pool, rows, on_progress).await;
        pool.close().await;
        let filled = filled.map_err(|error| match error {
            Why::Database(source) => target.error(source),
            other => Error::Refused(Fault::new(Code::Conflict, format!("{}: {other}.", target.name()))),
        })?;
        if filled == Filled::Now {
            let mut transaction = self.store().begin().await?;
            let entry = audit::Entry {
                severity: Severity::Warning,
                target: Some(target.name()),
                detail: Some("Filled with invented rows."),
                ..audit::Entry::by(caller, "demo.fill")
            };
            audit::record(&mut transaction, entry).await?;
            transaction.commit().await?;
        }
        Ok(filled)
    }
}
