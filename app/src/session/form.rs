//! Forms that the browser itself sends, without JavaScript: they are answered by a way on, and what they were refused for
//! travels in the URL as a word of a fixed list and a number, so that nobody can make a page say something by a link.

use contract::{Code, Fault, format};

/// What `busy` means, with the wait in seconds from the URL.
pub(super) fn too_many(wait: Option<i64>) -> String {
    match wait {
        Some(seconds @ 1..=86_400) => {
            format!(
                "Too many tries. Try again in {}.",
                format::duration(seconds * 1000)
            )
        }
        _ => "Too many tries. Wait a few minutes and try again.".to_owned(),
    }
}

/// The fault of two new passwords that are not one.
pub(super) fn differ() -> Fault {
    Fault::new(Code::Invalid, "The two are not the same.").field("again")
}

#[cfg(feature = "ssr")]
pub(crate) use answer::lead_to;
#[cfg(feature = "ssr")]
pub(super) use answer::refused_link;

#[cfg(feature = "ssr")]
mod answer {
    use contract::{Code, Fault};
    use leptos::prelude::use_context;

    use crate::address::escape;

    /// Leads the browser on, when it sent the request as a form; a request of the page's own code gets its answer.
    pub(crate) fn lead_to(link: &str) {
        let is_form = use_context::<http::request::Parts>()
            .and_then(|parts| {
                parts
                    .headers
                    .get(http::header::ACCEPT)?
                    .to_str()
                    .ok()
                    .map(|accept| accept.contains("text/html"))
            })
            .unwrap_or(false);
        if is_form {
            leptos_axum::redirect(link);
        }
    }

    /// The form's page with the reason for a refusal: the wrong field's name, else the kind of fault.
    pub(in crate::session) fn refused_link(page: &str, fault: &Fault, next: Option<&str>) -> String {
        let why = match (fault.code, fault.field.as_deref()) {
            (Code::Invalid, Some(field)) => field,
            (Code::Busy, _) => "busy",
            (Code::Internal | Code::Unavailable, _) => "internal",
            _ => "unauthenticated",
        };
        let mut link = format!("{page}?refused={}", escape(why));
        let mut add = |key: &str, value: &str| {
            link.push_str(&format!("&{key}={}", escape(value)));
        };
        if let Some(seconds) = wait_seconds(fault) {
            add("wait", &seconds.to_string());
        }
        if let Some(trace) = &fault.trace {
            add("trace", trace);
        }
        if let Some(next) = next.filter(|next| *next != "/") {
            add("next", next);
        }
        link
    }

    /// How long the hint of a `Busy` fault asks to wait: `Wait 40 seconds and try again.`
    fn wait_seconds(fault: &Fault) -> Option<i64> {
        let mut words = fault.hint.as_deref()?.strip_prefix("Wait ")?.split(' ');
        let count: i64 = words.next()?.parse().ok()?;
        match words.next()? {
            "second" | "seconds" => Some(count),
            "minute" | "minutes" => count.checked_mul(60),
            _ => None,
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_wait_reaches_the_page_and_the_reason_stays_vague() {
            let busy = Fault::new(Code::Busy, "Too many tries.").hint("Wait 14 minutes and try again.");
            assert_eq!(
                refused_link("/login", &busy, Some("/jobs")),
                "/login?refused=busy&wait=840&next=%2Fjobs"
            );
            let wrong = Fault::new(Code::Unauthenticated, "Wrong.").hint("Check both.");
            assert_eq!(
                refused_link("/login", &wrong, Some("/")),
                "/login?refused=unauthenticated"
            );
            let short = Fault::new(Code::Invalid, "Too short.").field("new");
            assert_eq!(refused_link("/settings", &short, None), "/settings?refused=new");
        }
    }
}
