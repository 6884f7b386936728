//! `pgsteward migrate …`: the migrations of a managed database.

use contract::{
    Code,
    jobs::{JobKind, JobQuery, JobView},
    migration::{MigrateSpec, MigrationState, MigrationStatus},
};

use super::{
    Session,
    arguments::{Due, Migrate},
    confirm,
    failure::Failure,
    job,
    out::tell,
    table,
};
use crate::console::Console;

/// How often a start is tried again that found another run under way which is then gone.
const TRIES: u32 = 5;

pub(super) async fn run(session: &Session<'_>, console: &Console, what: Migrate) -> Result<(), Failure> {
    let target = session.target(console).await?;
    let caller = session.caller(console);
    let migrations = console.engine.migration();
    match what {
        Migrate::Status => {
            let status = migrations.status(&caller, &target).await?;
            session.out.show(&status, || words(&status));
        }
        Migrate::Plan(due) => {
            let plan = migrations.plan(&caller, spec(target, &due)).await?;
            session.out.show(&plan, || statements(&plan));
            if let Some(problem) = plan.problem {
                return Err(problem.into());
            }
        }
        Migrate::Up(due) => up(session, console, spec(target, &due)).await?,
    }
    Ok(())
}

fn spec(target: String, due: &Due) -> MigrateSpec {
    MigrateSpec {
        target,
        up_to: due.to,
        allow_late: due.allow_late,
        ignore_missing: due.ignore_missing,
    }
}

/// Applies what is due, after another run on the same database if there is one.
async fn up(session: &Session<'_>, console: &Console, spec: MigrateSpec) -> Result<(), Failure> {
    let caller = session.caller(console);
    let migrations = console.engine.migration();
    let mut asked = false;
    let mut waits_for = None;
    let mut interrupts = None;
    let mut tries = 0;
    loop {
        let plan = migrations.plan(&caller, spec.clone()).await?;
        if let Some(problem) = plan.problem {
            return Err(problem.into());
        }
        if plan.pending == 0 && plan.under_way.is_none() {
            session.out.show(&plan, || up_to_date(&plan));
            return Ok(());
        }
        if !asked {
            confirm::ask(
                session,
                &format!("Apply {} migrations to {}?", plan.pending, plan.target),
            )?;
            asked = true;
        }
        let conflict = match migrations.start(&caller, spec.clone()).await {
            Ok(id) => {
                job::wait(session, console, id).await?;
                return Ok(());
            }
            Err(error) if error.fault().code == Code::Conflict => error,
            Err(error) => return Err(error.into()),
        };
        match other_run(session, console, &spec.target).await? {
            Some(other) => {
                // One listener for the whole wait: between two would be moments in which a Ctrl-C is heard by
                // nobody. It hears before it is said that Ctrl-C stops.
                let interrupt = match &mut interrupts {
                    Some(interrupt) => interrupt,
                    none => none.insert(job::interrupts()?),
                };
                if waits_for != Some(other.id) {
                    waits_for = Some(other.id);
                    tell(&format!(
                        "Waiting for \"{}\" of {}, which is under way (job {}); Ctrl-C stops waiting.",
                        other.title, other.created_by, other.id
                    ));
                }
                job::linger(session, console, other.id, interrupt).await?;
            }
            // It may have ended between the two questions.
            None if tries < TRIES => tries += 1,
            None => return Err(conflict.into()),
        }
    }
}

/// The run on this database that the store knows of.
async fn other_run(
    session: &Session<'_>,
    console: &Console,
    target: &str,
) -> Result<Option<JobView>, Failure> {
    let query = JobQuery {
        target: Some(target.to_owned()),
        kind: Some(JobKind::Migrate),
        ..JobQuery::default()
    };
    let page = console
        .engine
        .jobs()
        .list(&session.caller(console), query)
        .await?;
    Ok(page.jobs.into_iter().find(|job| !job.state.is_final()))
}

fn up_to_date(plan: &MigrationStatus) -> String {
    if plan.has_source {
        format!("Nothing to do: {} is up to date.", plan.target)
    } else {
        format!(
            "Nothing to do: no migrations belong to {}. Choose a folder by PGSTEWARD_MIGRATIONS, or by migrations in \
             pgsteward.toml.",
            plan.target
        )
    }
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
    text.extend(status.under_way.iter().map(|who| format!("\nunder way: {who}")));
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
        MigrationState::Running => "under way",
        MigrationState::Unreadable => "unreadable",
    }
}

fn statements(plan: &MigrationStatus) -> String {
    if plan.migrations.is_empty() {
        return match (&plan.problem, &plan.under_way) {
            (Some(_), _) => "Nothing can be applied.".to_owned(),
            (None, Some(who)) => format!("A migration of {} is under way: {who}.", plan.target),
            (None, None) => up_to_date(plan),
        };
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
            let late = match migration.state {
                MigrationState::OutOfOrder => ", late",
                _ => "",
            };
            format!(
                "-- {} {}, {how}{late}\n{}",
                migration.version,
                migration.description,
                migration.sql.as_deref().unwrap_or("").trim()
            )
        })
        .collect();
    texts.join("\n\n")
}
