//! How times are spelled.

/// The spelling of a day.
pub(super) const DATE: &str = "dddd-dd-dd";
/// The spelling of `CURRENT_TIMESTAMP` and `datetime()`.
pub(super) const SECONDS: &str = "dddd-dd-dd dd:dd:dd";

/// A spelling from an example: each digit as `d`.
pub(super) fn pattern(example: &str) -> String {
    example
        .chars()
        .map(|c| if c.is_ascii_digit() { 'd' } else { c })
        .collect()
}

/// The format of `to_char` that spells a time in this way.
pub(super) fn to_char_form(pattern: &str) -> Option<String> {
    let rest = pattern.strip_prefix(DATE)?;
    if rest.is_empty() {
        return Some("YYYY-MM-DD".to_owned());
    }
    let (separator, rest) = if let Some(rest) = rest.strip_prefix(' ') {
        (" ", rest)
    } else {
        ("\"T\"", rest.strip_prefix('T')?)
    };
    let (rest, zone) = rest.strip_suffix('Z').map_or((rest, ""), |rest| (rest, "\"Z\""));
    let time = match rest {
        "dd:dd" => "HH24:MI",
        "dd:dd:dd" => "HH24:MI:SS",
        "dd:dd:dd.ddd" => "HH24:MI:SS.MS",
        "dd:dd:dd.dddddd" => "HH24:MI:SS.US",
        _ => return None,
    };
    Some(format!("YYYY-MM-DD{separator}{time}{zone}"))
}
