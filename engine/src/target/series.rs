//! Whose numbers are whose. A primary and its standbys are one database, and what each of them does is its own: what is measured
//! belongs to a series, one for each name under which a database is managed. It goes on under that name whatever the server
//! becomes, as a standby that is promoted, and goes with the name when that is changed.

use sqlx::{PgConnection, PgPool};

use super::{Target, identity};
use crate::Result;

impl Target {
    /// The number of the series of this name in the store. Otherwise as [`Self::database_id`].
    ///
    /// # Errors
    /// As [`Self::database_id`].
    pub(crate) async fn series_id(&self, offline: bool) -> Result<i64> {
        let database = self.database_id(offline).await?;
        self.series_of(database).await
    }

    /// The number of the series of this name and its database.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn series_of(&self, database: i64) -> Result<i64> {
        let (store, name) = (self.store(), self.name());
        if let Some(id) = known(store, database, name).await? {
            return Ok(id);
        }
        // Its name was given by another process, as by a swap.
        let mut transaction = store.begin().await?;
        identity::lock_names(&mut transaction).await?;
        let id = of(&mut transaction, database, name, &self.address()).await?;
        transaction.commit().await?;
        Ok(id)
    }
}

async fn known(store: &PgPool, database: i64, name: &str) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "select id from series where database_id = $1 and name = $2",
        database,
        name
    )
    .fetch_optional(store)
    .await
}

/// The series of a database by this name, which it gets now if it has none, and where it is reached. Nobody else gives names
/// meanwhile.
///
/// Where the name came in the place of one that nobody uses any more, that one's series goes on under it: the one that was reached at
/// the same address, or the only one when no other server of the database has a name.
pub(super) async fn of(
    connection: &mut PgConnection,
    database: i64,
    name: &str,
    address: &str,
) -> Result<i64, sqlx::Error> {
    let own = sqlx::query_scalar!(
        "select id from series where database_id = $1 and name = $2",
        database,
        name
    )
    .fetch_optional(&mut *connection)
    .await?;
    let former = sqlx::query_scalar!(
        r#"with
           nameless as (
               select id, address = $3 as is_here
                 from series
                where database_id = $1
                  and ($4::bigint is null or id < $4)
                  and not exists (select from database_names as named where named.name = series.name)
           )
           select id
             from nameless
            where is_here
               or ((select count(*) from nameless) = 1
                   and not exists (select from database_names where database_id = $1 and name <> $2))
            order by is_here desc, id
            limit 1"#,
        database,
        name,
        address,
        own,
    )
    .fetch_optional(&mut *connection)
    .await?;
    // A database whose name stands for another one now, and which has another name.
    let former = match (own, former) {
        (None, None) => only_one(&mut *connection, database).await?,
        (_, former) => former,
    };
    if let (Some(former), Some(own)) = (former, own) {
        join(&mut *connection, former, own).await?;
    }
    match former.or(own) {
        Some(id) => {
            sqlx::query!(
                "update series
                    set name = $2, address = $3
                  where id = $1
                    and (name, address) <> ($2, $3)",
                id,
                name,
                address,
            )
            .execute(connection)
            .await?;
            Ok(id)
        }
        None => {
            sqlx::query_scalar!(
                "insert into series (database_id, name, address) values ($1, $2, $3) returning id",
                database,
                name,
                address,
            )
            .fetch_one(connection)
            .await
        }
    }
}

/// The only series of a database, when its name stands for that database no more.
async fn only_one(connection: &mut PgConnection, database: i64) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "select id
           from series
          where database_id = $1
            and not exists (select from series as other where other.database_id = $1 and other.id <> series.id)
            and not exists (
                    select
                      from database_names as named
                     where named.database_id = $1
                       and named.name = series.name)",
        database,
    )
    .fetch_optional(connection)
    .await
}

/// Adds the minutes of one series to another one that ended before, and removes it: since a server has a new name it was measured under
/// that, until the old one was forgotten. The statements since the last look of the
/// other one are counted by its next look, which has the difference from that.
async fn join(connection: &mut PgConnection, series: i64, lately: i64) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into history (series_id, subject, step_s, at, sums, weights, peaks)
         select $1, subject, step_s, at, sums, weights, peaks
           from history
          where series_id = $2
             on conflict do nothing",
        series,
        lately,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "delete from history_turns
          where series_id = $1
            and exists (select from history_turns as newer where newer.series_id = $2)",
        series,
        lately,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "update history_turns set series_id = $1 where series_id = $2",
        series,
        lately
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "update history_marks set series_id = $1 where series_id = $2",
        series,
        lately
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!("delete from series where id = $1", lately)
        .execute(connection)
        .await?;
    Ok(())
}
