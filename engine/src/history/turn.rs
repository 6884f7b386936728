//! The sampler: a snapshot of each managed database a minute, whatever the number of consoles and of those who look.

use std::time::Duration;

use chrono::{DurationRound, TimeDelta};
use contract::{Instant, history::MarkKind, target::TargetState};
use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use super::{catalog, step, store};
use crate::{
    Engine, Result,
    target::{Beside, Target},
};

/// Databases that are looked at at the same time.
const AT_ONCE: usize = 8;
/// How long a snapshot may take, so that the next minute finds nothing under way.
const LONGEST: Duration = Duration::from_secs(20);
/// Between two attempts while the store does not answer.
const AGAIN: Duration = Duration::from_secs(5);
/// How long a statement may take.
const TIMEOUT: &str = "set local statement_timeout = '5s'";

/// Takes snapshots until the token is cancelled, one at the beginning of each minute by the store's clock.
pub(crate) async fn keep_up(engine: Engine, stop: CancellationToken) {
    loop {
        let wait = match store::now(engine.store()).await {
            Ok(now) => {
                // What statements cost is measured by the same rhythm, though not every minute.
                futures::join!(turn(&engine, now, None), crate::query::look_at_all(&engine));
                let next = minute(now) + TimeDelta::minutes(1);
                match store::now(engine.store()).await {
                    Ok(now) => (next - now).to_std().unwrap_or_default(),
                    Err(_) => AGAIN,
                }
            }
            Err(error) => {
                tracing::warn!(%error, "no snapshots: the store does not answer");
                AGAIN
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

fn minute(at: Instant) -> Instant {
    at.duration_trunc(TimeDelta::minutes(1)).unwrap_or(at)
}

/// Takes the snapshots of the minute that has just ended. What fails for one managed database keeps none of the others
/// waiting. `clock` stands for the servers' clocks in tests.
pub(super) async fn turn(engine: &Engine, now: Instant, clock: Option<Instant>) {
    let minute = minute(now);
    let snapshots = engine
        .all_targets()
        .to_vec()
        .into_iter()
        .map(|target| async move {
            if let Err(error) = of_target(engine, &target, minute, clock).await {
                tracing::warn!(
                    target.name = target.name(),
                    error = error.chain(),
                    "no snapshot was taken"
                );
            }
        });
    futures::stream::iter(snapshots)
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<()>>()
        .await;
}

async fn of_target(engine: &Engine, target: &Target, minute: Instant, clock: Option<Instant>) -> Result<()> {
    // Who cannot see the database leaves the turn to a console that can.
    let (TargetState::Up(server), Some(database)) = (target.state(), target.known()) else {
        return Ok(());
    };
    let pool = engine.store();
    let series = target.series_of(database).await?;
    let Some(before) = store::take_turn(pool, series, minute).await? else {
        return Ok(());
    };
    // Tables with the first snapshot, and every ten minutes.
    let tens = minute.timestamp() % 600 == 0;
    let with_tables = tens || before.tables.is_none();
    let looked = tokio::time::timeout(LONGEST, look(&target.bound_to(database), with_tables)).await;
    let looked =
        looked.unwrap_or_else(|_| Err(target.error(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))));
    let (mut snapshot, mut tables) = match looked {
        Ok(looked) => looked,
        Err(error) => {
            store::failed(pool, series, minute, &error.fault().message).await?;
            return Err(error);
        }
    };
    if let Some(clock) = clock {
        snapshot.at = clock;
        if let Some(tables) = &mut tables {
            tables.at = clock;
        }
    }
    // Of the minute that ended now.
    let at = minute - TimeDelta::minutes(1);
    let first = before.snapshot.is_none();
    let restarted = before
        .snapshot
        .as_ref()
        .is_some_and(|before| before.started_at < snapshot.started_at);
    let mut transaction = pool.begin().await?;
    if !store::keep(&mut transaction, series, minute, &snapshot, tables.as_ref()).await? {
        return Ok(());
    }
    let measured = step::of_database(before.snapshot.as_ref(), &snapshot, Some(server.database_bytes));
    store::add(&mut transaction, series, "", 60, at, &measured).await?;
    store::roll_up(&mut transaction, series, 60, 600, false).await?;
    if let Some(tables) = &tables {
        let ten = at.duration_trunc(TimeDelta::minutes(10)).unwrap_or(at);
        for (subject, measured) in step::of_tables(before.tables.as_ref(), tables) {
            store::add(&mut transaction, series, &subject, 600, ten, &measured).await?;
        }
    }
    if restarted {
        store::mark(
            &mut *transaction,
            (database, series),
            snapshot.started_at,
            MarkKind::Restart,
            "The server started",
            "pgsteward:history",
        )
        .await?;
    }
    if first || minute.timestamp() % 3600 == 0 {
        store::roll_up(&mut transaction, series, 600, 86_400, true).await?;
    }
    if tens {
        store::prune(&mut transaction, minute).await?;
    }
    transaction.commit().await?;
    Ok(())
}

async fn look(target: &Target, with_tables: bool) -> Result<(catalog::Snapshot, Option<catalog::Tables>)> {
    // First, so that no connection of the database's own is held meanwhile.
    let beside = if with_tables { target.beside().await } else { None };
    let mut look = target.look().await?;
    let looking = async {
        sqlx::raw_sql(TIMEOUT).execute(&mut *look).await?;
        let snapshot = catalog::snapshot(&mut look).await?;
        Ok::<_, sqlx::Error>(snapshot)
    };
    let snapshot = looking.await.map_err(|source| target.error(source))?;
    if !with_tables {
        return Ok((snapshot, None));
    }
    // A table that somebody holds is no reason to know nothing of the database.
    let reading = async {
        if let Some(beside) = beside {
            let mut tables = catalog::tables(&mut look, &snapshot, false).await?;
            if take_sizes(target, &mut tables, beside).await {
                return Ok(tables);
            }
        }
        catalog::tables(&mut look, &snapshot, true).await
    };
    let tables = match reading.await {
        Ok(tables) => Some(tables),
        Err(source) => {
            let error = target.error(source);
            tracing::info!(
                target.name = target.name(),
                error = error.chain(),
                "tables were not measured this time"
            );
            None
        }
    };
    Ok((snapshot, tables))
}

/// Gives tables the sizes that a replica has; whether it gave them.
async fn take_sizes(target: &Target, tables: &mut catalog::Tables, mut beside: Beside) -> bool {
    let oids: Vec<i64> = tables.tables.iter().map(|table| table.oid).collect();
    let address = beside.address.clone();
    let sizes = catalog::sizes(&mut beside.connection, &oids).await;
    beside.close().await;
    match sizes {
        Ok(sizes) => {
            for table in &mut tables.tables {
                table.bytes = sizes.get(&table.oid).copied();
            }
            tables.sizes_from = Some(address);
            true
        }
        Err(source) => {
            tracing::info!(
                target.name = target.name(),
                replica = address,
                error = target.error(source).chain(),
                "a replica gave no sizes"
            );
            false
        }
    }
}
