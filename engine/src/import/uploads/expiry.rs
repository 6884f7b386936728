//! Uploads that nobody wants any more go by themselves.

use std::{
    fs::File,
    time::{Duration, SystemTime},
};

use super::{
    Act, blocking,
    folder::{Folder, Upload},
    receive, record,
};
use crate::{Engine, Result, import::store};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long one that is not whole waits for its next byte.
const UNFINISHED: Duration = DAY.saturating_mul(7);
/// How long a whole one waits for its next use.
const UNUSED: Duration = DAY.saturating_mul(30);
/// How long the making or removing of a folder may take.
const PASSING: Duration = Duration::from_secs(3600);

/// Removes uploads whose time is over, with an entry in the log for each. One that an import needs has time.
///
/// # Errors
/// `Io`; the store's failures.
pub(in crate::import) async fn sweep(engine: &Engine) -> Result<()> {
    let folder = Folder::new(&engine.config().data_dir);
    let now = SystemTime::now();
    let over = blocking(move || {
        folder.remove_passing(now - PASSING)?;
        let all = folder.list()?;
        Ok(all
            .into_iter()
            .filter_map(|upload| {
                let why = why(&upload, now)?;
                let alone = alone(&upload)?;
                Some((upload, why, alone))
            })
            .collect::<Vec<_>>())
    })
    .await?;
    for (upload, why, alone) in over {
        if store::needing(engine.store(), upload.id).await?.is_some() {
            continue;
        }
        record(engine, &upload, Act::Deleted(None, Some(why))).await?;
        blocking(move || upload.remove()).await?;
        drop(alone);
    }
    Ok(())
}

/// Why its time is over, if it is.
fn why(upload: &Upload, now: SystemTime) -> Option<&'static str> {
    let idle = now.duration_since(upload.last_touched()).unwrap_or_default();
    match upload.missing() {
        0 => (idle > UNUSED).then_some("unused for 30 days"),
        _ => (idle > UNFINISHED).then_some("unfinished for 7 days"),
    }
}

/// Locks on all its parts; `None` while somebody sends or reads it: an import holds a shared lock on what it reads.
fn alone(upload: &Upload) -> Option<Vec<File>> {
    upload
        .parts()
        .map(|part| receive::alone(&upload.part(part)).ok().flatten())
        .collect()
}
