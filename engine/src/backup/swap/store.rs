//! The console's own rows on swaps and on what lies beside a live database. Queries are checked against migrations/store when
//! they compile.

use contract::{
    Instant,
    jobs::JobId,
    swap::{Origin, SpareDatabase},
};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::target::identity::{self, Identity};

/// A swap as it was written down.
#[derive(Clone, Debug)]
pub(crate) struct Swap {
    pub job: Uuid,
    pub target: String,
    /// The outgoing database by its number in the store.
    pub outgoing: i64,
    pub system: String,
    pub outgoing_oid: i64,
    pub incoming_oid: i64,
    pub live_name: String,
    pub coming_name: String,
    pub kept_name: String,
    pub state: String,
}

impl Swap {
    /// Whether it is not known yet what came of it.
    pub(crate) fn is_open(&self) -> bool {
        self.state == "begun"
    }
}

/// Writes a swap down, before the server is asked for it.
pub(super) async fn begin(pool: &PgPool, swap: &Swap) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into swaps (job, outgoing, incoming_oid, target, live_name, coming_name, kept_name)
         values ($1, $2, $3, $4, $5, $6, $7)",
        swap.job,
        swap.outgoing,
        swap.incoming_oid,
        swap.target,
        swap.live_name,
        swap.coming_name,
        swap.kept_name,
    )
    .execute(pool)
    .await?;
    Ok(())
}

pub(super) async fn find(pool: &PgPool, job: JobId) -> Result<Option<Swap>, sqlx::Error> {
    sqlx::query_as!(
        Swap,
        r#"select job, target, outgoing, d.system_identifier as system, d.oid as outgoing_oid, incoming_oid, live_name,
                  coming_name, kept_name, state
             from swaps
             join databases d on d.id = outgoing
            where job = $1"#,
        job.0,
    )
    .fetch_optional(pool)
    .await
}

/// Swaps of a target that nobody is at work on, and of which it is not known what came of them.
pub(super) async fn left_open(pool: &PgPool, target: &str) -> Result<Vec<Swap>, sqlx::Error> {
    sqlx::query_as!(
        Swap,
        r#"select job, s.target, outgoing, d.system_identifier as system, d.oid as outgoing_oid, incoming_oid, live_name,
                  coming_name, kept_name, s.state
             from swaps s
             join databases d on d.id = outgoing
             join jobs on jobs.id = s.job
            where s.target = $1
              and s.state = 'begun'
              and jobs.state not in ('queued', 'running', 'cancelling')
            order by s.begun_at"#,
        target,
    )
    .fetch_all(pool)
    .await
}

/// The last swap between two databases of one server, when it put the second in the place of the first and was not undone.
pub(crate) async fn between(
    pool: &PgPool,
    before: &Identity,
    now: &Identity,
) -> Result<Option<Swap>, sqlx::Error> {
    let last = sqlx::query_as!(
        Swap,
        r#"select job, target, outgoing, d.system_identifier as system, d.oid as outgoing_oid, incoming_oid, live_name,
                  coming_name, kept_name, state
             from swaps
             join databases d on d.id = outgoing
            where d.system_identifier = $1
              and ((d.oid = $2 and incoming_oid = $3) or (d.oid = $3 and incoming_oid = $2))
              and state <> 'undone'
            order by begun_at desc
            limit 1"#,
        before.system,
        before.oid,
        now.oid,
    )
    .fetch_optional(pool)
    .await?;
    Ok(last.filter(|swap| before.system == now.system && swap.outgoing_oid == before.oid))
}

/// Writes down that a swap was made: the name stands for the incoming database from now on, with its backups and all that
/// lies beside it; the outgoing one is kept; and jobs that waited for that are over. May be told twice, by two processes.
pub(crate) async fn made(pool: &PgPool, swap: &Swap) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    identity::lock_names(&mut transaction).await?;
    let open = sqlx::query!(
        "update swaps
            set state = 'swapped', ended_at = clock_timestamp()
          where job = $1
            and state = 'begun'",
        swap.job
    )
    .execute(&mut *transaction)
    .await?;
    if open.rows_affected() == 0 {
        return Ok(());
    }
    let now = Identity {
        system: swap.system.clone(),
        oid: swap.incoming_oid,
    };
    let incoming = identity::id_of(&mut transaction, &now).await?;
    sqlx::query!(
        "update database_names
            set database_id = $3, named_at = clock_timestamp(), seen_at = clock_timestamp()
          where name = $1
            and database_id = $2",
        swap.target,
        swap.outgoing,
        incoming,
    )
    .execute(&mut *transaction)
    .await?;
    // The swap's own job goes with the name, so that whoever manages it can end it.
    sqlx::query!(
        "update jobs set database_id = $2 where id = $1",
        swap.job,
        incoming
    )
    .execute(&mut *transaction)
    .await?;
    identity::forsake(&mut transaction, &swap.target, swap.outgoing).await?;
    keep(&mut transaction, swap, incoming).await?;
    transaction.commit().await
}

async fn keep(connection: &mut PgConnection, swap: &Swap, incoming: i64) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from kept_databases where database_id = $1", incoming)
        .execute(&mut *connection)
        .await?;
    sqlx::query!(
        "update kept_databases set live = $2 where live = $1",
        swap.outgoing,
        incoming
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "insert into kept_databases (database_id, live, name, swap)
         values ($1, $2, $3, $4)",
        swap.outgoing,
        incoming,
        swap.kept_name,
        swap.job,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "update restores
            set state = 'live', name = $3
          where database_id = $1
            and oid = $2
            and state = 'ready'",
        swap.outgoing,
        swap.incoming_oid,
        swap.live_name,
    )
    .execute(&mut *connection)
    .await?;
    // On the way back the restored one is beside the live one again.
    sqlx::query!(
        "update restores
            set state = 'ready', name = $3
          where database_id = $1
            and oid = $2
            and state = 'live'",
        swap.outgoing,
        swap.outgoing_oid,
        swap.kept_name,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "update restores set database_id = $2 where database_id = $1",
        swap.outgoing,
        incoming
    )
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// Writes down that a swap was not made.
pub(super) async fn undone(pool: &PgPool, job: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update swaps
            set state = 'undone', ended_at = clock_timestamp()
          where job = $1
            and state = 'begun'",
        job
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// A database beside the live one, with its number on the server.
#[derive(Clone, Debug)]
pub(super) struct Spare {
    pub oid: i64,
    pub database: String,
    pub origin: Origin,
    pub since: Instant,
    pub restore: Option<Uuid>,
    pub backup: Option<Uuid>,
    /// Whether a restore left it half-made, or was of chosen parts: it can only be dropped.
    pub partial: bool,
}

/// What is said of a half-made database, and of one that has chosen parts of a backup.
pub(super) const PARTIAL: &str = "Its restore did not end, or was of chosen parts: it is not whole.";

impl Spare {
    pub(super) fn view(self) -> SpareDatabase {
        SpareDatabase {
            database: self.database,
            origin: self.origin,
            since: self.since,
            restore: self.restore,
            backup: self.backup,
            bytes: None,
            unusable: self.partial.then(|| PARTIAL.to_owned()),
        }
    }
}

/// What lies beside a live database, newest first.
pub(super) async fn spares(pool: &PgPool, live: i64) -> Result<Vec<Spare>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select d.oid as "oid!", k.name as "name!", true as "kept!", k.since as "since!", r.job as "restore?",
                  r.backup as "backup?", false as "partial!"
             from kept_databases k
             join databases d on d.id = k.database_id
        left join restores r on r.database_id = $1 and r.oid = d.oid and r.state = 'ready'
            where k.live = $1
        union all
           select oid, name, false, coalesce(ended_at, started_at), job, backup,
                  state = 'partial' or coalesce(jsonb_array_length(report -> 'only'), 0) > 0
             from restores
            where database_id = $1
              and oid is not null
              and state in ('ready', 'partial')
              and not exists (
                      select
                        from kept_databases k
                        join databases d on d.id = k.database_id
                       where k.live = $1
                         and d.oid = restores.oid)
            order by 4 desc"#,
        live,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Spare {
            oid: row.oid,
            database: row.name,
            origin: if row.kept { Origin::Kept } else { Origin::Restored },
            since: row.since,
            restore: row.restore,
            backup: row.backup,
            partial: row.partial,
        })
        .collect())
}

/// Forgets a database beside a live one, which is gone from the server.
pub(super) async fn forget(pool: &PgPool, live: i64, oid: i64) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    sqlx::query!(
        "delete from kept_databases k
          using databases d
          where d.id = k.database_id
            and k.live = $1
            and d.oid = $2",
        live,
        oid,
    )
    .execute(&mut *transaction)
    .await?;
    sqlx::query!(
        "update restores
            set state = 'gone'
          where database_id = $1
            and oid = $2
            and state in ('ready', 'live', 'partial')",
        live,
        oid,
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await
}

/// What the consoles of this store call a database that they saw in the last minute, or have a job on.
pub(super) async fn managed_as(pool: &PgPool, identity: &Identity) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select n.name as "name!"
             from databases d
             join database_names n on n.database_id = d.id
            where d.system_identifier = $1
              and d.oid = $2
              and (n.seen_at > clock_timestamp() - interval '1 minute'
                   or exists (
                       select
                         from jobs
                        where database_id = d.id
                          and state in ('queued', 'running', 'cancelling')))
            limit 1"#,
        identity.system,
        identity.oid,
    )
    .fetch_optional(pool)
    .await
}
