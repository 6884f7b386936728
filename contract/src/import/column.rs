//! One column: what is declared, what is stored, what it would become.

use serde::{Deserialize, Serialize};

use super::form::{FormFacts, Places};

/// One column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnFacts {
    /// Its name.
    pub name: String,
    /// The declared type as written; empty when there is none.
    pub declared: String,
    /// What SQLite makes of the declared type.
    pub affinity: Affinity,
    /// Whether NULL is forbidden.
    pub not_null: bool,
    /// The default as SQL, if there is one.
    pub default: Option<String>,
    /// The expression that computes the column, if one does.
    pub generated: Option<String>,
    /// The collation, when it is not `BINARY`.
    pub collation: Option<String>,
    /// What the scan found.
    pub stored: Stored,
    /// What it would become.
    pub proposal: Proposal,
}

/// How SQLite treats what is written into a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Affinity {
    /// Numbers become text.
    Text,
    /// Text like a number becomes one; reals without a fraction become integers.
    Numeric,
    /// As numeric.
    Integer,
    /// Integers become reals.
    Real,
    /// Everything stays as it is.
    Blob,
}

/// What one full scan found in a column.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// NULLs.
    pub nulls: i64,
    /// Integers.
    pub integers: i64,
    /// Reals.
    pub reals: i64,
    /// Texts.
    pub texts: i64,
    /// Blobs.
    pub blobs: i64,
    /// The smallest and the largest integer.
    pub integer_range: Option<(i64, i64)>,
    /// The smallest and the largest finite real. Written down as their digits: JSON's numbers reach as far, but not every
    /// reader's do.
    #[serde(default, with = "as_digits")]
    pub real_range: Option<(f64, f64)>,
    /// Infinities.
    pub not_finite: i64,
    /// Finite reals without a fraction.
    pub integral_reals: i64,
    /// Integers that a double cannot hold exactly for sure: beyond 2^53.
    pub beyond_double: Places,
    /// The longest text in bytes of UTF-8.
    pub longest_text: i64,
    /// The longest blob in bytes.
    pub longest_blob: i64,
    /// Texts with bytes that are not UTF-8.
    pub invalid_utf8: Places,
    /// Texts with U+0000.
    pub with_nul: Places,
    /// Texts, also in blobs, with characters beyond U+007F, which not every encoding of a database has.
    #[serde(default)]
    pub beyond_ascii: Places,
    /// The same beyond U+00FF.
    #[serde(default)]
    pub beyond_latin1: Places,
    /// Whether all ISO times are spelled alike, so that two different texts are two different times.
    pub times_alike: bool,
    /// The forms that were found, each with its places.
    pub forms: Vec<FormFacts>,
}

/// Reals as their shortest digits that give them back; numbers are read as well, as earlier versions wrote them.
mod as_digits {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Real {
        Digits(String),
        Number(f64),
    }

    impl Real {
        fn value(self) -> Result<f64, std::num::ParseFloatError> {
            match self {
                Self::Digits(text) => text.parse(),
                Self::Number(number) => Ok(number),
            }
        }
    }

    pub fn serialize<S: Serializer>(range: &Option<(f64, f64)>, to: S) -> Result<S::Ok, S::Error> {
        range
            .map(|(low, high)| (format!("{low:?}"), format!("{high:?}")))
            .serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<(f64, f64)>, D::Error> {
        Option::<(Real, Real)>::deserialize(from)?
            .map(|(low, high)| Ok((low.value()?, high.value()?)))
            .transpose()
            .map_err(|error: std::num::ParseFloatError| D::Error::custom(error))
    }
}

impl Stored {
    /// Values that are not NULL.
    pub const fn values(&self) -> i64 {
        self.integers + self.reals + self.texts + self.blobs
    }
}

/// A type of PostgreSQL that a column can become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// 64-bit integer.
    Bigint,
    /// 64-bit floating point, bit-exact.
    Double,
    /// Decimal number of any length.
    Numeric,
    /// True or false.
    Boolean,
    /// Text, byte for byte.
    Text,
    /// Bytes.
    Bytea,
    /// A date and time without a zone, in microseconds.
    Timestamp,
    /// An instant, in microseconds.
    Timestamptz,
    /// A day.
    Date,
    /// A time of day without a day or a zone, in microseconds.
    Time,
    /// A UUID.
    Uuid,
    /// Parsed JSON.
    Jsonb,
    /// JSON as it is written, without an order or an equality of its values.
    Json,
}

impl ColumnType {
    /// The name in SQL.
    pub const fn sql(self) -> &'static str {
        match self {
            Self::Bigint => "bigint",
            Self::Double => "double precision",
            Self::Numeric => "numeric",
            Self::Boolean => "boolean",
            Self::Text => "text",
            Self::Bytea => "bytea",
            Self::Timestamp => "timestamp",
            Self::Timestamptz => "timestamptz",
            Self::Date => "date",
            Self::Time => "time",
            Self::Uuid => "uuid",
            Self::Jsonb => "jsonb",
            Self::Json => "json",
        }
    }
}

/// How values get from what is stored to the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conversion {
    /// ISO text is read as a time.
    IsoText,
    /// Seconds since 1970.
    UnixSeconds,
    /// Milliseconds since 1970.
    UnixMillis,
    /// Microseconds since 1970.
    UnixMicros,
    /// Real seconds since 1970.
    RealSeconds,
    /// Julian days, in UTC.
    JulianDays,
    /// Each value by its own form, times without a zone taken as UTC.
    EachByItsForm,
    /// 0 and 1, and words for true and false.
    TruthValues,
    /// Text of a UUID, or its 16 bytes.
    Uuid,
    /// JSON from text, numbers, blobs or SQLite's binary form.
    Json,
    /// The text that SQLite's binary JSON stands for.
    JsonText,
    /// Digits are read as a number.
    TextToNumber,
    /// Numbers are written as text that reads back the same.
    NumberToText,
    /// Text becomes its bytes.
    TextToBytes,
    /// Blobs that are UTF-8 become their text.
    BlobToText,
    /// Blobs become `\x` and their bytes in hexadecimal.
    BlobToHex,
}

impl Conversion {
    /// What is done, in a few words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::IsoText => "read from ISO text",
            Self::UnixSeconds => "from Unix seconds",
            Self::UnixMillis => "from Unix milliseconds",
            Self::UnixMicros => "from Unix microseconds",
            Self::RealSeconds => "from Unix seconds with a fraction",
            Self::JulianDays => "from Julian days",
            Self::EachByItsForm => "each value by its own form",
            Self::TruthValues => "from values for true and false",
            Self::Uuid => "read as UUID",
            Self::Json => "read as JSON",
            Self::JsonText => "binary JSON decoded to text",
            Self::TextToNumber => "digits read as numbers",
            Self::NumberToText => "numbers written as text",
            Self::TextToBytes => "text as its bytes",
            Self::BlobToText => "blobs as the text they hold",
            Self::BlobToHex => "blobs in hexadecimal",
        }
    }
}

/// What a column would become.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// The type.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// What is done to the values; none when they go over as they are.
    pub conversion: Option<Conversion>,
    /// Why this type.
    pub reason: String,
    /// The foreign key for whose sake it is another type than the values alone would get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tied: Option<String>,
    /// Other types that come into question.
    pub others: Vec<OtherType>,
}

/// Another type that comes into question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherType {
    /// The type.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// What would be done to the values.
    pub conversion: Option<Conversion>,
    /// The values that would not fit; none when all would.
    pub against: Places,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::Stored;

    #[test]
    fn every_real_comes_back_as_it_was_written_down() {
        for range in [(f64::MIN, f64::MAX), (5e-324, 0.1 + 0.2), (-0.0, 1e300)] {
            let stored = Stored {
                real_range: Some(range),
                ..Stored::default()
            };
            let text = serde_json::to_string(&stored).unwrap();
            let back: Stored = serde_json::from_str(&text).unwrap();
            let bits = |(low, high): (f64, f64)| (low.to_bits(), high.to_bits());
            assert_eq!(back.real_range.map(bits), Some(bits(range)), "{text}");
            // As an earlier version wrote it.
            let number = text.replace(&format!("[\"{:?}\",\"{:?}\"]", range.0, range.1), "[-1.5,2.5]");
            let back: Stored = serde_json::from_str(&number).unwrap();
            assert_eq!(back.real_range, Some((-1.5, 2.5)));
        }
    }
}
