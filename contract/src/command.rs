//! What an act of a page is on the command line, so that it can be copied. Pages take every such command from here, and a test
//! of the command line reads each of them back (`server/src/cli/copied.rs`), so that none goes astray.

use std::fmt;

use uuid::Uuid;

use crate::{
    activity::SessionAct,
    backup::{BackupSpec, Compression, Proof},
    history::Range,
    import::{Destination, Mapping, NamePolicy, OnCancel, OnConflict, TextPolicy},
    migration::MigrateSpec,
    optimize::OptimizeSpec,
    query::QueriesQuery,
    restore::RestoreSpec,
    retention::RetentionSpec,
    schedule::{ScheduleSpec, VerifyWhen},
};

/// The mapping as the page of an import saves it.
pub const MAPPING_FILE: &str = "mapping.json";

/// An act of a page.
#[derive(Clone, Copy, Debug)]
pub enum Act<'a> {
    /// Applying migrations.
    Migrate(&'a MigrateSpec),
    /// Constraints, indexes and statistics; indexes alone; or statistics alone.
    Optimize(&'a OptimizeSpec),
    /// Taking a backup.
    BackUp(&'a BackupSpec),
    /// Adding an archive from elsewhere to the backups of a managed database.
    AddArchive {
        /// The managed database.
        target: &'a str,
        /// The archive's name.
        file: &'a str,
    },
    /// Proving a stored backup again.
    Verify {
        /// The managed database.
        target: &'a str,
        /// The backup.
        id: Uuid,
        /// How far.
        level: Proof,
        /// On whose server it is restored for trial, when that is said.
        on: Option<&'a str>,
    },
    /// Restoring a stored backup.
    Restore(&'a RestoreSpec),
    /// Giving another database the live one's name.
    Swap {
        /// The managed database.
        target: &'a str,
        /// The database that comes in, by its own name.
        database: &'a str,
        /// The live one, by its own name.
        live: &'a str,
    },
    /// Undoing the last swap of a managed database.
    SwapBack(&'a str),
    /// Cancelling a statement or ending a session.
    End {
        /// The managed database.
        target: &'a str,
        /// Which of the two.
        act: SessionAct,
        /// The server's process.
        pid: i32,
    },
    /// Listing what statements cost, up to now: a range that ends before that is beyond the command.
    Queries(&'a QueriesQuery),
    /// Showing what one statement costs.
    Query {
        /// The managed database.
        target: &'a str,
        /// The statement's number.
        queryid: &'a str,
    },
    /// Setting the schedule of a managed database.
    SetSchedule(&'a ScheduleSpec),
    /// Beginning no more runs.
    PauseSchedule(&'a str),
    /// Going on after a pause.
    ResumeSchedule(&'a str),
    /// Removing the schedule.
    RemoveSchedule(&'a str),
    /// Beginning a run now.
    RunSchedule(&'a str),
    /// Setting which backups are kept.
    Retain(&'a RetentionSpec),
    /// Removing the backups that no rule keeps.
    Prune(&'a str),
    /// Importing a SQLite file.
    Import {
        /// The managed database.
        target: &'a str,
        /// The file's name; its folder is for the reader to put before it.
        file: &'a str,
        /// What is decided. What no argument says is in [`MAPPING_FILE`].
        mapping: &'a Mapping,
    },
}

impl Act<'_> {
    /// The command.
    pub fn command(self) -> Command {
        match self {
            Act::Migrate(spec) => Command::new(&["migrate", "up"])
                .value("--to", spec.up_to)
                .flag("--allow-late", spec.allow_late)
                .flag("--ignore-missing", spec.ignore_missing)
                .on(&spec.target),
            Act::Optimize(spec) => match (spec.constraints, spec.indexes) {
                (true, _) => Command::new(&["optimize"]),
                (false, true) => Command::new(&["create-indexes"]),
                (false, false) => Command::new(&["analyze"]),
            }
            .on(&spec.target),
            Act::BackUp(spec) => back_up(spec),
            Act::Verify {
                target,
                id,
                level,
                on,
            } => Command::new(&["backup", "verify"])
                .name(id)
                .value("--level", (level != Proof::ReadBack).then(|| level.level()))
                .value("--on", on)
                .on(target),
            Act::Restore(spec) => restore(spec),
            Act::Swap {
                target,
                database,
                live,
            } => Command::new(&["backup", "swap"])
                .name(database)
                .value("--confirm", Some(live))
                .on(target),
            Act::AddArchive { target, file } => Command::new(&["backup", "add"]).name(file).on(target),
            Act::SwapBack(target) => Command::new(&["backup", "swap-back"]).on(target),
            Act::End { target, act, pid } => {
                let word = match act {
                    SessionAct::Cancel => "cancel",
                    SessionAct::Terminate => "terminate",
                };
                Command::new(&["activity", word]).name(pid).on(target)
            }
            Act::Queries(query) => queries(query),
            Act::Query { target, queryid } => Command::new(&["queries"]).name(queryid).on(target),
            Act::SetSchedule(spec) => set_schedule(spec),
            Act::PauseSchedule(target) => Command::new(&["schedule", "pause"]).on(target),
            Act::ResumeSchedule(target) => Command::new(&["schedule", "resume"]).on(target),
            Act::RemoveSchedule(target) => Command::new(&["schedule", "remove"]).on(target),
            Act::RunSchedule(target) => Command::new(&["schedule", "run"]).on(target),
            Act::Retain(spec) => retain(spec),
            Act::Prune(target) => Command::new(&["backup", "prune"]).on(target),
            Act::Import {
                target,
                file,
                mapping,
            } => import(file, mapping).on(target),
        }
    }

    /// The command as a line of a POSIX shell.
    pub fn line(self) -> String {
        self.command().to_string()
    }
}

fn back_up(spec: &BackupSpec) -> Command {
    let mut command = Command::new(&["backup", "create"]);
    for part in &spec.only {
        command = match part.table {
            Some(_) => command.value("--table", Some(part.argument())),
            None => command.value("--schema", Some(&part.schema)),
        };
    }
    let compression = (spec.compression != Compression::default()).then(|| spec.compression.name());
    let jobs = (spec.parallel != 1).then_some(spec.parallel);
    command
        .value("--compression", compression)
        .value("--jobs", jobs)
        .on(&spec.target)
}

fn restore(spec: &RestoreSpec) -> Command {
    let into = match spec.into_live {
        true => "--into-live",
        false => "--into",
    };
    let mut command = Command::new(&["backup", "restore"])
        .name(spec.backup)
        .value("--to", spec.to.as_ref())
        .value(into, spec.into.as_ref())
        .value("--jobs", spec.parallel)
        .value("--owner", spec.owner.as_ref());
    for part in &spec.only {
        command = command.value("--only", Some(part.argument()));
    }
    command
        .flag("--create-roles", spec.create_roles)
        .flag("--no-tablespaces", spec.no_tablespaces)
        .flag("--as-superuser", spec.as_superuser)
        .flag("--trust-archive", spec.trust)
        .on(&spec.target)
}

fn queries(query: &QueriesQuery) -> Command {
    let span = match query.range {
        Range::Last(span) => Some(span.name()),
        Range::Between(..) => None,
    };
    Command::new(&["queries"])
        .value("--by", Some(query.sort.name()))
        .value("--range", span)
        .value("--search", query.search.as_ref())
        .value("--role", query.role.as_ref())
        .value("--tag", query.tag.as_ref())
        .value("--min-mean", query.min_mean_ms)
        .on(&query.target)
}

fn set_schedule(spec: &ScheduleSpec) -> Command {
    let verifies = spec.verify != VerifyWhen::Never;
    Command::new(&["schedule", "set"])
        .value("--cron", Some(&spec.cron))
        .value("--zone", Some(&spec.zone))
        .value("--jitter", (spec.jitter_s != 0).then_some(spec.jitter_s / 60))
        .value("--verify", verifies.then(|| spec.verify.name()))
        .value("--verify-level", verifies.then(|| spec.verify_level.level()))
        .value("--alarm-hours", Some(spec.alarm_hours))
        .value("--jobs", (spec.parallel != 1).then_some(spec.parallel))
        .value(
            "--compression",
            (spec.compression != Compression::default()).then(|| spec.compression.name()),
        )
        .on(&spec.target)
}

fn retain(spec: &RetentionSpec) -> Command {
    let mut command = Command::new(&["backup", "retention"]).flag("--none", spec.keep.is_empty());
    for (name, number) in spec.keep.rules() {
        command = command.value(&format!("--{name}"), (number != 0).then_some(number));
    }
    command.value("--zone", Some(&spec.zone)).on(&spec.target)
}

fn import(file: &str, mapping: &Mapping) -> Command {
    let command = Command::new(&["import", "sqlite"]).name(file);
    if !is_said_by_arguments(mapping) {
        return command.value("--mapping", Some(MAPPING_FILE));
    }
    let usual = Mapping::default();
    let mut command = command
        .value(
            "--schema",
            (mapping.schema != usual.schema).then_some(&mapping.schema),
        )
        .flag("--existing", mapping.into == Destination::Existing)
        .value(
            "--on-conflict",
            match mapping.on_conflict {
                OnConflict::Fail => None,
                OnConflict::Skip => Some("skip"),
                OnConflict::Upsert => Some("upsert"),
            },
        )
        .value("--names", (mapping.names == NamePolicy::Lower).then_some("lower"))
        .value(
            "--text",
            match mapping.text {
                TextPolicy::Replace => None,
                TextPolicy::Remove => Some("remove"),
                TextPolicy::Bytes => Some("bytes"),
                TextPolicy::Refuse => Some("refuse"),
            },
        )
        .flag("--keep", mapping.on_cancel == OnCancel::Keep)
        .flag("--follow", mapping.follow);
    for (table, choice) in &mapping.tables {
        command = command.value("--skip", choice.skip.then_some(table));
    }
    command
}

/// Whether the arguments of `import sqlite` can say all of it, so that no mapping file is needed.
pub fn is_said_by_arguments(mapping: &Mapping) -> bool {
    let usual = Mapping::default();
    mapping.create_parents == usual.create_parents
        && mapping.skip_views == usual.skip_views
        && mapping.skip_triggers == usual.skip_triggers
        && mapping
            .tables
            .values()
            .all(|choice| choice.name.is_none() && choice.columns.is_empty())
}

/// A command of pgsteward, word by word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    words: Vec<String>,
    /// Names that look like arguments, and so come after all of these.
    last: Vec<String>,
}

impl Command {
    fn new(words: &[&str]) -> Self {
        let words = std::iter::once(&"pgsteward").chain(words);
        Self {
            words: words.map(|word| (*word).to_owned()).collect(),
            last: Vec::new(),
        }
    }

    /// An argument without a name.
    fn name(mut self, value: impl ToString) -> Self {
        let value = value.to_string();
        let place = if value.starts_with('-') {
            &mut self.last
        } else {
            &mut self.words
        };
        place.push(value);
        self
    }

    /// An argument with a value, where there is one.
    fn value(mut self, flag: &str, value: Option<impl ToString>) -> Self {
        match value.map(|value| value.to_string()) {
            Some(value) if value.starts_with('-') => self.words.push(format!("{flag}={value}")),
            Some(value) => self.words.extend([flag.to_owned(), value]),
            None => {}
        }
        self
    }

    /// An argument that is there or not.
    fn flag(mut self, flag: &str, set: bool) -> Self {
        if set {
            self.words.push(flag.to_owned());
        }
        self
    }

    /// The managed database; always named, as there may be others where the command runs.
    fn on(self, target: &str) -> Self {
        self.value("--target", Some(target))
    }

    /// Every word, from the program's name on.
    pub fn words(&self) -> Vec<&str> {
        let end = (!self.last.is_empty()).then_some("--");
        let words = self.words.iter().map(String::as_str);
        words
            .chain(end)
            .chain(self.last.iter().map(String::as_str))
            .collect()
    }
}

/// The command as a line of a POSIX shell.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, word) in self.words().into_iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            f.write_str(&quoted(word))?;
        }
        Ok(())
    }
}

fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@=,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::Part;

    #[test]
    fn a_word_is_one_word_of_the_shell_whatever_is_in_it() {
        for word in [
            "two words",
            "it's",
            "$(reboot)",
            "a;b",
            "",
            "naïve",
            "-",
            "a\nb",
            r"back\slash",
            "'",
            "~",
            "#",
            "a=b",
        ] {
            let shell = std::process::Command::new("sh")
                .arg("-c")
                .arg(format!("printf %s {}", quoted(word)))
                .output();
            let printed = shell.map(|done| String::from_utf8_lossy(&done.stdout).into_owned());
            assert_eq!(printed.ok().as_deref(), Some(word));
        }
    }

    #[test]
    fn names_with_dots_and_quotes_are_parts_as_the_command_reads_them() {
        let part = |schema: &str, table: &str| Part {
            schema: schema.to_owned(),
            table: Some(table.to_owned()),
        };
        let spec = BackupSpec {
            only: vec![part("sales", "orders"), part("a.b", "C\"d")],
            compression: Compression::Zstd,
            ..BackupSpec::whole("main")
        };
        assert_eq!(
            Act::BackUp(&spec).line(),
            "pgsteward backup create --table sales.orders --table '\"a.b\".\"C\"\"d\"' --compression zstd --target main"
        );
    }

    #[test]
    fn a_name_that_looks_like_an_argument_is_none() {
        let swap = Act::Swap {
            target: "-t",
            database: "--yes",
            live: "-x",
        };
        assert_eq!(
            swap.line(),
            "pgsteward backup swap --confirm=-x --target=-t -- --yes"
        );
    }
}
