//! The store's rows are a cache of the manifests in the folder. Whenever the folder is looked at, the rows follow it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use contract::backup::BackupView;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::{
    folder::{Folder, Leftover, folder_name},
    seal::Seals,
    shelf::Shelf,
    store,
    stored::{self, Stored},
    throw_away, words,
};
use crate::{Engine, Error, Result};

/// What is stored of one target.
pub(super) struct Found {
    /// Newest first.
    pub backups: Vec<BackupView>,
    /// Folders whose manifest cannot be read.
    pub unreadable: Vec<Uuid>,
}

/// Threads that wait for the backup folder's disk at the same time. The rest of the console's threads stay free when that
/// disk does not answer.
static THREADS: Semaphore = Semaphore::const_new(16);
/// How long a look at the folder may take. A disk that takes longer is not there, as far as a reader is concerned.
const ANSWER: Duration = Duration::from_secs(15);

/// Runs blocking file work where blocking is allowed. Whoever waits for it may stop to; the thread goes on until the disk
/// answers.
///
/// # Errors
/// The work's own; `Conflict` when every thread for such work waits for the disk already.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let thread = match tokio::time::timeout(ANSWER, THREADS.acquire()).await {
        Ok(Ok(thread)) => thread,
        Ok(Err(error)) => return Err(Error::internal("working with files", error)),
        Err(_) => return Err(words::no_answer(ANSWER)),
    };
    let work = move || {
        let _thread = thread;
        work()
    };
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("working with files", error))?
}

/// The same for a look that a page waits for.
///
/// # Errors
/// As `blocking`; `Conflict` when the disk does not answer.
pub(super) async fn looking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    looking_within(ANSWER, work).await
}

async fn looking_within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::time::timeout(limit, blocking(work)).await {
        Ok(done) => done,
        Err(_) => Err(words::no_answer(limit)),
    }
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
        looking(move || {
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
        let folder = folder.clone();
        if !looking(move || Ok(folder.is_withdrawn(id))).await? {
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
        looking(move || folder.find(&shelf, id)).await?
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
        looking(move || stored::read(&folder, &seals, &shelf, &place, id)).await?
    };
    if let Stored::Known { view, stamp, .. } = &read {
        let root = folder.root().display().to_string();
        store::put(&mut *engine.store().acquire().await?, view, stamp, &root, place).await?;
    }
    Ok(read)
}

/// Removes what dead processes left under `.partial/`, and finishes or undoes their deletions. What a living process
/// works on, of this store or another one, is left alone. What cannot be removed is told in words, and keeps nobody from
/// the backups that are there.
///
/// # Errors
/// The store's.
pub(super) async fn sweep(engine: &Engine) -> Result<Vec<String>> {
    let folder = Folder::new(&engine.config().backup_dir);
    let found = {
        let folder = folder.clone();
        looking(move || folder.leftovers()).await
    };
    let leftovers = match found {
        Ok(leftovers) => leftovers,
        Err(error) => {
            return Ok(vec![told(
                &error,
                "What broken-off backups left there is not removed",
            )]);
        }
    };
    let mut stuck = Vec::new();
    let data_dir = engine.config().data_dir.clone();
    let clusters = {
        let data_dir = data_dir.clone();
        looking(move || Ok(throw_away::left(&data_dir))).await?
    };
    for job in clusters {
        if store::is_live(engine.store(), contract::jobs::JobId(job)).await? {
            continue;
        }
        let place = throw_away::Place::of(&data_dir, job);
        if let Err(error) = blocking(move || place.remove()).await {
            stuck.push(told(
                &error,
                "What a broken-off verification left cannot be removed",
            ));
        }
    }
    for leftover in leftovers {
        let folder = folder.clone();
        let (done, what) = match leftover {
            Leftover::Attempt(id) => {
                if store::is_live(engine.store(), contract::jobs::JobId(id)).await? {
                    continue;
                }
                tracing::debug!(backup.id = %id, "removing what an attempt left behind");
                (
                    looking(move || folder.remove_partial(id)).await,
                    "What a broken-off backup left cannot be removed",
                )
            }
            // While the row is there, the deletion was not committed: it did not happen.
            Leftover::Deleted(id) => match store::place_of(engine.store(), id).await? {
                Some((target, place)) => {
                    tracing::info!(backup.id = %id, "putting back a backup whose deletion was not committed");
                    let place = place.unwrap_or_else(|| folder_name(&target));
                    (
                        looking(move || folder.restore(&place, id)).await,
                        "A backup whose deletion was broken off cannot be put back",
                    )
                }
                None => (
                    looking(move || folder.remove_deleted(id)).await,
                    "What is left of a deleted backup cannot be removed",
                ),
            },
        };
        if let Err(error) = done {
            stuck.push(told(&error, what));
        }
    }
    Ok(stuck)
}

fn told(error: &Error, what: &str) -> String {
    tracing::warn!(error = error.chain(), what);
    format!(
        "{what}: {}. Remove it by hand, as the user to whom it belongs.",
        error.chain().trim_end_matches('.')
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[tokio::test]
    async fn a_disk_that_does_not_answer_is_said_so_and_others_go_on() {
        let (answer, disk) = std::sync::mpsc::channel::<()>();
        let stuck = looking_within(Duration::from_millis(20), move || Ok(disk.recv().ok()));
        let fault = stuck.await.unwrap_err().fault();
        assert!(fault.message.contains("did not answer"), "{fault}");
        assert_eq!(looking(|| Ok(7)).await.unwrap(), 7);
        answer.send(()).ok();
    }
}
