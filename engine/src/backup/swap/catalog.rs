//! What the server says of two databases that shall change places, and of who is in them.

use contract::{Instant, swap::SessionInTheWay};
use sqlx::{FromRow, PgConnection};

use crate::target::look::{query_as, query_scalar};

/// How many sessions a page shows.
const SHOWN: usize = 100;

/// One database of the cluster, wherever the session is that asks.
#[derive(Clone, Debug, FromRow)]
pub(super) struct Side {
    pub oid: i64,
    pub name: String,
    pub owner: String,
    /// Whether the console's role has all rights of the owner.
    pub owned: bool,
    pub allows_connections: bool,
    pub connection_limit: i32,
    pub template: bool,
    /// Encoding and collation, as one text to compare and to show.
    pub text_as: String,
    pub comment: Option<String>,
    pub prepared: i64,
    /// Logical replication slots and subscriptions, by name.
    pub slots: Vec<String>,
    pub subscriptions: Vec<String>,
    pub bytes: Option<i64>,
}

impl Side {
    /// A `drop database` that was broken off leaves a database that nobody can use.
    pub(super) fn is_broken(&self) -> bool {
        self.connection_limit == -2
    }
}

/// The databases of these numbers, in any order.
pub(super) async fn sides(connection: &mut PgConnection, oids: &[i64]) -> Result<Vec<Side>, sqlx::Error> {
    // Columns that only some versions have are asked for by name in the row's JSON.
    query_as(
        "select d.oid::int8 as oid,
                d.datname::text as name,
                pg_get_userbyid(d.datdba)::text as owner,
                pg_has_role(d.datdba, 'usage') as owned,
                d.datallowconn as allows_connections,
                d.datconnlimit as connection_limit,
                d.datistemplate as template,
                concat_ws(', ', pg_encoding_to_char(d.encoding), d.datcollate, d.datctype,
                          to_jsonb(d) ->> 'datlocprovider',
                          coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale')) as text_as,
                shobj_description(d.oid, 'pg_database') as comment,
                (select count(*) from pg_prepared_xacts where database = d.datname) as prepared,
                array(select slot_name::text from pg_replication_slots where datoid = d.oid order by 1) as slots,
                array(select subname::text from pg_subscription where subdbid = d.oid order by 1) as subscriptions,
                case when d.datallowconn
                           and d.datconnlimit <> -2
                           and (has_database_privilege(d.oid, 'connect') or pg_has_role('pg_read_all_stats', 'usage'))
                     then pg_database_size(d.oid) end as bytes
           from pg_database d
          where d.oid = any($1::int8[]::oid[])",
    )
    .bind(oids)
    .fetch_all(connection)
    .await
}

/// The number of the database that has a name now.
pub(super) async fn oid_of(connection: &mut PgConnection, name: &str) -> Result<Option<i64>, sqlx::Error> {
    query_scalar("select oid::int8 from pg_database where datname = $1")
        .bind(name)
        .fetch_optional(connection)
        .await
}

/// The server itself.
#[derive(Debug, FromRow)]
pub(super) struct Server {
    pub standby: bool,
    pub may_rename: bool,
    pub role: String,
}

pub(super) async fn server(connection: &mut PgConnection) -> Result<Server, sqlx::Error> {
    query_as(
        "select pg_is_in_recovery() as standby,
                rolsuper or rolcreatedb as may_rename,
                rolname::text as role
           from pg_roles
          where rolname = current_user",
    )
    .fetch_one(connection)
    .await
}

/// Names that begin with a text.
pub(super) async fn names_like(
    connection: &mut PgConnection,
    beginning: &str,
) -> Result<Vec<String>, sqlx::Error> {
    query_scalar("select datname::text from pg_database where starts_with(datname::text, $1)")
        .bind(beginning)
        .fetch_all(connection)
        .await
}

/// Sessions in databases. What the server ends by itself for a rename (autovacuum), and what ends with its leader (parallel
/// workers), is left out. Who may not see a session sees that it is there.
const SESSIONS: &str = "
         select a.pid,
                a.datid::int8 as datid,
                a.datname::text as database,
                a.usename::text as \"user\",
                coalesce(a.application_name, '') as application,
                host(a.client_addr) as client,
                nullif(a.backend_type, 'client backend') as kind,
                a.backend_start as since,
                case when a.state <> 'idle' and a.state not like 'idle in%'
                     then (extract(epoch from clock_timestamp() - a.query_start) * 1000)::int8 end as statement_ms,
                (extract(epoch from clock_timestamp() - a.xact_start) * 1000)::int8 as transaction_ms,
                me.rolsuper
                or (a.usesysid is not null
                    and not coalesce(role.rolsuper, true)
                    and (pg_has_role(a.usesysid, 'usage') or pg_has_role('pg_signal_backend', 'usage'))) as may_end,
                coalesce(a.application_name ~ '^pgsteward( |$)' and a.usename = current_user, false) as own
           from pg_stat_activity a
           join pg_roles me on me.rolname = current_user
      left join pg_roles role on role.oid = a.usesysid
          where a.datid = any($1::int8[]::oid[])
            and a.pid <> pg_backend_pid()
            and (a.usesysid is not null or coalesce(a.backend_type, 'autovacuum worker') <> 'autovacuum worker')
            and coalesce(a.backend_type, '') <> 'parallel worker'";

#[derive(FromRow)]
struct SessionRow {
    pid: i32,
    database: String,
    user: Option<String>,
    application: String,
    client: Option<String>,
    kind: Option<String>,
    since: Option<Instant>,
    statement_ms: Option<i64>,
    transaction_ms: Option<i64>,
    may_end: bool,
    own: bool,
}

impl From<SessionRow> for SessionInTheWay {
    fn from(row: SessionRow) -> Self {
        Self {
            pid: row.pid,
            database: row.database,
            user: row.user,
            application: row.application,
            client: row.client,
            kind: row.kind,
            since: row.since,
            statement_ms: row.statement_ms,
            transaction_ms: row.transaction_ms,
            may_end: row.may_end,
        }
    }
}

/// Who is in the way.
#[derive(Debug, Default)]
pub(super) struct InTheWay {
    pub sessions: Vec<SessionInTheWay>,
    pub more: i64,
    pub own: i64,
    /// How many of all the console may not end.
    pub beyond_us: i64,
}

/// The sessions in some databases, the longest at work first.
pub(super) async fn sessions(connection: &mut PgConnection, oids: &[i64]) -> Result<InTheWay, sqlx::Error> {
    let sql = format!("{SESSIONS} order by transaction_ms desc nulls last, a.backend_start, a.pid");
    let rows: Vec<SessionRow> = query_as(sqlx::AssertSqlSafe(sql))
        .bind(oids)
        .fetch_all(connection)
        .await?;
    let mut found = InTheWay::default();
    for row in rows {
        found.beyond_us += i64::from(!row.may_end);
        if row.own {
            found.own += 1;
        } else if found.sessions.len() < SHOWN {
            found.sessions.push(row.into());
        } else {
            found.more += 1;
        }
    }
    Ok(found)
}

/// Ends every session in a database that the console may end; gives those that it asked to go.
pub(super) async fn end_sessions(
    connection: &mut PgConnection,
    oid: i64,
) -> Result<Vec<SessionInTheWay>, sqlx::Error> {
    let sql = format!(
        "with found as materialized ({SESSIONS})
         select found.*
           from found
          where may_end
            and pg_terminate_backend(pid)"
    );
    let rows: Vec<SessionRow> = query_as(sqlx::AssertSqlSafe(sql))
        .bind([oid].as_slice())
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(SessionInTheWay::from).collect())
}

/// Ends the sessions of this name, wherever they are, and says whether any is left.
pub(super) async fn end_of_name(
    connection: &mut PgConnection,
    application: &str,
) -> Result<bool, sqlx::Error> {
    let ended: Vec<bool> = query_scalar(
        "select pg_terminate_backend(pid)
           from pg_stat_activity
          where application_name = $1
            and usename = current_user
            and pid <> pg_backend_pid()",
    )
    .bind(application)
    .fetch_all(connection)
    .await?;
    Ok(!ended.is_empty())
}

/// Rights on a database, beside its owner's own.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub(super) struct Grant {
    /// None for everyone.
    pub grantee: Option<String>,
    pub privilege: String,
    pub grantable: bool,
}

pub(super) async fn grants(connection: &mut PgConnection, oid: i64) -> Result<Vec<Grant>, sqlx::Error> {
    query_as(
        "select case when one.grantee <> 0 then pg_get_userbyid(one.grantee)::text end as grantee,
                one.privilege_type as privilege,
                bool_or(one.is_grantable) as grantable
           from pg_database d
          cross join aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) as one
          where d.oid = $1::int8::oid
            and one.grantee <> d.datdba
          group by 1, 2
          order by 1 nulls first, 2",
    )
    .bind(oid)
    .fetch_all(connection)
    .await
}

/// Settings of a database: of all roles in it, or of one.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub(super) struct Settings {
    pub role: Option<String>,
    pub settings: Vec<String>,
}

pub(super) async fn settings(connection: &mut PgConnection, oid: i64) -> Result<Vec<Settings>, sqlx::Error> {
    query_as(
        "select case when s.setrole <> 0 then pg_get_userbyid(s.setrole)::text end as role,
                array(select one from unnest(s.setconfig) as one order by one) as settings
           from pg_db_role_setting s
          where s.setdatabase = $1::int8::oid
            and cardinality(s.setconfig) > 0
          order by 1 nulls first",
    )
    .bind(oid)
    .fetch_all(connection)
    .await
}
