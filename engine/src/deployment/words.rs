//! What may be told of a deployment.

use chrono::TimeDelta;
use contract::{Instant, deployment::NewDeployment};

use crate::{Error, Result, history};

/// Clocks of others may be ahead by so much.
const AHEAD: TimeDelta = TimeDelta::minutes(5);
const LONGEST_VERSION: usize = 100;
const LONGEST_NOTE: usize = 500;
const LONGEST_LINK: usize = 1000;

/// What was told, checked.
pub(super) struct Told {
    pub at: Instant,
    pub version: Option<String>,
    pub note: Option<String>,
    pub link: Option<String>,
}

/// # Errors
/// `Invalid` at the field that is wrong.
pub(super) fn check(new: NewDeployment, now: Instant) -> Result<Told> {
    let version = line("version", new.version, LONGEST_VERSION)?;
    let note = line("note", new.note, LONGEST_NOTE)?;
    let link = line("link", new.link, LONGEST_LINK)?;
    if version.is_none() && note.is_none() {
        return Err(Error::invalid(
            "version",
            "It is not said what was deployed.",
            "Give a version, a note, or both.",
        ));
    }
    if let Some(link) = &link
        && !is_link(link)
    {
        return Err(Error::invalid(
            "link",
            "This is no link to a page.",
            "Give a whole one that begins with https:// or http://, without blanks and without a user.",
        ));
    }
    let at = new.at.unwrap_or(now);
    if at > now + AHEAD {
        return Err(Error::invalid(
            "at",
            format!(
                "It would be in the future: it is {} now.",
                contract::format::absolute(now)
            ),
            "Give the time with its zone, as in 2026-11-30T14:05:00Z or 2026-11-30T15:05:00+01:00.",
        ));
    }
    if at < now - history::KEPT {
        return Err(Error::invalid(
            "at",
            "It is older than all that the console keeps.",
            "Marks are kept for two years.",
        ));
    }
    Ok(Told {
        at,
        version,
        note,
        link,
    })
}

/// Whether there can be a token of this name; the same form is a constraint of the table.
///
/// # Errors
/// `Invalid` at `name`.
pub(super) fn check_name(name: &str) -> Result<()> {
    let allowed = |character: char| character.is_ascii_alphanumeric() || "._-@".contains(character);
    match (1..=64).contains(&name.len()) && name.chars().all(allowed) {
        true => Ok(()),
        false => Err(Error::invalid(
            "name",
            "This cannot be a token's name.",
            "Use 1 to 64 letters (a to z), digits and the characters . _ - @",
        )),
    }
}

/// A text in one line; none where there is nothing in it. Commit messages have line breaks, which become blanks.
fn line(field: &str, text: Option<String>, most: usize) -> Result<Option<String>> {
    let Some(text) = text else { return Ok(None) };
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // Marks of direction turn the letters that follow around.
    let unseen = |one: char| {
        one.is_control()
            || matches!(one, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    if text.chars().any(unseen) {
        return Err(Error::invalid(
            field,
            "It holds a character that cannot be seen.",
            "Remove control characters and marks of direction.",
        ));
    }
    if text.chars().count() > most {
        return Err(Error::invalid(
            field,
            format!("It is longer than {most} characters."),
            "Shorten it.",
        ));
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// Whether a browser that follows it comes to a page, and to nothing else.
fn is_link(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    // What stands before an @ would be a password, shown to everyone.
    let host = |rest: &str| {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        rest.starts_with(|first: char| first.is_alphanumeric() || first == '[') && !rest[..end].contains('@')
    };
    rest.is_some_and(host) && !text.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn now() -> Instant {
        "2026-05-20T13:37:42Z".parse().unwrap()
    }

    #[test]
    fn what_is_told_becomes_one_line_each() {
        let told = check(
            NewDeployment {
                version: Some("  shop 1.4.2 ".into()),
                note: Some("fix: pay\n\nby\tcard".into()),
                link: Some("https://ci.example/run/7?x=1".into()),
                ..NewDeployment::default()
            },
            now(),
        )
        .unwrap();
        assert_eq!(told.version.as_deref(), Some("shop 1.4.2"));
        assert_eq!(told.note.as_deref(), Some("fix: pay by card"));
        assert_eq!(told.at, now());
    }

    #[test]
    fn what_cannot_be_is_told_at_its_field() {
        let of = |version: &str, link: &str, at: Option<&str>| NewDeployment {
            version: Some(version.into()),
            link: Some(link.into()),
            at: at.map(|at| at.parse().unwrap()),
            ..NewDeployment::default()
        };
        for (new, field) in [
            (of("  ", "", None), "version"),
            (of(&"x".repeat(101), "", None), "version"),
            (of("a\0b", "", None), "version"),
            (of("1", "javascript:alert(1)", None), "link"),
            (of("1", "//evil.example", None), "link"),
            (of("1", "https://", None), "link"),
            (of("1", "https://a b", None), "link"),
            (of("1", "https://user:word@ci.example/x", None), "link"),
            (of("\u{202e}live", "", None), "version"),
            (of("1", "", Some("2026-05-20T13:43:00Z")), "at"),
            (of("1", "", Some("2024-05-01T00:00:00Z")), "at"),
        ] {
            let fault = check(new, now()).err().unwrap().fault();
            assert_eq!(fault.field.as_deref(), Some(field), "{fault}");
        }
    }
}
