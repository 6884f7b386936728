//! The server functions of tokens for deployments.

use contract::deployment::{MadeToken, NewToken, TokenView};
use leptos::prelude::*;

use crate::rpc::{ApiError, Rpc};

/// Every token.
#[server(prefix = "/rpc", endpoint = "list_deploy_tokens", protocol = Rpc)]
pub async fn list_deploy_tokens() -> Result<Vec<TokenView>, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.deployment().tokens(&caller).await }).await
}

/// Makes a token.
#[server(prefix = "/rpc", endpoint = "make_deploy_token", protocol = Rpc)]
pub async fn make_deploy_token(new: NewToken) -> Result<MadeToken, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.deployment().make_token(&caller, new).await }).await
}

/// Revokes a token.
#[server(prefix = "/rpc", endpoint = "revoke_deploy_token", protocol = Rpc)]
pub async fn revoke_deploy_token(name: String) -> Result<TokenView, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.deployment().revoke_token(&caller, name).await })
        .await
}
