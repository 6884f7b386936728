//! Running a test program.

use super::binaries::Binary;
use super::output::{Verdict, listed, verdict};
use crate::Result;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

/// How many tests of one program run at a time, for each processor: most of a test's time is waiting for servers.
const TESTS_PER_CORE: usize = 2;

/// Runs the tests whose names contain `filter`, all when it is empty. A test without a verdict, because the process
/// ended before it, is missed like one that failed.
///
/// # Errors
/// When the program cannot be started.
pub fn all(binary: &Binary, filter: &str, log: &mut File) -> Result<BTreeMap<String, Verdict>> {
    let start = Instant::now();
    let list = command(binary)
        .args(["--list", filter])
        .output()
        .map_err(|e| not_started(binary, &e))?;
    let list = String::from_utf8_lossy(&list.stdout);
    let mut verdicts: BTreeMap<String, Verdict> = listed(&list)
        .map(|name| (name.to_owned(), Verdict::Missed))
        .collect();
    if verdicts.is_empty() {
        return Ok(verdicts);
    }
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let threads = format!("--test-threads={}", cores * TESTS_PER_CORE);
    let mut program = command(binary);
    program.args([threads.as_str(), filter]);
    watch(binary, program, log, |line| {
        if let Some((name, verdict)) = verdict(line) {
            verdicts.insert(name.to_owned(), verdict);
        }
    })?;
    let seconds = start.elapsed().as_secs_f64();
    eprintln!(
        "  {:<12} {:>4} tests {seconds:>8.1} s",
        binary.package,
        verdicts.len()
    );
    Ok(verdicts)
}

/// Runs one test by itself; says whether it passed.
///
/// # Errors
/// When the program cannot be started.
pub fn alone(binary: &Binary, test: &str, log: &mut File) -> Result<bool> {
    eprintln!("  once more: {}::{test}", binary.package);
    let mut program = command(binary);
    program.args(["--exact", test]);
    let mut passed = false;
    watch(binary, program, log, |line| {
        passed |= verdict(line) == Some((test, Verdict::Passed));
    })?;
    Ok(passed)
}

fn command(binary: &Binary) -> Command {
    let mut command = Command::new(&binary.program);
    command.current_dir(&binary.folder).stdin(Stdio::null());
    command
}

/// Runs a program, whose lines go to `seen`, to the log, and to standard output.
fn watch(binary: &Binary, mut program: Command, log: &mut File, mut seen: impl FnMut(&str)) -> Result<()> {
    let (reader, writer) = std::io::pipe().map_err(|e| not_started(binary, &e))?;
    let also = writer.try_clone().map_err(|e| not_started(binary, &e))?;
    let mut child = program
        .stdout(writer)
        .stderr(also)
        .spawn()
        .map_err(|e| not_started(binary, &e))?;
    // Its ends of the pipe must go, or the reader below waits for them.
    drop(program);
    lines(reader, |line| {
        seen(line);
        writeln!(std::io::stdout(), "{line}").ok();
        writeln!(log, "{line}").ok();
    });
    child.wait().map_err(|e| not_started(binary, &e))?;
    Ok(())
}

fn lines(from: impl Read, mut each: impl FnMut(&str)) {
    let mut reader = BufReader::new(from);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
        each(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']));
        line.clear();
    }
}

fn not_started(binary: &Binary, error: &std::io::Error) -> String {
    format!("{}: {error}", binary.program.display())
}
