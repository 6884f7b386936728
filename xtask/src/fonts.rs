//! The fonts of `style/fonts/`, under content-hashed names beside the stylesheet that refers to them.
//!
//! They are compressed by their format, so no compressed copies are made.

use crate::{Result, assets, write};
use std::path::Path;

/// The most bytes that all fonts together may have: what a first visit can wait for beside the WebAssembly.
const BUDGET: usize = 70_000;

/// How the stylesheet's source refers to a font, up to the file's name.
const REFERENCE: &str = "url(\"fonts/";

/// Puts the fonts of the folder `from` that a stylesheet refers to into the site, removes those of earlier builds, and
/// returns the stylesheet with their published names.
///
/// # Errors
/// A message with the path of a font that is missing or cannot be written, or that says by how much they are too large.
pub fn publish(css: &str, from: &Path, site: &Path) -> Result<String> {
    let folder = assets::folder(site)?;
    let (mut out, mut rest) = (String::with_capacity(css.len()), css);
    let (mut names, mut total) = (Vec::new(), 0);
    while let Some((before, after)) = rest.split_once(REFERENCE) {
        let (file, after) = after.split_once('"').unwrap_or((after, ""));
        let path = from.join(file);
        let bytes = std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let (stem, end) = file.rsplit_once('.').unwrap_or((file, "woff2"));
        let name = format!("{stem}.{}.{end}", assets::hash(&bytes));
        write(&folder.join(&name), &bytes)?;
        total += bytes.len();
        out.push_str(&format!("{before}url(\"{name}\""));
        names.push(name);
        rest = after;
    }
    out.push_str(rest);
    if total > BUDGET {
        return Err(format!(
            "the fonts have {total} bytes, and the budget is {BUDGET}: make their subsets smaller (style/fonts/README.md)"
        ));
    }
    assets::sweep(site, |name| {
        !name.ends_with(".woff2") || names.iter().any(|kept| kept == name)
    })?;
    Ok(out)
}
