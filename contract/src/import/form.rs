//! What a stored value looks like.

use serde::{Deserialize, Serialize};

/// Where something was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// How often.
    pub count: i64,
    /// The first few rows, ascending.
    pub first: Vec<i64>,
}

/// How often a form was found in a column, and where first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormFacts {
    /// The form.
    pub form: Form,
    /// Where.
    pub places: Places,
}

/// The form of a stored value. Every value that is not NULL has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// The integer 0 or 1.
    ZeroOne,
    /// An integer that is a Julian day of 1900–2099.
    JulianDayNumber,
    /// An integer in the range of Unix seconds from September 2001 to 2099.
    UnixSeconds,
    /// The same range in milliseconds.
    UnixMillis,
    /// The same range in microseconds.
    UnixMicros,
    /// The same range in nanoseconds, finer than PostgreSQL keeps.
    UnixNanos,
    /// Microseconds since 1601 in the range of 1973–2099, as Chromium writes them.
    WebKit,
    /// Seconds since 2001 (Cocoa) or since 1970: the number alone does not say which.
    AmbiguousSeconds,
    /// Any other integer.
    Integer,
    /// The real 0.0 or 1.0.
    RealZeroOne,
    /// Unix seconds with a fraction that is whole in microseconds.
    RealUnixSeconds,
    /// Unix seconds with a fraction finer than microseconds.
    RealUnixSecondsFine,
    /// A Julian day of 1900–2099 that is whole in milliseconds, as SQLite's own functions write it.
    JulianDay,
    /// A Julian day finer than milliseconds.
    JulianDayFine,
    /// Real seconds since 2001 (Cocoa) or since 1970: the number alone does not say which.
    RealAmbiguousSeconds,
    /// Minus zero.
    NegativeZero,
    /// Another real without a fraction.
    RealIntegral,
    /// Any other finite real.
    Real,
    /// Infinity, of either sign.
    NotFinite,
    /// Text of no characters.
    Empty,
    /// `t`, `f`, `y` or `n`, or `true` and `false` with capitals.
    BooleanWord,
    /// `true` or `false` in small letters.
    TrueFalse,
    /// The text `0` or `1`.
    ZeroOneText,
    /// A date, `2024-05-01`.
    Date,
    /// An ISO time without a zone, up to microseconds.
    Naive,
    /// An ISO time with an offset from UTC, up to microseconds.
    Offset,
    /// A time of day without a date.
    TimeOfDay,
    /// Text like a date or time whose day does not exist (`0000-00-00`).
    ImpossibleDate,
    /// Text like a time whose hour, minute or second does not exist (`24:00:00`, `:60`).
    ImpossibleTime,
    /// An ISO time with a fraction finer than microseconds.
    FineFraction,
    /// Text like a date or time with a year of more than four digits.
    FarYear,
    /// A UUID as PostgreSQL writes it.
    Uuid,
    /// A UUID in capitals, in braces or without hyphens.
    UuidOtherSpelling,
    /// A JSON object or array that jsonb keeps as it is.
    Json,
    /// A JSON string or null that jsonb keeps as it is.
    JsonScalar,
    /// JSON whose keys jsonb would put into another order.
    JsonKeyOrder,
    /// JSON with a key twice in one object, of which jsonb would keep the last.
    JsonKeyTwice,
    /// JSON with an escape that jsonb refuses (`\u0000`, half a surrogate pair).
    JsonEscape,
    /// JSON with a number that jsonb would spell or round otherwise (exponents, minus zero, over 17 digits).
    JsonNumber,
    /// JSON nested deeper than the check follows.
    JsonDeep,
    /// An integer of 64 bits in digits, as PostgreSQL writes it.
    IntegerText,
    /// A decimal number in digits, as PostgreSQL writes it.
    DecimalText,
    /// A number that would lose its spelling: leading zeros, a plus, an exponent.
    PaddedNumber,
    /// Text with bytes that are not UTF-8.
    NotUtf8,
    /// Text with U+0000 in it.
    Nul,
    /// Any other text.
    Text,
    /// A blob of no bytes.
    EmptyBlob,
    /// A blob that is the text of a JSON object or array that jsonb keeps as it is.
    JsonBlob,
    /// A blob that is the text of JSON that jsonb would change.
    JsonBlobChanging,
    /// SQLite's binary JSON, which jsonb keeps as it is.
    BinaryJson,
    /// SQLite's binary JSON, which jsonb would change.
    BinaryJsonChanging,
    /// A blob of other bytes that is UTF-8 text without U+0000.
    TextBlob,
    /// A blob of 16 bytes that is UTF-8 text without U+0000 too.
    SixteenBytesText,
    /// A blob of 16 bytes, as a UUID has.
    SixteenBytes,
    /// Any other blob.
    Blob,
}

impl Form {
    /// What such values are, in the plural.
    pub const fn words(self) -> &'static str {
        match self {
            Self::ZeroOne => "0 or 1",
            Self::JulianDayNumber => "numbers in the range of Julian days",
            Self::UnixSeconds => "Unix seconds",
            Self::UnixMillis => "Unix milliseconds",
            Self::UnixMicros => "Unix microseconds",
            Self::UnixNanos => "Unix nanoseconds",
            Self::WebKit => "microseconds since 1601 (WebKit)",
            Self::AmbiguousSeconds => "seconds since 2001 (Cocoa) or since 1970",
            Self::Integer => "integers",
            Self::RealZeroOne => "0.0 or 1.0",
            Self::RealUnixSeconds => "Unix seconds with a fraction",
            Self::RealUnixSecondsFine => "Unix seconds finer than microseconds",
            Self::JulianDay => "Julian days",
            Self::JulianDayFine => "Julian days finer than milliseconds",
            Self::RealAmbiguousSeconds => "real seconds since 2001 (Cocoa) or since 1970",
            Self::NegativeZero => "minus zero",
            Self::RealIntegral => "reals without a fraction",
            Self::Real => "reals",
            Self::NotFinite => "infinities",
            Self::Empty => "empty texts",
            Self::BooleanWord => "words for true and false",
            Self::TrueFalse => "true or false",
            Self::ZeroOneText => "the texts 0 or 1",
            Self::Date => "ISO dates",
            Self::Naive => "ISO times without a zone",
            Self::Offset => "ISO times with an offset",
            Self::TimeOfDay => "times of day",
            Self::ImpossibleDate => "dates that do not exist",
            Self::ImpossibleTime => "times that do not exist",
            Self::FineFraction => "times finer than microseconds",
            Self::FarYear => "times in years of more than four digits",
            Self::Uuid => "UUIDs",
            Self::UuidOtherSpelling => "UUIDs in another spelling than PostgreSQL's",
            Self::Json => "JSON objects and arrays",
            Self::JsonScalar => "JSON strings and nulls",
            Self::JsonKeyOrder => "JSON whose order of keys jsonb would change",
            Self::JsonKeyTwice => "JSON with a key twice",
            Self::JsonEscape => "JSON with an escape that jsonb refuses",
            Self::JsonNumber => "JSON with a number that jsonb would respell",
            Self::JsonDeep => "JSON nested too deeply to judge",
            Self::IntegerText => "integers written as text",
            Self::DecimalText => "decimal numbers written as text",
            Self::PaddedNumber => "digits whose spelling a number would lose",
            Self::NotUtf8 => "texts that are not UTF-8",
            Self::Nul => "texts with U+0000",
            Self::Text => "plain texts",
            Self::EmptyBlob => "empty blobs",
            Self::JsonBlob => "blobs with the text of JSON",
            Self::JsonBlobChanging => "blobs with the text of JSON that jsonb would change",
            Self::BinaryJson => "binary JSON of SQLite",
            Self::BinaryJsonChanging => "binary JSON of SQLite that jsonb would change",
            Self::TextBlob => "blobs that are UTF-8 text",
            Self::SixteenBytesText => "blobs of 16 bytes that are UTF-8 text too",
            Self::SixteenBytes => "blobs of 16 bytes",
            Self::Blob => "blobs",
        }
    }
}
