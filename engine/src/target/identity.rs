//! Which database a connection leads to. A name and an address are what people say of a database; what it is, its
//! cluster's system identifier and its own number tell. Jobs hang on that, and every session of a job is looked at
//! before it does anything, so that a job never runs anywhere else.

use std::time::{Duration, Instant};

use contract::{Code, Fault, format};
use sqlx::{PgConnection, PgPool, Row, postgres::PgRow};

use super::{Target, series};
use crate::{Error, Result, backup::swap};

/// How often the store is told that a database was seen.
const TELL: Duration = Duration::from_secs(15);
/// A database that was not seen for so long is nobody's at the moment, in seconds.
const FORGOTTEN: i64 = 60;
/// The key of the store's lock under which names are given.
const NAMING: i64 = 0x7067_7374_6e61_6d65;

/// What a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The cluster's own number, which its standbys share; `at <address>` where the console's role may not read it.
    pub system: String,
    /// The database's number in its cluster.
    pub oid: i64,
}

/// What a connection leads to.
pub(crate) struct Found {
    pub identity: Identity,
    /// The database's own name.
    pub database: String,
    /// Whether it holds the tables of a console: users, sessions, audit log.
    pub is_store: bool,
}

/// What is known of a target's database.
pub(super) enum Known {
    /// It was not reached yet.
    Nothing,
    /// It is this one, by its number in the store.
    As {
        id: i64,
        identity: Identity,
        told: Instant,
    },
    /// It must not be managed under this name.
    Refused(Fault),
}

/// Another database that has the name already.
pub(super) struct Other {
    identity: Identity,
    database: String,
    address: String,
    seen_s: i64,
}

/// Asks a connection where it leads. Only the catalog's own functions and operators are called, by their full names,
/// and one message is one statement, so that a pooler may hand it to any session.
///
/// # Errors
/// What the server said.
pub(crate) async fn read(connection: &mut PgConnection, address: &str) -> Result<Found, sqlx::Error> {
    let row = sqlx::raw_sql(
        "select d.oid::pg_catalog.int8,
                d.datname::pg_catalog.text,
                pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'execute'),
                -- What only a console's own database has, all in one schema.
                exists (
                    select
                      from pg_catalog.pg_class c
                     where c.relname operator(pg_catalog.=)
                           any (array['live_sessions', 'login_attempts', 'backup_attempts']::pg_catalog.name[])
                     group by c.relnamespace
                    having pg_catalog.count(*) operator(pg_catalog.=) 3)
           from pg_catalog.pg_database d
          where d.datname operator(pg_catalog.=) pg_catalog.current_database()",
    )
    .fetch_one(&mut *connection)
    .await?;
    let (oid, database): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
    let (readable, is_store): (bool, bool) = (row.try_get(2)?, row.try_get(3)?);
    let system = if readable {
        let row: PgRow = sqlx::raw_sql(
            "select c.system_identifier::pg_catalog.text from pg_catalog.pg_control_system() as c",
        )
        .fetch_one(&mut *connection)
        .await?;
        row.try_get(0)?
    } else {
        format!("at {}", address.to_lowercase())
    };
    Ok(Found {
        identity: Identity { system, oid },
        database,
        is_store,
    })
}

/// Whether two connections lead to one running database, by any address: a lock that one takes is seen by the other.
///
/// # Errors
/// What the servers said.
pub(crate) async fn are_one(one: &mut PgConnection, other: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let key: i64 = rand::random();
    sqlx::query("select pg_catalog.pg_advisory_lock($1)")
        .bind(key)
        .execute(&mut *one)
        .await?;
    let seen = sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "select exists (
                select
                  from pg_catalog.pg_locks l
                  join pg_catalog.pg_database d on d.oid operator(pg_catalog.=) l.database
                 where l.locktype operator(pg_catalog.=) 'advisory'
                   and d.datname operator(pg_catalog.=) pg_catalog.current_database()
                   and l.classid operator(pg_catalog.=) {}::pg_catalog.oid
                   and l.objid operator(pg_catalog.=) {}::pg_catalog.oid
                   and l.objsubid operator(pg_catalog.=) 1)",
        (key as u64) >> 32,
        key as u32,
    )))
    .fetch_one(&mut *other)
    .await;
    sqlx::query("select pg_catalog.pg_advisory_unlock($1)")
        .bind(key)
        .execute(&mut *one)
        .await?;
    seen?.try_get(0)
}

impl Target {
    /// The number in the store of the database that was reached, when it was and may be managed.
    pub(crate) fn known(&self) -> Option<i64> {
        match &*self.identity() {
            Known::As { id, .. } => Some(*id),
            Known::Nothing | Known::Refused(_) => None,
        }
    }

    /// Why the database that was reached must not be managed under this name, if so.
    pub(crate) fn refusal(&self) -> Option<Fault> {
        match &*self.identity() {
            Known::Refused(fault) => Some(fault.clone()),
            Known::Nothing | Known::As { .. } => None,
        }
    }

    /// The number of its database for a new job. For one that does not touch the database (`offline`), what the store
    /// knows of the name will do; else it is reached now.
    ///
    /// # Errors
    /// `Target` when it cannot be reached; `Refused`; the store's failures.
    pub(crate) async fn database_id(&self, offline: bool) -> Result<i64> {
        // Another process may have swapped another database in.
        if let Some(id) = self.known()
            && id_of_name(self.store(), self.name()).await? == Some(id)
        {
            return Ok(id);
        }
        if offline && let Some(id) = id_of_name(self.store(), self.name()).await? {
            return Ok(id);
        }
        self.connect("look").await?;
        self.known()
            .ok_or_else(|| Error::internal("learning which database this is", "it was not learned"))
    }

    /// What its database is: for a job the one that it is for, else the one that was reached or, before that, the one that
    /// the store knows by this name.
    ///
    /// # Errors
    /// `Refused` when another database has the name; the store's failures.
    pub(crate) async fn last_identity(&self) -> Result<Option<Identity>> {
        let id = match (self.bound().or_else(|| self.known()), self.refusal()) {
            (Some(id), _) => id,
            (None, Some(fault)) => return Err(Error::Refused(fault)),
            (None, None) => match id_of_name(self.store(), self.name()).await? {
                Some(id) => id,
                None => return Ok(None),
            },
        };
        let row = sqlx::query!("select system_identifier, oid from databases where id = $1", id)
            .fetch_one(self.store())
            .await?;
        Ok(Some(Identity {
            system: row.system_identifier,
            oid: row.oid,
        }))
    }

    /// Looks where a connection leads. It must be the database that the store knows by this name, and for a job the one
    /// that the job is for.
    ///
    /// # Errors
    /// `Refused`, with both databases and what to do; what server and store said.
    pub(crate) async fn check(&self, connection: &mut PgConnection) -> Result<()> {
        let found = read(connection, &self.address())
            .await
            .map_err(|source| self.error(source))?;
        let known = match &*self.identity() {
            Known::As { id, identity, told } if *identity == found.identity && !found.is_store => {
                Some((*id, told.elapsed() < TELL))
            }
            _ => None,
        };
        let id = match known {
            Some((id, true)) => id,
            // A store that is away for a moment is no reason to doubt what was found before.
            Some((id, false)) => self.learn(connection, found).await.unwrap_or(id),
            None => self.learn(connection, found).await?,
        };
        match self.bound() {
            Some(bound) if bound != id => Err(Error::conflict(
                format!(
                    "{} leads to another database than the one this job is for.",
                    self.address()
                ),
                "Nothing was touched. Look at what is behind the address of this managed database now, then start it again.",
            )),
            _ => Ok(()),
        }
    }

    async fn learn(&self, connection: &mut PgConnection, mut found: Found) -> Result<i64> {
        if found.is_store {
            return Err(self.refuse(is_store(self, &found)));
        }
        let mut registered = register(self, &found, false).await?;
        if registered.is_err() {
            // A name that changed hands a moment ago: a session of before is gone, and a pooler's leads elsewhere now.
            found = read(connection, &self.address())
                .await
                .map_err(|source| self.error(source))?;
            registered = register(self, &found, false).await?;
        }
        if let Err(other) = &registered
            && other.identity.system == found.identity.system
            && !exists(connection, other.identity.oid)
                .await
                .map_err(|source| self.error(source))?
        {
            tracing::warn!(
                target.name = self.name(),
                "the database was dropped and made anew; its name stands for the new one"
            );
            registered = register(self, &found, true).await?;
        }
        if let Err(other) = &registered
            && swapped(self.store(), other, &found).await?
        {
            tracing::info!(
                target.name = self.name(),
                "another database was swapped in; the name stands for it"
            );
            registered = register(self, &found, true).await?;
        }
        match registered {
            Ok(id) => {
                // What the pool still holds may lead to the one before, on a standby for as long as it is held.
                if self.known().is_some_and(|before| before != id) {
                    self.close_idle().await;
                }
                self.set_identity(Known::As {
                    id,
                    identity: found.identity,
                    told: Instant::now(),
                });
                Ok(id)
            }
            Err(other) => Err(self.refuse(two_databases(self, &found, &other))),
        }
    }

    fn refuse(&self, fault: Fault) -> Error {
        self.set_identity(Known::Refused(fault.clone()));
        Error::Refused(fault)
    }

    /// Lets the name stand for the database that is reached now. Jobs that wait for the other one are cancelled.
    ///
    /// # Errors
    /// `Refused` when the other database is still seen by a console, or this one is a console's own; what server and
    /// store said.
    pub(super) async fn adopt(&self) -> Result<Option<String>> {
        let mut connection = self
            .connect_unchecked(super::pool::JOB_CONNECT_TIMEOUT, "adopt")
            .await?;
        let found = read(&mut connection, &self.address())
            .await
            .map_err(|source| self.error(source))?;
        if found.is_store {
            return Err(Error::Refused(is_store(self, &found)));
        }
        let Err(other) = register(self, &found, false).await? else {
            return Ok(None);
        };
        if other.seen_s < FORGOTTEN {
            return Err(Error::conflict(
                format!(
                    "\"{}\" still stands for the database \"{}\" at {}, which a console saw {} ago.",
                    self.name(),
                    other.database,
                    other.address,
                    format::duration(other.seen_s.max(0) * 1000),
                ),
                "If both are to be managed, give one of them another name. If the other one is to go, stop the console \
                 that manages it, wait a minute, and try again.",
            ));
        }
        match register(self, &found, true).await? {
            Ok(_) => Ok(Some(format!(
                "It stood for \"{}\" at {} and stands for \"{}\" at {} now.",
                other.database,
                other.address,
                found.database,
                self.address(),
            ))),
            Err(_) => Err(Error::internal("adopting a database", "its name was not given")),
        }
    }
}

/// Whether a swap put the database that was found in the place of another. One whose process died before it could write that
/// down is written down now.
async fn swapped(store: &PgPool, other: &Other, found: &Found) -> Result<bool, sqlx::Error> {
    let Some(swap) = swap::between(store, &other.identity, &found.identity).await? else {
        return Ok(false);
    };
    if swap.live_name != found.database {
        return Ok(false);
    }
    if swap.is_open() {
        swap::made(store, &swap).await?;
    }
    Ok(true)
}

/// Whether a cluster still has a database of this number.
async fn exists(connection: &mut PgConnection, oid: i64) -> Result<bool, sqlx::Error> {
    let row = sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "select exists (
                select
                  from pg_catalog.pg_database d
                 where d.oid operator(pg_catalog.=) {oid}::pg_catalog.oid)"
    )))
    .fetch_one(connection)
    .await?;
    row.try_get(0)
}

/// The database that the store knows by a name.
async fn id_of_name(store: &PgPool, name: &str) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!("select database_id from database_names where name = $1", name)
        .fetch_optional(store)
        .await
}

/// Until the transaction ends, nobody else gives a name.
pub(crate) async fn lock_names(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("select pg_advisory_xact_lock($1)", NAMING)
        .execute(connection)
        .await?;
    Ok(())
}

/// A database's number in the store, which it gets now if it has none.
pub(crate) async fn id_of(connection: &mut PgConnection, identity: &Identity) -> Result<i64, sqlx::Error> {
    sqlx::query!(
        "insert into databases (system_identifier, oid)
         values ($1, $2)
             on conflict do nothing",
        identity.system,
        identity.oid,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query_scalar!(
        "select id from databases where system_identifier = $1 and oid = $2",
        identity.system,
        identity.oid,
    )
    .fetch_one(connection)
    .await
}

/// Writes down that a name stands for a database and was seen now. Gives the database's number in the store, or, unless
/// this is to be changed, the other database that has the name already.
async fn register(target: &Target, found: &Found, adopt: bool) -> Result<Result<i64, Other>, sqlx::Error> {
    let name = target.name();
    let mut transaction = target.store().begin().await?;
    lock_names(&mut transaction).await?;
    let id = id_of(&mut transaction, &found.identity).await?;
    let named = sqlx::query!(
        r#"select d.id, d.system_identifier, d.oid, n.database, n.address,
                  extract(epoch from clock_timestamp() - n.seen_at)::bigint as "seen_s!"
             from database_names n
             join databases d on d.id = n.database_id
            where n.name = $1"#,
        name,
    )
    .fetch_optional(&mut *transaction)
    .await?;
    if let Some(named) = named
        && named.id != id
    {
        if !adopt {
            return Ok(Err(Other {
                identity: Identity {
                    system: named.system_identifier,
                    oid: named.oid,
                },
                database: named.database,
                address: named.address,
                seen_s: named.seen_s,
            }));
        }
        forsake(&mut transaction, name, named.id).await?;
    }
    sqlx::query!(
        "insert into database_names (name, database_id, database, address)
         values ($1, $2, $3, $4)
             on conflict (name) do update
            set named_at = case when database_names.database_id = excluded.database_id then database_names.named_at
                                else excluded.named_at end,
                database_id = excluded.database_id,
                database = excluded.database,
                address = excluded.address,
                seen_at = excluded.seen_at",
        name,
        id,
        found.database,
        target.address(),
    )
    .execute(&mut *transaction)
    .await?;
    bind(&mut transaction, name, id).await?;
    rename(&mut transaction, target, id).await?;
    series::of(&mut transaction, id, name, &target.address()).await?;
    transaction.commit().await?;
    Ok(Ok(id))
}

/// Gives what was written down before databases had an identity to the database that has the name.
async fn bind(connection: &mut PgConnection, name: &str, id: i64) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update jobs
            set database_id = $2
          where target = $1
            and database_id is null
            -- The same database by another name is at work: this one has its turn when that is over.
            and not (work <> 'aside'
                     and state in ('queued', 'running', 'cancelling')
                     and exists (
                         select
                           from jobs other
                          where other.database_id = $2
                            and other.work <> 'aside'
                            and other.state in ('queued', 'running', 'cancelling')))",
        name,
        id,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A database that was seen under another name before it got this one, and is not any more, was renamed: what is written
/// down follows. A standby is the same database and may well have a name of its own, with another console.
async fn rename(connection: &mut PgConnection, target: &Target, id: i64) -> Result<(), sqlx::Error> {
    let name = target.name();
    let former = sqlx::query_scalar!(
        "delete from database_names former
          using database_names own
          where own.name = $1
            and own.database_id = $2
            and former.database_id = $2
            and former.name <> all($3)
            and former.seen_at < own.named_at
            and former.seen_at < clock_timestamp() - make_interval(secs => $4)
        returning former.name",
        name,
        id,
        target.names(),
        FORGOTTEN as f64,
    )
    .fetch_all(&mut *connection)
    .await?;
    if former.is_empty() {
        return Ok(());
    }
    tracing::info!(
        target.name = name,
        ?former,
        "the managed database has another name now"
    );
    sqlx::query!(
        "update jobs set target = $1, version = version + 1 where target = any($2) and database_id = $3",
        name,
        &former,
        id
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "update imports set target = $1 where target = any($2)",
        name,
        &former
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "update backups set target = $1, stamp = '' where target = any($2)",
        name,
        &former
    )
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// Ends the jobs of a database whose name stands for another one from now on: nobody will ever take them.
pub(crate) async fn forsake(connection: &mut PgConnection, name: &str, id: i64) -> Result<(), sqlx::Error> {
    let fault = Fault::new(
        Code::Conflict,
        format!("\"{name}\" stands for another database now than the one this job was for."),
    )
    .hint("Look at what it left in the other database, if that is still there; then start it again.");
    sqlx::query!(
        "update jobs
            set state = 'interrupted', fault = $3, finished_at = now(), version = version + 1
          where database_id = $2
            and target = $1
            and state in ('queued', 'running', 'cancelling')",
        name,
        id,
        sqlx::types::Json(fault) as _,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What is said of a managed database that is a console's own.
pub(crate) fn is_own_store(name: &str, database: &str, address: &str) -> Fault {
    Fault::new(
        Code::Conflict,
        format!("\"{name}\" (the database \"{database}\" at {address}) is the console's own database, which holds its users and its audit log."),
    )
    .hint(
        "Name another database in PGSTEWARD_STORE_URL, such as postgresql://…/pgsteward_store, which is created when \
         missing; or take this one out of DATABASE_URL and pgsteward.toml.",
    )
}

fn is_store(target: &Target, found: &Found) -> Fault {
    let (name, database, address) = (target.name(), &found.database, target.address());
    if *target.store_identity() == found.identity {
        return is_own_store(name, database, &address);
    }
    Fault::new(
        Code::Conflict,
        format!("\"{name}\" (the database \"{database}\" at {address}) is the own database of a pgsteward console, with its users and its audit log."),
    )
    .hint("Name the database to manage in DATABASE_URL or pgsteward.toml; a console's own database is managed by nobody.")
}

fn two_databases(target: &Target, found: &Found, other: &Other) -> Fault {
    let name = target.name();
    Fault::new(
        Code::Conflict,
        format!(
            "\"{name}\" stands for two databases in this console's store: \"{}\" at {}, last seen {} ago, and now \"{}\" at {}.",
            other.database,
            other.address,
            format::duration(other.seen_s.max(0) * 1000),
            found.database,
            target.address(),
        ),
    )
    .hint(format!(
        "Give one of them another name (name = \"…\" in pgsteward.toml), or give the second console a store of its own \
         (PGSTEWARD_STORE_URL). If the database was moved or restored and this is its new place: pgsteward target adopt {name}"
    ))
}
