//! The page's own URL: the names in its path, and the filters and sort that live in its query.
//!
//! Names are any text, and leave and come back here alone: [`segment`] and [`name_of`] in a path, [`escape`] and [`Query`]
//! in a query. leptos' own ways are not used: in a path a click decodes `%25` before the route is matched, and values of
//! the query are decoded twice.

use contract::{Code, Fault};
use leptos::prelude::*;
use leptos_router::{
    NavigateOptions,
    hooks::{use_location, use_navigate, use_params_map},
};

/// The managed database that the URL names; empty where it names none.
pub fn use_target() -> Memo<String> {
    use_name("target")
}

/// A name in the URL's path, by its place in the route; empty where there is none.
pub fn use_name(place: &'static str) -> Memo<String> {
    let params = use_params_map();
    Memo::new(move |_| params.with(|params| params.get_str(place).map(name_of).unwrap_or_default()))
}

/// The URL's query.
pub fn use_pairs() -> Memo<Query> {
    let search = use_location().search;
    Memo::new(move |_| search.with(|search| Query::read(search)))
}

/// One value of the URL's query; `None` when it is not there or empty.
pub fn use_query(key: &'static str) -> Memo<Option<String>> {
    let query = use_pairs();
    Memo::new(move |_| query.with(|query| query.get(key).filter(|value| !value.is_empty())))
}

/// The query of a URL: its pairs in their order, decoded once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what stands after the question mark.
    pub fn read(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(key, value)| (decode(key), decode(value)))
                .collect(),
        )
    }

    /// The last value of a key.
    pub fn get(&self, key: &str) -> Option<String> {
        let of_key = |(other, _): &&(String, String)| other == key;
        self.0.iter().rev().find(of_key).map(|(_, value)| value.clone())
    }

    /// Every pair.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    fn set(&mut self, key: &str, value: Option<&str>) {
        self.0.retain(|(other, _)| other != key);
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.0.push((key.to_owned(), value.to_owned()));
        }
    }
}

/// A text of a query as it was: `+` is a blank there.
fn decode(text: &str) -> String {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                // Two hexadecimal digits are one byte.
                out.push((high * 16 + low) as u8);
                at += 3;
                continue;
            }
            (b'+', ..) => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
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
        let mut query = self.location.search.with(|search| Query::read(search));
        for (key, value) in changes {
            query.set(key, value.as_deref());
        }
        let pairs: Vec<String> = query
            .pairs()
            .map(|(key, value)| format!("{}={}", escape(key), escape(value)))
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

/// A name as one segment of a path, which [`name_of`] reads back, whatever the name is and whether the browser loads the
/// link or follows it by itself. In ASCII, all but letters, digits, `-`, `_` and `.` is written as `~` with two
/// hexadecimal digits: of `%XX`, browsers decode some before the route is matched, and `%2E%2E` leads a folder up.
/// Letters of other scripts stay readable in the address bar as `%XX`.
pub fn segment(name: &str) -> String {
    let leads_up = matches!(name, "." | "..");
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        let mark = match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => None,
            b'.' if !leads_up => None,
            0x80.. => Some('%'),
            _ => Some('~'),
        };
        match mark {
            None => out.push(char::from(byte)),
            Some(mark) => push_hex(&mut out, mark, byte),
        }
    }
    out
}

/// The name that a segment stands for, once its `%XX` are decoded. One that is written by hand, without `~`, is itself.
pub fn name_of(segment: &str) -> String {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'F' => char::from(byte).to_digit(16),
        _ => None,
    };
    let mut out = String::with_capacity(segment.len());
    let mut rest = segment;
    while let Some((before, after)) = rest.split_once('~') {
        out.push_str(before);
        let byte = match after.as_bytes() {
            [high, low, ..] => digit(*high)
                .zip(digit(*low))
                .map(|(high, low)| (high * 16 + low) as u8),
            _ => None,
        };
        match byte.filter(u8::is_ascii) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &after[2..];
            }
            None => {
                out.push('~');
                rest = after;
            }
        }
    }
    out + rest
}

fn push_hex(out: &mut String, mark: char, byte: u8) {
    out.push(mark);
    for half in [byte >> 4, byte & 15] {
        out.extend(char::from_digit(u32::from(half), 16).map(|digit| digit.to_ascii_uppercase()));
    }
}

/// A text as one part of a URL's query. leptos' own way differs between the server and the browser (`_`, `.`, `-`, `~`).
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => push_hex(&mut out, '%', byte),
        }
    }
    out
}

/// A link to a page of a managed database: `link("ai_pal", "tables")` is `/db/ai_pal/tables`, with an empty page its
/// overview.
pub fn link(target: &str, page: &str) -> String {
    format!("/db/{}/{page}", segment(target))
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

/// The settings, where a password must be changed before anything else, and from there on to `next`.
pub fn settings_link(next: &str) -> String {
    match next {
        "" | "/" => "/settings".to_owned(),
        next => format!("/settings?next={}", escape(next)),
    }
}

/// The one rule for a text from outside that a browser is led to: a path on this console, with its query, and nothing
/// that any reader of URLs could take for another site, now or after resolving it (`//host`, `/\host`, `/.//host`,
/// `https:`, a line break). `None` for all else.
pub fn local_path(text: &str) -> Option<&str> {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let leads_up = |segment: &str| {
        let segment = segment.to_ascii_lowercase().replace("%2e", ".");
        matches!(segment.as_str(), "." | "..")
    };
    let plain = path.starts_with('/')
        && !path.contains("//")
        && !path.contains('\\')
        && !path.split('/').any(leads_up)
        && text.bytes().all(|byte| byte > b' ' && byte < 0x7f);
    plain.then_some(text)
}

/// Where to go after the log-in: a [`local_path`] that is a page, else the overview.
pub fn safe_next(next: Option<&str>) -> &str {
    let page = |path: &&str| !path.starts_with("/login") && !path.starts_with("/rpc");
    next.and_then(local_path).filter(page).unwrap_or("/")
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
        assert_eq!(link("a/b ü?#", ""), "/db/a~2Fb~20%C3%BC~3F~23/");
        for name in [
            "a~b", "~2F", "~", "x~2", "%2F", "..", ".", "...", " x ", "a\nb", "~~2F~", "~FF",
        ] {
            assert_eq!(name_of(&segment(name)), name);
        }
        // By hand, and decoded by the router.
        for name in ["my db", "50%2F50", "a~b", "~zz", "größe"] {
            assert_eq!(name_of(name), name);
        }
    }

    #[test]
    fn a_query_is_decoded_once() {
        let query = Query::read("user=50%252F50&q=a+b%2Bc&empty=&flag&q=%C3%BC%zz%");
        assert_eq!(query.get("user").as_deref(), Some("50%2F50"));
        assert_eq!(query.get("q").as_deref(), Some("ü%zz%"), "the last one counts");
        assert_eq!(query.get("empty").as_deref(), Some(""));
        assert_eq!(query.get("flag").as_deref(), Some(""));
        assert_eq!(query.get("no"), None);
        assert_eq!(query.pairs().nth(1), Some(("q", "a b+c")));
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
            "/.//evil.example/",
            "/..//evil.example/",
            "/%2e//evil.example/",
            "/jobs/../..//evil.example",
            "/jobs/%2E%2e/x",
            "/jobs//x",
            "/\t/evil.example",
            "/jobs\\..\\x",
            "/rpc/log_out",
        ] {
            assert_eq!(safe_next(Some(bad)), "/", "{bad}");
        }
        assert_eq!(safe_next(None), "/");
    }
}
