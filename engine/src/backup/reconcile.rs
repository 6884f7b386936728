//! The store's rows are a cache of the manifests in the folder. Whenever the folder is looked at, the rows follow it.

use std::{collections::HashMap, sync::Arc};

use contract::backup::BackupView;
use uuid::Uuid;

use super::{
    folder::{Folder, Leftover, folder_name},
    seal::Seals,
    shelf::Shelf,
    store,
    stored::{self, Stored},
    words,
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
/// `Refused` when the folder is not the one that the rows are of; the store's and the folder's.
pub(super) async fn reconcile(engine: &Engine, shelf: &Shelf) -> Result<Found> {
    let folder = Folder::new(&engine.config().backup_dir);
    let root = folder.root().display().to_string();
    let seals = Arc::new(Seals::load(engine).await?);
    let known = store::known(engine.store(), shelf.target(), &root).await?;
    let listed = {
        let (folder, shelf, must_exist) = (folder.clone(), shelf.clone(), !known.is_empty());
        blocking(move || {
            // A disk that is not mounted must not look like a console that never took a backup.
            if must_exist {
                std::fs::metadata(folder.root()).map_err(Error::io(format!(
                    "opening the backup folder {}",
                    folder.root().display()
                )))?;
                if !folder.knows(&shelf)? {
                    return Err(words::not_the_folder(folder.root(), shelf.target()));
                }
            }
            folder.list(&shelf)
        })
        .await?
    };
    let mut known: HashMap<Uuid, store::Known> = known.into_iter().map(|row| (row.id, row)).collect();
    let mut found = Found {
        backups: Vec::new(),
        unreadable: Vec::new(),
    };
    for (id, place, stamp) in listed {
        let row = known.remove(&id);
        if let Some(row) = &row
            && row.stamp == format!("{stamp} {}", seals.stamp())
            && row.folder.as_deref() == Some(&place)
        {
            found.backups.push(row.view.0.clone());
            continue;
        }
        match refreshed(engine, &folder, &seals, shelf, &place, id).await? {
            Stored::Known { view, .. } => found.backups.push(view),
            Stored::Missing => {}
            Stored::Strange => {
                if row.is_some() {
                    store::remove(&mut *engine.store().acquire().await?, id).await?;
                }
            }
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

/// Finds one backup, reads its files and makes its row anew. Gives the folder it lies in as well.
///
/// # Errors
/// The store's and the folder's.
pub(super) async fn refresh(
    engine: &Engine,
    folder: &Folder,
    shelf: &Shelf,
    id: Uuid,
) -> Result<(String, Stored)> {
    let place = {
        let (folder, shelf) = (folder.clone(), shelf.clone());
        blocking(move || folder.find(&shelf, id)).await?
    };
    let Some(place) = place else {
        return Ok((String::new(), Stored::Missing));
    };
    let seals = Arc::new(Seals::load(engine).await?);
    let read = refreshed(engine, folder, &seals, shelf, &place, id).await?;
    Ok((place, read))
}

async fn refreshed(
    engine: &Engine,
    folder: &Folder,
    seals: &Arc<Seals>,
    shelf: &Shelf,
    place: &str,
    id: Uuid,
) -> Result<Stored> {
    let read = {
        let (folder, seals, shelf, place) =
            (folder.clone(), Arc::clone(seals), shelf.clone(), place.to_owned());
        blocking(move || stored::read(&folder, &seals, &shelf, &place, id)).await?
    };
    if let Stored::Known { view, stamp, .. } = &read {
        let root = folder.root().display().to_string();
        store::put(&mut *engine.store().acquire().await?, view, stamp, &root, place).await?;
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
            Leftover::Deleted(id) => match store::place_of(engine.store(), id).await? {
                Some((target, place)) => {
                    tracing::info!(backup.id = %id, "putting back a backup whose deletion was not committed");
                    let folder = folder.clone();
                    let place = place.unwrap_or_else(|| folder_name(&target));
                    blocking(move || folder.restore(&place, id)).await?;
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
