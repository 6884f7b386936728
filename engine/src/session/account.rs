//! What users do with their own account.

use contract::{
    Code, Fault,
    audit::{Outcome, Severity},
    session::{Identity, PasswordChange, Permission, SessionView},
};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::{
    Session, Tokens, limit, log_in, no_session, password,
    store::{
        User,
        sessions::{self, End},
        users,
    },
};
use crate::{Caller, Error, Result, audit};

/// The audit log's name for a change of one's own password.
const CHANGE_PASSWORD: &str = "session.change_password";

impl Session<'_> {
    /// Who the caller is.
    ///
    /// # Errors
    /// `Forbidden`.
    #[crate::boxed]
    pub async fn me(&self, caller: &Caller) -> Result<Identity> {
        caller.permit(Permission::OwnAccount)?;
        Ok(caller.identity().clone())
    }

    /// The caller's own live sessions, the last seen first.
    ///
    /// # Errors
    /// `Forbidden`; the store's failures.
    #[crate::boxed]
    pub async fn sessions(&self, caller: &Caller) -> Result<Vec<SessionView>> {
        caller.permit(Permission::OwnAccount)?;
        Ok(sessions::views(self.0.store(), caller.identity().user_id, caller.session()).await?)
    }

    /// Ends the caller's session. Its tokens open nothing from now on.
    ///
    /// # Errors
    /// `Conflict` on the command line, which has no session; the store's failures.
    #[crate::boxed]
    pub async fn log_out(&self, caller: &Caller) -> Result<()> {
        caller.permit(Permission::OwnAccount)?;
        let session = own(caller)?;
        let mut transaction = self.0.store().begin().await?;
        // A second click on the button is no second act.
        if sessions::end(&mut transaction, session, End::LoggedOut).await? {
            audit::record(&mut transaction, audit::Entry::by(caller, "session.log_out")).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Ends one session of the caller's own, such as one on a machine that somebody else uses now. The present one too: its
    /// next request is a stranger's.
    ///
    /// # Errors
    /// `NotFound` when it is none of the caller's own, or over; the store's failures.
    #[crate::boxed]
    pub async fn end_session(&self, caller: &Caller, id: Uuid) -> Result<()> {
        caller.permit(Permission::OwnAccount)?;
        let mut transaction = self.0.store().begin().await?;
        let user = caller.identity().user_id;
        if !sessions::end_of(&mut transaction, id, user, End::EndedByUser).await? {
            return Err(Error::Refused(
                Fault::new(Code::NotFound, "This session of yours is over already.").hint("Reload the page."),
            ));
        }
        audit::record(&mut transaction, audit::Entry::by(caller, "session.end_session")).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Notes what the session of these tokens, which has just begun, was begun with, for [`Self::sessions`]; at most 80
    /// characters of it. That it cannot be noted is no reason to refuse the log-in, and is logged.
    #[crate::boxed]
    pub async fn note_browser(&self, tokens: &Tokens, browser: Option<&str>) {
        let proof = self.0.keys().proof(tokens.access.expose_secret());
        let (Some(proof), Some(browser)) = (proof, browser) else {
            return;
        };
        let browser: String = browser.chars().filter(|c| !c.is_control()).take(80).collect();
        if let Err(error) = sessions::note_browser(self.0.store(), proof.session, &browser).await {
            tracing::warn!(error = %error, "cannot note the browser of a session");
        }
    }

    /// Ends all other sessions of the caller, such as on a lost machine, and returns how many there were.
    ///
    /// # Errors
    /// `Conflict` on the command line, which has no session; the store's failures.
    #[crate::boxed]
    pub async fn end_sessions(&self, caller: &Caller) -> Result<u64> {
        caller.permit(Permission::OwnAccount)?;
        let session = own(caller)?;
        let mut transaction = self.0.store().begin().await?;
        let user = caller.identity().user_id;
        let ended = sessions::end_all(&mut transaction, user, Some(session), End::EndedByUser).await?;
        let detail = format!("Other sessions ended: {ended}.");
        let entry = audit::Entry {
            detail: Some(&detail),
            ..audit::Entry::by(caller, "session.end_sessions")
        };
        audit::record(&mut transaction, entry).await?;
        transaction.commit().await?;
        Ok(ended)
    }

    /// Changes the caller's own password, ends all their sessions, and begins a new one in place of this one.
    ///
    /// # Errors
    /// `Invalid` at `new` when the wished password breaks a rule, at `current` when the present one is wrong; `Busy` as
    /// for a log-in; `Conflict` on the command line; the store's failures.
    #[crate::boxed]
    pub async fn change_password(&self, caller: &Caller, change: PasswordChange) -> Result<Tokens> {
        caller.permit(Permission::OwnAccount)?;
        own(caller)?;
        let (current, new) = (SecretString::from(change.current), SecretString::from(change.new));
        password::check(new.expose_secret(), caller.name(), "new")?;
        let user = users::by_name(self.0.store(), caller.name())
            .await?
            .ok_or_else(no_session)?;
        self.prove(caller, &user, current.clone()).await?;
        // Told only to who has proven to know the password.
        if current.expose_secret() == new.expose_secret() {
            return Err(Error::invalid(
                "new",
                "This is the password you have already.",
                "Choose another one.",
            ));
        }
        let hash = self.0.keys().hasher.hash(new).await?;
        let mut transaction = self.0.store().begin().await?;
        if !users::replace_password(&mut transaction, user.id, &user.password_hash, &hash).await? {
            // Someone else set another password, or disabled the user, at this very moment.
            return Err(no_session());
        }
        sessions::end_all(&mut transaction, user.id, None, End::PasswordChanged).await?;
        let tokens = log_in::begin(self.0, &mut transaction, user.id, caller.address()).await?;
        audit::record(&mut transaction, audit::Entry::by(caller, CHANGE_PASSWORD)).await?;
        transaction.commit().await?;
        Ok(tokens)
    }

    /// Lets a caller pass who knows their current password, under the limits of a log-in: a stolen session must not be
    /// a way to guess it.
    async fn prove(&self, caller: &Caller, user: &User, current: SecretString) -> Result<()> {
        let address = caller.address().and_then(|address| address.parse().ok());
        let attempt = limit::admit(self.0, caller.name(), address, CHANGE_PASSWORD).await?;
        let right = match self
            .0
            .keys()
            .hasher
            .verify(current, user.password_hash.clone())
            .await
        {
            Ok(right) => right,
            Err(error) => {
                attempt.not_tried(self.0).await?;
                return Err(error);
            }
        };
        let mut transaction = self.0.store().begin().await?;
        if right {
            attempt.succeeded(&mut transaction).await?;
            transaction.commit().await?;
            return Ok(());
        }
        attempt.failed(&mut transaction).await?;
        let entry = audit::Entry {
            severity: Severity::Warning,
            outcome: Outcome::Failure,
            detail: Some("The current password was wrong."),
            ..audit::Entry::by(caller, CHANGE_PASSWORD)
        };
        audit::record(&mut transaction, entry).await?;
        transaction.commit().await?;
        Err(Error::invalid(
            "current",
            "This is not your current password.",
            "Type the password with which you logged in.",
        ))
    }
}

/// The caller's own session.
fn own(caller: &Caller) -> Result<Uuid> {
    caller.session().ok_or_else(|| {
        Error::conflict(
            "The command line has no session and no password of its own.",
            "Use `pgsteward user passwd NAME` to set a user's password.",
        )
    })
}
