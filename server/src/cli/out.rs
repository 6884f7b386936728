//! Standard output and what is said to a person on standard error: the one place that writes to them. Neither `println!`
//! nor `eprintln!`: they panic when nobody reads.

use std::io::{IsTerminal, Write};

use serde::Serialize;

use super::plain;

/// Where results go.
#[derive(Clone, Copy)]
pub(super) struct Out {
    json: bool,
}

impl Out {
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether the result is asked for as JSON.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// Whether a person watches the progress.
    pub fn has_progress_bar(self) -> bool {
        !self.json && std::io::stderr().is_terminal()
    }

    /// Shows a result: whole as JSON, or in words.
    pub fn show<T: Serialize + ?Sized>(self, value: &T, words: impl FnOnce() -> String) {
        let text = if self.json {
            // These are plain values with text keys: nothing in them can fail to become JSON.
            plain::json(&serde_json::to_string_pretty(value).unwrap_or_else(|_| "null".to_owned()))
        } else {
            plain::lines(&words())
        };
        write(&text);
    }

    /// Writes one line of JSON of many, also without `--json`; false when nobody reads any more.
    pub fn line(self, text: &str) -> bool {
        writeln!(std::io::stdout().lock(), "{}", plain::json(text)).is_ok()
    }

    /// Says something to a person; silent when the result is asked for as JSON.
    pub fn say(self, text: &str) {
        if !self.json {
            write(&plain::lines(text));
        }
    }
}

fn write(text: &str) {
    let mut stdout = std::io::stdout().lock();
    // A reader that has gone away, as `| head` does, is no failure.
    let _gone = writeln!(stdout, "{}", text.trim_end_matches('\n')).and_then(|()| stdout.flush());
}

/// Says something to a person on standard error; one who is gone is no failure.
pub(super) fn tell(text: &str) {
    let _gone = writeln!(std::io::stderr().lock(), "{}", plain::lines(text));
}
