//! `pgsteward import sqlite`.

use std::path::Path;

use serde_json::Value;

use super::{footprint::Footprint, program::Program, stage::Stage};
use crate::Result;

/// One import, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Import {
    /// From the start of the command to its end.
    pub whole: f64,
    /// Looking at the file.
    pub inspect: f64,
    /// The load with keys and indexes.
    pub load: f64,
    /// The comparison of both sides.
    pub verify: f64,
    /// The command's memory.
    pub memory: Footprint,
}

/// Imports into an empty database, with the verdict identical or not at all.
pub async fn measure(
    program: &Path,
    stage: &Stage,
    database: &str,
    file: &Path,
    folder: &Path,
) -> Result<Import> {
    let path = file.to_string_lossy();
    let data = folder.join("steward").to_string_lossy().into_owned();
    let ended = Program::new(program, folder)
        .arguments([
            "import", "sqlite", &path, "--target", database, "--schema", "public", "--yes", "--json",
        ])
        .variables([
            ("DATABASE_URL", stage.url(database)),
            ("PGSTEWARD_DATA_DIR", data),
        ])
        .succeed("pgsteward")
        .await?;
    let said: Value = serde_json::from_str(&ended.output)
        .map_err(|error| format!("what `pgsteward import` printed is no JSON: {error}"))?;
    if said.get("verdict").and_then(Value::as_str) != Some("identical") {
        return Err(format!(
            "the verdict of `pgsteward import` is {} and not identical",
            said.get("verdict").unwrap_or(&Value::Null)
        ));
    }
    let seconds = |name: &str| {
        let found = said.get(name).and_then(Value::as_u64);
        found
            .map(|ms| ms as f64 / 1000.0)
            .ok_or_else(|| format!("`pgsteward import` does not say {name}"))
    };
    Ok(Import {
        whole: ended.seconds,
        inspect: seconds("inspect_ms")?,
        load: seconds("load_ms")?,
        verify: seconds("verify_ms")?,
        memory: ended.memory,
    })
}
