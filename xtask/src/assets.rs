//! Content-hashed names: a browser may keep an asset for ever, because another content has another name.

use crate::{Result, compress, read, write};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The file names in `pkg/` that a page refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The module that loads the WebAssembly.
    pub js: String,
    /// The module that loads parts of the WebAssembly.
    pub link: String,
    /// The WebAssembly that every page needs.
    pub wasm: String,
    /// The other WebAssembly that the pages of an area need, by the area's name.
    pub parts: BTreeMap<String, Vec<String>>,
    /// The stylesheet.
    pub css: String,
}

/// A short hash of some content: 64 bits of SHA-256, in hexadecimal.
pub fn hash(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes)[..8])
}

/// The folder of the hashed files; made when missing.
///
/// # Errors
/// A message with its path.
pub fn folder(site: &Path) -> Result<PathBuf> {
    let folder = site.join("pkg");
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(folder)
}

/// Whether these assets and their compressed copies are all there.
pub fn whole(site: &Path, names: &[&str]) -> bool {
    names.iter().all(|name| {
        let path = site.join("pkg").join(name);
        path.exists() && compress::beside(&path, "br").exists() && compress::beside(&path, "gz").exists()
    })
}

impl Names {
    /// All files, each once.
    pub fn all(&self) -> Vec<&str> {
        let own = [&self.js, &self.link, &self.wasm, &self.css];
        let mut all: Vec<&str> = own
            .into_iter()
            .chain(self.parts.values().flatten())
            .map(String::as_str)
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// The names of the last finished build, if there was one.
pub fn load(site: &Path) -> Option<Names> {
    let json: Value = serde_json::from_str(&read(&site.join("assets.json")).ok()?).ok()?;
    let text = |value: &Value| Some(value.as_str()?.to_owned());
    let name = |key: &str| text(json.get(key)?);
    let parts = json.get("parts")?.as_object()?.iter();
    Some(Names {
        js: name("js")?,
        link: name("link")?,
        wasm: name("wasm")?,
        css: name("css")?,
        parts: parts
            .map(|(area, files)| {
                Some((
                    area.clone(),
                    files.as_array()?.iter().map(text).collect::<Option<_>>()?,
                ))
            })
            .collect::<Option<_>>()?,
    })
}

/// Publishes the names, then removes the files of earlier builds.
///
/// # Errors
/// A message with the path of what cannot be written or removed.
pub fn store(site: &Path, names: &Names) -> Result<()> {
    let Names {
        js,
        link,
        wasm,
        css,
        parts,
    } = names;
    let json = json!({ "js": js, "link": link, "wasm": wasm, "css": css, "parts": parts });
    write(&site.join("assets.json"), format!("{json}\n").as_bytes())?;
    let kept = names.all();
    // Fonts are looked after where they are published.
    sweep(site, |name| name.ends_with(".woff2") || kept.contains(&name))
}

/// Removes the assets that are not wanted, with their compressed copies.
///
/// # Errors
/// A message with the path of what cannot be removed.
pub fn sweep(site: &Path, wanted: impl Fn(&str) -> bool) -> Result<()> {
    let folder = folder(site)?;
    for entry in std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))? {
        let path = entry.map_err(|e| format!("{}: {e}", folder.display()))?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let plain = name
            .strip_suffix(".br")
            .or_else(|| name.strip_suffix(".gz"))
            .unwrap_or(&name);
        if path.is_file() && !wanted(plain) {
            std::fs::remove_file(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::{Names, folder, load, store};

    #[test]
    fn a_new_build_takes_the_place_of_the_old_one() {
        let site = tempfile::tempdir().unwrap();
        let pkg = folder(site.path()).unwrap();
        for name in [
            "a.1.js",
            "a.1.js.br",
            "a.2.js",
            "a.2.js.br",
            "b.wasm",
            "jobs.1.wasm",
            "jobs.2.wasm",
            "both.wasm",
            "l.js",
            "c.css",
            "c.css.gz",
        ] {
            std::fs::write(pkg.join(name), name).unwrap();
        }
        let names = Names {
            js: "a.2.js".into(),
            link: "l.js".into(),
            wasm: "b.wasm".into(),
            css: "c.css".into(),
            parts: [
                ("audit".into(), vec!["both.wasm".into()]),
                ("jobs".into(), vec!["both.wasm".into(), "jobs.2.wasm".into()]),
            ]
            .into(),
        };
        store(site.path(), &names).unwrap();
        assert_eq!(load(site.path()).unwrap(), names);
        let mut left: Vec<_> = std::fs::read_dir(pkg)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        left.sort();
        let wanted = [
            "a.2.js",
            "a.2.js.br",
            "b.wasm",
            "both.wasm",
            "c.css",
            "c.css.gz",
            "jobs.2.wasm",
            "l.js",
        ];
        assert_eq!(left, wanted);
    }
}
