//! A form's answer leads back to where it came from, and leptos takes that from the `Referer`. Only our own pages count.

use app::address::local_path;
use axum::{
    extract::Request,
    http::{HeaderValue, header},
    middleware::Next,
    response::Response,
};
use url::Url;

use super::origin::Origin;

/// Turns every `Location` into a path on this console; one that leads elsewhere becomes `/`.
pub(super) async fn only_same_origin(request: Request, next: Next) -> Response {
    let own = request.extensions().get::<Origin>().cloned();
    let mut response = next.run(request).await;
    if let Some(location) = response.headers_mut().get_mut(header::LOCATION) {
        let path = location
            .to_str()
            .ok()
            .and_then(|text| path_of(text, own.as_ref()?));
        *location = path
            .and_then(|path| HeaderValue::from_str(&path).ok())
            .unwrap_or(HeaderValue::from_static("/"));
    }
    response
}

fn path_of(location: &str, own: &Origin) -> Option<String> {
    // Read as a browser reads it: against our own address, with its ideas of slashes and backslashes. The host is what
    // counts; a proxy that is not named in the configuration hides the scheme.
    let base = Url::parse(&own.text()).ok()?;
    let url = base.join(location).ok()?;
    if !matches!(url.scheme(), "http" | "https") || authority(&url)? != authority_of(&own.host, url.scheme())?
    {
        return None;
    }
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    // What is a path of ours here may be another host once it stands alone: `/.//host` is `//host` by now.
    local_path(&path).map(str::to_owned)
}

fn authority(url: &Url) -> Option<(String, u16)> {
    (url.username().is_empty() && url.password().is_none()).then_some(())?;
    Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
}

fn authority_of(host: &str, scheme: &str) -> Option<(String, u16)> {
    authority(&Url::parse(&format!("{scheme}://{host}")).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_lead_to_our_own_pages_only() {
        let own = Origin {
            tls: false,
            host: "127.0.0.1:3000".into(),
        };
        let path = |location| path_of(location, &own);
        assert_eq!(path("/jobs?state=failed").as_deref(), Some("/jobs?state=failed"));
        assert_eq!(path("http://127.0.0.1:3000/jobs").as_deref(), Some("/jobs"));
        for elsewhere in [
            "http://evil.example/",
            "//evil.example/",
            "/\\evil.example/",
            "\\\\evil.example",
            "http://127.0.0.1:3001/",
            "http://127.0.0.1:3000@evil.example/",
            "javascript:alert(1)",
            "/.//evil.example/",
            "/..//evil.example/",
            "/%2e//evil.example/",
            "http://127.0.0.1:3000/.//evil.example/",
            "http://127.0.0.1:3000//evil.example/",
            ".//evil.example/",
        ] {
            assert!(
                path(elsewhere).is_none_or(|path| !path.starts_with("//")),
                "{elsewhere}"
            );
        }
        let tls = Origin {
            tls: false,
            host: "console.example".into(),
        };
        assert_eq!(path_of("https://console.example/x", &tls).as_deref(), Some("/x"));
    }
}
