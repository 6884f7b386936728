//! The files against what the database knows: where each migration stands, and why nothing can be applied, if so.
//!
//! The whole set is judged before anything runs: sqlx' own Migrator finds an edited file only when it comes to it, and
//! applies out-of-order files silently.

use std::collections::{BTreeSet, HashMap};

use contract::{Code, Fault, migration::MigrationState};

use super::{
    catalog::{AppliedRow, LedgerRow},
    source::{self, File},
};

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
    /// Whether a run would apply it.
    pub fn is_due(&self) -> bool {
        match self.state {
            MigrationState::Pending => true,
            MigrationState::Unfinished => self.file.as_ref().is_some_and(File::can_be_repeated),
            _ => false,
        }
    }

    fn title(&self) -> String {
        source::title(self.version, &self.description)
    }
}

/// Every migration of a database.
#[derive(Clone, Debug)]
pub(crate) struct Set {
    /// By version.
    pub standings: Vec<Standing>,
    /// Why nothing can be applied.
    pub problem: Option<Fault>,
}

impl Set {
    /// What a run up to and with a version would apply, in order.
    pub fn due(&self, up_to: Option<i64>) -> impl Iterator<Item = &Standing> {
        self.standings
            .iter()
            .filter(move |standing| standing.is_due() && up_to.is_none_or(|last| standing.version <= last))
    }
}

/// Puts files and rows side by side. `table` is sqlx' table, for the remedies.
pub(crate) fn compare(files: Vec<File>, rows: Vec<AppliedRow>, ledger: Vec<LedgerRow>, table: &str) -> Set {
    let newest = rows.iter().filter(|row| row.success).map(|row| row.version).max();
    let mut rows: HashMap<i64, AppliedRow> = rows.into_iter().map(|row| (row.version, row)).collect();
    let ledger: HashMap<i64, LedgerRow> = ledger.into_iter().map(|row| (row.version, row)).collect();
    let twice = twice(&files);
    let mut standings = Vec::new();
    for file in files {
        // Of two files with one version, the row belongs to the one that was applied.
        let row = match rows.get(&file.version) {
            Some(row) if twice.contains(&file.version) && row.checksum != file.checksum => None,
            _ => rows.remove(&file.version),
        };
        let state = match &row {
            Some(row) if !row.success => MigrationState::Unfinished,
            Some(row) if row.checksum == file.checksum => MigrationState::Applied,
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
    standings.extend(rows.into_values().map(|row| Standing {
        version: row.version,
        description: row.description.clone(),
        state: if row.success {
            MigrationState::Missing
        } else {
            MigrationState::Unfinished
        },
        file: None,
        row: Some(row),
        ledger: None,
    }));
    standings.sort_by_key(|standing| standing.version);
    for standing in &mut standings {
        standing.ledger = standing.row.as_ref().and_then(|row| {
            let entry = ledger.get(&row.version)?;
            // Applied again by another tool since: then our entry is about the time before.
            let ours = entry
                .finished_at
                .is_none_or(|finished| finished >= row.installed_on);
            ours.then(|| entry.clone())
        });
    }
    let problem = problem(&standings, &twice, newest, table);
    Set { standings, problem }
}

fn twice(files: &[File]) -> BTreeSet<i64> {
    let mut seen = BTreeSet::new();
    files
        .iter()
        .map(|file| file.version)
        .filter(|version| !seen.insert(*version))
        .collect()
}

/// What is wrong, each part with its remedy; remedies that repeat are said once.
struct Findings {
    what: Vec<String>,
    remedies: Vec<String>,
}

impl Findings {
    fn add(&mut self, what: String, remedy: String) {
        self.what.push(what);
        if !self.remedies.contains(&remedy) {
            self.remedies.push(remedy);
        }
    }
}

fn problem(standings: &[Standing], twice: &BTreeSet<i64>, newest: Option<i64>, table: &str) -> Option<Fault> {
    let mut found = Findings {
        what: Vec::new(),
        remedies: Vec::new(),
    };
    for version in twice {
        let files = standings.iter().filter(|standing| standing.version == *version);
        let names: Vec<String> = files
            .filter_map(|standing| standing.file.as_ref())
            .map(|file| file.name.clone().unwrap_or_else(|| file.title()))
            .collect();
        found.add(
            format!(
                "version {version} is in {} files: {}",
                names.len(),
                names.join(" and ")
            ),
            "Give each file a version of its own.".into(),
        );
    }
    for standing in standings {
        judge(standing, twice, newest, table, &mut found);
    }
    let shown = 10;
    let more = found.what.len().saturating_sub(shown);
    found.what.truncate(shown);
    if more > 0 {
        found.what.push(format!("and {more} more"));
    }
    (!found.what.is_empty()).then(|| {
        Fault::new(
            Code::Conflict,
            format!("Nothing can be applied: {}.", found.what.join("; ")),
        )
        .hint(found.remedies.join(" "))
    })
}

fn judge(standing: &Standing, twice: &BTreeSet<i64>, newest: Option<i64>, table: &str, found: &mut Findings) {
    let title = standing.title();
    match standing.state {
        MigrationState::Applied => {}
        MigrationState::Pending => {
            let Some(file) = standing.file.as_ref().filter(|file| file.transactional) else { return };
            let control = file.statements.iter().find_map(|statement| {
                statement.transaction_control().map(|word| (word, statement.line))
            });
            if let Some((word, line)) = control {
                found.add(
                    format!("migration {title} has a transaction of its own (`{word}`, line {line})"),
                    "Take begin and commit out of it, since the file runs in one transaction anyway, or make its first \
                     line `-- no-transaction`."
                        .into(),
                );
            }
        }
        MigrationState::Edited => found.add(
            format!("migration {title} was edited after it was applied"),
            "Give an edited file back the text that was applied, and put the change into a new migration.".into(),
        ),
        MigrationState::Missing => found.add(
            format!("migration {title} was applied, but its file is missing"),
            format!(
                "Put a missing file back; if it was withdrawn for good, remove its row: delete from {table} where \
                 version = {}.",
                standing.version
            ),
        ),
        MigrationState::OutOfOrder => {
            // The second of two files with one version has been named already.
            if !twice.contains(&standing.version) {
                found.add(
                    format!("migration {title} is older than the newest applied one and was never applied"),
                    format!("Give a late file a version above {}.", newest.unwrap_or_default()),
                );
            }
        }
        MigrationState::Unfinished if standing.is_due() => {}
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
    use super::{super::statements, *};

    fn file(version: i64, description: &str, sql: &str) -> File {
        File {
            version,
            description: description.into(),
            name: Some(format!("{version}_{description}.sql")),
            sql: sql.into(),
            checksum: sql.as_bytes().to_vec(),
            transactional: !sql.starts_with("-- no-transaction"),
            statements: statements::split(sql),
        }
    }

    fn row(version: i64, sql: &str, success: bool) -> AppliedRow {
        AppliedRow {
            version,
            description: "x".into(),
            installed_on: chrono::Utc::now(),
            success,
            checksum: sql.as_bytes().to_vec(),
            execution_time: 1,
        }
    }

    fn states(set: &Set) -> Vec<MigrationState> {
        set.standings.iter().map(|standing| standing.state).collect()
    }

    #[test]
    fn every_kind_of_disorder_is_named_with_its_remedy() {
        let files = vec![
            file(1, "a", "select 1"),
            file(2, "b", "select 2"),
            file(4, "d", "select 4"),
            file(7, "g", "select 7"),
            file(7, "h", "select 70"),
            file(8, "i", "begin; select 8; commit"),
        ];
        let rows = vec![
            row(1, "select 1", true),
            row(2, "other", true),
            row(3, "gone", true),
            row(5, "half", false),
        ];
        let rows = [rows, vec![row(6, "select 6", true)]].concat();
        let set = compare(files, rows, Vec::new(), "_sqlx_migrations");
        use MigrationState::{Applied, Edited, Missing, OutOfOrder, Pending, Unfinished};
        assert_eq!(
            states(&set),
            [
                Applied, Edited, Missing, OutOfOrder, Unfinished, Missing, Pending, Pending, Pending
            ]
        );
        let problem = set.problem.unwrap();
        insta::assert_snapshot!(problem.message, @"Nothing can be applied: version 7 is in 2 files: 7_g.sql and 7_h.sql; migration 2 (b) was edited after it was applied; migration 3 (x) was applied, but its file is missing; migration 4 (d) is older than the newest applied one and was never applied; migration 5 (x) was begun and not ended (by another tool); migration 6 (x) was applied, but its file is missing; migration 8 (i) has a transaction of its own (`begin`, line 1).");
        insta::assert_snapshot!(problem.hint.unwrap(), @"Give each file a version of its own. Give an edited file back the text that was applied, and put the change into a new migration. Put a missing file back; if it was withdrawn for good, remove its row: delete from _sqlx_migrations where version = 3. Give a late file a version above 6. Look at what it has changed. When you have done the rest by hand: update _sqlx_migrations set success = true where version = 5. When you have undone it: delete from _sqlx_migrations where version = 5. Put a missing file back; if it was withdrawn for good, remove its row: delete from _sqlx_migrations where version = 6. Take begin and commit out of it, since the file runs in one transaction anyway, or make its first line `-- no-transaction`.");
    }

    #[test]
    fn indexes_that_were_broken_off_are_simply_repeated() {
        let sql = "-- no-transaction\ncreate index concurrently if not exists i on t (a)";
        let set = compare(vec![file(1, "a", sql)], vec![row(1, sql, false)], Vec::new(), "t");
        assert!(set.problem.is_none());
        assert_eq!(set.due(None).count(), 1);
    }

    #[test]
    fn of_two_files_with_one_version_the_applied_one_has_the_row() {
        let files = vec![file(1, "a", "select 1"), file(1, "b", "select 2")];
        let set = compare(files, vec![row(1, "select 2", true)], Vec::new(), "t");
        assert_eq!(
            states(&set),
            [MigrationState::OutOfOrder, MigrationState::Applied]
        );
        assert!(set.problem.unwrap().message.contains("1_a.sql and 1_b.sql"));
    }
}
