//! The console's own audit log.

use contract::{
    Instant,
    audit::{AuditEntry, AuditQuery, ChainedEntry, Outcome, Severity},
    jobs::JobId,
};
use futures::{Stream, TryStreamExt};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{
    Entry, MOST_NAMES,
    chain::Link,
    cursor::Cursor,
    repeats::{INTERVAL, MOST_KINDS},
};

pub(super) async fn insert(
    connection: &mut PgConnection,
    entry: Entry<'_>,
    act: Option<Uuid>,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        "insert into audit_log (severity, event_type, user_name, address, target, object, outcome, detail, job, act)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         returning id",
        entry.severity.name(),
        entry.event_type,
        entry.user,
        entry.address,
        entry.target,
        entry.object,
        entry.outcome.name(),
        entry.detail,
        entry.job.map(|job| job.0),
        act,
    )
    .fetch_one(connection)
    .await
}

#[derive(Clone)]
struct EntryRow {
    id: i64,
    at: Instant,
    severity: String,
    event_type: String,
    user_name: Option<String>,
    address: Option<String>,
    target: Option<String>,
    object: Option<String>,
    outcome: String,
    detail: Option<String>,
    job: Option<Uuid>,
    act: Option<Uuid>,
}

impl EntryRow {
    /// Whether both are of one act.
    fn is_half_of(&self, other: &Self) -> bool {
        let same = |one: Option<Uuid>, other: Option<Uuid>| one.is_some() && one == other;
        (same(self.job, other.job) || same(self.act, other.act)) && self.event_type == other.event_type
    }
}

impl From<EntryRow> for AuditEntry {
    fn from(row: EntryRow) -> Self {
        Self {
            id: row.id,
            at: row.at,
            // The table checks both columns, so nothing else can be in them.
            severity: row.severity.parse().unwrap_or(Severity::Critical),
            outcome: super::outcome(&row.outcome).unwrap_or(Outcome::Failure),
            event_type: row.event_type,
            user: row.user_name,
            address: row.address,
            target: row.target,
            object: row.object,
            detail: row.detail,
            job: row.job.map(JobId),
            began_at: None,
        }
    }
}

/// The newest entries that a query asks for, before `before`.
pub(super) async fn list(
    pool: &PgPool,
    query: &AuditQuery,
    before: Option<(Instant, i64)>,
    limit: i64,
) -> Result<Vec<AuditEntry>, sqlx::Error> {
    let rows = rows(pool, query, before, limit).await?;
    Ok(rows.into_iter().map(AuditEntry::from).collect())
}

async fn rows(
    pool: &PgPool,
    query: &AuditQuery,
    before: Option<(Instant, i64)>,
    limit: i64,
) -> Result<Vec<EntryRow>, sqlx::Error> {
    let before = bound(query, before);
    let mut transaction = pool.begin().await?;
    // One statement serves every mix of filters: planned with the values at hand, `null is null or …` is true and falls
    // away, and `user_name = …` uses its index. A plan made for all values could do neither.
    sqlx::query!("set local plan_cache_mode = 'force_custom_plan'")
        .execute(&mut *transaction)
        .await?;
    let rows = sqlx::query_as!(
        EntryRow,
        "select id, at, severity, event_type, user_name, address, target, object, outcome, detail, job, act
           from audit_log
          where ($1::text is null or user_name = $1)
            and ($2::text is null or event_type = $2)
            and ($3::text is null or severity = $3)
            and ($4::text is null or target = $4)
            and ($5::timestamptz is null or at >= $5)
            and ($6::timestamptz is null or (at, id) < ($6, $7::int8))
            and ($9::text is null or address = $9)
          order by at desc, id desc
          limit $8",
        query.user.as_deref(),
        query.event_type.as_deref(),
        query.severity.map(Severity::name),
        query.target.as_deref(),
        query.from,
        before.map(|(at, _)| at),
        before.map_or(0, |(_, id)| id),
        limit,
        query.address.as_deref(),
    )
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(rows)
}

/// As [`list`], with one row for an act and its end, whether a job does it or not: its end, with where it was asked from and when it began; its beginning alone
/// while there is no end. Where an address is asked for, which only the beginning has, that is the row, with what became of it.
///
/// The halves are put together here and not by a join: joined, PostgreSQL expects few rows and reads the whole log.
pub(super) async fn acts(
    pool: &PgPool,
    query: &AuditQuery,
    before: Option<(Instant, i64)>,
    limit: i64,
) -> Result<Vec<AuditEntry>, sqlx::Error> {
    let mut acts = Vec::new();
    let mut before = before;
    loop {
        let rows = rows(pool, query, before, limit).await?;
        let last = rows.last().map(|row| (row.at, row.id));
        let is_end = (rows.len() as i64) < limit;
        let halves = halves(pool, &rows).await?;
        let whole = rows
            .into_iter()
            .filter_map(|row| together(row, &halves, query.address.is_some()));
        acts.extend(whole);
        if is_end || acts.len() as i64 >= limit {
            acts.truncate(usize::try_from(limit).unwrap_or_default());
            return Ok(acts);
        }
        before = last;
    }
}

/// Every entry of the jobs and acts that these entries are of, in the order of writing.
async fn halves(pool: &PgPool, rows: &[EntryRow]) -> Result<Vec<EntryRow>, sqlx::Error> {
    let jobs: Vec<Uuid> = rows.iter().filter_map(|row| row.job).collect();
    let acts: Vec<Uuid> = rows.iter().filter_map(|row| row.act).collect();
    if jobs.is_empty() && acts.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_as!(
        EntryRow,
        "select id, at, severity, event_type, user_name, address, target, object, outcome, detail, job, act
           from audit_log
          where (job = any($1) and job is not null)
             or (act = any($2) and act is not null)
          order by id",
        &jobs,
        &acts,
    )
    .fetch_all(pool)
    .await
}

/// An entry as a row: with its other half, or none where the other half is the row.
fn together(row: EntryRow, halves: &[EntryRow], by_beginning: bool) -> Option<AuditEntry> {
    let is_beginning = |row: &EntryRow| row.outcome == Outcome::Started.name();
    let mut of_act = halves.iter().filter(|half| row.is_half_of(half));
    if is_beginning(&row) {
        let end = of_act.rfind(|half| !is_beginning(half)).cloned();
        let mut entry = AuditEntry::from(row);
        let Some(end) = end.map(AuditEntry::from) else {
            return Some(entry);
        };
        entry.severity = end.severity;
        entry.outcome = end.outcome;
        entry.detail = end.detail.or(entry.detail);
        return by_beginning.then_some(entry);
    }
    let beginning = of_act.find(|half| is_beginning(half));
    let (at, address) = beginning
        .map(|beginning| (beginning.at, beginning.address.clone()))
        .unzip();
    let mut entry = AuditEntry::from(row);
    entry.began_at = at;
    entry.address = entry.address.or(address.flatten());
    Some(entry)
}

/// Where a page begins, and no entry is later. One bound instead of two: given both, PostgreSQL may begin at the wrong one.
/// Numbers begin at 1.
fn bound(query: &AuditQuery, before: Option<(Instant, i64)>) -> Option<(Instant, i64)> {
    match (query.until.map(|until| (until, 0)), before) {
        (Some(until), Some(before)) => Some(until.min(before)),
        (until, before) => until.or(before),
    }
}

/// The cursor after an entry.
pub(super) fn cursor(entry: &AuditEntry) -> Cursor {
    Cursor::Time {
        at: entry.at,
        id: entry.id,
    }
}

/// Event types that occur. It goes from one to the next in the index, without reading the entries between.
pub(super) async fn event_types(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"with recursive found as (
               (select event_type
                  from audit_log
                 order by event_type
                 limit 1)
               union all
               select (select event_type
                         from audit_log
                        where event_type > found.event_type
                        order by event_type
                        limit 1)
                 from found
                where found.event_type is not null
           )
           select event_type as "event_type!"
             from found
            where event_type is not null
            limit $1"#,
        MOST_NAMES,
    )
    .fetch_all(pool)
    .await
}

/// Users that occur; as [`event_types`].
pub(super) async fn users(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"with recursive found as (
               (select user_name
                  from audit_log
                 where user_name is not null
                 order by user_name
                 limit 1)
               union all
               select (select user_name
                         from audit_log
                        where user_name > found.user_name
                        order by user_name
                        limit 1)
                 from found
                where found.user_name is not null
           )
           select user_name as "user_name!"
             from found
            where user_name is not null
            limit $1"#,
        MOST_NAMES,
    )
    .fetch_all(pool)
    .await
}

/// Counts a refusal under its key; true when it is the first, which is to be written as an entry.
pub(super) async fn count_repeat(
    connection: &mut PgConnection,
    key: &str,
    entry: &Entry<'_>,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"with
           -- A flood of ever new keys is counted as one.
           counted as (
               select case
                          when exists (select from audit_repeats where event_type = $1 and key = $2)
                              or (select count(*) from audit_repeats where event_type = $1) < $3
                          then $2
                          else ''
                      end as key
           )
           insert into audit_repeats (event_type, key, user_name, address, object)
           select $1,
                  key,
                  case when key <> '' then $4 end,
                  case when key <> '' then $5 end,
                  case when key <> '' then $6 end
             from counted
           on conflict (event_type, key) do update set more = audit_repeats.more + 1
           returning more = 0 as "first!""#,
        entry.event_type,
        key,
        MOST_KINDS,
        entry.user,
        entry.address,
        entry.object,
    )
    .fetch_one(connection)
    .await
}

/// A count of refusals whose time is over.
pub(super) struct Repeat {
    pub(super) event_type: String,
    pub(super) user_name: Option<String>,
    pub(super) address: Option<String>,
    pub(super) object: Option<String>,
    pub(super) since: Instant,
    pub(super) more: i64,
}

/// Takes the counts whose time is over.
pub(super) async fn take_repeats(connection: &mut PgConnection) -> Result<Vec<Repeat>, sqlx::Error> {
    sqlx::query_as!(
        Repeat,
        "with
         -- What another process takes at this moment is its own.
         over as (
             select event_type, key
               from audit_repeats
              where since < clock_timestamp() - make_interval(secs => $1)
              order by since
                for update skip locked
         )
         delete from audit_repeats
          using over
          where audit_repeats.event_type = over.event_type
            and audit_repeats.key = over.key
         returning audit_repeats.event_type, user_name, address, object, since, more",
        INTERVAL.as_secs_f64(),
    )
    .fetch_all(connection)
    .await
}

/// Where the chain begins.
pub(super) struct Beginning {
    pub(super) at: Instant,
    pub(super) entries: i64,
    pub(super) last: i64,
}

pub(super) async fn chain_begin(pool: &PgPool) -> Result<Option<Beginning>, sqlx::Error> {
    sqlx::query_as!(Beginning, "select at, entries, last from audit_chain_begin")
        .fetch_optional(pool)
        .await
}

pub(super) async fn last_link(pool: &PgPool) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!("select max(link) from audit_chain")
        .fetch_one(pool)
        .await
}

pub(super) async fn hash_of(pool: &PgPool, link: i64) -> Result<Option<Vec<u8>>, sqlx::Error> {
    sqlx::query_scalar!("select hash from audit_chain where link = $1", link)
        .fetch_optional(pool)
        .await
}

/// The links after one, with their entries, as they come from the server.
pub(super) fn links(
    pool: &PgPool,
    after: i64,
    limit: i64,
) -> impl Stream<Item = Result<Link, sqlx::Error>> + Send + Unpin {
    Box::pin(
        sqlx::query!(
            r#"select link,
                      entry,
                      hash,
                      id as "id?",
                      at as "at?",
                      severity as "severity?",
                      event_type as "event_type?",
                      user_name,
                      address,
                      target,
                      object,
                      outcome as "outcome?",
                      detail,
                      job
                 from audit_chain
                 left join audit_log on id = entry
                where link > $1
                order by link
                limit $2"#,
            after,
            limit,
        )
        .fetch(pool)
        .map_ok(|row| Link {
            link: row.link,
            number: row.entry,
            hash: row.hash,
            entry: row.id.zip(row.at).map(|(id, at)| {
                AuditEntry::from(EntryRow {
                    id,
                    at,
                    severity: row.severity.unwrap_or_default(),
                    event_type: row.event_type.unwrap_or_default(),
                    user_name: row.user_name,
                    address: row.address,
                    target: row.target,
                    object: row.object,
                    outcome: row.outcome.unwrap_or_default(),
                    detail: row.detail,
                    job: row.job,
                    act: None,
                })
            }),
        }),
    )
}

/// The first entry that has no link and should.
pub(super) async fn unlinked(pool: &PgPool, last_before: i64) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "select id
           from audit_log
          where id > $1
            and not exists (select from audit_chain where entry = id)
          order by id
          limit 1",
        last_before,
    )
    .fetch_optional(pool)
    .await
}

/// Entries up to a number that have no link.
pub(super) async fn entries_until(pool: &PgPool, last: i64) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from audit_log where id <= $1"#,
        last
    )
    .fetch_one(pool)
    .await
}

/// The entries after a number with their links, oldest first.
pub(super) async fn chained(pool: &PgPool, after: i64, limit: i64) -> Result<Vec<ChainedEntry>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select id, at, severity, event_type, user_name, address, target, object, outcome, detail, job,
                  link as "link?",
                  hash as "hash?"
             from audit_log
             left join audit_chain on entry = id
            where id > $1
            order by id
            limit $2"#,
        after,
        limit,
    )
    .fetch_all(pool)
    .await?;
    let chained = rows.into_iter().map(|row| ChainedEntry {
        link: row.link,
        hash: row.hash.map(hex::encode),
        entry: AuditEntry::from(EntryRow {
            id: row.id,
            at: row.at,
            severity: row.severity,
            event_type: row.event_type,
            user_name: row.user_name,
            address: row.address,
            target: row.target,
            object: row.object,
            outcome: row.outcome,
            detail: row.detail,
            job: row.job,
            act: None,
        }),
    });
    Ok(chained.collect())
}
