//! What the managed database's catalogs say for a backup and while one runs.

use contract::Instant;
use sqlx::{PgConnection, postgres::types::Oid};

use super::manifest::{Database, Extension, Grant, Server, Settings};
use crate::{
    Result,
    target::{
        Target,
        look::{query_as, query_scalar},
    },
};

/// What is written down of server and database.
pub(super) struct Facts {
    pub server: Server,
    pub database: Database,
}

#[derive(sqlx::FromRow)]
struct DatabaseRow {
    version: String,
    version_num: i32,
    owner: String,
    bytes: i64,
    encoding: String,
    collation: String,
    character_type: String,
    locale_provider: Option<String>,
    locale: Option<String>,
    locale_rules: Option<String>,
    comment: Option<String>,
    may_read_identifier: bool,
}

/// Reads what pg_dump leaves out.
pub(super) async fn facts(connection: &mut PgConnection, target: &Target) -> Result<Facts> {
    let failed = |source| target.error(source);
    // Columns that only newer servers have are asked for by name in the row's JSON.
    let row: DatabaseRow = query_as(
        "select split_part(current_setting('server_version'), ' ', 1) as version,
                current_setting('server_version_num')::int as version_num,
                pg_get_userbyid(d.datdba)::text as owner,
                pg_database_size(d.oid) as bytes,
                pg_encoding_to_char(d.encoding)::text as encoding,
                d.datcollate::text as collation,
                d.datctype::text as character_type,
                to_jsonb(d) ->> 'datlocprovider' as locale_provider,
                coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') as locale,
                to_jsonb(d) ->> 'daticurules' as locale_rules,
                shobj_description(d.oid, 'pg_database') as comment,
                has_function_privilege('pg_control_system()', 'execute') as may_read_identifier
           from pg_database d
          where d.datname = current_database()",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(failed)?;
    let system_identifier = if row.may_read_identifier {
        let identifier: String = query_scalar("select system_identifier::text from pg_control_system()")
            .fetch_one(&mut *connection)
            .await
            .map_err(failed)?;
        Some(identifier)
    } else {
        None
    };
    let settings: Vec<(Option<String>, Vec<String>)> = query_as(
        "select case when s.setrole <> 0 then pg_get_userbyid(s.setrole)::text end,
                s.setconfig
           from pg_db_role_setting s
           join pg_database d on d.oid = s.setdatabase
          where d.datname = current_database()
          order by s.setrole",
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(failed)?;
    let extensions: Vec<(String, String, String)> = query_as(
        "select e.extname::text, e.extversion, n.nspname::text
           from pg_extension e
           join pg_namespace n on n.oid = e.extnamespace
          order by e.extname",
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(failed)?;
    let grants: Vec<Grant> = query_as(
        "select case when a.grantee <> 0 then pg_get_userbyid(a.grantee)::text end as role,
                a.privilege_type as \"right\",
                a.is_grantable as grantable
           from pg_database d
          cross join aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
          where d.datname = current_database()",
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(failed)?;
    Ok(Facts {
        server: Server {
            version: row.version,
            version_num: row.version_num,
            system_identifier,
        },
        database: Database {
            name: target.database().to_owned(),
            owner: row.owner,
            bytes: row.bytes,
            encoding: row.encoding,
            collation: row.collation,
            character_type: row.character_type,
            locale_provider: row.locale_provider,
            locale: row.locale,
            settings: settings
                .into_iter()
                .map(|(role, settings)| Settings { role, settings })
                .collect(),
            extensions: extensions
                .into_iter()
                .map(|(name, version, schema)| Extension {
                    name,
                    version,
                    schema,
                })
                .collect(),
            // Counted in the snapshot.
            large_objects: 0,
            locale_rules: row.locale_rules,
            comment: row.comment,
            grants: Some(grants),
        },
    })
}

/// Tables, all or these, whose rows row security would hide from this user. pg_dump fails on the first of them.
pub(super) async fn hidden_by_row_security(
    connection: &mut PgConnection,
    only: Option<&[Oid]>,
) -> Result<Vec<String>, sqlx::Error> {
    query_scalar(
        "select format('%I.%I', n.nspname, c.relname)
           from pg_class c
           join pg_namespace n on n.oid = c.relnamespace
          where c.relkind in ('r', 'p')
            and c.relrowsecurity
            and row_security_active(c.oid)
            and n.nspname !~ '^pg_'
            and n.nspname <> 'information_schema'
            and ($1::oid[] is null or c.oid = any($1))
          order by 1",
    )
    .bind(only)
    .fetch_all(connection)
    .await
}

/// Tables and sequences, all or these, that this user may not read, and the user's name. pg_dump fails on the first of
/// them, perhaps after hours.
pub(super) async fn unreadable(
    connection: &mut PgConnection,
    only: Option<&[Oid]>,
) -> Result<(String, Vec<String>), sqlx::Error> {
    let user: String = query_scalar("select quote_ident(current_user)")
        .fetch_one(&mut *connection)
        .await?;
    let names = query_scalar(
        "select format('%I.%I', n.nspname, c.relname)
           from pg_class c
           join pg_namespace n on n.oid = c.relnamespace
          where (
                   (c.relkind in ('r', 'S') and not has_table_privilege(c.oid, 'select'))
                   -- Of a partitioned table pg_dump takes the lock alone.
                or (c.relkind = 'p' and not has_table_privilege(c.oid, 'select, update, delete, truncate'))
                or (c.relkind in ('r', 'p', 'S') and not has_schema_privilege(n.oid, 'usage')))
            and (c.relpersistence = 'p' or (c.relpersistence = 'u' and not pg_is_in_recovery()))
            and n.nspname !~ '^pg_'
            and n.nspname <> 'information_schema'
            -- Members of extensions are made by the extension.
            and not exists (
                    select
                      from pg_depend d
                     where d.classid = 'pg_class'::regclass
                       and d.objid = c.oid
                       and d.deptype = 'e')
            and ($1::oid[] is null or c.oid = any($1))
          order by 1",
    )
    .bind(only)
    .fetch_all(connection)
    .await?;
    Ok((user, names))
}

/// What of these schemas and tables (a schema where the name is null) is not there.
pub(super) async fn not_there(
    connection: &mut PgConnection,
    schemas: &[String],
    names: &[Option<String>],
) -> Result<Vec<String>, sqlx::Error> {
    query_scalar(
        "select concat_ws('.', part.schema, part.name)
           from unnest($1::text[], $2::text[]) as part (schema, name)
          where not exists (
                    select
                      from pg_namespace n
                     where n.nspname = part.schema
                       and n.nspname !~ '^pg_'
                       and n.nspname <> 'information_schema'
                       and (part.name is null
                            or exists (
                                   select
                                     from pg_class c
                                    where c.relnamespace = n.oid
                                      and c.relname = part.name
                                      and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S'))))",
    )
    .bind(schemas)
    .bind(names)
    .fetch_all(connection)
    .await
}

/// A relation of a chosen part.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct ChosenRow {
    pub id: Oid,
    pub schema: String,
    pub name: String,
}

/// The relations of these schemas and tables (a schema where the name is null), with all partitions of those tables.
pub(super) async fn chosen(
    connection: &mut PgConnection,
    schemas: &[String],
    names: &[Option<String>],
) -> Result<Vec<ChosenRow>, sqlx::Error> {
    query_as(
        "with recursive
           -- What was named.
           named as (
               select c.oid
                 from unnest($1::text[], $2::text[]) as part (schema, name)
                 join pg_namespace n on n.nspname = part.schema
                 join pg_class c on c.relnamespace = n.oid and (part.name is null or c.relname = part.name)
                where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
           ),
           -- With its partitions, whatever schema they lie in.
           tree as (
               select oid from named
               union
               select i.inhrelid
                 from tree
                 join pg_inherits i on i.inhparent = tree.oid
                 join pg_class c on c.oid = i.inhrelid and c.relispartition
           )
         select c.oid as id, n.nspname::text as schema, c.relname::text as name
           from tree
           join pg_class c on c.oid = tree.oid
           join pg_namespace n on n.oid = c.relnamespace
          order by n.nspname, c.relname",
    )
    .bind(schemas)
    .bind(names)
    .fetch_all(connection)
    .await
}

/// A table whose rows the archive will hold.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct TableRow {
    /// Its object id.
    pub id: i64,
    pub schema: String,
    pub name: String,
    /// With its TOAST table, in bytes.
    pub bytes: i64,
    /// The planner's guess, for progress alone; negative when never analyzed.
    pub guess: f64,
}

impl TableRow {
    pub fn oid(&self) -> Option<Oid> {
        u32::try_from(self.id).ok().map(Oid)
    }
}

/// The tables of the archive. Asked in the snapshot's transaction; takes no lock on any of them, so sizes are the
/// planner's pages.
pub(super) async fn tables(connection: &mut PgConnection) -> Result<Vec<TableRow>, sqlx::Error> {
    query_as(
        "select c.oid::bigint as id,
                n.nspname::text as schema,
                c.relname::text as name,
                (greatest(c.relpages, 0) + coalesce(greatest(t.relpages, 0), 0))::bigint
                    * current_setting('block_size')::bigint as bytes,
                c.reltuples::float8 as guess
           from pg_class c
           join pg_namespace n on n.oid = c.relnamespace
           left join pg_class t on t.oid = c.reltoastrelid
          where c.relkind = 'r'
            -- A standby has no rows of unlogged tables, and pg_dump leaves them out there.
            and (c.relpersistence = 'p' or (c.relpersistence = 'u' and not pg_is_in_recovery()))
            and n.nspname !~ '^pg_'
            and n.nspname <> 'information_schema'
            -- Members of extensions are made by the extension.
            and not exists (
                    select
                      from pg_depend d
                     where d.classid = 'pg_class'::regclass
                       and d.objid = c.oid
                       and d.deptype = 'e')
          order by n.nspname, c.relname",
    )
    .fetch_all(connection)
    .await
}

#[derive(sqlx::FromRow)]
struct LeftOut {
    foreign_table: bool,
    tables: i64,
    names: Vec<String>,
}

/// Tables, of all or of these, whose rows no dump of this database holds, in words: they lie on another server, or only on
/// the primary.
pub(super) async fn left_out(
    connection: &mut PgConnection,
    only: Option<&[Oid]>,
) -> Result<Vec<String>, sqlx::Error> {
    let found: Vec<LeftOut> = query_as(
        "select c.relkind = 'f' as foreign_table,
                count(*) as tables,
                (array_agg(format('%I.%I', n.nspname, c.relname) order by n.nspname, c.relname))[1:5] as names
           from pg_class c
           join pg_namespace n on n.oid = c.relnamespace
          where (c.relkind = 'f' or (c.relkind = 'r' and c.relpersistence = 'u' and pg_is_in_recovery()))
            and n.nspname !~ '^pg_'
            and n.nspname <> 'information_schema'
            and ($1::oid[] is null or c.oid = any($1))
          group by c.relkind
          order by c.relkind",
    )
    .bind(only)
    .fetch_all(connection)
    .await?;
    Ok(found
        .into_iter()
        .map(|found| {
            let (kind, why) = match found.foreign_table {
                true => ("foreign", "they lie on another server"),
                false => ("unlogged", "a standby does not have them"),
            };
            let more = found.tables - found.names.len() as i64;
            format!(
                "The rows of {kind} tables are not in this backup, because {why}: {}{}.",
                found.names.join(", "),
                if more > 0 {
                    format!(" and {more} more")
                } else {
                    String::new()
                }
            )
        })
        .collect())
}

/// How many large objects there are.
pub(super) async fn large_objects(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    query_scalar("select count(*) from pg_largeobject_metadata")
        .fetch_one(connection)
        .await
}

/// The sizes of the tables on disk. Waits for locks that pg_dump would wait for as well.
pub(super) async fn sizes(
    connection: &mut PgConnection,
    ids: &[i64],
) -> Result<Vec<(i64, i64)>, sqlx::Error> {
    query_as(
        "select id, coalesce(pg_table_size(id::oid), 0)
           from unnest($1::bigint[]) as id",
    )
    .bind(ids)
    .fetch_all(connection)
    .await
}

/// What one of the backup's sessions is doing.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Session {
    /// How long its statement has been waiting for a lock, in seconds.
    pub waiting_s: Option<i64>,
    /// Who holds the lock.
    pub blocker: Option<i32>,
    pub blocker_application: Option<String>,
    pub blocker_state: Option<String>,
    pub blocker_age_s: Option<i64>,
    /// The table that it is copying out.
    pub relation: Option<i64>,
    /// Its rows so far.
    pub tuples: Option<i64>,
}

/// What the backup's sessions copy and wait for, found by their application's name.
pub(super) async fn sessions(
    connection: &mut PgConnection,
    application: &str,
) -> Result<Vec<Session>, sqlx::Error> {
    query_as(
        "select case when a.wait_event_type = 'Lock'
                     then extract(epoch from clock_timestamp() - a.query_start)::bigint end as waiting_s,
                b.pid as blocker,
                b.application_name as blocker_application,
                b.state as blocker_state,
                extract(epoch from clock_timestamp() - b.xact_start)::bigint as blocker_age_s,
                c.relid::bigint as relation,
                c.tuples_processed as tuples
           from pg_stat_activity a
           left join pg_stat_progress_copy c on c.pid = a.pid
           -- Only a session that waits is asked for its blockers: that question takes locks inside the server.
           left join lateral (
                    select s.pid, s.application_name, s.state, s.xact_start
                      from unnest(pg_blocking_pids(case when a.wait_event_type = 'Lock' then a.pid end)) as blocking (pid)
                      join pg_stat_activity s on s.pid = blocking.pid
                     order by s.xact_start
                     limit 1) b on true
          where a.application_name = $1
            and a.datname = current_database()
            and (c.pid is not null or a.wait_event_type = 'Lock')",
    )
    .bind(application)
    .fetch_all(connection)
    .await
}

/// Whether the server itself is at work for one of the backup's sessions: not waiting for its client, from whom or to whom
/// nothing may come through any more.
pub(super) async fn at_work(connection: &mut PgConnection, application: &str) -> Result<bool, sqlx::Error> {
    query_scalar(
        "select exists (
                select
                  from pg_stat_activity
                 where application_name = $1
                   and datname = current_database()
                   and state = 'active'
                   and wait_event_type is distinct from 'Client')",
    )
    .bind(application)
    .fetch_one(connection)
    .await
}

/// Ends whatever a job left on the server under this name, in every database, and gives how many sessions that were.
pub(super) async fn end_sessions(
    connection: &mut PgConnection,
    application: &str,
) -> Result<i64, sqlx::Error> {
    query_scalar(
        "select count(pg_terminate_backend(pid, 1000))
           from pg_stat_activity
          where application_name = $1
            and pid <> pg_backend_pid()",
    )
    .bind(application)
    .fetch_one(connection)
    .await
}

/// Exports the snapshot of the transaction that the connection is in.
pub(super) async fn export(connection: &mut PgConnection) -> Result<(String, Instant), sqlx::Error> {
    query_as("select pg_export_snapshot(), clock_timestamp()")
        .fetch_one(connection)
        .await
}
