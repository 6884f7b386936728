//! The store's rows are a cache of the manifests in the folder. Whenever the folder is looked at, the rows follow it.

use std::collections::HashMap;

use contract::backup::BackupView;
use uuid::Uuid;

use super::{
    folder::{Folder, Leftover},
    seal::Seal,
    store,
    stored::{self, Stored},
};
use crate::{Engine, Error, Result};

/// What is stored of one target.
pub(super) struct Found {
    /// Newest first.
    pub backups: Vec<BackupView>,
    /// Folders whose manifest cannot be read.
    pub unreadable: Vec<Uuid>,
}

/// Runs blocking file work where blocking is allowed.
///
/// # Errors
/// The work's own.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("working with files", error))?
}

/// Brings the rows of a target up to date and gives its backups.
///
/// # Errors
/// The store's and the folder's.
pub(super) async fn reconcile(engine: &Engine, target: &str) -> Result<Found> {
    let folder = Folder::new(&engine.config().backup_dir);
    let known = store::known(engine.store(), target).await?;
    let listed = {
        let (folder, target, must_exist) = (folder.clone(), target.to_owned(), !known.is_empty());
        blocking(move || {
            // A disk that is not mounted must not look like a console that never took a backup.
            if must_exist {
                std::fs::metadata(folder.root()).map_err(Error::io(format!(
                    "opening the backup folder {}",
                    folder.root().display()
                )))?;
            }
            folder.list(&target)
        })
        .await?
    };
    let mut known: HashMap<Uuid, store::Known> = known.into_iter().map(|row| (row.id, row)).collect();
    let mut found = Found {
        backups: Vec::new(),
        unreadable: Vec::new(),
    };
    for (id, stamp) in listed {
        let row = known.remove(&id);
        if let Some(row) = &row
            && row.stamp == stamp
        {
            found.backups.push(row.view.0.clone());
            continue;
        }
        match refresh(engine, &folder, target, id).await? {
            Stored::Known { view, .. } => found.backups.push(view),
            Stored::Missing => {}
            Stored::Unreadable(why) => {
                tracing::warn!(backup.id = %id, why, "a manifest cannot be read");
                match row {
                    Some(row) => {
                        let damage =
                            "The manifest cannot be read any more: it was changed or damaged.".to_owned();
                        found.backups.push(BackupView {
                            damage: Some(damage),
                            ..row.view.0
                        });
                    }
                    None => found.unreadable.push(id),
                }
            }
        }
    }
    for id in known.into_keys() {
        // A deletion that is going on has the row's fate in its own hands.
        if !folder.is_withdrawn(id) {
            store::remove(&mut *engine.store().acquire().await?, id).await?;
        }
    }
    found
        .backups
        .sort_by_key(|backup| std::cmp::Reverse((backup.taken_at, backup.id)));
    Ok(found)
}

/// Reads one backup's files and makes its row anew.
///
/// # Errors
/// The store's and the folder's.
pub(super) async fn refresh(engine: &Engine, folder: &Folder, target: &str, id: Uuid) -> Result<Stored> {
    let data_dir = engine.config().data_dir.clone();
    let read = {
        let (folder, target) = (folder.clone(), target.to_owned());
        blocking(move || stored::read(&folder, &Seal::load(&data_dir)?, &target, id)).await?
    };
    if let Stored::Known { view, stamp, .. } = &read {
        store::put(&mut *engine.store().acquire().await?, view, stamp).await?;
    }
    Ok(read)
}

/// Removes what dead processes left under `.partial/`, and finishes or undoes their deletions. What a living process
/// works on, of this store or another one, is left alone.
///
/// # Errors
/// The store's and the folder's.
pub(super) async fn sweep(engine: &Engine) -> Result<()> {
    let folder = Folder::new(&engine.config().backup_dir);
    let leftovers = {
        let folder = folder.clone();
        blocking(move || folder.leftovers()).await?
    };
    for leftover in leftovers {
        match leftover {
            Leftover::Attempt(id) => {
                if store::is_live(engine.store(), contract::jobs::JobId(id)).await? {
                    continue;
                }
                tracing::info!(backup.id = %id, "removing what an attempt left behind");
                let folder = folder.clone();
                blocking(move || folder.remove_partial(id)).await?;
            }
            // While the row is there, the deletion was not committed: it did not happen.
            Leftover::Deleted(id) => match store::target_of(engine.store(), id).await? {
                Some(target) => {
                    tracing::info!(backup.id = %id, "putting back a backup whose deletion was not committed");
                    let folder = folder.clone();
                    blocking(move || folder.restore(&target, id)).await?;
                }
                None => {
                    let folder = folder.clone();
                    blocking(move || folder.remove_deleted(id)).await?;
                }
            },
        }
    }
    Ok(())
}
