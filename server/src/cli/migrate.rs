//! `pgsteward migrate …`: the migrations of a managed database.

use contract::migration::{MigrateSpec, MigrationState, MigrationStatus};

use super::{Session, arguments::Migrate, confirm, failure::Failure, job, table};
use crate::console::Console;

pub(super) async fn run(session: &Session<'_>, console: &Console, what: Migrate) -> Result<(), Failure> {
    let target = session.target(console).await?;
    let caller = session.caller(console);
    let migrations = console.engine.migration();
    match what {
        Migrate::Status => {
            let status = migrations.status(&caller, &target).await?;
            session.out.show(&status, || words(&status));
        }
        Migrate::Plan { to } => {
            let plan = migrations
                .plan(&caller, MigrateSpec { target, up_to: to })
                .await?;
            session.out.show(&plan, || statements(&plan));
        }
        Migrate::Up { to } => {
            let spec = MigrateSpec { target, up_to: to };
            let plan = migrations.plan(&caller, spec.clone()).await?;
            if plan.pending == 0 && plan.problem.is_none() {
                session
                    .out
                    .show(&plan, || format!("Nothing to do: {} is up to date.", plan.target));
                return Ok(());
            }
            confirm::ask(
                session,
                &format!("Apply {} migrations to {}?", plan.pending, plan.target),
            )?;
            let id = migrations.start(&caller, spec).await?;
            job::wait(session, console, id).await?;
        }
    }
    Ok(())
}

fn words(status: &MigrationStatus) -> String {
    let rows: Vec<Vec<String>> = status
        .migrations
        .iter()
        .map(|migration| {
            let applied = migration
                .applied_at
                .map(contract::format::absolute)
                .unwrap_or_default();
            vec![
                migration.version.to_string(),
                migration.description.clone(),
                state(migration.state).to_owned(),
                applied,
            ]
        })
        .collect();
    let mut text = table::lay_out(&["version", "migration", "state", "applied"], &["version"], &rows);
    text.push_str(&format!(
        "\n\n{} ({}): {} pending",
        status.target, status.source, status.pending
    ));
    if let Some(problem) = &status.problem {
        text.push_str(&format!("\nproblem: {}", problem.message));
        text.extend(problem.hint.iter().map(|hint| format!("\nhint: {hint}")));
    }
    text
}

fn state(state: MigrationState) -> &'static str {
    match state {
        MigrationState::Applied => "applied",
        MigrationState::Pending => "pending",
        MigrationState::Edited => "edited since",
        MigrationState::Missing => "file is missing",
        MigrationState::OutOfOrder => "out of order",
        MigrationState::Unfinished => "unfinished",
    }
}

fn statements(plan: &MigrationStatus) -> String {
    if plan.migrations.is_empty() {
        return format!("Nothing to do: {} is up to date.", plan.target);
    }
    let texts: Vec<String> = plan
        .migrations
        .iter()
        .map(|migration| {
            let how = if migration.transactional {
                "in one transaction"
            } else {
                "statement by statement"
            };
            format!(
                "-- {} {}, {how}\n{}",
                migration.version,
                migration.description,
                migration.sql.as_deref().unwrap_or("").trim()
            )
        })
        .collect();
    texts.join("\n\n")
}
