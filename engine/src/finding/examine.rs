//! Looking at all parts of one managed database.

use std::time::Duration;

use contract::finding::{Finding, Level};
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

use super::Part;
use crate::{
    Engine, Error, Result, activity, backup, migration, optimize, query, schedule, target, target::Target,
};

/// Between two examinations where nothing is known to have happened.
const EVERY: Duration = Duration::from_secs(60);
/// The longest that one part may take; a disk or a server that hangs is a finding too.
const LONGEST: Duration = Duration::from_secs(20);
/// How long a page waits for an examination that is due.
const PATIENCE: Duration = Duration::from_secs(2);

/// Examines one target from time to time and whenever something was done, until the token is cancelled; publishes.
pub(crate) async fn keep_up(engine: Engine, target: Target, stop: CancellationToken) {
    loop {
        let turn = std::sync::Arc::clone(&target.kept().turn).lock_owned().await;
        examine(engine.clone(), target.clone(), turn).await;
        if let Err(error) = engine.events().publish_target(&engine, &target).await {
            tracing::warn!(
                target.name = target.name(),
                error = error.chain(),
                "findings not published"
            );
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = target.kept().changed.notified() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Examines where something happened since the last time; waits for it a short while only, since an examination goes on
/// without its asker.
pub(crate) async fn refresh(engine: &Engine, target: &Target) {
    let kept = target.kept();
    let settled = async {
        while !kept.is_fresh() {
            if let Ok(turn) = std::sync::Arc::clone(&kept.turn).try_lock_owned() {
                engine.spawn(examine(engine.clone(), target.clone(), turn));
            }
            drop(kept.turn.lock().await);
        }
    };
    tokio::time::timeout(PATIENCE, settled).await.ok();
}

/// Looks at every part once; what cannot be looked at is told as such.
async fn examine(engine: Engine, target: Target, turn: OwnedMutexGuard<()>) {
    let kept = target.kept();
    let begun = kept.begin();
    for part in Part::ALL {
        if part.asks_the_database() && !target.is_up() {
            continue;
        }
        let looking = look(&engine, &target, part);
        let found = match tokio::time::timeout(LONGEST, looking).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => vec![unseen(part, &error)],
            Err(_) => vec![hangs(part)],
        };
        kept.put(part, found);
    }
    kept.end(begun);
    drop(turn);
}

async fn look(engine: &Engine, target: &Target, part: Part) -> Result<Vec<Finding>> {
    match part {
        Part::Backups => backup::findings::look(engine, target).await,
        Part::Schedule => schedule::findings::look(engine, target).await,
        Part::Migrations => migration::findings::look(target).await,
        Part::Optimize => optimize::findings::look(target).await,
        Part::Access => target::findings::access(target).await,
        Part::Activity => activity::findings::look(engine, target).await,
        Part::Queries => query::findings::look(engine, target).await,
    }
}

fn unseen(part: Part, error: &Error) -> Finding {
    tracing::debug!(?part, error = error.chain(), "a part could not be examined");
    let fault = error.fault();
    let remedy = fault
        .hint
        .unwrap_or_else(|| "Look at the console's log for the cause.".to_owned());
    of_part(part, "could not be looked at", remedy).because(fault.message)
}

fn hangs(part: Part) -> Finding {
    let remedy = match part.asks_the_database() {
        true => "Look for sessions that hold locks on the catalogs, and at the server's load.",
        false => "Look at the disk or network share that holds the backup folder.",
    };
    of_part(part, "could not be looked at", remedy)
        .because(format!("There was no answer within {} s.", LONGEST.as_secs()))
}

fn of_part(part: Part, what: &str, remedy: impl Into<String>) -> Finding {
    let words = format!("The {} {what}.", part.subject());
    let finding = Finding::new("unseen", Level::Warning, words, remedy);
    match part.page() {
        Some(page) => finding.on(page),
        None => finding,
    }
}
