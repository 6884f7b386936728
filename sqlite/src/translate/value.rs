//! A translated expression and what is known of it.

use contract::import::{Affinity, ColumnType, Conversion};

use super::{
    Column, Facts, Outcome,
    spelling::{DATE, pattern, to_char_form},
};
use crate::quote;

/// How tightly the outermost operator of an expression binds; a looser one needs parentheses inside a tighter one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Atom,
    Arithmetic,
    Comparison,
    Not,
    And,
    Or,
}

/// A literal as SQLite read it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Integer(i64),
    Real(String),
    Text(String),
}

/// An expression of PostgreSQL together with what SQLite thought of it.
#[derive(Clone, Debug)]
pub(super) struct Value {
    /// The expression.
    pub(super) sql: String,
    pub(super) level: Level,
    /// Its type; none when it is NULL.
    pub(super) kind: Option<ColumnType>,
    /// How it differs from what SQLite had.
    pub(super) conversion: Option<Conversion>,
    /// The affinity that SQLite gives it in a comparison; `Blob` is none.
    pub(super) affinity: Affinity,
    /// How a time is spelled in SQLite, each digit as `d`.
    pub(super) spelling: Option<String>,
    /// Whether it is a column, whose collation decides before that of other expressions.
    pub(super) column: bool,
    /// The table and the column, by their names in SQLite, that it comes from unchanged.
    pub(super) origin: Option<(String, String)>,
    /// Whether SQLite compares it without regard to case.
    pub(super) nocase: bool,
    /// The collation by which SQLite compares it, when PostgreSQL has none like it.
    pub(super) strange: Option<String>,
    /// Whether a COLLATE says so.
    pub(super) collated: bool,
    pub(super) literal: Option<Literal>,
    /// The timestamp that a text spells.
    pub(super) instant: Option<String>,
    /// The integer that a text of digits spells.
    pub(super) digits: Option<String>,
    /// The text and the jsonb of a value taken out of JSON, whose type only the data know.
    pub(super) taken: Option<(String, String)>,
    /// Whether PostgreSQL computes with 32 bits or with decimals where SQLite has 64 bits or a double.
    pub(super) narrow: bool,
    /// Whether it is a column that SQLite computes.
    pub(super) computed: bool,
    /// What is known of the values.
    pub(super) facts: Facts,
}

impl Value {
    /// An expression of a type, with an operator outermost.
    pub(super) fn new(sql: impl Into<String>, kind: ColumnType, level: Level) -> Self {
        Self {
            sql: sql.into(),
            level,
            kind: Some(kind),
            conversion: None,
            affinity: Affinity::Blob,
            spelling: None,
            column: false,
            origin: None,
            nocase: false,
            strange: None,
            collated: false,
            literal: None,
            instant: None,
            digits: None,
            taken: None,
            narrow: false,
            computed: false,
            facts: Facts::default(),
        }
    }

    /// A number that is a real in SQLite, whatever the data.
    pub(super) fn surely_real(sql: impl Into<String>, level: Level) -> Self {
        Self {
            facts: Facts {
                real: true,
                ..Facts::default()
            },
            ..Self::new(sql, ColumnType::Double, level)
        }
    }

    /// An expression that needs no parentheses.
    pub(super) fn atom(sql: impl Into<String>, kind: ColumnType) -> Self {
        Self::new(sql, kind, Level::Atom)
    }

    /// A truth value.
    pub(super) fn truth_value(sql: impl Into<String>, level: Level) -> Self {
        Self::new(sql, ColumnType::Boolean, level)
    }

    /// NULL.
    pub(super) fn null() -> Self {
        Self {
            kind: None,
            ..Self::atom("null", ColumnType::Text)
        }
    }

    /// An integer that is written out.
    pub(super) fn integer(value: i64) -> Self {
        let level = if value < 0 { Level::Arithmetic } else { Level::Atom };
        Self {
            literal: Some(Literal::Integer(value)),
            narrow: i32::try_from(value).is_ok(),
            ..Self::new(value.to_string(), ColumnType::Bigint, level)
        }
    }

    /// A real number that is written out.
    pub(super) fn real(spelled: &str) -> Self {
        let level = if spelled.starts_with('-') {
            Level::Arithmetic
        } else {
            Level::Atom
        };
        Self {
            literal: Some(Literal::Real(spelled.to_owned())),
            narrow: true,
            ..Self::surely_real(spelled, level)
        }
    }

    /// A text that is written out.
    pub(super) fn text_literal(text: &str) -> Self {
        Self {
            literal: Some(Literal::Text(text.to_owned())),
            ..Self::atom(quote::literal(text), ColumnType::Text)
        }
    }

    /// A column, reached through `qualifier` (with its dot, or empty).
    pub(super) fn of_column(column: &Column, qualifier: &str) -> Self {
        // json has no order and no equality; as the text that it is, it has both.
        if column.column_type == ColumnType::Json {
            let text = Column {
                column_type: ColumnType::Text,
                ..column.clone()
            };
            let value = Self::of_column(&text, qualifier);
            return Self {
                sql: format!("{}::text", value.sql),
                ..value
            };
        }
        let conversion = match (column.column_type, column.conversion) {
            (ColumnType::Boolean, _) => Some(Conversion::TruthValues),
            // Compared as it was. A time with an offset is not: SQLite goes by its spelling, not by its instant.
            (ColumnType::Timestamp | ColumnType::Date, Some(Conversion::IsoText)) => None,
            (_, conversion) => conversion,
        };
        Self {
            conversion,
            affinity: column.affinity,
            spelling: column.spelling.as_deref().map(pattern).or_else(|| {
                (column.column_type == ColumnType::Date && conversion.is_none()).then(|| DATE.to_owned())
            }),
            column: true,
            nocase: column.nocase,
            strange: column
                .strange
                .clone()
                .filter(|_| column.column_type == ColumnType::Text),
            computed: column.computed,
            facts: Facts {
                real: column.facts.real
                    || column.column_type == ColumnType::Double && column.affinity == Affinity::Real,
                ..column.facts
            },
            ..Self::atom(
                format!("{qualifier}{}", quote::ident(&column.name)),
                column.column_type,
            )
        }
    }

    /// The expression, in parentheses when its operator binds more loosely than `limit`.
    pub(super) fn within(&self, limit: Level) -> String {
        if self.level > limit {
            format!("({})", self.sql)
        } else {
            self.sql.clone()
        }
    }

    /// The expression ready for a cast or a collation behind it.
    pub(super) fn tight(&self) -> String {
        self.within(Level::Atom)
    }

    /// Whether the type and the way it came to be are the same.
    pub(super) fn alike(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.conversion == other.conversion
            && self.taken.is_none()
            && other.taken.is_none()
    }

    /// Whether it is true or false in both: a comparison, or a column that held 0 and 1 alone.
    pub(super) fn is_truth(&self) -> bool {
        self.kind == Some(ColumnType::Boolean) && !self.facts.words
    }

    /// Whether two times are spelled alike for sure.
    pub(super) fn spelled_like(&self, other: &Self) -> bool {
        let is_time = matches!(
            self.kind,
            Some(ColumnType::Date | ColumnType::Timestamp | ColumnType::Timestamptz)
        ) && matches!(
            self.conversion,
            None | Some(Conversion::IsoText | Conversion::EachByItsForm)
        );
        !is_time
            || self.origin.is_some() && self.origin == other.origin
            || self.spelling.is_some() && self.spelling == other.spelling
    }

    /// What is known of values of which some are these and some the others.
    pub(super) fn facts_with(&self, other: &Self) -> Facts {
        let joined = self.facts.joined(other.facts);
        Facts {
            unlike: joined.unlike || !self.spelled_like(other),
            ..joined
        }
    }

    /// Refuses what tells values apart, or orders them, otherwise than SQLite.
    pub(super) fn distinguished(&self, what: &str) -> Outcome<()> {
        if self.nocase {
            return Err(format!("{what} compares without regard to case."));
        }
        if let Some(collation) = &self.strange {
            return Err(format!(
                "{what} compares by the collation {collation}, which PostgreSQL does not have."
            ));
        }
        if self.facts.unlike {
            return Err(format!(
                "{what} goes by {}, of which different values in SQLite can be equal here.",
                self.sql
            ));
        }
        Ok(())
    }

    /// Whether it is a number in SQLite as it is here.
    pub(super) fn is_number(&self) -> bool {
        self.conversion.is_none()
            && matches!(
                self.kind,
                Some(ColumnType::Bigint | ColumnType::Double | ColumnType::Numeric)
            )
    }

    /// Whether it is text in SQLite as it is here.
    pub(super) fn is_text(&self) -> bool {
        self.conversion.is_none() && self.kind == Some(ColumnType::Text)
    }

    /// Whether it was seconds or the like since 1970.
    pub(super) fn is_epoch(&self) -> bool {
        matches!(
            self.conversion,
            Some(
                Conversion::UnixSeconds
                    | Conversion::UnixMillis
                    | Conversion::UnixMicros
                    | Conversion::RealSeconds
            )
        )
    }

    /// The number that SQLite computes with.
    pub(super) fn number(&self) -> Outcome<Self> {
        if self.kind.is_none() {
            return Ok(Self::atom("null::bigint", ColumnType::Bigint));
        }
        if self.taken.is_some() {
            return Err("A value taken out of JSON has a type that only the data know.".to_owned());
        }
        if let Some(digits) = &self.digits {
            return Ok(Self::atom(digits.clone(), ColumnType::Bigint));
        }
        if self.is_number() {
            return Ok(
                if self.kind == Some(ColumnType::Bigint) && self.affinity == Affinity::Real && self.column {
                    Self::surely_real(format!("{}::double precision", self.sql), Level::Atom)
                } else {
                    self.clone()
                },
            );
        }
        match (self.kind, self.conversion) {
            (Some(ColumnType::Boolean), None | Some(Conversion::TruthValues)) if !self.facts.words => {
                Ok(Self {
                    narrow: true,
                    affinity: self.affinity,
                    ..Self::atom(format!("{}::int", self.tight()), ColumnType::Bigint)
                })
            }
            (Some(_), Some(Conversion::UnixSeconds)) => Ok(Self::atom(
                format!("{}::bigint", self.epoch()),
                ColumnType::Bigint,
            )),
            (Some(_), Some(Conversion::UnixMillis)) => Ok(Self::atom(
                format!("({} * 1000)::bigint", self.epoch()),
                ColumnType::Bigint,
            )),
            (Some(_), Some(Conversion::UnixMicros)) => Ok(Self::atom(
                format!("({} * 1000000)::bigint", self.epoch()),
                ColumnType::Bigint,
            )),
            (Some(_), Some(Conversion::RealSeconds)) => Ok(Self::atom(
                format!("{}::double precision", self.epoch()),
                ColumnType::Double,
            )),
            _ => match self.literal_number() {
                Some(number) => Ok(number),
                None => Err(format!(
                    "{} is no number, and SQLite would compute with its first digits.",
                    self.sql
                )),
            },
        }
    }

    /// Seconds since 1970; with the zone named, so that no setting has a say.
    fn epoch(&self) -> String {
        if self.kind == Some(ColumnType::Timestamptz) {
            format!("extract(epoch from {} at time zone 'UTC')", self.sql)
        } else {
            format!("extract(epoch from {})", self.sql)
        }
    }

    /// The number that a text literal spells in the way SQLite writes it.
    pub(super) fn literal_number(&self) -> Option<Self> {
        let Some(Literal::Text(text)) = &self.literal else {
            return None;
        };
        if let Ok(integer) = text.parse::<i64>()
            && integer.to_string() == *text
        {
            return Some(Self::integer(integer));
        }
        let decimal = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'));
        (decimal
            && text.parse::<f64>().is_ok_and(f64::is_finite)
            && !text.ends_with('.')
            && text.contains('.'))
        .then(|| Self::real(text))
    }

    /// The text that SQLite makes of it when it joins or searches.
    pub(super) fn text(&self) -> Outcome<String> {
        let Some(kind) = self.kind else {
            return Ok("null::text".to_owned());
        };
        if self.taken.is_some() {
            return Err("A value taken out of JSON has a type that only the data know.".to_owned());
        }
        if let Some(Literal::Integer(value)) = self.literal {
            return Ok(quote::literal(&value.to_string()));
        }
        match (kind, self.conversion) {
            (ColumnType::Text, None) => Ok(self.sql.clone()),
            (ColumnType::Bigint, None) if !(self.column && self.affinity == Affinity::Real) => {
                Ok(format!("{}::text", self.tight()))
            }
            (ColumnType::Bigint | ColumnType::Numeric, Some(Conversion::TextToNumber)) => {
                Ok(format!("{}::text", self.tight()))
            }
            (ColumnType::Boolean, None) => Ok(format!("{}::int::text", self.tight())),
            (ColumnType::Date | ColumnType::Timestamp, None) => {
                let form = self.spelling.as_deref().and_then(to_char_form).ok_or_else(|| {
                    format!(
                        "The times of {} are not known to be spelled alike, so no text can stand for them.",
                        self.sql
                    )
                })?;
                Ok(format!("to_char({}, {})", self.sql, quote::literal(&form)))
            }
            (ColumnType::Double | ColumnType::Numeric, None) => Err(format!(
                "{} is a real number, which SQLite writes as text in another way than PostgreSQL.",
                self.sql
            )),
            _ => Err(format!(
                "{} has another type than in SQLite, so its text there is not known for sure.",
                self.sql
            )),
        }
    }

    /// The condition that it is true.
    pub(super) fn truth(&self) -> Outcome<Self> {
        match self.kind {
            None => Ok(Self::truth_value("null::boolean", Level::Atom)),
            Some(ColumnType::Boolean) if self.facts.words => Err(format!(
                "{} held words for true and false, which SQLite does not take for them.",
                self.sql
            )),
            Some(ColumnType::Boolean) => Ok(self.clone()),
            Some(_) if self.is_number() || self.is_epoch() => Ok(Self::truth_value(
                format!("{} <> 0", self.number()?.within(Level::Arithmetic)),
                Level::Comparison,
            )),
            Some(_) => Err(format!(
                "{} is used as a condition though it is neither a number nor a truth value.",
                self.sql
            )),
        }
    }
}
