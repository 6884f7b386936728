//! `.sqlx/`: what the store's database says about each checked query, so that a build needs no database.
//!
//! `sqlx::query!` asks the database of `DATABASE_URL` about a statement and writes the answer as
//! `query-<SHA-256 of the statement>.json` into `SQLX_OFFLINE_DIR`. This step lets it write into an empty folder and compares
//! that with `.sqlx/`, so that answers to statements that no longer exist go as well.

#[cfg(feature = "prepare")]
mod throw_away;

use crate::{Result, step, wasm, write};
use std::collections::BTreeMap;
use std::path::Path;

/// What to do with a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Take it over.
    Refresh,
    /// Fail.
    Check,
}

/// Refreshes or checks `.sqlx/` against the database of `DATABASE_URL`, or against a throw-away one made from
/// `migrations/store` when that is not set.
///
/// # Errors
/// When the queries do not fit the schema (cargo says which), or in [`Mode::Check`] when `.sqlx/` is out of date.
pub fn run(mode: Mode) -> Result<()> {
    match wasm::setting("DATABASE_URL").filter(|url| !url.is_empty()) {
        Some(url) => against(&url, mode),
        None => without_database(mode),
    }
}

#[cfg(feature = "prepare")]
fn without_database(mode: Mode) -> Result<()> {
    throw_away::with_store(&crate::top().join("migrations/store"), |url| against(url, mode))
}

/// Runs xtask again with the feature that can start a cluster: the other steps should not wait for it to compile.
#[cfg(not(feature = "prepare"))]
fn without_database(mode: Mode) -> Result<()> {
    let mut arguments = vec![
        "run",
        "--quiet",
        "-p",
        "xtask",
        "--features",
        "prepare",
        "--",
        "prepare",
    ];
    if mode == Mode::Check {
        arguments.push("--check");
    }
    let status = wasm::cargo()
        .args(arguments)
        .status()
        .map_err(|e| format!("cargo: {e}"))?;
    if status.success() {
        Ok(())
    } else {
        Err("the queries were not prepared; the reason is above".into())
    }
}

fn against(url: &str, mode: Mode) -> Result<()> {
    let top = crate::top();
    let fresh = wasm::target(&top).join("sqlx-prepare");
    let fail = |path: &Path, e: std::io::Error| format!("{}: {e}", path.display());
    if fresh.exists() {
        std::fs::remove_dir_all(&fresh).map_err(|e| fail(&fresh, e))?;
    }
    std::fs::create_dir_all(&fresh).map_err(|e| fail(&fresh, e))?;
    step("queries against the store's schema", || {
        touch(&top.join("engine/src/lib.rs"))?;
        let status = wasm::cargo()
            .args(["check", "--quiet", "-p", "engine", "--all-features"])
            .env("DATABASE_URL", url)
            .env("SQLX_OFFLINE", "false")
            .env("SQLX_OFFLINE_DIR", &fresh)
            .status()
            .map_err(|e| format!("cargo: {e}"))?;
        if status.success() {
            Ok(())
        } else {
            Err(
                "the engine does not compile against the schema of migrations/store; the reason is above"
                    .into(),
            )
        }
    })?;
    compare(&fresh, &top.join(".sqlx"), mode)
}

/// Makes cargo see the crate as changed: it does not know that the macros read a database.
fn touch(path: &Path) -> Result<()> {
    std::fs::File::options()
        .append(true)
        .open(path)
        .and_then(|file| file.set_modified(std::time::SystemTime::now()))
        .map_err(|e| format!("{}: {e}", path.display()))
}

/// Brings the folder `kept` to the content of `fresh`, or only says where they differ.
fn compare(fresh: &Path, kept: &Path, mode: Mode) -> Result<()> {
    let (new, old) = (answers(fresh)?, answers(kept)?);
    let changed: Vec<&String> = new
        .iter()
        .filter(|(name, text)| old.get(*name) != Some(text))
        .map(|(name, _)| name)
        .collect();
    let stale: Vec<&String> = old.keys().filter(|name| !new.contains_key(*name)).collect();
    eprintln!(
        "  {} queries: {} new or changed, {} no longer used",
        new.len(),
        changed.len(),
        stale.len()
    );
    if mode == Mode::Check {
        let ok = changed.is_empty() && stale.is_empty();
        return if ok {
            Ok(())
        } else {
            Err(".sqlx/ is out of date: run `cargo xtask prepare` and commit it".into())
        };
    }
    std::fs::create_dir_all(kept).map_err(|e| format!("{}: {e}", kept.display()))?;
    for name in changed {
        write(&kept.join(name), &new[name])?;
    }
    for name in stale {
        std::fs::remove_file(kept.join(name)).map_err(|e| format!("{}: {e}", kept.join(name).display()))?;
    }
    Ok(())
}

fn answers(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(found);
    };
    for entry in entries {
        let path = entry.map_err(|e| format!("{}: {e}", folder.display()))?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with("query-") && name.ends_with(".json") {
            found.insert(
                name,
                std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?,
            );
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::{Mode, compare};

    #[test]
    fn stale_answers_go_and_a_check_only_tells() {
        let folders = tempfile::tempdir().unwrap();
        let (fresh, kept) = (folders.path().join("fresh"), folders.path().join("kept"));
        std::fs::create_dir(&fresh).unwrap();
        std::fs::create_dir(&kept).unwrap();
        std::fs::write(fresh.join("query-1.json"), "new").unwrap();
        std::fs::write(kept.join("query-1.json"), "old").unwrap();
        std::fs::write(kept.join("query-2.json"), "gone").unwrap();
        assert!(
            compare(&fresh, &kept, Mode::Check)
                .unwrap_err()
                .contains("out of date")
        );
        assert!(kept.join("query-2.json").exists(), "a check changes nothing");
        compare(&fresh, &kept, Mode::Refresh).unwrap();
        assert_eq!(std::fs::read_to_string(kept.join("query-1.json")).unwrap(), "new");
        assert!(!kept.join("query-2.json").exists());
        compare(&fresh, &kept, Mode::Check).unwrap();
    }
}
