//! The table of tries to prove a password.

use sqlx::{PgConnection, PgExecutor};

use super::{LOCK_ACCOUNT, LOCK_NETWORK, Result};
use crate::session::limit::{ACCOUNT_TRIES, ACCOUNT_WINDOW, NETWORK_TRIES, NETWORK_WINDOW};

/// Keeps other tries of this account and this network waiting until the transaction ends. The account comes first
/// everywhere, so two tries never wait for each other.
pub(in crate::session) async fn lock(
    connection: &mut PgConnection,
    account: &str,
    network: Option<&str>,
) -> Result<()> {
    sqlx::query!(
        "select pg_advisory_xact_lock($1, hashtext($2))",
        LOCK_ACCOUNT,
        account
    )
    .execute(&mut *connection)
    .await?;
    if let Some(network) = network {
        sqlx::query!(
            "select pg_advisory_xact_lock($1, hashtext($2))",
            LOCK_NETWORK,
            network
        )
        .execute(connection)
        .await?;
    }
    Ok(())
}

/// Seconds until both limits have room for one more try; `None` when they have it now.
pub(in crate::session) async fn wait(
    connection: &mut PgConnection,
    account: &str,
    network: Option<&str>,
) -> Result<Option<f64>> {
    sqlx::query_scalar!(
        r#"with
           -- When the oldest of the failures that fill the account's limit leaves its window.
           account_room as (
               select at + make_interval(secs => $3) as at
               from login_attempts
               where account = $1
                   and outcome in ('pending', 'failed')
                   and at > clock_timestamp() - make_interval(secs => $3)
               order by at desc
               offset $4
               limit 1
           ),
           -- The same for all tries from the network.
           network_room as (
               select at + make_interval(secs => $5) as at
               from login_attempts
               where network = $2
                   and outcome <> 'denied'
                   and at > clock_timestamp() - make_interval(secs => $5)
               order by at desc
               offset $6
               limit 1
           )
           select extract(epoch from
               greatest((select at from account_room), (select at from network_room)) - clock_timestamp()
           )::float8 as wait"#,
        account,
        network,
        ACCOUNT_WINDOW.as_secs_f64(),
        ACCOUNT_TRIES - 1,
        NETWORK_WINDOW.as_secs_f64(),
        NETWORK_TRIES - 1,
    )
    .fetch_one(connection)
    .await
}

pub(in crate::session) async fn insert(
    connection: &mut PgConnection,
    account: &str,
    network: Option<&str>,
    outcome: &str,
) -> Result<i64> {
    sqlx::query_scalar!(
        "insert into login_attempts (account, network, outcome)
         values ($1, $2, $3)
         returning id",
        account,
        network,
        outcome,
    )
    .fetch_one(connection)
    .await
}

pub(in crate::session) async fn settle(connection: &mut PgConnection, id: i64, outcome: &str) -> Result<()> {
    sqlx::query!(
        "update login_attempts set outcome = $2 where id = $1",
        id,
        outcome
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(in crate::session) async fn delete(executor: impl PgExecutor<'_>, id: i64) -> Result<()> {
    sqlx::query!("delete from login_attempts where id = $1", id)
        .execute(executor)
        .await?;
    Ok(())
}

/// Forgets an account's failures, so that its user can come in at once with the password that was set for them.
pub(in crate::session) async fn forgive(connection: &mut PgConnection, account: &str) -> Result<()> {
    sqlx::query!(
        "delete from login_attempts
         where account = $1 and outcome in ('pending', 'failed')",
        account,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes what no limit looks at any more.
pub(in crate::session) async fn prune(executor: impl PgExecutor<'_>) -> Result<()> {
    sqlx::query!("delete from login_attempts where at < now() - interval '1 day'")
        .execute(executor)
        .await?;
    Ok(())
}
