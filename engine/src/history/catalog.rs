//! One snapshot of a managed database's counters and gauges, in one question; with pg_stat_statements, three.

use std::collections::HashMap;

use chrono::TimeDelta;
use contract::{Instant, stats::RelationName};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, PgConnection, postgres::types::Oid};

use crate::{
    quote,
    target::look::{query_as, query_scalar},
};

/// Counters since they were last reset, and gauges of this moment. Kept in the store until the next one.
#[derive(Clone, Debug, Serialize, Deserialize, sqlx::FromRow)]
pub(super) struct Snapshot {
    /// By the server's clock.
    pub at: Instant,
    pub started_at: Instant,
    pub standby: bool,
    /// The console's role, and whether it sees what others do.
    pub role: String,
    pub sees_all: bool,
    pub max_connections: i64,
    pub stats_reset: Option<Instant>,
    pub commits: i64,
    pub rollbacks: i64,
    pub blocks_hit: i64,
    pub blocks_read: i64,
    pub temp_files: i64,
    pub temp_bytes: i64,
    pub deadlocks: i64,
    pub rows_fetched: i64,
    pub rows_inserted: i64,
    pub rows_updated: i64,
    pub rows_deleted: i64,
    pub wal_bytes: Option<i64>,
    pub checkpoints_timed: i64,
    pub checkpoints_requested: i64,
    pub checkpoints_reset: Option<Instant>,
    pub active: i64,
    pub idle: i64,
    pub idle_in_transaction: i64,
    pub idle_in_failed: i64,
    pub other_state: i64,
    pub unseen: i64,
    pub running: i64,
    pub wait_lock: i64,
    pub wait_lwlock: i64,
    pub wait_io: i64,
    pub wait_ipc: i64,
    pub wait_client: i64,
    pub wait_buffer_pin: i64,
    pub wait_timeout: i64,
    pub wait_other: i64,
    pub standbys: i64,
    pub lag_bytes: Option<i64>,
    pub replay_delay_ms: Option<f64>,
    pub slots: i64,
    pub slot_bytes: Option<i64>,
    #[sqlx(skip)]
    pub statements: Statements,
}

/// What pg_stat_statements tells of the database.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Statements {
    /// The extension is not in this database.
    #[default]
    Missing,
    /// Its library is not loaded.
    NotLoaded,
    /// Its version in this database does not tell of evictions.
    Old,
    /// The console's role may not call it.
    Refused { schema: String },
    /// Over all statements, those inside functions not counted.
    Counted {
        calls: i64,
        total_ms: f64,
        /// How often statements were thrown out for want of room, with what they had counted.
        evictions: i64,
        reset: Option<Instant>,
        /// When it was read, by the server's clock; none: with the rest.
        #[serde(default)]
        at: Option<Instant>,
        /// How long the server took to add it up.
        #[serde(default)]
        took_ms: f64,
    },
}

/// How many times longer than reading it took what pg_stat_statements says is taken to be what it was, while somebody looks: with 5,000
/// statements reading takes 16 ms, each second, and was nine tenths of all that a pulse cost.
const STATEMENTS_REUSE: f64 = 400.0;
/// For how long at most.
const STATEMENTS_OLDEST: TimeDelta = TimeDelta::seconds(30);

impl Statements {
    /// Whether both are of one reading.
    pub fn is_the_same(&self, other: &Self) -> bool {
        let at = |it: &Self| match it {
            Self::Counted { at, .. } => *at,
            _ => None,
        };
        at(self).is_some() && at(self) == at(other)
    }

    fn with_the_rest(mut self) -> Self {
        if let Self::Counted { at, .. } = &mut self {
            *at = None;
        }
        self
    }

    /// What is still taken for true at a moment, because reading it anew would cost too much.
    fn still(&self, now: Instant) -> Option<Self> {
        let Self::Counted {
            at: Some(at),
            took_ms,
            ..
        } = self
        else {
            return None;
        };
        let holds = TimeDelta::milliseconds((took_ms * STATEMENTS_REUSE) as i64).min(STATEMENTS_OLDEST);
        let age = now - *at;
        (age >= TimeDelta::zero() && age < holds).then(|| self.clone())
    }
}

/// The checkpoints' counters moved in PostgreSQL 17, which counts a standby's restartpoints by themselves.
const CHECKPOINTS_BEFORE_17: &str =
    "select checkpoints_timed as timed, checkpoints_req as requested, stats_reset from pg_stat_bgwriter";
const CHECKPOINTS: &str =
    "select case when pg_is_in_recovery() then restartpoints_timed else num_timed end as timed,
                case when pg_is_in_recovery() then restartpoints_req else num_requested end as requested,
                stats_reset
           from pg_stat_checkpointer";

/// Takes a snapshot. Takes no lock on any table.
///
/// # Errors
/// What the server said.
pub(super) async fn snapshot(connection: &mut PgConnection) -> Result<Snapshot, sqlx::Error> {
    let mut snapshot = but_statements(&mut *connection).await?;
    // They are of the moment of the rest.
    snapshot.statements = statements(connection).await?.with_the_rest();
    Ok(snapshot)
}

/// The same for a pulse: what pg_stat_statements says is that of the pulse before for some seconds where reading it is costly.
///
/// # Errors
/// What the server said.
pub(super) async fn beat(
    connection: &mut PgConnection,
    before: Option<&Snapshot>,
) -> Result<Snapshot, sqlx::Error> {
    let mut snapshot = but_statements(&mut *connection).await?;
    let still = before
        .filter(|before| before.started_at == snapshot.started_at)
        .and_then(|before| before.statements.still(snapshot.at));
    snapshot.statements = match still {
        Some(statements) => statements,
        None => statements(connection).await?,
    };
    // The first reading says nothing by itself: the next pulse makes a value of it.
    if before.is_none()
        && let Statements::Counted { took_ms, .. } = &mut snapshot.statements
    {
        *took_ms = 0.0;
    }
    Ok(snapshot)
}

async fn but_statements(connection: &mut PgConnection) -> Result<Snapshot, sqlx::Error> {
    let version: i32 = query_scalar("select current_setting('server_version_num')::int4")
        .fetch_one(&mut *connection)
        .await?;
    let checkpoints = if version >= 170_000 {
        CHECKPOINTS
    } else {
        CHECKPOINTS_BEFORE_17
    };
    let sql = format!(
        "with
         -- Where WAL ends here: on a standby, what it has received.
         here as materialized (
             select case
                        when pg_is_in_recovery()
                            then coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
                        else pg_current_wal_lsn()
                    end as lsn
         ),
         -- Sessions. This look is a session that does nothing else. What belongs to others and may not be seen has neither
         -- a state nor a kind.
         sessions as (
             select case
                        when backend_type is null then 'unseen'
                        when pid = pg_backend_pid() then 'idle'
                        else coalesce(state, 'other')
                    end as state,
                    wait_event_type as wait,
                    backend_type = 'client backend'
                        or (backend_type is null and datid is not null and usesysid is not null) as client,
                    pid <> pg_backend_pid() and state = 'active' as active
               from pg_stat_activity
         ),
         activity as (
             select count(*) filter (where client and state = 'active') as active,
                    count(*) filter (where client and state = 'idle') as idle,
                    count(*) filter (where client and state = 'idle in transaction') as idle_in_transaction,
                    count(*) filter (where client and state = 'idle in transaction (aborted)') as idle_in_failed,
                    count(*) filter (where client and state = 'unseen') as unseen,
                    count(*) filter (where client) as clients,
                    count(*) filter (where active and wait is null) as running,
                    count(*) filter (where active and wait = 'Lock') as wait_lock,
                    count(*) filter (where active and wait = 'LWLock') as wait_lwlock,
                    count(*) filter (where active and wait = 'IO') as wait_io,
                    count(*) filter (where active and wait = 'IPC') as wait_ipc,
                    count(*) filter (where active and wait = 'Client') as wait_client,
                    count(*) filter (where active and wait = 'BufferPin') as wait_buffer_pin,
                    count(*) filter (where active and wait = 'Timeout') as wait_timeout,
                    count(*) filter (where active and wait is not null) as waiting
               from sessions
         ),
         standbys as (
             select count(*) as standbys,
                    max(case when replay_lsn is not null
                             then greatest(pg_wal_lsn_diff(here.lsn, replay_lsn), 0) end)::int8 as lag_bytes
               -- What pg_stat_replication reads of it, without a second pass over all sessions.
               from pg_stat_get_wal_senders()
              cross join here
              where state is distinct from 'backup'
         ),
         slots as (
             select count(*) as slots,
                    max(case when restart_lsn is not null
                             then greatest(pg_wal_lsn_diff(here.lsn, restart_lsn), 0) end)::int8 as slot_bytes
               from pg_replication_slots
              cross join here
         ),
         checkpoints as ({checkpoints})
         select clock_timestamp() as at,
                pg_postmaster_start_time() as started_at,
                pg_is_in_recovery() as standby,
                current_user::text as role,
                pg_has_role(current_user, 'pg_read_all_stats', 'usage') as sees_all,
                current_setting('max_connections')::int8 as max_connections,
                counted.stats_reset,
                counted.xact_commit as commits,
                counted.xact_rollback as rollbacks,
                counted.blks_hit as blocks_hit,
                counted.blks_read as blocks_read,
                counted.temp_files,
                counted.temp_bytes,
                counted.deadlocks,
                counted.tup_fetched as rows_fetched,
                counted.tup_inserted as rows_inserted,
                counted.tup_updated as rows_updated,
                counted.tup_deleted as rows_deleted,
                (here.lsn - '0/0'::pg_lsn)::int8 as wal_bytes,
                checkpoints.timed as checkpoints_timed,
                checkpoints.requested as checkpoints_requested,
                checkpoints.stats_reset as checkpoints_reset,
                active,
                idle,
                idle_in_transaction,
                idle_in_failed,
                clients - active - idle - idle_in_transaction - idle_in_failed - unseen as other_state,
                unseen,
                running,
                wait_lock,
                wait_lwlock,
                wait_io,
                wait_ipc,
                wait_client,
                wait_buffer_pin,
                wait_timeout,
                waiting - wait_lock - wait_lwlock - wait_io - wait_ipc - wait_client - wait_buffer_pin - wait_timeout
                    as wait_other,
                standbys,
                lag_bytes,
                case
                    when not pg_is_in_recovery() then null
                    -- All that came was replayed, and more would come.
                    when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
                         and exists (select from pg_stat_wal_receiver) then 0
                    else extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000
                end::float8 as replay_delay_ms,
                slots,
                slot_bytes
           from pg_stat_database as counted
          cross join here
          cross join activity
          cross join standbys
          cross join slots
          cross join checkpoints
          where counted.datname = current_database()"
    );
    query_as(AssertSqlSafe(sql)).fetch_one(connection).await
}

/// Sums up pg_stat_statements without reading any text. Last in a look: what it does not answer ends the look.
async fn statements(connection: &mut PgConnection) -> Result<Statements, sqlx::Error> {
    // A function in C that belongs to the extension was made by a superuser.
    let found: Option<(String, bool, bool, bool)> = query_as(
        "select namespace.nspname::text,
                has_schema_privilege(namespace.oid, 'usage') and has_function_privilege(made.oid, 'execute'),
                exists (
                    select
                      from pg_proc as info
                     where info.proname = 'pg_stat_statements_info'
                       and info.pronamespace = made.pronamespace
                       and info.prolang = made.prolang),
                current_setting('pg_stat_statements.max', true) is not null
           from pg_extension as extension
           join pg_depend as part on part.refclassid = 'pg_extension'::regclass
                                 and part.refobjid = extension.oid
                                 and part.classid = 'pg_proc'::regclass
                                 and part.deptype = 'e'
           join pg_proc as made on made.oid = part.objid
           join pg_language as language on language.oid = made.prolang
           join pg_namespace as namespace on namespace.oid = made.pronamespace
          where extension.extname = 'pg_stat_statements'
            and made.proname = 'pg_stat_statements'
            and language.lanname = 'c'",
    )
    .fetch_optional(&mut *connection)
    .await?;
    let schema = match found {
        None => return Ok(Statements::Missing),
        Some((schema, false, ..)) => return Ok(Statements::Refused { schema }),
        Some((_, _, false, _)) => return Ok(Statements::Old),
        Some((_, _, _, false)) => return Ok(Statements::NotLoaded),
        Some((schema, ..)) => quote::ident(&schema),
    };
    // Added up before it is joined: thousands of rows are neither sorted nor kept.
    let counted: Result<(i64, f64, i64, Option<Instant>, Instant, f64), sqlx::Error> =
        query_as(AssertSqlSafe(format!(
            "select counted.calls,
                    counted.total_ms,
                    info.dealloc,
                    info.stats_reset,
                    clock_timestamp(),
                    (extract(epoch from clock_timestamp() - statement_timestamp()) * 1000)::float8
               from (select coalesce(sum(calls), 0)::int8 as calls,
                            coalesce(sum(total_exec_time), 0)::float8 as total_ms
                       from {schema}.pg_stat_statements(false) as statement
                      where statement.toplevel
                        and statement.dbid = (select oid from pg_database where datname = current_database())) as counted
              cross join {schema}.pg_stat_statements_info() as info"
        )))
        .fetch_one(connection)
        .await;
    match counted {
        Ok((calls, total_ms, evictions, reset, at, took_ms)) => Ok(Statements::Counted {
            calls,
            total_ms,
            evictions,
            reset,
            at: Some(at),
            took_ms,
        }),
        // object_not_in_prerequisite_state: the settings are there, the library is not.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55000") => {
            Ok(Statements::NotLoaded)
        }
        Err(error) => Err(error),
    }
}

/// What was counted of the tables that are looked at. Kept in the store until the next one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Tables {
    pub at: Instant,
    pub started_at: Instant,
    pub stats_reset: Option<Instant>,
    /// The replica that the sizes are from; none: from the database itself.
    #[serde(default)]
    pub sizes_from: Option<String>,
    pub tables: Vec<Table>,
}

/// One table.
#[derive(Clone, Debug, Serialize, Deserialize, sqlx::FromRow)]
pub(super) struct Table {
    pub oid: i64,
    pub schema: String,
    pub name: String,
    /// Heap, TOAST and indexes; none while somebody holds it exclusively.
    pub bytes: Option<i64>,
    pub rows: Option<i64>,
    pub dead_rows: i64,
    pub sequential_scans: i64,
    pub index_scans: i64,
    pub inserts: i64,
    pub updates: i64,
    pub deletes: i64,
}

/// Tables that are looked at: the largest ones, and those on which most was done.
const LARGEST: i64 = 200;
/// See [`LARGEST`].
const BUSIEST: i64 = 50;

/// Reads the largest and the busiest tables, with their sizes or without. For those it waits for no lock longer than 100 ms.
///
/// # Errors
/// What the server said; a lock timeout when one of them was locked meanwhile.
pub(super) async fn tables(
    connection: &mut PgConnection,
    of: &Snapshot,
    with_sizes: bool,
) -> Result<Tables, sqlx::Error> {
    sqlx::raw_sql("set local lock_timeout = '100ms'")
        .execute(&mut *connection)
        .await?;
    let tables = query_as(
        "with
         relations as materialized (
             select class.oid,
                    namespace.nspname as schema,
                    class.relname as name,
                    class.reltuples,
                    class.relpages,
                    coalesce(pg_stat_get_tuples_inserted(class.oid), 0) as inserts,
                    coalesce(pg_stat_get_tuples_updated(class.oid), 0) as updates,
                    coalesce(pg_stat_get_tuples_deleted(class.oid), 0) as deletes,
                    coalesce(pg_stat_get_numscans(class.oid), 0) as sequential_scans
               from pg_class as class
               join pg_namespace as namespace on namespace.oid = class.relnamespace
              where class.relkind in ('r', 'm')
                and class.relpersistence <> 't'
                and namespace.nspname !~ '^pg_'
                and namespace.nspname <> 'information_schema'
         ),
         -- By the sizes of the last vacuum, which cost nothing, and by what was done since the statistics began.
         chosen as (
             (select oid from relations order by relpages desc, inserts desc, oid limit $1)
              union
             (select oid from relations order by inserts + updates + deletes + sequential_scans desc, oid limit $2)
         ),
         -- Whose size cannot be read without waiting: it takes ACCESS SHARE.
         locked as materialized (
             select relation
               from pg_locks
              where locktype = 'relation'
                and mode = 'AccessExclusiveLock'
                and database = (select oid from pg_database where datname = current_database())
              union
             select index.indrelid
               from pg_locks
               join pg_index as index on index.indexrelid = relation
              where locktype = 'relation'
                and mode = 'AccessExclusiveLock'
                and database = (select oid from pg_database where datname = current_database())
         )
         select relations.oid::int8 as oid,
                relations.schema::text as schema,
                relations.name::text as name,
                case
                    when $3 and not exists (select from locked where locked.relation = relations.oid)
                        then pg_total_relation_size(relations.oid)
                end as bytes,
                case when relations.reltuples >= 0 then relations.reltuples::int8 end as rows,
                coalesce(pg_stat_get_dead_tuples(relations.oid), 0) as dead_rows,
                relations.sequential_scans,
                (select coalesce(sum(pg_stat_get_numscans(indexrelid)), 0)::int8
                   from pg_index
                  where indrelid = relations.oid) as index_scans,
                relations.inserts,
                relations.updates,
                relations.deletes
           from relations
           join chosen using (oid)",
    )
    .bind(LARGEST)
    .bind(BUSIEST)
    .bind(with_sizes)
    .fetch_all(connection)
    .await?;
    Ok(Tables {
        at: of.at,
        started_at: of.started_at,
        stats_reset: of.stats_reset,
        sizes_from: None,
        tables,
    })
}

/// Whether the database has a table of this name, or what can be read as one.
///
/// # Errors
/// What the server said.
pub(super) async fn has_table(
    connection: &mut PgConnection,
    table: &RelationName,
) -> Result<bool, sqlx::Error> {
    query_scalar(
        "select exists (
             select
               from pg_class as class
               join pg_namespace as namespace on namespace.oid = class.relnamespace
              where namespace.nspname = $1
                and class.relname = $2
                and class.relkind in ('r', 'p', 'm', 'v', 'f'))",
    )
    .bind(&table.schema)
    .bind(&table.name)
    .fetch_one(connection)
    .await
}

/// The sizes of these tables as a replica has them; those that somebody holds exclusively, or that it does not know yet, are
/// left out.
///
/// # Errors
/// What the server said; a lock timeout when one of them was locked meanwhile.
pub(super) async fn sizes(
    connection: &mut PgConnection,
    tables: &[i64],
) -> Result<HashMap<i64, i64>, sqlx::Error> {
    sqlx::raw_sql("set local lock_timeout = '100ms'")
        .execute(&mut *connection)
        .await?;
    let sizes: Vec<(i64, Option<i64>)> = query_as(
        "select class.oid::int8,
                pg_total_relation_size(class.oid)
           from pg_class as class
          where class.oid = any($1::oid[])
            and not exists (
                    select
                      from pg_locks as held
                      left join pg_index as index on index.indexrelid = held.relation
                     where held.locktype = 'relation'
                       and held.mode = 'AccessExclusiveLock'
                       and held.database = (select oid from pg_database where datname = current_database())
                       and class.oid in (held.relation, index.indrelid))",
    )
    .bind(
        tables
            .iter()
            .filter_map(|oid| u32::try_from(*oid).ok().map(Oid))
            .collect::<Vec<_>>(),
    )
    .fetch_all(connection)
    .await?;
    Ok(sizes
        .into_iter()
        .filter_map(|(oid, bytes)| Some((oid, bytes?)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_were_costly_to_read_are_taken_for_what_they_were_for_a_while() {
        let at = Instant::default();
        let read = |took_ms| Statements::Counted {
            calls: 1,
            total_ms: 1.0,
            evictions: 0,
            reset: None,
            at: Some(at),
            took_ms,
        };
        let holds = |took_ms, ms| read(took_ms).still(at + TimeDelta::milliseconds(ms)).is_some();
        assert!(holds(16.0, 6_399) && !holds(16.0, 6_400));
        assert!(!holds(1.0, 1_000), "it costs little to read it");
        assert!(!holds(10_000.0, 30_000), "it is too old");
        assert!(!holds(16.0, -1), "of a clock that went back");
        assert!(Statements::Missing.still(at).is_none());
        assert!(!Statements::Missing.is_the_same(&Statements::Missing));
    }
}
