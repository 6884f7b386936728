//! `pgsteward activity`: what happens on a server now, and the end of a session.

use contract::{
    activity::{ActivityQuery, ActivityView, BlockNode, EndSession, RunningCommand, SessionStat},
    format,
};

use super::{Session, arguments::Activity, confirm, failure::Failure, table};
use crate::console::Console;

pub(super) async fn run(
    session: &Session<'_>,
    console: &Console,
    what: Option<Activity>,
) -> Result<(), Failure> {
    let caller = session.caller(console);
    let activity = console.engine.activity();
    let query = ActivityQuery {
        target: session.target(console).await?,
        // Who is to be ended may be in any database of the server.
        all: what.is_some(),
        descending: true,
        ..ActivityQuery::default()
    };
    let target = query.target.clone();
    let view = activity.all_sessions(&caller, query).await?;
    let (pid, verb, terminates) = match what {
        None => {
            session.out.show(&view, || words(&view));
            return Ok(());
        }
        Some(Activity::Cancel { pid }) => (pid, "Cancel the statement of", false),
        Some(Activity::Terminate { pid }) => (pid, "Terminate", true),
    };
    let in_tree = || view.tree.iter().filter_map(|node| node.session.as_ref());
    let found = view.sessions.iter().chain(in_tree()).find(|it| it.key.pid == pid);
    let Some(found) = found else {
        return Err(Failure::with_hint(
            format!("no session has pid {pid}"),
            "see `pgsteward activity`; the server's own processes cannot be ended here",
        ));
    };
    let Some(started) = found.key.started else {
        return Err(Failure::with_hint(
            format!(
                "pid {pid} is hidden from the console's role, so that it cannot be told from another one"
            ),
            view.grant.unwrap_or_else(|| "grant pg_monitor to it".to_owned()),
        ));
    };
    let question = format!("{verb} pid {pid}: {}?", brief(found));
    confirm::ask(session, &question)?;
    let request = EndSession { target, pid, started };
    let ended = match terminates {
        true => activity.terminate_session(&caller, request).await?,
        false => activity.cancel_session(&caller, request).await?,
    };
    session.out.show(&ended, || ended.words.clone());
    match ended.over {
        true => Ok(()),
        false => Err(Failure::with_hint(
            format!("pid {pid} was asked, and it still runs"),
            "look again with `pgsteward activity`; a statement stops where the server looks for it",
        )),
    }
}

/// A session in one line.
fn brief(session: &SessionStat) -> String {
    let mut words = vec![session.who()];
    words.extend(session.database.clone().map(|name| format!("database {name}")));
    words.extend(session.state.clone());
    words.extend(
        session
            .transaction_s
            .map(|seconds| format!("transaction of {}", span(Some(seconds)))),
    );
    words.extend(session.query.as_deref().map(one_line));
    words.join(", ")
}

fn words(view: &ActivityView) -> String {
    let mut parts = Vec::new();
    parts.extend(
        view.concerns
            .iter()
            .map(|finding| format!("{}: {} {}", finding.level.name(), finding.words, finding.remedy)),
    );
    if let Some(grant) = &view.grant {
        parts.push(format!(
            "{} of {} sessions are hidden from the console's role; to see them: {grant}",
            view.hidden, view.everywhere
        ));
    }
    if !view.tree.is_empty() {
        parts.push(format!(
            "{} wait for locks:\n{}",
            format::counted(usize::try_from(view.waiting).unwrap_or(0), "session", "sessions"),
            view.tree.iter().map(branch).collect::<Vec<_>>().join("\n")
        ));
    }
    if !view.running.is_empty() {
        parts.push(view.running.iter().map(command).collect::<Vec<_>>().join("\n"));
    }
    if !view.prepared.is_empty() {
        let lines = view.prepared.iter().map(|prepared| {
            format!(
                "prepared transaction “{}” of {} in {}, for {}: {}",
                prepared.name,
                prepared.owner,
                prepared.database,
                span(Some(prepared.age_s)),
                prepared.remedy
            )
        });
        parts.push(lines.collect::<Vec<_>>().join("\n"));
    }
    if let Some(worst) = view.horizon.first() {
        parts.push(format!(
            "dead rows of the last {} transactions are kept by {}",
            format::exact(worst.xids),
            worst.who
        ));
    }
    let rows: Vec<Vec<String>> = view.sessions.iter().map(row).collect();
    parts.push(table::lay_out(
        &[
            "pid",
            "role",
            "application",
            "state",
            "wait",
            "transaction",
            "statement",
            "text",
        ],
        &["pid", "transaction", "statement"],
        &rows,
    ));
    let mut counts = format!(
        "{} in this database, {} on the server",
        format::counted(usize::try_from(view.here).unwrap_or(0), "session", "sessions"),
        format::exact(view.everywhere)
    );
    if view.unread > 0 {
        counts.push_str(&format!(", {} more than are read", format::exact(view.unread)));
    }
    parts.push(counts);
    parts.join("\n\n")
}

fn branch(node: &BlockNode) -> String {
    let mut line = format!("{}{}", "  ".repeat(node.depth.min(20) as usize), node.who());
    if let Some(lock) = node
        .session
        .as_ref()
        .and_then(|session| session.waits_for.as_ref())
    {
        line.push_str(&format!(
            " waits {} for {} ({})",
            span(lock.seconds),
            lock.on,
            lock.mode
        ));
    }
    if node.below > 0 {
        line.push_str(&format!(" holds up {}", node.below));
    }
    if let Some(query) = node.session.as_ref().and_then(|session| session.query.as_deref()) {
        line.push_str(": ");
        line.push_str(&one_line(query));
    }
    line
}

fn command(running: &RunningCommand) -> String {
    let mut line = format!("pid {} {}", running.pid, running.command);
    if let Some(relation) = &running.relation {
        line.push_str(&format!(" on {relation}"));
    }
    line.push_str(&format!(" ({}): {}", running.who, running.phase));
    if let Some(fraction) = running.fraction {
        line.push_str(&format!(", {}", format::percent(fraction)));
        if running.of_phase {
            line.push_str(" of this phase");
        }
    }
    if let Some(counted) = &running.counted {
        line.push_str(&format!(", {counted}"));
    }
    line
}

fn row(session: &SessionStat) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    vec![
        session.key.pid.to_string(),
        text(&session.role),
        session.application.clone(),
        session.state.clone().unwrap_or_else(|| "hidden".to_owned()),
        match &session.waits_for {
            Some(lock) => format!("Lock: {}", lock.on),
            None => text(&session.wait),
        },
        span(session.transaction_s),
        span(session.query_s),
        session.query.as_deref().map(one_line).unwrap_or_default(),
    ]
}

fn span(seconds: Option<i64>) -> String {
    seconds.map_or_else(String::new, |seconds| {
        format::duration(seconds.saturating_mul(1000))
    })
}

/// The beginning of a statement.
fn one_line(query: &str) -> String {
    let line = query.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
