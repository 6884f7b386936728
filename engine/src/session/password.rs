//! Which passwords and names are accepted, and the making of a one-time password.

use rand::Rng;
use secrecy::SecretString;

use crate::{Error, Result};

/// Lengths in characters (NIST SP 800-63B: at least 8; the upper limit only bounds the work).
const SHORTEST: usize = 8;
const LONGEST: usize = 128;

static COMMON: &str = include_str!("common_passwords.txt");

/// The console's own name in the forms that come to mind in front of its log-in page.
const PRODUCT: [&str; 4] = ["pgsteward", "pg-steward", "pg_steward", "steward"];

/// Checks a password that a user wishes for. No rule asks for digits or capitals: they make passwords predictable.
///
/// # Errors
/// `Invalid` at `field`, with what to do instead.
pub(super) fn check(password: &str, user: &str, field: &str) -> Result<()> {
    let length = password.chars().count();
    if length < SHORTEST {
        return Err(Error::invalid(
            field,
            format!("The password has {length} characters and must have at least {SHORTEST}."),
            "A few words that do not belong together are easy to remember and hard to guess.",
        ));
    }
    if length > LONGEST {
        return Err(Error::invalid(
            field,
            format!("The password has {length} characters and may have at most {LONGEST}."),
            "Take a shorter one.",
        ));
    }
    let plain = password.to_lowercase();
    if is_common(&plain) || is_monotonous(&plain) {
        return Err(Error::invalid(
            field,
            "This password is among the first that an attacker tries.",
            "Take a few words that do not belong together, or let a password manager make one.",
        ));
    }
    if is_made_of(&plain, user) || PRODUCT.iter().any(|name| is_made_of(&plain, name)) {
        return Err(Error::invalid(
            field,
            "This password is little more than the user's or the console's own name.",
            "Take a few words that do not belong together, or let a password manager make one.",
        ));
    }
    Ok(())
}

/// Checks a new user's name.
///
/// # Errors
/// `Invalid` at the field `name`.
pub(super) fn check_name(name: &str) -> Result<()> {
    if is_name(name) {
        return Ok(());
    }
    Err(Error::invalid(
        "name",
        "This cannot be a user's name.",
        "Use 1 to 64 letters (a to z), digits and the characters . _ - @",
    ))
}

/// Whether there can be a user of this name; the same form is a constraint of the table.
pub(super) fn is_name(name: &str) -> bool {
    let allowed = |character: char| character.is_ascii_alphanumeric() || "._-@".contains(character);
    (1..=64).contains(&name.len()) && name.chars().all(allowed)
}

/// A password for one use: 20 characters, of which none looks like another, worth 115 bits.
pub(super) fn one_time() -> SecretString {
    const ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut random = rand::rng();
    let password: String = (0..20)
        .map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())]))
        .collect();
    password.into()
}

fn is_common(plain: &str) -> bool {
    COMMON
        .lines()
        .filter(|line| !line.starts_with('#'))
        .any(|common| common == plain)
}

/// Whether it has one or two different characters, or each is the neighbour of the one before ("abcdefghijk").
fn is_monotonous(plain: &str) -> bool {
    let characters: Vec<u32> = plain.chars().map(u32::from).collect();
    let mut different = characters.clone();
    different.sort_unstable();
    different.dedup();
    let runs_by = |step: i64| {
        characters
            .windows(2)
            .all(|pair| i64::from(pair[1]) - i64::from(pair[0]) == step)
    };
    different.len() < 3 || runs_by(1) || runs_by(-1)
}

/// Whether a password is a name, plain or with the usual digits for letters, and not enough besides.
fn is_made_of(plain: &str, name: &str) -> bool {
    // One or two letters occur in any password by chance.
    if name.len() < 3 {
        return false;
    }
    let name = name.to_lowercase();
    [(plain.to_owned(), name.clone()), (unmask(plain), unmask(&name))]
        .into_iter()
        .any(|(text, name)| {
            let backwards: String = name.chars().rev().collect();
            [name, backwards].iter().any(|name| {
                let rest = text.replace(name.as_str(), "");
                // What stays must be a password of its own.
                rest.len() < text.len()
                    && (rest.chars().count() < SHORTEST || is_common(&rest) || is_monotonous(&rest))
            })
        })
}

/// "p@ssw0rd" as "password".
fn unmask(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '@' | '4' => 'a',
            '3' => 'e',
            '1' | '!' => 'i',
            '0' => 'o',
            '5' | '$' => 's',
            '7' => 't',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::HashSet;

    use secrecy::ExposeSecret;

    use super::*;

    fn refused(password: &str) -> bool {
        let checked = check(password, "ada.lovelace", "new");
        if let Err(error) = &checked {
            let fault = error.fault();
            assert_eq!(
                (fault.code, fault.field.as_deref()),
                (contract::Code::Invalid, Some("new"))
            );
            assert!(
                fault.hint.is_some() && (password == "password" || !fault.message.contains(password)),
                "{}",
                fault.message
            );
        }
        checked.is_err()
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        assert!(refused("kq7fzp2"));
        assert!(!refused("kq7fzp2w"));
        assert!(refused("жщыюэяй"), "7 characters in 14 bytes");
        assert!(!refused("жщыюэяйф"));
        let long: String = "añ9z".repeat(32);
        assert!(!refused(&long), "128 characters in 160 bytes");
        assert!(refused(&format!("{long}x")));
    }

    #[test]
    fn common_passwords_are_refused_in_any_case() {
        for password in [
            "password",
            "PassWord1",
            "qwertyuiop",
            "iloveyou",
            "Changeme123",
            "aaaaaaaaaaaaaaa",
            "xyxyxyxyxyxy",
        ] {
            assert!(refused(password), "{password}");
        }
        assert!(
            refused("23456789:;<=") && refused("zyxwvutsrq"),
            "one step at a time"
        );
    }

    #[test]
    fn the_names_of_user_and_console_are_no_passwords() {
        for password in [
            "pgsteward",
            "PgSteward2026",
            "pgsteward!",
            "pg_steward",
            "pgst3w4rd99",
            "drawetsgp1",
            "pgstewardpgsteward",
            "pgsteward12345678",
            "ada.lovelace",
            "Ada.Lovelace1",
            "1ada.lovelace",
            "@da.l0velace",
            "ecalevol.ada",
        ] {
            assert!(refused(password), "{password}");
        }
        assert!(!refused("pgsteward guards nine boats"));
        assert!(
            check("quite-unrelated-7", "a", "new").is_ok(),
            "a name of one letter occurs everywhere"
        );
    }

    #[test]
    fn no_rule_asks_for_kinds_of_characters() {
        for password in [
            "plainlettersonly",
            "83920174650182",
            "four words in lowercase",
            "        x y        ",
        ] {
            assert!(!refused(password), "{password}");
        }
    }

    #[test]
    fn the_list_holds_passwords_that_the_length_rule_lets_through() {
        let list: Vec<&str> = COMMON.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(list.len() >= 3000, "{}", list.len());
        for line in list {
            assert!(
                (SHORTEST..=LONGEST).contains(&line.chars().count()) && line == line.to_lowercase(),
                "{line}"
            );
        }
    }

    #[test]
    fn names_have_one_simple_form() {
        for name in [
            "a",
            "admin",
            "Ada.Lovelace",
            "ops-1_x@example.org",
            &"n".repeat(64),
        ] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in [
            "",
            " ",
            "a b",
            "cli:root",
            "naïve",
            "a\0b",
            "x/y",
            &"n".repeat(65),
        ] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn one_time_passwords_are_long_plain_and_never_the_same() {
        let made: HashSet<String> = (0..200).map(|_| one_time().expose_secret().to_owned()).collect();
        assert_eq!(made.len(), 200);
        for password in made {
            assert_eq!(password.len(), 20);
            assert!(
                !password.contains(['0', 'O', '1', 'l', 'I', 'o', 'i']),
                "{password}"
            );
            check(&password, "admin", "password").unwrap();
        }
    }
}
