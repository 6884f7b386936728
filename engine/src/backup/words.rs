//! What a client tool said on its way out, as a fault: what happened in plain words, and what to do next.

use std::process::ExitStatus;

use contract::{Code, Fault, Refusal, backup::Compression, format};

use crate::{Error, programs::Version};

/// Lines that are kept of a tool's complaints.
const KEPT: usize = 40;

/// A tool's complaints, taken from its lines.
pub(super) struct Complaints {
    program: &'static str,
    lines: Vec<String>,
    errors: usize,
    inside: bool,
}

/// What a line was.
pub(super) enum Said {
    /// Progress, or the rest of an earlier line.
    Progress,
    /// A warning, without the tool's name before it.
    Warning(String),
    /// Something that went wrong.
    Error,
}

impl Complaints {
    pub(super) fn of(program: &'static str) -> Self {
        Self {
            program,
            lines: Vec::new(),
            errors: 0,
            inside: false,
        }
    }

    /// Takes in a line.
    pub(super) fn line(&mut self, line: &str) -> Said {
        let Some(said) = line
            .strip_prefix(self.program)
            .and_then(|rest| rest.strip_prefix(": "))
        else {
            // A message may have several lines; only its first one names the tool.
            if self.inside {
                self.keep(line);
            }
            return Said::Progress;
        };
        if let Some(warning) = said.strip_prefix("warning: ") {
            self.inside = false;
            return Said::Warning(warning.to_owned());
        }
        let error = said.starts_with("error: ") || said.starts_with("fatal: ");
        self.inside = error || (self.inside && (said.starts_with("detail: ") || said.starts_with("hint: ")));
        if self.inside {
            self.keep(said);
        }
        if error {
            self.errors += 1;
            return Said::Error;
        }
        Said::Progress
    }

    fn keep(&mut self, line: &str) {
        // The first complaint is the cause; what comes after many is noise.
        if self.lines.len() < KEPT {
            self.lines.push(line.to_owned());
        }
    }

    /// Whether it complained of an error at all, whatever it exited with.
    pub(super) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// What it said, in its own words.
    pub(super) fn text(&self) -> String {
        let text = self.lines.join("\n");
        match text.char_indices().nth(4000) {
            Some((cut, _)) => format!("{}…", &text[..cut]),
            None => text,
        }
    }

    /// The failure in words for `target`'s administrator.
    pub(super) fn error(&self, target: &str, status: Option<ExitStatus>) -> Error {
        let text = self.text();
        let program = self.program;
        let has = |words: &str| text.contains(words);
        let (code, message, hint) = if has("server version mismatch") {
            (
                Code::Conflict,
                format!("The server of {target} is newer than the installed {program}."),
                "Install the client programs of the server's version (apt-get install postgresql-client-NN), or set \
                 PG_BIN to their folder.",
            )
        } else if has("row-level security") {
            (
                Code::TargetRefused,
                format!(
                    "Row security hides rows of {target} from the console's user: a backup would lack them."
                ),
                ROW_SECURITY_HINT,
            )
        } else if has("LOCK TABLE") && (has("statement timeout") || has("lock timeout")) {
            (
                Code::TargetTimeout,
                format!(
                    "{target}: a table stayed locked by another session, so pg_dump could not begin to read it."
                ),
                "See on Activity who holds the lock (a migration, TRUNCATE or VACUUM FULL); wait for it or end it, then \
                 try again.",
            )
        } else if has("password authentication failed") || has("no password supplied") {
            (
                Code::TargetUnreachable,
                format!("{target} refused the password that {program} brought."),
                "Correct user and password in the database's URL (special characters must be percent-encoded).",
            )
        } else if has("server closed the connection")
            || has("terminating connection")
            || has("could not receive data from server")
            || has("SSL connection has been closed")
            || has("connection has been closed unexpectedly")
        {
            (
                Code::TargetUnreachable,
                format!("The connection to {target} was lost while {program} worked."),
                "The server was restarted, the session was ended there, or the network failed. Nothing half-done was \
                 kept; try again when the server is up.",
            )
        } else if has("connection to server")
            || has("could not connect")
            || has("could not translate host name")
        {
            (
                Code::TargetUnreachable,
                format!("{program} could not connect to {target}."),
                "Check host, port, sslmode and the server's pg_hba.conf; what the server said is below.",
            )
        } else if has("max_locks_per_transaction") {
            (
                Code::TargetRefused,
                format!("{target} has more tables than its lock table has room for."),
                "Raise max_locks_per_transaction on the server (its restart is needed), then try again.",
            )
        } else if has("conflict with recovery") {
            (
                Code::TargetRefused,
                format!("{target} is a replica that could not keep the old rows long enough."),
                "Set hot_standby_feedback = on there or raise max_standby_streaming_delay, or back up the primary.",
            )
        } else if has("permission denied for large object") {
            (
                Code::TargetRefused,
                format!("The console's user may not read all large objects in {target}."),
                "Membership in pg_read_all_data does not cover large objects: let the URL name their owner or a \
                 superuser, or grant select on each large object.",
            )
        } else if has("permission denied") {
            (
                Code::TargetRefused,
                format!("The console's user may not read everything in {target}."),
                "Grant it membership in pg_read_all_data (PostgreSQL 14 and newer), then try again.",
            )
        } else if let Some(table) = text
            .split_once("Dumping the contents of table \"")
            .and_then(|(_, rest)| rest.split_once("\" failed"))
            .map(|(table, _)| table)
        {
            let too_large = has("invalid memory alloc request size") || has("out of memory");
            (
                Code::TargetRefused,
                format!("{program} could not read the rows of {table} in {target} to their end."),
                if too_large {
                    "A row of it is too large to be sent as text: PostgreSQL's limit is 1 GB, and a bytea takes two \
                     characters a byte. Find it (order by pg_column_size of the column), and store that value in parts."
                } else {
                    "What the server said is below."
                },
            )
        } else if has("unsupported version") {
            (
                Code::Conflict,
                format!("The archive was made by a newer pg_dump than the installed {program}."),
                "Install the client programs of that version, or set PG_BIN to their folder.",
            )
        } else {
            (
                Code::TargetRefused,
                format!("{program} failed on {target}{}.", ending(status)),
                "What it said is below.",
            )
        };
        let mut fault = Fault::new(code, message).hint(hint);
        fault.target = Some(Refusal {
            target: target.to_owned(),
            message: if text.is_empty() {
                format!("{program} said nothing.")
            } else {
                text
            },
            ..Refusal::default()
        });
        Error::Refused(fault)
    }
}

fn ending(status: Option<ExitStatus>) -> String {
    use std::os::unix::process::ExitStatusExt;
    match status.map(|status| (status.code(), status.signal())) {
        Some((Some(code), _)) if code != 0 => format!(" (exit code {code})"),
        Some((_, Some(signal))) => {
            format!(" (ended by signal {signal}: something on this machine killed it)")
        }
        _ => String::new(),
    }
}

const ROW_SECURITY_HINT: &str = "Give the user BYPASSRLS (alter role … bypassrls), or let the URL name the owner of all \
                                 tables where row security is not forced.";

/// Row security hides rows of these tables from the console's user.
pub(super) fn row_security(target: &str, tables: &[String]) -> Error {
    Error::Refused(
        Fault::new(
            Code::TargetRefused,
            format!(
                "Row security hides rows of {target} from the console's user, in {}: a backup would lack them.",
                some(tables)
            ),
        )
        .hint(ROW_SECURITY_HINT),
    )
}

/// These tables and sequences may not be read. `user` is quoted.
pub(super) fn unreadable_tables(target: &str, user: &str, names: &[String]) -> Error {
    Error::Refused(
        Fault::new(
            Code::TargetRefused,
            format!(
                "The console's user {user} may not read all of {target}, so a backup would lack: {}.",
                some(names)
            ),
        )
        .hint(format!(
            "As a superuser: grant pg_read_all_data to {user}. Or grant usage on their schemas and select on them."
        )),
    )
}

/// Chosen parts that are not there.
pub(super) fn no_such_part(target: &str, missing: &[String]) -> Error {
    Error::invalid(
        "only",
        format!(
            "There is no schema or table of this name in {target}: {}.",
            some(missing)
        ),
        "Capital letters and blanks count; the Tables page has the names.",
    )
}

/// A compression that pg_dump does not know.
pub(super) fn no_such_compression(compression: Compression, version: Version) -> Error {
    Error::invalid(
        "compression",
        format!(
            "pg_dump {version} knows no {}: it came with PostgreSQL {}.",
            compression.name(),
            compression.since().unwrap_or_default()
        ),
        "Choose gzip, or install newer client tools and let PG_BIN name their folder.",
    )
}

/// What is in an archive from elsewhere would be run.
pub(super) fn no_trial_of_a_stranger() -> Error {
    Error::conflict(
        "This archive was uploaded from elsewhere, and a trial would run what stands in it.",
        "Read it back (pgsteward backup verify --level 1), or restore it into a database of its own.",
    )
}

/// The first five of a list, and how many more there are.
pub(super) fn some(names: &[String]) -> String {
    first(names, 5)
}

/// The first of a list, and how many more there are.
pub(super) fn first(names: &[String], most: usize) -> String {
    let shown = names.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(most) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}

/// The archive does not hold all that is in the database.
pub(super) fn left_out(target: &str, pg_dump: &std::path::Path, missing: &[String]) -> Error {
    Error::conflict(
        format!(
            "pg_dump ended well and left out data of {target}, so nothing was stored: {}.",
            some(missing)
        ),
        format!(
            "Look whether {} is a wrapper with options such as --schema-only or --exclude-table; let PG_BIN name the folder \
             of PostgreSQL's own programs.",
            pg_dump.display()
        ),
    )
}

/// There is not enough room for what the backup will need: `expected` bytes of its own, `needed` with what is kept free.
pub(super) fn too_little_room(folder: &std::path::Path, free: i64, expected: i64, needed: i64) -> Error {
    let own = match expected {
        0 => "a backup begins".to_owned(),
        expected => format!("one of about {}", format::bytes(expected)),
    };
    Error::conflict(
        format!(
            "Not enough room for the backup: {} are free under {}, and {} must be before {own}, so that the disk is not \
             full after it.",
            format::bytes(free),
            folder.display(),
            format::bytes(needed),
        ),
        "Free some room, delete backups that are not needed any more, or set PGSTEWARD_BACKUP_URL to a larger disk.",
    )
}

/// The backup folder's disk does not answer.
pub(super) fn no_answer(waited: std::time::Duration) -> Error {
    Error::conflict(
        format!(
            "The disk of the backup folder did not answer within {}.",
            format::duration(i64::try_from(waited.as_millis()).unwrap_or(i64::MAX))
        ),
        "Look at that disk or its network; what waits for it goes on by itself once it answers.",
    )
}

/// What was written cannot be read.
pub(super) fn unreadable(words: &str) -> Error {
    Error::conflict(
        format!("What was written could not be read back, so nothing was stored. {words}"),
        "Check the disk of the backup folder and the console's memory, then try again.",
    )
}

/// The disk filled up while the backup was written.
pub(super) fn disk_full(folder: &std::path::Path, written: u64) -> Error {
    Error::conflict(
        format!(
            "The disk under {} became full after {} of the backup.",
            folder.display(),
            format::bytes(i64::try_from(written).unwrap_or(i64::MAX)),
        ),
        "What was written was removed. Free some room or set PGSTEWARD_BACKUP_URL to a larger disk, then try again.",
    )
}

/// The backup folder lacks what the store knows to lie there.
pub(super) fn not_the_folder(folder: &std::path::Path, target: &str) -> Error {
    Error::conflict(
        format!(
            "The backup folder {} holds nothing of the backups of {target} that were stored there.",
            folder.display()
        ),
        "Is its disk mounted? Nothing is written there until it is. If the backups are gone for good, name a new folder in \
         PGSTEWARD_BACKUP_URL.",
    )
}

#[cfg(test)]
mod tests;
