//! What the run ran on.

use std::{fs, process::Command};

use chrono::Utc;

use crate::Result;

/// The machine and the build.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Processor cores that this process may use.
    pub cores: usize,
    /// The processor's name.
    pub processor: String,
    /// Memory in bytes.
    pub memory: u64,
    /// The kernel.
    pub kernel: String,
    /// How busy it was before the run: the load average of the last minute.
    pub load: String,
    /// When the run began.
    pub date: String,
    /// The commit, with `+` when files were changed since.
    pub commit: String,
}

impl Machine {
    /// Looks at it.
    pub fn look() -> Result<Self> {
        let read = |path: &str| fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
        let field = |text: &str, name: &str| {
            let found = text
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(key, _)| key.trim() == name);
            found.map(|(_, value)| value.trim().to_owned())
        };
        let kilobytes = field(&read("/proc/meminfo")?, "MemTotal")
            .and_then(|value| value.trim_end_matches("kB").trim().parse::<u64>().ok());
        Ok(Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            // Not on every architecture.
            processor: field(&read("/proc/cpuinfo")?, "model name")
                .unwrap_or_else(|| "an unnamed processor".to_owned()),
            memory: kilobytes.unwrap_or_default() * 1024,
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            load: read("/proc/loadavg")?
                .split(' ')
                .next()
                .unwrap_or("unknown")
                .to_owned(),
            date: Utc::now().format("%Y-%m-%d %H:%M UTC").to_string(),
            commit: commit(),
        })
    }
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    match git(&["rev-parse", "--short", "HEAD"]) {
        Some(hash) => {
            let clean = git(&["status", "--porcelain", "--untracked-files=no"])
                .is_some_and(|changes| changes.is_empty());
            if clean { hash } else { format!("{hash}+") }
        }
        None => "unknown".to_owned(),
    }
}
