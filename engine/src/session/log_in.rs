//! Logging in: limits, password, session, tokens.

use std::net::IpAddr;

use chrono::Utc;
use contract::{
    Code, Fault, Instant,
    audit::{Outcome, Severity},
};
use rand::{TryRngCore, rngs::OsRng};
use secrecy::SecretString;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Session, Tokens, hash, limit,
    store::{User, attempts, sessions, users},
    token::{ACCESS, Proof},
};
use crate::{Engine, Error, Result, audit};

/// The audit log's name for a log-in.
const ACT: &str = "session.log_in";

impl Session<'_> {
    /// Begins a session for a name and password.
    ///
    /// # Errors
    /// `Busy`, with how long to wait, after 5 failures of one account in 15 minutes or 20 tries from one address in a
    /// minute; `Unauthenticated`, with the same words and after the same work, when there is no such user, the password
    /// is wrong, or the user is disabled; the store's failures.
    #[crate::boxed]
    pub async fn log_in(&self, name: &str, password: &str, address: Option<IpAddr>) -> Result<Tokens> {
        let attempt = limit::admit(self.0, name, address, ACT).await?;
        let user = users::by_name(self.0.store(), &limit::account(name)).await?;
        let hash = user
            .as_ref()
            .map_or(hash::NOBODY, |user| user.password_hash.as_str())
            .to_owned();
        let right = match self.0.keys().hasher.verify(password.into(), hash).await {
            Ok(right) => right,
            Err(error) => {
                attempt.not_tried(self.0).await?;
                return Err(error);
            }
        };
        let network = address.map(limit::network);
        let address = address.map(|address| address.to_canonical().to_string());
        let mut transaction = self.0.store().begin().await?;
        // Asked again inside the transaction: the user may have been disabled while the hash was computed.
        let welcome = match &user {
            Some(user) if right && users::note_log_in(&mut transaction, user).await? => user,
            _ => {
                attempt.failed(&mut transaction).await?;
                let reason = match &user {
                    None => "There is no such user.",
                    Some(user) if user.disabled => "The user is disabled.",
                    Some(user) if right && user.has_ended(Utc::now()) => {
                        "The password was right and has ended, because it was not used in time."
                    }
                    Some(_) if right => "The user was changed at this moment.",
                    Some(_) => "The password is wrong.",
                };
                let entry = entry(user.as_ref(), address.as_deref(), Outcome::Failure, Some(reason));
                match &user {
                    Some(_) => drop(audit::record(&mut transaction, entry).await?),
                    // Names can be made up without end; tries for a user that is there are limited by themselves.
                    None => {
                        let key = limit::key(None, network.as_deref());
                        audit::record_or_count(&mut transaction, &key, entry).await?;
                    }
                }
                transaction.commit().await?;
                return Err(wrong());
            }
        };
        attempt.succeeded(&mut transaction).await?;
        let tokens = begin(self.0, &mut transaction, welcome.id, address.as_deref()).await?;
        audit::record(
            &mut transaction,
            entry(Some(welcome), address.as_deref(), Outcome::Success, None),
        )
        .await?;
        transaction.commit().await?;
        prune(self.0).await;
        Ok(tokens)
    }
}

/// Begins a session for a user whose password was right.
pub(super) async fn begin(
    engine: &Engine,
    connection: &mut PgConnection,
    user: Uuid,
    address: Option<&str>,
) -> Result<Tokens> {
    let mut seed = [0_u8; 32];
    OsRng
        .try_fill_bytes(&mut seed)
        .map_err(|error| Error::internal("taking random bits", error))?;
    let id = Uuid::now_v7();
    let expires = sessions::insert(connection, id, user, &seed, address).await?;
    let proof = Proof { user, session: id };
    tokens(engine, proof, engine.keys().refresh(id, 0, &seed)?, expires)
}

/// The tokens of a session: a new access token beside this refresh token.
pub(super) fn tokens(
    engine: &Engine,
    proof: Proof,
    refresh: SecretString,
    expires: Instant,
) -> Result<Tokens> {
    let now = Utc::now();
    let access_expires = expires.min(now + ACCESS);
    Ok(Tokens {
        access: engine.keys().access(proof, now, access_expires)?,
        refresh,
        access_expires,
        session_expires: expires,
    })
}

/// A name that no user has is not written down: people type their password there.
fn entry<'a>(
    user: Option<&'a User>,
    address: Option<&'a str>,
    outcome: Outcome,
    detail: Option<&'a str>,
) -> audit::Entry<'a> {
    audit::Entry {
        event_type: ACT,
        severity: if outcome == Outcome::Success {
            Severity::Info
        } else {
            Severity::Warning
        },
        outcome,
        user: user.map(|user| user.name.as_str()),
        address,
        target: None,
        object: None,
        detail,
        job: None,
    }
}

fn wrong() -> Error {
    Error::Refused(
        Fault::new(Code::Unauthenticated, "Wrong name or password.")
            .hint("Check both. An administrator can set a new password, also with `pgsteward user passwd`."),
    )
}

/// A log-in is rare and has just waited for a hash, so it also clears away; that this fails is no reason to refuse it.
async fn prune(engine: &Engine) {
    let pruned = async {
        attempts::prune(engine.store()).await?;
        sessions::prune(engine.store()).await
    };
    if let Err(error) = pruned.await {
        tracing::warn!(error = %error, "cannot clear away old log-ins");
    }
}
