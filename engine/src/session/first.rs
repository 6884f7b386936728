//! The first start: a console without users makes its administrator.

use contract::{audit::Severity, session::Role};
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
    /// Made, with a password that is known nowhere else and must be changed at the first log-in. Show it once.
    MadeWithOneTimePassword {
        /// The log-in name.
        name: String,
        /// The password.
        password: SecretString,
    },
}

impl Session<'_> {
    /// Makes the user `admin` when there is no user at all. Of several processes that start at once, one makes it.
    ///
    /// # Errors
    /// `Invalid` at `password` when the given one breaks a rule; the store's failures.
    pub async fn ensure_first_administrator(
        &self,
        given: Option<SecretString>,
    ) -> Result<FirstAdministrator> {
        if users::any(self.0.store()).await? {
            return Ok(FirstAdministrator::NotNeeded);
        }
        if let Some(given) = &given {
            password::check(given.expose_secret(), NAME, "password")?;
        }
        let one_time = given.is_none().then(password::one_time);
        let password = given.or_else(|| one_time.clone()).unwrap_or_default();
        let user = User {
            id: Uuid::now_v7(),
            name: NAME.to_owned(),
            role: Role::Administrator,
            password_hash: self.0.keys().hasher.hash(password).await?,
            must_change_password: one_time.is_some(),
            disabled: false,
        };
        let mut transaction = self.0.store().begin().await?;
        users::lock(&mut transaction).await?;
        if users::any(&mut *transaction).await? {
            return Ok(FirstAdministrator::NotNeeded);
        }
        users::insert(&mut transaction, &user).await?;
        let console: Caller = self.command_line("first start");
        let entry = audit::Entry {
            severity: Severity::Warning,
            object: Some(NAME),
            detail: Some("The first administrator was made."),
            ..audit::Entry::by(&console, "session.add_user")
        };
        audit::record(&mut transaction, entry).await?;
        transaction.commit().await?;
        let name = NAME.to_owned();
        Ok(match one_time {
            Some(password) => FirstAdministrator::MadeWithOneTimePassword { name, password },
            None => FirstAdministrator::Made { name },
        })
    }
}
