//! `target/site/`: what the server hands to browsers, and `assets.json`, which tells it the names.

use crate::assets::{self, Names};
use crate::compress;
use crate::css;
use crate::fonts;
use crate::{Result, budget, link, read, split, step, unused, wasm, write};
use std::collections::BTreeMap;
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

/// Counts up with each change of what this crate does to the module.
const STEPS: u32 = 5;

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
    let kept = old
        .filter(|old| read(&stamp_file).is_ok_and(|then| then == stamp) && assets::whole(&site, &old.all()));
    let names = match kept {
        Some(old) => old,
        None => bind(bytes, &site, mode)?,
    };
    let css = style(&top, &site, mode)?;
    let names = Names { css, ..names };
    assets::store(&site, &names)?;
    write(&stamp_file, stamp.as_bytes())?;
    budget::tell(&site, &names, mode)
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

/// Splits the module, runs wasm-bindgen over its main part, and stores all files under content-hashed names; returns these.
fn bind(module: Vec<u8>, site: &Path, mode: Mode) -> Result<Names> {
    let work = site.join("work");
    let module = match mode {
        Mode::Release => step("unused code", || unused::without_unused(&module))?.0,
        Mode::Dev => module,
    };
    let split = step("pages in parts", || split::split(&module, &work))?;
    step("JavaScript bindings", || match std::fs::remove_dir_all(&work) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(format!("{}: {e}", work.display())),
        _ => wasm::bind(split.main, &work),
    })?;
    step("compression", || {
        let bytes =
            std::fs::read(work.join("pgsteward_bg.wasm")).map_err(|e| format!("{}: {e}", work.display()))?;
        let wasm = keep(site, "pgsteward_bg", "wasm", &bytes, mode)?;
        let mut files = BTreeMap::new();
        for (name, module) in &split.modules {
            files.insert(name.clone(), keep(site, name, "wasm", module, mode)?);
        }
        let js = read(&work.join("pgsteward.js"))?.replace("pgsteward_bg.wasm", &wasm);
        let scripts = link::write(&js, &split.link, &files, &split.needs)?;
        for (name, text) in [
            (&scripts.js, &scripts.js_text),
            (&scripts.link, &scripts.link_text),
        ] {
            store(site, name, text.as_bytes(), mode)?;
        }
        snippets(&work.join("snippets"), &site.join("pkg/snippets"), mode)?;
        std::fs::remove_dir_all(&work).map_err(|e| format!("{}: {e}", work.display()))?;
        let file = |name: &String| files.get(name).cloned().unwrap_or_default();
        let parts = split
            .needs
            .iter()
            .map(|(area, needs)| (area.clone(), needs.iter().map(file).collect()));
        Ok(Names {
            js: scripts.js,
            link: scripts.link,
            wasm,
            css: String::new(),
            parts: parts.collect(),
        })
    })
}

/// Stores one asset and its compressed copies unless they are there already; returns its name.
fn keep(site: &Path, stem: &str, end: &str, bytes: &[u8], mode: Mode) -> Result<String> {
    let name = format!("{stem}.{}.{end}", assets::hash(bytes));
    store(site, &name, bytes, mode)?;
    Ok(name)
}

/// Stores an asset whose name is known, unless it is there already.
fn store(site: &Path, name: &str, bytes: &[u8], mode: Mode) -> Result<()> {
    if assets::whole(site, &[name]) && mode == Mode::Dev {
        return Ok(());
    }
    let path = assets::folder(site)?.join(name);
    write(&path, bytes)?;
    compress::copies(&path, bytes, mode.brotli_quality())?;
    Ok(())
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
