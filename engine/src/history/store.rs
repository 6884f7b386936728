//! The rows of history. Queries are checked against migrations/store when they compile.

use std::collections::HashMap;

use chrono::{DurationRound, TimeDelta};
use contract::{
    Instant,
    history::{Mark, MarkKind, Pulse},
    jobs::JobKind,
};
use sqlx::{PgConnection, PgExecutor, PgPool, types::Json};

use super::{
    catalog::{Snapshot, Tables},
    step::Step,
};

/// How long steps of a minute are kept.
pub(super) const MINUTES: TimeDelta = TimeDelta::days(2);
/// How long a database's steps of ten minutes are kept.
pub(super) const TENS: TimeDelta = TimeDelta::days(30);
/// How long a table's steps of ten minutes are kept.
pub(super) const TENS_OF_TABLES: TimeDelta = TimeDelta::days(7);
/// How long steps of a day are kept.
pub(crate) const DAYS: TimeDelta = TimeDelta::days(730);
/// Marks that a view holds, the newest ones.
const MARKS: i64 = 200;

/// The store's clock: the one that several consoles share.
pub(crate) async fn now(pool: &PgPool) -> Result<Instant, sqlx::Error> {
    sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#)
        .fetch_one(pool)
        .await
}

/// What the snapshot before left.
#[derive(Default)]
pub(super) struct Before {
    pub snapshot: Option<Snapshot>,
    pub tables: Option<Tables>,
}

/// Takes the turn of a minute; none when a console has it already. A clock that was far ahead and went back does not keep
/// turns from being taken.
pub(super) async fn take_turn(
    pool: &PgPool,
    series: i64,
    minute: Instant,
) -> Result<Option<Before>, sqlx::Error> {
    let row = sqlx::query!(
        r#"insert into history_turns as turn (series_id, minute)
           values ($1, $2)
               on conflict (series_id) do update
              set minute = excluded.minute
            where turn.minute < excluded.minute
               or turn.minute > excluded.minute + interval '10 minutes'
           returning snapshot as "snapshot: serde_json::Value", tables as "tables: serde_json::Value""#,
        series,
        minute,
    )
    .fetch_optional(pool)
    .await?;
    // What another version of the console wrote may not be readable: then there is nothing to compare with.
    Ok(row.map(|row| Before {
        snapshot: row.snapshot.and_then(|value| serde_json::from_value(value).ok()),
        tables: row.tables.and_then(|value| serde_json::from_value(value).ok()),
    }))
}

/// Writes down why a turn failed.
pub(super) async fn failed(
    pool: &PgPool,
    series: i64,
    minute: Instant,
    trouble: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update history_turns set trouble = $3 where series_id = $1 and minute = $2",
        series,
        minute,
        trouble,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Keeps a snapshot for the next one; false when another console has taken a later turn meanwhile.
pub(super) async fn keep(
    connection: &mut PgConnection,
    series: i64,
    minute: Instant,
    snapshot: &Snapshot,
    tables: Option<&Tables>,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "update history_turns
            set snapshot = $3, tables = coalesce($4, tables), sampled_at = clock_timestamp(), trouble = null
          where series_id = $1
            and minute = $2",
        series,
        minute,
        Json(snapshot) as Json<&Snapshot>,
        tables.map(Json) as Option<Json<&Tables>>,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Adds a step, in place of one that is there: of the first look at tables, or of a clock that went back.
pub(super) async fn add(
    connection: &mut PgConnection,
    series: i64,
    subject: &str,
    step_s: i32,
    at: Instant,
    step: &Step,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into history (series_id, subject, step_s, at, sums, weights, peaks)
         values ($1, $2, $3, $4, $5, $6, $7)
             on conflict (series_id, subject, step_s, at) do update
            set sums = excluded.sums, weights = excluded.weights, peaks = excluded.peaks",
        series,
        subject,
        step_s,
        at,
        &step.sums as &[Option<f64>],
        &step.weights as &[Option<f32>],
        &step.peaks as &[Option<f32>],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Rolls finer steps of a database up into coarser ones, from the last coarse one on, which may not have been over. With
/// tables, or without.
pub(super) async fn roll_up(
    connection: &mut PgConnection,
    series: i64,
    from_s: i32,
    into_s: i32,
    tables: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into history (series_id, subject, step_s, at, sums, weights, peaks)
         with
         -- Where to begin.
         last as (
             select coalesce(max(at), '-infinity') as at
               from history
              where series_id = $1
                and subject = ''
                and step_s = $3
         ),
         -- The parts of each coarse step, value by value.
         parts as (
             select subject,
                    date_bin(make_interval(secs => $3), history.at, timestamptz 'epoch') as at,
                    part.place,
                    sum(part.sum) as sum,
                    sum(part.weight::float8)::real as weight,
                    max(part.peak) as peak
               from last,
                    history,
                    unnest(sums, weights, peaks) with ordinality as part (sum, weight, peak, place)
              where series_id = $1
                and step_s = $2
                and (subject = '' or $4)
                and history.at >= last.at
              group by 1, 2, 3
         )
         select $1, subject, $3, at,
                array_agg(sum order by place), array_agg(weight order by place), array_agg(peak order by place)
           from parts
          group by subject, at
             on conflict (series_id, subject, step_s, at) do update
            set sums = excluded.sums, weights = excluded.weights, peaks = excluded.peaks",
        series,
        from_s,
        into_s,
        tables,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes what is too old, of all databases. Whole coarser steps at a time, so that one that is rolled up again still has
/// all its parts.
pub(super) async fn prune(connection: &mut PgConnection, now: Instant) -> Result<(), sqlx::Error> {
    let ten = |at: Instant| at.duration_trunc(TimeDelta::minutes(10)).unwrap_or(at);
    let day = |at: Instant| at.duration_trunc(TimeDelta::days(1)).unwrap_or(at);
    sqlx::query!(
        "delete from history
          where (step_s = 60 and at < $1)
             or (step_s = 600 and at < $2)
             or (step_s = 600 and at < $3 and subject <> '')
             or (step_s = 86400 and at < $4)",
        ten(now - MINUTES),
        day(now - TENS),
        day(now - TENS_OF_TABLES),
        day(now - DAYS),
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!("delete from history_marks where at < $1", day(now - DAYS))
        .execute(connection)
        .await?;
    Ok(())
}

/// Takes the turn of a look at the pulse, and gives what the look before it saw, with its pulse; none when a console has looked within a second. A
/// clock that was far ahead and went back does not keep turns from being taken.
pub(super) async fn take_beat(
    pool: &PgPool,
    series: i64,
) -> Result<Option<(Option<Snapshot>, Option<Pulse>)>, sqlx::Error> {
    let row = sqlx::query!(
        r#"insert into pulses as pulse (series_id, taken_at)
           values ($1, clock_timestamp())
               on conflict (series_id) do update
              set taken_at = excluded.taken_at
            where pulse.taken_at <= excluded.taken_at - interval '900 milliseconds'
               or pulse.taken_at > excluded.taken_at + interval '10 seconds'
           returning snapshot as "snapshot: serde_json::Value", value as "value: serde_json::Value""#,
        series,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| {
        (
            row.snapshot.and_then(|value| serde_json::from_value(value).ok()),
            row.value.and_then(|value| serde_json::from_value(value).ok()),
        )
    }))
}

/// Keeps what a look at the pulse saw.
pub(super) async fn keep_beat(
    pool: &PgPool,
    series: i64,
    snapshot: &Snapshot,
    pulse: &Pulse,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update pulses set snapshot = $2, value = $3 where series_id = $1",
        series,
        Json(snapshot) as Json<&Snapshot>,
        Json(pulse) as Json<&Pulse>,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// The last pulse that a console took.
pub(super) async fn beat(pool: &PgPool, series: i64) -> Result<Option<Pulse>, sqlx::Error> {
    let value = sqlx::query_scalar!(
        r#"select value as "value: serde_json::Value" from pulses where series_id = $1"#,
        series,
    )
    .fetch_optional(pool)
    .await?;
    // Another version of the console may write other values.
    Ok(value
        .flatten()
        .and_then(|value| serde_json::from_value(value).ok()))
}

/// One step as it was kept.
pub(super) struct Row {
    pub at: Instant,
    pub sums: Vec<Option<f64>>,
    pub weights: Vec<Option<f32>>,
    pub peaks: Vec<Option<f32>>,
}

/// The steps of a stretch of time, oldest first.
pub(super) async fn steps(
    pool: &PgPool,
    series: i64,
    subject: &str,
    step_s: i32,
    from: Instant,
    to: Instant,
) -> Result<Vec<Row>, sqlx::Error> {
    sqlx::query_as!(
        Row,
        r#"select at, sums as "sums: Vec<Option<f64>>", weights as "weights: Vec<Option<f32>>",
                  peaks as "peaks: Vec<Option<f32>>"
             from history
            where series_id = $1
              and subject = $2
              and step_s = $3
              and at >= $4
              and at < $5
            order by at"#,
        series,
        subject,
        step_s,
        from,
        to,
    )
    .fetch_all(pool)
    .await
}

/// What the last turn left.
pub(super) struct Turn {
    pub snapshot: Option<Snapshot>,
    pub sampled_at: Option<Instant>,
    pub trouble: Option<String>,
    /// The replica that the last sizes of tables are from.
    pub sizes_from: Option<String>,
}

/// The last turn of a database.
pub(super) async fn last_turn(pool: &PgPool, series: i64) -> Result<Option<Turn>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select snapshot as "snapshot: serde_json::Value", sampled_at, trouble, tables ->> 'sizes_from' as sizes_from
             from history_turns
            where series_id = $1"#,
        series,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| Turn {
        snapshot: row.snapshot.and_then(|value| serde_json::from_value(value).ok()),
        sampled_at: row.sampled_at,
        trouble: row.trouble,
        sizes_from: row.sizes_from,
    }))
}

/// The first step that is kept of a subject.
pub(super) async fn since(pool: &PgPool, series: i64, subject: &str) -> Result<Option<Instant>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select min(first.at)
             from unnest(array[60, 600, 86400]) as kept (step_s)
            cross join lateral (
                select at
                  from history
                 where series_id = $1
                   and subject = $2
                   and history.step_s = kept.step_s
                 order by at
                 limit 1) as first"#,
        series,
        subject,
    )
    .fetch_one(pool)
    .await
}

/// How a subject grew over the last week.
pub(super) struct Growth {
    /// Bytes a day, by the straight line through its sizes.
    pub a_day: f64,
    /// Over how many seconds they were taken.
    pub seconds: f64,
    /// The last one, in bytes.
    pub size: f64,
}

/// How a subject grew over the last week; none with fewer than two sizes.
pub(super) async fn growth(
    pool: &PgPool,
    series: i64,
    subject: &str,
    place: i32,
    now: Instant,
) -> Result<Option<Growth>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select regr_slope(size, second) * 86400 as a_day, max(second) - min(second) as seconds,
                  (array_agg(size order by second desc))[1] as size
             from (select sums[$4] / weights[$4] as size, extract(epoch from at)::float8 as second
                     from history
                    where series_id = $1
                      and subject = $2
                      and step_s = 600
                      and at >= $3) as sizes
            where size is not null"#,
        series,
        subject,
        now - TimeDelta::days(7),
        place,
    )
    .fetch_one(pool)
    .await?;
    let known = row.a_day.zip(row.seconds).zip(row.size);
    Ok(known.map(|((a_day, seconds), size)| Growth { a_day, seconds, size }))
}

/// Writes down that something happened to the server that a series is of; once.
pub(super) async fn mark(
    executor: impl PgExecutor<'_>,
    (database, series): (i64, i64),
    at: Instant,
    kind: MarkKind,
    label: &str,
    by: &str,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "insert into history_marks (database_id, at, kind, label, told_by, series_id)
         values ($1, $2, $3, $4, $5, $6)
             on conflict do nothing",
        database,
        at,
        kind.name(),
        label,
        by,
        series,
    )
    .execute(executor)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// What happened in a stretch of time: jobs that were at work in it, deployments, restarts of the server that a series is of. By time; the newest ones when
/// there are too many.
pub(super) async fn marks(
    pool: &PgPool,
    (database, series): (i64, i64),
    from: Instant,
    to: Instant,
) -> Result<Vec<Mark>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select id as "job?", kind as "kind!", title as "label!", started_at as "at!",
                  finished_at as until, state in ('failed', 'interrupted') as "failed!", null as link
             from jobs
            where database_id = $1
              and started_at < $3
              and (finished_at is null or finished_at >= $2)
            union all
           select null, kind, label, at, null, false, link
             from history_marks
            where database_id = $1
              and (series_id is null or series_id = $5)
              and at >= $2
              and at < $3
            order by 4 desc
            limit $4"#,
        database,
        from,
        to,
        MARKS,
        series,
    )
    .fetch_all(pool)
    .await?;
    let mut marks: Vec<Mark> = rows
        .into_iter()
        .map(|row| Mark {
            at: row.at,
            until: row.until,
            kind: match row.kind.as_str() {
                "deployment" => MarkKind::Deployment,
                "restart" => MarkKind::Restart,
                kind if kind == JobKind::Migrate.name() => MarkKind::Migration,
                _ => MarkKind::Job,
            },
            label: row.label,
            page: row.job.map(|id| format!("/jobs/{id}")).or(row.link),
            failed: row.failed,
        })
        .collect();
    marks.reverse();
    Ok(marks)
}

/// A value of ten minutes.
pub(super) struct Point {
    pub at: Instant,
    pub transactions: Option<f64>,
    pub connections: Option<f64>,
}

/// Transactions a second and connections of several managed databases since a moment, by their names.
pub(super) async fn sparks(
    pool: &PgPool,
    names: &[String],
    from: Instant,
    places: (&[i32], &[i32]),
) -> Result<HashMap<String, Vec<Point>>, sqlx::Error> {
    let (transactions, connections) = places;
    let rows = sqlx::query!(
        r#"select named.name, history.at,
                  (select sum(sums[place] / nullif(weights[place], 0)) from unnest($3::int4[]) as place) as transactions,
                  (select sum(sums[place] / nullif(weights[place], 0)) from unnest($4::int4[]) as place) as connections
             from database_names as named
             join series using (database_id, name)
             join history on history.series_id = series.id
            where named.name = any($1)
              and history.subject = ''
              and history.step_s = 600
              and history.at >= $2"#,
        names,
        from,
        transactions,
        connections,
    )
    .fetch_all(pool)
    .await?;
    let mut points: HashMap<String, Vec<Point>> = HashMap::new();
    for row in rows {
        points.entry(row.name).or_default().push(Point {
            at: row.at,
            transactions: row.transactions,
            connections: row.connections,
        });
    }
    Ok(points)
}

/// The bytes of history's tables and indexes in the store.
pub(super) async fn bytes(pool: &PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select sum(pg_total_relation_size(part))::int8 as "bytes!"
             from unnest(array['history', 'history_turns', 'history_marks']::regclass[]) as part"#,
    )
    .fetch_one(pool)
    .await
}
