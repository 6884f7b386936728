//! The console's own database: made when it is missing, kept apart from what is managed, and migrated. What keeps it from
//! being used is told to who starts the console, with the statements that mend it.

use std::{error::Error as _, time::Duration};

use contract::{Code, Fault, Instant};
use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{
    Error, Result,
    config::EngineConfig,
    quote,
    target::{self, address, identity},
};

/// The console's own tables.
static STORE: Migrator = sqlx::migrate!("../migrations/store");

/// SQLSTATE of a right that is missing.
const NO_RIGHT: &str = "42501";
/// SQLSTATE of a database that is not there.
const NO_DATABASE: &str = "3D000";

/// Opens the store. Its database is made when it is missing.
///
/// # Errors
/// `Refused` when it is a managed database or on a standby, or a right is missing; else what the server said.
pub(crate) async fn open(config: &EngineConfig) -> Result<PgPool> {
    let options = &config.store;
    create_if_missing(options).await?;
    let failed = |error| failed(options, error);
    let pool = PgPoolOptions::new()
        .max_connections(config.store_connections)
        .acquire_timeout(Duration::from_secs(10))
        .connect_with(
            options
                .clone()
                .application_name("pgsteward store")
                .disable_statement_logging(),
        )
        .await
        .map_err(failed)?;
    refuse_a_standby(&mut *pool.acquire().await?, options).await?;
    refuse_to_settle_in_a_target(config).await?;
    match STORE.run(&pool).await {
        Ok(()) => Ok(pool),
        Err(error) => {
            pool.close().await;
            if sqlstate_in(&error).as_deref() == Some(NO_RIGHT) {
                return Err(Error::Refused(may_not_create_tables(options)));
            }
            Err(Error::internal("migrating the console's own tables", error))
        }
    }
}

/// When the console's own tables were made. Asked at run time, because the table is the migrator's own.
///
/// # Errors
/// The store's failures.
pub(crate) async fn made_at(store: &PgPool) -> Result<Option<Instant>> {
    let made = sqlx::query_scalar("select min(installed_on) from _sqlx_migrations")
        .fetch_one(store)
        .await?;
    Ok(made)
}

/// Before the console's own tables are made: they must not be made in a managed database, by whatever address it is named.
/// A target that is away now is looked at when it comes.
async fn refuse_to_settle_in_a_target(config: &EngineConfig) -> Result<()> {
    let failed = |error| failed(&config.store, error);
    let mut store = PgConnection::connect_with(&config.store).await.map_err(failed)?;
    if !identity::read(&mut store, "").await.map_err(failed)?.is_store {
        for target in &config.targets {
            let connecting = PgConnection::connect_with(&target.options);
            let Ok(Ok(mut connection)) = tokio::time::timeout(target::CONNECT_TIMEOUT, connecting).await
            else {
                continue;
            };
            if identity::are_one(&mut store, &mut connection)
                .await
                .map_err(failed)?
            {
                let fault =
                    identity::is_own_store(&target.name, name(&config.store), &address(&target.options));
                return Err(Error::Refused(fault));
            }
        }
    }
    store.close().await.map_err(failed)
}

/// Creates the store's database when the server does not have it.
async fn create_if_missing(options: &PgConnectOptions) -> Result<()> {
    let missing = match PgConnection::connect_with(options).await {
        Ok(connection) => return connection.close().await.map_err(|error| failed(options, error)),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(NO_DATABASE) => error,
        Err(error) => return Err(failed(options, error)),
    };
    tracing::info!(
        database = name(options),
        reason = missing.message(),
        "creating the console's own database"
    );
    let mut admin = match PgConnection::connect_with(&options.clone().database("postgres")).await {
        Ok(admin) => admin,
        Err(error) => match sqlstate(&error).as_deref() {
            Some(NO_DATABASE | NO_RIGHT) => return Err(Error::Refused(may_not_create(options))),
            _ => return Err(failed(options, error)),
        },
    };
    refuse_a_standby(&mut admin, options).await?;
    let create = format!("create database {}", quote::ident(name(options)));
    match sqlx::query(sqlx::AssertSqlSafe(create)).execute(&mut admin).await {
        Ok(_) => Ok(()),
        Err(error) => match sqlstate(&error).as_deref() {
            // Another console process was first.
            Some("42P04" | "23505") => Ok(()),
            Some(NO_RIGHT) => Err(Error::Refused(may_not_create(options))),
            _ => Err(failed(options, error)),
        },
    }
}

async fn refuse_a_standby(connection: &mut PgConnection, options: &PgConnectOptions) -> Result<()> {
    let standby: bool = sqlx::query_scalar("select pg_is_in_recovery()")
        .fetch_one(connection)
        .await
        .map_err(|error| failed(options, error))?;
    if !standby {
        return Ok(());
    }
    let fault = Fault::new(
        Code::Conflict,
        format!(
            "The console's own database cannot be at {}: that server is a standby, where nothing can be written.",
            address(options)
        ),
    )
    .hint(
        "Set PGSTEWARD_STORE_URL to a database on a primary, such as \
         postgresql://steward@primary.example:5432/pgsteward; it is created when missing. DATABASE_URL may go on naming \
         the standby.",
    );
    Err(Error::Refused(fault))
}

fn name(options: &PgConnectOptions) -> &str {
    options.get_database().unwrap_or("pgsteward")
}

fn may_not_create(options: &PgConnectOptions) -> Fault {
    let (database, user) = (name(options), options.get_username());
    Fault::new(
        Code::Conflict,
        format!(
            "The console needs a database of its own, \"{database}\" at {}, and its user \"{user}\" may not create it.",
            address(options)
        ),
    )
    .hint(format!(
        "As an administrator of that server: create database {} owner {}; — or name a database of the console's own in \
         PGSTEWARD_STORE_URL.",
        quote::ident(database),
        quote::ident(user),
    ))
}

fn may_not_create_tables(options: &PgConnectOptions) -> Fault {
    let (database, user) = (name(options), options.get_username());
    Fault::new(
        Code::Conflict,
        format!(
            "The console's user \"{user}\" may not create tables in the console's own database, \"{database}\" at {}.",
            address(options)
        ),
    )
    .hint(format!(
        "As an administrator of that server: alter database {0} owner to {1}; and, connected to {0}: grant usage, create \
         on schema public to {1};",
        quote::ident(database),
        quote::ident(user),
    ))
}

/// The store cannot be used at start: the reader is the one who set it up, so say what the server said.
fn failed(options: &PgConnectOptions, source: sqlx::Error) -> Error {
    tracing::error!(error = %source, "the store cannot be used");
    if sqlstate(&source).as_deref() == Some(NO_RIGHT) {
        let (database, user) = (name(options), options.get_username());
        let fault = Fault::new(
            Code::Conflict,
            format!(
                "The console's user \"{user}\" may not use the console's own database, \"{database}\" at {}.",
                address(options)
            ),
        );
        return Error::Refused(fault.hint(format!(
            "As an administrator of that server: alter database {} owner to {};",
            quote::ident(database),
            quote::ident(user),
        )));
    }
    let inner = target::explain::fault("the console's own database", &source, None);
    let mut fault = Fault::new(Code::Internal, inner.message);
    fault.hint = inner.hint.or(Some(
        "Check PGSTEWARD_STORE_URL, or DATABASE_URL when that is not set.".into(),
    ));
    Error::Refused(fault)
}

fn sqlstate(error: &sqlx::Error) -> Option<String> {
    match error {
        sqlx::Error::Database(error) => error.code().map(|code| code.into_owned()),
        _ => None,
    }
}

/// The SQLSTATE that a migration failed with.
fn sqlstate_in(error: &sqlx::migrate::MigrateError) -> Option<String> {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<sqlx::Error>() {
            return sqlstate(error);
        }
        next = error.source();
    }
    None
}
