//! The rows of kept plans. Queries are checked against migrations/store when they compile.

use contract::{
    Instant,
    explain::{PLANS_KEPT, PLANS_OF_USER, Plan, PlanMode, PlanParameter, PlanRemark},
};
use sqlx::{PgPool, types::Json};
use uuid::Uuid;

/// A kept plan.
pub(super) struct Row {
    pub id: Uuid,
    pub made_at: Instant,
    pub made_by: String,
    mode: String,
    pub statement: Option<String>,
    pub statement_hash: String,
    pub parameters: Json<Vec<PlanParameter>>,
    pub notes: Vec<String>,
    pub plan: Json<Plan>,
    pub remarks: Json<Vec<PlanRemark>>,
}

impl Row {
    /// The column holds nothing else: it is written from the enum.
    pub fn mode(&self) -> PlanMode {
        let found = PlanMode::ALL.into_iter().find(|mode| mode.name() == self.mode);
        found.unwrap_or(PlanMode::Pasted)
    }
}

/// A plan to keep.
pub(super) struct New<'a> {
    pub database: i64,
    pub made_by: &'a str,
    pub mode: PlanMode,
    pub statement: Option<&'a str>,
    pub statement_hash: &'a str,
    pub parameters: Vec<PlanParameter>,
    pub notes: &'a [String],
    pub plan: &'a Plan,
    pub remarks: Vec<PlanRemark>,
}

/// Keeps a plan, and removes what is too old: of its user, and of the database.
pub(super) async fn keep(pool: &PgPool, new: New<'_>) -> Result<Uuid, sqlx::Error> {
    let id = Uuid::now_v7();
    let mut transaction = pool.begin().await?;
    sqlx::query!(
        "insert into plans (id, database_id, made_by, mode, statement, statement_hash, parameters, notes, plan, remarks)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        id,
        new.database,
        new.made_by,
        new.mode.name(),
        new.statement,
        new.statement_hash,
        Json(new.parameters) as _,
        new.notes,
        Json(new.plan) as _,
        Json(new.remarks) as _,
    )
    .execute(&mut *transaction)
    .await?;
    sqlx::query!(
        "delete from plans
          using (
                select id,
                       row_number() over (order by made_at desc, id desc) as place,
                       row_number() over (partition by made_by order by made_at desc, id desc) as place_of_user
                  from plans
                 where database_id = $1
                ) as ranked
          where ranked.id = plans.id
            and (ranked.place > $2 or ranked.place_of_user > $3)",
        new.database,
        PLANS_KEPT,
        PLANS_OF_USER,
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(id)
}

/// The plans of a database, newest first.
pub(super) async fn all(pool: &PgPool, database: i64) -> Result<Vec<Row>, sqlx::Error> {
    sqlx::query_as!(
        Row,
        r#"select id, made_at, made_by, mode, statement, statement_hash,
                  parameters as "parameters: Json<Vec<PlanParameter>>",
                  notes,
                  plan as "plan: Json<Plan>",
                  remarks as "remarks: Json<Vec<PlanRemark>>"
             from plans
            where database_id = $1
            order by made_at desc, id desc
            limit $2"#,
        database,
        PLANS_KEPT,
    )
    .fetch_all(pool)
    .await
}

/// One plan of a database.
pub(super) async fn one(pool: &PgPool, database: i64, id: Uuid) -> Result<Option<Row>, sqlx::Error> {
    sqlx::query_as!(
        Row,
        r#"select id, made_at, made_by, mode, statement, statement_hash,
                  parameters as "parameters: Json<Vec<PlanParameter>>",
                  notes,
                  plan as "plan: Json<Plan>",
                  remarks as "remarks: Json<Vec<PlanRemark>>"
             from plans
            where database_id = $1
              and id = $2"#,
        database,
        id,
    )
    .fetch_optional(pool)
    .await
}
