//! Who may come in: users, log-ins, roles, and the proof of a caller for every request.
//!
//! Invariants: nobody else builds a `Caller`. An access token proves nothing by itself: its session's row must be live
//! at the moment of the request, and name, role and duties come from the user's row, so log-out, disabling, a change of
//! role or of password act at once. A password is looked at only after the limits let the try through, and whether a
//! user exists shows neither in the answer nor in the work done for it. Every change is in the audit log, by the same
//! transaction.

mod account;
mod administer;
mod first;
mod hash;
mod keys;
mod limit;
mod log_in;
mod password;
mod refresh;
mod store;
mod token;
mod weak;

use std::{net::IpAddr, time::Duration};

use contract::{
    Code, Fault, Instant,
    session::{Identity, Role},
};
use secrecy::SecretString;
use uuid::Uuid;

pub use first::FirstAdministrator;
pub use keys::Keys;
pub(crate) use limit::network;

use crate::{Caller, Engine, Error, Result, audit::Refusal};
use store::sessions;

/// A session ends this long after its log-in, however busy it is. (That it ends after 30 idle minutes is in the store's
/// view `live_sessions`.)
const ABSOLUTE: Duration = Duration::from_secs(12 * 60 * 60);

/// The operations on users and sessions.
pub struct Session<'a>(&'a Engine);

/// What a log-in gives to the browser, for HttpOnly cookies alone.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Goes with every request; see [`Session::authenticate`].
    pub access: SecretString,
    /// Gives new tokens when the access token has expired; see [`Session::refresh`].
    pub refresh: SecretString,
    /// When the access token expires: after 15 minutes, or with the session.
    pub access_expires: Instant,
    /// When the session ends at the latest: 12 hours after the log-in.
    pub session_expires: Instant,
}

impl Engine {
    /// The operations on users and sessions.
    pub fn session(&self) -> Session<'_> {
        Session(self)
    }
}

impl Session<'_> {
    /// The caller behind an access token. One query, which also notes the visit.
    ///
    /// # Errors
    /// `Unauthenticated` when the token is wrong in any way, the session has ended (log-out, 30 minutes idle, 12 hours
    /// at all), or the user is disabled; the store's failures.
    #[crate::boxed]
    pub async fn authenticate(&self, access: &str, address: Option<IpAddr>) -> Result<Caller> {
        let proof = self.0.keys().proof(access).ok_or_else(no_session)?;
        let identity = sessions::visit(self.0.store(), proof.session, proof.user)
            .await?
            .ok_or_else(no_session)?;
        Ok(Caller::new(
            identity,
            Some(proof.session),
            address.map(|address| address.to_canonical().to_string()),
            self.0.refusals().clone(),
        ))
    }

    /// Whether a caller's session is still live, for streams that outlast their request. Does not count as a visit.
    /// When the store cannot be asked, the answer is no: the stream ends and its client comes again.
    #[crate::boxed]
    pub async fn still_live(&self, caller: &Caller) -> bool {
        let Some(session) = caller.session() else {
            return true;
        };
        match sessions::is_live(self.0.store(), session).await {
            Ok(live) => live,
            Err(error) => {
                tracing::warn!(error = %error, "cannot ask the store whether a session is live");
                false
            }
        }
    }

    /// The caller on the command line: whoever can read the console's data folder and its store's address is an
    /// administrator already. The name in the audit log is `cli:` and the name in the operating system.
    pub fn command_line(&self, os_user: &str) -> Caller {
        let os_user: String = os_user
            .chars()
            .filter(|character| !character.is_control())
            .take(60)
            .collect();
        let identity = Identity {
            user_id: Uuid::nil(),
            name: format!("cli:{os_user}"),
            role: Role::Administrator,
            must_change_password: false,
        };
        Caller::new(identity, None, None, self.0.refusals().clone())
    }

    /// Writes into the audit log that another site made a browser send something. It was refused before anybody's session
    /// was looked at, so that there is no caller.
    pub fn came_from_another_site(&self, address: Option<IpAddr>, path: &str, origin: Option<&str>) {
        let address = address.map(|address| address.to_canonical().to_string());
        self.0.refusals().tell(Refusal::of_site(address, path, origin));
    }

    /// The caller that schedules act as. No user can have this name: it has a colon.
    pub(crate) fn schedule(&self) -> Caller {
        let identity = Identity {
            user_id: Uuid::nil(),
            name: "pgsteward:schedule".to_owned(),
            role: Role::Administrator,
            must_change_password: false,
        };
        Caller::new(identity, None, None, self.0.refusals().clone())
    }

    /// How many password hashes this process has computed, for its metrics.
    pub fn password_hashes(&self) -> u64 {
        self.0.keys().hasher.runs()
    }
}

/// The one answer to every token that does not open anything.
fn no_session() -> Error {
    Error::Refused(
        Fault::new(
            Code::Unauthenticated,
            "You are not logged in, or your session has ended.",
        )
        .hint("Log in again."),
    )
}
