//! The rows of alarms. Queries are checked against migrations/store when they compile.

use std::collections::HashMap;

use contract::{
    Instant,
    alarm::{Channel, Incident, Message},
    finding::{Finding, Level},
};
use sqlx::{PgConnection, PgPool};

/// Seconds that one look holds for all consoles.
const TURN: f64 = 20.0;
/// How long a message is tried.
const DAYS: i32 = 3;

/// Takes the turn to look. False when a console looked a moment ago.
pub(super) async fn take_turn(pool: &PgPool) -> Result<bool, sqlx::Error> {
    let taken = sqlx::query!(
        "update alarm_watch
            set looked_at = clock_timestamp()
          where looked_at < clock_timestamp() - make_interval(secs => $1)
             -- A clock that went back must not keep everybody waiting.
             or looked_at > clock_timestamp()",
        TURN,
    )
    .execute(pool)
    .await?;
    Ok(taken.rows_affected() > 0)
}

/// The managed databases of these that have a schedule: who has none did not ask to be told.
pub(super) async fn watched(pool: &PgPool, targets: &[String]) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!("select target from schedules where target = any($1)", targets)
        .fetch_all(pool)
        .await
}

/// Opens an incident, with a message for each channel; or brings the open one up to date.
pub(super) async fn open(
    connection: &mut PgConnection,
    target: &str,
    finding: &Finding,
    channels: &[String],
) -> Result<(), sqlx::Error> {
    let id = sqlx::query_scalar!(
        "insert into alarms (target, key, level, words, evidence, remedy)
         values ($1, $2, $3, $4, $5, $6)
             on conflict (target, key) where resolved_at is null do nothing
      returning id",
        target,
        finding.key,
        finding.level.name(),
        finding.words,
        finding.evidence,
        finding.remedy,
    )
    .fetch_optional(&mut *connection)
    .await?;
    match id {
        Some(id) => tell(connection, id, channels, false).await,
        None => Ok(()),
    }
}

async fn tell(
    connection: &mut PgConnection,
    alarm: i64,
    channels: &[String],
    resolved: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into alarm_messages (alarm, channel, resolved)
         select $1, channel, $3
           from unnest($2::text[]) as channel",
        alarm,
        channels,
        resolved,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Closes the open incidents of a managed database whose finding is not among these, with a message on each channel that was to
/// tell of it.
pub(super) async fn close_others(
    connection: &mut PgConnection,
    target: &str,
    keys: &[String],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "with closed as (
             -- Those that are seen no more.
             update alarms
                set resolved_at = clock_timestamp()
              where target = $1
                and resolved_at is null
                and key <> all($2)
          returning id
         )
         insert into alarm_messages (alarm, channel, resolved)
         select alarm, channel, true
           from alarm_messages
           join closed on closed.id = alarm",
        target,
        keys,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Closes the open incidents of managed databases that are not watched any more; nobody is told that all is well.
pub(super) async fn forget_others(
    pool: &PgPool,
    mine: &[String],
    watched: &[String],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update alarms
            set resolved_at = clock_timestamp()
          where resolved_at is null
            and target = any($1)
            and target <> all($2)",
        mine,
        watched,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// A message to send.
pub(super) struct Waiting {
    pub alarm: i64,
    pub channel: String,
    pub resolved: bool,
    pub target: String,
    pub key: String,
    pub level: String,
    pub words: String,
    pub evidence: Option<String>,
    pub remedy: String,
    pub opened_at: Instant,
    pub resolved_at: Option<Instant>,
}

/// Takes a message that is due: nobody else sends it for a minute and, after each try, for twice as long, an hour at most. An
/// end is told after its beginning.
pub(super) async fn take(pool: &PgPool, channels: &[String]) -> Result<Option<Waiting>, sqlx::Error> {
    sqlx::query_as!(
        Waiting,
        r#"with due as (
               -- The oldest one that may go out now.
               select alarm, channel, resolved
                 from alarm_messages waiting
                where sent_at is null
                  and next_at <= clock_timestamp()
                  and channel = any($1)
                  and (not resolved or exists (
                          select
                            from alarm_messages first
                           where first.alarm = waiting.alarm
                             and first.channel = waiting.channel
                             and not first.resolved
                             and first.sent_at is not null))
                  and exists (
                          select
                            from alarms
                           where id = alarm
                             and coalesce(resolved_at, clock_timestamp()) > clock_timestamp() - make_interval(days => $2))
                order by next_at
                limit 1
                  for update skip locked
           ), taken as (
               update alarm_messages messages
                  set attempts = attempts + 1,
                      next_at = clock_timestamp() + least(power(2, attempts), 60) * interval '1 minute'
                 from due
                where messages.alarm = due.alarm
                  and messages.channel = due.channel
                  and messages.resolved = due.resolved
            returning messages.alarm, messages.channel, messages.resolved
           )
           select taken.alarm as "alarm!", taken.channel as "channel!", taken.resolved as "resolved!", target, key, level,
                  words, evidence, remedy, opened_at, resolved_at
             from taken
             join alarms on alarms.id = taken.alarm"#,
        channels,
        DAYS,
    )
    .fetch_optional(pool)
    .await
}

/// Writes down what became of a message.
pub(super) async fn tried(pool: &PgPool, message: &Waiting, error: Option<&str>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update alarm_messages
            set sent_at = case when $4::text is null then clock_timestamp() end, error = $4
          where alarm = $1
            and channel = $2
            and resolved = $3",
        message.alarm,
        message.channel,
        message.resolved,
        error,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Why messages about a managed database do not go out: each channel with the last reason.
pub(super) async fn stuck(pool: &PgPool, target: &str) -> Result<Vec<(String, String)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select channel, max(error) as "error!"
             from alarm_messages
             join alarms on alarms.id = alarm
            where target = $1
              and sent_at is null
              and error is not null
            group by channel
            order by channel"#,
        target,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.channel, row.error)).collect())
}

/// The last incidents of a managed database, newest first, with their messages.
pub(super) async fn incidents(pool: &PgPool, target: &str, limit: i64) -> Result<Vec<Incident>, sqlx::Error> {
    let alarms = sqlx::query!(
        "select id, level, words, opened_at, resolved_at
           from alarms
          where target = $1
          order by opened_at desc
          limit $2",
        target,
        limit,
    )
    .fetch_all(pool)
    .await?;
    let ids: Vec<i64> = alarms.iter().map(|alarm| alarm.id).collect();
    let rows = sqlx::query!(
        "select alarm, channel, resolved, sent_at, attempts, error
           from alarm_messages
          where alarm = any($1)
          order by resolved, channel",
        &ids,
    )
    .fetch_all(pool)
    .await?;
    let mut messages: HashMap<i64, Vec<Message>> = HashMap::new();
    for row in rows {
        messages.entry(row.alarm).or_default().push(Message {
            channel: channel(&row.channel),
            resolved: row.resolved,
            sent_at: row.sent_at,
            attempts: row.attempts,
            error: row.error,
        });
    }
    Ok(alarms
        .into_iter()
        .map(|alarm| Incident {
            words: alarm.words,
            level: level(&alarm.level),
            opened_at: alarm.opened_at,
            resolved_at: alarm.resolved_at,
            messages: messages.remove(&alarm.id).unwrap_or_default(),
        })
        .collect())
}

/// The columns hold nothing else: they are written from the enums.
pub(super) fn channel(name: &str) -> Channel {
    Channel::ALL
        .into_iter()
        .find(|channel| channel.name() == name)
        .unwrap_or(Channel::Mail)
}

pub(super) fn level(name: &str) -> Level {
    [Level::Note, Level::Warning, Level::Urgent]
        .into_iter()
        .find(|level| level.name() == name)
        .unwrap_or(Level::Urgent)
}
