//! The command line. Each command is a thin caller of one operation of the engine, like a page is.
//!
//! Results go to standard output, as text or with `--json` as JSON and nothing else; everything else goes to standard
//! error. A failure is one line `error: …` and one line `hint: …` there, and an exit code that is not 0: 2 for wrong
//! settings and arguments, 130 after Ctrl-C, 1 for the rest.

mod activity;
mod arguments;
mod audit;
mod backup;
mod check;
mod confirm;
#[cfg(test)]
mod copied;
mod demo;
mod deployment;
mod explain;
mod failure;
mod history;
mod import;
mod job;
mod migrate;
mod optimize;
mod out;
mod password;
mod plain;
mod queries;
mod restore;
mod routes;
mod schedule;
mod serve;
mod session;
mod stats;
mod swap;
mod table;
mod target;

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use nix::unistd::{Uid, User};

use crate::{config::Settings, console::Console, http::Site, logging, privileges};
use arguments::{Arguments, Command, Files};
use failure::Failure;
use out::Out;

/// How long files that are at work when a command ends have to come to their end.
const LAST_FILES: Duration = Duration::from_secs(3);

/// What every command is given.
struct Session<'a> {
    settings: &'a Settings,
    out: Out,
    /// `--target`.
    target: Option<String>,
    /// `--yes`.
    yes: bool,
    /// The name in the operating system, for the audit log.
    os_user: String,
}

/// The whole program: reads the settings, leaves root behind, then runs the command on a new runtime.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let out = Out::new(arguments.json);
    match begin(arguments, out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn begin(arguments: Arguments, out: Out) -> Result<(), Failure> {
    if let Command::Routes = arguments.command {
        return routes::list(out);
    }
    let settings = Settings::from_process()?;
    let serves = matches!(arguments.command, Command::Serve { .. });
    let _log = logging::begin(
        settings.log_filter.as_deref(),
        if serves { "info" } else { "warn" },
        settings.log_json,
    )?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let os_user = User::from_uid(Uid::current())
        .ok()
        .flatten()
        .map_or_else(|| Uid::current().to_string(), |user| user.name);
    // What the user may do in the folder they are in, they do before the process becomes another user.
    let opened = arguments.command.open_files()?;
    let site = if serves {
        Some(serve::site(&settings)?)
    } else {
        None
    };
    privileges::settle(&settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // Of address space, not of memory: a job's state is large where the compiler does not optimise.
        .thread_stack_size(8 * 1024 * 1024)
        .enable_all()
        .build()
        .map_err(|error| Failure::message(format!("the runtime does not start: {error}")))?;
    let session = Session {
        settings: &settings,
        out,
        target: arguments.target,
        yes: arguments.yes,
        os_user,
    };
    let done = runtime.block_on(run(arguments.command, session, opened, site));
    // A thread that waits for a disk that does not answer must not hold up the end.
    runtime.shutdown_timeout(LAST_FILES);
    done
}

async fn run(
    command: Command,
    session: Session<'_>,
    opened: Files,
    site: Option<Site>,
) -> Result<(), Failure> {
    match (command, site) {
        (Command::Serve { demo }, Some(site)) => serve::run(session, site, demo).await,
        (command, _) => other(command, session, opened).await,
    }
}

async fn other(command: Command, session: Session<'_>, opened: Files) -> Result<(), Failure> {
    match command {
        Command::Routes => routes::list(session.out),
        Command::Config(arguments::Config::Check) => check::run(&session).await,
        Command::Target(what) => target::run(&session, what).await,
        other => {
            let console = Console::open(session.settings, false).await?;
            let done = with_console(other, &session, &console, opened).await;
            console.close().await;
            done
        }
    }
}

async fn with_console(
    command: Command,
    session: &Session<'_>,
    console: &Console,
    opened: Files,
) -> Result<(), Failure> {
    match command {
        Command::Migrate(what) => migrate::run(session, console, what).await,
        Command::Optimize => optimize::run(session, console, optimize::What::All).await,
        Command::CreateIndexes => optimize::run(session, console, optimize::What::Indexes).await,
        Command::Analyze => optimize::run(session, console, optimize::What::Analyze).await,
        Command::Backup(what) => backup::run(session, console, what, opened).await,
        Command::Schedule(what) => schedule::run(session, console, what).await,
        Command::Import(what) => import::run(session, console, what, opened).await,
        Command::Stats => stats::run(session, console).await,
        Command::Activity { what } => activity::run(session, console, what).await,
        Command::History(what) => history::run(session, console, what).await,
        Command::Deployment(what) => deployment::run(session, console, what).await,
        Command::Explain(what) => explain::run(session, console, what, opened.text).await,
        Command::Queries(what) => queries::run(session, console, what).await,
        Command::Audit(what) => audit::run(session, console, what, opened).await,
        Command::User(what) => self::session::run(session, console, what).await,
        Command::Serve { .. } | Command::Routes | Command::Config(_) | Command::Target(_) => Ok(()),
    }
}

impl Session<'_> {
    fn caller(&self, console: &Console) -> engine::Caller {
        console.engine.session().command_line(&self.os_user)
    }

    /// Says something to a person beside the result.
    fn note(&self, text: &str) {
        if !self.out.is_json() {
            out::tell(text);
        }
    }

    /// The managed database of the command: the named one, or the only one there is.
    async fn target(&self, console: &Console) -> Result<String, Failure> {
        let known = console.engine.targets().list(&self.caller(console)).await?;
        if let Some(name) = &self.target {
            return Ok(name.clone());
        }
        match known.as_slice() {
            [only] => Ok(only.name.clone()),
            [] => Err(Failure::usage(
                "no managed database is configured",
                "set DATABASE_URL, or name one in pgsteward.toml",
            )),
            several => {
                let names: Vec<&str> = several.iter().map(|target| target.name.as_str()).collect();
                Err(Failure::usage(
                    "there are several managed databases",
                    format!("name one with --target: {}", names.join(", ")),
                ))
            }
        }
    }
}
