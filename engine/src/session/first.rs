//! The first start: a console without users makes its administrator.

use chrono::{TimeDelta, Utc};
use contract::{Instant, audit::Severity, session::Role};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::{
    Session, password,
    store::{User, users},
};
use crate::{Caller, Result, audit};

/// The name of the first administrator.
const NAME: &str = "admin";

/// What became of the first administrator.
#[derive(Debug)]
pub enum FirstAdministrator {
    /// There were users already; a configured password is not looked at.
    NotNeeded,
    /// Made, with the password that was given.
    Made {
        /// The log-in name.
        name: String,
    },
    /// Made, or given a new password because nobody used the one before in time: with a password that is known nowhere
    /// else and must be changed at the first log-in. Show it once.
    MadeWithOneTimePassword {
        /// The log-in name.
        name: String,
        /// The password.
        password: SecretString,
        /// When it opens nothing any more.
        until: Instant,
    },
    /// The one-time password that an earlier start showed has not been used yet.
    OneTimePasswordWaits {
        /// The log-in name.
        name: String,
        /// When it opens nothing any more; the first start after that makes a new one.
        until: Instant,
    },
}

/// How long a one-time password is good for: whoever finds it later in a log finds nothing.
const ONE_TIME: TimeDelta = TimeDelta::hours(24);

impl Session<'_> {
    /// Makes the user `admin` when there is no user at all, and gives it a new password when the one-time password of an
    /// earlier start has ended unused. Of several processes that start at once, one does it.
    ///
    /// # Errors
    /// `Invalid` at `password` when the given one breaks a rule; the store's failures.
    #[crate::boxed]
    pub async fn ensure_first_administrator(
        &self,
        given: Option<SecretString>,
    ) -> Result<FirstAdministrator> {
        if users::any(self.0.store()).await?
            && let Some(done) = self.waiting().await?
        {
            return Ok(done);
        }
        if let Some(given) = &given {
            password::check(given.expose_secret(), NAME, "password")?;
        }
        let one_time = given
            .is_none()
            .then(|| (password::one_time(), Utc::now() + ONE_TIME));
        let password = given
            .or_else(|| one_time.clone().map(|(password, _)| password))
            .unwrap_or_default();
        let mut user = User {
            id: Uuid::now_v7(),
            name: NAME.to_owned(),
            role: Role::Administrator,
            password_hash: self.0.keys().hasher.hash(password).await?,
            must_change_password: one_time.is_some(),
            disabled: false,
            password_expires_at: one_time.as_ref().map(|(_, until)| *until),
        };
        let mut transaction = self.0.store().begin().await?;
        users::lock(&mut transaction).await?;
        let detail = match users::by_name(&mut *transaction, NAME).await? {
            None if users::any(&mut *transaction).await? => return Ok(FirstAdministrator::NotNeeded),
            None => {
                users::insert(&mut transaction, &user).await?;
                "The first administrator was made."
            }
            // Another process was faster.
            Some(known) if !known.has_ended(Utc::now()) => return Ok(state(&known)),
            Some(known) => {
                user.id = known.id;
                user.role = known.role;
                users::update(&mut transaction, &user).await?;
                "The one-time password had ended unused; a new one was made."
            }
        };
        let console: Caller = self.command_line("first start");
        let entry = audit::Entry {
            severity: Severity::Warning,
            object: Some(NAME),
            detail: Some(detail),
            ..audit::Entry::by(&console, "session.add_user")
        };
        audit::record(&mut transaction, entry).await?;
        transaction.commit().await?;
        let name = NAME.to_owned();
        Ok(match one_time {
            Some((password, until)) => FirstAdministrator::MadeWithOneTimePassword {
                name,
                password,
                until,
            },
            None => FirstAdministrator::Made { name },
        })
    }

    /// What there is to do where there are users: nothing, unless a one-time password has ended.
    async fn waiting(&self) -> Result<Option<FirstAdministrator>> {
        let known = users::by_name(self.0.store(), NAME).await?;
        Ok(match known {
            None => Some(FirstAdministrator::NotNeeded),
            Some(known) if known.has_ended(Utc::now()) && !known.disabled => None,
            Some(known) => Some(state(&known)),
        })
    }
}

/// A first administrator who is there.
fn state(known: &User) -> FirstAdministrator {
    match known.password_expires_at {
        Some(until) if !known.disabled && !known.has_ended(Utc::now()) => {
            FirstAdministrator::OneTimePasswordWaits {
                name: known.name.clone(),
                until,
            }
        }
        _ => FirstAdministrator::NotNeeded,
    }
}
