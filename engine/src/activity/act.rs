//! Breaking off a statement, and ending a session.

use std::time::Duration;

use contract::{
    Instant,
    activity::{EndSession, EndedSession, SessionAct},
    audit::{Outcome, Severity},
    format,
};

use super::{
    catalog::{self, SessionRow},
    roles,
};
use crate::{Caller, Engine, Error, Result, audit, quote};

/// How long the end is waited for.
const ENDS: Duration = Duration::from_secs(2);
/// Between two looks for it.
const LOOK: Duration = Duration::from_millis(50);

/// Signals the session after all that forbids it was looked at, and says what came of it. It is written down before and after.
pub(super) async fn end(
    engine: &Engine,
    caller: &Caller,
    request: EndSession,
    act: SessionAct,
) -> Result<EndedSession> {
    let target = engine.target(&request.target)?;
    let mut connection = target.look().await?;
    let failed = |source| target.error(source);
    let EndSession { pid, started, .. } = request;
    let row = catalog::session(&mut connection, &roles(engine, &target), pid)
        .await
        .map_err(failed)?
        .filter(|row| row.started.is_none_or(|began| began == started))
        .ok_or_else(|| gone(pid))?;
    if let Some((why, hint)) = protected(&row) {
        return Err(Error::conflict(format!("Pid {pid} is left alone. {why}"), hint));
    }
    let runs = matches!(row.state.as_deref(), Some("active" | "fastpath function call"));
    if act == SessionAct::Cancel && !runs {
        return Err(Error::conflict(
            format!(
                "Pid {pid} runs no statement: it is {}.",
                row.state.as_deref().unwrap_or("at rest")
            ),
            "What it holds is held by its transaction: terminate the session to end that.",
        ));
    }
    let object = format!("pid {pid}");
    let who = describe(&row);
    let event = match act {
        SessionAct::Cancel => "activity.cancel",
        SessionAct::Terminate => "activity.terminate",
    };
    let half = uuid::Uuid::new_v4();
    let write = async |outcome: Outcome, words: &str| {
        let detail = match words.is_empty() {
            true => who.clone(),
            false => format!("{who} · {words}"),
        };
        let entry = audit::Entry {
            severity: Severity::Warning,
            outcome,
            target: Some(&request.target),
            object: Some(&object),
            detail: Some(&detail),
            ..audit::Entry::by(caller, event)
        };
        audit::record_half(&mut *engine.store().acquire().await?, half, entry).await
    };
    // What is done is written down even should the console die meanwhile.
    write(Outcome::Started, "").await?;
    let terminates = act == SessionAct::Terminate;
    let ended = async {
        if !catalog::signal(&mut connection, terminates, pid, started)
            .await
            .map_err(failed)?
        {
            return Err(gone(pid));
        }
        until_over(&mut connection, &row, started, act)
            .await
            .map_err(failed)
    };
    let ended = ended.await;
    drop(connection);
    target.kept().outdate();
    target.activity_looks().outdate();
    match &ended {
        Ok(ended) => write(Outcome::Success, &ended.words).await?,
        Err(error) => write(Outcome::Failure, &error.fault().message).await?,
    };
    ended
}

async fn until_over(
    connection: &mut sqlx::PgConnection,
    row: &SessionRow,
    started: Instant,
    act: SessionAct,
) -> Result<EndedSession, sqlx::Error> {
    let deadline = tokio::time::Instant::now() + ENDS;
    let told = |over, words: &str| EndedSession {
        over,
        words: words.to_owned(),
    };
    loop {
        let now = catalog::still(&mut *connection, row.pid, started).await?;
        match (act, now) {
            (SessionAct::Terminate, None) => {
                return Ok(told(
                    true,
                    "The session is ended, and its transaction rolled back.",
                ));
            }
            (SessionAct::Cancel, None) => {
                return Ok(told(true, "Its statement is over, and so is the session."));
            }
            (SessionAct::Cancel, Some((state, began)))
                if state.as_deref() != row.state.as_deref() || began != row.query_start =>
            {
                return Ok(match state.as_deref() {
                    Some("idle in transaction (aborted)") => told(
                        true,
                        "Its statement is over. Its transaction is still open, and holds what it held until the application rolls \
                         it back.",
                    ),
                    Some(state) if state.starts_with("idle in transaction") => told(
                        true,
                        "Its statement is over. Its transaction is still open, and holds what it held.",
                    ),
                    _ => told(true, "Its statement is over."),
                });
            }
            _ => {}
        }
        if tokio::time::Instant::now() >= deadline {
            return Ok(match act {
                SessionAct::Cancel => told(false, "Asked; its statement still runs after 2 s."),
                SessionAct::Terminate => told(false, "Asked; the session is still there after 2 s."),
            });
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Why the console does not end a session, and what to do instead; none where it may.
pub(super) fn protected(row: &SessionRow) -> Option<(String, String)> {
    let me = quote::ident(&row.me);
    let told = |why: &str, hint: String| Some((why.to_owned(), hint));
    if row.own {
        return told(
            "It is a session of a console.",
            "Cancel the job that it works for, on the page Jobs.".to_owned(),
        );
    }
    if row.started.is_none() {
        return told(
            "It is hidden from the console's role, so that nobody could tell whether it is still the same.",
            format!("As a superuser: grant pg_monitor to {me};"),
        );
    }
    let query = row.query.as_deref().unwrap_or_default();
    match row.kind.as_deref() {
        Some("client backend") => {}
        Some("autovacuum worker") if query.contains("(to prevent wraparound)") => {
            return told(
                "It keeps the server from running out of transaction numbers, and would begin again.",
                "Let it end. To make it faster, raise autovacuum_vacuum_cost_limit.".to_owned(),
            );
        }
        Some("autovacuum worker") => {}
        Some("parallel worker") => {
            return told(
                "It works for another session.",
                match row.leader {
                    Some(leader) => format!("End that one: pid {leader}."),
                    None => "End that one.".to_owned(),
                },
            );
        }
        Some("walsender") => {
            return told(
                "It streams to a standby, a subscriber or a backup.",
                "End it at the other side.".to_owned(),
            );
        }
        kind => {
            return told(
                &format!("It is a process of the server: {}.", kind.unwrap_or("unknown")),
                "Its settings say what it does.".to_owned(),
            );
        }
    }
    if row.may_signal {
        return None;
    }
    match (row.of_superuser, row.role.is_none()) {
        (_, true) => told(
            "The console's role may not signal autovacuum.",
            format!(
                "On PostgreSQL 18 and newer: grant pg_signal_autovacuum_worker to {me}; before, only a superuser may."
            ),
        ),
        (true, _) => told(
            "It is a superuser's, and only a superuser may end it.",
            format!("End it as a superuser: select pg_terminate_backend({});", row.pid),
        ),
        (false, _) => told(
            "The console's role may not end other roles' sessions.",
            format!("As a superuser: grant pg_signal_backend to {me};"),
        ),
    }
}

fn gone(pid: i32) -> Error {
    Error::not_found(
        format!("The session with pid {pid} that was shown is over."),
        "Look again: another one may have its number by now, and was left alone.",
    )
}

/// Who it was, for the audit log: nothing of its statement, which may hold data.
fn describe(row: &SessionRow) -> String {
    let mut words = vec![format!(
        "role {}, database {}, application “{}”",
        row.role.as_deref().unwrap_or("none"),
        row.database.as_deref().unwrap_or("none"),
        row.application
    )];
    if let Some(client) = &row.client {
        words.push(format!("from {client}"));
    }
    if let Some(state) = &row.state {
        words.push(state.clone());
    }
    if let Some(seconds) = row.transaction_s {
        words.push(format!("transaction of {}", format::duration(seconds * 1000)));
    }
    words.join(", ")
}
