//! The routes that answer to strangers: a file that is read in review, and nothing else.

use axum::http::Method;

/// One public route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Public {
    /// The method.
    pub method: &'static str,
    /// The path; one that ends in `/*` stands for all below it.
    pub path: &'static str,
}

impl Public {
    /// Every line of `server/public_routes.txt`.
    pub fn all() -> impl Iterator<Item = Self> {
        include_str!("../../public_routes.txt")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.trim().split_once(' '))
            .map(|(method, path)| Self { method, path })
    }

    /// Whether a request is for a public route. `HEAD` is a `GET` without its body.
    pub fn covers(method: &Method, path: &str) -> bool {
        let method = if method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        Self::all().any(|route| route.method == method.as_str() && route.matches(path))
    }

    fn matches(&self, path: &str) -> bool {
        match self.path.strip_suffix('*') {
            Some(folder) => path.starts_with(folder),
            None => path == self.path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_file_names_is_public() {
        assert!(Public::covers(&Method::POST, "/rpc/log_in"));
        assert!(Public::covers(&Method::HEAD, "/healthz"));
        assert!(Public::covers(&Method::GET, "/pkg/pgsteward.css"));
        for (method, path) in [
            (Method::GET, "/rpc/log_in"),
            (Method::POST, "/rpc/log_in/"),
            (Method::POST, "/rpc/log_inx"),
            (Method::POST, "/rpc/list_users"),
            (Method::GET, "/events"),
            (Method::GET, "/"),
            (Method::POST, "/pkg/x"),
        ] {
            assert!(!Public::covers(&method, path), "{method} {path}");
        }
    }
}
