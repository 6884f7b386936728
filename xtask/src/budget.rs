//! What a first visit loads, against the performance budget in docs/performance.md.

use crate::assets::Names;
use crate::site::Mode;
use crate::split::OPENED;
use crate::{Result, compress};
use std::collections::BTreeSet;
use std::path::Path;

/// The most bytes of WebAssembly and script that the first load of a page may have after brotli.
const FIRST_LOAD: u64 = 350_000;
/// The most bytes that one file besides the main module may have after brotli.
const PART: u64 = 120_000;

/// Prints what each area's first page loads, and what is over its budget.
///
/// # Errors
/// A message with the path of a file that is not there.
pub fn tell(site: &Path, names: &Names, mode: Mode) -> Result<()> {
    let size = |name: &str| {
        let path = compress::beside(&site.join("pkg").join(name), "br");
        std::fs::metadata(&path)
            .map(|found| found.len())
            .map_err(|e| format!("{}: {e}", path.display()))
    };
    let (main, scripts) = (size(&names.wasm)?, size(&names.js)? + size(&names.link)?);
    eprintln!(
        "  in brotli: {} of WebAssembly for every page, {} of script",
        kilo(main),
        kilo(scripts)
    );
    for (name, files) in &names.parts {
        let own = files
            .iter()
            .map(|file| size(file))
            .collect::<Result<Vec<u64>>>()?;
        // A card that only some states of a page show is named after its page, and comes with it.
        let page = name.split_once('_').and_then(|(page, _)| names.parts.get(page));
        let all: BTreeSet<&String> = files.iter().chain(page.into_iter().flatten()).collect();
        let all = main + scripts + all.into_iter().map(|file| size(file)).sum::<Result<u64>>()?;
        let each: Vec<String> = own.iter().copied().map(kilo).collect();
        let first = if OPENED.contains(&name.as_str()) {
            String::new()
        } else {
            format!("first load {:>9}, of it ", kilo(all))
        };
        eprintln!("  {name:<14} {first}{}", each.join(" and "));
        let over =
            !OPENED.contains(&name.as_str()) && all > FIRST_LOAD || own.iter().any(|size| *size > PART);
        // A miss is told here and in docs/performance.md; it is no reason to have no console at all.
        if mode == Mode::Release && over {
            eprintln!(
                "  {name:<14} is over its budget of {} for the first load and {} for a part. Look for code that the \
                 page does not need at first",
                kilo(FIRST_LOAD),
                kilo(PART)
            );
        }
    }
    Ok(())
}

fn kilo(bytes: u64) -> String {
    format!("{}.{} kB", bytes / 1000, bytes % 1000 / 100)
}
