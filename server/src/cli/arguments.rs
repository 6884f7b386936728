//! The commands and their arguments.

use std::{
    fs::{File, OpenOptions},
    io::Read as _,
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use clap::{Parser, Subcommand, ValueEnum};
use contract::{
    Instant,
    backup::{Compression, Part},
    history::Span,
    query::{MOST_QUERIES, QuerySort},
    retention::Retention,
    schedule::{Every, VerifyWhen},
    session::Role,
};
use nix::fcntl::OFlag;
use uuid::Uuid;

use super::failure::Failure;

/// A web console for running PostgreSQL.
#[derive(Parser)]
#[command(name = "pgsteward", version, about, arg_required_else_help = true)]
pub(super) struct Arguments {
    /// The managed database to work on; not needed when there is only one
    #[arg(long, global = true, value_name = "NAME")]
    pub target: Option<String>,
    /// Print the result as JSON on standard output, and nothing else there
    #[arg(long, global = true)]
    pub json: bool,
    /// Do not ask
    #[arg(long, short = 'y', global = true)]
    pub yes: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Run the console
    Serve {
        /// Apply the AI-PAL migrations and fill an empty ai_pal with a million invented rows
        #[arg(long)]
        demo: bool,
    },
    /// See and apply migrations
    #[command(subcommand)]
    Migrate(Migrate),
    /// Create missing constraints and indexes, and analyze
    Optimize,
    /// Create missing indexes, without blocking writers
    CreateIndexes,
    /// Collect planner statistics of every table
    Analyze,
    /// Show the sizes of tables
    Stats,
    /// Show sessions, who holds up whom and what runs; end a session
    Activity {
        #[command(subcommand)]
        what: Option<Activity>,
    },
    /// Show what was measured over time: the numbers of the charts
    History(History),
    /// Tell of deployments, which charts show, and keep the tokens with which programs do
    #[command(subcommand)]
    Deployment(Deployment),
    /// Show the plan of a statement, what is said about it, and keep it
    Explain(Explain),
    /// Show what statements cost, from pg_stat_statements
    Queries(Queries),
    /// Take, check and keep backups
    #[command(subcommand)]
    Backup(Backup),
    /// Let backups be taken by themselves
    #[command(subcommand)]
    Schedule(Schedule),
    /// Bring in data from elsewhere
    #[command(subcommand)]
    Import(Import),
    /// Check and export the console's own audit log
    #[command(subcommand)]
    Audit(Audit),
    /// Say which databases the names of managed databases stand for
    #[command(subcommand)]
    Target(Target),
    /// Keep the console's users
    #[command(subcommand)]
    User(User),
    /// Look at the settings
    #[command(subcommand)]
    Config(Config),
    /// List every HTTP route and server function with the permission it asks for
    Routes,
}

#[derive(Subcommand)]
pub(super) enum Migrate {
    /// Show which migrations are applied
    Status,
    /// Show what `up` would run; fails when it would run nothing because something is wrong
    Plan(Due),
    /// Apply pending migrations; waits for another `up` on the same database
    Up(Due),
}

/// Which migrations to apply.
#[derive(clap::Args)]
pub(super) struct Due {
    /// Up to and with this version
    #[arg(long, value_name = "VERSION")]
    pub to: Option<i64>,
    /// Late files too: older than the newest applied one, as after a merge
    #[arg(long)]
    pub allow_late: bool,
    /// Leave alone what was applied and has no file here, as when two programs share the table
    #[arg(long)]
    pub ignore_missing: bool,
}

/// What to show of history. Times are UTC.
#[derive(clap::Args)]
pub(super) struct History {
    /// The managed database; the same as --target
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// A stretch of time up to now: 15m, 1h, 6h, 24h, 7d, 30d, 90d or 1y
    #[arg(long, value_name = "SPAN", default_value = "1h", conflicts_with_all = ["from", "to"])]
    pub range: Span,
    /// Instead, from this moment on, such as 2026-11-30T05:00:00Z
    #[arg(long, value_name = "TIME", requires = "to")]
    pub from: Option<Instant>,
    /// Up to this moment
    #[arg(long, value_name = "TIME", requires = "from")]
    pub to: Option<Instant>,
    /// One chart alone, step by step, by its key, such as transactions; may be given several times
    #[arg(long, value_name = "CHART")]
    pub metric: Vec<String>,
    /// One table's charts instead of the database's
    #[arg(long, value_name = "SCHEMA.NAME")]
    pub table: Option<Part>,
    /// The same stretch a week before too
    #[arg(long)]
    pub before: bool,
    /// Every value as CSV
    #[arg(long)]
    pub csv: bool,
}

#[derive(Subcommand)]
pub(super) enum Deployment {
    /// Tell of a deployment: a version, a note, or both
    Add {
        /// What was deployed, such as "shop 1.4.2"
        #[arg(long, value_name = "TEXT")]
        version: Option<String>,
        /// What is to be said of it
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
        /// A page about it elsewhere
        #[arg(long, value_name = "URL")]
        link: Option<String>,
        /// When it was, such as 2026-11-30T14:05:00Z; now when it is not said
        #[arg(long, value_name = "TIME")]
        at: Option<Instant>,
    },
    /// List the newest deployments
    List,
    /// Take back what was told by mistake
    Remove {
        /// Its number: see `deployment list`
        id: i64,
    },
    /// Keep the tokens with which programs tell of deployments
    #[command(subcommand)]
    Token(Token),
}

#[derive(Subcommand)]
pub(super) enum Token {
    /// Make a token, and show it this once; with --target it is for that managed database alone
    Add {
        /// A name to know it by, such as the pipeline's
        name: String,
    },
    /// List the tokens, without what makes them one
    List,
    /// Revoke a token: from now on it opens nothing
    Revoke {
        /// Its name
        name: String,
    },
}

#[derive(clap::Args)]
pub(super) struct Queries {
    /// One statement whole, by its number
    #[arg(allow_negative_numbers = true)]
    pub id: Option<String>,
    /// The time up to now: 15m, 1h, 6h, 24h, 7d, 30d, 90d or 1y
    #[arg(long, value_name = "SPAN", default_value = "1h")]
    pub range: Span,
    /// The order, most first: total, mean, calls, rows, io, wal or temp
    #[arg(long, value_name = "MEASURE", default_value = "total")]
    pub by: QuerySort,
    /// How many statements, at most 200
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(i64).range(1..=MOST_QUERIES))]
    pub limit: i64,
    /// Only those with these words in their text
    #[arg(long, value_name = "WORDS")]
    pub search: Option<String>,
    /// Only what this role ran
    #[arg(long, value_name = "NAME")]
    pub role: Option<String>,
    /// Only those with this tag in a comment, as in controller=orders
    #[arg(long, value_name = "KEY=VALUE")]
    pub tag: Option<String>,
    /// Only those that take so long in the mean
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(i64).range(0..))]
    pub min_mean: Option<i64>,
}

#[derive(Subcommand)]
pub(super) enum Activity {
    /// Break off the statement that a session runs; the session stays
    Cancel {
        /// The server's process: see `activity`
        pid: i32,
    },
    /// End a session; its transaction is rolled back
    Terminate {
        /// The server's process: see `activity`
        pid: i32,
    },
}

/// A statement whose plan is asked for.
#[derive(clap::Args)]
pub(super) struct Explain {
    /// The file with the statement; `-` reads standard input
    #[arg(default_value = "-", value_name = "FILE")]
    pub file: PathBuf,
    /// Run it, and roll back: the plan has times and buffers then
    #[arg(long, conflicts_with_all = ["generic", "pasted"])]
    pub analyze: bool,
    /// Plan a statement with parameters ($1) without values; PostgreSQL 16 and newer do so by themselves
    #[arg(long, conflicts_with_all = ["value", "sampled", "pasted"])]
    pub generic: bool,
    /// Plan with values from statistics for its parameters
    #[arg(long, conflicts_with = "pasted")]
    pub sampled: bool,
    /// A value for a parameter, such as '$1 = 42'; may be given several times
    #[arg(long, value_name = "$N = TEXT", conflicts_with = "pasted")]
    pub value: Vec<String>,
    /// How long it may run, in seconds
    #[arg(long, value_name = "SECONDS", requires = "analyze")]
    pub seconds: Option<u32>,
    /// The file is no statement but a plan, as EXPLAIN printed it, as text or JSON
    #[arg(long)]
    pub pasted: bool,
}

#[derive(Subcommand)]
pub(super) enum Target {
    /// Let a name stand for the database that is reached under it now, after a move to another server or a restore
    ///
    /// A job belongs to a database and not to a name, so a name that leads to another database than before is refused
    /// until this is said. Jobs that still waited for the other database end as interrupted.
    Adopt {
        /// The managed database's name
        name: String,
    },
}

#[derive(Subcommand)]
pub(super) enum Backup {
    /// Take a backup, and read it back whole
    Create {
        /// Take this schema alone, with all that is in it; may be given several times
        #[arg(long, value_name = "NAME", conflicts_with = "table")]
        schema: Vec<String>,
        /// Take this table alone; may be given several times. A name with dots, blanks or capital letters is quoted as in
        /// SQL: '"Sales 2026"."Order"'
        #[arg(long, value_name = "SCHEMA.NAME")]
        table: Vec<Part>,
        /// How the archive is compressed: usual, none, gzip, lz4 or zstd (the last two from PostgreSQL 16 on)
        #[arg(long, value_name = "HOW", default_value = "usual")]
        compression: Compression,
        /// Read over so many connections at the same time: for large databases. The archive is that of pg_dump --format=directory then,
        /// as one tar
        #[arg(long = "jobs", short = 'j', value_name = "N", default_value_t = 1)]
        parallel: i32,
        /// Do not count and hash every table in the dump's own snapshot: saves reading the database a second time, and what is
        /// restored can never be compared with it
        #[arg(long)]
        inexact: bool,
    },
    /// List stored backups, newest first
    List,
    /// Add an archive of pg_dump from elsewhere: checked, read to its end, and stored beside the backups, as none of them
    Add {
        /// The archive: of --format=custom or tar, or the folder of --format=directory as one tar
        file: PathBuf,
    },
    /// Prove a stored backup again: by its bytes, by reading it back, by restoring it for trial, by comparing that row for row
    Verify {
        #[command(flatten)]
        which: Which,
        /// How far: 0 the bytes' hash, 1 read back whole, 2 restored into a throw-away server, 3 equal to the snapshot
        #[arg(long, value_name = "0..3", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=3))]
        level: u8,
        /// Restore it on the server of this managed database, as a scratch database that is removed, and not on this machine
        #[arg(long, value_name = "NAME")]
        on: Option<String>,
    },
    /// Show a stored backup with what its last trial restore found
    Report(Which),
    /// Restore a stored backup into a new database beside the live one, and compare it with the backup
    Restore(Restore),
    /// List the databases that restores made, newest first
    Restored,
    /// Delete a stored backup
    Delete {
        /// The backup's id
        id: Uuid,
        /// The database's name, to prove that you mean it
        #[arg(long, value_name = "NAME")]
        confirm: String,
    },
    /// List the databases beside the live one: restored ones, and those that a swap took out
    Databases,
    /// Put another database in the live one's place, which is kept under a dated name
    ///
    /// The sessions in the way are shown first, and ended then.
    Swap {
        /// The database that comes in, by its own name: see `backup databases`
        database: String,
        /// The live database's own name, to prove that you mean it
        #[arg(long, value_name = "NAME")]
        confirm: String,
    },
    /// Undo the last swap: what was live before it is live again
    SwapBack,
    /// Drop a database that lies beside the live one
    Drop {
        /// Its own name: see `backup databases`
        database: String,
        /// The same, to prove that you mean it
        #[arg(long, value_name = "NAME")]
        confirm: String,
    },
    /// Show which backups are kept, or set it: what any rule keeps is kept
    ///
    /// Without a rule it shows what holds, with what a run would do now. With rules it shows what they would do now, asks, and sets them in place of
    /// those that hold. Old backups are removed after each backup that the schedule takes, and by `prune`.
    Retention {
        #[command(flatten)]
        rules: Rules,
        /// Keep every backup: no rule holds any more
        #[arg(long, conflicts_with = "Rules")]
        none: bool,
        /// Where days, weeks, months and years begin
        #[arg(long, value_name = "ZONE", default_value = "UTC")]
        zone: String,
    },
    /// Remove what no rule of `retention` keeps
    Prune {
        /// Show what would be removed and why the rest stays, and remove nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Keep a backup whatever the retention says; it cannot be deleted by hand either
    Pin {
        /// The backup's id
        id: Uuid,
    },
    /// Let the retention decide about a pinned backup again
    Unpin {
        /// The backup's id
        id: Uuid,
    },
    /// Give a backup a few words to know it by; empty ones take them away
    Label {
        /// The backup's id
        id: Uuid,
        /// The words
        text: String,
    },
    /// Write a note on a backup; an empty one takes it away
    Note {
        /// The backup's id
        id: Uuid,
        /// The words
        text: String,
    },
    /// Take over a backup that another console sealed, after it was verified here
    Adopt {
        /// The backup's id
        id: Uuid,
    },
    /// Copy a stored backup into a file
    Download {
        /// The backup's id
        id: Uuid,
        /// The file to write; it must not exist
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
        /// Instead of the archive, the roles and tablespaces that were stored with it
        #[arg(long)]
        globals: bool,
    },
}

/// Which backups are kept; 0 is no rule.
#[derive(clap::Args)]
#[group(multiple = true)]
pub(super) struct Rules {
    /// So many newest ones
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub last: i32,
    /// Those of so many days before the newest one
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub days: i32,
    /// The last one of each of so many hours that have one
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub hourly: i32,
    /// The last one of each of so many days that have one
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub daily: i32,
    /// The last one of each of so many weeks that have one
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub weekly: i32,
    /// The last one of each of so many months that have one
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub monthly: i32,
    /// The last one of each of so many years that have one
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub yearly: i32,
}

impl From<Rules> for Retention {
    fn from(rules: Rules) -> Self {
        Self {
            last: rules.last,
            days: rules.days,
            hourly: rules.hourly,
            daily: rules.daily,
            weekly: rules.weekly,
            monthly: rules.monthly,
            yearly: rules.yearly,
        }
    }
}

#[derive(Subcommand)]
pub(super) enum Schedule {
    /// Show the schedules of all managed databases, with the next runs and what became of the last ones
    List,
    /// Set the schedule of a managed database, in place of the one that it has
    ///
    /// In words: `--every day --at 02:00 --zone Europe/Berlin`; or as cron: `--cron "0 2 * * 1-5"`. Each local time runs once
    /// also on the days when clocks shift: one that is left out at the end of the shift, one that comes twice the first time.
    Set(ScheduleSet),
    /// Begin no more runs until it is resumed
    Pause,
    /// Go on after a pause; what was due during it does not run
    Resume,
    /// Remove the schedule; backups stay
    Remove,
    /// Begin a run now, and wait for its backup
    Run,
}

#[derive(clap::Args)]
pub(super) struct ScheduleSet {
    /// How often
    #[arg(long, value_enum, value_name = "WHAT", required_unless_present = "cron")]
    pub every: Option<EveryName>,
    /// The time of the day; of every hour only the minute counts
    #[arg(long, value_name = "HH:MM", default_value = "02:00", value_parser = time_of_day)]
    pub at: (u8, u8),
    /// The days of the week, such as mon,thu; for --every week
    #[arg(long, value_name = "DAYS", value_delimiter = ',', value_enum)]
    pub on: Vec<DayName>,
    /// The day of the month; for --every month
    #[arg(long, value_name = "DAY", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=31))]
    pub day: u8,
    /// Minute, hour, day of the month, month and day of the week, as cron has them
    #[arg(long, value_name = "FIELDS", conflicts_with_all = ["every", "at", "on", "day"])]
    pub cron: Option<String>,
    /// The time zone that this is meant in
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub zone: String,
    /// The most minutes by which a run begins later, so that many databases do not begin at once
    #[arg(long, value_name = "MINUTES", default_value_t = 0, value_parser = clap::value_parser!(i32).range(0..=1440))]
    pub jitter: i32,
    /// Whether what was taken is verified again by itself
    #[arg(long, value_enum, value_name = "WHEN", default_value = "never")]
    pub verify: VerifyName,
    /// How far: 1 read back whole, 2 restored into a throw-away server, 3 equal to the snapshot
    #[arg(long, value_name = "1..3", default_value_t = 1, requires = "verify", value_parser = clap::value_parser!(u8).range(1..=3))]
    pub verify_level: u8,
    /// Tell someone when there is no good backup for so many hours
    #[arg(long, value_name = "HOURS", default_value_t = contract::schedule::ALARM_HOURS)]
    pub alarm_hours: i32,
    /// Read over so many connections at the same time: for large databases
    #[arg(long = "jobs", short = 'j', value_name = "N", default_value_t = 1)]
    pub parallel: i32,
    /// How the archives are compressed: usual, none, gzip, lz4 or zstd (the last two from PostgreSQL 16 on)
    #[arg(long, value_name = "HOW", default_value = "usual")]
    pub compression: Compression,
}

impl ScheduleSet {
    /// The cron of what was said.
    pub fn cron(&self) -> String {
        let (hour, minute) = self.at;
        let every = match (&self.cron, self.every) {
            (Some(cron), _) => return cron.clone(),
            (None, Some(EveryName::Hour)) => Every::Hour { minute },
            (None, Some(EveryName::Week)) => {
                let mut days: Vec<u8> = self.on.iter().map(|day| *day as u8).collect();
                days.sort_unstable();
                days.dedup();
                if days.is_empty() {
                    days.push(0);
                }
                Every::Week { days, hour, minute }
            }
            (None, Some(EveryName::Month)) => Every::Month {
                day: self.day,
                hour,
                minute,
            },
            (None, Some(EveryName::Day) | None) => Every::Day { hour, minute },
        };
        every.cron()
    }
}

/// How often.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum EveryName {
    /// At the minute of --at
    Hour,
    /// At --at
    Day,
    /// On the days of --on, Sunday when there are none, at --at
    Week,
    /// On --day at --at
    Month,
}

/// A day of the week, by its number in cron.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum DayName {
    Sun,
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
}

/// Whether what was taken is verified again.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum VerifyName {
    /// Only by hand
    Never,
    /// Each one that the schedule took
    Each,
    /// The newest good one, once in seven days
    Weekly,
}

impl From<VerifyName> for VerifyWhen {
    fn from(name: VerifyName) -> Self {
        match name {
            VerifyName::Never => Self::Never,
            VerifyName::Each => Self::Each,
            VerifyName::Weekly => Self::Weekly,
        }
    }
}

fn time_of_day(text: &str) -> Result<(u8, u8), String> {
    contract::schedule::time_of_day(text)
        .ok_or_else(|| format!("\"{text}\" is no time of the day such as 02:00"))
}

/// What to restore, and how.
#[derive(clap::Args)]
pub(super) struct Restore {
    #[command(flatten)]
    pub which: Which,
    /// The new database's name, which must not be taken [default: the source's and the time]
    #[arg(long, value_name = "NAME")]
    pub into: Option<String>,
    /// Add what is missing to the live database itself, whose own name this is, to prove that you mean it; nothing that is there is
    /// changed
    #[arg(long, value_name = "NAME", conflicts_with_all = ["into", "swap"])]
    pub into_live: Option<String>,
    /// Make it on the server of this managed database, instead of beside the one that was backed up
    #[arg(long, value_name = "TARGET")]
    pub to: Option<String>,
    /// Restore only this schema, or this table with its indexes, triggers and partitions; can be given several times
    #[arg(long, value_parser = contract::backup::Part::table_or_schema, value_name = "SCHEMA[.TABLE]")]
    pub only: Vec<contract::backup::Part>,
    /// Load over so many connections at the same time
    #[arg(long = "jobs", short = 'j', value_name = "N")]
    pub parallel: Option<i32>,
    /// Create roles that the server lacks from those stored with the backup: without passwords, none a superuser
    #[arg(long)]
    pub create_roles: bool,
    /// Give everything to this role, which is no superuser, instead of its owners, and restore no grants
    #[arg(long, value_name = "ROLE")]
    pub owner: Option<String>,
    /// Put everything into the server's default tablespace
    #[arg(long)]
    pub no_tablespaces: bool,
    /// Load as the console's own superuser: functions in the backup run with all its rights
    #[arg(long)]
    pub as_superuser: bool,
    /// Of an archive from elsewhere: let what stands in it run with the rights of the console's role, and make the extensions that
    /// only a superuser may make, because you know who made it
    #[arg(long)]
    pub trust_archive: bool,
    /// Show what would be restored and what was checked; nothing is made
    #[arg(long)]
    pub plan: bool,
    /// Then put it in the live database's place, which is kept under a dated name
    #[arg(long, requires = "confirm", conflicts_with_all = ["plan", "only"])]
    pub swap: bool,
    /// With --swap, the live database's own name, to prove that you mean it
    #[arg(long, value_name = "NAME", requires = "swap")]
    pub confirm: Option<String>,
}

/// One stored backup.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// The backup's id
    pub id: Option<Uuid>,
    /// The newest one
    #[arg(long)]
    pub latest: bool,
}

#[derive(Subcommand)]
pub(super) enum Import {
    /// Bring a SQLite file in: look, plan, load, and prove that every value arrived
    ///
    /// The same command again goes on with an import that was interrupted, and brings over what changed in the file of
    /// one that is followed; without --follow for the last time.
    Sqlite(Box<Sqlite>),
}

#[derive(clap::Args)]
pub(super) struct Sqlite {
    /// The file; it is never changed
    #[arg(value_name = "FILE", value_parser = absolute)]
    pub file: PathBuf,
    /// The schema that receives the tables; made when it is missing [default: public]
    #[arg(long, value_name = "NAME")]
    pub schema: Option<String>,
    /// Bring rows into tables that are there, columns matched by name
    #[arg(long)]
    pub existing: bool,
    /// What happens to a row whose key is in the table already
    #[arg(long, value_enum, value_name = "HOW")]
    pub on_conflict: Option<OnConflictName>,
    /// How names are carried over
    #[arg(long, value_enum, value_name = "HOW")]
    pub names: Option<NamesName>,
    /// What happens to text with U+0000 or bytes that are not UTF-8
    #[arg(long, value_enum, value_name = "HOW")]
    pub text: Option<TextName>,
    /// When it is cancelled, keep what is loaded, so that the same command goes on from there
    #[arg(long)]
    pub keep: bool,
    /// Keep what is needed to bring over later what changes in the file
    #[arg(long)]
    pub follow: bool,
    /// Leave a table out; can be given several times
    #[arg(long, value_name = "TABLE")]
    pub skip: Vec<String>,
    /// Take the decisions from this file
    #[arg(long, value_name = "FILE.json")]
    pub mapping: Option<PathBuf>,
    /// Look at the file, write every decision as proposed into this file, and end; it must not exist
    #[arg(long, value_name = "FILE.json", conflicts_with_all = ["report", "inspect", "plan"])]
    pub write_mapping: Option<PathBuf>,
    /// Look at the file and show what it would become; nothing is imported
    #[arg(long, conflicts_with = "plan")]
    pub inspect: bool,
    /// Show every statement and what is not carried over, and end with 1 when something stands in the way; nothing is imported
    #[arg(long)]
    pub plan: bool,
    /// Drop what an interrupted import of this file left, and forget it; of one that is followed, end the following
    #[arg(long, conflicts_with_all = ["inspect", "plan", "follow", "report", "write_mapping"])]
    pub discard: bool,
    /// Also write the report into this file, as Markdown when it ends in .md, else as JSON; it must not exist
    #[arg(long, value_name = "FILE", conflicts_with = "plan")]
    pub report: Option<PathBuf>,
}

impl Sqlite {
    /// Whether the command itself decides something about the import.
    pub fn decides(&self) -> bool {
        let switches = [
            self.existing,
            self.keep,
            self.mapping.is_some(),
            !self.skip.is_empty(),
        ];
        let choices = [
            self.on_conflict.is_some(),
            self.names.is_some(),
            self.text.is_some(),
        ];
        switches.into_iter().chain(choices).any(|decided| decided)
    }
}

/// What happens to a row whose key is there.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum OnConflictName {
    /// The import fails and says how many there are
    Fail,
    /// The row that is there stays
    Skip,
    /// The row that is there gets the file's values
    Upsert,
}

/// How names are carried over.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum NamesName {
    /// Exactly as they are
    Keep,
    /// ASCII letters in lower case
    Lower,
}

/// What happens to text that PostgreSQL cannot hold.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum TextName {
    /// Each such byte becomes U+FFFD
    Replace,
    /// Each such byte is left out
    Remove,
    /// The column becomes bytea
    Bytes,
    /// The import refuses
    Refuse,
}

#[derive(Subcommand)]
pub(super) enum Audit {
    /// Check that every entry is what was written, and that none is missing
    Verify {
        /// A head that an earlier check printed: the log must still go through it
        #[arg(long, value_name = "LINK:HASH")]
        head: Option<contract::audit::ChainHead>,
    },
    /// Write every entry with its place in the chain, oldest first, as one JSON value a line
    Export {
        /// The file to write, instead of standard output; it must not exist
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
pub(super) enum User {
    /// Add a user; asks for the password
    Add {
        /// The log-in name
        name: String,
        /// What the user is trusted with
        #[arg(long, value_enum, default_value = "viewer")]
        role: RoleName,
        /// Read the password from standard input instead of asking for it
        #[arg(long)]
        password_stdin: bool,
        /// Let the user keep this password, instead of choosing another one at the first log-in
        #[arg(long)]
        keep_password: bool,
    },
    /// List the users
    List,
    /// Set a user's password, which the user must change at the next log-in; asks for it
    Passwd {
        /// The log-in name
        name: String,
        /// Read the password from standard input instead of asking for it
        #[arg(long)]
        password_stdin: bool,
    },
    /// Give a user another role
    Role {
        /// The log-in name
        name: String,
        /// The new role
        #[arg(value_enum)]
        role: RoleName,
    },
}

#[derive(Subcommand)]
pub(super) enum Config {
    /// Check the settings, and connect to the store and to each managed database
    Check,
}

/// A role as an argument.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum RoleName {
    /// Sees everything but data, changes nothing
    Viewer,
    /// Runs migrations, optimisations and backups
    Operator,
    /// Also deletes backups and keeps the users
    Administrator,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Viewer => Self::Viewer,
            RoleName::Operator => Self::Operator,
            RoleName::Administrator => Self::Administrator,
        }
    }
}

/// A path that means the same after the process has changed its folder.
fn absolute(path: &str) -> std::io::Result<PathBuf> {
    std::path::absolute(path)
}

impl Command {
    /// Opens the files that the arguments name, as the user who typed them.
    pub fn open_files(&self) -> Result<Files, Failure> {
        let mut files = Files::default();
        match self {
            Self::Backup(Backup::Download { output, .. })
            | Self::Audit(Audit::Export { output: Some(output) }) => files.out = Some(new_file(output)?),
            Self::Backup(Backup::Add { file }) => files.archive = Some(archive(file)?),
            Self::Import(Import::Sqlite(sqlite)) => {
                if let Some(path) = &sqlite.mapping {
                    let text = std::fs::read_to_string(path).map_err(|error| {
                        Failure::with_hint(
                            format!("{} cannot be read: {error}", path.display()),
                            "name a file that --write-mapping has written",
                        )
                    })?;
                    let mapping = serde_json::from_str(&text).map_err(|error| {
                        Failure::with_hint(
                            format!("{} is no mapping: {error}", path.display()),
                            "correct it there, or write a new one with --write-mapping",
                        )
                    })?;
                    files.mapping = Some(mapping);
                }
                if let Some(path) = sqlite.report.as_ref().or(sqlite.write_mapping.as_ref()) {
                    files.out = Some(new_file(path)?);
                }
            }
            Self::Explain(explain) => files.text = Some(read(&explain.file)?),
            _ => {}
        }
        Ok(files)
    }
}

/// Files that the arguments name.
#[derive(Default)]
pub(super) struct Files {
    /// A new one to write to.
    pub out: Option<File>,
    /// An archive to read.
    pub archive: Option<File>,
    /// What is in a mapping.
    pub mapping: Option<contract::import::Mapping>,
    /// A statement or a plan.
    pub text: Option<String>,
}

/// A file that is there, opened. Nothing else is: a pipe waits for somebody who writes, and a device for what it likes.
fn archive(path: &Path) -> Result<File, Failure> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path);
    let seen = match &opened {
        Ok(file) => file.metadata(),
        Err(_) => std::fs::metadata(path),
    };
    let what = seen.ok().map(|seen| seen.file_type()).and_then(|kind| {
        let kinds = [
            (kind.is_dir(), "a folder"),
            (kind.is_fifo(), "a named pipe"),
            (kind.is_socket(), "a socket"),
            (kind.is_char_device() || kind.is_block_device(), "a device"),
        ];
        kinds.into_iter().find_map(|(is, what)| is.then_some(what))
    });
    if let Some(what) = what {
        return Err(Failure::with_hint(
            format!("{} is {what}, and no ordinary file", path.display()),
            match what {
                "a folder" => {
                    "pack the folder of pg_dump --format=directory as one tar: tar -cf NAME.tar -C FOLDER ."
                }
                _ => {
                    "write the archive into a file first, and name that: its size must be known before it is stored"
                }
            },
        ));
    }
    opened.map_err(|error| {
        Failure::with_hint(
            format!("{} cannot be read: {error}", path.display()),
            "name an archive that pg_dump has written",
        )
    })
}

/// A text of a file or of standard input.
fn read(path: &Path) -> Result<String, Failure> {
    let most = contract::explain::MOST_BYTES as u64 + 1;
    let mut text = String::new();
    let read = match path == Path::new("-") {
        true => std::io::stdin().take(most).read_to_string(&mut text),
        false => File::open(path).and_then(|file| file.take(most).read_to_string(&mut text)),
    };
    read.map(|_| text).map_err(|error| {
        Failure::with_hint(
            format!("{} cannot be read: {error}", path.display()),
            "name a file with one statement, or pipe it in",
        )
    })
}

fn new_file(path: &Path) -> Result<File, Failure> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| {
            Failure::with_hint(
                format!("{} cannot be made: {error}", path.display()),
                "name a file that does not exist yet",
            )
        })
}
