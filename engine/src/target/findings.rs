//! What the state of a managed database, and the console's rights on it, need someone to look at.

use chrono::{TimeDelta, Utc};
use contract::{
    Instant,
    finding::{Finding, Level},
    format,
    target::{ServerView, TargetState},
};

use super::{Target, look::query_as};
use crate::{Result, quote};

/// Percents of `max_connections` that are taken: worth a look, and soon refusing log-ins.
const TAKEN: [(i64, Level); 2] = [(90, Level::Urgent), (80, Level::Warning)];
/// Below this share of block reads from memory, a database is usually larger than its shared buffers.
const CACHED: f64 = 0.9;

/// How far the clocks of the console and of a server may be apart: what is set by NTP is closer.
const APART: TimeDelta = TimeDelta::seconds(5);

/// What the last known state says.
pub(super) fn of_state(state: &TargetState) -> Vec<Finding> {
    match state {
        TargetState::Up(server) => of_server(server),
        TargetState::Down { fault, .. } => {
            let remedy = fault
                .hint
                .clone()
                .unwrap_or_else(|| "Start the server, or correct the database's URL.".to_owned());
            vec![Finding::new(
                "target.down",
                Level::Urgent,
                fault.message.clone(),
                remedy,
            )]
        }
    }
}

fn of_server(server: &ServerView) -> Vec<Finding> {
    let mut found = Vec::new();
    if !server.primary {
        found.push(Finding::new(
            "target.standby",
            Level::Note,
            "This is a standby: it can be read, not changed.",
            "Migrate, optimize and import on its primary.",
        ));
    }
    let taken = |percent: i64| server.connections * 100 >= server.max_connections * percent;
    if let Some((_, level)) = TAKEN.into_iter().find(|(percent, _)| taken(*percent)) {
        found.push(
            Finding::new(
                "target.connections",
                level,
                format!(
                    "{} of {} connections are taken.",
                    server.connections, server.max_connections
                ),
                "End idle sessions, put a pooler such as PgBouncer before the server, or raise max_connections.",
            )
            .because("When all are taken, the server refuses applications.")
            .on("activity"),
        );
    }
    if server.cache_hit.is_some_and(|share| share < CACHED) {
        found.push(
            Finding::new(
                "target.cache",
                Level::Note,
                "Less than 90 % of block reads come from memory.",
                "Look for queries that read whole tables, or raise shared_buffers.",
            )
            .because("Counted since the statistics were reset."),
        );
    }
    found
}

/// What a server's clock says that was read between two moments of the console's: however slow the answer was, what lies outside
/// of them is the difference of the clocks.
fn clock(before: Instant, after: Instant, there: Instant) -> Option<Finding> {
    let (off, how) = if there > after {
        (there - after, "ahead of")
    } else {
        (before - there, "behind")
    };
    (off >= APART).then(|| {
        Finding::new(
            "target.clock",
            Level::Warning,
            format!(
                "The server's clock is {} {how} the console's.",
                format::duration(off.num_milliseconds())
            ),
            "Let both machines take the time from the same place, as by NTP.",
        )
        .because("What the server dates and what the console dates cannot be put in order: sessions, statistics, the moments of a recovery.")
    })
}

#[derive(sqlx::FromRow)]
struct AccessRow {
    read_only: bool,
    monitors: bool,
    role: String,
    clock: Instant,
}

/// What the console's role may not do.
///
/// # Errors
/// What the database says.
pub(crate) async fn access(target: &Target) -> Result<Vec<Finding>> {
    let mut connection = target.look().await?;
    let before = Utc::now();
    let row: AccessRow = query_as(
        "select pg_catalog.current_setting('default_transaction_read_only')::pg_catalog.bool
                and not pg_catalog.pg_is_in_recovery() as read_only,
                pg_catalog.pg_has_role('pg_monitor', 'usage') as monitors,
                current_user::pg_catalog.text as role,
                pg_catalog.clock_timestamp() as clock",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(|source| target.error(source))?;
    let mut found = Vec::from_iter(clock(before, Utc::now(), row.clock));
    // Not while a connection is held: a replica that is away takes its time.
    drop(connection);
    found.extend(target.findings_of_replicas().await);
    if row.read_only {
        found.push(
            Finding::new(
                "target.read_only",
                Level::Warning,
                "Sessions of the console's role are read-only, so nothing can be changed.",
                "Set default_transaction_read_only to off for this role, or manage the database with another one.",
            )
            .because(format!("default_transaction_read_only is on for {}.", row.role)),
        );
    }
    if !row.monitors {
        found.push(
            Finding::new(
                "target.monitor",
                Level::Note,
                "The console's role does not see what other sessions do.",
                format!("As a superuser: grant pg_monitor to {};", quote::ident(&row.role)),
            )
            .because("Who holds up a migration or an index build is not told, and statistics are not whole."),
        );
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, Utc};

    use super::{APART, clock};

    #[test]
    fn clocks_that_are_apart_are_told_and_a_slow_answer_is_not_taken_for_that() {
        let before = Utc::now();
        let after = before + TimeDelta::seconds(40);
        let words = |there| clock(before, after, there).map(|finding| finding.words);
        for within in [before, before + TimeDelta::seconds(20), after] {
            assert_eq!(words(within), None);
        }
        let little = APART - TimeDelta::milliseconds(1);
        assert_eq!((words(before - little), words(after + little)), (None, None));
        assert_eq!(
            words(before - TimeDelta::seconds(200)).as_deref(),
            Some("The server's clock is 3 min 20 s behind the console's.")
        );
        assert_eq!(
            words(after + TimeDelta::hours(2)).as_deref(),
            Some("The server's clock is 2 h ahead of the console's.")
        );
    }
}
