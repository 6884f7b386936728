//! The watch over backups that are taken by themselves. It goes by what there is, not by what the scheduler says, and runs
//! beside it: one that has stopped is seen as well.

use std::time::Duration;

use contract::finding::{Finding, Level};
use tokio_util::sync::CancellationToken;

use super::{
    send, store,
    words::{Event, Telling},
};
use crate::{Engine, Result, backup, schedule, target::Target};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(30);
/// The longest that looking at one managed database may take.
const LONGEST: Duration = Duration::from_secs(20);
/// Messages that one look sends at most.
const AT_ONCE: usize = 20;

/// Watches and tells, until the token is cancelled.
pub(crate) async fn keep_up(engine: Engine, stop: CancellationToken) {
    if engine.config().alarms.channels().next().is_none() {
        return;
    }
    loop {
        let round = async {
            if store::take_turn(engine.store()).await? {
                look(&engine).await?;
            }
            deliver(&engine).await
        };
        if let Err(error) = round.await {
            tracing::warn!(error = error.chain(), "cannot watch over the backups");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Looks at every managed database that has a schedule, and writes down what is to be told.
///
/// # Errors
/// The store's failures.
pub(super) async fn look(engine: &Engine) -> Result<()> {
    let mine: Vec<String> = engine
        .all_targets()
        .iter()
        .map(|target| target.name().to_owned())
        .collect();
    let watched = store::watched(engine.store(), &mine).await?;
    store::forget_others(engine.store(), &mine, &watched).await?;
    let channels = engine.config().alarms.channels();
    let channels: Vec<String> = channels.map(|channel| channel.name().to_owned()).collect();
    for name in &watched {
        let target = engine.target(name)?;
        let found = tokio::time::timeout(LONGEST, found(engine, &target)).await;
        let mut transaction = engine.store().begin().await?;
        match found {
            Ok(Ok(found)) => {
                for finding in &found {
                    store::open(&mut transaction, name, finding, &channels).await?;
                }
                let keys: Vec<String> = found.into_iter().map(|finding| finding.key).collect();
                store::close_others(&mut transaction, name, &keys).await?;
            }
            // What cannot be looked at is told, and says nothing of the rest.
            Ok(Err(error)) => {
                store::open(&mut transaction, name, &unseen(error.fault().message), &channels).await?
            }
            Err(_) => {
                let words = format!("There was no answer within {} s.", LONGEST.as_secs());
                store::open(&mut transaction, name, &unseen(words), &channels).await?;
            }
        }
        transaction.commit().await?;
    }
    Ok(())
}

/// What someone must be told of.
async fn found(engine: &Engine, target: &Target) -> Result<Vec<Finding>> {
    let mut found = backup::findings::look(engine, target).await?;
    found.extend(schedule::findings::look(engine, target).await?);
    // What keeps backups from being taken or from being good, and no advice; that messages do not go out cannot be told by one.
    found.retain(|finding| {
        let about = ["backup.", "schedule.", "tools.missing"];
        finding.level > Level::Note && about.iter().any(|begin| finding.key.starts_with(begin))
    });
    Ok(found)
}

fn unseen(evidence: String) -> Finding {
    Finding::new(
        "unseen",
        Level::Urgent,
        "The backups cannot be looked at.",
        "Look at the disk or network share that holds the backup folder.",
    )
    .because(evidence)
}

/// Sends what waits.
///
/// # Errors
/// The store's failures.
pub(super) async fn deliver(engine: &Engine) -> Result<()> {
    let channels = engine.config().alarms.channels();
    let channels: Vec<String> = channels.map(|channel| channel.name().to_owned()).collect();
    for _ in 0..AT_ONCE {
        let Some(message) = store::take(engine.store(), &channels).await? else {
            return Ok(());
        };
        let telling = Telling {
            event: match message.resolved {
                true => Event::Resolved,
                false => Event::Opened,
            },
            target: message.target.clone(),
            key: message.key.clone(),
            level: store::level(&message.level),
            words: message.words.clone(),
            evidence: message.evidence.clone(),
            remedy: message.remedy.clone(),
            opened_at: message.opened_at,
            resolved_at: message.resolved_at,
        };
        let sent = send::send(engine, store::channel(&message.channel), &telling).await;
        let error = sent.err().map(|error| error.fault().message);
        if let Some(error) = &error {
            tracing::warn!(channel = message.channel, error, "an alarm could not be sent");
        }
        store::tried(engine.store(), &message, error.as_deref()).await?;
        engine.outdate(Some(&message.target));
    }
    Ok(())
}
