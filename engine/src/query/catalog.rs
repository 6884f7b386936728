//! pg_stat_statements of a managed database, whatever its version and wherever it is installed.

use contract::{Instant, query::QueryHint};
use sqlx::{AssertSqlSafe, PgConnection};

use super::{difference::Counter, text::LONGEST};
use crate::{
    quote,
    target::look::{self, query_as},
};

/// The most counters that one look reads: what pg_stat_statements keeps unless it is told otherwise.
const MOST_COUNTERS: usize = 5_000;

/// What there is to read.
#[derive(sqlx::FromRow)]
pub(super) struct Setup {
    /// The schema of the extension; none when it is not installed.
    schema: Option<String>,
    /// Whether this role may use that schema and call its function.
    usable: bool,
    /// The columns that its function returns.
    columns: Vec<String>,
    /// Whether it has `pg_stat_statements_info`, since 1.9.
    info: bool,
    /// Whether `create extension` would find it.
    available: bool,
    /// `pg_stat_statements.track`; none when the library is not loaded.
    track: Option<String>,
    query_ids: Option<String>,
    /// `shared_preload_libraries`, where this role may see it.
    preloaded: Option<String>,
    /// Whether this role sees the statements of others.
    pub sees_all: bool,
    role: String,
    /// When the server started.
    pub started_at: Instant,
    /// The server's time.
    pub now: Instant,
}

/// Learns what there is to read.
pub(super) async fn setup(look: &mut PgConnection) -> Result<Setup, sqlx::Error> {
    query_as(
        "with
         -- The extension, wherever it is. A function in C that belongs to it was made by a superuser.
         installed as (
             select namespace.oid,
                    namespace.nspname::text as schema,
                    function.oid as function,
                    function.proargnames as columns,
                    exists (
                        select
                          from pg_proc as info
                         where info.proname = 'pg_stat_statements_info'
                           and info.pronamespace = namespace.oid
                           and info.prolang = function.prolang) as info
               from pg_extension as extension
               join pg_namespace as namespace on namespace.oid = extension.extnamespace
               left join (
                    select made.oid, made.proargnames, made.prolang, part.refobjid as extension
                      from pg_depend as part
                      join pg_proc as made on made.oid = part.objid
                      join pg_language as language on language.oid = made.prolang
                     where part.refclassid = 'pg_extension'::regclass
                       and part.classid = 'pg_proc'::regclass
                       and part.deptype = 'e'
                       and made.proname = 'pg_stat_statements'
                       and language.lanname = 'c') as function on function.extension = extension.oid
              where extension.extname = 'pg_stat_statements'
         )
         select installed.schema,
                coalesce(
                    has_schema_privilege(installed.oid, 'usage')
                        and has_function_privilege(installed.function, 'execute'),
                    false
                ) as usable,
                coalesce(installed.columns, '{}') as columns,
                coalesce(installed.info, false) as info,
                exists (select from pg_available_extensions where name = 'pg_stat_statements') as available,
                current_setting('pg_stat_statements.track', true) as track,
                current_setting('compute_query_id', true) as query_ids,
                case when pg_has_role('pg_read_all_settings', 'usage')
                     then current_setting('shared_preload_libraries')
                end as preloaded,
                pg_has_role('pg_read_all_stats', 'usage') as sees_all,
                current_user::text as role,
                pg_postmaster_start_time() as started_at,
                clock_timestamp() as now
           from (select) as one
           left join installed on true",
    )
    .fetch_one(look)
    .await
}

impl Setup {
    /// Whether there are counters to read.
    pub fn is_readable(&self) -> bool {
        self.schema.is_some() && self.usable && self.track.is_some()
    }

    /// What keeps statements from being counted, and what to do.
    pub fn hints(&self) -> Vec<QueryHint> {
        let hint = |words: String, statement: Option<String>| QueryHint { words, statement };
        let role = quote::ident(&self.role);
        let mut hints = Vec::new();
        if self.schema.is_none() && !self.available {
            hints.push(hint(
                "The server does not have the extension pg_stat_statements. It comes with PostgreSQL's contrib package."
                    .into(),
                None,
            ));
        }
        if self.track.is_none() {
            hints.push(hint(
                "The library pg_stat_statements is not loaded, so the server counts no statements. Add it to \
                 shared_preload_libraries, beside what stands there, and restart the server; at a cloud provider this is a \
                 parameter of the server."
                    .into(),
                self.preloaded.as_deref().map(preload),
            ));
        }
        if self.schema.is_none() && self.available {
            hints.push(hint(
                "The extension pg_stat_statements is not installed in this database.".into(),
                Some("create extension pg_stat_statements".into()),
            ));
        }
        if let Some(schema) = self.schema.as_ref().filter(|_| !self.usable) {
            let schema = quote::ident(schema);
            hints.push(hint(
                format!("The console's role {role} may not read pg_stat_statements in the schema {schema}."),
                Some(format!(
                    "grant usage on schema {schema} to {role}; grant execute on function \
                     {schema}.pg_stat_statements(boolean), {schema}.pg_stat_statements_info() to {role}"
                )),
            ));
        }
        if !self.is_readable() {
            return hints;
        }
        if !self.sees_all {
            hints.push(hint(
                format!(
                    "The console's role {role} sees its own statements alone. Those of other roles are missing here."
                ),
                Some(format!("grant pg_read_all_stats to {role}")),
            ));
        }
        if self.track.as_deref() == Some("none") {
            hints.push(hint(
                "pg_stat_statements.track is none: statements are not counted.".into(),
                Some("alter system set pg_stat_statements.track = top; select pg_reload_conf()".into()),
            ));
        }
        if self.query_ids.as_deref() == Some("off") {
            hints.push(hint(
                "compute_query_id is off: statements have no number, and are not counted.".into(),
                Some("alter system set compute_query_id = auto; select pg_reload_conf()".into()),
            ));
        }
        hints
    }

    /// The first of these columns that the view has, or 0.
    fn first(&self, names: &[&str]) -> String {
        let found = names
            .iter()
            .find(|name| self.columns.iter().any(|column| column == *name));
        found.map_or_else(|| "0".to_owned(), |name| format!("statement.{name}"))
    }

    fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column == name)
    }

    /// The extension's schema, quoted.
    fn place(&self) -> String {
        quote::ident(self.schema.as_deref().unwrap_or("public"))
    }
}

/// The statement that loads the library beside those that are.
fn preload(loaded: &str) -> String {
    let names = look::names(loaded)
        .into_iter()
        .chain(["pg_stat_statements".to_owned()]);
    let names: Vec<String> = names.map(|name| quote::literal(&name)).collect();
    format!("alter system set shared_preload_libraries = {}", names.join(", "))
}

/// Reads the counters of this database, the most time first, and whether there are more. An extension that was not updated with
/// its server has the columns of its own version: times have their names since 1.8 (before, `total_time`), WAL came with 1.8,
/// `toplevel` with 1.9, `stats_since` and the parted times of blocks with 1.11.
pub(super) async fn counters(
    look: &mut PgConnection,
    setup: &Setup,
) -> Result<(Vec<Counter>, bool), sqlx::Error> {
    let sql = format!(
        "select statement.queryid,
                statement.userid::int8 as userid,
                coalesce(role.rolname::text, 'role ' || statement.userid) as role,
                {nested} as nested,
                statement.calls,
                {total}::float8 as total_ms,
                statement.rows,
                statement.shared_blks_hit as hit,
                statement.shared_blks_read as read,
                statement.shared_blks_dirtied as dirtied,
                statement.shared_blks_written as written,
                statement.temp_blks_read + statement.temp_blks_written as temp,
                {wal}::int8 as wal_bytes,
                ({reads} + {writes} + {local_reads} + {local_writes})::float8 as io_ms,
                {min}::float8 as min_ms,
                {max}::float8 as max_ms,
                {stddev}::float8 as stddev_ms,
                {since} as since
           from {place}.pg_stat_statements(false) as statement
           left join pg_roles as role on role.oid = statement.userid
          where statement.dbid = (select oid from pg_database where datname = current_database())
            and statement.queryid <> 0
          order by {total} desc, statement.queryid
          limit {most}",
        nested = if setup.has("toplevel") {
            "not statement.toplevel"
        } else {
            "false"
        },
        total = setup.first(&["total_exec_time", "total_time"]),
        wal = setup.first(&["wal_bytes"]),
        reads = setup.first(&["shared_blk_read_time", "blk_read_time"]),
        writes = setup.first(&["shared_blk_write_time", "blk_write_time"]),
        local_reads = setup.first(&["local_blk_read_time"]),
        local_writes = setup.first(&["local_blk_write_time"]),
        min = setup.first(&["min_exec_time", "min_time"]),
        max = setup.first(&["max_exec_time", "max_time"]),
        stddev = setup.first(&["stddev_exec_time", "stddev_time"]),
        since = if setup.has("stats_since") {
            "statement.stats_since"
        } else {
            "null::timestamptz"
        },
        place = setup.place(),
        most = MOST_COUNTERS + 1,
    );
    let mut rows: Vec<Counter> = query_as(AssertSqlSafe(sql)).fetch_all(look).await?;
    let cut = rows.len() > MOST_COUNTERS;
    rows.truncate(MOST_COUNTERS);
    Ok((rows, cut))
}

/// When all counters were last reset, and how often the least used ones were dropped; none where the extension does not say.
pub(super) async fn info(
    look: &mut PgConnection,
    setup: &Setup,
) -> Result<(Option<Instant>, Option<i64>), sqlx::Error> {
    if !setup.info {
        return Ok((None, None));
    }
    let sql = format!(
        "select stats_reset, dealloc from {}.pg_stat_statements_info()",
        setup.place()
    );
    query_as(AssertSqlSafe(sql)).fetch_one(look).await
}

/// The texts of some statements, as the server has them.
pub(super) async fn texts(
    look: &mut PgConnection,
    setup: &Setup,
    ids: &[i64],
) -> Result<Vec<(i64, String)>, sqlx::Error> {
    let sql = format!(
        "select queryid, min(left(query, {LONGEST} + 1))
           from {}.pg_stat_statements(true)
          where queryid = any($1)
            and dbid = (select oid from pg_database where datname = current_database())
            and query is not null
          group by queryid",
        setup.place()
    );
    query_as(AssertSqlSafe(sql)).bind(ids).fetch_all(look).await
}
