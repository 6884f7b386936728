//! One stored value in the binary form in which PostgreSQL receives it.
//!
//! What is done to a value follows from its type in the table and from what the value itself is, so that a column's
//! [`Conversion`](contract::import::Conversion) only names what happens here to all of its values.

use contract::import::{ColumnType, Form, TextPolicy};
use rusqlite::types::ValueRef;
use serde::{Deserialize, Serialize};

use super::{binary_json, forms, numeric, times};

/// Microseconds between 1970 and 2000, from which PostgreSQL counts.
const EPOCH: i64 = 946_684_800_000_000;
/// Milliseconds from noon of the first Julian day to 1970.
const JULIAN_EPOCH_MS: f64 = 210_866_760_000_000.0;
const DAY_MS: f64 = 86_400_000.0;

/// How the values of one column are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encoder {
    /// The type that they get.
    pub to: ColumnType,
    /// What happens to text that PostgreSQL cannot hold.
    pub text: TextPolicy,
    /// How blobs are written into text.
    pub blobs: BlobsAs,
    /// The only forms that are written, when a file is followed that was looked at before it changed.
    #[serde(skip)]
    pub only: Option<Known>,
}

/// How a blob becomes text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlobsAs {
    /// It is UTF-8.
    #[default]
    Text,
    /// It is JSON, binary or as text.
    Json,
    /// In hexadecimal.
    Hex,
}

/// Why a value is not written.
#[derive(Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It is none of the type.
    Type,
    /// It is of a form that was not known when it was decided how the column is written.
    Form(Form),
}

/// Forms of values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known(u64);

impl Known {
    /// All forms of integers.
    pub const INTEGERS: Self = Self::between(Form::ZeroOne, Form::Integer);
    /// All forms of reals.
    pub const REALS: Self = Self::between(Form::RealZeroOne, Form::NotFinite);
    /// All forms of texts.
    pub const TEXTS: Self = Self::between(Form::Empty, Form::Text);
    /// All forms of blobs.
    pub const BLOBS: Self = Self::between(Form::EmptyBlob, Form::Blob);

    /// One form.
    pub const fn one(form: Form) -> Self {
        Self(1 << form as u8)
    }

    /// Some forms.
    pub fn of(forms: impl IntoIterator<Item = Form>) -> Self {
        forms
            .into_iter()
            .fold(Self(0), |all, form| all.and(Self::one(form)))
    }

    /// The forms from one to another, in the order in which they are declared.
    const fn between(first: Form, last: Form) -> Self {
        Self((1 << (last as u8 + 1)) - (1 << first as u8))
    }

    /// These and others.
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// These without others.
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether some of these are among others.
    pub const fn meets(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// Whether all of others are among these.
    const fn holds(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// The form of a value that is none of these.
    fn stranger(self, value: ValueRef<'_>) -> Option<Form> {
        let unfit = Self::one(Form::Nul).and(Self::one(Form::NotUtf8));
        // Most columns take every value of a class, which then need not be looked at.
        let form = match value {
            ValueRef::Null => return None,
            ValueRef::Integer(_) if self.holds(Self::INTEGERS) => return None,
            ValueRef::Real(_) if self.holds(Self::REALS) => return None,
            ValueRef::Text(_) if self.holds(Self::TEXTS) => return None,
            ValueRef::Text(bytes) if self.holds(Self::TEXTS.without(unfit)) && forms::is_fit(bytes) => {
                return None;
            }
            ValueRef::Blob(_) if self.holds(Self::BLOBS) => return None,
            ValueRef::Integer(number) => forms::integer(number),
            ValueRef::Real(number) => forms::real(number),
            ValueRef::Text(bytes) => forms::text(bytes).0,
            ValueRef::Blob(bytes) => forms::blob(bytes),
        };
        (!self.holds(Self::one(form))).then_some(form)
    }
}

impl Encoder {
    /// Appends a value: its length in four bytes, then itself; a length of -1 for NULL.
    ///
    /// # Errors
    /// `Misfit`; `out` may have been appended to then.
    #[inline]
    pub fn write(self, value: ValueRef<'_>, out: &mut Vec<u8>) -> Result<(), Misfit> {
        if let Some(form) = self.only.and_then(|known| known.stranger(value)) {
            return Err(Misfit::Form(form));
        }
        if matches!(value, ValueRef::Null) {
            out.extend_from_slice(&(-1_i32).to_be_bytes());
            return Ok(());
        }
        let begin = out.len();
        out.extend_from_slice(&[0; 4]);
        self.body(value, out).ok_or(Misfit::Type)?;
        let length = i32::try_from(out.len() - begin - 4).map_err(|_| Misfit::Type)?;
        out[begin..begin + 4].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }

    fn body(self, value: ValueRef<'_>, out: &mut Vec<u8>) -> Option<()> {
        match self.to {
            ColumnType::Text => self.text(value, out),
            ColumnType::Bigint => {
                let number = match value {
                    ValueRef::Integer(number) => number,
                    ValueRef::Text(text) => std::str::from_utf8(text).ok()?.parse().ok()?,
                    _ => return None,
                };
                out.extend_from_slice(&number.to_be_bytes());
                Some(())
            }
            ColumnType::Double => {
                let number = match value {
                    ValueRef::Real(number) => number,
                    ValueRef::Integer(number) => exact_double(number)?,
                    _ => return None,
                };
                out.extend_from_slice(&number.to_be_bytes());
                Some(())
            }
            ColumnType::Numeric => match value {
                ValueRef::Real(number) => numeric::from_double(number, out),
                ValueRef::Integer(number) => numeric::from_text(&number.to_string(), out),
                ValueRef::Text(text) => numeric::from_text(std::str::from_utf8(text).ok()?, out),
                _ => None,
            },
            ColumnType::Boolean => {
                out.push(u8::from(truth(value)?));
                Some(())
            }
            ColumnType::Bytea => {
                match value {
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => out.extend_from_slice(bytes),
                    number => digits(number, out)?,
                }
                Some(())
            }
            ColumnType::Date => {
                let ValueRef::Text(text) = value else { return None };
                out.extend_from_slice(&times::day(text)?.to_be_bytes());
                Some(())
            }
            ColumnType::Time => {
                let ValueRef::Text(text) = value else { return None };
                out.extend_from_slice(&times::of_day(text)?.to_be_bytes());
                Some(())
            }
            ColumnType::Timestamp | ColumnType::Timestamptz => {
                let micros = instant(value, self.to == ColumnType::Timestamptz)?;
                out.extend_from_slice(&micros.checked_sub(EPOCH)?.to_be_bytes());
                Some(())
            }
            ColumnType::Uuid => {
                match value {
                    ValueRef::Blob(bytes) if bytes.len() == 16 => out.extend_from_slice(bytes),
                    ValueRef::Text(text) => uuid(text, out)?,
                    _ => return None,
                }
                Some(())
            }
            ColumnType::Jsonb => {
                // The version of the format.
                out.push(1);
                any_json(value, out)
            }
            ColumnType::Json => any_json(value, out),
        }
    }

    fn text(self, value: ValueRef<'_>, out: &mut Vec<u8>) -> Option<()> {
        match value {
            ValueRef::Text(bytes) if forms::is_fit(bytes) => {
                out.extend_from_slice(bytes);
                Some(())
            }
            ValueRef::Text(bytes) => self.unfit_text(bytes, out),
            ValueRef::Blob(bytes) => match self.blobs {
                BlobsAs::Text => self.text(ValueRef::Text(bytes), out),
                BlobsAs::Json => json(bytes, out),
                BlobsAs::Hex => {
                    out.extend_from_slice(b"\\x");
                    out.extend_from_slice(hex::encode(bytes).as_bytes());
                    Some(())
                }
            },
            number => digits(number, out),
        }
    }

    /// Text with U+0000 or with bytes that are not UTF-8.
    fn unfit_text(self, bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let instead: &[u8] = match self.text {
            TextPolicy::Replace => "\u{fffd}".as_bytes(),
            TextPolicy::Remove => b"",
            TextPolicy::Bytes | TextPolicy::Refuse => return None,
        };
        for chunk in bytes.utf8_chunks() {
            let mut parts = chunk.valid().split('\0');
            out.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
            for part in parts {
                out.extend_from_slice(instead);
                out.extend_from_slice(part.as_bytes());
            }
            if !chunk.invalid().is_empty() {
                out.extend_from_slice(instead);
            }
        }
        Some(())
    }
}

/// The same number as a double, when there is one.
fn exact_double(number: i64) -> Option<f64> {
    let double = number as f64;
    (double as i128 == i128::from(number)).then_some(double)
}

/// A number as SQLite and PostgreSQL both read it back.
fn digits(value: ValueRef<'_>, out: &mut Vec<u8>) -> Option<()> {
    let text = match value {
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) if number.is_infinite() => {
            if number > 0.0 { "Inf" } else { "-Inf" }.to_owned()
        }
        // `Debug` writes the shortest digits that read back the same, and keeps `.0`.
        ValueRef::Real(number) => format!("{number:?}"),
        _ => return None,
    };
    out.extend_from_slice(text.as_bytes());
    Some(())
}

fn truth(value: ValueRef<'_>) -> Option<bool> {
    match value {
        ValueRef::Integer(0) => Some(false),
        ValueRef::Integer(1) => Some(true),
        ValueRef::Real(0.0) => Some(false),
        ValueRef::Real(1.0) => Some(true),
        ValueRef::Text(text) => {
            let is = |words: [&str; 4]| {
                words
                    .iter()
                    .any(|word| text.eq_ignore_ascii_case(word.as_bytes()))
            };
            match () {
                () if is(["0", "f", "n", "false"]) => Some(false),
                () if is(["1", "t", "y", "true"]) => Some(true),
                () => None,
            }
        }
        _ => None,
    }
}

/// Microseconds since 1970, of an instant when `zoned`, else of a clock without a zone.
fn instant(value: ValueRef<'_>, zoned: bool) -> Option<i64> {
    match value {
        ValueRef::Text(text) => {
            let (micros, offset) = times::micros(text)?;
            // Without a zone it is taken as UTC, where that was decided.
            (zoned || !offset).then_some(micros)
        }
        ValueRef::Integer(number) => match forms::integer(number) {
            Form::UnixSeconds => number.checked_mul(1_000_000),
            Form::UnixMillis => number.checked_mul(1_000),
            Form::UnixMicros => Some(number),
            Form::JulianDayNumber => Some(julian(number as f64)),
            _ => None,
        },
        ValueRef::Real(number) => match forms::real(number) {
            Form::RealUnixSeconds => Some((number * 1e6).round() as i64),
            Form::JulianDay => Some(julian(number)),
            _ => None,
        },
        _ => None,
    }
}

/// SQLite itself counts in whole milliseconds of a Julian day.
fn julian(days: f64) -> i64 {
    ((days * DAY_MS).round() - JULIAN_EPOCH_MS) as i64 * 1_000
}

/// A UUID in any spelling: hyphens may be missing, capitals and braces may be there.
fn uuid(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let begin = out.len();
    let bare = text.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}"));
    let text = bare.unwrap_or(text);
    let mut high = None;
    for byte in text {
        if *byte == b'-' {
            continue;
        }
        let digit = u8::try_from(char::from(*byte).to_digit(16)?).ok()?;
        match high.take() {
            None => high = Some(digit),
            Some(high) => out.push(high << 4 | digit),
        }
    }
    (high.is_none() && out.len() - begin == 16).then_some(())
}

/// The text of JSON that a value is or stands for.
fn any_json(value: ValueRef<'_>, out: &mut Vec<u8>) -> Option<()> {
    match value {
        ValueRef::Text(text) => {
            out.extend_from_slice(text);
            Some(())
        }
        ValueRef::Blob(bytes) => json(bytes, out),
        number => digits(number, out),
    }
}

/// The text of JSON in a blob.
fn json(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if matches!(bytes.first(), Some(b'{' | b'[' | b' ' | b'\t' | b'\n' | b'\r')) && forms::is_fit(bytes) {
        out.extend_from_slice(bytes);
        return Some(());
    }
    out.extend_from_slice(binary_json::text(bytes)?.as_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(to: ColumnType, value: ValueRef<'_>) -> Result<Vec<u8>, Misfit> {
        let encoder = Encoder {
            to,
            text: TextPolicy::Replace,
            blobs: BlobsAs::Text,
            only: None,
        };
        let mut out = Vec::new();
        encoder.write(value, &mut out)?;
        Ok(out.split_off(4))
    }

    #[test]
    fn times_count_microseconds_from_2000() {
        let at = |to, value| {
            write(to, value).map(|bytes| i64::from_be_bytes(bytes.try_into().unwrap_or_default()))
        };
        let text = |text: &'static str| ValueRef::Text(text.as_bytes());
        assert_eq!(at(ColumnType::Timestamp, text("2000-01-01 00:00:00")), Ok(0));
        assert_eq!(
            at(ColumnType::Timestamp, text("2000-01-01T00:00:01.5")),
            Ok(1_500_000)
        );
        assert_eq!(at(ColumnType::Timestamp, text("1999-12-31")), Ok(-86_400_000_000));
        assert_eq!(
            at(ColumnType::Timestamptz, text("2000-01-01 02:00:00+02:00")),
            Ok(0)
        );
        assert_eq!(
            at(ColumnType::Timestamp, text("2000-01-01 02:00:00+02:00")),
            Err(Misfit::Type)
        );
        assert_eq!(
            at(ColumnType::Timestamptz, text("2000-01-01 02:00:00")),
            Ok(7_200_000_000)
        );
        assert_eq!(at(ColumnType::Time, text("10:30")), Ok(37_800_000_000));
        assert_eq!(at(ColumnType::Time, text("23:59:59.999999")), Ok(86_399_999_999));
        assert_eq!(at(ColumnType::Time, text("24:00")), Err(Misfit::Type));
        assert_eq!(
            at(ColumnType::Timestamptz, ValueRef::Integer(1_700_000_000)),
            Ok(753_315_200_000_000)
        );
        assert_eq!(at(ColumnType::Timestamp, ValueRef::Real(2_451_544.5)), Ok(0));
        assert_eq!(at(ColumnType::Timestamp, ValueRef::Integer(7)), Err(Misfit::Type));
    }

    #[test]
    fn uuids_are_read_in_every_spelling_and_json_stays_as_it_is_written() {
        for spelled in [
            "0a1b2c3d-0000-4000-8000-0000000000ff",
            "0a1b2c3d0000400080000000000000ff",
            "{0A1B2C3D-0000-4000-8000-0000000000FF}",
        ] {
            assert_eq!(
                write(ColumnType::Uuid, ValueRef::Text(spelled.as_bytes())),
                Ok(vec![
                    0x0a, 0x1b, 0x2c, 0x3d, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 0xff
                ]),
                "{spelled}"
            );
        }
        let json = b"{\"b\": 1, \"a\":  2}";
        assert_eq!(write(ColumnType::Json, ValueRef::Text(json)), Ok(json.to_vec()));
        assert_eq!(write(ColumnType::Json, ValueRef::Real(1.5)), Ok(b"1.5".to_vec()));
    }

    #[test]
    fn text_that_postgresql_cannot_hold_follows_the_policy() {
        assert_eq!(
            write(ColumnType::Text, ValueRef::Text(b"a\0b\xffc")),
            Ok("a\u{fffd}b\u{fffd}c".as_bytes().to_vec())
        );
        let remove = Encoder {
            to: ColumnType::Text,
            text: TextPolicy::Remove,
            blobs: BlobsAs::Text,
            only: None,
        };
        let mut out = Vec::new();
        assert_eq!(remove.write(ValueRef::Text(b"a\0b\xffc"), &mut out), Ok(()));
        assert_eq!(&out[4..], b"abc");
    }

    #[test]
    fn numbers_as_text_read_back_the_same() {
        for (value, expected) in [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e300, "1e300"),
            (-0.0, "-0.0"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(
                write(ColumnType::Text, ValueRef::Real(value)),
                Ok(expected.as_bytes().to_vec())
            );
        }
        assert_eq!(
            write(ColumnType::Double, ValueRef::Integer((1 << 53) + 1)),
            Err(Misfit::Type)
        );
        assert_eq!(
            write(ColumnType::Boolean, ValueRef::Integer(2)),
            Err(Misfit::Type)
        );
        assert_eq!(
            write(
                ColumnType::Uuid,
                ValueRef::Text(b"00000000-0000-0000-0000-00000000000g")
            ),
            Err(Misfit::Type)
        );
    }

    #[test]
    fn a_form_that_is_not_known_is_not_written() {
        let only = |known| Encoder {
            to: ColumnType::Text,
            text: TextPolicy::Replace,
            blobs: BlobsAs::Text,
            only: Some(known),
        };
        let mut out = Vec::new();
        let clean = only(Known::TEXTS.without(Known::of([Form::Nul, Form::NotUtf8])));
        assert_eq!(clean.write(ValueRef::Text(b"007"), &mut out), Ok(()));
        assert_eq!(clean.write(ValueRef::Null, &mut out), Ok(()));
        assert_eq!(
            clean.write(ValueRef::Text(b"a\0b"), &mut out),
            Err(Misfit::Form(Form::Nul))
        );
        assert_eq!(
            clean.write(ValueRef::Integer(5), &mut out),
            Err(Misfit::Form(Form::Integer))
        );
        assert_eq!(
            clean.write(ValueRef::Blob(b"b"), &mut out),
            Err(Misfit::Form(Form::TextBlob))
        );
        let all = Known::INTEGERS
            .and(Known::REALS)
            .and(Known::TEXTS)
            .and(Known::BLOBS);
        assert!(Known::TEXTS.meets(Known::one(Form::Uuid)) && !Known::REALS.meets(Known::BLOBS));
        assert_eq!(only(all).write(ValueRef::Text(b"a\0b"), &mut out), Ok(()));
    }
}
