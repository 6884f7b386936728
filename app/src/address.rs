//! The page's own URL: the managed database in it, and the filters and sort that live in its query.

use contract::{Code, Fault};
use leptos::prelude::*;
use leptos_router::{
    NavigateOptions,
    hooks::{use_location, use_navigate, use_params_map, use_query_map},
};

/// The managed database that the URL names; empty where it names none.
pub fn use_target() -> Memo<String> {
    let params = use_params_map();
    Memo::new(move |_| params.with(|params| params.get("target").unwrap_or_default()))
}

/// One value of the URL's query; `None` when it is not there or empty.
pub fn use_query(key: &'static str) -> Memo<Option<String>> {
    let query = use_query_map();
    Memo::new(move |_| query.with(|query| query.get(key).filter(|value| !value.is_empty())))
}

/// One value of the URL's query as a type; `None` when it is not there or is no such value.
pub fn use_typed_query<T>(key: &'static str) -> Memo<Option<T>>
where
    T: std::str::FromStr + PartialEq + Send + Sync + 'static,
{
    let text = use_query(key);
    Memo::new(move |_| text.with(|text| text.as_deref().and_then(|text| text.parse().ok())))
}

/// The page's URL with some values of the query set (`Some`) or removed (`None`); the others stay.
#[derive(Clone)]
pub struct Here {
    location: leptos_router::location::Location,
}

/// The page's own URL, for links that change a part of its query.
pub fn use_here() -> Here {
    Here {
        location: use_location(),
    }
}

impl Here {
    /// The link.
    pub fn with(&self, changes: &[(&'static str, Option<String>)]) -> String {
        let mut query = self.location.query.get();
        for (key, value) in changes {
            match value {
                Some(value) if !value.is_empty() => query.replace(*key, value.clone()),
                _ => drop(query.remove(key)),
            }
        }
        let pairs: Vec<String> = query
            .into_iter()
            .map(|(key, value)| format!("{}={}", escape(&key), escape(&value)))
            .collect();
        let path = self.location.pathname.get();
        if pairs.is_empty() {
            path
        } else {
            format!("{path}?{}", pairs.join("&"))
        }
    }
}

/// Changes a part of the page's query in place: no new entry in the history, no scrolling.
pub fn use_change_query() -> impl Fn(&[(&'static str, Option<String>)]) + Clone {
    let here = use_here();
    let navigate = use_navigate();
    move |changes| {
        let link = untrack(|| here.with(changes));
        navigate(
            &link,
            NavigateOptions {
                replace: true,
                scroll: false,
                resolve: false,
                ..NavigateOptions::default()
            },
        );
    }
}

/// A text as one part of a URL. leptos' own way differs between the server and the browser (`_`, `.`, `-`, `~`).
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => {
                out.push('%');
                for half in [byte >> 4, byte & 15] {
                    out.extend(char::from_digit(u32::from(half), 16).map(|digit| digit.to_ascii_uppercase()));
                }
            }
        }
    }
    out
}

/// A link to a page of a managed database: `link("ai_pal", "tables")` is `/db/ai_pal/tables`, with an empty page its
/// overview.
pub fn link(target: &str, page: &str) -> String {
    format!("/db/{}/{page}", escape(target))
}

/// A link to the page of a job.
pub fn job_link(id: contract::jobs::JobId) -> String {
    format!("/jobs/{id}")
}

/// A link to the log-in that leads back to a page.
pub fn login_link(next: &str) -> String {
    match next {
        "" | "/" => "/login".to_owned(),
        next => format!("/login?next={}", escape(next)),
    }
}

/// Where to go after the log-in: only a path on this console, never another site (`//host`, `/\host`, `https:`).
pub fn safe_next(next: Option<&str>) -> &str {
    match next {
        Some(path)
            if path.starts_with('/')
                && !path.starts_with("//")
                && !path.starts_with("/login")
                && !path.starts_with("/rpc")
                && path
                    .bytes()
                    .all(|byte| byte > b' ' && byte != b'\\' && byte < 0x7f) =>
        {
            path
        }
        _ => "/",
    }
}

/// The fault of a page that the URL names and that is not there.
pub fn no_such_page() -> Fault {
    Fault::new(Code::NotFound, "There is no such page.")
        .hint("Go back to the overview, or search with Ctrl-K.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_part_of_the_path_whatever_is_in_them() {
        assert_eq!(link("ai_pal", "tables"), "/db/ai_pal/tables");
        assert_eq!(link("a/b ü?#", ""), "/db/a%2Fb%20%C3%BC%3F%23/");
    }

    #[test]
    fn the_way_back_never_leaves_the_console() {
        assert_eq!(
            safe_next(Some("/db/ai_pal/tables?sort=name&dir=asc")),
            "/db/ai_pal/tables?sort=name&dir=asc"
        );
        for bad in [
            "",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/a\nb",
            "javascript:x",
            "/login",
            "/ü",
        ] {
            assert_eq!(safe_next(Some(bad)), "/", "{bad}");
        }
        assert_eq!(safe_next(None), "/");
    }
}
