//! Who sends a request: cookies are turned into a proven caller.

use app::{
    rpc::Transport,
    session::cookie::{self, Cookies},
};
use axum::{
    extract::{Request, State},
    http::header,
    middleware::Next,
    response::Response,
};
use contract::Code;
use engine::{Caller, session::Tokens};
use secrecy::ExposeSecret;

use super::{Web, fault};

/// Acts after which streams ask at once whether their session still lives.
const ENDS_SESSIONS: [&str; 5] = [
    "/rpc/log_out",
    "/rpc/change_password",
    "/rpc/change_user",
    "/rpc/end_session",
    "/rpc/end_sessions",
];

/// Puts the `engine::Caller` that the cookies prove into the request's extensions. When the access token has expired and
/// a refresh token is there, the answer carries new cookies.
pub(super) async fn prove(State(web): State<Web>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if path.starts_with("/pkg/") || matches!(path, "/healthz" | "/readyz") {
        return next.run(request).await;
    }
    let ends_sessions = ENDS_SESSIONS.contains(&path);
    let transport = request
        .extensions()
        .get::<Transport>()
        .copied()
        .unwrap_or(Transport {
            secure: true,
            address: None,
        });
    let cookies = cookie::read(request.headers(), transport.secure);
    let asks = cookies.access.is_some() || cookies.refresh.is_some() || path == "/rpc/log_in";
    if asks && let Err(error) = web.engine.store_is_there() {
        return fault::of_engine(&error);
    }
    let proven = match caller(&web, &cookies, transport).await {
        Ok(proven) => proven,
        // Nobody can be told from anybody while the store is away.
        Err(error) => return fault::of_engine(&error),
    };
    let tokens = match proven {
        Some((caller, tokens)) => {
            request.extensions_mut().insert(caller);
            tokens
        }
        None => None,
    };
    let mut response = next.run(request).await;
    // A route that sets cookies itself (log out, change of password) knows better.
    if let Some(tokens) = tokens
        && !response.headers().contains_key(header::SET_COOKIE)
    {
        for value in cookie::set(&tokens, transport.secure) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    if ends_sessions {
        web.streams.look_again();
    }
    response
}

async fn caller(
    web: &Web,
    cookies: &Cookies,
    transport: Transport,
) -> engine::Result<Option<(Caller, Option<Tokens>)>> {
    let session = web.engine.session();
    if let Some(access) = &cookies.access {
        match session
            .authenticate(access.expose_secret(), transport.address)
            .await
        {
            Ok(caller) => return Ok(Some((caller, None))),
            Err(error) if is_stranger(&error) => {}
            Err(error) => return Err(error),
        }
    }
    let Some(refresh) = &cookies.refresh else {
        return Ok(None);
    };
    let renewed = async {
        let tokens = session
            .refresh(refresh.expose_secret(), transport.address)
            .await?;
        let caller = session
            .authenticate(tokens.access.expose_secret(), transport.address)
            .await?;
        Ok((caller, Some(tokens)))
    };
    match renewed.await {
        Ok(renewed) => Ok(Some(renewed)),
        Err(error) if is_stranger(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_stranger(error: &engine::Error) -> bool {
    error.fault().code == Code::Unauthenticated
}
