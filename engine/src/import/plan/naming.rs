//! Names that PostgreSQL can keep.

use std::collections::HashSet;

use contract::import::NamePolicy;

/// The longest name in bytes (`NAMEDATALEN` less one).
const LONGEST: usize = 63;
/// What PostgreSQL calls its own columns of every table.
const SYSTEM: [&str; 6] = ["ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"];

/// Names that are taken, in one namespace.
#[derive(Default)]
pub(super) struct Names(HashSet<String>);

impl Names {
    /// A namespace in which these are taken.
    pub fn with(taken: impl IntoIterator<Item = String>) -> Self {
        Self(taken.into_iter().collect())
    }

    /// The columns of a table.
    pub fn of_columns() -> Self {
        Self::with(SYSTEM.map(str::to_owned))
    }

    /// Takes a name as near to the wanted one as PostgreSQL allows.
    pub fn take(&mut self, wanted: &str, empty: &str) -> String {
        let wanted = if wanted.is_empty() { empty } else { wanted };
        let mut name = cut(wanted, LONGEST).to_owned();
        let mut number = 1;
        while !self.0.insert(name.clone()) {
            number += 1;
            let end = format!("_{number}");
            name = format!("{}{end}", cut(wanted, LONGEST - end.len()));
        }
        name
    }
}

/// The name that the policy asks for.
pub(super) fn by_policy(name: &str, policy: NamePolicy) -> String {
    // U+0000 cannot be part of a name.
    let name: String = name.chars().filter(|char| *char != '\0').collect();
    match policy {
        NamePolicy::Keep => name,
        // Of ASCII letters only: É and é are two names.
        NamePolicy::Lower => name.to_ascii_lowercase(),
    }
}

/// The first bytes of a name; it is cut between characters.
fn cut(name: &str, bytes: usize) -> &str {
    &name[..name.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_stay_distinct_and_system_names_are_avoided() {
        let mut names = Names::of_columns();
        let long = "x".repeat(70);
        assert_eq!(names.take(&long, "c").len(), 63);
        let second = names.take(&long, "c");
        assert!(second.len() == 63 && second.ends_with("_2"));
        assert_eq!(names.take("ctid", "c"), "ctid_2");
        assert_eq!(names.take("", "column"), "column");
        assert_eq!(names.take("plain", "c"), "plain");
    }

    #[test]
    fn folding_keeps_letters_beyond_ascii_apart() {
        assert_eq!(by_policy("ÉTÉ Name", NamePolicy::Lower), "ÉtÉ name");
        assert_eq!(by_policy("Été", NamePolicy::Keep), "Été");
    }
}
