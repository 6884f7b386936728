use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;

/// What a cluster cannot do without.
const NEEDED: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// Folder with PostgreSQL's server programs. Looks at `PG_BIN`, then `pg_config --bindir`, then `PATH`, then the newest
/// version under `/usr/lib/postgresql` (Debian) and Homebrew's folders.
///
/// # Errors
/// When no folder holds `initdb`, `pg_ctl` and `postgres`; the text says what to install.
pub fn bin_dir() -> Result<PathBuf, Failure> {
    if let Some(chosen) = variable("PG_BIN") {
        // A wrong PG_BIN is an error and not a reason to take another version behind the user's back.
        return first_complete([PathBuf::from(&chosen)]).ok_or_else(|| {
            Failure::new(format!(
                "PG_BIN is {chosen:?}, and that folder does not hold {}. Example: PG_BIN=/usr/lib/postgresql/15/bin",
                NEEDED.join(", ")
            ))
        });
    }
    let path = variable("PATH").unwrap_or_default();
    let candidates = from_pg_config()
        .into_iter()
        .chain(std::env::split_paths(&path))
        .chain(versions_under("/usr/lib/postgresql", "bin"))
        .chain(versions_under("/opt/homebrew/opt", "bin"));
    first_complete(candidates).ok_or_else(missing)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test tool has no configuration; PG_BIN and PATH are what it goes by"
)]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The first of these folders that holds all server programs.
pub fn first_complete(candidates: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    candidates
        .into_iter()
        .find(|folder| NEEDED.iter().all(|program| folder.join(program).is_file()))
}

/// PgBouncer's program, from `PATH` or the folders for administrators' programs, which are not always on it.
///
/// # Errors
/// When it is in none of them; the text says what to install.
pub fn pgbouncer() -> Result<PathBuf, Failure> {
    let path = variable("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join("pgbouncer"))
        .find(|program| program.is_file())
        .ok_or_else(|| {
            Failure::new("found no PgBouncer. Run `xtask/setup.sh test` or `apt-get install pgbouncer`")
        })
}

/// Whether the server in this folder can load `library`, for example `pg_stat_statements`.
pub(crate) fn has_library(bin: &Path, library: &str) -> bool {
    let asked = answer(bin.join("pg_config").as_os_str(), "--pkglibdir");
    let beside = bin.parent().map(|parent| parent.join("lib"));
    asked.into_iter().chain(beside).any(|folder| {
        ["so", "dylib"]
            .iter()
            .any(|ending| folder.join(library).with_extension(ending).is_file())
    })
}

fn missing() -> Failure {
    Failure::new(format!(
        "found no PostgreSQL server programs ({}). Run `apt-get install postgresql`, or set PG_BIN to their folder, \
         for example PG_BIN=/usr/lib/postgresql/15/bin",
        NEEDED.join(", ")
    ))
}

fn from_pg_config() -> Option<PathBuf> {
    answer(OsStr::new("pg_config"), "--bindir")
}

fn answer(program: &OsStr, question: &str) -> Option<PathBuf> {
    let output = Command::new(program).arg(question).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(text.trim()))
}

/// `<top>/<version>/<inner>` for each version folder, the newest first.
fn versions_under(top: &str, inner: &str) -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(top)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let digits = name.trim_start_matches("postgresql@");
            Some((digits.parse().ok()?, entry.path().join(inner)))
        })
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_lacks_one_program_is_passed_over() {
        let top = tempfile::tempdir().unwrap();
        let (partial, complete) = (top.path().join("partial"), top.path().join("complete"));
        for (folder, programs) in [(&partial, &NEEDED[..2]), (&complete, &NEEDED[..])] {
            fs::create_dir(folder).unwrap();
            for program in programs {
                fs::write(folder.join(program), "").unwrap();
            }
        }
        assert_eq!(
            first_complete([partial.clone(), complete.clone()]),
            Some(complete)
        );
        assert_eq!(first_complete([partial]), None);
    }

    #[test]
    fn missing_programs_are_named_with_the_command_that_helps() {
        let text = missing().to_string();
        assert!(
            text.contains("initdb") && text.contains("apt-get install postgresql"),
            "{text}"
        );
    }

    #[test]
    fn the_newest_version_comes_first() {
        let top = tempfile::tempdir().unwrap();
        for version in ["9", "15", "postgresql@17", "notes"] {
            fs::create_dir(top.path().join(version)).unwrap();
        }
        let found = versions_under(top.path().to_str().unwrap(), "bin");
        let names: Vec<_> = found
            .iter()
            .map(|path| path.strip_prefix(top.path()).unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, ["postgresql@17/bin", "15/bin", "9/bin"]);
    }
}
