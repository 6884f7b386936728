//! What is read and checked before a backup begins, so that it fails at once rather than after an hour.

use std::collections::HashMap;

use contract::{
    backup::{BackupView, Compression},
    format,
    jobs::LogLevel,
};
use sqlx::{Executor, PgConnection};
use uuid::Uuid;

use super::{
    NEEDED,
    catalog::{self, Facts},
    chosen::Chosen,
    dump::RESERVE,
    folder::Folder,
    manifest::Manifest,
    reach::Reach,
    reconcile::{self, blocking},
    run::TakeBackup,
    seal::Seals,
    shelf::Shelf,
    snapshot::Snapshot,
    stored::Stored,
    words,
};
use crate::{Engine, Result, jobs::JobContext, programs::Programs, target::Target};

/// Everything a backup needs to begin.
pub(super) struct Ready {
    pub target: Target,
    pub programs: Programs,
    pub folder: Folder,
    pub seals: Seals,
    pub shelf: Shelf,
    pub reach: Reach,
    /// The name of the backup's sessions on the server.
    pub application: String,
    pub facts: Facts,
    pub snapshot: Snapshot,
    pub compression: Compression,
    pub parallel: i32,
    /// The last good backup's manifest.
    pub last: Option<Manifest>,
}

/// The name of a backup's sessions, without the console's own before it.
pub(super) fn purpose(id: Uuid) -> String {
    format!("backup {id}")
}

/// The name of a backup's sessions as `pg_stat_activity` shows it.
pub(super) fn application(id: Uuid) -> String {
    format!("pgsteward {}", purpose(id))
}

/// Reads and checks, and takes the snapshot last.
///
/// # Errors
/// Whatever would make the backup fail later, in words.
pub(super) async fn prepare(context: &JobContext, asked: &TakeBackup) -> Result<Ready> {
    let engine = &context.engine;
    let target = context.target(&asked.target)?;
    let id = context.id.0;
    let folder = Folder::new(&engine.config().backup_dir);
    let shelf = Shelf::of(engine, &target).await?;
    let seals = Seals::load(engine).await?;
    // Before anything is made in the folder: it may be an empty mount point.
    let (last_view, last) = last_good(engine, &folder, &shelf).await?;
    {
        let folder = folder.clone();
        blocking(move || folder.make()).await?;
    }
    for stuck in reconcile::sweep(engine).await? {
        context.log(LogLevel::Warn, stuck);
    }

    let mut connection = target.connect(&purpose(id)).await?;
    let facts = catalog::facts(&mut connection, &target).await?;
    let major = u32::try_from(facts.server.version_num / 10_000).unwrap_or_default();
    let programs = Programs::for_server(engine.config().pg_bin.as_deref(), &NEEDED, major).await?;
    if let Some(warning) = programs.warning() {
        context.log(LogLevel::Warn, warning);
    }
    if asked
        .compression
        .since()
        .is_some_and(|since| programs.version().major < since)
    {
        return Err(words::no_such_compression(asked.compression, programs.version()));
    }
    let chosen = Chosen::of(&mut connection, &target, &asked.only).await?;
    let hidden = catalog::hidden_by_row_security(&mut connection, chosen.relations())
        .await
        .map_err(|source| target.error(source))?;
    if !hidden.is_empty() {
        return Err(words::row_security(target.name(), &hidden));
    }
    let (user, forbidden) = catalog::unreadable(&mut connection, chosen.relations())
        .await
        .map_err(|source| target.error(source))?;
    if !forbidden.is_empty() {
        return Err(words::unreadable_tables(target.name(), &user, &forbidden));
    }
    let free = {
        let folder = folder.clone();
        blocking(move || Ok(folder.free_bytes())).await?
    };
    let reach = Reach::new(
        &target,
        &engine.config().data_dir,
        id,
        &application(id),
        engine.config().network_timeout,
    )?;
    let sizes = sizes(&mut connection, &target).await?;
    match chosen.relations() {
        None => check_room(context, &folder, free, last_view.as_ref(), facts.database.bytes)?,
        Some(relations) => {
            let bytes = relations
                .iter()
                .filter_map(|oid| sizes.get(&i64::from(oid.0)))
                .sum();
            check_room(context, &folder, free, None, bytes)?;
        }
    }
    context.info(format!(
        "{} on PostgreSQL {}, {}; {} {} in {}",
        target.database(),
        facts.server.version,
        format::bytes(facts.database.bytes),
        NEEDED[0],
        programs.version(),
        programs.folder().display(),
    ));
    let exact = asked.exact && asked.only.is_empty();
    let snapshot = Snapshot::take(
        connection,
        &target,
        facts.server.version_num,
        &sizes,
        &asked.only,
        exact,
    )
    .await?;
    context.info(format!(
        "Snapshot {} taken: {} tables.",
        snapshot.id,
        snapshot.tables.len()
    ));
    Ok(Ready {
        application: application(id),
        target,
        programs,
        folder,
        seals,
        shelf,
        reach,
        facts,
        snapshot,
        compression: asked.compression,
        parallel: asked.parallel,
        last,
    })
}

/// The sizes of the tables, for progress. Another session that holds a table's lock is pg_dump's to wait for: then the
/// planner's sizes must do.
async fn sizes(connection: &mut PgConnection, target: &Target) -> Result<HashMap<i64, i64>> {
    let failed = |source| target.error(source);
    connection
        .execute("set lock_timeout = '500ms'")
        .await
        .map_err(failed)?;
    let ids: Vec<i64> = catalog::tables(connection)
        .await
        .map_err(failed)?
        .into_iter()
        .map(|table| table.id)
        .collect();
    match catalog::sizes(connection, &ids).await {
        Ok(sizes) => Ok(sizes.into_iter().collect()),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55P03") => Ok(HashMap::new()),
        Err(error) => Err(failed(error)),
    }
}

async fn last_good(
    engine: &Engine,
    folder: &Folder,
    shelf: &Shelf,
) -> Result<(Option<BackupView>, Option<Manifest>)> {
    let found = reconcile::reconcile(engine, shelf).await?;
    let Some(view) = found.backups.into_iter().find(BackupView::is_sound) else {
        return Ok((None, None));
    };
    let manifest = match reconcile::refresh(engine, folder, shelf, view.id).await?.1 {
        Stored::Known { manifest, .. } => Some(manifest),
        Stored::Missing | Stored::Strange | Stored::Unreadable(_) => None,
    };
    Ok((Some(view), manifest))
}

/// Bytes that the next backup will need: the last one's, scaled by the database's growth since; else the database's
/// size, which is more than any archive of it takes.
pub(super) fn expected_bytes(last: Option<&BackupView>, database_bytes: Option<i64>) -> Option<i64> {
    match (last, database_bytes) {
        (Some(last), Some(now)) if last.database_bytes > 0 => {
            let growth = (now as f64 / last.database_bytes as f64).max(0.0);
            Some((last.bytes as f64 * growth).ceil() as i64)
        }
        (Some(last), _) => Some(last.bytes),
        (None, now) => now,
    }
}

fn check_room(
    context: &JobContext,
    folder: &Folder,
    free: Option<i64>,
    last: Option<&BackupView>,
    database_bytes: i64,
) -> Result<()> {
    let Some(free) = free else {
        return Ok(());
    };
    let expected = expected_bytes(last, Some(database_bytes)).unwrap_or(0);
    // The first archive's size is not known: compressed, most are a fraction of their database.
    let (needed, certain) = if last.is_some() {
        (expected, true)
    } else {
        (0, false)
    };
    if needs_more_than(free, needed) {
        return Err(words::too_little_room(
            folder.root(),
            free,
            needed,
            with_reserve(needed),
        ));
    }
    if !certain && needs_more_than(free, expected) {
        context.log(
            LogLevel::Warn,
            format!(
                "{} are free under {}, less than the database's {}. The archive is compressed and may fit.",
                format::bytes(free),
                folder.root().display(),
                format::bytes(database_bytes),
            ),
        );
    }
    Ok(())
}

/// Whether a backup of this size would not fit, with a tenth for a wrong guess and the reserve for others.
fn needs_more_than(free: i64, needed: i64) -> bool {
    free < with_reserve(needed)
}

fn with_reserve(needed: i64) -> i64 {
    needed.saturating_add(needed / 10).saturating_add(RESERVE)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn last(bytes: i64, database_bytes: i64) -> BackupView {
        BackupView {
            id: Uuid::nil(),
            target: String::new(),
            database: String::new(),
            file: String::new(),
            taken_at: chrono::Utc::now(),
            duration_ms: 0,
            bytes,
            database_bytes,
            sha256: String::new(),
            proof: contract::backup::Proof::Hash,
            proven_at: chrono::Utc::now(),
            proven_ms: None,
            exact: false,
            concern: None,
            damage: None,
            foreign: None,
            uploaded: None,
            server_version: String::new(),
            tool_version: String::new(),
            migration: None,
            tables: 0,
            rows: 0,
            only: Vec::new(),
            marks: Default::default(),
            notes: Vec::new(),
            created_by: String::new(),
            job: None,
        }
    }

    #[test]
    fn the_next_backup_is_expected_to_grow_with_its_database() {
        assert_eq!(expected_bytes(Some(&last(100, 1000)), Some(3000)), Some(300));
        assert_eq!(expected_bytes(Some(&last(100, 1000)), None), Some(100));
        assert_eq!(expected_bytes(None, Some(3000)), Some(3000));
        assert_eq!(expected_bytes(None, None), None);
    }

    #[test]
    fn room_is_kept_for_others() {
        assert!(needs_more_than(RESERVE + 100, 1000));
        assert!(!needs_more_than(RESERVE + 1100, 1000));
        assert!(needs_more_than(RESERVE - 1, 0));
        assert!(!needs_more_than(i64::MAX, i64::MAX / 2));
        let fault = words::too_little_room(std::path::Path::new("/b"), 1 << 20, 2 << 30, 3 << 30).fault();
        assert!(
            fault.message.contains("1.00 MB") && fault.message.contains("3.00 GB"),
            "{fault}"
        );
        assert!(fault.hint.unwrap().contains("PGSTEWARD_BACKUP_URL"));
    }
}
