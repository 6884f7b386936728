//! What the migrations of a managed database need someone to look at.

use contract::{
    finding::{Finding, Level},
    format,
    migration::MigrationState,
};

use super::compare::{Allow, Set, Standing};
use crate::{Result, config::MigrationSource, finding::Part, target::Target};

/// The page that shows them.
const PAGE: &str = "migrations";
/// Migrations that are named; the rest is counted.
const NAMED: usize = 3;

/// Looks at files and rows, and remembers how many are pending.
///
/// # Errors
/// `Conflict` when the files cannot be read; what the database says.
pub(crate) async fn look(target: &Target) -> Result<Vec<Finding>> {
    if *target.migrations() == MigrationSource::None {
        return Ok(Vec::new());
    }
    let look = super::look(target, Allow::default()).await?;
    target.set_pending(look.pending());
    Ok(of(&look.set))
}

/// Looks anew, where a run has just changed something. A failure leaves what is known as it is.
pub(super) async fn refresh(target: &Target) {
    match look(target).await {
        Ok(found) => target.kept().put(Part::Migrations, found),
        Err(error) => tracing::debug!(
            target.name = target.name(),
            error = error.chain(),
            "pending migrations unknown"
        ),
    }
}

/// What a set says.
pub(super) fn of(set: &Set) -> Vec<Finding> {
    let remedy = set
        .problem
        .as_ref()
        .and_then(|problem| problem.hint.clone())
        .unwrap_or_else(|| "Look at the migrations.".to_owned());
    let kinds = [
        (
            MigrationState::Unfinished,
            "unfinished",
            Level::Urgent,
            "was begun and not ended",
            "were begun and not ended",
        ),
        (
            MigrationState::Edited,
            "edited",
            Level::Warning,
            "was edited after it was applied",
            "were edited after they were applied",
        ),
        (
            MigrationState::Missing,
            "missing",
            Level::Warning,
            "was applied, but its file is missing",
            "were applied, but their files are missing",
        ),
        (
            MigrationState::OutOfOrder,
            "late",
            Level::Warning,
            "is older than the newest applied one and was never applied",
            "are older than the newest applied one and were never applied",
        ),
    ];
    let mut found = Vec::new();
    for (state, key, level, one, many) in kinds {
        let standings: Vec<&Standing> = in_state(set, state);
        if let Some(words) = said(&standings, one, many) {
            let remedy = if standings.iter().all(|standing| standing.can_be_repeated()) {
                "Apply the migrations: it is repeated from its beginning.".to_owned()
            } else {
                remedy.clone()
            };
            found.push(
                Finding::new(&format!("migration.{key}"), level, words, remedy)
                    .because(named(&standings))
                    .on(PAGE)
                    .of(standings.len()),
            );
        }
    }
    let pending = in_state(set, MigrationState::Pending);
    if let Some(words) = said(&pending, "is not yet applied", "are not yet applied") {
        let remedy = "Read them, take a backup, then apply them.";
        found.push(
            Finding::new("migration.pending", Level::Warning, words, remedy)
                .because(named(&pending))
                .on(PAGE)
                .of(pending.len()),
        );
    }
    // What is wrong with the files themselves, such as two of one version.
    let named = found.iter().any(|finding| finding.key != "migration.pending");
    if let Some(problem) = set.problem.as_ref().filter(|_| !named) {
        let words = "No migration can be applied as the files are now.";
        found.push(
            Finding::new("migration.problem", Level::Warning, words, remedy)
                .because(problem.message.clone())
                .on(PAGE),
        );
    }
    found
}

fn in_state(set: &Set, state: MigrationState) -> Vec<&Standing> {
    set.standings
        .iter()
        .filter(|standing| standing.state == state)
        .collect()
}

/// `One migration is …`, or `4 migrations are …`.
fn said(standings: &[&Standing], one: &str, many: &str) -> Option<String> {
    match standings.len() {
        0 => None,
        1 => Some(format!("One migration {one}.")),
        count => Some(format!("{} migrations {many}.", format::exact(count as i64))),
    }
}

fn named(standings: &[&Standing]) -> String {
    let names: Vec<String> = standings.iter().take(NAMED).map(|it| it.title()).collect();
    match standings.len().saturating_sub(NAMED) {
        0 => format!("{}.", names.join(", ")),
        more => format!("{} and {} more.", names.join(", "), format::exact(more as i64)),
    }
}
