//! The size of what a browser loads before pages move.

use std::{fs, path::Path};

use serde::Deserialize;

use crate::{
    Result,
    report::{Row, Section},
};

/// Bytes, compressed.
const BAR: u64 = 350_000;

#[derive(Deserialize)]
struct Names {
    wasm: String,
}

/// Measures the WebAssembly that the build's own list names.
pub fn size(site: &Path) -> Result<Section> {
    let list = site.join("assets.json");
    let text = fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
    let Names { wasm } =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", list.display()))?;
    let bytes = |name: &str| {
        let path = site.join("pkg").join(name);
        fs::metadata(&path)
            .map(|found| found.len())
            .map_err(|error| format!("{}: {error}", path.display()))
    };
    let (plain, compressed) = (bytes(&wasm)?, bytes(&format!("{wasm}.br"))?);
    let kilobytes = |bytes: u64| format!("{} kB", bytes.div_ceil(1000));
    let row = Row::new(
        "WebAssembly, brotli",
        format!("≤ {}", kilobytes(BAR)),
        kilobytes(compressed),
        compressed <= BAR,
        || format!("{} before compression", kilobytes(plain)),
    );
    Ok(Section {
        rows: vec![row],
        ..Section::default()
    })
}
