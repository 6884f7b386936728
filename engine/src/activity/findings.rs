//! Transactions and waits that are too long. Thresholds are those of pganalyze and pgwatch.

use contract::{
    activity::SessionStat,
    finding::{Finding, Level},
    format,
};

use super::{Read, catalog, catalog::Snapshot, horizon, roles};
use crate::{Engine, Result, target::Target};

/// The page that shows them.
const PAGE: &str = "activity";
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
/// Idle in transaction so long.
const IDLE: [(i64, Level); 2] = [(60 * MINUTE, Level::Urgent), (30 * MINUTE, Level::Warning)];
/// One that holds up so many, for so long.
const HELD_UP: i64 = 3;
/// See `HELD_UP`.
const BLOCKING: [(i64, Level); 2] = [(10 * MINUTE, Level::Urgent), (5 * MINUTE, Level::Warning)];
/// Prepared so long ago: whoever prepares commits within seconds.
const PREPARED: [(i64, Level); 2] = [(24 * HOUR, Level::Urgent), (HOUR, Level::Warning)];
/// The horizon is held so long.
const HORIZON: i64 = 24 * HOUR;
/// A statement that runs so long is worth a look.
const LONG: i64 = MINUTE;

/// Looks at the sessions of a server.
///
/// # Errors
/// What the database says.
pub(crate) async fn look(engine: &Engine, target: &Target) -> Result<Vec<Finding>> {
    let mut connection = target.look().await?;
    let snapshot = catalog::snapshot(&mut connection, &roles(engine, target))
        .await
        .map_err(|source| target.error(source))?;
    drop(connection);
    Ok(of(&snapshot, &Read::of(&snapshot, false)))
}

/// What a look says of this database.
pub(super) fn of(snapshot: &Snapshot, read: &Read) -> Vec<Finding> {
    let mut found = Vec::new();
    let idle: Vec<(&SessionStat, i64)> = read
        .of_others()
        .filter(|session| {
            let state = session.state.as_deref();
            state.is_some_and(|state| state.starts_with("idle in transaction"))
        })
        .filter_map(|session| Some((session, session.state_s?)))
        .filter(|(_, seconds)| level(IDLE, *seconds).is_some())
        .collect();
    if let Some((session, seconds)) = idle.iter().max_by_key(|(_, seconds)| *seconds) {
        let many = match idle.len() {
            1 => "One session is".to_owned(),
            count => format!("{count} sessions are"),
        };
        found.push(
            Finding::new(
                "activity.idle_in_transaction",
                level(IDLE, *seconds).unwrap_or(Level::Warning),
                format!(
                    "{many} idle in transaction, the longest for {}: pid {} ({}).",
                    span(*seconds),
                    session.key.pid,
                    session.who()
                ),
                "Let the application end its transaction, or terminate the session; idle_in_transaction_session_timeout does \
                 so by itself.",
            )
            .because("Its locks are held, and dead rows stay, until the transaction ends.")
            .of(idle.len())
            .on(PAGE),
        );
    }
    let roots = read.tree.iter().filter(|node| node.depth == 0);
    for root in roots.filter(|root| root.below >= HELD_UP) {
        let here = match (&root.session, &root.prepared) {
            (Some(session), _) => session.here,
            (_, Some(prepared)) => prepared.here,
            _ => true,
        };
        let Some(level) = level(BLOCKING, root.longest_s).filter(|_| here) else {
            continue;
        };
        found.push(
            Finding::new(
                "activity.blocking",
                level,
                format!(
                    "{} sessions wait, the longest for {}; {} holds them up.",
                    root.below,
                    span(root.longest_s),
                    root.who()
                ),
                match &root.prepared {
                    Some(prepared) => {
                        format!("Ask its application; then, in its database: {}", prepared.remedy)
                    }
                    None => "Cancel its statement, or terminate it when it runs none.".to_owned(),
                },
            )
            .of(usize::try_from(root.below).unwrap_or(1))
            .on(PAGE),
        );
    }
    let prepared: Vec<_> = read
        .prepared
        .iter()
        .filter(|prepared| prepared.here && level(PREPARED, prepared.age_s).is_some())
        .collect();
    // The oldest comes first.
    if let Some(oldest) = prepared.first() {
        let many = match prepared.len() {
            1 => "One transaction was".to_owned(),
            count => format!("{count} transactions were"),
        };
        found.push(
            Finding::new(
                "activity.prepared",
                level(PREPARED, oldest.age_s).unwrap_or(Level::Warning),
                format!(
                    "{many} prepared and not ended, the oldest “{}” for {}.",
                    oldest.name,
                    span(oldest.age_s)
                ),
                format!("Ask its application; then: {}", oldest.remedy),
            )
            .because("It keeps its locks and dead rows, also over a restart.")
            .of(prepared.len())
            .on(PAGE),
        );
    }
    let held = horizon::of(snapshot, &read.sessions);
    let too_long = held.iter().find(|holder| {
        holder.age_s.is_some_and(|age| age >= HORIZON) || holder.xids * 2 >= snapshot.facts.freeze_age
    });
    if let Some(worst) = too_long {
        let since = worst
            .age_s
            .map(|age| format!(", for {}", span(age)))
            .unwrap_or_default();
        found.push(
            Finding::new(
                "activity.horizon",
                Level::Warning,
                format!(
                    "Dead rows of the last {} transactions cannot be removed{since}: {} keeps them.",
                    format::exact(worst.xids),
                    worst.who
                ),
                worst.remedy.clone(),
            )
            .because("Tables grow and get slow until it ends.")
            .on(PAGE),
        );
    }
    found
}

/// Statements that run for more than a minute: no fault by itself, and shown on the page alone.
pub(super) fn long_statements(read: &Read) -> Option<Finding> {
    let long: Vec<(&SessionStat, i64)> = read
        .of_others()
        .filter(|session| session.is_active() && session.kind.as_deref() == Some("client backend"))
        .filter_map(|session| Some((session, session.query_s?)))
        .filter(|(_, seconds)| *seconds > LONG)
        .collect();
    let (session, seconds) = long.iter().max_by_key(|(_, seconds)| *seconds)?;
    let many = match long.len() {
        1 => "One statement runs".to_owned(),
        count => format!("{count} statements run"),
    };
    Some(
        Finding::new(
            "activity.long",
            Level::Note,
            format!(
                "{many} for more than a minute, the longest for {}: pid {} ({}).",
                span(*seconds),
                session.key.pid,
                session.who()
            ),
            "See whether it is meant to; else cancel it.",
        )
        .of(long.len())
        .on(PAGE),
    )
}

fn level(thresholds: [(i64, Level); 2], seconds: i64) -> Option<Level> {
    let reached = thresholds.into_iter().find(|(from, _)| seconds >= *from);
    reached.map(|(_, level)| level)
}

fn span(seconds: i64) -> String {
    format::duration(seconds.saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::catalog::{Facts, PreparedRow, SessionRow, SlotRow};

    fn row(pid: i32, state: &str, seconds: i64) -> SessionRow {
        SessionRow {
            pid,
            started: Some(contract::Instant::default()),
            kind: Some("client backend".into()),
            role: Some("ann".into()),
            database: Some("shop".into()),
            here: true,
            listed: true,
            application: "web".into(),
            client: None,
            state: Some(state.into()),
            state_s: Some(seconds),
            transaction_s: Some(seconds),
            query_s: Some(seconds),
            query_start: None,
            wait_type: None,
            wait: None,
            query: None,
            xids: None,
            leader: None,
            may_signal: true,
            of_superuser: false,
            own: false,
            blocked_by: None,
            held_by_prepared: None,
            lock_type: None,
            lock_mode: None,
            lock_relation: None,
            lock_relation_kind: None,
            lock_s: None,
            here_count: 0,
            count: 0,
            hidden_count: 0,
            me: "steward".into(),
        }
    }

    fn waits(pid: i32, by: i32, seconds: i64) -> SessionRow {
        SessionRow {
            blocked_by: Some(vec![by]),
            lock_type: Some("relation".into()),
            lock_s: Some(seconds),
            ..row(pid, "active", seconds)
        }
    }

    fn found(
        sessions: Vec<SessionRow>,
        prepared: Vec<PreparedRow>,
        slots: Vec<SlotRow>,
    ) -> Vec<(String, Level, String)> {
        let snapshot = Snapshot {
            facts: Facts {
                sampled_at: contract::Instant::default(),
                primary: true,
                role: "steward".into(),
                database: "shop".into(),
                freeze_age: 200_000_000,
            },
            sessions,
            prepared,
            slots,
        };
        of(&snapshot, &Read::of(&snapshot, false))
            .into_iter()
            .inspect(|finding| assert_eq!(finding.page.as_deref(), Some(PAGE)))
            .map(|finding| (finding.key, finding.level, finding.words))
            .collect()
    }

    fn levels(found: &[(String, Level, String)]) -> Vec<(&str, Level)> {
        found
            .iter()
            .map(|(key, level, _)| (key.as_str(), *level))
            .collect()
    }

    #[test]
    fn idle_in_transaction_is_told_from_half_an_hour_on_and_never_of_a_console() {
        let idle = |minutes: i64| row(7, "idle in transaction", minutes * MINUTE);
        assert!(found(vec![idle(29)], vec![], vec![]).is_empty());
        let told = found(vec![idle(30), row(8, "idle", 9000)], vec![], vec![]);
        assert_eq!(levels(&told), [("activity.idle_in_transaction", Level::Warning)]);
        assert_eq!(
            told[0].2,
            "One session is idle in transaction, the longest for 30 min: pid 7 (web, role ann)."
        );
        let told = found(
            vec![idle(31), row(9, "idle in transaction (aborted)", HOUR)],
            vec![],
            vec![],
        );
        assert_eq!(levels(&told), [("activity.idle_in_transaction", Level::Urgent)]);
        let own = SessionRow {
            own: true,
            ..idle(90)
        };
        let elsewhere = SessionRow {
            here: false,
            ..idle(90)
        };
        assert!(found(vec![own, elsewhere], vec![], vec![]).is_empty());
    }

    #[test]
    fn one_who_holds_up_three_for_five_minutes_is_told() {
        let held = |seconds| {
            vec![
                row(1, "active", 9),
                waits(2, 1, seconds),
                waits(3, 1, 1),
                waits(4, 2, 1),
            ]
        };
        assert!(found(held(5 * MINUTE - 1), vec![], vec![]).is_empty());
        let told = found(held(5 * MINUTE), vec![], vec![]);
        assert_eq!(levels(&told), [("activity.blocking", Level::Warning)]);
        assert_eq!(
            told[0].2,
            "3 sessions wait, the longest for 5 min; pid 1 (web, role ann) holds them up."
        );
        assert_eq!(
            levels(&found(held(600), vec![], vec![])),
            [("activity.blocking", Level::Urgent)]
        );
        let mut two = held(3600);
        two.pop();
        assert!(found(two, vec![], vec![]).is_empty(), "two only");
    }

    #[test]
    fn old_prepared_transactions_and_a_held_horizon_are_told_by_name() {
        let prepared = |age_s: i64| PreparedRow {
            transaction: "700".into(),
            name: "it's half".into(),
            owner: "ann".into(),
            database: "shop".into(),
            age_s,
            xids: 10,
        };
        assert!(found(vec![], vec![prepared(HOUR - 1)], vec![]).is_empty());
        let told = found(vec![], vec![prepared(HOUR)], vec![]);
        assert_eq!(levels(&told), [("activity.prepared", Level::Warning)]);
        let told = found(vec![], vec![prepared(24 * HOUR)], vec![]);
        assert_eq!(
            levels(&told),
            [
                ("activity.prepared", Level::Urgent),
                ("activity.horizon", Level::Warning)
            ]
        );
        let slot = |xids: i64| SlotRow {
            name: "kept".into(),
            active: false,
            active_pid: None,
            physical: false,
            xids,
            inactive_s: None,
        };
        assert!(found(vec![], vec![], vec![slot(99_999_999)]).is_empty());
        let told = found(vec![], vec![], vec![slot(100_000_000)]);
        assert_eq!(levels(&told), [("activity.horizon", Level::Warning)]);
        assert!(told[0].2.contains("slot kept"), "{told:?}");
    }
}
