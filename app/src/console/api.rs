//! The server functions of the console itself.

use contract::console::ConsoleView;
use leptos::prelude::*;

use crate::rpc::{ApiError, Rpc};

/// What the console is, what it was told, and how its store and folders are.
#[server(prefix = "/rpc", endpoint = "view_console", protocol = Rpc)]
pub async fn view_console() -> Result<ConsoleView, ApiError> {
    crate::rpc::call(|engine, caller| async move { engine.console().view(&caller).await }).await
}
