//! The size of what a browser loads before a page moves.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde::Deserialize;

use crate::{
    Result,
    report::{Row, Section},
};

/// Bytes of the first load of any page, compressed.
const FIRST_LOAD: u64 = 350_000;
/// Bytes of one part besides the main one, compressed.
const PART: u64 = 120_000;

/// What comes when it is opened, with no page.
const OPENED: [&str; 2] = ["palette", "upload"];

#[derive(Deserialize)]
struct Names {
    js: String,
    link: String,
    wasm: String,
    parts: BTreeMap<String, Vec<String>>,
}

/// Measures the WebAssembly and the scripts that the build's own list names.
pub fn size(site: &Path) -> Result<Section> {
    let list = site.join("assets.json");
    let text = fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
    let Names {
        js,
        link,
        wasm,
        parts,
    } = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", list.display()))?;
    let bytes = |name: &String| {
        let path = site.join("pkg").join(format!("{name}.br"));
        fs::metadata(&path)
            .map(|found| found.len())
            .map_err(|error| format!("{}: {error}", path.display()))
    };
    let main = bytes(&js)? + bytes(&link)? + bytes(&wasm)?;
    let mut loads = Vec::new();
    for (name, files) in parts.iter().filter(|(name, _)| !OPENED.contains(&name.as_str())) {
        // A card that only some states of a page show is named after its page.
        let page = name.split_once('_').and_then(|(page, _)| parts.get(page));
        let all: BTreeSet<&String> = files.iter().chain(page.into_iter().flatten()).collect();
        let more = all.into_iter().map(bytes).sum::<Result<u64>>()?;
        loads.push((main + more, name));
    }
    let mut largest = 0;
    for file in parts.values().flatten() {
        largest = largest.max(bytes(file)?);
    }
    let (first, page) = loads.into_iter().max().ok_or("the build's list names no part")?;
    let kilobytes = |bytes: u64| format!("{} kB", bytes.div_ceil(1000));
    let rows = vec![
        Row::new(
            "first load of the heaviest page: WebAssembly and script, brotli",
            format!("≤ {}", kilobytes(FIRST_LOAD)),
            kilobytes(first),
            first <= FIRST_LOAD,
            || format!("with {page}; {} of it are every page's", kilobytes(main)),
        ),
        Row::new(
            "largest part of it, brotli",
            format!("≤ {}", kilobytes(PART)),
            kilobytes(largest),
            largest <= PART,
            || {
                format!(
                    "of {} files",
                    parts.values().flatten().collect::<BTreeSet<_>>().len()
                )
            },
        ),
    ];
    Ok(Section {
        rows,
        ..Section::default()
    })
}
