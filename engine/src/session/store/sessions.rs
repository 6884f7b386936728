//! The table of log-ins.

use chrono::{DateTime, Utc};
use contract::session::{Identity, SessionView};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::{Result, users::role};
use crate::session::{ABSOLUTE, refresh::GRACE};

/// Why a session is over; the names are a constraint of the table.
#[derive(Clone, Copy)]
pub(in crate::session) enum End {
    LoggedOut,
    EndedByUser,
    PasswordChanged,
    UserChanged,
    RefreshReused,
}

impl End {
    fn name(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::EndedByUser => "ended_by_user",
            Self::PasswordChanged => "password_changed",
            Self::UserChanged => "user_changed",
            Self::RefreshReused => "refresh_reused",
        }
    }
}

/// Begins a session and returns when it ends at the latest.
pub(in crate::session) async fn insert(
    connection: &mut PgConnection,
    id: Uuid,
    user: Uuid,
    seed: &[u8],
    address: Option<&str>,
) -> Result<DateTime<Utc>> {
    sqlx::query_scalar!(
        "insert into sessions (id, user_id, refresh_seed, address, absolute_expires_at)
         values ($1, $2, $3, $4, now() + make_interval(secs => $5))
         returning absolute_expires_at",
        id,
        user,
        seed,
        address,
        ABSOLUTE.as_secs_f64(),
    )
    .fetch_one(connection)
    .await
}

/// Whose live session this is, as their row says now, and that they were seen. One statement, because it is in every
/// request.
pub(in crate::session) async fn visit(
    executor: impl PgExecutor<'_>,
    id: Uuid,
    user: Uuid,
) -> Result<Option<Identity>> {
    let row = sqlx::query!(
        r#"with
           -- At most once a minute, so that most requests only read.
           visited as (
               update sessions
               set last_seen_at = now()
               where id = $1
                   and last_seen_at < now() - interval '1 minute'
                   and exists (select from live_sessions where live_sessions.id = $1)
           )
           select users.id, name, role, must_change_password
           from live_sessions
           join users on users.id = user_id
           where live_sessions.id = $1 and user_id = $2 and not disabled"#,
        id,
        user,
    )
    .fetch_optional(executor)
    .await?;
    row.map(|row| {
        Ok(Identity {
            user_id: row.id,
            name: row.name,
            role: role(&row.role)?,
            must_change_password: row.must_change_password,
        })
    })
    .transpose()
}

/// Whether a session is live and its user not disabled. Does not count as a visit.
pub(in crate::session) async fn is_live(executor: impl PgExecutor<'_>, id: Uuid) -> Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select
               from live_sessions
               join users on users.id = user_id
               where live_sessions.id = $1 and not disabled
           ) as "live!""#,
        id,
    )
    .fetch_one(executor)
    .await
}

/// What decides about a refresh token.
pub(in crate::session) struct Refreshable {
    pub(in crate::session) user: Uuid,
    pub(in crate::session) user_name: String,
    pub(in crate::session) seed: Vec<u8>,
    pub(in crate::session) generation: i32,
    pub(in crate::session) expires: DateTime<Utc>,
    /// Whether the session is live and its user not disabled.
    pub(in crate::session) live: bool,
    /// Whether the generation is so young that the one before is still accepted.
    pub(in crate::session) in_grace: bool,
}

/// Reads a session and keeps other refreshes of it waiting until the transaction ends.
pub(in crate::session) async fn for_refresh(
    connection: &mut PgConnection,
    id: Uuid,
) -> Result<Option<Refreshable>> {
    // The lock comes first and by itself: what is read after it is what the one before has left.
    sqlx::query!("select from sessions where id = $1 for update", id)
        .execute(&mut *connection)
        .await?;
    sqlx::query_as!(
        Refreshable,
        r#"select
               sessions.user_id as "user",
               name as user_name,
               refresh_seed as seed,
               refresh_generation as generation,
               sessions.absolute_expires_at as expires,
               not disabled and live_sessions.id is not null as "live!",
               rotated_at > clock_timestamp() - make_interval(secs => $2) as "in_grace!"
           from sessions
           join users on users.id = sessions.user_id
           left join live_sessions on live_sessions.id = sessions.id
           where sessions.id = $1"#,
        id,
        GRACE.as_secs_f64(),
    )
    .fetch_optional(connection)
    .await
}

/// Makes every refresh token given out so far the previous one or older, and returns the new generation.
pub(in crate::session) async fn rotate(connection: &mut PgConnection, id: Uuid) -> Result<i32> {
    sqlx::query_scalar!(
        "update sessions
         set refresh_generation = refresh_generation + 1, rotated_at = clock_timestamp(), last_seen_at = now()
         where id = $1
         returning refresh_generation",
        id,
    )
    .fetch_one(connection)
    .await
}

/// Ends one session; false when it had ended before.
pub(in crate::session) async fn end(connection: &mut PgConnection, id: Uuid, why: End) -> Result<bool> {
    let ended = sqlx::query!(
        "update sessions
         set ended_at = now(), end_reason = $2
         where id = $1 and ended_at is null",
        id,
        why.name(),
    )
    .execute(connection)
    .await?;
    Ok(ended.rows_affected() == 1)
}

/// Ends one session of a user; false when there is none that goes on.
pub(in crate::session) async fn end_of(
    connection: &mut PgConnection,
    id: Uuid,
    user: Uuid,
    why: End,
) -> Result<bool> {
    let ended = sqlx::query!(
        "update sessions
         set ended_at = now(), end_reason = $3
         where id = $1 and user_id = $2 and ended_at is null",
        id,
        user,
        why.name(),
    )
    .execute(connection)
    .await?;
    Ok(ended.rows_affected() == 1)
}

/// Notes what a session was begun with.
pub(in crate::session) async fn note_browser(
    executor: impl PgExecutor<'_>,
    id: Uuid,
    browser: &str,
) -> Result<()> {
    sqlx::query!("update sessions set browser = $2 where id = $1", id, browser)
        .execute(executor)
        .await?;
    Ok(())
}

/// Ends all sessions of a user, but for one that may stay; returns how many there were.
pub(in crate::session) async fn end_all(
    connection: &mut PgConnection,
    user: Uuid,
    but: Option<Uuid>,
    why: End,
) -> Result<u64> {
    let ended = sqlx::query!(
        "update sessions
         set ended_at = now(), end_reason = $3
         where user_id = $1 and ended_at is null and id is distinct from $2",
        user,
        but,
        why.name(),
    )
    .execute(connection)
    .await?;
    Ok(ended.rows_affected())
}

/// The live sessions of a user, the last seen first.
pub(in crate::session) async fn views(
    executor: impl PgExecutor<'_>,
    user: Uuid,
    current: Option<Uuid>,
) -> Result<Vec<SessionView>> {
    sqlx::query_as!(
        SessionView,
        r#"select
               id as "id!",
               created_at as "created_at!",
               last_seen_at as "last_seen_at!",
               absolute_expires_at as "expires_at!",
               address,
               browser,
               id is not distinct from $2 as "current!"
           from live_sessions
           where user_id = $1
           order by last_seen_at desc"#,
        user,
        current,
    )
    .fetch_all(executor)
    .await
}

/// Removes sessions that were over a month ago.
pub(in crate::session) async fn prune(executor: impl PgExecutor<'_>) -> Result<()> {
    sqlx::query!("delete from sessions where absolute_expires_at < now() - interval '30 days'")
        .execute(executor)
        .await?;
    Ok(())
}
