//! What was measured, as a table of budgets and the notes that it needs.

mod merge;

use contract::format;
use sqlx::{ConnectOptions, postgres::PgConnectOptions};

use crate::{Result, machine::Machine};

/// What stands between these two lines is written by hand, and stays.
const BY_HAND: [&str; 2] = ["<!-- by hand: begin -->", "<!-- by hand: end -->"];

/// A budget and what came of it.
#[derive(Clone, Debug)]
pub struct Row {
    what: String,
    bar: String,
    measured: String,
    verdict: Verdict,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Met,
    Missed(String),
    NotMeasured(String),
}

impl Row {
    /// A budget; `why` is what the run itself shows of the reason, asked for when the budget is missed.
    pub fn new(
        what: impl Into<String>,
        bar: impl Into<String>,
        measured: impl Into<String>,
        met: bool,
        why: impl FnOnce() -> String,
    ) -> Self {
        let verdict = if met { Verdict::Met } else { Verdict::Missed(why()) };
        Self {
            what: what.into(),
            bar: bar.into(),
            measured: measured.into(),
            verdict,
        }
    }

    fn line(&self) -> String {
        let verdict = match &self.verdict {
            Verdict::Met => "met".to_owned(),
            Verdict::Missed(why) => format!("**missed**: {why}"),
            Verdict::NotMeasured(why) => format!("**not measured**: {}", why.replace(['\n', '|'], " ")),
        };
        format!("| {} | {} | {} | {verdict} |", self.what, self.bar, self.measured)
    }
}

/// One part of the report.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// Its budgets.
    pub rows: Vec<Row>,
    /// What a reader must know of how they were measured, a sentence or two each.
    pub notes: Vec<String>,
    /// Numbers without a budget: a heading, and Markdown.
    pub detail: Option<(String, String)>,
}

/// All that is to be told.
pub struct Report {
    machine: Machine,
    quick: bool,
    server: Option<String>,
    sections: Vec<Section>,
    whole: bool,
}

impl Report {
    /// Nothing yet.
    pub fn new(machine: Machine, quick: bool) -> Self {
        Self {
            machine,
            quick,
            server: None,
            sections: Vec::new(),
            whole: true,
        }
    }

    /// Adds a part; one that failed is told as such, and the others go on.
    pub fn add(&mut self, name: &str, section: Result<Section>) {
        let section = section.unwrap_or_else(|why| {
            eprintln!("  {name} could not be measured: {why}");
            self.whole = false;
            let row = Row {
                what: name.to_owned(),
                bar: String::new(),
                measured: String::new(),
                verdict: Verdict::NotMeasured(why),
            };
            Section {
                rows: vec![row],
                ..Section::default()
            }
        });
        for row in &section.rows {
            eprintln!("{}", row.line());
        }
        self.sections.push(section);
    }

    /// Asks the server for its version.
    pub async fn add_server(&mut self, server: &PgConnectOptions) {
        let asked = async {
            let mut connection = server.connect().await?;
            sqlx::query_scalar::<_, String>("show server_version")
                .fetch_one(&mut connection)
                .await
        };
        self.server = asked.await.ok();
    }

    /// Whether every part was measured.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// The budgets as a table.
    pub fn table(&self) -> String {
        let rows: String = self
            .sections
            .iter()
            .flat_map(|it| &it.rows)
            .map(|row| row.line() + "\n")
            .collect();
        format!("| what | bar | measured | verdict |\n|---|---|---|---|\n{rows}")
    }

    /// The old document with nothing changed but what one part says, and of which run that is. Without an old one, the whole
    /// document.
    pub fn document_with(&self, part: &str, old: &str) -> String {
        let Machine {
            date, commit, load, ..
        } = &self.machine;
        let sections = || self.sections.iter();
        let mut notes: Vec<String> = sections()
            .flat_map(|it| &it.notes)
            .map(|note| format!("- {note}"))
            .collect();
        notes.push(format!(
            "- {}{}: measured by itself on {date} at commit {commit}; load average before it {load}.",
            part[..1].to_uppercase(),
            &part[1..]
        ));
        let new = merge::New {
            rows: sections().flat_map(|it| &it.rows).map(Row::line).collect(),
            notes,
            details: sections()
                .filter_map(|it| it.detail.as_ref())
                .map(|(heading, text)| format!("{heading}\n\n{text}"))
                .collect(),
        };
        merge::merge(old, part, new).unwrap_or_else(|| self.document(old))
    }

    /// The whole document; what is written by hand is taken over from the old one.
    pub fn document(&self, old: &str) -> String {
        let Machine {
            cores,
            processor,
            kernel,
            load,
            date,
            commit,
            ..
        } = &self.machine;
        let memory = format::bytes(i64::try_from(self.machine.memory).unwrap_or(i64::MAX));
        let server = self.server.as_deref().unwrap_or("unknown");
        let warning = if self.quick {
            "\n**A smoke run: everything once and short, so the numbers mean little.**\n"
        } else {
            ""
        };
        let notes: String = self
            .sections
            .iter()
            .flat_map(|it| &it.notes)
            .map(|note| format!("- {note}\n"))
            .collect();
        let details: String = self
            .sections
            .iter()
            .filter_map(|it| it.detail.as_ref())
            .map(|(heading, text)| format!("\n## {heading}\n\n{text}"))
            .collect();
        format!(
            "# Performance\n\
             \n\
             Written by `make bench`. Only the part between the two marks is written by hand, and the next run keeps it.\n\
             {warning}\n\
             {cores} cores of {processor}, {memory} of memory, Linux {kernel}, PostgreSQL {server}. Run on {date} at commit \
             {commit}; load average before it {load}.\n\
             \n\
             {}\n\
             {}\n{}\n{}\n\
             \n\
             ## How it was measured\n\
             \n\
             - Everything runs on this one machine: the console (release build), its PostgreSQL and the load generator share \
             the {cores} cores. A console with a machine of its own has more.\n\
             {notes}{details}",
            self.table(),
            BY_HAND[0],
            by_hand(old),
            BY_HAND[1],
        )
    }
}

/// The part that a person wrote.
fn by_hand(old: &str) -> &str {
    let part = old
        .split_once(BY_HAND[0])
        .and_then(|(_, rest)| rest.split_once(BY_HAND[1]));
    part.map_or("", |(part, _)| part).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(rows: Vec<Row>) -> Report {
        let machine = Machine {
            cores: 2,
            processor: "P".into(),
            memory: 1 << 30,
            kernel: "6".into(),
            load: "0".into(),
            date: "today".into(),
            commit: "c".into(),
        };
        let mut report = Report::new(machine, false);
        report.add(
            "part",
            Ok(Section {
                rows,
                ..Section::default()
            }),
        );
        report
    }

    #[test]
    fn what_a_person_wrote_survives_the_next_run() {
        let first = report(Vec::new()).document("");
        let edited = first.replace(
            BY_HAND[0],
            &format!("{}\nThe reason is known.\n\nAnd a second line.", BY_HAND[0]),
        );
        let second = report(Vec::new()).document(&edited);
        assert!(
            second.contains("-->\nThe reason is known.\n\nAnd a second line.\n<!--"),
            "{second}"
        );
        assert_eq!(report(Vec::new()).document(&second), second);
    }

    #[test]
    fn one_part_alone_leaves_the_rows_of_the_others() {
        let row = |what: &str, measured: &str| Row::new(what, "", measured, true, String::new);
        let whole = report(vec![row("pages", "2"), row("import", "5")]).document("");
        let merged = report(vec![row("import", "4")]).document_with("import", &whole);
        assert!(
            merged.contains("| pages |  | 2 | met |\n| import |  | 4 | met |\n\n"),
            "{merged}"
        );
        assert!(
            merged.contains("- Import: measured by itself on today"),
            "{merged}"
        );
    }

    #[test]
    fn a_miss_and_a_failure_are_told() {
        let missed = Row::new("a", "≤ 1", "2", false, || "too slow".into());
        let met = Row::new("b", "≤ 1", "1", true, || {
            unreachable!("nobody asks why a budget was met")
        });
        let mut report = report(vec![missed, met]);
        assert!(report.is_whole());
        report.add("c", Err("no | such\nthing".into()));
        let table = report.table();
        assert!(
            table.contains("| a | ≤ 1 | 2 | **missed**: too slow |")
                && table.contains("| b | ≤ 1 | 1 | met |")
        );
        assert!(
            table.contains("**not measured**: no   such thing |") && !report.is_whole(),
            "{table}"
        );
    }
}
