//! The form of each stored value. Pure: the same bytes always have the same form.

use contract::import::Form;

use super::{binary_json, json, times};
pub(super) use times::Spelling;

/// The form of an integer.
pub(super) fn integer(value: i64) -> Form {
    match value {
        0 | 1 => Form::ZeroOne,
        _ => times::integer(value).unwrap_or(Form::Integer),
    }
}

/// The form of a real.
pub(super) fn real(value: f64) -> Form {
    if !value.is_finite() {
        Form::NotFinite
    } else if value == 0.0 && value.is_sign_negative() {
        Form::NegativeZero
    } else if value == 0.0 || value == 1.0 {
        Form::RealZeroOne
    } else if let Some(time) = times::real(value) {
        time
    } else if value.fract() == 0.0 {
        Form::RealIntegral
    } else {
        Form::Real
    }
}

/// Whether PostgreSQL can hold a text: UTF-8 without U+0000.
pub(super) fn is_fit(bytes: &[u8]) -> bool {
    simdutf8::basic::from_utf8(bytes).is_ok() && !has_nul(bytes)
}

fn has_nul(bytes: &[u8]) -> bool {
    memchr::memchr(0, bytes).is_some()
}

/// The form of a text, and the spelling when it is a time.
pub(super) fn text(bytes: &[u8]) -> (Form, Option<Spelling>) {
    // Keys are many; nothing else has hyphens in these places.
    if let Some(form) = hyphened(bytes) {
        return (form, None);
    }
    let Ok(text) = simdutf8::basic::from_utf8(bytes) else {
        return (Form::NotUtf8, None);
    };
    if has_nul(bytes) {
        return (Form::Nul, None);
    }
    if let Some(time) = times::text(bytes) {
        return time;
    }
    (valid(text).unwrap_or(Form::Text), None)
}

/// The form of a text that is no time.
fn valid(text: &str) -> Option<Form> {
    // The first character rules out nearly every form, so that long prose costs nothing.
    match text.as_bytes().first() {
        None => Some(Form::Empty),
        Some(b'0'..=b'9' | b'+' | b'-' | b'.') => uuid(text).or_else(|| number(text)),
        Some(b'{') => uuid(text).or_else(|| json::form(text)),
        Some(b'[' | b'"' | b' ' | b'\t' | b'\n' | b'\r') => json::form(text).or_else(|| number(text)),
        Some(b'n') if text == "null" => Some(Form::JsonScalar),
        Some(b'a'..=b'z' | b'A'..=b'Z') => word(text).or_else(|| uuid(text)),
        _ => None,
    }
}

/// The form of a blob.
pub(super) fn blob(bytes: &[u8]) -> Form {
    let Some(first) = bytes.first() else {
        return Form::EmptyBlob;
    };
    let clean = simdutf8::basic::from_utf8(bytes).ok().filter(|_| !has_nul(bytes));
    if let Some(text) = clean
        && matches!(first, b'{' | b'[' | b' ' | b'\t' | b'\n' | b'\r')
    {
        match json::form(text) {
            Some(Form::Json) => return Form::JsonBlob,
            Some(Form::JsonScalar | Form::JsonDeep) | None => {}
            Some(_) => return Form::JsonBlobChanging,
        }
    }
    if let Some(text) = binary_json::text(bytes) {
        match json::form(&text) {
            Some(Form::Json) => return Form::BinaryJson,
            Some(_) => return Form::BinaryJsonChanging,
            None => {}
        }
    }
    match bytes.len() {
        16 if clean.is_some() => Form::SixteenBytesText,
        _ if clean.is_some() => Form::TextBlob,
        16 => Form::SixteenBytes,
        _ => Form::Blob,
    }
}

fn word(text: &str) -> Option<Form> {
    if matches!(text, "true" | "false") {
        return Some(Form::TrueFalse);
    }
    ["t", "f", "y", "n", "true", "false"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
        .then_some(Form::BooleanWord)
}

/// Of each byte: 0 for a digit or a small letter of a hexadecimal number, 1 for a capital one, 2 for all others.
const HEXADECIMAL: [u8; 256] = {
    let mut classes = [2; 256];
    let mut byte = 0;
    while byte < 256 {
        match byte as u8 {
            b'0'..=b'9' | b'a'..=b'f' => classes[byte] = 0,
            b'A'..=b'F' => classes[byte] = 1,
            _ => {}
        }
        byte += 1;
    }
    classes
};

/// The form of a UUID in groups of 8, 4, 4, 4 and 12 digits.
fn hyphened(bytes: &[u8]) -> Option<Form> {
    let bytes: &[u8; 36] = bytes.try_into().ok()?;
    if [8, 13, 18, 23].iter().any(|at| bytes[*at] != b'-') {
        return None;
    }
    let classes = [0..8, 9..13, 14..18, 19..23, 24..36]
        .into_iter()
        .flat_map(|group| &bytes[group])
        .fold(0, |all, byte| all | HEXADECIMAL[usize::from(*byte)]);
    match classes {
        0 => Some(Form::Uuid),
        1 => Some(Form::UuidOtherSpelling),
        _ => None,
    }
}

/// The form of a UUID in another spelling.
fn uuid(text: &str) -> Option<Form> {
    let bytes = text.as_bytes();
    let bare = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    if bare.is_some_and(|bare| hyphened(bare.as_bytes()).is_some()) {
        return Some(Form::UuidOtherSpelling);
    }
    // 32 digits without a letter are a number to every reader.
    let plain = bytes.len() == 32
        && bytes.iter().all(u8::is_ascii_hexdigit)
        && bytes.iter().any(u8::is_ascii_alphabetic);
    plain.then_some(Form::UuidOtherSpelling)
}

fn number(text: &str) -> Option<Form> {
    if matches!(text, "0" | "1") {
        return Some(Form::ZeroOneText);
    }
    let bare = text.trim_matches([' ', '\t', '\n', '\r']);
    let unsigned = bare.strip_prefix(['-', '+']).unwrap_or(bare);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (
            mantissa,
            Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)),
        ),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let some = |text: &str| !text.is_empty() && digits(text);
    let is_number = digits(whole)
        && fraction.is_none_or(digits)
        && exponent.is_none_or(some)
        && (some(whole) || fraction.is_some_and(some));
    if !is_number {
        return None;
    }
    let zero = !mantissa.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
    let plain = bare.len() == text.len()
        && !text.starts_with('+')
        && exponent.is_none()
        && some(whole)
        && fraction.is_none_or(some)
        && (whole == "0" || !whole.starts_with('0'))
        && !(zero && text.starts_with('-'));
    Some(match plain {
        true if fraction.is_none() && text.parse::<i64>().is_ok() => Form::IntegerText,
        true => Form::DecimalText,
        false => Form::PaddedNumber,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_one_form_each() {
        for (of, expected) in [
            ("", Form::Empty),
            ("0", Form::ZeroOneText),
            ("true", Form::TrueFalse),
            ("TRUE", Form::BooleanWord),
            ("y", Form::BooleanWord),
            ("maybe", Form::Text),
            ("00501", Form::PaddedNumber),
            ("501", Form::IntegerText),
            ("-7", Form::IntegerText),
            ("9223372036854775808", Form::DecimalText),
            ("12.50", Form::DecimalText),
            ("1e5", Form::PaddedNumber),
            (".5", Form::PaddedNumber),
            ("-0", Form::PaddedNumber),
            (" 5", Form::PaddedNumber),
            ("5-6", Form::Text),
            ("2024-05-01", Form::Date),
            ("0a1b2c3d-0000-4000-8000-000000000001", Form::Uuid),
            ("11111111-2222-3333-4444-555555555555", Form::Uuid),
            ("0A1B2C3D-0000-4000-8000-000000000001", Form::UuidOtherSpelling),
            ("{0a1b2c3d-0000-4000-8000-000000000001}", Form::UuidOtherSpelling),
            ("0a1b2c3d000040008000000000000001", Form::UuidOtherSpelling),
            ("12345678901234567890123456789012", Form::DecimalText),
            ("[1]", Form::Json),
            ("null", Form::JsonScalar),
            ("tab\tand\r\nline", Form::Text),
            ("\u{feff}bom", Form::Text),
        ] {
            assert_eq!(text(of.as_bytes()).0, expected, "{of}");
        }
        assert_eq!(text(b"a\0b").0, Form::Nul);
        assert_eq!(text(b"\xff").0, Form::NotUtf8);
    }

    #[test]
    fn numbers_have_one_form_each() {
        assert_eq!(integer(1), Form::ZeroOne);
        assert_eq!(integer(-1), Form::Integer);
        assert_eq!(integer(2), Form::Integer);
        assert_eq!(real(1.0), Form::RealZeroOne);
        assert_eq!(real(-0.0), Form::NegativeZero);
        assert_eq!(real(f64::INFINITY), Form::NotFinite);
        assert_eq!(real(5e-324), Form::Real);
        assert_eq!(real(7.0), Form::RealIntegral);
        assert_eq!(real(1e300), Form::RealIntegral);
    }

    #[test]
    fn blobs_have_one_form_each() {
        assert_eq!(blob(b""), Form::EmptyBlob);
        assert_eq!(blob(b"{\"a\": 1}"), Form::JsonBlob);
        assert_eq!(blob(b"{\"bb\": 1, \"a\": 1}"), Form::JsonBlobChanging);
        assert_eq!(blob(b"plain"), Form::TextBlob);
        assert_eq!(blob(&[0xff; 16]), Form::SixteenBytes);
        assert_eq!(blob(b"0123456789abcdef"), Form::SixteenBytesText);
        assert_eq!(blob(&[0xff; 17]), Form::Blob);
        assert_eq!(blob(b"a\0b"), Form::Blob);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_have_a_form(bytes: Vec<u8>, text_of in r"[0-9]{0,6}[-:. T+Z0-9{}a-f\PC]{0,40}") {
            text(&bytes);
            blob(&bytes);
            let (form, spelling) = text(text_of.as_bytes());
            // A spelling belongs to whole times alone.
            proptest::prop_assert!(spelling.is_none() || matches!(
                form,
                Form::Naive
                    | Form::Offset
                    | Form::TimeOfDay
                    | Form::ImpossibleDate
                    | Form::ImpossibleTime
                    | Form::FineFraction
            ));
        }
    }
}
