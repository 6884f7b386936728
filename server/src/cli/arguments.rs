//! The commands and their arguments.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use clap::{Parser, Subcommand, ValueEnum};
use contract::session::Role;
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
    /// Take, check and keep backups
    #[command(subcommand)]
    Backup(Backup),
    /// Bring in data from elsewhere
    #[command(subcommand)]
    Import(Import),
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
    /// Show what `up` would run
    Plan {
        /// Up to and with this version
        #[arg(long, value_name = "VERSION")]
        to: Option<i64>,
    },
    /// Apply pending migrations
    Up {
        /// Up to and with this version
        #[arg(long, value_name = "VERSION")]
        to: Option<i64>,
    },
}

#[derive(Subcommand)]
pub(super) enum Backup {
    /// Take a backup, and read it back whole
    Create,
    /// List stored backups, newest first
    List,
    /// Read a stored backup back whole
    Verify(Which),
    /// Delete a stored backup
    Delete {
        /// The backup's id
        id: Uuid,
        /// The database's name, to prove that you mean it
        #[arg(long, value_name = "NAME")]
        confirm: String,
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
    /// Look at a SQLite file and show what it would become
    Sqlite {
        /// The file; it is never changed
        #[arg(value_name = "FILE", value_parser = absolute)]
        file: PathBuf,
        /// Check the file, read every value, and propose a type for each column; nothing is imported
        #[arg(long, required = true)]
        inspect: bool,
        /// Also write everything that was found as JSON into this file; it must not exist
        #[arg(long, value_name = "FILE.json")]
        report: Option<PathBuf>,
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
    /// Opens the files that the arguments name for writing, as the user who typed them.
    pub fn open_files(&self) -> Result<Option<File>, Failure> {
        let (Self::Backup(Backup::Download { output, .. })
        | Self::Import(Import::Sqlite {
            report: Some(output), ..
        })) = self
        else {
            return Ok(None);
        };
        let opened = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(output);
        let file = opened.map_err(|error| {
            Failure::with_hint(
                format!("{} cannot be made: {error}", output.display()),
                "name a file that does not exist yet",
            )
        })?;
        Ok(Some(file))
    }
}
