//! The console's own rows on imports. Queries are checked against migrations/store when they compile.

use contract::{
    import::{ImportId, ImportReport, ImportState, ImportView, Mapping, Rehearsal},
    jobs::JobId,
};
use serde::Serialize;
use serde_json::Value;
use sqlite::inspect::Inspected;
use sqlx::{PgPool, types::Json};
use uuid::Uuid;

use super::plan::Plan;

/// An import with everything that belongs to it.
pub(super) struct Record {
    pub view: ImportView,
    pub path: String,
    pub upload: Option<Uuid>,
    pub mapping: Mapping,
    pub inspected: Option<Inspected>,
    pub rehearsal: Option<Rehearsal>,
    pub plan: Option<Plan>,
    pub report: Option<ImportReport>,
}

/// The most imports in a list.
const LISTED: i64 = 200;

struct Row {
    id: Uuid,
    target: String,
    name: String,
    state: String,
    job: Option<Uuid>,
    verdict: Option<String>,
    created_by: String,
    created_at: contract::Instant,
}

impl From<Row> for ImportView {
    fn from(row: Row) -> Self {
        Self {
            id: ImportId(row.id),
            target: row.target,
            file: row.name,
            // The column's check allows no other word.
            state: row.state.parse().unwrap_or(ImportState::Inspecting),
            job: row.job.map(JobId),
            verdict: row
                .verdict
                .and_then(|verdict| serde_json::from_value(serde_json::Value::String(verdict)).ok()),
            created_by: row.created_by,
            created_at: row.created_at,
        }
    }
}

/// A new import.
pub(super) struct New<'a> {
    pub id: ImportId,
    pub target: &'a str,
    pub path: &'a str,
    pub name: &'a str,
    pub upload: Option<Uuid>,
    pub mapping: &'a Mapping,
    pub created_by: &'a str,
}

/// Writes an import down.
pub(super) async fn insert(pool: &PgPool, new: New<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into imports (id, target, path, name, upload, mapping, created_by)
         values ($1, $2, $3, $4, $5, $6, $7)",
        new.id.0,
        new.target,
        new.path,
        new.name,
        new.upload,
        kept(new.mapping)? as _,
        new.created_by,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Imports into a managed database, newest first.
pub(super) async fn list(pool: &PgPool, target: &str) -> Result<Vec<ImportView>, sqlx::Error> {
    let rows = sqlx::query_as!(
        Row,
        "select id, target, name, state, job, report ->> 'verdict' as verdict, created_by, created_at
           from imports
          where target = $1
          order by created_at desc
          limit $2",
        target,
        LISTED,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(ImportView::from).collect())
}

/// One import.
pub(super) async fn find(pool: &PgPool, id: ImportId) -> Result<Option<Record>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select id, target, path, upload, name, state, job, report ->> 'verdict' as verdict, created_by, created_at,
                mapping as "mapping: Json<Mapping>",
                inspected as "inspected: Json<Inspected>",
                rehearsal as "rehearsal: Json<Rehearsal>",
                plan as "plan: Json<Plan>",
                report as "report: Json<ImportReport>"
           from imports
          where id = $1"#,
        id.0,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| Record {
        path: row.path,
        upload: row.upload,
        mapping: row.mapping.0,
        inspected: row.inspected.map(|it| it.0),
        rehearsal: row.rehearsal.map(|it| it.0),
        plan: row.plan.map(|it| it.0),
        report: row.report.map(|it| it.0),
        view: Row {
            id: row.id,
            target: row.target,
            name: row.name,
            state: row.state,
            job: row.job,
            verdict: row.verdict,
            created_by: row.created_by,
            created_at: row.created_at,
        }
        .into(),
    }))
}

/// Imports of a file into a managed database that are not over, or can go on, newest first.
pub(super) async fn of_file(pool: &PgPool, target: &str, path: &str) -> Result<Vec<ImportId>, sqlx::Error> {
    let rows = sqlx::query_scalar!(
        "select id
           from imports
          where target = $1
            and path = $2
            and state in ('loading', 'done')
          order by created_at desc",
        target,
        path,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(ImportId).collect())
}

/// The last job of an import, and the managed database.
pub(super) async fn job_of(pool: &PgPool, id: ImportId) -> Result<Option<(JobId, String)>, sqlx::Error> {
    let row = sqlx::query!("select job, target from imports where id = $1", id.0)
        .fetch_optional(pool)
        .await?;
    Ok(row.and_then(|row| Some((JobId(row.job?), row.target))))
}

/// Notes the job that works on an import.
pub(super) async fn set_job(pool: &PgPool, id: ImportId, job: JobId) -> Result<(), sqlx::Error> {
    sqlx::query!("update imports set job = $2 where id = $1", id.0, job.0)
        .execute(pool)
        .await?;
    Ok(())
}

/// Keeps what was found in the file.
pub(super) async fn set_inspected(pool: &PgPool, id: ImportId, found: &Inspected) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update imports
            set inspected = $2,
                state = 'ready'
          where id = $1
            and state in ('inspecting', 'ready')",
        id.0,
        kept(found)? as _,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Keeps what the user decided; not once a load has begun.
pub(super) async fn set_mapping(pool: &PgPool, id: ImportId, mapping: &Mapping) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "update imports
            set mapping = $2
          where id = $1
            and state = 'ready'",
        id.0,
        kept(mapping)? as _,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Keeps a rehearsal; not once a load has begun.
pub(super) async fn set_rehearsal(
    pool: &PgPool,
    id: ImportId,
    rehearsal: &Rehearsal,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "update imports
            set rehearsal = $2
          where id = $1
            and state = 'ready'",
        id.0,
        kept(rehearsal)? as _,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Fixes the plan; only one of two who press the button at once succeeds.
pub(super) async fn begin(pool: &PgPool, id: ImportId, plan: &Plan) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "update imports
            set plan = $2,
                state = 'loading'
          where id = $1
            and state = 'ready'",
        id.0,
        kept(plan)? as _,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Keeps a plan that changed on the way, as its numbers do when later runs bring over what changed in the file.
pub(super) async fn set_plan(pool: &PgPool, id: ImportId, plan: &Plan) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update imports set plan = $2 where id = $1 and plan is not null",
        id.0,
        kept(plan)? as _,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Later runs bring over nothing more.
pub(super) async fn end_following(pool: &PgPool, id: ImportId, plan: &Plan) -> Result<(), sqlx::Error> {
    let plan = Plan {
        follow: false,
        ..plan.clone()
    };
    set_plan(pool, id, &plan).await
}

/// What is kept as JSON. Names, SQL and messages of a file may hold U+0000, which PostgreSQL's JSON cannot, and nothing that
/// is only told may stop an import.
fn kept<T: Serialize>(value: &T) -> Result<Json<Value>, sqlx::Error> {
    let mut value = serde_json::to_value(value).map_err(|error| sqlx::Error::Encode(error.into()))?;
    clean(&mut value);
    Ok(Json(value))
}

fn clean(value: &mut Value) {
    let replaced = |text: &str| text.replace('\0', "\u{fffd}");
    match value {
        Value::String(text) if text.contains('\0') => *text = replaced(text),
        Value::Array(values) => values.iter_mut().for_each(clean),
        Value::Object(fields) => {
            fields.values_mut().for_each(clean);
            if fields.keys().any(|key| key.contains('\0')) {
                *fields = std::mem::take(fields)
                    .into_iter()
                    .map(|(key, value)| (replaced(&key), value))
                    .collect();
            }
        }
        _ => {}
    }
}

/// A followed import reads another upload from now on.
pub(super) async fn set_upload(
    pool: &PgPool,
    id: ImportId,
    upload: Uuid,
    path: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update imports
            set upload = $2,
                path = $3
          where id = $1
            and state = 'done'",
        id.0,
        upload,
        path,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Nothing is in the target any more.
pub(super) async fn back_to_ready(pool: &PgPool, id: ImportId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update imports
            set plan = null,
                state = 'ready'
          where id = $1
            and state = 'loading'",
        id.0,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Keeps the report; the import is done. Gives whether it is still there.
pub(super) async fn finish(pool: &PgPool, id: ImportId, report: &ImportReport) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "update imports
            set report = $2,
                state = 'done'
          where id = $1
            and state in ('loading', 'done')",
        id.0,
        kept(report)? as _,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Forgets an import that left nothing.
pub(super) async fn delete(pool: &PgPool, id: ImportId) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "delete from imports where id = $1 and state in ('inspecting', 'ready')",
        id.0
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The newest import that still needs an upload: one that is not done, or is followed.
pub(super) async fn needing(pool: &PgPool, upload: Uuid) -> Result<Option<ImportView>, sqlx::Error> {
    let row = sqlx::query_as!(
        Row,
        "select id, target, name, state, job, report ->> 'verdict' as verdict, created_by, created_at
           from imports
          where upload = $1
            and (state <> 'done' or plan ->> 'follow' = 'true')
          order by created_at desc
          limit 1",
        upload,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(ImportView::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_a_file_can_always_be_kept() {
        let found = serde_json::json!({"a\0": ["x\0y", {"b": "\\u0000"}], "n": 1.5});
        let kept = kept(&found).map(|Json(kept)| kept).ok();
        assert_eq!(
            kept,
            Some(serde_json::json!({"a\u{fffd}": ["x\u{fffd}y", {"b": "\\u0000"}], "n": 1.5}))
        );
    }
}
