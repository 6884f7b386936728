//! What libtest prints.

/// What came of one test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passed.
    Passed,
    /// It failed, was left out, or its process ended before it did.
    Missed,
}

/// The tests that `PROGRAM --list` names.
pub fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.strip_suffix(": test"))
}

/// The test that a line is about, and whether it passed.
pub fn verdict(line: &str) -> Option<(&str, Verdict)> {
    let (name, end) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let name = name.strip_suffix(" - should panic").unwrap_or(name);
    let verdict = if end.starts_with("ok") {
        Verdict::Passed
    } else {
        Verdict::Missed
    };
    Some((name, verdict))
}

#[cfg(test)]
mod tests {
    use super::{Verdict, listed, verdict};

    #[test]
    fn only_a_test_that_says_ok_has_passed() {
        assert_eq!(verdict("test a::b ... ok"), Some(("a::b", Verdict::Passed)));
        assert_eq!(
            verdict("test a::b - should panic ... ok"),
            Some(("a::b", Verdict::Passed))
        );
        for end in ["FAILED", "ignored", "ignored, no server"] {
            let line = format!("test a ... {end}");
            assert_eq!(verdict(&line), Some(("a", Verdict::Missed)), "{line}");
        }
        assert_eq!(verdict("test result: ok. 3 passed; 0 failed"), None);
        assert_eq!(verdict("running 3 tests"), None);
    }

    #[test]
    fn a_list_names_tests_alone() {
        let text = "a::b: test\nc: benchmark\nd: test\n\n2 tests, 1 benchmark\n";
        assert_eq!(listed(text).collect::<Vec<_>>(), ["a::b", "d"]);
    }
}
