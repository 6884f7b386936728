//! Decimal numbers in PostgreSQL's binary form: digits to the base of 10,000, as `numeric_send` writes them.

/// The sign of positive infinity, since PostgreSQL 14.
const POSITIVE_INFINITY: u16 = 0xd000;
/// The sign of negative infinity, since PostgreSQL 14.
const NEGATIVE_INFINITY: u16 = 0xf000;
const NEGATIVE: u16 = 0x4000;

/// Writes a finite or infinite double by its shortest digits that read back the same.
pub(super) fn from_double(value: f64, out: &mut Vec<u8>) -> Option<()> {
    if value.is_infinite() {
        let sign = if value > 0.0 {
            POSITIVE_INFINITY
        } else {
            NEGATIVE_INFINITY
        };
        head(0, 0, sign, 0, out);
        return Some(());
    }
    // Rust's `Display` of a double is never in exponents.
    from_text(&value.to_string(), out)
}

/// Writes a number in plain digits with an optional sign and fraction, the digits of the fraction kept as its scale.
pub(super) fn from_text(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(fraction) {
        return None;
    }
    let scale = u16::try_from(fraction.len())
        .ok()
        .filter(|scale| *scale <= 16_383)?;
    let groups_before = whole.len().div_ceil(4);
    let mut groups: Vec<i16> = Vec::with_capacity(groups_before + fraction.len().div_ceil(4));
    let value = |part: &str| {
        part.bytes()
            .fold(0_i16, |sum, byte| sum * 10 + i16::from(byte - b'0'))
    };
    let first = whole.len() - (groups_before - 1) * 4;
    groups.push(value(&whole[..first]));
    for at in (first..whole.len()).step_by(4) {
        groups.push(value(&whole[at..at + 4]));
    }
    for at in (0..fraction.len()).step_by(4) {
        let part = &fraction[at..fraction.len().min(at + 4)];
        groups.push(value(part) * [1, 1000, 100, 10, 1][part.len()]);
    }
    let mut weight = i16::try_from(groups_before).ok()? - 1;
    let leading = groups.iter().take_while(|group| **group == 0).count();
    let groups = groups.split_off(leading);
    weight = weight.checked_sub(i16::try_from(leading).ok()?)?;
    let kept = groups.len() - groups.iter().rev().take_while(|group| **group == 0).count();
    let groups = &groups[..kept];
    if groups.is_empty() {
        head(0, 0, 0, scale, out);
        return Some(());
    }
    let sign = if negative { NEGATIVE } else { 0 };
    head(i16::try_from(kept).ok()?, weight, sign, scale, out);
    for group in groups {
        out.extend_from_slice(&group.to_be_bytes());
    }
    Some(())
}

fn head(digits: i16, weight: i16, sign: u16, scale: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&digits.to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&scale.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Option<Vec<u16>> {
        let mut out = Vec::new();
        from_text(text, &mut out)?;
        Some(
            out.chunks(2)
                .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
                .collect(),
        )
    }

    #[test]
    fn digits_are_grouped_by_four_around_the_point() {
        assert_eq!(words("0"), Some(vec![0, 0, 0, 0]));
        assert_eq!(words("0.00"), Some(vec![0, 0, 0, 2]));
        assert_eq!(words("12.50"), Some(vec![2, 0, 0, 2, 12, 5000]));
        assert_eq!(words("-123456"), Some(vec![2, 1, NEGATIVE, 0, 12, 3456]));
        assert_eq!(words("10000"), Some(vec![1, 1, 0, 0, 1]));
        assert_eq!(words("0.00001"), Some(vec![1, 0xfffe, 0, 5, 1000]));
        assert_eq!(words("1e5"), None);
        assert_eq!(words(""), None);
        assert_eq!(words(".5"), None);
    }

    #[test]
    fn doubles_of_any_size_have_plain_digits() {
        for value in [1e300, 5e-324, -0.1, f64::INFINITY, f64::NEG_INFINITY, 0.0] {
            assert_eq!(from_double(value, &mut Vec::new()), Some(()), "{value}");
        }
    }
}
