//! The test programs, as cargo builds them.

use crate::{Result, wasm};
use std::path::PathBuf;
use std::process::Stdio;

/// How to build: a profile of cargo and the features of the tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// `dev` or `release`.
    pub profile: String,
    /// In cargo's form, such as `engine/test-jobs,server/test-jobs`.
    pub features: String,
}

impl Build {
    /// As the command line names them.
    #[must_use]
    pub fn new(profile: &str, features: &str) -> Self {
        Self {
            profile: profile.to_owned(),
            features: features.to_owned(),
        }
    }
}

/// One test program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary {
    /// The crate whose tests it has.
    pub package: String,
    /// The folder of that crate, where cargo runs its tests.
    pub folder: PathBuf,
    /// The program.
    pub program: PathBuf,
}

/// Compiles all tests and lists their programs in cargo's order, those of libraries before those that start servers.
///
/// # Errors
/// When cargo fails; it has then said why.
pub fn build(build: &Build) -> Result<Vec<Binary>> {
    let output = wasm::cargo()
        .args([
            "test",
            "--no-run",
            "--quiet",
            "--message-format=json-render-diagnostics",
        ])
        .args(["--profile", &build.profile, "--features", &build.features])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("cargo: {e}"))?;
    if !output.status.success() {
        return Err("cargo could not build the tests".into());
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut found: Vec<(bool, Binary)> = messages.lines().filter_map(program).collect();
    found.sort_by_key(|(integration, _)| *integration);
    Ok(found.into_iter().map(|(_, binary)| binary).collect())
}

/// The test program that a message of cargo is about, and whether it is one of integration tests.
fn program(message: &str) -> Option<(bool, Binary)> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let test = message["profile"]["test"].as_bool()?;
    let program = PathBuf::from(message["executable"].as_str()?);
    let folder = PathBuf::from(message["manifest_path"].as_str()?)
        .parent()?
        .to_owned();
    let package = folder.file_name()?.to_string_lossy().into_owned();
    let integration = message["target"]["kind"][0] == "test";
    test.then_some((
        integration,
        Binary {
            package,
            folder,
            program,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::program;

    #[test]
    fn a_test_program_is_told_from_what_else_cargo_builds() {
        let message = |test: bool, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/w/engine/Cargo.toml","target":{{"kind":["test"]}},
                "profile":{{"test":{test}}},"executable":{executable}}}"#
            )
        };
        let found = program(&message(true, r#""/w/target/it-1""#));
        assert!(found.is_some_and(|(integration, binary)| integration
            && binary.package == "engine"
            && binary.folder.ends_with("engine")));
        assert_eq!(program(&message(false, r#""/w/target/pgsteward""#)), None);
        assert_eq!(program(&message(true, "null")), None);
        assert_eq!(program("warning: not JSON"), None);
    }
}
