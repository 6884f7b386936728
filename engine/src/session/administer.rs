//! What administrators do with users.

use contract::{
    audit::Severity,
    session::{NewUser, Permission, Role, UserChange, UserView},
};
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Session, limit, password,
    store::{
        User, attempts,
        sessions::{self, End},
        users,
    },
};
use crate::{Caller, Error, Result, audit};

impl Session<'_> {
    /// Every user, by name.
    ///
    /// # Errors
    /// `Forbidden`; the store's failures.
    #[crate::boxed]
    pub async fn users(&self, caller: &Caller) -> Result<Vec<UserView>> {
        caller.permit(Permission::ManageUsers)?;
        Ok(users::views(self.0.store(), None).await?)
    }

    /// Adds a user, who must choose a password of their own at the first log-in unless `new` says otherwise.
    ///
    /// # Errors
    /// `Invalid` at `name` or `password`; `Conflict` when there is one of this name in any case; `Forbidden`; the
    /// store's failures.
    #[crate::boxed]
    pub async fn add_user(&self, caller: &Caller, new: NewUser) -> Result<UserView> {
        caller.permit(Permission::ManageUsers)?;
        let password = SecretString::from(new.password);
        password::check_name(&new.name)?;
        password::check(password.expose_secret(), &new.name, "password")?;
        let user = User {
            id: Uuid::now_v7(),
            name: new.name,
            role: new.role,
            password_hash: self.0.keys().hasher.hash(password).await?,
            must_change_password: new.must_change_password,
            disabled: false,
            password_expires_at: None,
        };
        let mut transaction = self.0.store().begin().await?;
        users::insert(&mut transaction, &user)
            .await
            .map_err(|error| match &error {
                sqlx::Error::Database(cause) if cause.constraint() == Some("users_name_key") => {
                    Error::Refused(
                        contract::Fault::new(
                            contract::Code::Conflict,
                            format!("There is a user \"{}\" already.", user.name),
                        )
                        .field("name")
                        .hint("Choose another name; upper and lower case do not make a difference."),
                    )
                }
                _ => error.into(),
            })?;
        let detail = format!("Role {}.", user.role.name());
        let entry = audit::Entry {
            object: Some(&user.name),
            detail: Some(&detail),
            ..audit::Entry::by(caller, "session.add_user")
        };
        audit::record(&mut transaction, entry).await?;
        let view = view(&mut transaction, user.id).await?;
        transaction.commit().await?;
        Ok(view)
    }

    /// Changes a user's role, password, or whether they may log in, and ends their sessions. A password set here must be
    /// changed by the user at the next log-in, and lifts a wait after too many tries.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` when nothing is asked for, or at `password`; `Conflict` when it would leave no enabled
    /// administrator, when callers would disable themselves, or set their own password without the current one;
    /// `Forbidden`; the store's failures.
    #[crate::boxed]
    pub async fn change_user(&self, caller: &Caller, change: UserChange) -> Result<UserView> {
        caller.permit(Permission::ManageUsers)?;
        let password = change.password.map(SecretString::from);
        if change.role.is_none() && password.is_none() && change.disabled.is_none() {
            return Err(Error::invalid(
                "role",
                "There is nothing to change.",
                "Choose a role, a password or a state.",
            ));
        }
        let found = users::by_name(self.0.store(), &change.name)
            .await?
            .ok_or_else(|| unknown(&change.name))?;
        if found.id == caller.identity().user_id {
            refuse_own(change.disabled, password.is_some())?;
        }
        let hash = match password {
            Some(password) => {
                password::check(password.expose_secret(), &found.name, "password")?;
                Some(self.0.keys().hasher.hash(password).await?)
            }
            None => None,
        };

        let mut transaction = self.0.store().begin().await?;
        users::lock(&mut transaction).await?;
        let before = users::by_name(&mut *transaction, &found.name)
            .await?
            .ok_or_else(|| unknown(&found.name))?;
        let did = words(&before, change.role, hash.is_some(), change.disabled);
        let with_password = hash.is_some();
        let after = User {
            id: before.id,
            name: before.name.clone(),
            role: change.role.unwrap_or(before.role),
            must_change_password: with_password || before.must_change_password,
            disabled: change.disabled.unwrap_or(before.disabled),
            // What an administrator has just set is good; whatever else is changed leaves the password as it was.
            password_expires_at: before.password_expires_at.filter(|_| !with_password),
            password_hash: hash.unwrap_or_else(|| before.password_hash.clone()),
        };
        if rules(&before) && !rules(&after) && users::enabled_administrators(&mut transaction).await? == 1 {
            return Err(Error::conflict(
                format!("{} is the last administrator who can log in.", before.name),
                "Make another user an administrator first.",
            ));
        }
        users::update(&mut transaction, &after).await?;
        if with_password {
            attempts::forgive(&mut transaction, &limit::account(&after.name)).await?;
        }
        let ended = sessions::end_all(&mut transaction, after.id, None, End::UserChanged).await?;
        let detail = format!("{did} Sessions ended: {ended}.");
        let entry = audit::Entry {
            // A role or a lock changes what someone may do to every database.
            severity: if change.role.is_some() || change.disabled.is_some() {
                Severity::Warning
            } else {
                Severity::Info
            },
            object: Some(&after.name),
            detail: Some(&detail),
            ..audit::Entry::by(caller, "session.change_user")
        };
        audit::record(&mut transaction, entry).await?;
        let view = view(&mut transaction, after.id).await?;
        transaction.commit().await?;
        Ok(view)
    }
}

/// Whether this user can keep the other users.
fn rules(user: &User) -> bool {
    user.role == Role::Administrator && !user.disabled
}

fn refuse_own(disabled: Option<bool>, password: bool) -> Result<()> {
    if disabled == Some(true) {
        return Err(Error::conflict(
            "You cannot disable yourself.",
            "Ask another administrator to do it.",
        ));
    }
    if password {
        return Err(Error::conflict(
            "Your own password is changed with the current one.",
            "Open Settings and change it there.",
        ));
    }
    Ok(())
}

fn words(before: &User, role: Option<Role>, password: bool, disabled: Option<bool>) -> String {
    let mut words = Vec::new();
    if let Some(role) = role {
        words.push(format!("Role {} (before: {}).", role.name(), before.role.name()));
    }
    if password {
        words.push("New password.".to_owned());
    }
    match disabled {
        Some(true) => words.push("Disabled.".to_owned()),
        Some(false) => words.push("Enabled.".to_owned()),
        None => {}
    }
    words.join(" ")
}

async fn view(connection: &mut PgConnection, id: Uuid) -> Result<UserView> {
    let mut views = users::views(connection, Some(id)).await?;
    views
        .pop()
        .ok_or_else(|| Error::internal("reading back a user", "the row is gone"))
}

fn unknown(name: &str) -> Error {
    let shown = if password::is_name(name) {
        name
    } else {
        "of this name"
    };
    Error::not_found(
        format!("There is no user {shown}."),
        "Look for it under Settings, or with `pgsteward user list`.",
    )
}
