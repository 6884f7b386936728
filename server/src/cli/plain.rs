//! Text for a terminal: names and messages come from databases and files, and some characters are commands there.

use std::fmt::Write as _;

/// Any text as one line: what a terminal would obey, or would not show, is written as Rust writes it (`\n`, `\u{1b}`).
pub(super) fn line(text: &str) -> String {
    shown(text, |_| false)
}

/// The same for text of ours in several lines.
pub(super) fn lines(text: &str) -> String {
    shown(text, |character| character == '\n')
}

/// JSON with the same meaning, in which no such character stands as itself. They can only be inside texts there.
pub(super) fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character != '\n' && is_hidden(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a text cannot fail.
                let _written = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(character);
        }
    }
    out
}

fn shown(text: &str, kept: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) && !kept(character) {
            match character {
                '\n' | '\r' | '\t' => out.extend(character.escape_default()),
                _ => out.extend(character.escape_unicode()),
            }
        } else {
            out.push(character);
        }
    }
    out
}

/// Control characters (also those above ASCII, which some terminals obey), and what turns the direction of text or
/// breaks its line (Unicode's `Bidi_Control`, line and paragraph separators) or takes no room.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::{json, line, lines};

    #[test]
    fn no_text_commands_the_terminal() {
        assert_eq!(
            line("a\u{1b}[2Jb\nc\r\u{9b}0m\t"),
            "a\\u{1b}[2Jb\\nc\\r\\u{9b}0m\\t"
        );
        assert_eq!(line("\u{202e}gpj.exe\u{200b}"), "\\u{202e}gpj.exe\\u{200b}");
        assert_eq!(line("größe 表 \\n"), "größe 表 \\n");
        assert_eq!(lines("a\nb\u{7f}"), "a\nb\\u{7f}");
        let text = json("{\n  \"a\": \"\u{9b}\u{202e}\u{e0001}ü\"\n}");
        assert_eq!(text, "{\n  \"a\": \"\\u009b\\u202e\\udb40\\udc01ü\"\n}");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        assert_eq!(read["a"], "\u{9b}\u{202e}\u{e0001}ü");
    }
}
