//! `cargo xtask tests`: all Rust tests, each failed one run once more by itself.
//!
//! A test that passes the second time is *unsteady*: the run stays green and names it, so that somebody mends it. One
//! that fails twice fails the run. libtest has no second try, and `cargo-nextest` starts a process for each test, which
//! would start a PostgreSQL cluster for each.

mod binaries;
mod output;
mod run;

use crate::{Result, write};
use binaries::Binary;
pub use binaries::Build;
use output::Verdict;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// What came of a whole run; tests are named `crate::test`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How many passed, the unsteady ones among them.
    pub passed: usize,
    /// Those that failed twice, or failed where so many failed that none was tried again.
    pub failed: Vec<String>,
    /// Those that failed, and passed when they were run alone.
    pub unsteady: Vec<String>,
}

/// More failures than this come from one cause, and trying each again would only take time.
const SECOND_TRIES: usize = 20;

/// Builds and runs the tests whose names contain `filter` (all, when empty), and leaves `rust.result` and `rust.log` in
/// `target/test-logs/`.
///
/// # Errors
/// When the build fails, or a test failed twice; the tests are named in the output.
pub fn run(build: &Build, filter: &str) -> Result<()> {
    let logs = crate::wasm::target(&crate::top()).join("test-logs");
    std::fs::create_dir_all(&logs).map_err(|e| format!("{}: {e}", logs.display()))?;
    let binaries = crate::step("tests compiled", || binaries::build(build))?;
    let mut log = std::fs::File::create(logs.join("rust.log")).map_err(|e| format!("rust.log: {e}"))?;
    let mut first = Vec::new();
    for binary in &binaries {
        first.push(run::all(binary, filter, &mut log)?);
    }
    let outcome = second_tries(&binaries, &first, &mut log)?;
    store(&logs.join("rust.result"), &outcome)?;
    println(&outcome);
    if outcome.failed.is_empty() {
        Ok(())
    } else {
        Err(format!("failed: {}", outcome.failed.join(", ")))
    }
}

fn second_tries(
    binaries: &[Binary],
    first: &[BTreeMap<String, Verdict>],
    log: &mut std::fs::File,
) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let all: usize = first.iter().map(|verdicts| missed(verdicts).count()).sum();
    for (binary, verdicts) in binaries.iter().zip(first) {
        outcome.passed += verdicts.values().filter(|v| **v == Verdict::Passed).count();
        for test in missed(verdicts) {
            let name = format!("{}::{test}", binary.package);
            if all <= SECOND_TRIES && run::alone(binary, test, log)? {
                outcome.passed += 1;
                outcome.unsteady.push(name);
            } else {
                outcome.failed.push(name);
            }
        }
    }
    Ok(outcome)
}

fn missed(verdicts: &BTreeMap<String, Verdict>) -> impl Iterator<Item = &String> {
    verdicts
        .iter()
        .filter(|(_, verdict)| **verdict != Verdict::Passed)
        .map(|(name, _)| name)
}

/// A line for each fact, so that a shell can read it: `passed 12`, `failed NAME`, `unsteady NAME`.
fn store(path: &Path, outcome: &Outcome) -> Result<()> {
    let mut text = format!("passed {}\n", outcome.passed);
    for (word, names) in [("failed", &outcome.failed), ("unsteady", &outcome.unsteady)] {
        for name in names {
            text.push_str(&format!("{word} {name}\n"));
        }
    }
    write(path, text.as_bytes())
}

fn println(outcome: &Outcome) {
    let mut out = std::io::stdout();
    let line = format!(
        "Rust tests: {} passed, {} failed, {} unsteady",
        outcome.passed,
        outcome.failed.len(),
        outcome.unsteady.len()
    );
    // Whoever reads the output may have gone; the result is in the file.
    writeln!(out, "{line}").ok();
}
