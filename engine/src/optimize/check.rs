//! Whether a check of the catalog is the one that is wanted.
//!
//! PostgreSQL stores `severity in ('a', 'b')` as `(severity)::text = ANY ((ARRAY['a'::character varying, …])::text[])`,
//! with casts that depend on the column's type. So casts and parentheses are taken out, and what remains is compared.

use std::collections::BTreeSet;

use super::ai_pal::WantedCheck;
use crate::lexer::{self, Kind, Token};

/// Whether a definition, as `pg_get_constraintdef` gives it, allows exactly the wanted values of the wanted column.
pub(super) fn is_same(definition: &str, wanted: &WantedCheck) -> bool {
    let mut tokens = without_casts(definition).into_iter();
    let opening = ["check", wanted.column, "=", "any", "array", "["];
    for expected in opening {
        let found = tokens.next();
        if !found.is_some_and(|token| {
            token
                .as_name()
                .map_or(token.text == expected, |name| name == expected)
        }) {
            return false;
        }
    }
    let mut values = BTreeSet::new();
    loop {
        let (Some(value), Some(after)) = (tokens.next(), tokens.next()) else {
            return false;
        };
        let Some(text) = value
            .text
            .strip_prefix('\'')
            .and_then(|text| text.strip_suffix('\''))
        else {
            return false;
        };
        values.insert(text.replace("''", "'"));
        match after.text {
            "," => {}
            "]" => break,
            _ => return false,
        }
    }
    let rest: Vec<_> = tokens.map(|token| token.text).collect();
    let whole = rest.is_empty() || rest == ["NOT", "VALID"];
    whole && values == wanted.allowed.iter().map(|&value| value.to_owned()).collect()
}

fn without_casts(definition: &str) -> Vec<Token<'_>> {
    let mut kept = Vec::new();
    let mut tokens = lexer::tokens(definition).filter(Token::is_solid).peekable();
    while let Some(token) = tokens.next() {
        let cast = token.is_symbol(":") && tokens.next_if(|next| next.is_symbol(":")).is_some();
        if cast {
            // A type's name is one word or more: `character varying`.
            while tokens.next_if(|next| next.kind == Kind::Word).is_some() {}
            if tokens.next_if(|next| next.is_symbol("[")).is_some() {
                tokens.next_if(|next| next.is_symbol("]"));
            }
        } else if !matches!(token.text, "(" | ")") {
            kept.push(token);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: WantedCheck = WantedCheck {
        table: "t",
        name: "c",
        column: "result",
        allowed: &["success", "failure"],
    };

    #[test]
    fn the_same_check_is_known_in_every_shape() {
        for same in [
            "CHECK (((result)::text = ANY ((ARRAY['success'::character varying, 'failure'::character varying])::text[])))",
            "CHECK ((result = ANY (ARRAY['failure'::text, 'success'::text])))",
            "CHECK ((result = ANY (ARRAY['success'::text, 'failure'::text]))) NOT VALID",
        ] {
            assert!(is_same(same, &WANTED), "{same}");
        }
    }

    #[test]
    fn another_check_is_not_taken_for_it() {
        for other in [
            "CHECK ((result <> ALL (ARRAY['success'::text, 'failure'::text])))",
            "CHECK ((result = ANY (ARRAY['success'::text])))",
            "CHECK ((result = ANY (ARRAY['success'::text, 'failure'::text, 'denied'::text])))",
            "CHECK ((other = ANY (ARRAY['success'::text, 'failure'::text])))",
            "CHECK (((result = ANY (ARRAY['success'::text, 'failure'::text])) AND (id > 0)))",
            "CHECK (((result = ANY (ARRAY['success'::text, 'failure'::text])) OR (result IS NOT NULL)))",
            "UNIQUE (result)",
        ] {
            assert!(!is_same(other, &WANTED), "{other}");
        }
    }
}
