//! What happens on a managed server at this moment: sessions, who holds up whom, what keeps dead rows, what runs; and the
//! end of a session.

mod act;
mod catalog;
pub(crate) mod findings;
mod horizon;
mod progress;
mod seen;
#[cfg(feature = "test-jobs")]
pub mod test_clock;
mod tree;

use std::{cmp::Ordering, collections::HashMap};

use contract::{
    activity::{
        ActivityQuery, ActivityView, BlockNode, EndSession, EndedSession, LockWait, PreparedView,
        SESSIONS_PER_PAGE, SessionAct, SessionKey, SessionSort, SessionStat,
    },
    session::Permission,
};

use crate::{Caller, Engine, Result, lexer, quote, target::Target};
use catalog::{SessionRow, Snapshot};

pub(crate) use progress::Watched;
pub(crate) use seen::Looks;

/// The most sessions that one look reads.
const MOST_SESSIONS: i64 = 1000;
/// Characters of a statement that are shown.
const QUERY: usize = 2000;

/// The operations on sessions of managed servers.
pub struct Activity<'a>(&'a Engine);

impl Engine {
    /// The operations on sessions of managed servers.
    pub fn activity(&self) -> Activity<'_> {
        Activity(self)
    }
}

impl Activity<'_> {
    /// What happens on the server now, or did within the last second, with a page of its sessions: one look for all who look.
    /// Statements are whole for who may see data (whoever may
    /// download a backup), and without values for others. What the console's role does not see is counted, with the
    /// statement that shows it.
    ///
    /// # Errors
    /// `Forbidden`; `NotFound` for the target; its failures.
    #[crate::boxed]
    pub async fn look(&self, caller: &Caller, query: ActivityQuery) -> Result<ActivityView> {
        caller.permit(Permission::ViewTarget)?;
        self.view(caller, query, SESSIONS_PER_PAGE).await
    }

    /// The same with every session that the query matches, at most a thousand; its page does not count.
    ///
    /// # Errors
    /// As [`Self::look`].
    #[crate::boxed]
    pub async fn all_sessions(&self, caller: &Caller, query: ActivityQuery) -> Result<ActivityView> {
        caller.permit(Permission::ViewTarget)?;
        self.view(caller, query, MOST_SESSIONS).await
    }

    /// Breaks off the statement of a session, which stays. It says whether the statement is over: the server is asked, and
    /// it is waited for two seconds.
    ///
    /// # Errors
    /// `Forbidden`; `NotFound` for a session that is over, or whose number another one has by now; `Conflict` for one that
    /// is protected, that the console's role may not signal, or that runs nothing; the target's and the store's failures.
    #[crate::boxed]
    pub async fn cancel_session(&self, caller: &Caller, request: EndSession) -> Result<EndedSession> {
        caller.permit(Permission::EndSession)?;
        act::end(self.0, caller, request, SessionAct::Cancel).await
    }

    /// Ends a session; its transaction is rolled back. Otherwise as [`Self::cancel_session`].
    ///
    /// # Errors
    /// As [`Self::cancel_session`].
    #[crate::boxed]
    pub async fn terminate_session(&self, caller: &Caller, request: EndSession) -> Result<EndedSession> {
        caller.permit(Permission::EndSession)?;
        act::end(self.0, caller, request, SessionAct::Terminate).await
    }

    async fn view(&self, caller: &Caller, query: ActivityQuery, per_page: i64) -> Result<ActivityView> {
        let target = self.0.target(&query.target)?;
        let seen = seen::look(self.0, &target).await?;
        let snapshot = &seen.snapshot;
        let sees_data = caller.role().may(Permission::DownloadBackup);
        let read = Read::of(snapshot, sees_data);
        let mut concerns = findings::of(snapshot, &read);
        concerns.extend(findings::long_statements(&read));
        concerns.sort_by_key(|finding| std::cmp::Reverse(finding.level));
        let counts = snapshot.sessions.first();
        let everywhere = counts.map_or(0, |row| row.count);
        let hidden = counts.map_or(0, |row| row.hidden_count);
        let listed: Vec<SessionStat> = read.listed().cloned().collect();
        let matching = matching(&listed, &query);
        let pages = (matching.len() as i64 - 1).max(0) / per_page + 1;
        let page = query.page.clamp(1, pages);
        Ok(ActivityView {
            target: query.target,
            sampled_at: snapshot.facts.sampled_at,
            primary: snapshot.facts.primary,
            page,
            matching: matching.len() as i64,
            here: counts.map_or(0, |row| row.here_count),
            everywhere,
            unread: (everywhere - listed.len() as i64).max(0),
            hidden,
            grant: (hidden > 0)
                .then(|| format!("grant pg_monitor to {};", quote::ident(&snapshot.facts.role))),
            waiting: read.waiting(),
            horizon: horizon::of(snapshot, &read.sessions),
            running: seen.running.clone(),
            concerns,
            sessions: matching
                .into_iter()
                .skip(((page - 1) * per_page) as usize)
                .take(per_page as usize)
                .collect(),
            tree: read.tree,
            prepared: read.prepared,
        })
    }
}

/// A snapshot in words.
struct Read {
    sessions: Vec<SessionStat>,
    /// Which of them are in a database or have a role.
    is_listed: Vec<bool>,
    own: Vec<bool>,
    prepared: Vec<PreparedView>,
    tree: Vec<BlockNode>,
}

impl Read {
    fn of(snapshot: &Snapshot, sees_data: bool) -> Self {
        let rows = &snapshot.sessions;
        let sessions: Vec<SessionStat> = rows.iter().map(|row| session(row, sees_data)).collect();
        let prepared: Vec<PreparedView> = snapshot
            .prepared
            .iter()
            .map(|row| PreparedView {
                name: row.name.clone(),
                transaction: row.transaction.clone(),
                owner: row.owner.clone(),
                here: row.database == snapshot.facts.database,
                database: row.database.clone(),
                age_s: row.age_s,
                xids: row.xids,
                remedy: format!(
                    "commit prepared {0}; or rollback prepared {0};",
                    quote::literal(&row.name)
                ),
            })
            .collect();
        let prepared_of: HashMap<i32, Vec<String>> = rows
            .iter()
            .filter_map(|row| Some((row.pid, row.held_by_prepared.clone()?)))
            .collect();
        Self {
            tree: tree::of(&sessions, &prepared, &prepared_of),
            is_listed: rows.iter().map(|row| row.listed).collect(),
            own: rows.iter().map(|row| row.own).collect(),
            sessions,
            prepared,
        }
    }

    fn listed(&self) -> impl Iterator<Item = &SessionStat> {
        let listed = self.sessions.iter().zip(&self.is_listed);
        listed.filter(|(_, listed)| **listed).map(|(session, _)| session)
    }

    /// Sessions of this database that are none of a console's.
    fn of_others(&self) -> impl Iterator<Item = &SessionStat> {
        let sessions = self.sessions.iter().zip(&self.own);
        sessions
            .filter(|(session, own)| session.here && !**own)
            .map(|(session, _)| session)
    }

    fn waiting(&self) -> i64 {
        self.sessions
            .iter()
            .filter(|session| session.waits_for.is_some())
            .count() as i64
    }
}

/// The roles that sessions of consoles log in with.
fn roles(engine: &Engine, target: &Target) -> Vec<String> {
    [
        engine.config().store.get_username(),
        target.options().get_username(),
        target.session_address().0.get_username(),
    ]
    .map(str::to_owned)
    .to_vec()
}

fn session(row: &SessionRow, sees_data: bool) -> SessionStat {
    let waits = row.blocked_by.as_ref().is_some_and(|pids| !pids.is_empty());
    SessionStat {
        key: SessionKey {
            pid: row.pid,
            started: row.started,
        },
        kind: row.kind.clone(),
        role: row.role.clone(),
        database: row.database.clone(),
        here: row.here,
        application: row.application.clone(),
        client: row.client.clone(),
        state: row.state.clone(),
        state_s: row.state_s,
        transaction_s: row.transaction_s,
        query_s: row.query_s,
        wait: row.wait_type.as_ref().map(|kind| match &row.wait {
            Some(event) => format!("{kind}: {event}"),
            None => kind.clone(),
        }),
        waits_for: waits.then(|| lock(row)),
        blocked_by: row.blocked_by.clone().unwrap_or_default(),
        query: row
            .query
            .as_deref()
            .filter(|query| row.started.is_some() && !query.is_empty())
            .map(|query| shown(query, sees_data)),
        horizon_xids: row.xids,
        protected: act::protected(row).map(|(why, _)| why),
    }
}

/// A statement as it may be shown. A password is a secret for everybody.
fn shown(query: &str, sees_data: bool) -> String {
    let secret = query.to_ascii_lowercase().contains("password");
    match sees_data && !secret {
        true => query.chars().take(QUERY).collect(),
        false => lexer::without_values(query, QUERY),
    }
}

fn lock(row: &SessionRow) -> LockWait {
    let relation = row.lock_relation.as_deref();
    let kind = match row.lock_relation_kind.as_deref() {
        Some("i" | "I") => "index",
        Some("S") => "sequence",
        Some("m") => "materialized view",
        Some("v") => "view",
        _ => "table",
    };
    let on = match (row.lock_type.as_deref().unwrap_or_default(), relation) {
        ("relation", Some(name)) => format!("{kind} {name}"),
        ("relation", None) => "a table of another database".to_owned(),
        ("transactionid" | "tuple", Some(name)) => format!("a row of {name}"),
        ("transactionid" | "virtualxid", None) => "the end of another transaction".to_owned(),
        ("tuple", None) => "a row".to_owned(),
        ("extend", Some(name)) => format!("room at the end of {kind} {name}"),
        ("advisory", _) => "an advisory lock".to_owned(),
        (other, Some(name)) => format!("{other} of {kind} {name}"),
        (other, None) => other.to_owned(),
    };
    LockWait {
        on,
        mode: row.lock_mode.clone().unwrap_or_default(),
        seconds: row.lock_s,
    }
}

/// Those that the query asks for, in its order. It searches what is shown, so that it tells nothing more.
fn matching(sessions: &[SessionStat], query: &ActivityQuery) -> Vec<SessionStat> {
    let wanted = query.search.as_deref().unwrap_or_default().trim().to_lowercase();
    let holds = |text: Option<&str>| text.is_some_and(|text| text.to_lowercase().contains(&wanted));
    let mut found: Vec<SessionStat> = sessions
        .iter()
        .filter(|session| query.all || session.here)
        .filter(|session| query.state.is_none_or(|state| state.holds(session)))
        .filter(|session| {
            wanted.is_empty()
                || session.key.pid.to_string() == wanted
                || holds(Some(&session.application))
                || holds(session.role.as_deref())
                || holds(session.database.as_deref())
                || holds(session.client.as_deref())
                || holds(session.query.as_deref())
        })
        .cloned()
        .collect();
    found.sort_by(|one, other| {
        let order = match query.sort {
            SessionSort::Pid => Ordering::Equal,
            SessionSort::Role => one.role.cmp(&other.role),
            SessionSort::Application => one.application.cmp(&other.application),
            SessionSort::State => one.state.cmp(&other.state),
            SessionSort::Transaction => one.transaction_s.cmp(&other.transaction_s),
            SessionSort::Query => one.query_s.cmp(&other.query_s),
        };
        let order = order.then_with(|| one.key.pid.cmp(&other.key.pid));
        if query.descending { order.reverse() } else { order }
    });
    found
}
