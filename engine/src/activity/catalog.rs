//! What a server says of its sessions, locks and commands: one look, each question once, and no lock on any table.
//!
//! Where a version has fewer columns, a row is read as JSON, in which a missing column is null.

use contract::Instant;
use sqlx::{FromRow, PgConnection};

use super::MOST_SESSIONS;
use crate::target::look::{query_as, query_scalar};

/// All of a look but the commands' progress.
pub(super) struct Snapshot {
    pub facts: Facts,
    pub sessions: Vec<SessionRow>,
    pub prepared: Vec<PreparedRow>,
    pub slots: Vec<SlotRow>,
}

/// Where and as whom the look is done.
#[derive(FromRow)]
pub(super) struct Facts {
    pub sampled_at: Instant,
    pub primary: bool,
    /// The console's role.
    pub role: String,
    pub database: String,
    /// `autovacuum_freeze_max_age`.
    pub freeze_age: i64,
}

#[derive(Clone, FromRow)]
pub(super) struct SessionRow {
    pub pid: i32,
    pub started: Option<Instant>,
    pub kind: Option<String>,
    pub role: Option<String>,
    pub database: Option<String>,
    pub here: bool,
    /// Whether it is in a database or has a role: the rest are the server's own processes.
    pub listed: bool,
    pub application: String,
    pub client: Option<String>,
    pub state: Option<String>,
    pub state_s: Option<i64>,
    pub transaction_s: Option<i64>,
    pub query_s: Option<i64>,
    pub query_start: Option<Instant>,
    pub wait_type: Option<String>,
    pub wait: Option<String>,
    pub query: Option<String>,
    pub xids: Option<i64>,
    pub leader: Option<i32>,
    /// Whether the console's role may signal it.
    pub may_signal: bool,
    /// Whether only a superuser may.
    pub of_superuser: bool,
    /// Whether it is a session of a console.
    pub own: bool,
    pub blocked_by: Option<Vec<i32>>,
    /// Numbers of prepared transactions that hold what it waits for.
    pub held_by_prepared: Option<Vec<String>>,
    pub lock_type: Option<String>,
    pub lock_mode: Option<String>,
    /// The relation that it is on, or in which the row is.
    pub lock_relation: Option<String>,
    pub lock_relation_kind: Option<String>,
    pub lock_s: Option<i64>,
    /// Counts over all sessions, those beyond the most that are read among them.
    pub here_count: i64,
    pub count: i64,
    pub hidden_count: i64,
    /// The console's role.
    pub me: String,
}

#[derive(Clone, FromRow)]
pub(super) struct PreparedRow {
    pub transaction: String,
    pub name: String,
    pub owner: String,
    pub database: String,
    pub age_s: i64,
    pub xids: i64,
}

#[derive(Clone, FromRow)]
pub(super) struct SlotRow {
    pub name: String,
    pub active: bool,
    pub active_pid: Option<i32>,
    pub physical: bool,
    pub xids: i64,
    pub inactive_s: Option<i64>,
}

/// Looks at all of it. `roles` are those that consoles log in with, beside the current one.
pub(super) async fn snapshot(
    connection: &mut PgConnection,
    roles: &[String],
) -> Result<Snapshot, sqlx::Error> {
    let facts = query_as(
        "select now() as sampled_at,
                not pg_is_in_recovery() as primary,
                current_user::text as role,
                current_database()::text as database,
                current_setting('autovacuum_freeze_max_age')::int8 as freeze_age",
    )
    .fetch_one(&mut *connection)
    .await?;
    let sessions = query_as(SESSIONS)
        .bind(roles)
        .bind(MOST_SESSIONS)
        .bind(None::<i32>)
        .fetch_all(&mut *connection)
        .await?;
    let prepared = query_as(
        "select transaction::text as transaction,
                gid as name,
                owner::text as owner,
                database::text as database,
                greatest(0, floor(extract(epoch from clock_timestamp() - prepared)))::int8 as age_s,
                age(transaction)::int8 as xids
           from pg_prepared_xacts
          order by prepared
          limit 100",
    )
    .fetch_all(&mut *connection)
    .await?;
    let slots = query_as(
        "select slot.slot_name::text as name,
                slot.active,
                slot.active_pid,
                slot.slot_type = 'physical' as physical,
                greatest(age(slot.xmin), age(slot.catalog_xmin))::int8 as xids,
                -- Since 17.
                floor(extract(epoch from clock_timestamp()
                              - (to_jsonb(slot) ->> 'inactive_since')::timestamptz))::int8 as inactive_s
           from pg_replication_slots as slot
          where slot.xmin is not null
             or slot.catalog_xmin is not null
          order by xids desc
          limit 100",
    )
    .fetch_all(connection)
    .await?;
    Ok(Snapshot {
        facts,
        sessions,
        prepared,
        slots,
    })
}

/// One session, as it is at this moment.
pub(super) async fn session(
    connection: &mut PgConnection,
    roles: &[String],
    pid: i32,
) -> Result<Option<SessionRow>, sqlx::Error> {
    forget(&mut *connection).await?;
    query_as(SESSIONS)
        .bind(roles)
        .bind(1_i64)
        .bind(pid)
        .fetch_optional(connection)
        .await
}

/// Lets the next question of the same transaction see sessions as they are then, and not as they were at its first one.
async fn forget(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    crate::target::look::query("select pg_stat_clear_snapshot()")
        .execute(connection)
        .await
        .map(drop)
}

/// Signals a session, where it is still the one that began then. One statement looks and signals: between two the process
/// could end and its number be given to another. Whether there was one.
pub(super) async fn signal(
    connection: &mut PgConnection,
    terminates: bool,
    pid: i32,
    started: Instant,
) -> Result<bool, sqlx::Error> {
    forget(&mut *connection).await?;
    let signalled: Option<bool> = query_scalar(
        "select case when $3 then pg_terminate_backend(pid) else pg_cancel_backend(pid) end
           from pg_stat_activity
          where pid = $1
            and backend_start = $2
            and pid <> pg_backend_pid()
            and backend_type in ('client backend', 'autovacuum worker')",
    )
    .bind(pid)
    .bind(started)
    .bind(terminates)
    .fetch_optional(connection)
    .await?;
    Ok(signalled == Some(true))
}

/// A session's state and when its statement began; none when it is over.
pub(super) async fn still(
    connection: &mut PgConnection,
    pid: i32,
    started: Instant,
) -> Result<Option<(Option<String>, Option<Instant>)>, sqlx::Error> {
    forget(&mut *connection).await?;
    query_as(
        "select state, query_start
           from pg_stat_activity
          where pid = $1
            and backend_start = $2",
    )
    .bind(pid)
    .bind(started)
    .fetch_optional(connection)
    .await
}

/// `$1` roles of consoles, `$2` how many, `$3` one pid alone. Those that wait or hold others up come first, then the oldest
/// transactions.
const SESSIONS: &str = "
    with
    -- Locks that are waited for; the rows that a waiter is about to lock; and what prepared transactions hold.
    locks as materialized (
        select *
          from pg_locks
         where not granted
            or locktype = 'tuple'
            or pid is null
    ),
    waiting as materialized (
        select distinct on (pid)
               pid, locktype, mode, database, relation, transactionid, virtualxid, classid, objid, waitstart
          from locks
         where not granted
           and pid is not null
         order by pid
    ),
    blocked as materialized (
        select waiting.*,
               pg_blocking_pids(waiting.pid) as blocked_by
          from waiting
    ),
    blockers as materialized (
        select distinct unnest(blocked_by) as pid
          from blocked
    ),
    me as (
        select rolname,
               rolsuper,
               coalesce(pg_has_role('pg_signal_backend', 'usage'), false) as signals,
               -- Since 18.
               coalesce((select pg_has_role(special.oid, 'usage')
                           from pg_roles as special
                          where special.rolname = 'pg_signal_autovacuum_worker'), false) as signals_autovacuum
          from pg_roles
         where rolname = current_user
    ),
    sessions as (
        select activity.*,
               activity.datid is not null or activity.usesysid is not null as listed
          from pg_stat_activity as activity
         where activity.pid <> pg_backend_pid()
    )
    select session.pid,
           session.backend_start as started,
           session.backend_type as kind,
           session.usename::text as role,
           session.datname::text as database,
           coalesce(session.datname = current_database(), false) as here,
           session.listed,
           coalesce(session.application_name, '') as application,
           host(session.client_addr) as client,
           session.state,
           greatest(0, floor(extract(epoch from clock_timestamp() - session.state_change)))::int8 as state_s,
           case when session.xact_start is not null
                then greatest(0, floor(extract(epoch from clock_timestamp() - session.xact_start)))::int8 end
               as transaction_s,
           case when session.query_start is not null
                then greatest(0, floor(extract(epoch from clock_timestamp() - session.query_start)))::int8 end as query_s,
           session.query_start,
           session.wait_event_type as wait_type,
           session.wait_event as wait,
           left(session.query, 4000) as query,
           greatest(age(session.backend_xmin), age(session.backend_xid))::int8 as xids,
           session.leader_pid as leader,
           me.rolsuper
           or case when session.usesysid is null then me.signals_autovacuum
                   else not coalesce(role.rolsuper, true)
                        and (me.signals or pg_has_role(session.usesysid, 'usage')) end as may_signal,
           coalesce(role.rolsuper, session.usesysid is not null) as of_superuser,
           coalesce(session.application_name ~ '^pgsteward( |$)'
                    and (session.usename = current_user or session.usename = any($1::text[])), false) as own,
           blocked.blocked_by,
           -- A prepared transaction holds the lock on its own number, too, which tells which one it is.
           case when blocked.pid is not null then array(
               select distinct own.transactionid::text
                 from locks as held
                 join locks as own
                   on own.virtualtransaction = held.virtualtransaction
                  and own.pid is null
                  and own.locktype = 'transactionid'
                where held.pid is null
                  and held.granted
                  and held.locktype = blocked.locktype
                  and held.database is not distinct from blocked.database
                  and held.relation is not distinct from blocked.relation
                  and held.transactionid is not distinct from blocked.transactionid
                  and held.virtualxid is not distinct from blocked.virtualxid
                  and held.classid is not distinct from blocked.classid
                  and held.objid is not distinct from blocked.objid) end as held_by_prepared,
           blocked.locktype as lock_type,
           blocked.mode as lock_mode,
           on_relation.name as lock_relation,
           on_relation.kind as lock_relation_kind,
           case when blocked.waitstart is not null
                then greatest(0, floor(extract(epoch from clock_timestamp() - blocked.waitstart)))::int8 end as lock_s,
           count(*) filter (where session.listed and session.datname = current_database()) over () as here_count,
           count(*) filter (where session.listed) over () as count,
           count(*) filter (where session.listed and session.backend_start is null) over () as hidden_count,
           me.rolname::text as me
      from sessions as session
     cross join me
      left join blocked on blocked.pid = session.pid
      left join pg_roles as role on role.oid = session.usesysid
      left join lateral (
               select schema.nspname || '.' || class.relname as name,
                      class.relkind::text as kind
                 from pg_class as class
                 join pg_namespace as schema on schema.oid = class.relnamespace
                where class.oid = coalesce(
                          case when blocked.database in (0, (select oid from pg_database where datname = current_database()))
                               then blocked.relation end,
                          (select row.relation
                             from locks as row
                            where row.pid = blocked.pid
                              and row.locktype = 'tuple'
                              and row.granted
                              and session.datname = current_database()
                            limit 1))
           ) as on_relation on true
     where $3::int4 is null
        or session.pid = $3
     order by blocked.pid is null,
              session.pid not in (select pid from blockers where pid is not null),
              session.xact_start nulls last,
              session.state = 'idle',
              session.pid
     limit $2";
