//! The table `audit_logs` of a managed database, as AI-PAL writes it.

use contract::{
    Instant,
    audit::{AuditEntry, AuditQuery, Outcome, Severity},
};
use sqlx::{AssertSqlSafe, PgConnection};

use super::{MOST_NAMES, cursor::Cursor};
use crate::{
    Error, Result, quote,
    target::{
        Target,
        look::{self, query_as, query_scalar},
    },
};

/// How the log is read: in the order that an index gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// By time, then number: for one user's entries, when the guide's index on both is there.
    Time,
    /// By number, which the primary key gives and which is the order of writing.
    Number,
}

/// What can be read without going through the whole table.
#[derive(sqlx::FromRow)]
struct Shape {
    by_user_and_time: bool,
    by_user: bool,
    by_type: bool,
}

/// A log that is there, with an open connection to it.
pub(super) struct Log<'a> {
    target: &'a Target,
    connection: &'a mut PgConnection,
    /// Its name with its schema, as SQL writes it.
    table: String,
    shape: Shape,
}

#[derive(sqlx::FromRow)]
struct EntryRow {
    id: i64,
    at: Instant,
    severity: String,
    event_type: String,
    user_id: Option<String>,
    ip_address: Option<String>,
    resource: Option<String>,
    result: String,
    detail: String,
}

/// The columns, as text of the statement. Times are UTC without saying so. A time that no calendar holds
/// (`infinity`) is shown as the last one that it does.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select id::int8 as id,
                    least(greatest(timestamp, '0001-01-01'), '9999-12-31') at time zone 'utc' as at,
                    severity::text as severity,
                    event_type::text as event_type,
                    user_id::text as user_id,
                    ip_address::text as ip_address,
                    resource::text as resource,
                    result::text as result,
                    concat_ws(
                        ' · ',
                        nullif(action, event_type),
                        component,
                        case when details <> '{}' then left(details::text, 4000) end
                    ) as detail
               from audit_logs
              where ($1::text is null or user_id = $1)
                and ($2::text is null or event_type = $2)
                and ($3::text is null or severity = $3)
                and ($4::timestamp is null or timestamp >= $4)
                and ($5::timestamp is null or timestamp < $5) ",
            $rest
        )
    };
}

impl<'a> Log<'a> {
    /// Looks whether the log is there, and what it offers.
    ///
    /// # Errors
    /// `NotFound`, with what to do; the target's failures.
    pub(super) async fn open(target: &'a Target, connection: &'a mut PgConnection) -> Result<Self> {
        let failed = |source| target.error(source);
        let Some((oid, schema)) = look::find(&mut *connection, "audit_logs").await.map_err(failed)? else {
            return Err(missing(target));
        };
        let table = quote::qualified(&schema, "audit_logs");
        if let Some(why) = look::distrust(&mut *connection, oid).await.map_err(failed)? {
            return Err(Error::conflict(
                format!("The console does not read {table} of {}: {why}.", target.name()),
                "What reading it runs would run with the console's rights. Give that object to a superuser or to the \
                 console's role, or keep the log in a plain table.",
            ));
        }
        let shape: Shape = query_as(
            "with
             -- Usable b-trees of the log by their first two columns.
             trees as (
                 select first.attname as first,
                        second.attname as second
                   from pg_index as index
                   join pg_class as class on class.oid = index.indexrelid
                   join pg_am as method on method.oid = class.relam and method.amname = 'btree'
                   join pg_attribute as first
                     on first.attrelid = index.indrelid and first.attnum = index.indkey[0]
                   left join pg_attribute as second
                     on second.attrelid = index.indrelid and index.indnkeyatts > 1 and second.attnum = index.indkey[1]
                  where index.indrelid = $1
                    and index.indisvalid
                    and index.indpred is null
             )
             select exists (select from trees where first = 'user_id' and second = 'timestamp') as by_user_and_time,
                    exists (select from trees where first = 'user_id') as by_user,
                    exists (select from trees where first = 'event_type') as by_type",
        )
        .bind(oid)
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
        Ok(Self {
            target,
            connection,
            table,
            shape,
        })
    }

    /// A statement about the log, which lies where it was found.
    fn sql(&self, text: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(text.replace("from audit_logs", &format!("from {} as audit_logs", self.table)))
    }

    /// The order in which a query's entries come.
    pub(super) fn order(&self, query: &AuditQuery) -> Order {
        if query.user.is_some() && self.shape.by_user_and_time {
            Order::Time
        } else {
            Order::Number
        }
    }

    /// The newest entries that a query asks for, after `after`, which must be of the query's order.
    pub(super) async fn list(
        &mut self,
        query: &AuditQuery,
        after: Option<Cursor>,
        limit: i64,
    ) -> Result<Vec<AuditEntry>> {
        // An unnamed statement is planned with the values at hand, so that filters which are not set fall away.
        let filtered = |sql: &str| {
            query_as::<EntryRow>(self.sql(sql))
                .bind(query.user.as_deref())
                .bind(query.event_type.as_deref())
                .bind(query.severity.map(Severity::name))
                .bind(query.from.map(|at| at.naive_utc()))
                .bind(query.until.map(|at| at.naive_utc()))
        };
        let asked = match self.order(query) {
            Order::Time => {
                let (at, id) = match after {
                    Some(Cursor::Time { at, id }) => (Some(at.naive_utc()), id),
                    _ => (None, 0),
                };
                filtered(select!(
                    "and ($6::timestamp is null or (timestamp, id) < ($6, $7::int8))
                     order by timestamp desc, id desc
                     limit $8"
                ))
                .bind(at)
                .bind(id)
            }
            Order::Number => {
                let id = match after {
                    Some(Cursor::Number(id)) => Some(id),
                    _ => None,
                };
                filtered(select!(
                    "and ($6::int8 is null or id < $6)
                     order by id desc
                     limit $7"
                ))
                .bind(id)
            }
        };
        let rows = asked
            .bind(limit)
            .fetch_all(&mut *self.connection)
            .await
            .map_err(|source| self.error(source))?;
        Ok(rows.into_iter().map(|row| self.entry(row)).collect())
    }

    /// The cursor after an entry of a query's list.
    pub(super) fn cursor(&self, query: &AuditQuery, entry: &AuditEntry) -> Cursor {
        match self.order(query) {
            Order::Time => Cursor::Time {
                at: entry.at,
                id: entry.id,
            },
            Order::Number => Cursor::Number(entry.id),
        }
    }

    /// Event types that occur, when an index can tell without reading the entries between.
    pub(super) async fn event_types(&mut self) -> Result<Vec<String>> {
        if !self.shape.by_type {
            return Ok(Vec::new());
        }
        query_scalar(self.sql(
            "with recursive found as (
                 (select event_type::text as event_type
                    from audit_logs
                   order by audit_logs.event_type
                   limit 1)
                 union all
                 select (select audit_logs.event_type::text
                           from audit_logs
                          where audit_logs.event_type > found.event_type
                          order by audit_logs.event_type
                          limit 1)
                   from found
                  where found.event_type is not null
             )
             select event_type
               from found
              where event_type is not null
              limit $1",
        ))
        .bind(MOST_NAMES)
        .fetch_all(&mut *self.connection)
        .await
        .map_err(|source| self.error(source))
    }

    /// Users that occur; as [`Self::event_types`].
    pub(super) async fn users(&mut self) -> Result<Vec<String>> {
        if !self.shape.by_user {
            return Ok(Vec::new());
        }
        query_scalar(self.sql(
            "with recursive found as (
                 (select user_id::text as user_id
                    from audit_logs
                   where audit_logs.user_id is not null
                   order by audit_logs.user_id
                   limit 1)
                 union all
                 select (select audit_logs.user_id::text
                           from audit_logs
                          where audit_logs.user_id > found.user_id
                          order by audit_logs.user_id
                          limit 1)
                   from found
                  where found.user_id is not null
             )
             select user_id
               from found
              where user_id is not null
              limit $1",
        ))
        .bind(MOST_NAMES)
        .fetch_all(&mut *self.connection)
        .await
        .map_err(|source| self.error(source))
    }

    fn entry(&self, row: EntryRow) -> AuditEntry {
        let outcome = super::outcome(&row.result.to_lowercase());
        let detail = match outcome {
            Some(_) => row.detail,
            None => format!("result {:?} · {}", row.result, row.detail),
        };
        AuditEntry {
            id: row.id,
            at: row.at,
            severity: row.severity.to_lowercase().parse().unwrap_or(Severity::Info),
            event_type: row.event_type,
            user: row.user_id,
            address: row.ip_address,
            target: Some(self.target.name().to_owned()),
            object: row.resource,
            // A word that is none of the guide's is shown, and counts as what a reader should look at.
            outcome: outcome.unwrap_or(Outcome::Failure),
            detail: Some(detail).filter(|detail| !detail.is_empty()),
            job: None,
            began_at: None,
        }
    }

    fn error(&self, source: sqlx::Error) -> Error {
        let code = source.as_database_error().and_then(|error| error.code());
        match code.as_deref() {
            Some("42P01") => missing(self.target),
            Some("42703" | "42883" | "42804") => Error::not_found(
                format!("The table audit_logs of {} is not AI-PAL's.", self.target.name()),
                "Its columns have other names or types; only a log as AI-PAL writes it can be shown here.",
            ),
            _ => self.target.error(source),
        }
    }
}

fn missing(target: &Target) -> Error {
    Error::not_found(
        format!("{} has no table audit_logs yet.", target.name()),
        "Apply the migrations first; the table comes with them. The console's own log is on the other tab.",
    )
}
