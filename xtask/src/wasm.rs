//! The frontend as WebAssembly, and the JavaScript that loads it.

use crate::Result;
use crate::site::Mode;
use std::path::{Path, PathBuf};
use std::process::Command;
use wasm_bindgen_cli_support::Bindgen;

/// Builds the crate `frontend` for the browser and returns the path of the module as the compiler left it.
///
/// # Errors
/// When this shell lacks the toolchain that `xtask/setup.sh` prepared, or cargo fails (it has then said why).
pub fn build(top: &Path, mode: Mode) -> Result<PathBuf> {
    prepared(top)?;
    let profile = match mode {
        Mode::Release => "wasm-release",
        Mode::Dev => "wasm-dev",
    };
    let status = cargo()
        .args([
            "rustc",
            "--quiet",
            "-p",
            "frontend",
            "--lib",
            "--target",
            "wasm32-unknown-unknown",
            "--profile",
            profile,
            "--",
            // The splitter moves code by the linker's notes. Here and not in a variable, so that no dependency is built anew.
            "-Clink-arg=--emit-relocs",
        ])
        .status()
        .map_err(|e| format!("cargo: {e}"))?;
    if !status.success() {
        return Err("cargo could not build the frontend for WebAssembly".into());
    }
    Ok(target(top)
        .join("wasm32-unknown-unknown")
        .join(profile)
        .join("frontend.wasm"))
}

/// Binds the main module: writes `pgsteward.js`, `pgsteward_bg.wasm` and any `snippets/` into the folder `out`.
///
/// # Errors
/// What wasm-bindgen says; most often that the module was built with another version of wasm-bindgen than xtask.
pub fn bind(module: Vec<u8>, out: &Path) -> Result<()> {
    let mut bindgen = Bindgen::new();
    bindgen
        .input_bytes("pgsteward", module)
        .web(true)
        .map_err(|e| format!("wasm-bindgen: {e:#}"))?
        .typescript(false)
        // Parts find the stack, the table and the memory by the linker's names.
        .keep_lld_exports(true)
        .demangle(false)
        .remove_name_section(true)
        .remove_producers_section(true);
    bindgen.generate(out).map_err(|e| format!("wasm-bindgen: {e:#}"))
}

/// The cargo that runs this step, in the repository's top folder.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(setting("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(crate::top());
    cargo
}

/// Cargo's target folder.
pub fn target(top: &Path) -> PathBuf {
    setting("CARGO_TARGET_DIR").map_or_else(|| top.join("target"), PathBuf::from)
}

fn prepared(top: &Path) -> Result<()> {
    let file = top.join(".toolchain/env");
    let wanted = "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS";
    let needs_it = std::fs::read_to_string(&file).is_ok_and(|env| env.contains(wanted));
    if needs_it && setting(wanted).is_none() {
        return Err(format!(
            "this shell does not use the toolchain of {0}: run `. {0}` first, or use make",
            file.display()
        ));
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a build step reads cargo's own variables; the console's are read in server"
)]
pub(crate) fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
