//! A private cluster that lives as long as this step.

use crate::{Result, step};
use std::path::Path;

/// Starts a cluster, makes a database from the migrations in `folder`, and gives its address to `work`.
pub(super) fn with_store(folder: &Path, work: impl FnOnce(&str) -> Result<()>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("tokio: {e}"))?;
    let (cluster, url) = step("throw-away PostgreSQL with the store's schema", || {
        runtime.block_on(async {
            let cluster = testkit::Cluster::try_start(testkit::ClusterOptions::default())
                .await
                .map_err(|e| e.to_string())?;
            let url = cluster.url("postgres");
            let fail = |e: &dyn std::fmt::Display| format!("migrations/store: {e}");
            let migrator = sqlx::migrate::Migrator::new(folder).await.map_err(|e| fail(&e))?;
            let pool = sqlx::PgPool::connect(&url).await.map_err(|e| fail(&e))?;
            migrator.run(&pool).await.map_err(|e| fail(&e))?;
            pool.close().await;
            Ok((cluster, url))
        })
    })?;
    let outcome = work(&url);
    drop(cluster);
    outcome
}
