//! Whether a text is JSON, and whether PostgreSQL's jsonb would keep it.
//!
//! jsonb sorts the keys of an object by length, then by bytes, keeps the last of equal keys, refuses U+0000 and half
//! surrogate pairs, and stores numbers as decimals. White space between tokens is no content and counts as kept.

use std::borrow::Cow;

use contract::import::Form;

/// How deeply nested a text is followed; each level costs stack.
const DEEPEST: u32 = 256;
/// The digits that every program reads back the same.
const DIGITS: usize = 17;

/// What jsonb would change; the order is that of their weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    None,
    Order,
    Number,
    Twice,
    Escape,
    Deep,
}

/// The form of a text that is a JSON object, array, string or null; none when it is no JSON or another scalar.
pub(super) fn form(text: &str) -> Option<Form> {
    let mut reader = Reader {
        bytes: text.as_bytes(),
        at: 0,
        depth: 0,
        change: Change::None,
    };
    reader.space();
    let scalar = match reader.peek()? {
        b'{' | b'[' => false,
        b'"' | b'n' => true,
        _ => return None,
    };
    if reader.value().is_none() {
        return (reader.change == Change::Deep).then_some(Form::JsonDeep);
    }
    reader.space();
    if reader.peek().is_some() {
        return None;
    }
    Some(match reader.change {
        Change::None if scalar => Form::JsonScalar,
        Change::None => Form::Json,
        Change::Order => Form::JsonKeyOrder,
        Change::Number => Form::JsonNumber,
        Change::Twice => Form::JsonKeyTwice,
        Change::Escape => Form::JsonEscape,
        Change::Deep => Form::JsonDeep,
    })
}

/// Appends JSON without its white space, with its strings unescaped, each after its length, and its numbers by their value,
/// for jsonb has another spelling of `1e-7`: the same for two texts when jsonb takes them for the same and keeps both.
pub(super) fn canonical(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut reader = Reader {
        bytes: text,
        at: 0,
        depth: 0,
        change: Change::None,
    };
    loop {
        reader.space();
        match reader.peek() {
            None => return Some(()),
            Some(b'"') => {
                let content = reader.string()?;
                out.push(b'"');
                out.extend_from_slice(&content.len().to_be_bytes());
                out.extend_from_slice(&content);
            }
            Some(b'-' | b'0'..=b'9') => {
                let begin = reader.at;
                reader.number()?;
                number_by_value(&text[begin..reader.at], out)?;
            }
            Some(byte) => {
                out.push(byte);
                reader.at += 1;
            }
        }
    }
}

/// JSON without white space between its parts, as SQLite's `json()` writes it; none when it is none, or has an escape.
pub(super) fn minified(text: &str) -> Option<String> {
    if text.contains('\\') || serde_json::from_str::<serde_json::Value>(text).is_err() {
        return None;
    }
    let mut quoted = false;
    let kept = text.chars().filter(|char| {
        quoted ^= *char == '"';
        quoted || !char.is_ascii_whitespace()
    });
    Some(kept.collect())
}

/// Appends a number as its sign, its digits without zeros at either end, and the power of ten of the last one.
fn number_by_value(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let text = std::str::from_utf8(text).ok()?;
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => (b'-', mantissa),
        None => (b'+', mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let kept = digits.trim_end_matches('0');
    if kept.is_empty() {
        out.extend_from_slice(b"#0");
        return Some(());
    }
    let power = i64::try_from(digits.len() - kept.len())
        .ok()?
        .checked_sub(i64::try_from(fraction.len()).ok()?)?
        .checked_add(exponent)?;
    out.extend_from_slice(&[b'#', sign]);
    out.extend_from_slice(kept.as_bytes());
    out.push(b'e');
    out.extend_from_slice(&power.to_be_bytes());
    Some(())
}

/// A reader that remembers the heaviest change; `None` of its methods means: no JSON.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: u32,
    change: Change,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn found(&mut self, change: Change) {
        self.change = self.change.max(change);
    }

    fn value(&mut self) -> Option<()> {
        match self.peek()? {
            b'{' => self.nested(Self::object),
            b'[' => self.nested(Self::array),
            b'"' => self.string().map(|_| ()),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    fn nested(&mut self, inner: fn(&mut Self) -> Option<()>) -> Option<()> {
        if self.depth == DEEPEST {
            self.found(Change::Deep);
            return None;
        }
        self.depth += 1;
        self.at += 1;
        self.space();
        let read = inner(self);
        self.depth -= 1;
        read
    }

    fn object(&mut self) -> Option<()> {
        if self.take(b'}').is_some() {
            return Some(());
        }
        let mut keys: Vec<Cow<'a, [u8]>> = Vec::new();
        loop {
            keys.push(self.string()?);
            self.space();
            self.take(b':')?;
            self.space();
            self.value()?;
            self.space();
            if self.take(b',').is_none() {
                break;
            }
            self.space();
        }
        self.take(b'}')?;
        let rank = |key: &Cow<'a, [u8]>| (key.len(), key.clone());
        if !keys.is_sorted_by_key(rank) {
            self.found(Change::Order);
            keys.sort();
        }
        if keys.windows(2).any(|pair| pair[0] == pair[1]) {
            self.found(Change::Twice);
        }
        Some(())
    }

    fn array(&mut self) -> Option<()> {
        if self.take(b']').is_some() {
            return Some(());
        }
        loop {
            self.value()?;
            self.space();
            if self.take(b',').is_none() {
                return self.take(b']');
            }
            self.space();
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.bytes[self.at..]
            .starts_with(word)
            .then(|| self.at += word.len())
    }

    /// The string's content; borrowed where it has no escape.
    fn string(&mut self) -> Option<Cow<'a, [u8]>> {
        self.take(b'"')?;
        let begin = self.at;
        let mut own: Option<Vec<u8>> = None;
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => {
                    let end = self.at - 1;
                    return Some(own.map_or(Cow::Borrowed(&self.bytes[begin..end]), Cow::Owned));
                }
                b'\\' => {
                    let upto = self.at - 1;
                    let mut content = own.take().unwrap_or_else(|| self.bytes[begin..upto].to_vec());
                    self.escape(&mut content)?;
                    own = Some(content);
                }
                0..=0x1f => return None,
                _ => {
                    if let Some(content) = &mut own {
                        content.push(byte);
                    }
                }
            }
        }
    }

    fn escape(&mut self, content: &mut Vec<u8>) -> Option<()> {
        let byte = self.peek()?;
        self.at += 1;
        let plain = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let mut code = self.hex()?;
                if (0xd800..0xdc00).contains(&code) && self.bytes[self.at..].starts_with(b"\\u") {
                    let back = self.at;
                    self.at += 2;
                    match self.hex()? {
                        low @ 0xdc00..0xe000 => code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00),
                        _ => self.at = back,
                    }
                }
                if code == 0 {
                    self.found(Change::Escape);
                }
                match char::from_u32(code) {
                    Some(char) => content.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
                    None => self.found(Change::Escape),
                }
                return Some(());
            }
            _ => return None,
        };
        content.push(plain);
        Some(())
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.bytes.get(self.at..self.at + 4)?;
        self.at += 4;
        digits
            .iter()
            .try_fold(0, |sum, digit| Some(sum * 16 + char::from(*digit).to_digit(16)?))
    }

    fn number(&mut self) -> Option<()> {
        let begin = self.at;
        let negative = self.take(b'-').is_some();
        let whole = self.digits();
        if whole == 0 || (whole > 1 && self.bytes[self.at - whole] == b'0') {
            return None;
        }
        let mut fraction = 0;
        if self.take(b'.').is_some() {
            fraction = self.digits();
            if fraction == 0 {
                return None;
            }
        }
        let mantissa = &self.bytes[begin..self.at];
        let zero = !mantissa.iter().any(|byte| (b'1'..=b'9').contains(byte));
        if whole + fraction > DIGITS || (negative && zero) {
            self.found(Change::Number);
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return None;
            }
            self.found(Change::Number);
        }
        Some(())
    }

    fn digits(&mut self) -> usize {
        let begin = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - begin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_jsonb_keeps_is_told_from_what_it_changes() {
        for (text, expected) in [
            (r#"{}"#, Some(Form::Json)),
            (r#" [1, 2.50, -3, "a\n", null, true] "#, Some(Form::Json)),
            (r#"{"a": 1, "b": {"c": []}, "aa": 2}"#, Some(Form::Json)),
            (r#"{"aa": 1, "b": 2}"#, Some(Form::JsonKeyOrder)),
            (r#"{"b": 1, "a": 2}"#, Some(Form::JsonKeyOrder)),
            (r#"{"a": 1, "a": 2}"#, Some(Form::JsonKeyTwice)),
            (r#"{"a": 1, "\u0061": 2}"#, Some(Form::JsonKeyTwice)),
            (r#"{"b": 1, "a": 2, "b": 3}"#, Some(Form::JsonKeyTwice)),
            (r#"["\u0000"]"#, Some(Form::JsonEscape)),
            (r#"["\ud800"]"#, Some(Form::JsonEscape)),
            (r#"["\ud83d\ude00"]"#, Some(Form::Json)),
            (r#"[1e5]"#, Some(Form::JsonNumber)),
            (r#"[-0]"#, Some(Form::JsonNumber)),
            (
                r#"[1234567890123456789012345678901234567890]"#,
                Some(Form::JsonNumber),
            ),
            (r#""plain""#, Some(Form::JsonScalar)),
            ("null", Some(Form::JsonScalar)),
            ("[NaN]", None),
            ("[1,]", None),
            ("[01]", None),
            ("[1.]", None),
            ("{a: 1}", None),
            ("{\"a\": 1", None),
            ("[1] 2", None),
            ("[\"\t\"]", None),
            ("\"half", None),
            ("", None),
            ("12", None),
        ] {
            assert_eq!(form(text), expected, "{text}");
        }
    }

    #[test]
    fn numbers_are_compared_by_their_value() {
        let canonical = |text: &str| {
            let mut out = Vec::new();
            canonical(text.as_bytes(), &mut out).map(|()| out)
        };
        for (one, other) in [
            ("1e-7", "0.0000001"),
            ("[1e16]", "[10000000000000000]"),
            ("1.50", "1.5"),
            ("-0.0", "0"),
            ("[-1.25e2, 0.10]", "[-125,0.1]"),
            ("5e-324", &format!("0.{}5", "0".repeat(323))),
        ] {
            assert!(canonical(one).is_some());
            assert_eq!(canonical(one), canonical(other), "{one} {other}");
        }
        for (one, other) in [
            ("1", "10"),
            ("1.5", "15"),
            ("-1", "1"),
            ("[1,2]", "[12]"),
            ("0.1", "0.01"),
        ] {
            assert_ne!(canonical(one), canonical(other), "{one} {other}");
        }
    }

    #[test]
    fn deep_nesting_neither_ends_the_program_nor_passes() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(form(&deep), Some(Form::JsonDeep));
        let fine = format!("{}{}", "[".repeat(200), "]".repeat(200));
        assert_eq!(form(&fine), Some(Form::Json));
    }

    proptest::proptest! {
        // Brackets, quotes, escapes and digits in any order come close to JSON often enough.
        #[test]
        fn what_is_json_is_what_another_reader_takes_for_json(text in r#"[\[\{][\[\]{}:,"\\u0aed1\-. tn]{0,12}[\]\}]"#) {
            let other = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            match form(&text) {
                // The other reader refuses half surrogate pairs, and exponents beyond a double.
                Some(Form::JsonEscape | Form::JsonNumber) => {}
                found => proptest::prop_assert_eq!(found.is_some(), other, "{}", text),
            }
        }
    }
}
