//! The one place where names and texts become parts of SQL.

/// A name as SQL: always in double quotes, with quotes inside doubled. A NUL cannot be part of a name and is dropped.
pub fn ident(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 2);
    out.push('"');
    for c in name.chars().filter(|&c| c != '\0') {
        if c == '"' {
            out.push('"');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// A schema-qualified name as SQL.
pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", ident(schema), ident(name))
}

/// A text as an SQL literal, right whatever `standard_conforming_strings` says.
pub fn literal(text: &str) -> String {
    let escaped: String = text
        .chars()
        .filter(|&c| c != '\0')
        .flat_map(|c| match c {
            '\'' => ['\'', '\''].into_iter().take(2),
            '\\' => ['\\', '\\'].into_iter().take(2),
            other => [other, other].into_iter().take(1),
        })
        .collect();
    if text.contains('\\') {
        format!("E'{escaped}'")
    } else {
        format!("'{escaped}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_names() {
        assert_eq!(ident(r#"a"; drop table b; --"#), r#""a""; drop table b; --""#);
        assert_eq!(qualified("public", "Ünï"), r#""public"."Ünï""#);
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"a\'b"), r"E'a\\''b'");
    }
}
