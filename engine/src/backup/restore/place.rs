//! The new database and the role that loads into it, from their making to their name or their end. Both have names that hold
//! the job's own number until all is done, so that whoever cleans up, in whatever process, knows them for its own.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use hmac::{Hmac, Mac};
use rand::{TryRngCore, rngs::OsRng};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::super::manifest::{Database, Manifest};
use crate::{
    Error, Result,
    quote::{ident, literal},
    target::{
        Target,
        look::{query, query_as, query_scalar},
    },
};

/// Tries to give a database its name while the server still ends sessions in it.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(250);
/// Rounds that a password is hashed: as many as PostgreSQL takes by itself.
const ROUNDS: u32 = 4096;

/// The database's name while it is made.
pub(super) fn working_name(job: Uuid) -> String {
    format!("pgsteward_restoring_{}", job.simple())
}

/// What the names of the roles that load begin with.
pub(super) const ROLES: &str = "pgsteward_restore_";

/// The role that loads.
pub(super) fn role_name(job: Uuid) -> String {
    format!("{ROLES}{}", job.simple())
}

/// What a role that a restore created is marked with.
fn mark(job: Uuid) -> String {
    format!("created by pgsteward to restore a backup, job {job}")
}

/// The role that loads: it may log in and make what it likes in the new database, and nothing else anywhere.
pub(super) struct Login {
    pub role: String,
    pub password: SecretString,
}

impl Login {
    /// Makes the role. What goes over the wire is the password's hash: a server may log its statements.
    ///
    /// With `own` it works in a database of its own, and reads all rows there; else row security holds for it as for anyone.
    pub(super) async fn make(
        connection: &mut PgConnection,
        job: Uuid,
        own: bool,
    ) -> Result<Self, sqlx::Error> {
        let mut bits = [0_u8; 48];
        OsRng
            .try_fill_bytes(&mut bits)
            .map_err(|error| sqlx::Error::Io(std::io::Error::other(error)))?;
        let (password, salt) = bits.split_at(32);
        let login = Self {
            role: role_name(job),
            password: SecretString::from(hex::encode(password)),
        };
        run(
            connection,
            format!(
                "create role {} login nosuperuser nocreatedb nocreaterole noinherit noreplication {}
                        password {}
                        valid until {}",
                ident(&login.role),
                if own { "bypassrls" } else { "nobypassrls" },
                literal(&verifier(login.password.expose_secret(), salt)),
                literal(&(chrono::Utc::now() + chrono::TimeDelta::days(7)).to_rfc3339()),
            ),
        )
        .await?;
        Ok(login)
    }

    pub(super) fn as_pair(&self) -> (&str, &SecretString) {
        (&self.role, &self.password)
    }
}

/// A password as the server keeps it (RFC 5803, as PostgreSQL writes it). The password is of letters and digits, which SASLprep
/// leaves as they are.
fn verifier(password: &str, salt: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let mut block = hmac(password.as_bytes(), &[salt, &[0, 0, 0, 1]].concat());
    let mut salted = block;
    for _ in 1..ROUNDS {
        block = hmac(password.as_bytes(), &block);
        for (into, byte) in salted.iter_mut().zip(block) {
            *into ^= byte;
        }
    }
    let stored = Sha256::digest(hmac(&salted, b"Client Key"));
    let server = hmac(&salted, b"Server Key");
    format!(
        "SCRAM-SHA-256${ROUNDS}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored),
        STANDARD.encode(server)
    )
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    // HMAC takes keys of any length; the error type is for other algorithms.
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key)
        .unwrap_or_else(|_| <Hmac<Sha256> as Mac>::new(&Default::default()));
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// Makes the database, empty and closed to everyone but its owner and superusers. Gives its number.
///
/// # Errors
/// What the server said, with the statement.
pub(super) async fn make(
    connection: &mut PgConnection,
    target: &Target,
    job: Uuid,
    owner: &str,
    like: &Database,
    version_num: i32,
) -> Result<i64> {
    let name = working_name(job);
    let statement = create(&name, owner, like, version_num);
    run(connection, statement.clone())
        .await
        .map_err(|source| target.error_at(source, &statement))?;
    let failed = |source| target.error(source);
    run(
        connection,
        format!(
            "revoke connect, temporary on database {name} from public;
             comment on database {name} is {comment}",
            name = ident(&name),
            comment = literal(&format!(
                "A restore is making this database, or broke off: job {job} of pgsteward."
            )),
        ),
    )
    .await
    .map_err(failed)?;
    number(connection, &name)
        .await
        .map_err(failed)?
        .ok_or_else(|| Error::internal("making a database", "it is not there"))
}

fn create(name: &str, owner: &str, like: &Database, version_num: i32) -> String {
    let mut sql = format!(
        "create database {} owner {} template template0 encoding {} lc_collate {} lc_ctype {}",
        ident(name),
        ident(owner),
        literal(&like.encoding),
        literal(&like.collation),
        literal(&like.character_type),
    );
    let locale = like.locale.as_deref().map(literal);
    match (like.locale_provider.as_deref(), locale) {
        (Some("i"), Some(locale)) => {
            sql.push_str(&format!(" locale_provider icu icu_locale {locale}"));
            if let Some(rules) = like.locale_rules.as_deref().filter(|_| version_num >= 160_000) {
                sql.push_str(&format!(" icu_rules {}", literal(rules)));
            }
        }
        (Some("b"), Some(locale)) => {
            sql.push_str(&format!(" locale_provider builtin builtin_locale {locale}"))
        }
        _ if version_num >= 150_000 => sql.push_str(" locale_provider libc"),
        _ => {}
    }
    sql
}

/// A database's number by its name.
pub(super) async fn number(connection: &mut PgConnection, name: &str) -> Result<Option<i64>, sqlx::Error> {
    query_scalar("select oid::bigint from pg_database where datname = $1")
        .bind(name)
        .fetch_optional(connection)
        .await
}

/// The number of the database that a connection leads to.
pub(super) async fn own_number(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    query_scalar("select oid::bigint from pg_database where datname = current_database()")
        .fetch_one(connection)
        .await
}

/// What a finished database gets.
pub(super) struct Given<'a> {
    pub owner: &'a str,
    /// Whether it gets the rights in the manifest.
    pub rights: bool,
    /// Whether it gets what single roles have set in it, which only a superuser may set.
    pub settings_of_roles: bool,
    pub name: &'a str,
}

/// Gives the finished database its owner, settings, rights and, last of all, its name.
///
/// # Errors
/// What the server said.
pub(super) async fn finish(
    connection: &mut PgConnection,
    target: &Target,
    job: Uuid,
    manifest: &Manifest,
    given: &Given<'_>,
) -> Result<()> {
    let (owner, rights) = (given.owner, given.rights);
    let database = ident(&working_name(job));
    let like = &manifest.database;
    let mut statements = vec![
        format!("alter database {database} owner to {}", ident(owner)),
        // What ran while rows were loaded may have set something for its sessions to come.
        format!("alter database {database} reset all"),
    ];
    for settings in &like.settings {
        let whose = match &settings.role {
            Some(role) if rights && given.settings_of_roles => {
                format!("alter role {} in database {database}", ident(role))
            }
            Some(_) => continue,
            None => format!("alter database {database}"),
        };
        for setting in &settings.settings {
            if let Some((name, value)) = setting.split_once('=') {
                statements.push(format!("{whose} set {}", assignment(name, value)));
            }
        }
    }
    match like.grants.as_deref().filter(|_| rights) {
        Some(grants) => {
            statements.push(format!(
                "revoke all on database {database} from public, {}",
                ident(owner)
            ));
            for grant in grants {
                statements.push(format!(
                    "grant {} on database {database} to {}{}",
                    right(&grant.right),
                    grant.role.as_deref().map_or_else(|| "public".to_owned(), ident),
                    if grant.grantable { " with grant option" } else { "" },
                ));
            }
        }
        None => statements.push(format!(
            "grant connect, temporary on database {database} to public"
        )),
    }
    statements.push(format!(
        "comment on database {database} is {}",
        like.comment.as_deref().map_or_else(|| "null".to_owned(), literal)
    ));
    for statement in statements {
        run(connection, statement.clone())
            .await
            .map_err(|source| target.error_at(source, &statement))?;
    }
    let rename = format!("alter database {database} rename to {}", ident(given.name));
    for attempt in 1.. {
        match run(connection, rename.clone()).await {
            // The sessions that worked in it are still ending.
            Err(sqlx::Error::Database(error))
                if error.code().as_deref() == Some("55006") && attempt < TRIES =>
            {
                tokio::time::sleep(PAUSE).await;
            }
            renamed => return renamed.map_err(|source| target.error_at(source, &rename)),
        }
    }
    Ok(())
}

/// The rights on a database by their names, so that no text of a manifest becomes SQL.
fn right(name: &str) -> &'static str {
    match name {
        "CREATE" => "create",
        "TEMPORARY" => "temporary",
        _ => "connect",
    }
}

/// A setting as `set` takes it. PostgreSQL keeps lists as it reads them, each name in quotes where it needs some.
fn assignment(name: &str, value: &str) -> String {
    const LISTS: [&str; 6] = [
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "shared_preload_libraries",
        "temp_tablespaces",
        "unix_socket_directories",
    ];
    let parts: Vec<String> = name.split('.').map(ident).collect();
    let value = match LISTS.contains(&name.to_ascii_lowercase().as_str()) {
        true => names(value)
            .iter()
            .map(|name| literal(name))
            .collect::<Vec<_>>()
            .join(", "),
        false => literal(value),
    };
    format!(
        "{} to {}",
        parts.join("."),
        if value.is_empty() { "''" } else { &value }
    )
}

/// The names of a list such as `"$user", public`.
fn names(list: &str) -> Vec<String> {
    use crate::lexer::{self, Token};
    let mut found = Vec::new();
    for part in lexer::tokens(list).filter(Token::is_solid) {
        if let Some(name) = part.as_name() {
            found.push(name);
        } else if part.text == "''" {
            found.push(String::new());
        }
    }
    found
}

/// Removes whatever a restore has made on the server, and gives what that was in words. `finished` is the name that the database
/// may have by now, with its number.
///
/// # Errors
/// What the server said; then something is left.
pub(super) async fn remove(
    connection: &mut PgConnection,
    job: Uuid,
    finished: Option<(&str, i64)>,
) -> Result<Vec<String>, sqlx::Error> {
    let mut removed = Vec::new();
    let mut databases = vec![(working_name(job), None)];
    databases.extend(finished.map(|(name, oid)| (name.to_owned(), Some(oid))));
    for (name, oid) in databases {
        match (number(connection, &name).await?, oid) {
            (Some(_), None) => {}
            (Some(found), Some(oid)) if found == oid => {}
            _ => continue,
        }
        drop_database(connection, &name).await?;
        removed.push(format!("the half-made database {name}"));
    }
    removed.extend(remove_roles(connection, job).await?);
    Ok(removed)
}

/// Drops a database with the sessions in it. Where the console's role may not end one, as a worker of autovacuum, it is dropped without that:
/// the server ends its own workers then.
async fn drop_database(connection: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    let name = ident(name);
    let forced = run(connection, format!("drop database if exists {name} with (force)")).await;
    match forced {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42501") => {
            run(connection, format!("drop database if exists {name}")).await
        }
        forced => forced,
    }
}

/// Removes the roles that a restore created, and the one that loads with whatever it owns in the database that the connection leads to;
/// in words.
///
/// # Errors
/// What the server said.
pub(super) async fn remove_roles(
    connection: &mut PgConnection,
    job: Uuid,
) -> Result<Vec<String>, sqlx::Error> {
    let mut removed = Vec::new();
    let created: Vec<String> = query_scalar(
        "select rolname::text
           from pg_roles
          where shobj_description(oid, 'pg_authid') = $1
          order by 1",
    )
    .bind(mark(job))
    .fetch_all(&mut *connection)
    .await?;
    if remove_login(connection, job).await? {
        removed.push(format!("the role {}", role_name(job)));
    }
    for role in created {
        run(connection, format!("drop role {}", ident(&role))).await?;
        removed.push(format!("the role {role}, which it had created"));
    }
    Ok(removed)
}

/// Removes the role that loads, with the rights that it has on things of the whole server; whether it was there.
///
/// # Errors
/// What the server said.
pub(super) async fn remove_login(connection: &mut PgConnection, job: Uuid) -> Result<bool, sqlx::Error> {
    let role = role_name(job);
    let there: bool = query_scalar("select exists (select from pg_roles where rolname = $1)")
        .bind(&role)
        .fetch_one(&mut *connection)
        .await?;
    if there {
        let role = ident(&role);
        run(connection, format!("drop owned by {role}; drop role {role}")).await?;
    }
    Ok(there)
}

/// Creates a role that the backup's roles tell of, marked as made by this job.
///
/// # Errors
/// What the server said.
pub(super) async fn create_role(
    connection: &mut PgConnection,
    job: Uuid,
    role: &super::roles::Stored,
) -> Result<(), sqlx::Error> {
    let name = ident(&role.name);
    run(
        connection,
        format!(
            "create role {name} nosuperuser nocreatedb nocreaterole noreplication {} {};
             comment on role {name} is {}",
            if role.login { "login" } else { "nologin" },
            if role.inherit { "inherit" } else { "noinherit" },
            literal(&mark(job)),
        ),
    )
    .await
}

/// What the server says of the console's role and of itself.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Console {
    pub role: String,
    pub superuser: bool,
    pub may_create: bool,
    pub may_create_roles: bool,
    pub version: String,
    pub version_num: i32,
    pub standby: bool,
    /// Where it keeps its files, when the console's role may know.
    pub folder: Option<String>,
}

pub(super) async fn console(connection: &mut PgConnection) -> Result<Console, sqlx::Error> {
    query_as(
        "select r.rolname::text as role,
                r.rolsuper as superuser,
                r.rolsuper or r.rolcreatedb as may_create,
                r.rolsuper or r.rolcreaterole as may_create_roles,
                split_part(current_setting('server_version'), ' ', 1) as version,
                current_setting('server_version_num')::int as version_num,
                pg_is_in_recovery() as standby,
                case when pg_has_role('pg_read_all_settings', 'usage')
                     then current_setting('data_directory') end as folder
           from pg_roles r
          where r.rolname = current_user",
    )
    .fetch_one(connection)
    .await
}

/// A role of the server.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Role {
    pub name: String,
    pub superuser: bool,
    /// Whether the console's role may give things to it.
    pub reachable: bool,
}

pub(super) async fn roles(connection: &mut PgConnection, names: &[String]) -> Result<Vec<Role>, sqlx::Error> {
    query_as(
        "select rolname::text as name,
                rolsuper as superuser,
                pg_has_role(oid, case when current_setting('server_version_num')::int >= 160000 then 'set'
                                      else 'member' end) as reachable
           from pg_roles
          where rolname = any ($1)",
    )
    .bind(names)
    .fetch_all(connection)
    .await
}

/// An extension's version that can be installed.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Available {
    pub name: String,
    pub version: String,
    pub needs_superuser: bool,
}

pub(super) async fn available(
    connection: &mut PgConnection,
    names: &[String],
) -> Result<Vec<Available>, sqlx::Error> {
    query_as(
        "select name::text,
                version,
                superuser and not trusted as needs_superuser
           from pg_available_extension_versions
          where name = any ($1)",
    )
    .bind(names)
    .fetch_all(connection)
    .await
}

pub(super) async fn tablespaces(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    query_scalar("select spcname::text from pg_tablespace")
        .fetch_all(connection)
        .await
}

/// Whether a database with this collation can surely be made: one has it, or the server knows the locale.
pub(super) async fn knows_locale(
    connection: &mut PgConnection,
    like: &Database,
) -> Result<bool, sqlx::Error> {
    query_scalar(
        "select exists (select from pg_database where datcollate = $1 and datctype = $2)
             or (select count(distinct wanted) = count(distinct collcollate)
                   from unnest(array[$1, $2]) as wanted
                   left join pg_collation on collcollate = wanted and collprovider = 'c')",
    )
    .bind(&like.collation)
    .bind(&like.character_type)
    .fetch_one(connection)
    .await
}

/// The locale of the database that a connection leads to.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Locale {
    pub collation: String,
    pub character_type: String,
}

pub(super) async fn own_locale(connection: &mut PgConnection) -> Result<Locale, sqlx::Error> {
    query_as(
        "select datcollate::text as collation,
                datctype::text as character_type
           from pg_database
          where datname = current_database()",
    )
    .fetch_one(connection)
    .await
}

/// The tables of a database with the planner's estimate of their rows, in the order of their names.
pub(super) async fn tables(
    connection: &mut PgConnection,
) -> Result<Vec<(String, String, Option<i64>)>, sqlx::Error> {
    query_as(
        "select n.nspname::text,
                c.relname::text,
                case when c.reltuples >= 0 then c.reltuples::bigint end
           from pg_class c
           join pg_namespace n on n.oid = c.relnamespace
          where c.relkind = 'r'
            and n.nspname !~ '^pg_'
            and n.nspname <> 'information_schema'
            and not exists (
                    select
                      from pg_depend d
                     where d.classid = 'pg_class'::regclass
                       and d.objid = c.oid
                       and d.deptype = 'e')
          order by 1, 2",
    )
    .fetch_all(connection)
    .await
}

/// The name of the database's encoding.
pub(super) async fn own_encoding(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    query_scalar(
        "select pg_encoding_to_char(encoding)::text from pg_database where datname = current_database()",
    )
    .fetch_one(connection)
    .await
}

/// All that has a table's kind of name, by schema and name.
pub(super) async fn relations(
    connection: &mut PgConnection,
) -> Result<HashSet<(String, String)>, sqlx::Error> {
    let found: Vec<(String, String)> = query_as(
        "select n.nspname::text, c.relname::text
           from pg_class c
           join pg_namespace n on n.oid = c.relnamespace
          where n.nspname !~ '^pg_'
            and n.nspname <> 'information_schema'",
    )
    .fetch_all(connection)
    .await?;
    Ok(found.into_iter().collect())
}

/// The schemas of a database.
pub(super) async fn schemas(connection: &mut PgConnection) -> Result<HashSet<String>, sqlx::Error> {
    let found: Vec<String> = query_scalar("select nspname::text from pg_namespace")
        .fetch_all(connection)
        .await?;
    Ok(found.into_iter().collect())
}

/// The languages in which everyone may write functions.
pub(super) async fn trusted_languages(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    query_scalar("select lanname::text from pg_language where lanpltrusted")
        .fetch_all(connection)
        .await
}

/// The extensions of a database.
pub(super) async fn installed(connection: &mut PgConnection) -> Result<Vec<(String, String)>, sqlx::Error> {
    query_as("select extname::text, extversion from pg_extension")
        .fetch_all(connection)
        .await
}

/// Lets a role bring rows into the tables that extensions keep their settings in.
pub(super) async fn open_extensions(connection: &mut PgConnection, role: &str) -> Result<(), sqlx::Error> {
    let tables: Vec<String> = query_scalar(
        "select distinct format('%I.%I', n.nspname, c.relname)
           from pg_extension e
           join pg_class c on c.oid = any (e.extconfig)
           join pg_namespace n on n.oid = c.relnamespace",
    )
    .fetch_all(&mut *connection)
    .await?;
    for table in tables {
        run(connection, format!("grant all on {table} to {}", ident(role))).await?;
    }
    Ok(())
}

/// Rows of a table without those of its children.
pub(super) async fn rows(
    connection: &mut PgConnection,
    schema: &str,
    name: &str,
) -> Result<i64, sqlx::Error> {
    let sql = format!(
        "select count(*) from only {}",
        crate::quote::qualified(schema, name)
    );
    query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await
}

/// Of each partition, by schema and name, the number of the table that it is a part of in the end.
pub(super) async fn partition_roots(
    connection: &mut PgConnection,
) -> Result<HashMap<(String, String), i64>, sqlx::Error> {
    let found: Vec<(String, String, i64)> = query_as(
        "select n.nspname::text, c.relname::text, pg_partition_root(c.oid)::oid::bigint
           from pg_class c
           join pg_namespace n on n.oid = c.relnamespace
          where c.relispartition
            and c.relkind = 'r'",
    )
    .fetch_all(connection)
    .await?;
    Ok(found
        .into_iter()
        .map(|(schema, name, root)| ((schema, name), root))
        .collect())
}

/// Where a sequence stands, as `setval` takes it.
pub(super) async fn sequence(
    connection: &mut PgConnection,
    schema: &str,
    name: &str,
) -> Result<(i64, bool), sqlx::Error> {
    let sql = format!(
        "select last_value, is_called from {}",
        crate::quote::qualified(schema, name)
    );
    query_as(AssertSqlSafe(sql)).fetch_one(connection).await
}

/// Gives the multirange types that a role owns to the owners of their ranges. Before version 17 they do not go with these.
pub(super) async fn give_multiranges(connection: &mut PgConnection, from: &str) -> Result<(), sqlx::Error> {
    let statements: Vec<String> = query_scalar(
        "select format('alter type %s owner to %I', r.rngmultitypid::regtype, pg_get_userbyid(own.typowner))
           from pg_range r
           join pg_type own on own.oid = r.rngtypid
           join pg_type multi on multi.oid = r.rngmultitypid
          where multi.typowner = (select oid from pg_roles where rolname = $1)
            and multi.typowner <> own.typowner",
    )
    .bind(from)
    .fetch_all(&mut *connection)
    .await?;
    for statement in statements {
        run(connection, statement).await?;
    }
    Ok(())
}

/// What a role still owns in this database, in words.
pub(super) async fn owned(connection: &mut PgConnection, role: &str) -> Result<Vec<String>, sqlx::Error> {
    query_scalar(
        "select pg_describe_object(d.classid, d.objid, d.objsubid)
           from pg_shdepend d
          where d.refclassid = 'pg_authid'::regclass
            and d.refobjid = (select oid from pg_roles where rolname = $1)
            and d.dbid = (select oid from pg_database where datname = current_database())
            and d.deptype = 'o'
          order by 1",
    )
    .bind(role)
    .fetch_all(connection)
    .await
}

/// Whose a schema is.
pub(super) async fn schema_owner(
    connection: &mut PgConnection,
    name: &str,
) -> Result<Option<String>, sqlx::Error> {
    query_scalar("select pg_get_userbyid(nspowner)::text from pg_namespace where nspname = $1")
        .bind(name)
        .fetch_optional(connection)
        .await
}

/// The superuser that the cluster was made with: to whom belongs what nobody else made.
pub(super) async fn first_superuser(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    query_scalar("select pg_get_userbyid(10)::text")
        .fetch_one(connection)
        .await
}

/// The event triggers of a database.
pub(super) async fn event_triggers(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    query_scalar("select evtname::text from pg_event_trigger")
        .fetch_all(connection)
        .await
}

/// Runs statements of the console's own making.
///
/// # Errors
/// What the server said.
pub(super) async fn run(connection: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}

/// How many large objects there are.
pub(super) async fn large_objects(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    query_scalar("select count(*) from pg_largeobject_metadata")
        .fetch_one(connection)
        .await
}

/// Waits a short time only for what others hold.
pub(super) async fn settle(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    query("set lock_timeout = '10s'")
        .execute(&mut *connection)
        .await?;
    query("set statement_timeout = 0")
        .execute(&mut *connection)
        .await?;
    query("set row_security = off").execute(connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_hashed_as_the_server_does() {
        // The password and salt of RFC 7677's example.
        let salt = [
            0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81,
        ];
        assert_eq!(
            verifier("pencil", &salt),
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
             wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
    }

    #[test]
    fn settings_are_set_to_what_they_were() {
        assert_eq!(
            assignment("search_path", "\"$user\", public"),
            "\"search_path\" to '$user', 'public'"
        );
        assert_eq!(assignment("search_path", "\"\""), "\"search_path\" to ''");
        assert_eq!(assignment("app.key", "it's"), "\"app\".\"key\" to 'it''s'");
        assert_eq!(assignment("work_mem", "4MB"), "\"work_mem\" to '4MB'");
    }

    #[test]
    fn every_kind_of_locale_is_made_again() {
        let mut like = Database {
            name: "shop".into(),
            owner: "o".into(),
            bytes: 0,
            encoding: "UTF8".into(),
            collation: "C".into(),
            character_type: "it's".into(),
            locale_provider: None,
            locale: None,
            settings: Vec::new(),
            extensions: Vec::new(),
            large_objects: 0,
            locale_rules: None,
            comment: None,
            grants: None,
        };
        let head = r#"create database "n" owner "o" template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'it''s'"#;
        assert_eq!(create("n", "o", &like, 140_000), head);
        assert_eq!(
            create("n", "o", &like, 150_000),
            format!("{head} locale_provider libc")
        );
        like.locale_provider = Some("i".into());
        like.locale = Some("de".into());
        like.locale_rules = Some("&a < b".into());
        assert_eq!(
            create("n", "o", &like, 160_000),
            format!("{head} locale_provider icu icu_locale 'de' icu_rules '&a < b'")
        );
        like.locale_provider = Some("b".into());
        assert_eq!(
            create("n", "o", &like, 170_000),
            format!("{head} locale_provider builtin builtin_locale 'de'")
        );
    }
}
