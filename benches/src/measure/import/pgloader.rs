//! pgloader, as people use it.

use std::{fs, path::Path};

use super::{
    program::{Ended, Program},
    stage::{Found, Stage},
};
use crate::Result;

/// What a load needs in its `with` clause at this size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Fewer rows at once, without which it needs more memory than it has for millions.
    Tuned,
    /// As it comes.
    Defaults,
}

impl Variant {
    /// In a word or two.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tuned => "pgloader, prefetch rows = 10000",
            Self::Defaults => "pgloader, its defaults",
        }
    }

    const fn clause(self) -> &'static str {
        match self {
            Self::Tuned => "\n     with prefetch rows = 10000",
            Self::Defaults => "",
        }
    }
}

/// What came of a load.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ran.
    pub ended: Ended,
    /// What is there.
    pub found: Found,
    /// Errors that its summary counts.
    pub errors: u64,
    /// Why it counts as dead, if it does.
    pub died: Option<String>,
}

/// Its version, and whether it is there at all.
pub async fn version(folder: &Path) -> Result<String> {
    let said = program(folder)?
        .arguments(["--version"])
        .succeed("pgloader-version")
        .await?;
    Ok(said.output.lines().next().unwrap_or("pgloader").replace('"', ""))
}

/// Loads into an empty database.
pub async fn measure(
    stage: &Stage,
    database: &str,
    file: &Path,
    folder: &Path,
    variant: Variant,
    tables: &[&str],
) -> Result<Outcome> {
    let load = folder.join("import.load");
    let text = format!(
        "load database\n     from sqlite://{}\n     into {}{};\n",
        file.display(),
        stage.url(database),
        variant.clause()
    );
    fs::write(&load, text).map_err(|error| format!("writing {}: {error}", load.display()))?;
    let ended = program(folder)?
        .arguments(["--root-dir".into(), folder.join("pgloader").to_string_lossy()])
        .arguments([load.to_string_lossy()])
        .run("pgloader")
        .await?;
    let found = stage.found(database, tables).await?;
    let (errors, summary) = summary(&ended.output);
    let died = died(&ended, summary);
    Ok(Outcome {
        ended,
        found,
        errors,
        died,
    })
}

fn program(folder: &Path) -> Result<Program> {
    let found = Program::named("pgloader", "apt-get install pgloader", folder)?;
    // It keeps what it compiles in a cache at home.
    Ok(found.variables([("HOME", folder.to_string_lossy().into_owned())]))
}

/// Errors that the summary counts, and whether there is a whole summary.
fn summary(output: &str) -> (u64, bool) {
    let total = output
        .lines()
        .filter(|line| line.trim_start().starts_with("Total import time"));
    let counts = |line: &str| {
        let field = line.split_whitespace().nth(3)?;
        // A check mark stands for none.
        Some(field.parse::<u64>().unwrap_or(0))
    };
    match total.filter_map(counts).next_back() {
        Some(errors) => (errors, true),
        None => (0, false),
    }
}

fn died(ended: &Ended, summary: bool) -> Option<String> {
    let said = |text: &str| ended.output.contains(text) || ended.complaints.contains(text);
    let heap = [
        "Heap exhausted",
        "heap exhausted",
        "HEAP-EXHAUSTED",
        "GC invariant lost",
    ];
    if heap.iter().any(|text| said(text)) {
        return Some(format!("its heap was exhausted after {:.0} s", ended.seconds));
    }
    (ended.status != Some(0) || !summary).then(|| ended.fate())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "      ari_snapshots          0      10828     2.1 MB          0.5s\n\
                        Total import time          ✓      20000     4.4 MB          2.5s\n";

    fn ended(status: i32, output: &str) -> Ended {
        Ended {
            seconds: 3.0,
            memory: Default::default(),
            status: Some(status),
            output: output.into(),
            complaints: String::new(),
        }
    }

    #[test]
    fn the_summary_says_how_many_errors() {
        assert_eq!(summary(GOOD), (0, true));
        assert_eq!(summary(&GOOD.replace('✓', "7")), (7, true));
        assert_eq!(summary("half a line"), (0, false));
    }

    #[test]
    fn a_death_is_recognised() {
        assert_eq!(died(&ended(0, GOOD), true), None);
        let why = died(&ended(0, "Heap exhausted during allocation"), false);
        assert!(why.is_some_and(|why| why.contains("heap")));
        assert!(died(&ended(1, "KABOOM"), false).is_some_and(|why| why.contains("KABOOM")));
        assert!(died(&ended(0, "and then silence"), false).is_some());
    }
}
