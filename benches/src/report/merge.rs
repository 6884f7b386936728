//! Putting the numbers of one part among what the last whole run wrote.

/// The line between the heads of the table and its rows.
const RULE: &str = "|---|---|---|---|\n";
const NOTES: &str = "\n## How it was measured\n\n";

/// What is new; rows and notes are lines, details begin with their headings.
pub struct New {
    /// Lines of the table.
    pub rows: Vec<String>,
    /// Lines of the list of notes.
    pub notes: Vec<String>,
    /// Without the two signs of a heading.
    pub details: Vec<String>,
}

/// The old document with what is new in the place of what the same part said before: rows that name it, notes and details that
/// begin with it. None when the old text is no such document.
pub fn merge(old: &str, part: &str, new: New) -> Option<String> {
    let (head, rest) = old.split_once(RULE)?;
    let (rows, rest) = rest.split_once("\n\n")?;
    let (middle, rest) = rest.split_once(NOTES)?;
    let (notes, details) = rest.split_once("\n\n## ").unwrap_or((rest, ""));

    let named = |line: &&str| {
        let name = line.split('|').nth(1).unwrap_or_default();
        name.to_lowercase().split_whitespace().any(|word| word == part)
    };
    let begun = |text: &&str| text.trim_start_matches("- ").to_lowercase().starts_with(part);
    let rows = rows
        .lines()
        .filter(|line| !named(line))
        .map(str::to_owned)
        .chain(new.rows);
    let notes = notes
        .lines()
        .filter(|note| !begun(note))
        .map(str::to_owned)
        .chain(new.notes);
    let details = details
        .split("\n## ")
        .filter(|detail| !detail.is_empty() && !begun(detail))
        .map(str::to_owned)
        .chain(new.details);

    let mut text = format!("{head}{RULE}");
    for row in rows {
        text.push_str(&row);
        text.push('\n');
    }
    text.push('\n');
    text.push_str(middle);
    text.push_str(NOTES);
    for note in notes {
        text.push_str(&note);
        text.push('\n');
    }
    for detail in details {
        text.push_str("\n## ");
        text.push_str(detail.trim_end());
        text.push('\n');
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const OLD: &str = "# Performance\n\n| what | bar | measured | verdict |\n|---|---|---|---|\n\
                       | pages | 1 | 2 | met |\n| import of 5 rows | 1 | 2 | met |\n| important | 1 | 2 | met |\n\n\
                       <!-- by hand: begin -->\n## Import, by hand\n<!-- by hand: end -->\n\
                       \n## How it was measured\n\n- Pages: so.\n- Import: as it was.\n\
                       \n## Pages\n\n### Import\n\n| a |\n\n## Import of a file\n\nold\n";

    fn new() -> New {
        New {
            rows: vec!["| import of 7 rows | 1 | 1 | met |".to_owned()],
            notes: vec!["- Import: as it is.".to_owned()],
            details: vec!["Import of a file\n\nnew\n".to_owned()],
        }
    }

    #[test]
    fn only_the_part_itself_changes() {
        let merged = merge(OLD, "import", new()).unwrap();
        let expected = OLD
            .replace("| import of 5 rows | 1 | 2 | met |\n", "")
            .replace(
                "| important | 1 | 2 | met |\n",
                "| important | 1 | 2 | met |\n| import of 7 rows | 1 | 1 | met |\n",
            )
            .replace("as it was", "as it is")
            .replace("\nold\n", "\nnew\n");
        assert_eq!(merged, expected);
        assert_eq!(merge(&merged, "import", new()).unwrap(), merged);
    }

    #[test]
    fn what_is_no_document_is_left_to_the_caller() {
        assert_eq!(merge("", "import", new()), None);
    }
}
