//! Requests that another site's page made a browser send are refused (CSRF).
//!
//! Leptos has no protection of its own. Whatever may change something must come from our own pages: the browser says so
//! in `Sec-Fetch-Site` and `Origin`, which no page can forge.

use app::rpc::Transport;
use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, header},
    middleware::Next,
    response::Response,
};
use contract::{Code, Fault};

use super::{Web, fault, origin::Origin};

/// Refuses what does not come from our own pages, unless it cannot change anything.
pub(super) async fn refuse(State(web): State<Web>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let own = request.extensions().get::<Origin>();
    if own.is_some_and(|own| is_our_own(request.headers(), own)) {
        return next.run(request).await;
    }
    tracing::warn!(path = request.uri().path(), "refused a request from another site");
    let address = request
        .extensions()
        .get::<Transport>()
        .and_then(|transport| transport.address);
    let origin = request.headers().get(header::ORIGIN);
    web.engine.session().came_from_another_site(
        address,
        request.uri().path(),
        origin.and_then(|value| value.to_str().ok()),
    );
    fault::answer(
        Fault::new(Code::Forbidden, "This request does not come from the console's own pages.").hint(
            "Reload the page and try again. Behind a proxy that changes the Host header, set PGSTEWARD_TRUSTED_PROXY \
             to its address.",
        ),
    )
}

fn is_our_own(headers: &HeaderMap, own: &Origin) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match (text("sec-fetch-site"), text(header::ORIGIN.as_str())) {
        // A browser that says where the request comes from, and a scheme that a proxy in between may have hidden.
        (Some(site), None) => site == "same-origin",
        (Some(site), Some(origin)) => site == "same-origin" && host_of(origin) == Some(&own.host),
        (None, Some(origin)) => origin.eq_ignore_ascii_case(&own.text()),
        // A program, not a browser. It has nothing that another site could make it misuse, unless it sends cookies.
        (None, None) => !headers.contains_key(header::COOKIE),
    }
}

fn host_of(origin: &str) -> Option<&str> {
    origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn only_our_own_pages_change_things() {
        let own = Origin {
            tls: false,
            host: "127.0.0.1:3000".into(),
        };
        let allowed = |pairs: &[(&str, &str)]| {
            let headers = pairs.iter().map(|(name, value)| {
                (
                    name.parse::<header::HeaderName>().unwrap(),
                    value.parse().unwrap(),
                )
            });
            is_our_own(&headers.collect(), &own)
        };
        for pairs in [
            &[("origin", "http://127.0.0.1:3000")][..],
            &[("sec-fetch-site", "same-origin")],
            &[
                ("sec-fetch-site", "same-origin"),
                ("origin", "https://127.0.0.1:3000"),
            ],
            &[],
        ] {
            assert!(allowed(pairs), "{pairs:?}");
        }
        for pairs in [
            &[("origin", "http://evil.example")][..],
            &[("origin", "null")],
            &[("origin", "http://127.0.0.1:3001")],
            &[("origin", "https://127.0.0.1:3000")],
            &[("origin", "http://127.0.0.1:3000.evil.example")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[
                ("sec-fetch-site", "cross-site"),
                ("origin", "http://127.0.0.1:3000"),
            ],
            &[
                ("sec-fetch-site", "same-origin"),
                ("origin", "http://evil.example"),
            ],
            &[("cookie", "pgsteward=x")],
        ] {
            assert!(!allowed(pairs), "{pairs:?}");
        }
    }
}
