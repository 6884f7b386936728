//! Which forms a type of PostgreSQL holds without a change of their value.

use contract::import::{ColumnType, Conversion, Form, FormFacts, Places, Stored};

use super::{tally::NAMED, translate::Facts};

/// The forms of a column, asked by type.
pub struct Forms<'a>(pub &'a Stored);

impl Forms<'_> {
    /// Whether there are values, all of which the type holds.
    pub fn all(&self, to: ColumnType) -> bool {
        self.0.values() > 0 && self.against(to).count == 0
    }

    /// The values that the type does not hold.
    pub fn against(&self, to: ColumnType) -> Places {
        let mut against = Places::default();
        for facts in self.0.forms.iter().filter(|facts| !self.holds(to, facts.form)) {
            merge(&mut against, &facts.places);
        }
        if to == ColumnType::Double {
            merge(&mut against, &self.0.beyond_double);
        }
        against
    }

    /// The values that the type does not hold even when it is chosen: what a choice may change is the spelling of a UUID, and
    /// that times without a zone are taken as UTC.
    pub fn refused(&self, to: ColumnType) -> Places {
        let mut refused = self.against(to);
        let by_choice = self.by_choice(to);
        refused.count -= by_choice.count;
        refused.first.retain(|row| !by_choice.first.contains(row));
        refused
    }

    /// The values that the type holds by choice alone.
    pub fn by_choice(&self, to: ColumnType) -> Places {
        match to {
            ColumnType::Uuid => self.of(&[Form::UuidOtherSpelling]),
            ColumnType::Timestamptz => self.of(&[Form::Date, Form::Naive, Form::JulianDay]),
            _ => Places::default(),
        }
    }

    /// Where values of these forms are.
    pub fn of(&self, forms: &[Form]) -> Places {
        let mut places = Places::default();
        for facts in self.0.forms.iter().filter(|facts| forms.contains(&facts.form)) {
            merge(&mut places, &facts.places);
        }
        places
    }

    /// Where values of a range of forms are, in the order in which forms are declared.
    pub fn between(&self, first: Form, last: Form) -> Places {
        let mut places = Places::default();
        for facts in self
            .0
            .forms
            .iter()
            .filter(|facts| (first..=last).contains(&facts.form))
        {
            merge(&mut places, &facts.places);
        }
        places
    }

    /// Whether all values are of these forms.
    pub fn only(&self, forms: &[Form]) -> bool {
        self.0.values() > 0 && self.0.forms.iter().all(|facts| forms.contains(&facts.form))
    }

    /// The one form there is, if there is one.
    pub fn single(&self) -> Option<Form> {
        match self.0.forms.as_slice() {
            [FormFacts { form, .. }] => Some(*form),
            _ => None,
        }
    }

    /// What the values tell about expressions over a column that becomes this type.
    pub fn facts(&self, to: ColumnType) -> Facts {
        let stored = self.0;
        let only = |forms: &[Form]| stored.forms.iter().all(|facts| forms.contains(&facts.form));
        let classes = [stored.integers + stored.reals, stored.texts, stored.blobs];
        let several = classes.iter().filter(|count| **count > 0).count() > 1;
        let truth = only(&[Form::ZeroOne, Form::RealZeroOne]);
        let unlike = match to {
            ColumnType::Boolean => !truth && !only(&[Form::TrueFalse]) && !only(&[Form::ZeroOneText]),
            ColumnType::Time => !stored.times_alike,
            ColumnType::Timestamp | ColumnType::Timestamptz => match self.conversion(to) {
                Some(Conversion::IsoText) => self.single().is_none() || !stored.times_alike,
                Some(Conversion::EachByItsForm) => true,
                _ => false,
            },
            // White space does not count in jsonb.
            ColumnType::Jsonb => stored.texts + stored.blobs > 0,
            // Two texts may become one where characters are replaced.
            ColumnType::Text => stored.invalid_utf8.count + stored.with_nul.count > 0,
            _ => false,
        };
        Facts {
            words: to == ColumnType::Boolean && !truth,
            unlike: stored.values() > 0 && (several || unlike),
            beyond_double: stored.beyond_double.count > 0,
            bytes: to == ColumnType::Uuid && stored.blobs > 0,
            real: false,
        }
    }

    /// What has to be done to the values for this type.
    pub fn conversion(&self, to: ColumnType) -> Option<Conversion> {
        let numbers = self.0.integers + self.0.reals > 0;
        match to {
            ColumnType::Bigint | ColumnType::Double | ColumnType::Numeric => {
                (self.0.texts > 0).then_some(Conversion::TextToNumber)
            }
            ColumnType::Boolean => Some(Conversion::TruthValues),
            ColumnType::Uuid => Some(Conversion::Uuid),
            ColumnType::Jsonb => Some(Conversion::Json),
            ColumnType::Bytea => (self.0.texts > 0 || numbers).then_some(Conversion::TextToBytes),
            ColumnType::Text if self.only(&[Form::JsonBlob, Form::JsonBlobChanging]) => {
                Some(Conversion::BlobToText)
            }
            ColumnType::Text if self.binary_json() => Some(Conversion::JsonText),
            ColumnType::Text if self.0.blobs > 0 && self.blobs_are_text() => Some(Conversion::BlobToText),
            ColumnType::Text if self.0.blobs > 0 => Some(Conversion::BlobToHex),
            ColumnType::Text => numbers.then_some(Conversion::NumberToText),
            ColumnType::Json if self.0.blobs > 0 => Some(Conversion::JsonText),
            ColumnType::Json => numbers.then_some(Conversion::NumberToText),
            ColumnType::Date | ColumnType::Time => Some(Conversion::IsoText),
            ColumnType::Timestamp | ColumnType::Timestamptz => Some(self.time()),
        }
    }

    /// Whether every blob is UTF-8 text.
    pub fn blobs_are_text(&self) -> bool {
        let texts = [
            Form::EmptyBlob,
            Form::TextBlob,
            Form::SixteenBytesText,
            Form::JsonBlob,
            Form::JsonBlobChanging,
        ];
        self.of(&texts).count == self.0.blobs
    }

    /// Whether every value is JSON in a blob, some of it binary.
    fn binary_json(&self) -> bool {
        self.only(&[
            Form::BinaryJson,
            Form::BinaryJsonChanging,
            Form::JsonBlob,
            Form::JsonBlobChanging,
        ])
    }

    fn time(&self) -> Conversion {
        if self.only(&[Form::Date, Form::Naive]) || self.only(&[Form::Offset]) {
            return Conversion::IsoText;
        }
        if self.only(&[Form::JulianDay, Form::JulianDayNumber]) {
            return Conversion::JulianDays;
        }
        match self.single() {
            Some(Form::UnixSeconds) => Conversion::UnixSeconds,
            Some(Form::UnixMillis) => Conversion::UnixMillis,
            Some(Form::UnixMicros) => Conversion::UnixMicros,
            _ if self.only(&[Form::UnixSeconds, Form::RealUnixSeconds]) => Conversion::RealSeconds,
            _ => Conversion::EachByItsForm,
        }
    }

    fn holds(&self, to: ColumnType, form: Form) -> bool {
        use Form as F;
        match to {
            ColumnType::Boolean => matches!(
                form,
                F::ZeroOne | F::RealZeroOne | F::BooleanWord | F::TrueFalse | F::ZeroOneText
            ),
            ColumnType::Bigint => is_integer(form) || matches!(form, F::IntegerText | F::ZeroOneText),
            ColumnType::Double => is_integer(form) || is_real(form),
            ColumnType::Numeric => {
                is_integer(form)
                    || (is_real(form) && form != F::NegativeZero)
                    || matches!(form, F::IntegerText | F::ZeroOneText | F::DecimalText)
            }
            ColumnType::Date => form == F::Date,
            ColumnType::Time => form == F::TimeOfDay,
            ColumnType::Timestamp => match form {
                F::Date | F::Naive | F::JulianDay => true,
                // A whole number alone could be anything; beside fractions of days it is noon of a day.
                F::JulianDayNumber => self.of(&[F::JulianDay]).count > 0,
                // Times without a zone that stand beside instants are taken as UTC, as SQLite takes them. Where there
                // are texts with an offset, someone meant a zone, and which one the others mean is not known.
                _ => is_unix(form) && self.of(&[F::Offset]).count == 0,
            },
            ColumnType::Timestamptz => form == F::Offset || is_unix(form),
            ColumnType::Uuid => matches!(form, F::Uuid | F::SixteenBytes | F::SixteenBytesText),
            ColumnType::Jsonb => {
                matches!(
                    form,
                    F::Json
                        | F::JsonScalar
                        | F::TrueFalse
                        | F::IntegerText
                        | F::DecimalText
                        | F::ZeroOneText
                        | F::JsonBlob
                        | F::BinaryJson
                ) || is_integer(form)
                    || (is_real(form) && !matches!(form, F::NegativeZero | F::NotFinite))
            }
            ColumnType::Json => {
                (F::Json..=F::JsonNumber).contains(&form)
                    || matches!(
                        form,
                        F::TrueFalse
                            | F::IntegerText
                            | F::DecimalText
                            | F::ZeroOneText
                            | F::JsonBlob
                            | F::JsonBlobChanging
                            | F::BinaryJson
                            | F::BinaryJsonChanging
                    )
                    || is_integer(form)
                    || (is_real(form) && form != F::NotFinite)
            }
            ColumnType::Text => !is_blob(form) || self.blobs_are_text() || self.binary_json(),
            ColumnType::Bytea => !is_integer(form) && !is_real(form),
        }
    }
}

fn is_integer(form: Form) -> bool {
    form <= Form::Integer
}

fn is_real(form: Form) -> bool {
    (Form::RealZeroOne..=Form::NotFinite).contains(&form)
}

fn is_blob(form: Form) -> bool {
    form >= Form::EmptyBlob
}

fn is_unix(form: Form) -> bool {
    matches!(
        form,
        Form::UnixSeconds | Form::UnixMillis | Form::UnixMicros | Form::RealUnixSeconds
    )
}

/// Adds places to others; the rows stay ascending and few.
pub(super) fn merge(into: &mut Places, more: &Places) {
    into.count += more.count;
    into.first.extend_from_slice(&more.first);
    into.first.sort_unstable();
    into.first.dedup();
    into.first.truncate(NAMED);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_forms_tells_integers_reals_texts_and_blobs_apart() {
        assert!(is_integer(Form::ZeroOne) && is_integer(Form::WebKit) && !is_integer(Form::RealZeroOne));
        assert!(is_real(Form::JulianDay) && is_real(Form::NotFinite) && !is_real(Form::Empty));
        assert!(is_blob(Form::Blob) && is_blob(Form::BinaryJson) && !is_blob(Form::Text));
    }

    #[test]
    fn what_values_tell_about_expressions_goes_by_their_forms() {
        use Form as F;
        let stored = |forms: &[Form]| {
            let of = |range: fn(Form) -> bool| forms.iter().filter(|form| range(**form)).count() as i64;
            Stored {
                integers: of(is_integer),
                reals: of(is_real),
                blobs: of(is_blob),
                texts: of(|form| !is_integer(form) && !is_real(form) && !is_blob(form)),
                times_alike: true,
                forms: forms
                    .iter()
                    .map(|form| FormFacts {
                        form: *form,
                        places: Places {
                            count: 1,
                            first: vec![1],
                        },
                    })
                    .collect(),
                ..Stored::default()
            }
        };
        let words = |forms: &[Form]| Forms(&stored(forms)).facts(ColumnType::Boolean).words;
        assert!(!words(&[]) && !words(&[F::ZeroOne]) && !words(&[F::ZeroOne, F::RealZeroOne]));
        assert!(words(&[F::TrueFalse]) && words(&[F::ZeroOneText]) && words(&[F::ZeroOne, F::BooleanWord]));
        for (to, forms, expected) in [
            (ColumnType::Timestamp, &[F::Naive][..], false),
            (ColumnType::Timestamp, &[F::Date, F::Naive], true),
            (ColumnType::Timestamp, &[], false),
            (ColumnType::Timestamptz, &[F::UnixSeconds], false),
            (ColumnType::Timestamptz, &[F::UnixSeconds, F::UnixMillis], true),
            (ColumnType::Text, &[F::Text, F::Integer], true),
            (ColumnType::Text, &[F::Text, F::Empty], false),
            (ColumnType::Bytea, &[F::Blob, F::Text], true),
            (ColumnType::Double, &[F::Integer, F::Real], false),
            (ColumnType::Boolean, &[F::TrueFalse], false),
            (ColumnType::Boolean, &[F::BooleanWord], true),
            (ColumnType::Jsonb, &[F::Json], true),
        ] {
            assert_eq!(
                Forms(&stored(forms)).facts(to).unlike,
                expected,
                "{to:?} {forms:?}"
            );
        }
        let mut times = stored(&[F::Naive]);
        times.times_alike = false;
        assert!(Forms(&times).facts(ColumnType::Timestamp).unlike);
    }

    #[test]
    fn the_first_rows_of_several_forms_are_those_of_the_column() {
        let mut places = Places {
            count: 9,
            first: vec![2, 4, 6, 8, 10],
        };
        merge(
            &mut places,
            &Places {
                count: 2,
                first: vec![1, 7],
            },
        );
        assert_eq!(
            places,
            Places {
                count: 11,
                first: vec![1, 2, 4, 6, 7]
            }
        );
    }
}
