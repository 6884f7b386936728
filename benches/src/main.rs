//! `make bench`: measures the release build against the budgets, and writes docs/performance.md.
//!
//! Invariants: it drives the real binary over HTTP on 127.0.0.1, as browsers do, and compares with named peers in the same
//! run; what it starts ends with it, also after `kill -9`; a budget that is missed is printed as missed, with what the run
//! itself shows of the reason. The load generator shares the machine with what it measures, and the report says so.

mod console;
mod jobs;
mod load;
mod machine;
mod measure;
mod plan;
mod process;
mod report;
mod timing;
mod visitor;

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use console::{Console, Setup};
use machine::Machine;
use plan::Plan;
use report::Report;
use visitor::Sessions;

/// The outcome of a measurement; the error is a message for the person at the terminal.
type Result<T> = std::result::Result<T, String>;

/// Measures the console against its budgets.
#[derive(Parser)]
struct Arguments {
    /// The console's binary
    #[arg(long)]
    console: PathBuf,
    /// The folder with the browser's files
    #[arg(long)]
    site: PathBuf,
    /// A smoke run: everything once and short
    #[arg(long)]
    quick: bool,
    /// One part alone; the others keep what the last run wrote of them
    #[arg(long)]
    only: Option<Part>,
}

/// A part that can be measured by itself.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Part {
    /// The import of SQLite files
    Import,
    /// What it costs to watch databases
    Sampler,
    /// Restores, and what they add to memory
    Restore,
}

#[tokio::main]
async fn main() -> ExitCode {
    // reqwest asks for it whatever it is used for, because the console uses it over TLS.
    rustls::crypto::ring::default_provider().install_default().ok();
    let arguments = Arguments::parse();
    let outcome = tokio::select! {
        outcome = run(&arguments) => outcome,
        // Dropping the run closes the pipes to what it started, and that ends it.
        () = told_to_stop() => Err("stopped by a signal".to_owned()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Comes back with Ctrl-C or SIGTERM.
async fn told_to_stop() {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut told) => told.recv().await,
            // Then the signal ends this process, and the keepers clean up all the same.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated => {}
    }
}

/// Measures, prints and writes; `false` when a part could not be measured.
async fn run(arguments: &Arguments) -> Result<bool> {
    let work = work_folder()?;
    let setup = Setup::new(&arguments.console, &arguments.site, work.path())?;
    let mut report = Report::new(Machine::look()?, arguments.quick);
    let plan = Plan::new(arguments.quick);
    if arguments.only.is_none() {
        report.add("WebAssembly", measure::wasm::size(&setup.site));
        everyday(&setup, &plan, &mut report).await?;
        report.add("10,000 tables", measure::tables::many(&setup, &plan).await);
    }
    if matches!(arguments.only, Some(Part::Restore)) {
        restores(&setup, &plan, &mut report).await?;
    }
    if matches!(arguments.only, None | Some(Part::Sampler)) {
        report.add("sampler", measure::sampler::cost(&setup, &plan).await);
    }
    if matches!(arguments.only, None | Some(Part::Import)) {
        let sizes = measure::import::sizes(arguments.quick);
        report.add(
            "import",
            measure::import::against_peers(&setup.program, &setup.work, &sizes).await,
        );
    }
    let path = place(arguments.quick)?;
    let old = fs::read_to_string(&path).unwrap_or_default();
    let text = match arguments.only {
        Some(Part::Import) => report.document_with("import", &old),
        Some(Part::Sampler) => report.document_with("sampler", &old),
        Some(Part::Restore) => report.document_with("restore", &old),
        None => report.document(&old),
    };
    fs::write(&path, text).map_err(|error| format!("writing {}: {error}", path.display()))?;
    // A reader that has gone away, as `| head` does, is no failure.
    let _gone = writeln!(
        std::io::stdout(),
        "\n{}\nWritten to {}",
        report.table(),
        path.display()
    );
    Ok(report.is_whole())
}

/// What is measured on the console as it is after `make run`, on its embedded PostgreSQL.
async fn everyday(setup: &Setup, plan: &Plan, report: &mut Report) -> Result<()> {
    let begun = Instant::now();
    let note = |text: &str| eprintln!("  {:>4} s  {text}", begun.elapsed().as_secs());
    note("first start");
    let mut console = Console::start(setup, "console", &[], false).await?;
    let mut sessions = Sessions::new(&console);
    report.add("idle memory", measure::memory::idle(&console, plan).await);
    note("live streams");
    let live = measure::memory::live(&console, &mut sessions, plan).await;
    report.add(
        "memory with live streams",
        live.map_err(|why| console.explain(why)),
    );
    console.stop().await?;

    note("demonstration data: a million rows");
    console = Console::start(setup, "console", &[], true).await?;
    sessions.follow(&console);
    console
        .wait_for_log("the demonstration data is", plan.demo)
        .await?;
    report.add_server(&console.embedded().await?).await;
    note("cancelling index builds");
    let cancelled = measure::cancel::indexes(&console, &mut sessions, plan).await;
    report.add(
        "cancelling an index build",
        cancelled.map_err(|why| console.explain(why)),
    );
    note("pages");
    let pages = measure::pages::all(&console, &mut sessions, plan).await;
    report.add("pages", pages.map_err(|why| console.explain(why)));
    note("backups");
    let backups = measure::backup::against_pg_dump(&console, &mut sessions, plan).await;
    report.add("backup", backups.map_err(|why| console.explain(why)));
    note("restores");
    let restores = measure::restore::against_pg_restore(&console, &mut sessions, plan).await;
    report.add("restore", restores.map_err(|why| console.explain(why)));
    note("cancelling backups");
    let cancelled = measure::cancel::backups(&mut sessions, plan).await;
    report.add(
        "cancelling a backup",
        cancelled.map_err(|why| console.explain(why)),
    );
    note("stopping");
    console.stop().await
}

/// Restores alone, on a console of their own.
async fn restores(setup: &Setup, plan: &Plan, report: &mut Report) -> Result<()> {
    let console = Console::start(setup, "console", &[], true).await?;
    let mut sessions = Sessions::new(&console);
    console
        .wait_for_log("the demonstration data is", plan.demo)
        .await?;
    report.add_server(&console.embedded().await?).await;
    let restores = measure::restore::against_pg_restore(&console, &mut sessions, plan).await;
    report.add("restore", restores.map_err(|why| console.explain(why)));
    console.stop().await
}

/// A folder that PostgreSQL's user can enter; what lies in it is private or worth nothing.
fn work_folder() -> Result<tempfile::TempDir> {
    let made = tempfile::Builder::new()
        .prefix("pgsteward-bench-")
        .tempdir_in("/tmp");
    let folder = made.map_err(|error| format!("making a folder in /tmp: {error}"))?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))
        .map_err(|error| format!("opening {}: {error}", folder.path().display()))?;
    Ok(folder)
}

/// Where the report goes.
fn place(quick: bool) -> Result<PathBuf> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."));
    let folder = if quick {
        top.join("target/bench")
    } else {
        top.join("docs")
    };
    fs::create_dir_all(&folder).map_err(|error| format!("making {}: {error}", folder.display()))?;
    Ok(folder.join("performance.md"))
}
