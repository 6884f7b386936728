//! The two cookies of a session, and nothing else that knows their names.
//!
//! Both are `HttpOnly`, `SameSite=Strict`, for the whole site, and gone with the browser; their tokens carry their own
//! end. Over TLS they are `Secure` under the `__Host-` prefix, so that no sibling domain can set them. Over plain HTTP
//! on loopback, and nowhere else, the names are plain.

use axum::http::{HeaderMap, HeaderValue, header};
use engine::session::Tokens;
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;
use secrecy::{ExposeSecret, SecretString};

/// What a request brought.
#[derive(Default)]
pub struct Cookies {
    /// The access token.
    pub access: Option<SecretString>,
    /// The refresh token.
    pub refresh: Option<SecretString>,
}

const fn names(secure: bool) -> (&'static str, &'static str) {
    if secure {
        ("__Host-pgsteward", "__Host-pgsteward-refresh")
    } else {
        ("pgsteward", "pgsteward-refresh")
    }
}

/// The `Set-Cookie` values that hand out a session's tokens. `secure` is [`crate::rpc::Transport::secure`].
pub fn set(tokens: &Tokens, secure: bool) -> [HeaderValue; 2] {
    let (access, refresh) = names(secure);
    [
        header_value(access, tokens.access.expose_secret(), "", secure),
        header_value(refresh, tokens.refresh.expose_secret(), "", secure),
    ]
}

/// The `Set-Cookie` values that take them back.
pub fn clear(secure: bool) -> [HeaderValue; 2] {
    let (access, refresh) = names(secure);
    [
        header_value(access, "", "; Max-Age=0", secure),
        header_value(refresh, "", "; Max-Age=0", secure),
    ]
}

/// The tokens that a request's `Cookie` headers bring. Where a name comes twice the first counts, as the browser sends
/// the most specific one first.
pub fn read(headers: &HeaderMap, secure: bool) -> Cookies {
    let (access, refresh) = names(secure);
    let mut cookies = Cookies::default();
    let pairs = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    for (name, value) in pairs {
        let place = if name == access {
            &mut cookies.access
        } else if name == refresh {
            &mut cookies.refresh
        } else {
            continue;
        };
        if place.is_none() && !value.is_empty() {
            *place = Some(SecretString::from(value));
        }
    }
    cookies
}

/// Adds the values to the answer of the server function that runs now.
pub(super) fn send(values: [HeaderValue; 2]) {
    if let Some(response) = use_context::<ResponseOptions>() {
        for value in values {
            response.append_header(header::SET_COOKIE, value);
        }
    }
}

fn header_value(name: &str, token: &str, life: &str, secure: bool) -> HeaderValue {
    let flag = if secure { "; Secure" } else { "" };
    let text = format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict{flag}{life}");
    // Tokens are base64url with dots; anything else is no token, and an empty cookie is refused like none.
    let mut value = HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn over_tls_only_host_cookies_count() {
        let mut headers = HeaderMap::new();
        headers.append(
            header::COOKIE,
            HeaderValue::from_static("pgsteward=planted; __Host-pgsteward=a.b.c; x=y"),
        );
        headers.append(
            header::COOKIE,
            HeaderValue::from_static("__Host-pgsteward-refresh=r; __Host-pgsteward=second"),
        );
        let cookies = read(&headers, true);
        assert_eq!(cookies.access.unwrap().expose_secret(), "a.b.c");
        assert_eq!(cookies.refresh.unwrap().expose_secret(), "r");
        assert_eq!(read(&headers, false).access.unwrap().expose_secret(), "planted");
        assert!(read(&HeaderMap::new(), true).access.is_none());
    }

    #[test]
    fn a_cleared_cookie_has_the_flags_of_the_one_it_replaces() {
        let [access, refresh] = clear(true);
        assert_eq!(
            access.to_str().unwrap(),
            "__Host-pgsteward=; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=0"
        );
        assert!(refresh.is_sensitive());
        assert_eq!(
            clear(false)[1].to_str().unwrap(),
            "pgsteward-refresh=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"
        );
    }
}
