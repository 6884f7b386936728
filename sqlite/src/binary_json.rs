//! SQLite's binary JSON, read back to text. The format is described at sqlite.org/jsonb.html.
//!
//! An element is a header and a payload. The header's low four bits are the kind, its high four the payload's size, or
//! say that the size follows in 1, 2, 4 or 8 bytes.

/// How deeply nested a value is followed; each level costs stack.
const DEEPEST: u32 = 256;

/// The JSON text of a blob that is one whole binary object or array; none when it is anything else.
pub(super) fn text(blob: &[u8]) -> Option<String> {
    if !matches!(blob.first()? & 0x0f, 11 | 12) {
        return None;
    }
    let mut out = Vec::new();
    let rest = element(blob, &mut out, 0)?;
    if !rest.is_empty() {
        return None;
    }
    String::from_utf8(out).ok()
}

/// Writes the first element and gives what follows it.
fn element<'a>(bytes: &'a [u8], out: &mut Vec<u8>, depth: u32) -> Option<&'a [u8]> {
    let (&head, rest) = bytes.split_first()?;
    let wide = match head >> 4 {
        12 => 1,
        13 => 2,
        14 => 4,
        15 => 8,
        _ => 0,
    };
    let (size, rest) = rest.split_at_checked(wide)?;
    let size = match wide {
        0 => u64::from(head >> 4),
        _ => size.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte)),
    };
    let (payload, rest) = rest.split_at_checked(usize::try_from(size).ok()?)?;
    match head & 0x0f {
        0 if size == 0 => out.extend_from_slice(b"null"),
        1 if size == 0 => out.extend_from_slice(b"true"),
        2 if size == 0 => out.extend_from_slice(b"false"),
        // Numbers in JSON's own spelling. Those of JSON5 (4 and 6) have no counterpart that is sure to be the same.
        3 | 5 if is_number(payload) => out.extend_from_slice(payload),
        // Text that needs no escape, and text with JSON's escapes in it.
        7 | 8 => {
            out.push(b'"');
            out.extend_from_slice(payload);
            out.push(b'"');
        }
        // Text that is not escaped yet.
        10 => {
            let raw = std::str::from_utf8(payload).ok()?;
            out.extend_from_slice(serde_json::to_string(raw).ok()?.as_bytes());
        }
        11 if depth < DEEPEST => list(payload, out, depth, false)?,
        12 if depth < DEEPEST => list(payload, out, depth, true)?,
        _ => return None,
    }
    Some(rest)
}

fn list(mut payload: &[u8], out: &mut Vec<u8>, depth: u32, object: bool) -> Option<()> {
    out.push(if object { b'{' } else { b'[' });
    let mut first = true;
    while let Some(head) = payload.first() {
        if !std::mem::take(&mut first) {
            out.extend_from_slice(b", ");
        }
        if object {
            if !matches!(head & 0x0f, 7..=10) {
                return None;
            }
            payload = element(payload, out, depth + 1)?;
            out.extend_from_slice(b": ");
        }
        payload = element(payload, out, depth + 1)?;
    }
    out.push(if object { b'}' } else { b']' });
    Some(())
}

fn is_number(payload: &[u8]) -> bool {
    payload
        .first()
        .is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-')
        && payload
            .iter()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E'))
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn what_sqlite_writes_is_read_back() {
        let sqlite = rusqlite::Connection::open_in_memory().unwrap_or_else(|error| unreachable!("{error}"));
        for (json, expected) in [
            ("{}", "{}"),
            ("[]", "[]"),
            (
                r#"{"a":1,"b":[true,false,null,-2.5],"c":"x\ny"}"#,
                r#"{"a": 1, "b": [true, false, null, -2.5], "c": "x\ny"}"#,
            ),
            (
                r#"["the text that is longer than eleven bytes","é"]"#,
                r#"["the text that is longer than eleven bytes", "é"]"#,
            ),
        ] {
            let blob: Result<Vec<u8>, _> = sqlite.query_row("select jsonb(?)", [json], |row| row.get(0));
            assert_eq!(
                blob.ok().and_then(|blob| text(&blob)).as_deref(),
                Some(expected),
                "{json}"
            );
        }
    }

    #[test]
    fn other_blobs_are_none() {
        for blob in [
            &b""[..],
            b"\x0c\x00",
            b"\x2b\x00",
            b"\xfb\xff\xff\xff\xff\xff\xff\xff\xff",
            b"{}",
            b"\x1c\x00",
        ] {
            assert_eq!(text(blob), None, "{blob:?}");
        }
    }
}
