//! Where a request comes from, and how it came.

use std::net::{IpAddr, SocketAddr};

use app::rpc::Transport;
use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
};

use super::Web;

/// The request's own origin, as its browser sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// Whether the browser speaks TLS: to the trusted proxy, since the console itself does not.
    pub tls: bool,
    /// Host and port.
    pub host: String,
}

impl Origin {
    /// As in the header of that name.
    pub fn text(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.host)
    }
}

/// Puts [`Origin`] and [`Transport`] into the request's extensions. What a client says of itself in `X-Forwarded-*`
/// counts only when the connection comes from a proxy that the configuration names.
pub(super) async fn learn(State(web): State<Web>, mut request: Request, next: Next) -> Response {
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|info| info.0.ip().to_canonical());
    let (origin, address) = of(
        request.headers(),
        request.uri().host(),
        peer,
        &web.trusted_proxies,
    );
    // `Secure` cookies do not reach a console that is tried out on one's own machine; everywhere else they must.
    let secure = origin.tls || !is_loopback(&origin.host);
    request.extensions_mut().insert(Transport { secure, address });
    request.extensions_mut().insert(origin);
    next.run(request).await
}

fn of(
    headers: &HeaderMap,
    target: Option<&str>,
    peer: Option<IpAddr>,
    trusted: &[IpAddr],
) -> (Origin, Option<IpAddr>) {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::trim)
    };
    let host = text(header::HOST.as_str())
        .or(target)
        .unwrap_or_default()
        .to_ascii_lowercase();
    if !peer.is_some_and(|peer| trusted.contains(&peer)) {
        return (Origin { tls: false, host }, peer);
    }
    let tls = text("x-forwarded-proto").is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    let host = text("x-forwarded-host").map_or(host, str::to_ascii_lowercase);
    // Each proxy adds the address it saw at the end: the last one that is no proxy of ours is the client. What stands
    // before an entry that cannot be read is the client's own word, and counts no more than the entry.
    let named = headers.get_all("x-forwarded-for").iter();
    let chain: Vec<Option<IpAddr>> = named
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .map(forwarded)
        .collect();
    let client = chain
        .into_iter()
        .rev()
        .find(|address| address.is_none_or(|address| !trusted.contains(&address)))
        .flatten();
    (Origin { tls, host }, client.or(peer))
}

/// The address in an entry of `X-Forwarded-For`. Some proxies add the port, as Azure's do.
fn forwarded(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim().trim_matches('"');
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = bare.unwrap_or(entry).parse().ok();
    address
        .or_else(|| entry.parse::<SocketAddr>().ok().map(|found| found.ip()))
        .map(|address: IpAddr| address.to_canonical())
}

/// Whether a `Host` names this machine by loopback: the only hosts for which browsers relax nothing but TLS.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn loopback_is_told_by_the_host_alone() {
        for host in [
            "localhost",
            "localhost:3000",
            "127.0.0.1:3000",
            "127.8.9.1",
            "[::1]:3000",
            "[::1]",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "localhost.evil.example",
            "10.0.0.1:3000",
            "127.0.0.1.evil.example",
            "[fe80::1]:3000",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn a_proxy_that_adds_the_port_is_understood_and_what_a_client_wrote_never_counts() {
        let proxies: Vec<IpAddr> = vec!["10.0.0.5".parse().unwrap()];
        for (chain, client) in [
            ("6.6.6.6, 198.51.100.7:52110", "198.51.100.7"),
            ("6.6.6.6,198.51.100.7:52110, 10.0.0.5:443", "198.51.100.7"),
            ("6.6.6.6, [2001:db8::7]:52110", "2001:db8::7"),
            ("6.6.6.6, [2001:db8::7]", "2001:db8::7"),
            ("6.6.6.6, \"[2001:db8::7]:1\"", "2001:db8::7"),
            ("6.6.6.6, ::ffff:198.51.100.7", "198.51.100.7"),
            // An entry that is none: the proxy is all that is known.
            ("6.6.6.6, unknown", "10.0.0.5"),
            ("6.6.6.6, ", "10.0.0.5"),
            ("6.6.6.6, 198.51.100.7:port", "10.0.0.5"),
        ] {
            let sent = headers(&[("host", "x"), ("x-forwarded-for", chain)]);
            let (_, address) = of(&sent, None, proxies.first().copied(), &proxies);
            assert_eq!(address, client.parse().ok(), "{chain}");
        }
    }

    #[test]
    fn only_a_named_proxy_is_believed() {
        let sent = headers(&[
            ("host", "Inner:3000"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "console.example"),
            ("x-forwarded-for", "6.6.6.6, 198.51.100.7, 10.0.0.6"),
        ]);
        let proxies: Vec<IpAddr> = vec!["10.0.0.5".parse().unwrap(), "10.0.0.6".parse().unwrap()];
        let stranger = "203.0.113.9".parse().ok();
        let (origin, address) = of(&sent, None, stranger, &proxies);
        assert_eq!((origin.text().as_str(), address), ("http://inner:3000", stranger));
        let (origin, address) = of(&sent, None, "10.0.0.5".parse().ok(), &proxies);
        assert_eq!(
            (origin.text().as_str(), address),
            ("https://console.example", "198.51.100.7".parse().ok())
        );
    }
}
