//! Standbys of a managed database that take the costly part of the looks: the sizes of tables, which cost one stat() a file and
//! are the same there. What a server counts by itself (scans, statements, sessions, slots) is asked of the primary alone.

use std::{
    sync::{PoisonError, RwLock},
    time::{Duration, Instant},
};

use contract::{
    Code, Fault,
    finding::{Finding, Level},
    target::ReplicaView,
};
use sqlx::{Connection, PgConnection};

use super::{
    Target, address,
    identity::{self, Identity, Known},
    look::{self, query_as},
    url::DatabaseUrl,
};
use crate::{Error, Result};

/// How long connecting to one may take, and all until it is known whether it may be asked.
const CONNECTS: Duration = Duration::from_secs(3);
const ANSWERS: Duration = Duration::from_secs(6);
/// One that could not be asked is left alone for so long: a page does not wait for it again and again.
const RESTS: Duration = Duration::from_secs(15);
/// How far one may be behind, in seconds: sizes of tables do not change more than that.
const BEHIND: f64 = 10.0;

/// A standby, by its address.
pub(super) struct Replica {
    url: DatabaseUrl,
    seen: RwLock<Option<Seen>>,
}

/// The last answer: how many seconds it is behind, or why it cannot be asked.
struct Seen {
    at: Instant,
    answer: Result<f64, Fault>,
}

/// An open look at a standby that is this very database and not far behind.
pub(crate) struct Beside {
    /// A session of its own, within the transaction of a look.
    pub connection: PgConnection,
    /// Its host and port.
    pub address: String,
}

impl Beside {
    /// Ends it, so that the server's log has no broken connection.
    pub(crate) async fn close(self) {
        self.connection.close().await.ok();
    }
}

impl Replica {
    pub(super) fn new(url: DatabaseUrl) -> Self {
        Self {
            url,
            seen: RwLock::new(None),
        }
    }

    fn view(&self) -> ReplicaView {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        let answer = seen.as_ref().map(|seen| &seen.answer);
        ReplicaView {
            address: address(&self.url.options),
            lag_s: answer.and_then(|answer| answer.as_ref().ok()).copied(),
            fault: answer.and_then(|answer| answer.as_ref().err()).cloned(),
        }
    }

    fn rests(&self) -> bool {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        seen.as_ref()
            .is_some_and(|seen| seen.answer.is_err() && seen.at.elapsed() < RESTS)
    }
}

impl Target {
    /// A look at the first replica that may be asked; none where there is none, so that the primary is asked.
    pub(crate) async fn beside(&self) -> Option<Beside> {
        for replica in self.0.replicas.iter().filter(|replica| !replica.rests()) {
            match self.open_at(replica).await {
                Ok(beside) => return Some(beside),
                Err(fault) => tracing::info!(
                    target.name = self.name(),
                    reason = fault.message,
                    "a replica cannot be asked"
                ),
            }
        }
        None
    }

    /// The replicas as they were at the last look.
    pub(super) fn replicas(&self) -> Vec<ReplicaView> {
        self.0.replicas.iter().map(Replica::view).collect()
    }

    /// Looks at every replica now.
    pub(super) async fn probe_replicas(&self) -> Vec<ReplicaView> {
        let looks = self.0.replicas.iter().map(|replica| async {
            if let Ok(beside) = self.open_at(replica).await {
                beside.close().await;
            }
        });
        futures::future::join_all(looks).await;
        self.replicas()
    }

    /// What is to be said of the replicas.
    pub(super) async fn findings_of_replicas(&self) -> Vec<Finding> {
        let faults = self.probe_replicas().await.into_iter();
        faults
            .filter_map(|replica| {
                let fault = replica.fault?;
                let remedy = fault
                    .hint
                    .unwrap_or_else(|| "Start it, or correct its URL.".to_owned());
                let words = format!("The replica at {} is not asked.", replica.address);
                let finding = Finding::new("target.replica", Level::Warning, words, remedy);
                Some(finding.because(format!("{} The primary is asked in its place.", fault.message)))
            })
            .collect()
    }

    async fn open_at(&self, replica: &Replica) -> Result<Beside, Fault> {
        let at = address(&replica.url.options);
        let silent = || {
            let source = sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
            of(&at, source).fault()
        };
        let opened = match tokio::time::timeout(ANSWERS, self.reach(replica, &at)).await {
            Ok(opened) => opened.map_err(|error| error.fault()),
            Err(_) => Err(silent()),
        };
        let (answer, opened) = match opened {
            Ok((beside, lag)) => (Ok(lag), Ok(beside)),
            Err(fault) => (Err(fault.clone()), Err(fault)),
        };
        let seen = Seen {
            at: Instant::now(),
            answer,
        };
        *replica.seen.write().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        opened
    }

    async fn reach(&self, replica: &Replica, at: &str) -> Result<(Beside, f64)> {
        let DatabaseUrl { options, link, .. } = &replica.url;
        let connected = self.connect_at(options, link, CONNECTS, "replica").await;
        let mut connection = connected.map_err(|error| match error {
            Error::Target { source, .. } => of(at, source),
            other => other,
        })?;
        let reading = async {
            look::open(&mut connection).await?;
            let found = identity::read(&mut connection, at).await?;
            // All that came was replayed, and more would come; else by what was replayed last.
            let (standby, lag, role): (bool, Option<f64>, String) = query_as(
                "select pg_is_in_recovery(),
                        case
                            when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
                                 and exists (select from pg_stat_wal_receiver) then 0
                            else extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())
                        end::float8,
                        current_user::text",
            )
            .fetch_one(&mut connection)
            .await?;
            Ok::<_, sqlx::Error>((found.identity, standby, lag, role))
        };
        let (found, standby, lag, role) = reading.await.map_err(|source| of(at, source))?;
        let own = match &*self.identity() {
            Known::As { identity, .. } => Some(identity.clone()),
            Known::Nothing | Known::Refused(_) => None,
        };
        let beside = Beside {
            connection,
            address: at.to_owned(),
        };
        match verdict(at, own.as_ref(), &found, standby, lag, &role) {
            Ok(lag) => Ok((beside, lag)),
            Err(fault) => {
                beside.close().await;
                Err(Error::Refused(fault))
            }
        }
    }
}

/// An error that names the replica, and not its primary.
fn of(at: &str, source: sqlx::Error) -> Error {
    Error::Target {
        target: at.to_owned(),
        source,
        statement: None,
    }
}

/// How many seconds a server is behind whose answers may stand for the primary's.
fn verdict(
    at: &str,
    own: Option<&Identity>,
    found: &Identity,
    standby: bool,
    lag: Option<f64>,
    role: &str,
) -> Result<f64, Fault> {
    let refused =
        |message: String, hint: &str| Err(Fault::new(Code::Conflict, format!("{at} {message}")).hint(hint));
    let Some(own) = own else {
        return refused(
            "cannot be compared with its primary, which was not reached yet.".to_owned(),
            "Bring the primary back first.",
        );
    };
    if !standby {
        return refused(
            "is no standby: it takes changes of its own.".to_owned(),
            "Name a standby of this database in DATABASE_REPLICA_URLS, or leave this one out.",
        );
    }
    if [own, found].iter().any(|one| one.system.starts_with("at ")) {
        return refused(
            "cannot be compared with its primary: the console's role may not read the system identifier."
                .to_owned(),
            &format!(
                "On the primary, as a superuser: grant execute on function pg_catalog.pg_control_system() to {};",
                crate::quote::ident(role)
            ),
        );
    }
    if own.system != found.system {
        return refused(
            format!(
                "is a standby of another server: its system identifier is {}, the primary's {}.",
                found.system, own.system
            ),
            "Name a standby of this database's own server in DATABASE_REPLICA_URLS, or leave this one out.",
        );
    }
    if own.oid != found.oid {
        return refused(
            "leads to another database of that server.".to_owned(),
            "Name the same database in its URL as in that of the primary.",
        );
    }
    match lag {
        Some(lag) if lag <= BEHIND => Ok(lag),
        Some(lag) => refused(
            format!("is {lag:.0} s behind."),
            "Look at its replication: a slow network, a long query there, replay that is paused.",
        ),
        None => refused(
            "has replayed nothing since it started, so how far it is behind is not known.".to_owned(),
            "Wait for the next change on the primary, or look whether replication runs.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(system: &str, oid: i64) -> Identity {
        Identity {
            system: system.to_owned(),
            oid,
        }
    }

    #[test]
    fn only_a_standby_of_this_very_database_that_is_not_far_behind_stands_for_it() {
        let own = identity("7", 5);
        let said = |own: Option<&Identity>, found: Identity, standby, lag| match verdict(
            "r:1", own, &found, standby, lag, "steward",
        ) {
            Ok(lag) => format!("{lag}"),
            Err(fault) => fault.message,
        };
        assert_eq!(said(Some(&own), identity("7", 5), true, Some(0.5)), "0.5");
        assert_eq!(said(Some(&own), identity("7", 5), true, Some(BEHIND)), "10");
        for (own, found, standby, lag, words) in [
            (None, identity("7", 5), true, Some(0.0), "not reached"),
            (Some(&own), identity("7", 5), false, Some(0.0), "no standby"),
            (Some(&own), identity("8", 5), true, Some(0.0), "another server"),
            (Some(&own), identity("7", 6), true, Some(0.0), "another database"),
            (Some(&own), identity("at r:1", 5), true, Some(0.0), "may not read"),
            (Some(&own), identity("7", 5), true, Some(10.5), "behind"),
            (Some(&own), identity("7", 5), true, None, "not known"),
        ] {
            let said = said(own, found, standby, lag);
            assert!(said.starts_with("r:1 ") && said.contains(words), "{said}");
        }
    }
}
