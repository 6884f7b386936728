//! `make matrix`: each server version with each client tool that can speak to it, each neighbour, and each kind of SQLite file.
//! It prints a table, what failed, and `N passed, N failed`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test waits for another process by sleeping, and tells how it goes"
)]

mod cells;
mod imports;
#[path = "../it/matrix/neighbours.rs"]
mod neighbours;
#[path = "../it/matrix/path.rs"]
mod path;
#[expect(dead_code, reason = "other test files use the rest")]
#[path = "../it/program.rs"]
mod program;
mod restore;

use std::process::ExitCode;

use cells::{Cell, Outcome};
use testkit::Version;

fn main() -> ExitCode {
    let outcomes = cells::run(cells::all());
    println!("\n{}", table(&outcomes));
    let failed: Vec<_> = outcomes.iter().filter(|outcome| !outcome.passed).collect();
    for outcome in &failed {
        println!("FAILED {}", outcome.cell);
    }
    println!(
        "{} passed, {} failed",
        outcomes.len() - failed.len(),
        failed.len()
    );
    match failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// A line for each server version, a column for each thing that was tried with it.
fn table(outcomes: &[Outcome]) -> String {
    let mut text = format!("{:<12}", "server");
    for column in Cell::columns(Version::V14) {
        text += &format!("{:>12}", column.column());
    }
    for server in Version::ALL {
        text += &format!("\n{:<12}", server.to_string());
        for column in Cell::columns(server) {
            let found = outcomes.iter().find(|outcome| outcome.cell == column);
            let word = match found {
                Some(outcome) if outcome.passed => format!("{} s", outcome.seconds),
                Some(_) => "FAILED".to_owned(),
                None => "-".to_owned(),
            };
            text += &format!("{word:>12}");
        }
    }
    text
}
