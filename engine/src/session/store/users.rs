//! The table of users.

use contract::{
    Instant,
    session::{Role, UserView},
};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::Result;

/// A user as the engine needs it. Holds the hash: deliberately without `Debug`.
pub(in crate::session) struct User {
    pub(in crate::session) id: Uuid,
    pub(in crate::session) name: String,
    pub(in crate::session) role: Role,
    pub(in crate::session) password_hash: String,
    pub(in crate::session) must_change_password: bool,
    pub(in crate::session) disabled: bool,
    /// When a password that is not the user's own choice opens nothing any more.
    pub(in crate::session) password_expires_at: Option<Instant>,
}

impl User {
    /// Whether the password opens nothing any more.
    pub(in crate::session) fn has_ended(&self, now: Instant) -> bool {
        self.password_expires_at.is_some_and(|end| end <= now)
    }
}

/// The store knows roles by their names; its constraint lets no other in.
pub(in crate::session) fn role(name: &str) -> Result<Role> {
    name.parse()
        .map_err(|error: String| sqlx::Error::Decode(error.into()))
}

pub(in crate::session) async fn by_name(executor: impl PgExecutor<'_>, name: &str) -> Result<Option<User>> {
    let row = sqlx::query!(
        "select id, name, role, password_hash, must_change_password, disabled, password_expires_at
         from users
         where lower(name) = lower($1)",
        name,
    )
    .fetch_optional(executor)
    .await?;
    row.map(|row| {
        Ok(User {
            id: row.id,
            name: row.name,
            role: role(&row.role)?,
            password_hash: row.password_hash,
            must_change_password: row.must_change_password,
            disabled: row.disabled,
            password_expires_at: row.password_expires_at,
        })
    })
    .transpose()
}

pub(in crate::session) async fn any(executor: impl PgExecutor<'_>) -> Result<bool> {
    sqlx::query_scalar!(r#"select exists (select from users) as "any!""#)
        .fetch_one(executor)
        .await
}

/// Changes of users come one after the other, so that what one has checked holds until it commits.
pub(in crate::session) async fn lock(connection: &mut PgConnection) -> Result<()> {
    sqlx::query!("select pg_advisory_xact_lock($1, 0)", super::LOCK_USERS)
        .execute(connection)
        .await?;
    Ok(())
}

pub(in crate::session) async fn insert(connection: &mut PgConnection, user: &User) -> Result<()> {
    sqlx::query!(
        "insert into users (id, name, role, password_hash, must_change_password, disabled, password_expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        user.id,
        user.name,
        user.role.name(),
        user.password_hash,
        user.must_change_password,
        user.disabled,
        user.password_expires_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(in crate::session) async fn update(connection: &mut PgConnection, user: &User) -> Result<()> {
    sqlx::query!(
        "update users
         set role = $2, password_hash = $3, must_change_password = $4, disabled = $5, password_expires_at = $6
         where id = $1",
        user.id,
        user.role.name(),
        user.password_hash,
        user.must_change_password,
        user.disabled,
        user.password_expires_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(in crate::session) async fn enabled_administrators(connection: &mut PgConnection) -> Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!"
           from users
           where role = 'administrator' and not disabled"#,
    )
    .fetch_one(connection)
    .await
}

/// Notes a log-in, if the user is still the one whose password was verified: not disabled, the same hash.
pub(in crate::session) async fn note_log_in(connection: &mut PgConnection, user: &User) -> Result<bool> {
    let noted = sqlx::query!(
        "update users
         set last_login_at = now()
         where id = $1
             and not disabled
             and password_hash = $2
             and (password_expires_at is null or password_expires_at > clock_timestamp())",
        user.id,
        user.password_hash,
    )
    .execute(connection)
    .await?;
    Ok(noted.rows_affected() == 1)
}

/// Sets one's own new password, if the old one is still the one that was verified.
pub(in crate::session) async fn replace_password(
    connection: &mut PgConnection,
    id: Uuid,
    old: &str,
    new: &str,
) -> Result<bool> {
    let replaced = sqlx::query!(
        "update users
         set password_hash = $3, must_change_password = false, password_expires_at = null
         where id = $1 and not disabled and password_hash = $2",
        id,
        old,
        new,
    )
    .execute(connection)
    .await?;
    Ok(replaced.rows_affected() == 1)
}

/// Every user by name, or the one of this id.
pub(in crate::session) async fn views(
    executor: impl PgExecutor<'_>,
    only: Option<Uuid>,
) -> Result<Vec<UserView>> {
    let rows = sqlx::query!(
        r#"select users.id, name, role, disabled, must_change_password, users.created_at, last_login_at,
               count(live_sessions.id) as "sessions!"
           from users
           left join live_sessions on live_sessions.user_id = users.id
           where $1::uuid is null or users.id = $1
           group by users.id
           order by lower(name)"#,
        only,
    )
    .fetch_all(executor)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(UserView {
                id: row.id,
                name: row.name,
                role: role(&row.role)?,
                disabled: row.disabled,
                created_at: row.created_at,
                last_login_at: row.last_login_at,
                sessions: row.sessions,
                must_change_password: row.must_change_password,
            })
        })
        .collect()
}
