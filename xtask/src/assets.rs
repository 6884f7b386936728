//! Content-hashed names: a browser may keep an asset for ever, because another content has another name.

use crate::{Result, compress, read, write};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The file names in `pkg/` that a page refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The module that loads the WebAssembly.
    pub js: String,
    /// The WebAssembly.
    pub wasm: String,
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

/// The names of the last finished build, if there was one.
pub fn load(site: &Path) -> Option<Names> {
    let json: serde_json::Value = serde_json::from_str(&read(&site.join("assets.json")).ok()?).ok()?;
    let name = |key: &str| Some(json.get(key)?.as_str()?.to_owned());
    Some(Names {
        js: name("js")?,
        wasm: name("wasm")?,
        css: name("css")?,
    })
}

/// Publishes the names, then removes the files of earlier builds.
///
/// # Errors
/// A message with the path of what cannot be written or removed.
pub fn store(site: &Path, names: &Names) -> Result<()> {
    let Names { js, wasm, css } = names;
    let json = serde_json::json!({ "js": js, "wasm": wasm, "css": css });
    write(&site.join("assets.json"), format!("{json}\n").as_bytes())?;
    // Fonts are looked after where they are published.
    sweep(site, |name| {
        name.ends_with(".woff2") || [js, wasm, css].iter().any(|kept| *kept == name)
    })
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
            "c.css",
            "c.css.gz",
        ] {
            std::fs::write(pkg.join(name), name).unwrap();
        }
        let names = Names {
            js: "a.2.js".into(),
            wasm: "b.wasm".into(),
            css: "c.css".into(),
        };
        store(site.path(), &names).unwrap();
        assert_eq!(load(site.path()).unwrap(), names);
        let mut left: Vec<_> = std::fs::read_dir(pkg)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["a.2.js", "a.2.js.br", "b.wasm", "c.css", "c.css.gz"]);
    }
}
