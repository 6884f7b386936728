//! Deployments that people and programs tell of: marks on the time axis of the charts.
//!
//! Programs tell of them over a webhook, with a token that can do nothing else. Nothing of a token is kept but a hash, so that it is
//! seen once. A deployment that is told twice with the same time and words is one.

mod calls;
mod store;
mod token;
mod words;

use std::net::IpAddr;

use contract::{
    Code, Fault,
    audit::{Outcome, Severity},
    deployment::{Deployment, MadeToken, NewDeployment, NewToken, TokenView},
    session::Permission,
};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

pub(crate) use calls::Calls;

use crate::{Caller, Engine, Error, Result, audit, session, target::Target};

/// Deployments of a database that are listed, the newest ones.
const LISTED: i64 = 200;

/// The operations on deployments.
pub struct Deployments<'a>(&'a Engine);

impl Engine {
    /// The operations on deployments.
    pub fn deployment(&self) -> Deployments<'_> {
        Deployments(self)
    }
}

/// Who holds a token. It can be built only by [`Deployments::prove`].
#[derive(Clone, Debug)]
pub struct Teller {
    id: Uuid,
    name: String,
    target: Option<String>,
    address: Option<String>,
}

impl Deployments<'_> {
    /// Tells of a deployment.
    ///
    /// # Errors
    /// `Forbidden`; `Invalid` at the field that is wrong; `NotFound` for the target; `TargetUnreachable` for one that was never
    /// reached; the store's failures.
    #[crate::boxed]
    pub async fn tell(&self, caller: &Caller, new: NewDeployment) -> Result<Deployment> {
        caller.permit(Permission::TellDeployment)?;
        let target = self.target_of(new.target.as_deref())?;
        self.keep(&target, new, caller.name(), caller.address()).await
    }

    /// Proves who holds a token. Each call counts, and those above the limit are refused before anything is looked up.
    ///
    /// # Errors
    /// `Busy` after too many calls from one network within a minute; `Unauthenticated` without a token, or with one that is none;
    /// the store's failures.
    #[crate::boxed]
    pub async fn prove(&self, token: Option<SecretString>, address: Option<IpAddr>) -> Result<Teller> {
        let network = address.map(session::network).unwrap_or_default();
        self.0.deploy_calls().admit(&network)?;
        let address = address.map(|address| address.to_string());
        let Some(token) = token else {
            return Err(stranger("The request has no token."));
        };
        let parts = token::read(token.expose_secret());
        let mut transaction = self.0.store().begin().await?;
        let kept = match &parts {
            Some(parts) => store::token(&mut transaction, parts.id).await?,
            None => None,
        };
        let proven = parts
            .zip(kept)
            .filter(|(parts, kept)| token::fits(parts, &kept.hash))
            .map(|(_, kept)| kept);
        let Some(kept) = proven else {
            // Nothing of what was sent is written down: it may be somebody's password.
            audit::record_or_count(
                &mut transaction,
                &format!("deployment {network}"),
                audit::Entry {
                    event_type: "deployment.tell",
                    severity: Severity::Warning,
                    outcome: Outcome::Denied,
                    user: None,
                    address: address.as_deref(),
                    target: None,
                    object: None,
                    detail: Some("The token is wrong, or was revoked."),
                    job: None,
                },
            )
            .await?;
            transaction.commit().await?;
            return Err(stranger("The token is wrong, or was revoked."));
        };
        store::used(&mut transaction, kept.view.id, address.as_deref()).await?;
        transaction.commit().await?;
        Ok(Teller {
            id: kept.view.id,
            name: kept.view.name,
            target: kept.view.target,
            address,
        })
    }

    /// Tells of a deployment with a token that was proven.
    ///
    /// # Errors
    /// `Forbidden` for another database than the token is for; else as [`Self::tell`].
    #[crate::boxed]
    pub async fn tell_by_token(&self, teller: &Teller, mut new: NewDeployment) -> Result<Deployment> {
        if new.target.is_none() {
            new.target.clone_from(&teller.target);
        }
        let target = self.target_of(new.target.as_deref())?;
        let only = teller.target.as_deref().filter(|only| *only != target.name());
        if let Some(only) = only {
            return Err(Error::Refused(
                Fault::new(Code::Forbidden, format!("This token is for {only} alone."))
                    .field("target")
                    .hint("Leave the target out, or use a token that is for it."),
            ));
        }
        tracing::debug!(token = %teller.id, target.name = target.name(), "a deployment is told of");
        let by = format!("token {}", teller.name);
        self.keep(&target, new, &by, teller.address.as_deref()).await
    }

    /// The newest deployments of a managed database, newest first.
    ///
    /// # Errors
    /// `NotFound` for the target; `TargetUnreachable` for one that was never reached; the store's failures.
    #[crate::boxed]
    pub async fn list(&self, caller: &Caller, target: &str) -> Result<Vec<Deployment>> {
        caller.permit(Permission::ViewTarget)?;
        let target = self.0.target(target)?;
        let database = target.database_id(true).await?;
        Ok(store::list(self.0.store(), database, target.name(), LISTED).await?)
    }

    /// Takes back what was told by mistake.
    ///
    /// # Errors
    /// `Forbidden`; `NotFound` for the target, and for the deployment; the store's failures.
    #[crate::boxed]
    pub async fn remove(&self, caller: &Caller, target: &str, id: i64) -> Result<Deployment> {
        caller.permit(Permission::TellDeployment)?;
        let target = self.0.target(target)?;
        let database = target.database_id(true).await?;
        let mut transaction = self.0.store().begin().await?;
        let gone = store::remove(&mut transaction, database, target.name(), id)
            .await?
            .ok_or_else(|| {
                Error::not_found(
                    format!("{} has no deployment {id}.", target.name()),
                    "Look for its number with `pgsteward deployment list`.",
                )
            })?;
        let words = gone.words();
        let entry = audit::Entry {
            target: Some(target.name()),
            object: Some(&words),
            ..audit::Entry::by(caller, "deployment.remove")
        };
        audit::record(&mut transaction, entry).await?;
        transaction.commit().await?;
        Ok(gone)
    }

    /// Every token, by name.
    ///
    /// # Errors
    /// `Forbidden`; the store's failures.
    #[crate::boxed]
    pub async fn tokens(&self, caller: &Caller) -> Result<Vec<TokenView>> {
        caller.permit(Permission::ManageTokens)?;
        Ok(store::tokens(self.0.store()).await?)
    }

    /// Makes a token. The answer is the one place where it is ever seen.
    ///
    /// # Errors
    /// `Forbidden`; `Invalid` at `name`; `Conflict` when there is one of this name; `NotFound` for the target; the store's failures.
    #[crate::boxed]
    pub async fn make_token(&self, caller: &Caller, new: NewToken) -> Result<MadeToken> {
        caller.permit(Permission::ManageTokens)?;
        words::check_name(&new.name)?;
        if let Some(target) = &new.target {
            self.0.target(target)?;
        }
        let (parts, token) = token::make()?;
        let mut transaction = self.0.store().begin().await?;
        let made = store::insert_token(
            &mut transaction,
            &parts,
            &token::hash(&parts)?,
            &new,
            caller.name(),
        )
        .await;
        let view = made.map_err(|error| match &error {
            sqlx::Error::Database(cause) if cause.constraint() == Some("deploy_tokens_name_key") => {
                Error::Refused(
                    Fault::new(
                        Code::Conflict,
                        format!("There is a token \"{}\" already.", new.name),
                    )
                    .field("name")
                    .hint("Choose another name, or revoke that one first."),
                )
            }
            _ => error.into(),
        })?;
        let scope = match &view.target {
            Some(target) => format!("For {target} alone."),
            None => "For every managed database.".to_owned(),
        };
        let entry = audit::Entry {
            severity: Severity::Warning,
            object: Some(&view.name),
            detail: Some(&scope),
            ..audit::Entry::by(caller, "deployment.make_token")
        };
        audit::record(&mut transaction, entry).await?;
        transaction.commit().await?;
        Ok(MadeToken {
            view,
            token: token.expose_secret().to_owned(),
        })
    }

    /// Revokes a token, by its name: from now on it proves nothing.
    ///
    /// # Errors
    /// `Forbidden`; `NotFound`; the store's failures.
    #[crate::boxed]
    pub async fn revoke_token(&self, caller: &Caller, name: String) -> Result<TokenView> {
        caller.permit(Permission::ManageTokens)?;
        let unknown = || {
            Error::not_found(
                "There is no token of this name.",
                "Look for it under Settings, or with `pgsteward deployment token list`.",
            )
        };
        if words::check_name(&name).is_err() {
            return Err(unknown());
        }
        let mut transaction = self.0.store().begin().await?;
        let gone = store::delete_token(&mut transaction, &name)
            .await?
            .ok_or_else(unknown)?;
        let entry = audit::Entry {
            severity: Severity::Warning,
            object: Some(&gone.name),
            ..audit::Entry::by(caller, "deployment.revoke_token")
        };
        audit::record(&mut transaction, entry).await?;
        transaction.commit().await?;
        Ok(gone)
    }

    /// The managed database of a name, or the only one there is.
    fn target_of(&self, name: Option<&str>) -> Result<Target> {
        match (name, self.0.all_targets()) {
            (Some(name), _) => self.0.target(name),
            (None, [only]) => Ok(only.clone()),
            (None, _) => Err(Error::invalid(
                "target",
                "It is not said which managed database this is about.",
                "Name it: there is not exactly one.",
            )),
        }
    }

    async fn keep(
        &self,
        target: &Target,
        new: NewDeployment,
        by: &str,
        address: Option<&str>,
    ) -> Result<Deployment> {
        let now = crate::history::now(self.0.store()).await?;
        let told = words::check(new, now)?;
        let database = target.database_id(true).await?;
        let mut transaction = self.0.store().begin().await?;
        let (kept, is_new) = store::add(&mut transaction, database, target.name(), &told, by).await?;
        let label = kept.words();
        let detail = match is_new {
            true => format!("At {}.", contract::format::absolute(kept.at)),
            false => "It was told before.".to_owned(),
        };
        audit::record(
            &mut transaction,
            audit::Entry {
                event_type: "deployment.tell",
                severity: Severity::Info,
                outcome: Outcome::Success,
                user: Some(by),
                address,
                target: Some(target.name()),
                object: Some(&label),
                detail: Some(&detail),
                job: None,
            },
        )
        .await?;
        transaction.commit().await?;
        Ok(kept)
    }
}

fn stranger(words: &str) -> Error {
    Error::Refused(Fault::new(Code::Unauthenticated, words).hint(
        "Send the header Authorization: Bearer with a token, which an administrator makes under Settings or with `pgsteward \
         deployment token add NAME`.",
    ))
}
