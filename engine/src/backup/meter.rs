//! How far pg_dump is. A table weighs what it took in the last good run, scaled by its size since, else its size.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::{
    catalog::TableRow,
    manifest::{Manifest, Table},
};

/// What a table without any data weighs, in bytes: opening and closing it.
const LEAST: f64 = 8192.0;

struct Part {
    id: i64,
    guess: f64,
    weight: f64,
    took: Option<Duration>,
}

/// Follows one run of pg_dump.
pub(super) struct Meter {
    parts: Vec<Part>,
    by_name: HashMap<String, usize>,
    total: f64,
    done: f64,
    current: Option<Current>,
}

struct Current {
    name: String,
    part: Option<usize>,
    since: Instant,
    share: f64,
}

impl Meter {
    /// For these tables, with what is known from the last good run.
    pub(super) fn new(tables: &[TableRow], last: Option<&Manifest>) -> Self {
        let weights = weights(
            tables,
            last.map(|manifest| manifest.tables.as_slice())
                .unwrap_or_default(),
        );
        let by_name = tables
            .iter()
            .enumerate()
            .map(|(index, table)| (format!("{}.{}", table.schema, table.name), index))
            .collect();
        let total = weights.iter().sum::<f64>().max(1.0);
        let parts = tables
            .iter()
            .zip(weights)
            .map(|(table, weight)| Part {
                id: table.id,
                guess: table.guess,
                weight,
                took: None,
            })
            .collect();
        Self {
            parts,
            by_name,
            total,
            done: 0.0,
            current: None,
        }
    }

    /// Takes in a line of `pg_dump --verbose`; whether it changed anything.
    pub(super) fn line(&mut self, line: &str, now: Instant) -> bool {
        let named = line
            .strip_prefix("pg_dump: dumping contents of table \"")
            .and_then(|rest| rest.strip_suffix('"'))
            .map(|name| (name, self.by_name.get(name).copied()));
        match named {
            Some((name, part)) => {
                self.finish(now);
                self.current = Some(Current {
                    name: name.to_owned(),
                    part,
                    since: now,
                    share: 0.0,
                });
                true
            }
            // Large objects come after the tables' data or between them.
            None if line.starts_with("pg_dump: saving large objects")
                || line.starts_with("pg_dump: saving BLOBs") =>
            {
                self.finish(now);
                self.current = Some(Current {
                    name: "large objects".to_owned(),
                    part: None,
                    since: now,
                    share: 0.0,
                });
                true
            }
            None => false,
        }
    }

    /// Takes in how many rows of a table the server has sent.
    pub(super) fn copied(&mut self, id: i64, rows: i64) {
        if let Some(current) = &mut self.current
            && let Some(part) = current.part.and_then(|index| self.parts.get(index))
            && part.id == id
            && part.guess > 0.0
        {
            current.share = current.share.max((rows as f64 / part.guess).min(0.99));
        }
    }

    /// Ends the table at hand.
    pub(super) fn finish(&mut self, now: Instant) {
        if let Some(current) = self.current.take()
            && let Some(part) = current.part.and_then(|index| self.parts.get_mut(index))
            && part.took.is_none()
        {
            part.took = Some(now.duration_since(current.since));
            self.done += part.weight;
        }
    }

    /// How far, 0 to 1.
    pub(super) fn fraction(&self) -> f64 {
        let current = self.current.as_ref();
        let part = current.and_then(|current| Some(self.parts.get(current.part?)?.weight * current.share));
        ((self.done + part.unwrap_or(0.0)) / self.total).clamp(0.0, 1.0)
    }

    /// What is at hand, by name.
    pub(super) fn current(&self) -> Option<&str> {
        self.current.as_ref().map(|current| current.name.as_str())
    }

    /// How long each table took, in the order they were given in.
    pub(super) fn times(&self) -> impl Iterator<Item = Option<Duration>> {
        self.parts.iter().map(|part| part.took)
    }
}

fn weights(tables: &[TableRow], last: &[Table]) -> Vec<f64> {
    let known: HashMap<(&str, &str), (f64, f64)> = last
        .iter()
        .filter_map(|table| {
            let times = (table.dump_ms?.max(0) as f64, table.bytes.max(0) as f64);
            Some(((table.schema.as_str(), table.name.as_str()), times))
        })
        .collect();
    let (ms, bytes) = known
        .values()
        .fold((0.0, 0.0), |(ms, bytes), (m, b)| (ms + m, bytes + b + LEAST));
    // Without history, or when it was too short to measure anything, the size decides.
    if ms < 1000.0 || bytes <= 0.0 {
        return tables
            .iter()
            .map(|table| table.bytes.max(0) as f64 + LEAST)
            .collect();
    }
    let mean = ms / bytes;
    tables
        .iter()
        .map(|table| {
            let size = table.bytes.max(0) as f64 + LEAST;
            match known.get(&(table.schema.as_str(), table.name.as_str())) {
                // Half a millisecond stands for what was too quick to measure.
                Some((ms, then)) => (ms + 0.5) * size / (then + LEAST),
                None => size * mean,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(id: i64, name: &str, bytes: i64) -> TableRow {
        TableRow {
            id,
            schema: "public".into(),
            name: name.into(),
            bytes,
            guess: 1000.0,
        }
    }

    fn begins(name: &str) -> String {
        format!("pg_dump: dumping contents of table \"public.{name}\"")
    }

    #[test]
    fn without_history_sizes_are_weights() {
        let now = Instant::now();
        let mut meter = Meter::new(&[table(1, "small", 92_000), table(2, "large", 892_000)], None);
        assert_eq!(meter.fraction(), 0.0);
        assert!(meter.line(&begins("small"), now));
        meter.copied(1, 500);
        assert!((meter.fraction() - 0.05).abs() < 0.001, "{}", meter.fraction());
        // Rows of another table, and a guess that was too low, change nothing for the worse.
        meter.copied(2, 1);
        meter.copied(1, 5000);
        assert!(meter.fraction() < 0.1);
        assert!(meter.line(&begins("large"), now + Duration::from_secs(3)));
        assert!((meter.fraction() - 0.1).abs() < 0.001);
        assert_eq!(meter.current(), Some("public.large"));
        assert!(!meter.line("pg_dump: reading schemas", now));
        meter.finish(now + Duration::from_secs(10));
        assert_eq!(meter.fraction(), 1.0);
        let times: Vec<_> = meter
            .times()
            .map(|took| took.map(|took| took.as_secs()))
            .collect();
        assert_eq!(times, [Some(3), Some(7)]);
    }

    #[test]
    fn history_beats_size_and_grows_with_it() {
        let last = |name: &str, dump_ms| Table {
            id: None,
            schema: "public".into(),
            name: name.into(),
            rows: None,
            bytes: 1_000_000,
            dump_ms: Some(dump_ms),
        };
        let history = [last("texts", 9000), last("numbers", 1000)];
        let weights = weights(
            &[table(1, "texts", 1_000_000), table(2, "numbers", 2_000_000)],
            &history,
        );
        let share = weights[0] / (weights[0] + weights[1]);
        assert!((share - 9.0 / 11.0).abs() < 0.01, "{share}");
    }

    #[test]
    fn a_table_that_is_not_known_is_shown_and_weighs_nothing() {
        let now = Instant::now();
        let mut meter = Meter::new(&[table(1, "known", 1000)], None);
        assert!(meter.line(&begins("unknown"), now));
        assert_eq!((meter.current(), meter.fraction()), (Some("public.unknown"), 0.0));
        assert!(meter.line("pg_dump: saving large objects", now));
        assert_eq!(meter.current(), Some("large objects"));
    }
}
