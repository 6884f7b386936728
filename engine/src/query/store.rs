//! The rows of statements. Queries are checked against migrations/store when they compile.

use chrono::TimeDelta;
use contract::{Instant, query::Sums};
use sqlx::{PgConnection, PgPool};

use super::{
    difference::{Delta, Snapshot},
    look::{GREATEST, Text},
    page::Stretch,
};
use crate::{Error, Result};

/// Seconds of a step: five minutes for two days, an hour for a month, a day for two years.
pub(super) const STEPS: [i32; 3] = [300, 3600, 86400];
/// How many days each is kept.
const DAYS: [i64; 3] = [2, 30, 730];

/// How many steps of a database are kept at most.
pub(super) fn kept_steps() -> i64 {
    let steps = STEPS.into_iter().zip(DAYS);
    steps.map(|(step, days)| days * 86_400 / i64::from(step)).sum()
}

/// The store's clock: the one that several consoles share.
pub(super) async fn now(pool: &PgPool) -> Result<Instant> {
    let now = sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#)
        .fetch_one(pool)
        .await?;
    Ok(now)
}

/// Takes the turn to look, when the last one was so many seconds ago; the moment of it. A clock that went back must not keep
/// everybody waiting.
pub(super) async fn take_turn(
    pool: &PgPool,
    series: i64,
    after_s: i32,
    now: Option<Instant>,
) -> Result<Option<Instant>> {
    let taken = sqlx::query_scalar!(
        "insert into query_looks as look (series_id, taken_at)
         values ($1, coalesce($2, clock_timestamp()))
             on conflict (series_id) do update
            set taken_at = excluded.taken_at
          where look.taken_at <= excluded.taken_at - make_interval(secs => $3)
             or look.taken_at > excluded.taken_at + interval '1 hour'
      returning taken_at",
        series,
        now,
        f64::from(after_s),
    )
    .fetch_optional(pool)
    .await?;
    Ok(taken)
}

/// Keeps why a look could not be taken.
pub(super) async fn note_trouble(pool: &PgPool, series: i64, taken_at: Instant, trouble: &str) -> Result<()> {
    sqlx::query!(
        "update query_looks set trouble = $3 where series_id = $1 and taken_at = $2",
        series,
        taken_at,
        trouble
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// There are no counters: the next ones are no continuation, and may come at any time.
pub(super) async fn forget(pool: &PgPool, series: i64, taken_at: Instant) -> Result<()> {
    sqlx::query!(
        "delete from query_looks where series_id = $1 and taken_at = $2",
        series,
        taken_at
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// The counters of the last look. What an earlier version of the console wrote otherwise counts as none.
pub(super) async fn last(pool: &PgPool, series: i64) -> Result<Option<Snapshot>> {
    let last = sqlx::query_scalar!("select last from query_looks where series_id = $1", series)
        .fetch_optional(pool)
        .await?
        .flatten();
    Ok(last.and_then(|last| serde_json::from_value(last).ok()))
}

/// When the last look was, and why it could not be taken, when it could not.
pub(super) async fn last_turn(pool: &PgPool, series: i64) -> Result<(Option<Instant>, Option<String>)> {
    let turn = sqlx::query!(
        "select looked_at, trouble from query_looks where series_id = $1",
        series
    )
    .fetch_optional(pool)
    .await?;
    Ok(turn.map_or((None, None), |turn| (turn.looked_at, turn.trouble)))
}

fn json(snapshot: &Snapshot) -> Result<serde_json::Value> {
    serde_json::to_value(snapshot).map_err(|error| Error::internal("writing down counters", error))
}

/// Which of these statements have no text yet.
pub(super) async fn without_text(pool: &PgPool, series: i64, ids: &[i64]) -> Result<Vec<i64>> {
    let unknown = sqlx::query_scalar!(
        r#"select distinct id as "id!"
             from unnest($2::bigint[]) as id
            where id <> 0
              and not exists (select from query_texts where series_id = $1 and queryid = id)"#,
        series,
        ids,
    )
    .fetch_all(pool)
    .await?;
    Ok(unknown)
}

/// What happened between two looks that could be compared.
pub(super) struct Step {
    /// The look before.
    pub since: Instant,
    pub evictions: Option<i64>,
    pub incomplete: bool,
    pub deltas: Vec<Delta>,
}

/// Keeps a look and what happened since the one before, in one transaction: whole, once, and only while the turn is still
/// this look's.
pub(super) async fn keep(
    pool: &PgPool,
    series: i64,
    now: &Snapshot,
    happened: Option<&Step>,
    texts: &[Text],
) -> Result<()> {
    let mut transaction = pool.begin().await?;
    let connection = &mut *transaction;
    let held = sqlx::query!(
        "update query_looks set last = $2, looked_at = taken_at, trouble = null where series_id = $1 and taken_at = $3",
        series,
        json(now)?,
        now.taken_at,
    )
    .execute(&mut *connection)
    .await?;
    if held.rows_affected() == 0 {
        return Ok(());
    }
    for text in texts {
        sqlx::query!(
            "insert into query_texts (series_id, queryid, text, whole, tags, first_seen_at)
             values ($1, $2, $3, $4, $5, $6)
                 on conflict do nothing",
            series,
            text.queryid,
            text.text,
            text.whole,
            &text.tags,
            now.taken_at,
        )
        .execute(&mut *connection)
        .await?;
    }
    if let Some(happened) = happened {
        let mut first_of_hour = false;
        for (step, days) in STEPS.into_iter().zip(DAYS) {
            let first = keep_step(&mut *connection, series, step, now.taken_at, happened).await?;
            if first {
                prune(
                    &mut *connection,
                    series,
                    step,
                    now.taken_at - TimeDelta::days(days),
                )
                .await?;
            }
            first_of_hour |= first && step == STEPS[1];
        }
        if first_of_hour {
            prune_texts(&mut *connection, series, now.taken_at).await?;
        }
    }
    transaction.commit().await?;
    Ok(())
}

/// Removes steps that are too old.
async fn prune(connection: &mut PgConnection, series: i64, step: i32, before: Instant) -> Result<()> {
    sqlx::query!(
        "delete from query_deltas where series_id = $1 and step = $2 and at < $3",
        series,
        step,
        before,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "delete from query_intervals where series_id = $1 and step = $2 and at < $3",
        series,
        step,
        before,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes texts of statements of which nothing is kept.
async fn prune_texts(connection: &mut PgConnection, series: i64, now: Instant) -> Result<()> {
    sqlx::query!(
        "delete from query_texts as kept
          where series_id = $1
            and first_seen_at < $2
            and not exists (
                    select from query_deltas as delta where delta.series_id = $1 and delta.queryid = kept.queryid)",
        series,
        now - TimeDelta::days(1),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Adds what happened to the step that a look is in; whether it is the first of it.
async fn keep_step(
    connection: &mut PgConnection,
    series: i64,
    step: i32,
    until: Instant,
    happened: &Step,
) -> Result<bool> {
    // A look at the very end of a step belongs to it.
    let at = floor(until - TimeDelta::microseconds(1), step);
    let seconds = (until - happened.since).num_milliseconds() as f64 / 1000.0;
    let first = sqlx::query_scalar!(
        r#"insert into query_intervals as kept (series_id, step, at, since, until, seconds, evictions, incomplete)
           values ($1, $2, $3, $4, $5, $6, $7, $8)
               on conflict (series_id, step, at) do update
              set until = excluded.until,
                  seconds = kept.seconds + excluded.seconds,
                  evictions = kept.evictions + excluded.evictions,
                  incomplete = kept.incomplete or excluded.incomplete
        returning (xmax = 0) as "first!""#,
        series,
        step,
        at,
        happened.since,
        until,
        seconds,
        happened.evictions,
        happened.incomplete,
    )
    .fetch_one(&mut *connection)
    .await?;
    if first && step != STEPS[0] {
        fold(&mut *connection, series, step, at).await?;
    }
    let deltas = &happened.deltas;
    let column = |of: fn(&Sums) -> i64| -> Vec<i64> { deltas.iter().map(|delta| of(&delta.sums)).collect() };
    let times = |of: fn(&Sums) -> f64| -> Vec<f64> { deltas.iter().map(|delta| of(&delta.sums)).collect() };
    let ids: Vec<i64> = deltas.iter().map(|delta| delta.queryid).collect();
    let roles: Vec<String> = deltas.iter().map(|delta| delta.role.clone()).collect();
    let nested: Vec<bool> = deltas.iter().map(|delta| delta.nested).collect();
    sqlx::query!(
        "insert into query_deltas as kept (series_id, step, at, queryid, role, nested,
                calls, total_ms, rows, hit, read, dirtied, written, temp, wal_bytes, io_ms)
         select $1, $2, $3, one.*
           from unnest(
                    $4::bigint[], $5::text[], $6::boolean[], $7::bigint[], $8::float8[], $9::bigint[], $10::bigint[],
                    $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::float8[]) as one
             on conflict (series_id, step, at, queryid, role, nested) do update
            set calls = kept.calls + excluded.calls,
                total_ms = kept.total_ms + excluded.total_ms,
                rows = kept.rows + excluded.rows,
                hit = kept.hit + excluded.hit,
                read = kept.read + excluded.read,
                dirtied = kept.dirtied + excluded.dirtied,
                written = kept.written + excluded.written,
                temp = kept.temp + excluded.temp,
                wal_bytes = kept.wal_bytes + excluded.wal_bytes,
                io_ms = kept.io_ms + excluded.io_ms",
        series,
        step,
        at,
        &ids,
        &roles,
        &nested,
        &column(|sums| sums.calls),
        &times(|sums| sums.total_ms),
        &column(|sums| sums.rows),
        &column(|sums| sums.hit),
        &column(|sums| sums.read),
        &column(|sums| sums.dirtied),
        &column(|sums| sums.written),
        &column(|sums| sums.temp),
        &column(|sums| sums.wal_bytes),
        &times(|sums| sums.io_ms),
    )
    .execute(connection)
    .await?;
    Ok(first)
}

/// Leaves the greatest statements in the last step before another one, which is over, and adds the rest up in queryid 0: over
/// many looks other ones were among the greatest.
async fn fold(connection: &mut PgConnection, series: i64, step: i32, before: Instant) -> Result<()> {
    sqlx::query!(
        "with
         -- The step.
         over as (
             select max(at) as at
               from query_intervals
              where series_id = $1
                and step = $2
                and at < $3
         ),
         -- Its statements by each measure.
         ranked as (
             select queryid, role, nested,
                    row_number() over (order by total_ms desc) as by_time,
                    least(
                        row_number() over (order by total_ms / nullif(calls, 0) desc nulls last),
                        row_number() over (order by calls desc),
                        case when rows > 0 then row_number() over (order by rows desc) end,
                        case when read + written > 0 then row_number() over (order by read + written desc) end,
                        case when wal_bytes > 0 then row_number() over (order by wal_bytes desc) end,
                        case when temp > 0 then row_number() over (order by temp desc) end) as by_others
               from query_deltas
               join over using (at)
              where series_id = $1
                and step = $2
                and queryid <> 0
         ),
         small as (
             delete from query_deltas as delta
              using ranked, over
              where delta.series_id = $1
                and delta.step = $2
                and delta.at = over.at
                and delta.queryid = ranked.queryid
                and delta.role = ranked.role
                and delta.nested = ranked.nested
                and by_time > $4
                and by_others > $4 / 4
          returning delta.*
         )
         insert into query_deltas as kept (series_id, step, at, queryid, role, nested,
                calls, total_ms, rows, hit, read, dirtied, written, temp, wal_bytes, io_ms)
         select $1, $2, at, 0, '', nested,
                sum(calls)::int8, sum(total_ms), sum(rows)::int8, sum(hit)::int8, sum(read)::int8, sum(dirtied)::int8,
                sum(written)::int8, sum(temp)::int8, sum(wal_bytes)::int8, sum(io_ms)
           from small
          group by at, nested
             on conflict (series_id, step, at, queryid, role, nested) do update
            set calls = kept.calls + excluded.calls,
                total_ms = kept.total_ms + excluded.total_ms,
                rows = kept.rows + excluded.rows,
                hit = kept.hit + excluded.hit,
                read = kept.read + excluded.read,
                dirtied = kept.dirtied + excluded.dirtied,
                written = kept.written + excluded.written,
                temp = kept.temp + excluded.temp,
                wal_bytes = kept.wal_bytes + excluded.wal_bytes,
                io_ms = kept.io_ms + excluded.io_ms",
        series,
        step,
        before,
        GREATEST as i64,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The beginning of the step that a moment is in.
pub(super) fn floor(at: Instant, step: i32) -> Instant {
    at - TimeDelta::seconds(at.timestamp().rem_euclid(step.into()))
        - TimeDelta::nanoseconds(at.timestamp_subsec_nanos().into())
}

/// What was measured of a stretch of time.
pub(super) struct Covered {
    pub since: Option<Instant>,
    pub until: Option<Instant>,
    pub seconds: f64,
    pub evictions: Option<i64>,
    pub incomplete: bool,
}

/// Says what was measured of the steps that begin in a stretch.
pub(super) async fn covered(
    pool: &PgPool,
    series: i64,
    Stretch { from, to, step }: Stretch,
) -> Result<Covered> {
    let covered = sqlx::query_as!(
        Covered,
        r#"select min(since) as since,
                  max(until) as until,
                  coalesce(sum(seconds), 0) as "seconds!",
                  sum(evictions)::int8 as evictions,
                  coalesce(bool_or(incomplete), false) as "incomplete!"
             from query_intervals
            where series_id = $1
              and step = $2
              and at >= $3
              and at < $4"#,
        series,
        step,
        from,
        to,
    )
    .fetch_one(pool)
    .await?;
    Ok(covered)
}

/// What the statements did in the steps that begin in a stretch.
pub(super) async fn deltas(
    pool: &PgPool,
    series: i64,
    Stretch { from, to, step }: Stretch,
) -> Result<Vec<Delta>> {
    let rows = sqlx::query!(
        r#"select queryid,
                  role,
                  nested,
                  sum(calls)::int8 as "calls!",
                  sum(total_ms) as "total_ms!",
                  sum(rows)::int8 as "rows!",
                  sum(hit)::int8 as "hit!",
                  sum(read)::int8 as "read!",
                  sum(dirtied)::int8 as "dirtied!",
                  sum(written)::int8 as "written!",
                  sum(temp)::int8 as "temp!",
                  sum(wal_bytes)::int8 as "wal_bytes!",
                  sum(io_ms) as "io_ms!"
             from query_deltas
            where series_id = $1
              and step = $2
              and at >= $3
              and at < $4
            group by queryid, role, nested"#,
        series,
        step,
        from,
        to,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Delta {
            queryid: row.queryid,
            role: row.role,
            nested: row.nested,
            sums: Sums {
                calls: row.calls,
                total_ms: row.total_ms,
                rows: row.rows,
                hit: row.hit,
                read: row.read,
                dirtied: row.dirtied,
                written: row.written,
                temp: row.temp,
                wal_bytes: row.wal_bytes,
                io_ms: row.io_ms,
            },
        })
        .collect())
}

/// What was measured of one step, and what a statement did in it.
pub(super) struct Measured {
    pub at: Instant,
    pub since: Instant,
    pub seconds: f64,
    /// None when it is not among those that are kept of this step.
    pub sums: Option<Sums>,
    /// Whether some are not, so that it may be among these.
    pub others: bool,
}

/// The steps that touch a stretch, oldest first, with what a statement did in each.
pub(super) async fn steps(
    pool: &PgPool,
    series: i64,
    Stretch { from, to, step }: Stretch,
    queryid: i64,
) -> Result<Vec<Measured>> {
    let rows = sqlx::query!(
        r#"select measured.at,
                  measured.since,
                  measured.seconds,
                  exists (
                    select
                      from query_deltas as other
                     where other.series_id = $1
                       and other.step = $2
                       and other.at = measured.at
                       and other.queryid = 0) as "others!",
                  count(delta.calls) > 0 as "kept!",
                  coalesce(sum(calls), 0)::int8 as "calls!",
                  coalesce(sum(total_ms), 0) as "total_ms!",
                  coalesce(sum(rows), 0)::int8 as "rows!",
                  coalesce(sum(hit), 0)::int8 as "hit!",
                  coalesce(sum(read), 0)::int8 as "read!",
                  coalesce(sum(dirtied), 0)::int8 as "dirtied!",
                  coalesce(sum(written), 0)::int8 as "written!",
                  coalesce(sum(temp), 0)::int8 as "temp!",
                  coalesce(sum(wal_bytes), 0)::int8 as "wal_bytes!",
                  coalesce(sum(io_ms), 0) as "io_ms!"
             from query_intervals as measured
             left join query_deltas as delta
               on delta.series_id = $1
              and delta.step = $2
              and delta.at = measured.at
              and delta.queryid = $5
            where measured.series_id = $1
              and measured.step = $2
              and measured.until > $3
              and measured.since < $4
            group by measured.at, measured.since, measured.seconds
            order by measured.at"#,
        series,
        step,
        from,
        to,
        queryid,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Measured {
            at: row.at,
            since: row.since,
            seconds: row.seconds,
            others: row.others,
            sums: row.kept.then_some(Sums {
                calls: row.calls,
                total_ms: row.total_ms,
                rows: row.rows,
                hit: row.hit,
                read: row.read,
                dirtied: row.dirtied,
                written: row.written,
                temp: row.temp,
                wal_bytes: row.wal_bytes,
                io_ms: row.io_ms,
            }),
        })
        .collect())
}

/// A text that is kept.
pub(super) struct Kept {
    pub queryid: i64,
    pub text: String,
    pub whole: bool,
    pub tags: Vec<String>,
    pub first_seen_at: Instant,
}

/// The texts of statements.
pub(super) async fn texts(pool: &PgPool, series: i64, ids: &[i64]) -> Result<Vec<Kept>> {
    let texts = sqlx::query_as!(
        Kept,
        "select queryid, text, whole, tags, first_seen_at from query_texts where series_id = $1 and queryid = any($2)",
        series,
        ids,
    )
    .fetch_all(pool)
    .await?;
    Ok(texts)
}

/// The beginning of the last step of each length, the finest first, in which something of a statement is kept.
pub(super) async fn last_steps(pool: &PgPool, series: i64, queryid: i64) -> Result<Vec<(i32, Instant)>> {
    let steps = sqlx::query!(
        r#"select step as "step!", max(at) as "at!"
             from query_deltas
            where series_id = $1
              and queryid = $2
            group by step
            order by step"#,
        series,
        queryid,
    )
    .fetch_all(pool)
    .await?;
    Ok(steps.into_iter().map(|row| (row.step, row.at)).collect())
}

/// The bytes of the tables of statements in the store.
pub(super) async fn bytes(pool: &PgPool) -> Result<i64> {
    let bytes = sqlx::query_scalar!(
        r#"select sum(pg_total_relation_size(part))::int8 as "bytes!"
             from unnest(array['query_looks', 'query_texts', 'query_intervals', 'query_deltas']::regclass[]) as part"#,
    )
    .fetch_one(pool)
    .await?;
    Ok(bytes)
}
