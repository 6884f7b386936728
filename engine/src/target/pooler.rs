//! Whether a pooler stands before the server that lends its connections for one transaction each.

use sqlx::{PgConnection, Row};

/// How often it is tried: whoever else uses the pooler may take the connection that would have told.
const TRIES: usize = 3;

/// Whether two connections that are both open were given one and the same process of the server, or one of them two processes:
/// neither can be without a pooler that lends by transaction or statement. True is certain; a busy pooler may be missed.
///
/// # Errors
/// What the server said.
pub(super) async fn lends_by_transaction(
    one: &mut PgConnection,
    other: &mut PgConnection,
) -> Result<bool, sqlx::Error> {
    for _ in 0..TRIES {
        let process = pid(one, PID).await?;
        if pid(other, PID).await? == process {
            return Ok(true);
        }
        // While the other one holds the process that it has, this one cannot be given that.
        pid(other, "begin; select pg_catalog.pg_backend_pid()").await?;
        let again = pid(one, PID).await;
        sqlx::raw_sql("rollback").execute(&mut *other).await?;
        if again? != process {
            return Ok(true);
        }
    }
    Ok(false)
}

const PID: &str = "select pg_catalog.pg_backend_pid()";

/// The server's process that answers. A simple query: a pooler that lends by statement takes it too.
async fn pid(connection: &mut PgConnection, sql: &'static str) -> Result<i32, sqlx::Error> {
    sqlx::raw_sql(sql).fetch_one(connection).await?.try_get(0)
}
