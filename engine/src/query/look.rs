//! The looks at pg_stat_statements: one of all consoles takes each, and keeps the difference from the last one.

use std::time::Duration;

use contract::Instant;
use futures::StreamExt;

use super::{
    catalog::{self, Setup},
    difference::{self, Snapshot},
    store, text,
};
use crate::{Engine, Result, target::Target};

/// Databases that are looked at at the same time.
const AT_ONCE: usize = 8;
/// How many statements of one look are kept by time; by the other measures a quarter of it each.
pub(super) const GREATEST: usize = 100;
/// The same of what the server had counted before the console measured anything.
pub(super) const AT_FIRST: usize = 800;
/// Between two looks that nobody asked for. The sampler comes once a minute.
const EVERY: i32 = 290;
/// Between two looks while somebody reads the page.
pub(super) const WHILE_READ: i32 = 30;
/// How long a look may take.
const LONGEST: Duration = Duration::from_secs(20);

/// Takes the looks that are due at every managed database that is up. What fails for one keeps none of the others waiting.
pub(crate) async fn look_at_all(engine: &Engine) {
    let up = engine.all_targets().iter().filter(|target| target.is_up());
    let looks = up
        .cloned()
        .collect::<Vec<_>>()
        .into_iter()
        .map(|target| async move {
            if let Err(error) = turn(engine, &target, EVERY, None).await {
                tracing::warn!(
                    target.name = target.name(),
                    error = error.chain(),
                    "no look at the statements"
                );
            }
        });
    futures::stream::iter(looks)
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<()>>()
        .await;
}

/// Takes a look when the last one was so many seconds ago and no other console takes it.
/// `now` is for tests.
///
/// # Errors
/// The store's failures, and the target's, which are kept for the page too.
pub(super) async fn turn(
    engine: &Engine,
    target: &Target,
    after_s: i32,
    now: Option<Instant>,
) -> Result<bool> {
    let pool = engine.store();
    let database = target.database_id(false).await?;
    let series = target.series_of(database).await?;
    let Some(taken_at) = store::take_turn(pool, series, after_s, now).await? else {
        return Ok(false);
    };
    let looked = tokio::time::timeout(
        LONGEST,
        look(engine, &target.bound_to(database), series, taken_at),
    )
    .await;
    let looked =
        looked.unwrap_or_else(|_| Err(target.error(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))));
    match looked {
        Ok(()) => Ok(true),
        Err(error) => {
            store::note_trouble(pool, series, taken_at, &error.fault().message).await?;
            Err(error)
        }
    }
}

async fn look(engine: &Engine, target: &Target, series: i64, taken_at: Instant) -> Result<()> {
    let pool = engine.store();
    let Some((setup, now)) = snapshot(target, taken_at).await? else {
        return store::forget(pool, series, taken_at).await;
    };
    let before = store::last(pool, series).await?;
    let before =
        before.filter(|before| before.taken_at < taken_at && difference::are_comparable(before, &now));
    let difference = before.map(|before| (before.taken_at, difference::between(&before, &now)));
    let (since, deltas) = match difference {
        Some((since, difference)) => (
            Some((since, difference.evictions, difference.incomplete)),
            difference::greatest(difference.deltas, GREATEST),
        ),
        // Nothing to compare with yet: the page shows what was counted until now, with these texts.
        None => (None, difference::greatest(now.deltas(), AT_FIRST)),
    };
    let ids: Vec<i64> = deltas.iter().map(|delta| delta.queryid).collect();
    let unknown = store::without_text(pool, series, &ids).await?;
    let texts = texts(target, &setup, &unknown).await?;
    let step = since.map(|(since, evictions, incomplete)| store::Step {
        since,
        evictions,
        incomplete,
        deltas,
    });
    store::keep(pool, series, &now, step.as_ref(), &texts).await
}

/// Reads the counters; none when there are none to be read.
async fn snapshot(target: &Target, taken_at: Instant) -> Result<Option<(Setup, Snapshot)>> {
    let mut look = target.look().await?;
    let reading = async {
        let setup = catalog::setup(&mut look).await?;
        if !setup.is_readable() {
            return Ok(None);
        }
        let (reset_at, evictions) = catalog::info(&mut look, &setup).await?;
        let (counters, cut) = catalog::counters(&mut look, &setup).await?;
        let snapshot = Snapshot {
            at: setup.now,
            taken_at,
            started_at: setup.started_at,
            sees_all: setup.sees_all,
            reset_at,
            evictions,
            cut,
            counters,
        };
        Ok(Some((setup, snapshot)))
    };
    reading.await.map_err(|source| target.error(source))
}

/// What there is to read now.
///
/// # Errors
/// The target's failures.
pub(super) async fn setup(target: &Target) -> Result<Setup> {
    let mut look = target.look().await?;
    catalog::setup(&mut look)
        .await
        .map_err(|source| target.error(source))
}

/// A statement's text without values.
pub(super) struct Text {
    pub queryid: i64,
    pub text: String,
    /// Whether that is all of it.
    pub whole: bool,
    pub tags: Vec<String>,
}

/// The texts of statements.
///
/// # Errors
/// The target's failures.
pub(super) async fn texts(target: &Target, setup: &Setup, ids: &[i64]) -> Result<Vec<Text>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut look = target.look().await?;
    let texts = catalog::texts(&mut look, setup, ids)
        .await
        .map_err(|source| target.error(source))?;
    Ok(texts
        .into_iter()
        .map(|(queryid, mut sql)| {
            let tags = text::tags(&sql);
            let cut = sql.char_indices().nth(text::LONGEST).map(|(end, _)| end);
            if let Some(end) = cut {
                sql.truncate(end);
            }
            Text {
                queryid,
                text: text::shown(&sql),
                whole: cut.is_none(),
                tags,
            }
        })
        .collect())
}
