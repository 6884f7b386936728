//! Which signing keys are refused: those that an attacker would try first.

/// Fewer bytes than HMAC-SHA256 puts out weaken it (RFC 7518, section 3.2).
const SHORTEST: usize = 32;

/// What must be left of a key after its filler words.
const OWN: usize = 16;

/// Words that examples, templates and tutorials fill their keys with; longer ones first, because they hold others.
const FILLER: [&str; 47] = [
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "pgsteward",
    "characters",
    "production",
    "password",
    "changeit",
    "changeme",
    "postgres",
    "replace",
    "default",
    "example",
    "private",
    "signing",
    "replaceme",
    "minimum",
    "develop",
    "please",
    "secret",
    "should",
    "random",
    "string",
    "change",
    "secure",
    "sample",
    "server",
    "bytes",
    "admin",
    "token",
    "super",
    "least",
    "value",
    "demo",
    "bits",
    "this",
    "your",
    "test",
    "with",
    "long",
    "safe",
    "that",
    "very",
    "key",
    "jwt",
    "bit",
    "me",
];

/// Why a key is refused, as the end of a sentence; `None` when nothing speaks against it.
pub(super) fn weakness(key: &[u8]) -> Option<String> {
    if key.len() < SHORTEST {
        return Some(format!(
            "it has {} bytes and must have at least {SHORTEST}",
            key.len()
        ));
    }
    if period(key) < SHORTEST {
        return Some("it repeats a short text".to_owned());
    }
    if counts(key) {
        return Some("it counts through the alphabet".to_owned());
    }
    if own_part(key) < OWN {
        return Some("it is an example that everyone knows".to_owned());
    }
    None
}

/// The length of the shortest text that, repeated, gives the key.
fn period(key: &[u8]) -> usize {
    (1..key.len())
        .find(|&shift| key[shift..] == key[..key.len() - shift])
        .unwrap_or(key.len())
}

/// Whether most characters are the neighbours of those before them, as in `abcdef…` and `98765…`. Of random hexadecimal
/// digits, one in five is.
fn counts(key: &[u8]) -> bool {
    let near = key
        .windows(2)
        .filter(|pair| pair[0].abs_diff(pair[1]) <= 1)
        .count();
    near * 2 > key.len()
}

/// How many letters and digits stay when the filler words are taken out.
fn own_part(key: &[u8]) -> usize {
    let mut rest: String = String::from_utf8_lossy(key)
        .chars()
        .filter(|character| character.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    for word in FILLER {
        rest = rest.replace(word, "");
    }
    rest.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_repeated_and_known_keys_are_refused() {
        for key in [
            "",
            "secret",
            "b1946ac92492d2347c6235b4d261118",
            "changemechangemechangemechangemechangeme",
            "your-secret-key-your-secret-key-your-secret-key",
            "00000000000000000000000000000000",
            "12345678901234567890123456789012",
            "abababababababababababababababababab",
            "your-super-secret-jwt-token-with-at-least-32-characters-long",
            "a-string-secret-at-least-256-bits-long",
            "please_change_me_in_production_to_a_secure_random_string",
            "Change-This-Default-JWT-Signing-Key!",
            "0123456789abcdef0123456789abcdef",
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "0123456789abcdefghijklmnopqrstuv",
            "zyxwvutsrqponmlkjihgfedcba987654",
            "qwertyuiopasdfghjklzxcvbnm123456",
            "                                ",
        ] {
            assert!(weakness(key.as_bytes()).is_some(), "{key}");
        }
    }

    #[test]
    fn random_keys_are_accepted() {
        for key in [
            "5f0c1d3a9b7e4826a1c4d9e3b6f8072d",
            "9d1f6c0b5e3a48d7a2e4c8f1067b3d5e9c1a4f7082b6d3e5f9a1c0b7d4e82f63",
            "q8Zt0xVnWm3Kp7RbLc2Yf5Hd9Js1Gu4A",
            "rKJ2v+8Qw/Zx0nTq5Lb7Yd3Hs9Fc1GmUa6Pe4Oi8Ru0=",
        ] {
            assert_eq!(weakness(key.as_bytes()), None, "{key}");
        }
    }
}
