//! The names of classes that a compiled sheet defines.

use std::collections::BTreeSet;

/// Every class named in a selector of `css`, which must be free of comments and strings with braces.
pub fn classes(css: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut prelude = String::new();
    for c in css.chars() {
        match c {
            '{' => {
                if !prelude.trim_start().starts_with('@') {
                    collect(&prelude, &mut found);
                }
                prelude.clear();
            }
            '}' | ';' => prelude.clear(),
            _ => prelude.push(c),
        }
    }
    found
}

fn collect(selector: &str, found: &mut BTreeSet<String>) {
    for part in selector.split('.').skip(1) {
        let end = part
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
            .unwrap_or(part.len());
        if part.starts_with(|c: char| c.is_ascii_alphabetic()) {
            found.insert(part[..end].to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::classes;

    #[test]
    fn finds_every_class_of_a_selector_and_nothing_in_declarations() {
        let css = "@media (min-width: 2.5rem) { .btn.pri:hover > .ico, .tab[aria-current] { margin: .5px; color: red } }";
        let found: Vec<_> = classes(css).into_iter().collect();
        assert_eq!(found, ["btn", "ico", "pri", "tab"]);
    }
}
