//! What a scan remembers of a column: counts, extremes and the first few rows of each form, however many rows there are.

use contract::import::{Form, FormFacts, Places, Stored};
use rusqlite::types::ValueRef;

use super::forms::{self, Spelling};

/// How many rows of a kind are named.
pub(super) const NAMED: usize = 5;
/// The largest integer below which a double holds every one.
const EXACT: u64 = 1 << 53;
/// More spellings than this are as good as endless.
const SPELLINGS: usize = 4;

/// The memory of one column.
#[derive(Default)]
pub(super) struct Tally {
    stored: Stored,
    /// Few, so that looking through them is quicker than a map.
    forms: Vec<FormFacts>,
    spellings: Vec<Spelling>,
}

impl Tally {
    /// Takes note of the value in a row.
    pub fn add(&mut self, row: i64, value: ValueRef<'_>) {
        let stored = &mut self.stored;
        let form = match value {
            ValueRef::Null => {
                stored.nulls += 1;
                return;
            }
            ValueRef::Integer(value) => {
                stored.integers += 1;
                let (low, high) = stored.integer_range.unwrap_or((value, value));
                stored.integer_range = Some((low.min(value), high.max(value)));
                if value.unsigned_abs() > EXACT {
                    note(&mut stored.beyond_double, row);
                }
                forms::integer(value)
            }
            ValueRef::Real(value) => {
                stored.reals += 1;
                if value.is_finite() {
                    let (low, high) = stored.real_range.unwrap_or((value, value));
                    stored.real_range = Some((low.min(value), high.max(value)));
                    stored.integral_reals += i64::from(value.fract() == 0.0);
                } else {
                    stored.not_finite += 1;
                }
                forms::real(value)
            }
            ValueRef::Text(bytes) => {
                stored.texts += 1;
                stored.longest_text = stored.longest_text.max(length(bytes));
                let (form, spelling) = forms::text(bytes);
                if form == Form::NotUtf8 {
                    note(&mut stored.invalid_utf8, row);
                }
                if matches!(form, Form::NotUtf8 | Form::Nul) && bytes.contains(&0) {
                    note(&mut stored.with_nul, row);
                }
                if form != Form::NotUtf8 {
                    characters(stored, row, bytes);
                }
                self.spelled(spelling);
                form
            }
            ValueRef::Blob(bytes) => {
                stored.blobs += 1;
                stored.longest_blob = stored.longest_blob.max(length(bytes));
                let form = forms::blob(bytes);
                let is_text = matches!(
                    form,
                    Form::JsonBlob | Form::JsonBlobChanging | Form::TextBlob | Form::SixteenBytesText
                );
                if is_text {
                    characters(stored, row, bytes);
                }
                form
            }
        };
        note(self.places(form), row);
    }

    fn places(&mut self, form: Form) -> &mut Places {
        let at = self.forms.iter().position(|it| it.form == form);
        let at = at.unwrap_or_else(|| {
            self.forms.push(FormFacts {
                form,
                places: Places::default(),
            });
            self.forms.len() - 1
        });
        &mut self.forms[at].places
    }

    fn spelled(&mut self, spelling: Option<Spelling>) {
        if let Some(spelling) = spelling
            && self.spellings.len() < SPELLINGS
            && !self.spellings.contains(&spelling)
        {
            self.spellings.push(spelling);
        }
    }

    /// Takes over what was found in rows that follow.
    pub fn join(&mut self, other: Self) {
        let (stored, more) = (&mut self.stored, other.stored);
        stored.nulls += more.nulls;
        stored.integers += more.integers;
        stored.reals += more.reals;
        stored.texts += more.texts;
        stored.blobs += more.blobs;
        stored.not_finite += more.not_finite;
        stored.integral_reals += more.integral_reals;
        stored.longest_text = stored.longest_text.max(more.longest_text);
        stored.longest_blob = stored.longest_blob.max(more.longest_blob);
        stored.integer_range = wider(stored.integer_range, more.integer_range);
        stored.real_range = wider(stored.real_range, more.real_range);
        follow(&mut stored.beyond_double, more.beyond_double);
        follow(&mut stored.invalid_utf8, more.invalid_utf8);
        follow(&mut stored.with_nul, more.with_nul);
        follow(&mut stored.beyond_ascii, more.beyond_ascii);
        follow(&mut stored.beyond_latin1, more.beyond_latin1);
        for facts in other.forms {
            follow(self.places(facts.form), facts.places);
        }
        for spelling in other.spellings {
            self.spelled(Some(spelling));
        }
    }

    /// What was found.
    pub fn finish(mut self) -> Stored {
        self.forms.sort_by_key(|facts| facts.form);
        Stored {
            times_alike: alike(&self.spellings),
            forms: self.forms,
            ..self.stored
        }
    }
}

/// Whether two times that differ as texts differ as times: one spelling, or that of Python, which leaves a fraction of zero
/// away and else writes six digits.
fn alike(spellings: &[Spelling]) -> bool {
    let mut with = spellings.iter().filter(|it| it.fraction > 0);
    let mut without = spellings.iter().filter(|it| it.fraction == 0);
    match (with.next(), without.next()) {
        (Some(with), Some(without)) => {
            spellings.len() == 2 && !with.idle_fraction && Spelling { fraction: 0, ..*with } == *without
        }
        // Fractions of one length may be zero or not.
        (Some(first), None) => spellings.iter().all(|it| {
            Spelling {
                idle_fraction: first.idle_fraction,
                ..*it
            } == *first
        }),
        (None, _) => spellings.len() <= 1,
    }
}

/// Takes note of characters that not every encoding has.
fn characters(stored: &mut Stored, row: i64, text: &[u8]) {
    if text.is_ascii() {
        return;
    }
    note(&mut stored.beyond_ascii, row);
    // In UTF-8, characters up to U+00FF begin with C2 or C3.
    if text.iter().any(|byte| *byte >= 0xc4) {
        note(&mut stored.beyond_latin1, row);
    }
}

/// The range that holds both.
fn wider<T: PartialOrd + Copy>(one: Option<(T, T)>, other: Option<(T, T)>) -> Option<(T, T)> {
    let (Some((low, high)), Some((least, most))) = (one, other) else {
        return one.or(other);
    };
    Some((
        if least < low { least } else { low },
        if most > high { most } else { high },
    ))
}

/// Adds places that come after.
fn follow(places: &mut Places, more: Places) {
    places.count += more.count;
    places.first.extend(more.first);
    places.first.truncate(NAMED);
}

/// Counts a row, and names it while few are.
pub(super) fn note(places: &mut Places, row: i64) {
    places.count += 1;
    if places.first.len() < NAMED {
        places.first.push(row);
    }
}

fn length(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(values: &[ValueRef<'_>]) -> Stored {
        let mut tally = Tally::default();
        for (row, value) in (1..).zip(values) {
            tally.add(row, *value);
        }
        tally.finish()
    }

    fn texts(values: &[&str]) -> Stored {
        let values: Vec<ValueRef<'_>> = values
            .iter()
            .map(|text| ValueRef::Text(text.as_bytes()))
            .collect();
        tally(&values)
    }

    #[test]
    fn counts_extremes_and_first_rows_are_kept() {
        let stored = tally(&[
            ValueRef::Null,
            ValueRef::Integer(i64::MIN),
            ValueRef::Integer(7),
            ValueRef::Real(-0.5),
            ValueRef::Real(f64::INFINITY),
            ValueRef::Text(b"\xffa\0"),
            ValueRef::Text(b"b\0"),
            ValueRef::Blob(&[0; 9]),
        ]);
        assert_eq!((stored.nulls, stored.values()), (1, 7));
        assert_eq!(stored.integer_range, Some((i64::MIN, 7)));
        assert_eq!(stored.real_range, Some((-0.5, -0.5)));
        assert_eq!((stored.not_finite, stored.integral_reals), (1, 0));
        assert_eq!(
            stored.beyond_double,
            Places {
                count: 1,
                first: vec![2]
            }
        );
        assert_eq!(
            stored.invalid_utf8,
            Places {
                count: 1,
                first: vec![6]
            }
        );
        assert_eq!(
            stored.with_nul,
            Places {
                count: 2,
                first: vec![6, 7]
            }
        );
        assert_eq!((stored.longest_text, stored.longest_blob), (3, 9));
    }

    #[test]
    fn characters_that_not_every_encoding_has_are_noted() {
        let stored = texts(&["plain", "é", "ÿ", "€", "日本"]);
        assert_eq!(stored.beyond_ascii.first, [2, 3, 4, 5]);
        assert_eq!(stored.beyond_latin1.first, [4, 5]);
    }

    #[test]
    fn rows_read_by_two_are_as_if_read_by_one() {
        let values = [
            ValueRef::Integer(3),
            ValueRef::Null,
            ValueRef::Text(b"2024-05-01 10:00:00"),
            ValueRef::Integer(-9),
            ValueRef::Real(2.5),
            ValueRef::Text(b"\xff"),
            ValueRef::Blob(b"abc"),
            ValueRef::Integer(i64::MAX),
        ];
        for at in 0..=values.len() {
            let (mut first, mut second) = (Tally::default(), Tally::default());
            for (row, value) in (1..).zip(values) {
                let into = if row <= at as i64 { &mut first } else { &mut second };
                into.add(row, value);
            }
            first.join(second);
            assert_eq!(first.finish(), tally(&values), "cut after {at}");
        }
    }

    #[test]
    fn only_the_first_few_rows_are_named() {
        let stored = tally(&[ValueRef::Integer(5); 100]);
        assert_eq!(
            stored.forms,
            [FormFacts {
                form: Form::Integer,
                places: Places {
                    count: 100,
                    first: vec![1, 2, 3, 4, 5]
                }
            }]
        );
    }

    #[test]
    fn times_of_one_spelling_are_equal_only_when_their_texts_are() {
        assert!(texts(&["2024-05-01 10:00:00", "2024-05-01 10:00:01"]).times_alike);
        assert!(texts(&["2024-05-01 10:00:00", "2024-05-01 10:00:00.000001"]).times_alike);
        assert!(texts(&["2024-05-01 10:00:00.000000", "2024-05-01 10:00:00.000001"]).times_alike);
        assert!(!texts(&["2024-05-01 10:00:00", "2024-05-01 10:00:00.000000"]).times_alike);
        assert!(!texts(&["2024-05-01 10:00:00", "2024-05-01T10:00:00"]).times_alike);
        assert!(!texts(&["2024-05-01 10:00", "2024-05-01 10:00:00"]).times_alike);
        assert!(!texts(&["2024-05-01 10:00:00Z", "2024-05-01 12:00:00+02:00"]).times_alike);
    }
}
