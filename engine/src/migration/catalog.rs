//! What a managed database itself knows of its migrations: sqlx' table, and our ledger beside it.

use contract::Instant;
use sqlx::{AssertSqlSafe, PgConnection, postgres::types::Oid};

use super::source::File;
use crate::{
    quote,
    target::look::{self, query_as, query_scalar},
};

/// The two tables, where they are or will be. Names are qualified, because a migration may change the search path.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    /// sqlx' table.
    pub sqlx: String,
    /// Whether it is there.
    pub sqlx_exists: bool,
    /// Our ledger.
    pub ledger: String,
    /// Whether it is there.
    pub ledger_exists: bool,
}

/// A row of sqlx' table.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct AppliedRow {
    /// The version.
    pub version: i64,
    /// Its description at that time.
    pub description: String,
    /// When it was applied or begun.
    pub installed_on: Instant,
    /// False while a file without transaction is not done.
    pub success: bool,
    /// SHA-384 of the text that was applied.
    pub checksum: Vec<u8>,
    /// Nanoseconds; -1 when that is not known.
    pub execution_time: i64,
}

/// A row of our ledger.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct LedgerRow {
    /// The version.
    pub version: i64,
    /// Who applied it.
    pub applied_by: String,
    /// When it was done.
    pub finished_at: Option<Instant>,
    /// How long it took.
    pub duration_ms: Option<i64>,
    /// Statements that are done, of a file without transaction.
    pub statements_done: i32,
    /// What the server said to the one that failed.
    pub failed_with: Option<String>,
}

/// A schema that has one of the two tables.
#[derive(sqlx::FromRow)]
struct HomeRow {
    schema: String,
    sqlx: Option<Oid>,
    ledger: Option<Oid>,
}

/// Where the tables are, or why that cannot be told.
pub(crate) enum Place {
    /// They are or will be here.
    Here(Tables),
    /// No schema of the search path exists.
    NoSchema,
    /// Several schemas have them, and none is on the search path.
    Several(Vec<String>),
    /// Reading this table would run what its owner wrote; why.
    Distrusted(String, String),
}

/// Finds the tables: on the search path, else wherever they are. A migration may have changed the search path of the
/// whole database since; then they are the ones that the console wrote, or that hold one of `files` as it is. A search path
/// of the role's or the URL's own (`chosen`) is meant: each tenant has tables of its own then.
pub(crate) async fn tables(
    connection: &mut PgConnection,
    files: &[File],
    chosen: bool,
) -> Result<Place, sqlx::Error> {
    let path = look::users_schemas(&mut *connection).await?;
    let homes: Vec<HomeRow> = query_as(
        "select schema.nspname::text as schema,
                max(class.oid) filter (where class.relname = '_sqlx_migrations') as sqlx,
                max(class.oid) filter (where class.relname = '_pgsteward_migrations') as ledger
           from pg_class as class
           join pg_namespace as schema on schema.oid = class.relnamespace
          where class.relname in ('_sqlx_migrations', '_pgsteward_migrations')
            and schema.nspname !~ '^pg_'
          group by 1
          order by 1",
    )
    .fetch_all(&mut *connection)
    .await?;
    for home in &homes {
        for (name, oid) in [
            ("_sqlx_migrations", home.sqlx),
            ("_pgsteward_migrations", home.ledger),
        ] {
            if let Some(oid) = oid
                && let Some(why) = look::distrust(&mut *connection, oid).await?
            {
                return Ok(Place::Distrusted(quote::qualified(&home.schema, name), why));
            }
        }
    }
    let on_path = path.iter().find_map(|schema| {
        homes
            .iter()
            .find(|home| home.sqlx.is_some() && home.schema == *schema)
    });
    if let Some(home) = on_path {
        return Ok(Place::Here(Tables::of(home)));
    }
    if !chosen && !look::has_path_of_its_own(&mut *connection).await? {
        let mut ours = Vec::new();
        for home in homes.iter().filter(|home| home.sqlx.is_some()) {
            let tables = Tables::of(home);
            if home.ledger.is_some() || holds(connection, &tables, files).await? {
                ours.push(tables);
            }
        }
        match ours.len() {
            0 => {}
            1 => return Ok(Place::Here(ours.remove(0))),
            _ => {
                return Ok(Place::Several(
                    ours.into_iter().map(|tables| tables.sqlx).collect(),
                ));
            }
        }
    }
    let Some(first) = path.first() else {
        return Ok(Place::NoSchema);
    };
    let home = homes.into_iter().find(|home| home.schema == *first);
    Ok(Place::Here(Tables::of(&home.unwrap_or_else(|| HomeRow {
        schema: first.clone(),
        sqlx: None,
        ledger: None,
    }))))
}

impl Tables {
    fn of(home: &HomeRow) -> Self {
        Self {
            sqlx: quote::qualified(&home.schema, "_sqlx_migrations"),
            sqlx_exists: home.sqlx.is_some(),
            ledger: quote::qualified(&home.schema, "_pgsteward_migrations"),
            ledger_exists: home.ledger.is_some(),
        }
    }
}

/// Whether sqlx' table holds one of these files, as it is.
async fn holds(connection: &mut PgConnection, tables: &Tables, files: &[File]) -> Result<bool, sqlx::Error> {
    let rows = applied(connection, tables).await?;
    Ok(rows.iter().any(|row| {
        files
            .iter()
            .any(|file| file.version == row.version && file.has(&row.checksum))
    }))
}

/// The newest applied migration, where the table of migrations is there and may be read.
pub(crate) async fn newest(
    connection: &mut PgConnection,
    tables: &Tables,
) -> Result<Option<i64>, sqlx::Error> {
    let readable: bool =
        query_scalar("select coalesce(has_table_privilege(to_regclass($1)::oid, 'select'), false)")
            .bind(&tables.sqlx)
            .fetch_one(&mut *connection)
            .await?;
    if !readable {
        return Ok(None);
    }
    let sql = format!("select max(version) from {} where success", tables.sqlx);
    query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await
}

/// Every row of sqlx' table, by version.
pub(crate) async fn applied(
    connection: &mut PgConnection,
    tables: &Tables,
) -> Result<Vec<AppliedRow>, sqlx::Error> {
    if !tables.sqlx_exists {
        return Ok(Vec::new());
    }
    let sql = format!(
        "select version, description, installed_on, success, checksum, execution_time
           from {}
          order by version",
        tables.sqlx
    );
    query_as(AssertSqlSafe(sql)).fetch_all(connection).await
}

/// Every row of our ledger.
pub(crate) async fn ledger(
    connection: &mut PgConnection,
    tables: &Tables,
) -> Result<Vec<LedgerRow>, sqlx::Error> {
    if !tables.ledger_exists {
        return Ok(Vec::new());
    }
    let sql = format!(
        "select version, applied_by, finished_at, duration_ms, statements_done, failed_with
           from {}",
        tables.ledger
    );
    query_as(AssertSqlSafe(sql)).fetch_all(connection).await
}

/// Whether the rows of sqlx' table and of our ledger may be read.
pub(crate) async fn may_read(connection: &mut PgConnection, tables: &Tables) -> Result<bool, sqlx::Error> {
    query_scalar(
        "select coalesce(has_table_privilege(to_regclass($1)::oid, 'select'), true)
            and coalesce(has_table_privilege(to_regclass($2)::oid, 'select'), true)",
    )
    .bind(&tables.sqlx)
    .bind(&tables.ledger)
    .fetch_one(connection)
    .await
}

/// Whether one schema has the tables that AI-PAL cannot be without.
pub(crate) async fn has_ai_pals_tables(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    query_scalar(
        "select exists (
             select from pg_catalog.pg_class
              where relkind in ('r', 'p')
                and relname in ('user_profiles', 'ari_snapshots', 'edm_debts', 'ffe_goals')
              group by relnamespace
             having pg_catalog.count(*) = 4)",
    )
    .fetch_one(connection)
    .await
}

/// The text of an applied migration that our ledger keeps. A ledger that an earlier version made has no such column.
pub(crate) async fn text(
    connection: &mut PgConnection,
    tables: &Tables,
    version: i64,
) -> Result<Option<String>, sqlx::Error> {
    if !tables.ledger_exists {
        return Ok(None);
    }
    let sql = format!(
        "select pg_catalog.to_jsonb(entry) ->> 'sql' from {} as entry where version = $1",
        tables.ledger
    );
    let found: Option<Option<String>> = query_scalar(AssertSqlSafe(sql))
        .bind(version)
        .fetch_optional(connection)
        .await?;
    Ok(found.flatten())
}
