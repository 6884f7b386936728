//! WCAG AA: text in every pair of tokens that the components put together has a contrast of 4.5 : 1 in both themes.
//! The formula is that of WCAG 2.2, "relative luminance" and "contrast ratio".

use std::collections::BTreeMap;

/// Text tokens, and the grounds they stand on.
const PAIRS: &[(&[&str], &[&str])] = &[
    (&["text", "muted"], &["bg", "surface", "raised", "sunken"]),
    (
        &["accent", "ok", "warn", "bad"],
        &["bg", "surface", "raised", "sunken"],
    ),
    (&["ok", "text"], &["ok-soft"]),
    (&["warn", "text"], &["warn-soft"]),
    (&["bad", "text"], &["bad-soft"]),
    (&["info", "text"], &["info-soft"]),
    (&["accent", "text", "muted"], &["accent-soft"]),
    (&["accent-ink"], &["accent"]),
];

/// Every `--name: light-dark(A, B);` of hexadecimal colours in the tokens.
fn tokens() -> BTreeMap<String, [f64; 2]> {
    let css = std::fs::read_to_string(xtask::top().join("style/tokens.css")).unwrap();
    let mut found = BTreeMap::new();
    for line in css.lines() {
        let Some((name, value)) = line
            .trim()
            .strip_prefix("--")
            .and_then(|rest| rest.split_once(": light-dark("))
        else {
            continue;
        };
        let halves: Vec<f64> = value
            .trim_end_matches(");")
            .split(", ")
            .filter_map(luminance)
            .collect();
        if let [light, dark] = halves[..] {
            found.insert(name.to_owned(), [light, dark]);
        }
    }
    found
}

fn luminance(colour: &str) -> Option<f64> {
    let digits = colour.strip_prefix('#')?;
    let wide = if digits.len() == 3 {
        digits.chars().flat_map(|c| [c, c]).collect()
    } else {
        digits.to_owned()
    };
    let channel = |at: usize| {
        let part = f64::from(u8::from_str_radix(wide.get(at..at + 2)?, 16).ok()?) / 255.0;
        Some(if part <= 0.04045 {
            part / 12.92
        } else {
            ((part + 0.055) / 1.055).powf(2.4)
        })
    };
    Some(0.2126 * channel(0)? + 0.7152 * channel(2)? + 0.0722 * channel(4)?)
}

#[test]
fn text_is_readable_on_every_ground_in_both_themes() {
    let tokens = tokens();
    let mut faults = Vec::new();
    for (texts, grounds) in PAIRS {
        for (text, ground) in texts
            .iter()
            .flat_map(|text| grounds.iter().map(move |ground| (text, ground)))
        {
            for (theme, name) in ["light", "dark"].iter().enumerate() {
                let (a, b) = (tokens[*text][theme], tokens[*ground][theme]);
                let ratio = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                if ratio < 4.5 {
                    faults.push(format!("{name}: --{text} on --{ground} is {ratio:.2} : 1"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "below 4.5 : 1\n{}", faults.join("\n"));
}
