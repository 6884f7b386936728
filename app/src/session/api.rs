//! The server functions of sessions and users.

use contract::session::{Identity, NewUser, SessionView, UserChange, UserView};
use leptos::prelude::*;
use uuid::Uuid;

use crate::rpc::{ApiError, Json, Rpc};

/// A password on its way to the server; `Debug`, which every argument has, does not show it.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// Logs in. A plain form can send this: it answers with the cookies and leads on to `next` (without one to the overview of the
/// only managed database, where there are several to all of them), or back to the log-in page, whose URL then says why. Public.
#[server(prefix = "/rpc", endpoint = "log_in", output = Json)]
pub async fn log_in(name: String, password: Password, next: Option<String>) -> Result<(), ApiError> {
    use crate::{address, rpc};

    let browser = super::browser::of_request();
    let outcome = rpc::public(|engine, transport| async move {
        let session = engine.session();
        let tokens = session.log_in(&name, &password.0, transport.address).await?;
        session.note_browser(&tokens, browser.as_deref()).await;
        let only = engine.targets().only_one();
        Ok((tokens, only))
    })
    .await;
    let wanted = next.filter(|next| !next.is_empty());
    let next = address::safe_next(wanted.as_deref()).to_owned();
    match outcome {
        Ok((tokens, only)) => {
            super::cookie::send(super::cookie::set(&tokens, rpc::transport().secure));
            let home = only
                .filter(|_| wanted.is_none())
                .map(|only| address::link(&only, ""));
            leptos_axum::redirect(&home.unwrap_or(next));
            Ok(())
        }
        Err(ApiError(fault)) => {
            super::form::lead_to(&super::form::refused_link("/login", &fault, Some(&next)));
            Err(ApiError(fault))
        }
    }
}

/// Ends this session. A plain form can send this. Public: with no live session it only removes the cookies.
#[server(prefix = "/rpc", endpoint = "log_out", output = Json)]
pub async fn log_out() -> Result<(), ApiError> {
    use crate::rpc;

    let ended = match rpc::identity() {
        Some(_) => rpc::call(|engine, caller| async move { engine.session().log_out(&caller).await }).await,
        None => Ok(()),
    };
    // Whatever the store says, this browser forgets its tokens.
    super::cookie::send(super::cookie::clear(rpc::transport().secure));
    leptos_axum::redirect("/login");
    ended
}

/// Who is logged in.
#[server(prefix = "/rpc", endpoint = "who_am_i", protocol = Rpc)]
pub async fn who_am_i() -> Result<Identity, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.session().me(&caller).await }).await
}

/// Changes one's own password; every other session of the user ends, and this one goes on with new tokens. A plain form
/// can send this, with the new password twice; who had to change it is led on to `next`.
#[server(prefix = "/rpc", endpoint = "change_password", output = Json)]
pub async fn change_password(
    current: Password,
    new: Password,
    again: Option<Password>,
    next: Option<String>,
) -> Result<(), ApiError> {
    use super::form;
    use crate::{address, rpc};

    let must_change = rpc::identity().is_some_and(|me| me.must_change_password);
    let outcome = if again.is_none_or(|again| again.0 == new.0) {
        let change = contract::session::PasswordChange {
            current: current.0,
            new: new.0,
        };
        let browser = super::browser::of_request();
        rpc::call(|engine, caller| async move {
            let session = engine.session();
            let tokens = session.change_password(&caller, change).await?;
            session.note_browser(&tokens, browser.as_deref()).await;
            Ok(tokens)
        })
        .await
    } else {
        Err(rpc::refuse(form::differ()))
    };
    let next = address::safe_next(next.as_deref());
    match outcome {
        Ok(tokens) => {
            super::cookie::send(super::cookie::set(&tokens, rpc::transport().secure));
            form::lead_to(if must_change {
                next
            } else {
                "/settings?changed=password"
            });
            Ok(())
        }
        Err(ApiError(fault)) => {
            form::lead_to(&form::refused_link("/settings", &fault, Some(next)));
            Err(ApiError(fault))
        }
    }
}

/// One's own live sessions, the last seen first.
#[server(prefix = "/rpc", endpoint = "list_sessions", protocol = Rpc)]
pub async fn list_sessions() -> Result<Vec<SessionView>, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.session().sessions(&caller).await }).await
}

/// Ends one session of one's own.
#[server(prefix = "/rpc", endpoint = "end_session", protocol = Rpc)]
pub async fn end_session(id: Uuid) -> Result<(), ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.session().end_session(&caller, id).await }).await
}

/// Ends all other sessions of one's own, and returns how many there were.
#[server(prefix = "/rpc", endpoint = "end_sessions", protocol = Rpc)]
pub async fn end_sessions() -> Result<u64, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.session().end_sessions(&caller).await }).await
}

/// Every user.
#[server(prefix = "/rpc", endpoint = "list_users", protocol = Rpc)]
pub async fn list_users() -> Result<Vec<UserView>, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.session().users(&caller).await }).await
}

/// Adds a user.
#[server(prefix = "/rpc", endpoint = "add_user", protocol = Rpc)]
pub async fn add_user(user: NewUser) -> Result<UserView, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.session().add_user(&caller, user).await }).await
}

/// Changes a user's role or password, or disables or enables them.
#[server(prefix = "/rpc", endpoint = "change_user", protocol = Rpc)]
pub async fn change_user(change: UserChange) -> Result<UserView, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.session().change_user(&caller, change).await })
        .await
}
