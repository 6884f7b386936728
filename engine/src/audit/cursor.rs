//! Where a page of a log ended, as it travels through a link.

use std::{fmt, str::FromStr};

use contract::Instant;

/// The last entry of a page: by its time and number, or by its number alone, as the log is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cursor {
    /// The log is ordered by time, then number.
    Time {
        /// When the entry was written.
        at: Instant,
        /// Its number.
        id: i64,
    },
    /// The log is ordered by number.
    Number(i64),
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // PostgreSQL counts microseconds, so nothing is lost.
            Self::Time { at, id } => write!(f, "t{}.{id}", at.timestamp_micros()),
            Self::Number(id) => write!(f, "n{id}"),
        }
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let cursor = if let Some(number) = text.strip_prefix('n') {
            Self::Number(number.parse().map_err(drop)?)
        } else {
            let (micros, id) = text
                .strip_prefix('t')
                .and_then(|rest| rest.split_once('.'))
                .ok_or(())?;
            let at = Instant::from_timestamp_micros(micros.parse().map_err(drop)?).ok_or(())?;
            Self::Time {
                at,
                id: id.parse().map_err(drop)?,
            }
        };
        Ok(cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        for cursor in [
            Cursor::Time {
                at: Instant::from_timestamp_micros(1_795_000_000_123_457).unwrap_or_default(),
                id: 42,
            },
            Cursor::Time {
                at: Instant::from_timestamp_micros(-1).unwrap_or_default(),
                id: 0,
            },
            Cursor::Number(i64::MAX),
        ] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "t",
            "n",
            "t1",
            "t1.",
            "t.1",
            "n1.5",
            "1",
            "n-",
            "t9223372036854775807.1",
            "n99999999999999999999",
            "n1 ",
            "t1.1;",
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(()), "{text}");
        }
    }
}
