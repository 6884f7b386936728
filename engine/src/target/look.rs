//! A look at a managed database: one read-only transaction that leaves nothing behind and trusts nothing in the database.
//!
//! Its settings are `set local` and end with it, and its statements have no name: through a pooler, the server's session goes
//! to somebody else next. Its search_path is the system's catalog alone. The owner of a database sets the search_path of
//! everyone who comes, and a function, an operator or a view of theirs that stood before the catalog would run as the
//! console's role. `pg_temp` is named because it would come first otherwise, and it may hold what a pooler's other client made.

use std::time::Duration;

use sqlx::{
    FromRow, PgConnection, SqlSafeStr,
    pool::PoolConnection,
    postgres::{PgArguments, PgRow, Postgres, types::Oid},
    query::{Query, QueryAs, QueryScalar},
};

/// No page hangs behind a lock or a slow question, and notices have no reader.
const BEGIN: &str = "begin isolation level read committed read only;
    set local search_path = pg_catalog, pg_temp;
    set local statement_timeout = '15s';
    set local lock_timeout = '2s';
    set local idle_in_transaction_session_timeout = '60s';
    set local client_min_messages = error;
    set local standard_conforming_strings = on;
    set local quote_all_identifiers = off";

/// The same trust in nothing, for a session of a job's own. Floats as exact as they are, whatever the database's settings.
pub(crate) const SESSION: &str = "set search_path = pg_catalog, pg_temp;
    set standard_conforming_strings = on;
    set quote_all_identifiers = off;
    set extra_float_digits = 3;
    set client_min_messages = error";

/// Gives a session the search_path that the database, the role and the URL ask for: for what users wrote.
pub(crate) const USERS_PATH: &str = "set search_path to default";

/// How long a broken-off statement may take to end; the server gives up after 15 s by itself.
const ENDS: Duration = Duration::from_secs(20);

/// An open look. Dropping it gives its connection back to the pool, which ends the transaction first.
pub(crate) type Look = PoolConnection<Postgres>;

/// Begins a look on a connection of the pool.
pub(super) async fn begin(mut connection: PoolConnection<Postgres>) -> Result<Look, sqlx::Error> {
    sqlx::raw_sql(BEGIN).execute(&mut *connection).await?;
    Ok(connection)
}

/// Begins one on a session of its own, which ends with it.
pub(super) async fn open(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(BEGIN).execute(connection).await?;
    Ok(())
}

/// Ends a look, also one that was broken off. A connection that does not answer cannot be used again.
pub(super) async fn end(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    match tokio::time::timeout(ENDS, sqlx::raw_sql("rollback").execute(connection)).await {
        Ok(ended) => ended.map(|_| ()),
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// A statement for a managed database. It has no name on the server, so that it leaves nothing there.
pub(crate) fn query<'q>(sql: impl SqlSafeStr) -> Query<'q, Postgres, PgArguments> {
    sqlx::query(sql).persistent(false)
}

/// As [`query`], with rows as a struct or tuple.
pub(crate) fn query_as<'q, O>(sql: impl SqlSafeStr) -> QueryAs<'q, Postgres, O, PgArguments>
where
    O: for<'r> FromRow<'r, PgRow>,
{
    sqlx::query_as(sql).persistent(false)
}

/// As [`query`], with the first column alone.
pub(crate) fn query_scalar<'q, O>(sql: impl SqlSafeStr) -> QueryScalar<'q, Postgres, O, PgArguments>
where
    (O,): for<'r> FromRow<'r, PgRow>,
{
    sqlx::query_scalar(sql).persistent(false)
}

/// The schemas in which a session of the console's finds what is written without one, as the database, the role and the
/// URL say, in their order.
pub(crate) async fn users_schemas(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let (path, user): (String, String) = query_as(
        "select reset_val, current_user::text
           from pg_settings
          where name = 'search_path'",
    )
    .fetch_one(&mut *connection)
    .await?;
    let names: Vec<String> = names(&path)
        .into_iter()
        .map(|name| if name == "$user" { user.clone() } else { name })
        .collect();
    query_scalar(
        "select schema.nspname::text
           from unnest($1::text[]) with ordinality as wanted (name, place)
           join pg_namespace as schema on schema.nspname = wanted.name
          where has_schema_privilege(schema.oid, 'usage')
            and schema.nspname !~ '^pg_'
          group by 1
          order by min(wanted.place)",
    )
    .bind(names)
    .fetch_all(connection)
    .await
}

/// Finds a relation as a session of the console's would by its name alone: its oid and its schema.
pub(crate) async fn find(
    connection: &mut PgConnection,
    name: &str,
) -> Result<Option<(Oid, String)>, sqlx::Error> {
    let path = users_schemas(&mut *connection).await?;
    query_as(
        "select class.oid, schema.nspname::text
           from pg_class as class
           join pg_namespace as schema on schema.oid = class.relnamespace
           join unnest($2::text[]) with ordinality as path (schema, place) on path.schema = schema.nspname
          where class.relname = $1
          order by path.place
          limit 1",
    )
    .bind(name)
    .bind(path)
    .fetch_optional(connection)
    .await
}

/// The names of a list as PostgreSQL writes it: `"$user", public`.
pub(crate) fn names(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = list.trim_start();
    while !rest.is_empty() {
        let mut name = String::new();
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut chars = quoted.char_indices().peekable();
            let mut end = quoted.len();
            while let Some((at, c)) = chars.next() {
                if c != '"' {
                    name.push(c);
                } else if chars.next_if(|(_, next)| *next == '"').is_some() {
                    name.push('"');
                } else {
                    end = at + 1;
                    break;
                }
            }
            rest = &quoted[end..];
            rest = rest.find(',').map_or("", |comma| &rest[comma + 1..]);
        } else {
            let (word, after) = rest.split_once(',').unwrap_or((rest, ""));
            name = word.trim().to_lowercase();
            rest = after;
        }
        if !name.is_empty() {
            names.push(name);
        }
        rest = rest.trim_start();
    }
    names
}

/// Whether somebody chose the search_path for this very role, rather than for everyone in the database.
pub(crate) async fn has_path_of_its_own(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    query_scalar(
        "select exists (
             select
               from pg_db_role_setting as own
               join pg_roles as role on role.oid = own.setrole
              where role.rolname = session_user
                and own.setdatabase in (0, (select oid from pg_database where datname = current_database()))
                and exists (select from unnest(own.setconfig) as setting where setting like 'search\\_path=%'))",
    )
    .fetch_one(connection)
    .await
}

/// Why reading rows of a relation would run what others wrote, in words; `None` when it would not. Reading evaluates more
/// than columns: views, policies, casts of a column's type, and while it is planned the expressions of indexes, checks and
/// statistics. What belongs to a superuser or to the console's own role is trusted.
pub(crate) async fn distrust(
    connection: &mut PgConnection,
    relation: Oid,
) -> Result<Option<String>, sqlx::Error> {
    let found = distrusted(connection, &[relation]).await?;
    Ok(found.into_iter().next().map(|(_, why)| why))
}

/// Those of several relations of which [`distrust`] holds, each with the reason.
pub(crate) async fn distrusted(
    connection: &mut PgConnection,
    relations: &[Oid],
) -> Result<Vec<(Oid, String)>, sqlx::Error> {
    query_as(
        "with recursive
         -- The relations, and those that are read with each.
         relations (root, oid) as (
             select oid, oid
               from unnest($1::oid[]) as asked (oid)
              union
             select relations.root, heir.inhrelid
               from pg_inherits as heir
               join relations on relations.oid = heir.inhparent
         ),
         -- What belongs to them.
         parts (root, class, oid) as (
             select root, 'pg_class'::regclass::oid, oid from relations
              union all
             select root, 'pg_class'::regclass::oid, indexrelid from pg_index join relations on oid = indrelid
              union all
             select root, 'pg_constraint'::regclass::oid, part.oid
               from pg_constraint as part
               join relations on relations.oid = part.conrelid
              union all
             select root, 'pg_policy'::regclass::oid, part.oid
               from pg_policy as part
               join relations on relations.oid = part.polrelid
              union all
             select root, 'pg_rewrite'::regclass::oid, part.oid
               from pg_rewrite as part
               join relations on relations.oid = part.ev_class
              union all
             select root, 'pg_statistic_ext'::regclass::oid, part.oid
               from pg_statistic_ext as part
               join relations on relations.oid = part.stxrelid
              union all
             select root, 'pg_attrdef'::regclass::oid, part.oid
               from pg_attrdef as part
               join relations on relations.oid = part.adrelid
         ),
         -- What those name.
         named (root, class, oid) as (
             select root, refclassid, refobjid
               from pg_depend
               join parts on parts.class = classid and parts.oid = objid
              union
             select root, 'pg_type'::regclass::oid, atttypid
               from pg_attribute
               join relations on relations.oid = attrelid
              where attnum > 0
                and not attisdropped
         ),
         -- Whose it is.
         owned (root, what, owner) as (
             select root, 'the function ' || part.oid::regprocedure::text, proowner
               from named
               join pg_proc as part using (oid)
              where class = 'pg_proc'::regclass
              union all
             select root, 'the operator ' || part.oid::regoperator::text, oprowner
               from named
               join pg_operator as part using (oid)
              where class = 'pg_operator'::regclass
              union all
             select root, 'the type ' || part.oid::regtype::text, typowner
               from named
               join pg_type as part using (oid)
              where class = 'pg_type'::regclass
              union all
             select root, 'the operator class ' || opcname::text, opcowner
               from named
               join pg_opclass as part using (oid)
              where class = 'pg_opclass'::regclass
         ),
         reasons (root, why) as (
             select root, 'it is no plain table'
               from pg_class
               join relations using (oid)
              where relkind not in ('r', 'p')
              union all
             select root, 'it uses ' || what
               from owned
              where not exists (
                        select
                          from pg_roles as role
                         where role.oid = owned.owner
                           and (role.rolsuper or role.rolname = current_user))
         )
         select root, min(why) from reasons group by root order by root",
    )
    .bind(relations)
    .fetch_all(connection)
    .await
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_search_path_is_read_as_the_server_writes_it() {
        assert_eq!(names(r#""$user", public"#), ["$user", "public"]);
        assert_eq!(
            names(r#"Shop,"a,b", "x""y" , "" , z"#),
            ["shop", "a,b", "x\"y", "z"]
        );
        assert_eq!(names(""), [""; 0]);
    }
}
