//! How far a restore is, of all that it has to do.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use super::{
    super::{manifest::Table, toc::Entry},
    store,
};

/// Bytes that COPY brings in while a table is made, or a function: what takes a time of its own has at least this weight.
const LEAST: f64 = 100_000.0;
/// What building an index takes, and checking a foreign key, for each byte of the table. Estimates from one machine: they need not be
/// right, only nearer than to count all alike.
const INDEX: f64 = 0.4;
const FOREIGN_KEY: f64 = 0.2;

/// The entries of an archive as pg_restore gets them done, by how much work each is.
#[derive(Default)]
pub(super) struct Count {
    /// By the entry's number, and by the name that pg_restore calls it while it does one after the other.
    numbers: HashMap<i64, f64>,
    names: HashMap<String, f64>,
    all: f64,
    done: f64,
    /// The one that is at work, when they come one after the other.
    begun: f64,
    parallel: bool,
}

impl Count {
    /// Of the entries with these numbers among all of an archive.
    pub(super) fn of<'a>(
        entries: impl IntoIterator<Item = &'a Entry> + Clone,
        numbers: impl IntoIterator<Item = i64>,
        tables: &[Table],
    ) -> Self {
        let bytes: HashMap<(&str, &str), f64> = tables
            .iter()
            .map(|table| ((table.schema.as_str(), table.name.as_str()), table.bytes as f64))
            .collect();
        let size = |entry: &Entry| {
            let schema = entry.schema.as_deref().unwrap_or_default();
            bytes.get(&(schema, entry.tag.as_str())).copied()
        };
        let of_tables: HashMap<i64, f64> = entries
            .clone()
            .into_iter()
            .filter(|entry| entry.kind == "TABLE")
            .filter_map(|entry| Some((entry.id, size(entry)?)))
            .collect();
        let by_number: HashMap<i64, &Entry> = entries.into_iter().map(|entry| (entry.id, entry)).collect();
        let mut count = Self::default();
        for number in numbers {
            let Some(entry) = by_number.get(&number) else {
                continue;
            };
            let needed = || {
                let sizes = entry.needs.iter().filter_map(|id| of_tables.get(id).copied());
                sizes.fold(0.0, f64::max)
            };
            let (named, weight) = match entry.kind.as_str() {
                "TABLE DATA" => ("table".to_owned(), size(entry).unwrap_or_default()),
                kind @ ("INDEX" | "CONSTRAINT") => (kind.to_owned(), INDEX * needed()),
                kind @ "FK CONSTRAINT" => (kind.to_owned(), FOREIGN_KEY * needed()),
                kind => (kind.to_owned(), 0.0),
            };
            let weight = LEAST + weight;
            let name = match &entry.schema {
                Some(schema) => format!("{named} \"{schema}.{}\"", entry.tag),
                None => format!("{named} \"{}\"", entry.tag),
            };
            count.all += weight;
            count.numbers.insert(number, weight);
            count.names.insert(name, weight);
        }
        count
    }

    /// Takes in a line of `pg_restore --verbose`. What it tells of, when that is something to show.
    pub(super) fn line<'a>(&mut self, line: &'a str) -> Option<&'a str> {
        let said = line.strip_prefix("pg_restore: ")?;
        if said == "entering main parallel loop" {
            self.done += std::mem::take(&mut self.begun);
            self.parallel = true;
        } else if said == "finished main parallel loop" {
            self.parallel = false;
        } else if let Some(item) = ["launching item ", "finished item "]
            .iter()
            .find_map(|words| said.strip_prefix(words))
        {
            // What is at work counts half.
            let number = item.split(' ').next().and_then(|number| number.parse().ok());
            let weight = number.and_then(|number: i64| self.numbers.get(&number));
            self.done += 0.5 * weight.unwrap_or(&LEAST);
        } else {
            let begun = ["creating ", "processing data for ", "executing "]
                .iter()
                .find_map(|words| said.strip_prefix(words))?;
            // In parallel each item is told of when it begins and when it is done; else only when it begins.
            if !self.parallel {
                let weight = self.names.get(begun).copied().unwrap_or(LEAST);
                self.done += std::mem::replace(&mut self.begun, weight);
            }
            return Some(begun);
        }
        None
    }

    /// pg_restore has ended, so that what it told of last is done.
    pub(super) fn end(&mut self) {
        self.done += std::mem::take(&mut self.begun);
    }

    /// From 0 to 1.
    pub(super) fn share(&self) -> f64 {
        match self.all > 0.0 {
            true => (self.done / self.all).min(1.0),
            false => 0.0,
        }
    }
}

/// How far the job is, when so much of a part is done, of which `usual` says what part of the time each usually takes.
pub(super) fn whole(usual: &[f64], part: usize, share: f64) -> f64 {
    usual[..part].iter().sum::<f64>() + usual[part] * share
}

/// Where the shown progress follows the last restore of the same database, this is how much more of the work must be done for
/// another point of the course.
const STEP: f64 = 0.002;

/// How far a job was after which time: `points` are the share of its work, and seconds since it began.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Course {
    took: f64,
    points: Vec<(f64, f64)>,
}

/// Tells how far a job is by the clock: what share of the time the last one had taken when it was as far. Where that stood still at one
/// share, because a large table was loaded or an index was built, the time that goes by counts. Without a last one, the share of the work
/// is told.
pub(super) struct Pace {
    last: Course,
    now: Course,
    shown: f64,
}

impl Pace {
    /// # Errors
    /// The store's.
    pub(super) async fn of(pool: &PgPool, database: i64) -> Result<Self, sqlx::Error> {
        Ok(Self::after(
            store::last_course(pool, database).await?.unwrap_or_default(),
        ))
    }

    fn after(last: Course) -> Self {
        Self {
            last,
            now: Course::default(),
            shown: 0.0,
        }
    }

    /// So much of the work is done after so many seconds. Gives what is to be shown.
    pub(super) fn reached(&mut self, share: f64, seconds: f64) -> f64 {
        let from = self.now.points.last().map_or(0.0, |(share, _)| *share);
        if share >= from + STEP {
            self.now.points.push((share, seconds));
        }
        self.shown(seconds)
    }

    /// What is to be shown after so many seconds, from 0 to 1. It never goes back.
    pub(super) fn shown(&mut self, seconds: f64) -> f64 {
        let (share, since) = self.now.points.last().copied().unwrap_or_default();
        let shown = match self.last.took > 0.0 {
            true => {
                let (from, until) = self.last.stretch(share);
                (from + (seconds - since).clamp(0.0, until - from)) / self.last.took
            }
            false => share,
        };
        self.shown = self.shown.max(shown.min(1.0));
        self.shown
    }

    /// The course of this job, which took so many seconds.
    pub(super) fn course(&self, took: f64) -> Course {
        Course {
            took,
            points: self.now.points.clone(),
        }
    }
}

impl Course {
    /// From when until when the job had done this share of its work and no more, in seconds.
    fn stretch(&self, share: f64) -> (f64, f64) {
        let next = self.points.partition_point(|(done, _)| *done <= share);
        let before = match next {
            0 => (0.0, 0.0),
            next => self.points[next - 1],
        };
        let Some(after) = self.points.get(next) else {
            return (before.1, self.took.max(before.1));
        };
        // Not at all of the shares a last one was; between two of them the time is, too.
        let between = ((share - before.0) / (after.0 - before.0)).clamp(0.0, 1.0);
        (before.1 + between * (after.1 - before.1), after.1)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::backup::toc::Section;

    fn entry(id: i64, kind: &str, tag: &str, needs: &[i64]) -> Entry {
        Entry {
            id,
            oid: 0,
            file: None,
            kind: kind.into(),
            tag: tag.into(),
            schema: Some("public".into()),
            owner: String::new(),
            section: Section::Data,
            definition: String::new(),
            drop: String::new(),
            tablespace: String::new(),
            needs: needs.to_vec(),
        }
    }

    #[test]
    fn each_entry_counts_once_by_its_work_whether_loaded_in_parallel_or_not() {
        let entries = [
            entry(1, "TABLE", "orders", &[]),
            entry(2, "TABLE DATA", "orders", &[1]),
            entry(3, "SEQUENCE SET", "orders_id_seq", &[]),
            entry(4, "INDEX", "i", &[1]),
        ];
        let tables = [Table {
            id: None,
            schema: "public".into(),
            name: "orders".into(),
            rows: None,
            bytes: 1_000_000,
            dump_ms: None,
        }];
        let all = 4.0 * LEAST + 1_400_000.0;
        let mut count = Count::of(&entries, [1, 2, 3, 4], &tables);
        let mut told = Vec::new();
        for line in [
            "pg_restore: connecting to database for restore",
            "pg_restore: creating TABLE \"public.orders\"",
            "pg_restore: entering main parallel loop",
            "pg_restore: launching item 2 TABLE DATA orders",
            "pg_restore: processing data for table \"public.orders\"",
            "pg_restore: finished item 2 TABLE DATA orders",
            "pg_restore: finished main parallel loop",
            "pg_restore: executing SEQUENCE SET orders_id_seq",
            "pg_restore: creating INDEX \"public.i\"",
        ] {
            let shown = count.line(line).map(str::to_owned);
            told.push((shown, count.share()));
        }
        assert_eq!(told[4].0.as_deref(), Some("table \"public.orders\""));
        let near = |share: f64, bytes: f64| assert!((share - bytes / all).abs() < 1e-9, "{share} {bytes}");
        near(told[2].1, LEAST);
        near(told[4].1, 1.5 * LEAST + 500_000.0);
        near(told[5].1, 2.0 * LEAST + 1_000_000.0);
        near(told[8].1, 3.0 * LEAST + 1_000_000.0);
        count.end();
        near(count.share(), all);

        // One after the other, a large one is done when the next begins.
        let mut count = Count::of(&entries, [2, 4], &tables);
        for line in [
            "pg_restore: processing data for table \"public.orders\"",
            "pg_restore: creating INDEX \"public.i\"",
        ] {
            count.line(line).unwrap();
        }
        let all = 2.0 * LEAST + 1_400_000.0;
        assert!((count.share() - (LEAST + 1_000_000.0) / all).abs() < 1e-9);
        assert_eq!(Count::default().share(), 0.0);
    }

    #[test]
    fn the_parts_of_a_job_fill_its_time() {
        let usual = [0.25, 0.5, 0.0, 0.25];
        assert_eq!(
            (
                whole(&usual, 0, 0.0),
                whole(&usual, 1, 0.5),
                whole(&usual, 3, 1.0)
            ),
            (0.0, 0.5, 1.0)
        );
    }

    #[test]
    fn a_second_run_is_shown_by_the_time_that_the_first_took_to_come_as_far() {
        let mut first = Pace::after(Course::default());
        // A table is loaded for 6 of 10 seconds, and nothing is told meanwhile.
        for (share, seconds) in [(0.1, 1.0), (0.2, 2.0), (0.2, 5.0), (0.9, 8.0)] {
            assert_eq!(first.reached(share, seconds), share);
        }
        assert_eq!(first.shown(9.0), 0.9);
        let course = first.course(10.0);
        assert_eq!(course.points, [(0.1, 1.0), (0.2, 2.0), (0.9, 8.0)]);

        let mut second = Pace::after(course);
        let near = |shown: f64, right: f64| assert!((shown - right).abs() < 1e-9, "{shown} {right}");
        near(second.shown(0.5), 0.05);
        near(second.reached(0.2, 2.0), 0.2);
        near(second.shown(5.0), 0.5);
        // It waits for the table, and never goes back.
        near(second.shown(9.5), 0.8);
        near(second.reached(0.55, 9.6), 0.8);
        near(second.reached(0.9, 9.7), 0.8);
        near(second.shown(10.7), 0.9);
        near(second.shown(99.0), 1.0);
    }
}
