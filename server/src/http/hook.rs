//! `POST /hooks/deployment`: programs tell of deployments. A token proves who calls, and cookies are of no matter, so that no page can
//! make a browser do it.

use app::rpc::Transport;
use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::NaiveDateTime;
use contract::{Code, Fault, Instant, deployment::NewDeployment};
use http_body_util::LengthLimitError;
use secrecy::SecretString;

use super::{Web, fault};

/// The most bytes of a body: all its texts at their longest, written as `\\uXXXX`.
const BODY: usize = 16 * 1024;

/// Takes what is told, and answers with what is kept of it.
pub(super) async fn deployment(
    State(web): State<Web>,
    Extension(transport): Extension<Transport>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let deployments = web.engine.deployment();
    let proven = deployments.prove(bearer(&headers), transport.address).await;
    let teller = match proven {
        Ok(teller) => teller,
        Err(error) => {
            let mut answer = fault::of_engine(&error);
            if answer.status() == StatusCode::UNAUTHORIZED {
                let way = HeaderValue::from_static("Bearer");
                answer.headers_mut().insert(header::WWW_AUTHENTICATE, way);
            }
            return answer;
        }
    };
    let new = match read(body).await {
        Ok(new) => new,
        Err(refusal) => return refusal,
    };
    match deployments.tell_by_token(&teller, new).await {
        Ok(kept) => Json(kept).into_response(),
        Err(error) => fault::of_engine(&error),
    }
}

fn bearer(headers: &HeaderMap) -> Option<SecretString> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().into())
}

async fn read(body: Body) -> Result<NewDeployment, Response> {
    let bytes = axum::body::to_bytes(body, BODY).await.map_err(|error| {
        let too_large = std::error::Error::source(&error).is_some_and(|cause| cause.is::<LengthLimitError>());
        if too_large {
            let fault = Fault::new(Code::Invalid, "The request is too large.")
                .hint(format!("It may have {BODY} bytes."));
            return (StatusCode::PAYLOAD_TOO_LARGE, Json(fault)).into_response();
        }
        fault::answer(
            Fault::new(Code::Invalid, "The request was cut off before its end.").hint("Send it again."),
        )
    })?;
    serde_json::from_slice(&bytes).map_err(|error| {
        fault::answer(wrong_time(&bytes).unwrap_or_else(|| {
            Fault::new(Code::Invalid, format!("The body could not be read: {error}.")).hint(
                r#"Send JSON such as {"target": "shop", "version": "1.4.2", "note": "new check-out", "link": "https://ci.example/7"}."#,
            )
        }))
    })
}

/// What is wrong with the time of a deployment, when it cannot be read.
fn wrong_time(body: &[u8]) -> Option<Fault> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let at = body.get("at").filter(|at| !at.is_null())?;
    let text = at.as_str().unwrap_or_default();
    if text.parse::<Instant>().is_ok() {
        return None;
    }
    let message = match text.parse::<NaiveDateTime>() {
        Ok(_) => "The time does not say in which zone it is.",
        Err(_) => "The time could not be read.",
    };
    Some(Fault::new(Code::Invalid, message).field("at").hint(
        "Give it with its zone, as in 2026-11-30T14:05:00Z or 2026-11-30T15:05:00+01:00; without a time it is now.",
    ))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_token_is_a_bearers() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            bearer(&headers).map(|token| token.expose_secret().to_owned())
        };
        assert_eq!(of("Bearer  abc "), Some("abc".to_owned()));
        assert_eq!(of("bearer abc"), Some("abc".to_owned()));
        assert_eq!(of("Basic abc"), None);
        assert_eq!(of("Bearerabc"), None);
        assert!(bearer(&HeaderMap::new()).is_none());
    }
}
