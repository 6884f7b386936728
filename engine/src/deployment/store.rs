//! The rows of deployments and of tokens. Queries are checked against migrations/store when they compile.

use contract::{
    deployment::{Deployment, NewToken, TokenView, words},
    history::MarkKind,
};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{token::Parts, words::Told};

/// Keeps a deployment, and says whether it was not told before.
pub(super) async fn add(
    connection: &mut PgConnection,
    database: i64,
    target: &str,
    told: &Told,
    by: &str,
) -> Result<(Deployment, bool), sqlx::Error> {
    let label = words(told.version.as_deref(), told.note.as_deref());
    let row = sqlx::query!(
        r#"insert into history_marks (database_id, at, kind, label, told_by, version, note, link)
           values ($1, $2, $3, $4, $5, $6, $7, $8)
               on conflict (database_id, kind, at, label) do update
              set link = coalesce(excluded.link, history_marks.link)
           returning id, at, told_by, told_at, link, xmax = 0 as "is_new!""#,
        database,
        told.at,
        MarkKind::Deployment.name(),
        label,
        by,
        told.version,
        told.note,
        told.link,
    )
    .fetch_one(connection)
    .await?;
    let kept = Deployment {
        id: row.id,
        target: target.to_owned(),
        at: row.at,
        version: told.version.clone(),
        note: told.note.clone(),
        link: row.link,
        told_by: row.told_by,
        told_at: row.told_at,
    };
    Ok((kept, row.is_new))
}

/// The newest deployments, newest first.
pub(super) async fn list(
    pool: &PgPool,
    database: i64,
    target: &str,
    most: i64,
) -> Result<Vec<Deployment>, sqlx::Error> {
    sqlx::query_as!(
        Deployment,
        r#"select id, $2::text as "target!", at, version, note, link, told_by, told_at
             from history_marks
            where database_id = $1
              and kind = 'deployment'
            order by at desc, id desc
            limit $3"#,
        database,
        target,
        most,
    )
    .fetch_all(pool)
    .await
}

/// Removes a deployment, and gives what it was.
pub(super) async fn remove(
    connection: &mut PgConnection,
    database: i64,
    target: &str,
    id: i64,
) -> Result<Option<Deployment>, sqlx::Error> {
    sqlx::query_as!(
        Deployment,
        r#"delete from history_marks
            where database_id = $1
              and kind = 'deployment'
              and id = $3
           returning id, $2::text as "target!", at, version, note, link, told_by, told_at"#,
        database,
        target,
        id,
    )
    .fetch_optional(connection)
    .await
}

/// A token as it is kept.
pub(super) struct Kept {
    pub view: TokenView,
    pub hash: Vec<u8>,
}

pub(super) async fn token(connection: &mut PgConnection, id: Uuid) -> Result<Option<Kept>, sqlx::Error> {
    let row = sqlx::query!(
        "select id, name, target, hash, made_by, made_at, used_at, used_from from deploy_tokens where id = $1",
        id,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Kept {
        view: TokenView {
            id: row.id,
            name: row.name,
            target: row.target,
            made_by: row.made_by,
            made_at: row.made_at,
            used_at: row.used_at,
            used_from: row.used_from,
        },
        hash: row.hash,
    }))
}

pub(super) async fn tokens(pool: &PgPool) -> Result<Vec<TokenView>, sqlx::Error> {
    sqlx::query_as!(
        TokenView,
        "select id, name, target, made_by, made_at, used_at, used_from from deploy_tokens order by lower(name)",
    )
    .fetch_all(pool)
    .await
}

pub(super) async fn insert_token(
    connection: &mut PgConnection,
    parts: &Parts,
    hash: &[u8],
    new: &NewToken,
    by: &str,
) -> Result<TokenView, sqlx::Error> {
    sqlx::query_as!(
        TokenView,
        "insert into deploy_tokens (id, name, target, hash, made_by)
         values ($1, $2, $3, $4, $5)
         returning id, name, target, made_by, made_at, used_at, used_from",
        parts.id,
        new.name,
        new.target,
        hash,
        by,
    )
    .fetch_one(connection)
    .await
}

pub(super) async fn delete_token(
    connection: &mut PgConnection,
    name: &str,
) -> Result<Option<TokenView>, sqlx::Error> {
    sqlx::query_as!(
        TokenView,
        "delete from deploy_tokens
          where lower(name) = lower($1)
         returning id, name, target, made_by, made_at, used_at, used_from",
        name,
    )
    .fetch_optional(connection)
    .await
}

/// Notes that a token was used.
pub(super) async fn used(
    connection: &mut PgConnection,
    id: Uuid,
    address: Option<&str>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update deploy_tokens set used_at = clock_timestamp(), used_from = $2 where id = $1",
        id,
        address,
    )
    .execute(connection)
    .await?;
    Ok(())
}
