//! `target/site/`: what the server hands to browsers, and `assets.json`, which tells it the names.

use crate::assets::{self, Names};
use crate::compress;
use crate::css;
use crate::fonts;
use crate::{Result, read, step, unused, wasm, write};
use std::path::{Path, PathBuf};

/// How the site is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Small: what ships.
    Release,
    /// Soon ready: while the frontend is being written.
    Dev,
}

impl Mode {
    fn brotli_quality(self) -> u32 {
        match self {
            Self::Release => 11,
            Self::Dev => 5,
        }
    }
}

/// The most bytes that the WebAssembly may have after brotli, from the performance budget in docs/performance.md.
const WASM_BUDGET: u64 = 350_000;

/// Counts up with each change of what this crate does to the module.
const STEPS: u32 = 3;

/// Builds the whole site. What has not changed since the last run is left as it is.
///
/// # Errors
/// The failing step's message.
pub fn build(mode: Mode) -> Result<()> {
    let top = crate::top();
    let site = wasm::target(&top).join("site");
    let module = step("frontend to WebAssembly", || wasm::build(&top, mode))?;
    let bytes = std::fs::read(&module).map_err(|e| format!("{}: {e}", module.display()))?;
    let stamp = format!("{} {mode:?} {STEPS}\n", assets::hash(&bytes));
    let stamp_file = site.join("wasm.stamp");
    let old = assets::load(&site);
    let (js, wasm) = match old {
        Some(old)
            if read(&stamp_file).is_ok_and(|then| then == stamp)
                && assets::whole(&site, &[&old.js, &old.wasm]) =>
        {
            (old.js, old.wasm)
        }
        _ => bind(bytes, &site, mode)?,
    };
    let css = style(&top, &site, mode)?;
    let names = Names { js, wasm, css };
    assets::store(&site, &names)?;
    write(&stamp_file, stamp.as_bytes())?;
    check_size(&site, &names, mode)
}

/// Builds the stylesheet alone, and puts it into a site that is already built.
///
/// # Errors
/// All unknown classes with their places.
pub fn stylesheet(mode: Mode) -> Result<()> {
    let top = crate::top();
    let site = wasm::target(&top).join("site");
    let css = style(&top, &site, mode)?;
    match assets::load(&site) {
        Some(old) => assets::store(&site, &Names { css, ..old }),
        None => assets::sweep(&site, |name| name == css || !name.ends_with(".css")),
    }
}

fn style(top: &Path, site: &Path, mode: Mode) -> Result<String> {
    step("stylesheet", || {
        let css = fonts::publish(
            &css::minify::minify(&css::compile(top)?),
            &top.join("style/fonts"),
            site,
        )?;
        keep(site, "pgsteward", "css", css.as_bytes(), mode)
    })
}

/// Runs wasm-bindgen and stores its files under content-hashed names; returns those of the JavaScript and the module.
fn bind(module: Vec<u8>, site: &Path, mode: Mode) -> Result<(String, String)> {
    let work = site.join("work");
    let module = match mode {
        Mode::Release => step("unused code", || unused::without_async_hydration(&module))?.0,
        Mode::Dev => module,
    };
    step("JavaScript bindings", || match std::fs::remove_dir_all(&work) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(format!("{}: {e}", work.display())),
        _ => wasm::bind(module, &work),
    })?;
    step("compression", || {
        let bytes =
            std::fs::read(work.join("pgsteward_bg.wasm")).map_err(|e| format!("{}: {e}", work.display()))?;
        let wasm = keep(site, "pgsteward_bg", "wasm", &bytes, mode)?;
        let js = read(&work.join("pgsteward.js"))?.replace("pgsteward_bg.wasm", &wasm);
        let js = keep(site, "pgsteward", "js", js.as_bytes(), mode)?;
        snippets(&work.join("snippets"), &site.join("pkg/snippets"), mode)?;
        std::fs::remove_dir_all(&work).map_err(|e| format!("{}: {e}", work.display()))?;
        Ok((js, wasm))
    })
}

/// Stores one asset and its compressed copies unless they are there already; returns its name.
fn keep(site: &Path, stem: &str, end: &str, bytes: &[u8], mode: Mode) -> Result<String> {
    let name = format!("{stem}.{}.{end}", assets::hash(bytes));
    if assets::whole(site, &[&name]) && mode == Mode::Dev {
        return Ok(name);
    }
    let path = assets::folder(site)?.join(&name);
    write(&path, bytes)?;
    compress::copies(&path, bytes, mode.brotli_quality())?;
    Ok(name)
}

/// Copies the JavaScript that crates brought along. wasm-bindgen's names for these folders already change with the crate.
fn snippets(from: &Path, to: &Path, mode: Mode) -> Result<()> {
    let fail = |path: &Path, e: std::io::Error| format!("{}: {e}", path.display());
    if to.exists() {
        std::fs::remove_dir_all(to).map_err(|e| fail(to, e))?;
    }
    let mut folders: Vec<(PathBuf, PathBuf)> = Vec::new();
    if from.exists() {
        folders.push((from.to_path_buf(), to.to_path_buf()));
    }
    while let Some((from, to)) = folders.pop() {
        std::fs::create_dir_all(&to).map_err(|e| fail(&to, e))?;
        for entry in std::fs::read_dir(&from).map_err(|e| fail(&from, e))? {
            let source = entry.map_err(|e| fail(&from, e))?.path();
            let goal = to.join(source.file_name().unwrap_or_default());
            if source.is_dir() {
                folders.push((source, goal));
            } else {
                let bytes = std::fs::read(&source).map_err(|e| fail(&source, e))?;
                write(&goal, &bytes)?;
                compress::copies(&goal, &bytes, mode.brotli_quality())?;
            }
        }
    }
    Ok(())
}

fn check_size(site: &Path, names: &Names, mode: Mode) -> Result<()> {
    let path = site.join("pkg").join(&names.wasm);
    let size = |path: &Path| {
        std::fs::metadata(path)
            .map(|found| found.len())
            .map_err(|e| format!("{}: {e}", path.display()))
    };
    let brotli = size(&compress::beside(&path, "br"))?;
    eprintln!(
        "  WebAssembly: {} kB, {} kB in brotli",
        size(&path)? / 1000,
        brotli / 1000
    );
    if mode == Mode::Release && brotli > WASM_BUDGET {
        // A miss is told here and measured in docs/performance.md; it is no reason to have no console at all.
        eprintln!(
            "  the WebAssembly has {brotli} bytes in brotli; the budget is {WASM_BUDGET}. Look for a dependency of `app` that the \
             browser does not need, and put it under the feature `ssr`"
        );
    }
    Ok(())
}
