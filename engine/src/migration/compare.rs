//! The files against what the database knows: where each migration stands, and why nothing can be applied, if so.
//!
//! The whole set is judged before anything runs: sqlx' own Migrator finds an edited file only when it comes to it, and
//! applies out-of-order files silently.

use std::collections::{BTreeSet, HashMap};

use contract::{Code, Fault, migration::MigrationState};

use super::{
    catalog::{AppliedRow, LedgerRow},
    source::{self, File, Files, OddFile},
};

/// How far a run goes, and what of the usual order is given up by choice.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Allow {
    /// The last version to apply; `None` applies all.
    pub up_to: Option<i64>,
    /// Apply late files too.
    pub late: bool,
    /// Leave alone what was applied and has no file.
    pub missing: bool,
}

const EVERYTHING: Allow = Allow {
    up_to: None,
    late: true,
    missing: true,
};

impl Allow {
    fn reaches(self, version: i64) -> bool {
        self.up_to.is_none_or(|last| version <= last)
    }
}

/// Where it is written down, and whether somebody writes there now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ledger<'a> {
    /// sqlx' table, for the remedies.
    pub table: &'a str,
    /// Whether somebody is applying migrations.
    pub at_work: bool,
}

/// One migration.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// Its version.
    pub version: i64,
    /// Its description.
    pub description: String,
    /// Where it stands.
    pub state: MigrationState,
    /// Its file.
    pub file: Option<File>,
    /// What sqlx' table says.
    pub row: Option<AppliedRow>,
    /// What our ledger says.
    pub ledger: Option<LedgerRow>,
}

impl Standing {
    fn is_due(&self, allow: Allow) -> bool {
        match self.state {
            MigrationState::Pending => true,
            MigrationState::OutOfOrder => allow.late,
            MigrationState::Unfinished => self.can_be_repeated(),
            _ => false,
        }
    }

    /// Whether it was begun and is simply begun again.
    pub fn can_be_repeated(&self) -> bool {
        self.file.as_ref().is_some_and(File::can_be_repeated)
    }

    /// As `3 (description)`.
    pub fn title(&self) -> String {
        source::title(self.version, &self.description)
    }
}

/// Every migration of a database.
#[derive(Clone, Debug, Default)]
pub(crate) struct Set {
    /// By version.
    pub standings: Vec<Standing>,
    /// Why nothing can be applied.
    pub problem: Option<Fault>,
    /// Why nothing could be applied even with everything allowed.
    pub in_any_case: Option<Fault>,
    allow: Allow,
}

impl Set {
    /// What a run would apply, in order.
    pub fn due(&self) -> impl Iterator<Item = &Standing> {
        self.due_with(self.allow)
    }

    /// Whether a run could apply something if everything that can be allowed were.
    pub fn can_be_chosen(&self) -> bool {
        self.in_any_case.is_none() && self.due_with(EVERYTHING).next().is_some()
    }

    /// How many are in a state.
    pub fn count(&self, state: MigrationState) -> i64 {
        self.standings
            .iter()
            .filter(|standing| standing.state == state)
            .count() as i64
    }

    fn due_with(&self, allow: Allow) -> impl Iterator<Item = &Standing> {
        self.standings
            .iter()
            .filter(move |standing| standing.is_due(allow) && allow.reaches(standing.version))
    }
}

/// Puts files and rows side by side.
pub(crate) fn compare(
    Files { files, odd }: Files,
    rows: Vec<AppliedRow>,
    entries: Vec<LedgerRow>,
    ledger: Ledger<'_>,
    allow: Allow,
) -> Set {
    let known: BTreeSet<i64> = files
        .iter()
        .map(|file| file.version)
        .chain(odd.iter().filter_map(|odd| Some(odd.title.as_ref()?.0)))
        .collect();
    // Another program's versions say nothing of the order of ours.
    let counts = |row: &&AppliedRow| row.success && (!allow.missing || known.contains(&row.version));
    let newest = rows.iter().filter(counts).map(|row| row.version).max();
    let mut rows: HashMap<i64, AppliedRow> = rows.into_iter().map(|row| (row.version, row)).collect();
    let entries: HashMap<i64, LedgerRow> = entries.into_iter().map(|row| (row.version, row)).collect();
    let twice = twice(&files);
    let unfinished = if ledger.at_work {
        MigrationState::Running
    } else {
        MigrationState::Unfinished
    };
    let mut standings = Vec::new();
    for file in files {
        // Of two files with one version, the row belongs to the one that was applied.
        let row = match rows.get(&file.version) {
            Some(row) if twice.contains(&file.version) && !file.has(&row.checksum) => None,
            _ => rows.remove(&file.version),
        };
        let state = match &row {
            Some(row) if !row.success => unfinished,
            Some(row) if file.has(&row.checksum) => MigrationState::Applied,
            Some(_) => MigrationState::Edited,
            None if newest.is_some_and(|newest| file.version <= newest) => MigrationState::OutOfOrder,
            None => MigrationState::Pending,
        };
        standings.push(Standing {
            version: file.version,
            description: file.description.clone(),
            state,
            file: Some(file),
            row,
            ledger: None,
        });
    }
    for (version, description) in odd.iter().filter_map(|odd| odd.title.clone()) {
        standings.push(Standing {
            version,
            description,
            state: MigrationState::Unreadable,
            file: None,
            row: rows.remove(&version),
            ledger: None,
        });
    }
    standings.extend(rows.into_values().map(|row| Standing {
        version: row.version,
        description: row.description.clone(),
        state: if row.success {
            MigrationState::Missing
        } else {
            unfinished
        },
        file: None,
        row: Some(row),
        ledger: None,
    }));
    standings.sort_by_key(|standing| standing.version);
    for standing in &mut standings {
        standing.ledger = standing.row.as_ref().and_then(|row| {
            let entry = entries.get(&row.version)?;
            // Applied again by another tool since: then our entry is about the time before.
            let ours = entry
                .finished_at
                .is_none_or(|finished| finished >= row.installed_on);
            ours.then(|| entry.clone())
        });
    }
    let found = findings(&standings, &odd, &twice, newest, ledger);
    Set {
        problem: found.problem(allow),
        in_any_case: found.problem(EVERYTHING),
        standings,
        allow,
    }
}

fn twice(files: &[File]) -> BTreeSet<i64> {
    let mut seen = BTreeSet::new();
    files
        .iter()
        .map(|file| file.version)
        .filter(|version| !seen.insert(*version))
        .collect()
}

/// What is wrong, each part with its remedy.
#[derive(Default)]
struct Findings(Vec<Finding>);

struct Finding {
    what: String,
    remedy: String,
    choice: Option<Choice>,
}

/// By what a finding can be passed by.
#[derive(Clone, Copy)]
enum Choice {
    Late,
    Missing,
    /// By ending below this version.
    Below(i64),
}

impl Findings {
    fn add(&mut self, what: String, remedy: impl Into<String>) {
        self.0.push(Finding {
            what,
            remedy: remedy.into(),
            choice: None,
        });
    }

    fn add_choice(&mut self, choice: Choice, what: String, remedy: impl Into<String>) {
        self.add(what, remedy);
        if let Some(last) = self.0.last_mut() {
            last.choice = Some(choice);
        }
    }

    /// What is not allowed, in one fault; remedies that repeat are said once.
    fn problem(&self, allow: Allow) -> Option<Fault> {
        const SHOWN: usize = 10;
        let left: Vec<&Finding> = self
            .0
            .iter()
            .filter(|finding| match finding.choice {
                None => true,
                Some(Choice::Late) => !allow.late,
                Some(Choice::Missing) => !allow.missing,
                Some(Choice::Below(version)) => allow.reaches(version),
            })
            .collect();
        let mut what: Vec<String> = left
            .iter()
            .take(SHOWN)
            .map(|finding| finding.what.clone())
            .collect();
        if left.len() > SHOWN {
            what.push(format!("and {} more", left.len() - SHOWN));
        }
        let mut remedies: Vec<&str> = Vec::new();
        for finding in left.iter().take(SHOWN) {
            if !remedies.contains(&finding.remedy.as_str()) {
                remedies.push(&finding.remedy);
            }
        }
        (!what.is_empty()).then(|| {
            Fault::new(
                Code::Conflict,
                format!("Nothing can be applied: {}.", what.join("; ")),
            )
            .hint(remedies.join(" "))
        })
    }
}

fn findings(
    standings: &[Standing],
    odd: &[OddFile],
    twice: &BTreeSet<i64>,
    newest: Option<i64>,
    ledger: Ledger<'_>,
) -> Findings {
    let mut found = Findings::default();
    for version in twice {
        let names: Vec<&str> = standings
            .iter()
            .filter(|standing| standing.version == *version)
            .filter_map(|standing| Some(standing.file.as_ref()?.name.as_str()))
            .collect();
        found.add(
            format!(
                "version {version} is in {} files: {}",
                names.len(),
                names.join(" and ")
            ),
            "Give each file a version of its own.",
        );
    }
    for odd in odd {
        found.add(format!("{} {}", odd.name, odd.what), odd.remedy);
    }
    for standing in standings {
        judge(standing, twice, newest, ledger, &mut found);
    }
    found
}

fn judge(
    standing: &Standing,
    twice: &BTreeSet<i64>,
    newest: Option<i64>,
    ledger: Ledger<'_>,
    found: &mut Findings,
) {
    let title = standing.title();
    let table = ledger.table;
    match standing.state {
        // Those that cannot be read have been named already.
        MigrationState::Applied | MigrationState::Running | MigrationState::Unreadable => {}
        MigrationState::Pending => obstacles(standing, ledger, found),
        MigrationState::Edited => found.add(
            format!("migration {title} was edited after it was applied{}", other_name(standing)),
            "Give an edited file back the text that was applied (the Migrations page shows it where it is known), and put the \
             change into a new migration.",
        ),
        MigrationState::Missing => found.add_choice(
            Choice::Missing,
            format!("migration {title} was applied, but its file is missing"),
            "Put a missing file back. Where another program keeps its migrations in the same table, leave them alone by \
             choice (--ignore-missing), or give each program a table in a schema of its own (search_path in its URL).",
        ),
        MigrationState::OutOfOrder => {
            obstacles(standing, ledger, found);
            // The second of two files with one version has been named already.
            if !twice.contains(&standing.version) {
                found.add_choice(
                    Choice::Late,
                    format!("migration {title} is older than the newest applied one and was never applied"),
                    format!(
                        "Where late files come from a merge, apply them by choice (--allow-late). Where one is new, give \
                         it a version above {}.",
                        newest.unwrap_or_default()
                    ),
                );
            }
        }
        MigrationState::Unfinished if standing.can_be_repeated() => {}
        MigrationState::Unfinished => found.add(
            format!("migration {title} was begun and not ended{}", broken_off_at(standing)),
            format!(
                "Look at what it has changed. When you have done the rest by hand: update {table} set success = true \
                 where version = {0}. When you have undone it: delete from {table} where version = {0}.",
                standing.version
            ),
        ),
    }
}

/// Two programs that share the table may have used one version each.
fn other_name(standing: &Standing) -> String {
    match &standing.row {
        Some(row) if row.description != standing.description => format!(
            " (what was applied is called \"{}\"; it may be another program's)",
            row.description
        ),
        _ => String::new(),
    }
}

/// What keeps a file that is to come from running, and how it can be passed by without touching its text.
fn obstacles(standing: &Standing, ledger: Ledger<'_>, found: &mut Findings) {
    let Some(file) = &standing.file else { return };
    let choice = Choice::Below(file.version);
    let by_hand = format!(
        "Where other databases have this text already, it must stay: apply what is before it (--to), run {} with psql, \
         then write it down: insert into {} (version, description, success, checksum, execution_time) values ({}, '{}', \
         true, '\\x{}', 0).",
        file.name,
        ledger.table,
        file.version,
        file.description.replace('\'', "''"),
        hex::encode(&file.checksum)
    );
    let obstacles = file.obstacles();
    let last = obstacles.len().saturating_sub(1);
    for (index, obstacle) in obstacles.into_iter().enumerate() {
        let what = format!("{}, line {}: {}", file.name, obstacle.line, obstacle.what);
        if index == last {
            found.add_choice(choice, what, format!("{} {by_hand}", obstacle.remedy));
        } else {
            found.add_choice(choice, what, obstacle.remedy);
        }
    }
}

/// Which statement ended a file without transaction, as far as the ledger knows.
fn broken_off_at(standing: &Standing) -> String {
    let (Some(file), Some(ledger)) = (&standing.file, &standing.ledger) else {
        return " (by another tool)".to_owned();
    };
    let done = usize::try_from(ledger.statements_done).unwrap_or(0);
    let Some(statement) = file.statements.get(done) else {
        return String::new();
    };
    let words = ledger
        .failed_with
        .as_deref()
        .unwrap_or("the connection or the console broke while it ran");
    let text: String = statement.text.chars().take(80).collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    format!(
        ": of its {} statements the first {done} are done, and number {} (line {}, `{text}`) did not end well: {words}",
        file.statements.len(),
        done + 1,
        statement.line
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn file(version: i64, description: &str, sql: &str) -> File {
        File::new(
            version,
            description.into(),
            format!("{version}_{description}.sql"),
            sql,
        )
    }

    fn row(version: i64, sql: &str, success: bool) -> AppliedRow {
        AppliedRow {
            version,
            description: "x".into(),
            installed_on: chrono::Utc::now(),
            success,
            checksum: source::checksum(sql),
            execution_time: 1,
        }
    }

    fn compare(files: Vec<File>, rows: Vec<AppliedRow>, allow: Allow) -> Set {
        compare_with(
            Files {
                files,
                odd: Vec::new(),
            },
            rows,
            allow,
            false,
        )
    }

    fn compare_with(files: Files, rows: Vec<AppliedRow>, allow: Allow, at_work: bool) -> Set {
        let ledger = Ledger {
            table: "_sqlx_migrations",
            at_work,
        };
        super::compare(files, rows, Vec::new(), ledger, allow)
    }

    const NOTHING: Allow = Allow {
        up_to: None,
        late: false,
        missing: false,
    };
    const LATE: Allow = Allow {
        late: true,
        ..NOTHING
    };
    const MISSING: Allow = Allow {
        missing: true,
        ..NOTHING
    };

    fn states(set: &Set) -> Vec<MigrationState> {
        set.standings.iter().map(|standing| standing.state).collect()
    }

    fn due(set: &Set) -> Vec<i64> {
        set.due().map(|standing| standing.version).collect()
    }

    #[test]
    fn every_kind_of_disorder_is_named_with_its_remedy() {
        let files = vec![
            file(1, "a", "select 1"),
            file(2, "b", "select 2"),
            file(4, "d", "select 4"),
            file(7, "g", "select 7"),
            file(7, "h", "select 70"),
            file(8, "i", "select 8; commit"),
        ];
        let odd = OddFile {
            name: "9_j.sql".into(),
            title: Some((9, "j".into())),
            what: "is UTF-16 text".into(),
            remedy: "Save it as UTF-8.",
        };
        let rows = vec![
            row(1, "select 1", true),
            row(2, "other", true),
            row(3, "gone", true),
            row(5, "half", false),
            row(6, "select 6", true),
        ];
        let files = Files {
            files,
            odd: vec![odd],
        };
        let set = compare_with(files, rows, NOTHING, false);
        use MigrationState::{Applied, Edited, Missing, OutOfOrder, Pending, Unfinished, Unreadable};
        assert_eq!(
            states(&set),
            [
                Applied, Edited, Missing, OutOfOrder, Unfinished, Missing, Pending, Pending, Pending,
                Unreadable
            ]
        );
        let problem = set.problem.unwrap();
        insta::assert_snapshot!(problem.message, @r#"Nothing can be applied: version 7 is in 2 files: 7_g.sql and 7_h.sql; 9_j.sql is UTF-16 text; migration 2 (b) was edited after it was applied (what was applied is called "x"; it may be another program's); migration 3 (x) was applied, but its file is missing; migration 4 (d) is older than the newest applied one and was never applied; migration 5 (x) was begun and not ended (by another tool); migration 6 (x) was applied, but its file is missing; 8_i.sql, line 1: `commit` does not go with the one transaction in which the file runs."#);
        let hint = problem.hint.unwrap();
        for words in [
            "Give each file a version of its own.",
            "Save it as UTF-8.",
            "Give an edited file back the text that was applied",
            "Put a missing file back.",
            "give it a version above 6.",
            "update _sqlx_migrations set success = true where version = 5.",
            "let one pair span the whole file",
        ] {
            assert_eq!(hint.matches(words).count(), 1, "{words}: {hint}");
        }
    }

    #[test]
    fn a_file_that_cannot_run_stops_only_what_reaches_it() {
        let files = || {
            vec![
                file(1, "a", "select 1"),
                file(2, "b", "select 1;\ncopy t from stdin;"),
            ]
        };
        let problem = compare(files(), Vec::new(), NOTHING).problem.unwrap();
        assert!(
            problem.message.contains("2_b.sql, line 2: `copy … from stdin`"),
            "{problem:?}"
        );
        let hint = problem.hint.unwrap();
        assert!(
            hint.contains("insert into … values …") && hint.contains("values (2, 'b', true, '\\x"),
            "{hint}"
        );
        let up_to_one = Allow {
            up_to: Some(1),
            ..NOTHING
        };
        let set = compare(files(), Vec::new(), up_to_one);
        assert_eq!((set.problem.is_none(), due(&set)), (true, vec![1]));
        // What is applied is not judged.
        let rows = vec![row(2, "select 1;\ncopy t from stdin;", true)];
        assert_eq!(compare(vec![files().remove(1)], rows, NOTHING).problem, None);
    }

    #[test]
    fn late_files_are_applied_by_choice() {
        let files = || {
            vec![
                file(1, "a", "select 1"),
                file(2, "b", "select 2"),
                file(3, "c", "select 3"),
            ]
        };
        let rows = || vec![row(2, "select 2", true)];
        let set = compare(files(), rows(), NOTHING);
        assert!(
            set.problem
                .as_ref()
                .unwrap()
                .hint
                .as_ref()
                .unwrap()
                .contains("--allow-late")
        );
        assert!(set.can_be_chosen());
        assert_eq!(due(&set), [3]);
        let set = compare(files(), rows(), LATE);
        assert_eq!(set.problem, None);
        assert_eq!(due(&set), [1, 3]);
    }

    #[test]
    fn the_rows_of_another_program_are_left_alone_by_choice_and_never_advised_away() {
        let files = || vec![file(1, "a", "select 1"), file(2, "b", "select 2")];
        let rows = || vec![row(1, "select 1", true), row(20260101, "theirs", true)];
        let set = compare(files(), rows(), NOTHING);
        let problem = set.problem.unwrap();
        let hint = problem.hint.unwrap();
        assert!(
            !hint.contains("delete") && hint.contains("--ignore-missing"),
            "{hint}"
        );
        let set = compare(files(), rows(), MISSING);
        assert_eq!(set.problem, None);
        assert_eq!(due(&set), [2], "their versions make ours no late ones");
        use MigrationState::{Applied, Missing, Pending};
        assert_eq!(states(&set), [Applied, Pending, Missing]);
        // One version of both programs.
        let set = compare(files(), vec![row(1, "theirs", true)], MISSING);
        let problem = set.problem.unwrap();
        assert!(
            problem.message.contains("may be another program's"),
            "{problem:?}"
        );
        assert!(!set.standings.is_empty() && set.in_any_case.is_some());
    }

    #[test]
    fn what_changed_its_line_ends_is_no_edit() {
        let set = compare(
            vec![file(1, "a", "\u{feff}select 1;\r\n"), file(2, "b", "select 2;\r")],
            vec![row(1, "select 1;\n", true), row(2, "select 2;\r\n", true)],
            NOTHING,
        );
        assert_eq!(states(&set), [MigrationState::Applied; 2]);
        assert_eq!(set.problem, None);
    }

    #[test]
    fn what_somebody_is_at_work_on_is_not_unfinished() {
        let sql = "-- no-transaction\nselect 1";
        let files = || Files {
            files: vec![file(1, "a", sql)],
            odd: Vec::new(),
        };
        let rows = || vec![row(1, sql, false)];
        let set = compare_with(files(), rows(), NOTHING, true);
        assert_eq!(states(&set), [MigrationState::Running]);
        assert_eq!(set.problem, None);
        let set = compare_with(files(), rows(), NOTHING, false);
        assert_eq!(states(&set), [MigrationState::Unfinished]);
        assert!(set.problem.is_some());
    }

    #[test]
    fn indexes_that_were_broken_off_are_simply_repeated() {
        let sql = "-- no-transaction\ncreate index concurrently if not exists i on t (a)";
        let set = compare(vec![file(1, "a", sql)], vec![row(1, sql, false)], NOTHING);
        assert!(set.problem.is_none());
        assert_eq!(set.due().count(), 1);
    }

    #[test]
    fn of_two_files_with_one_version_the_applied_one_has_the_row() {
        let files = vec![file(1, "a", "select 1"), file(1, "b", "select 2")];
        let set = compare(files, vec![row(1, "select 2", true)], LATE);
        assert_eq!(
            states(&set),
            [MigrationState::OutOfOrder, MigrationState::Applied]
        );
        assert!(set.problem.unwrap().message.contains("1_a.sql and 1_b.sql"));
    }
}
