//! How far a restore is, of all that it has to do.

use std::collections::HashMap;

use contract::jobs::Progress;
use sqlx::{PgPool, types::Json};

use super::super::{manifest::Table, toc::Entry};

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

/// What part of the whole time each part of the job takes.
pub(super) struct Shares(Vec<f64>);

impl Shares {
    /// As it was with the last restore of the same database to the same server, else as `usual` says. `within` are parts that run
    /// inside of others, and count with those.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn of(
        pool: &PgPool,
        database: i64,
        usual: &[f64],
        within: usize,
    ) -> Result<Self, sqlx::Error> {
        let last = sqlx::query_scalar!(
            r#"select progress as "progress: Json<Progress>"
                 from jobs
                where kind = 'restore'
                  and database_id = $1
                  and state = 'succeeded'
                order by finished_at desc
                limit 1"#,
            database,
        )
        .fetch_optional(pool)
        .await?;
        let mut took: Vec<f64> = last
            .into_iter()
            .flat_map(|progress| progress.0.steps)
            .map(|step| step.duration_ms.unwrap_or_default().max(0) as f64)
            .collect();
        if took.len() != usual.len() || took.iter().sum::<f64>() <= 0.0 {
            took = usual.to_vec();
        }
        took[within] = 0.0;
        let all: f64 = took.iter().sum();
        Ok(Self(took.into_iter().map(|part| part / all).collect()))
    }

    /// How far the job is, when so much of a part is done.
    pub(super) fn at(&self, part: usize, share: f64) -> f64 {
        self.0[..part].iter().sum::<f64>() + self.0[part] * share
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
        let shares = Shares(vec![0.25, 0.5, 0.0, 0.25]);
        assert_eq!(
            (shares.at(0, 0.0), shares.at(1, 0.5), shares.at(3, 1.0)),
            (0.0, 0.5, 1.0)
        );
    }
}
