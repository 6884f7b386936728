//! Compressed copies beside an asset, so that the server never compresses while someone waits.

use crate::{Result, write};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes `FILE.br` at the given quality (0 to 11) and `FILE.gz`; returns the size of the first in bytes.
///
/// # Errors
/// A message with the path of what cannot be written.
pub fn copies(path: &Path, bytes: &[u8], quality: u32) -> Result<u64> {
    let mut brotli = Vec::with_capacity(bytes.len() / 3);
    brotli::CompressorWriter::new(&mut brotli, 1 << 16, quality, 22)
        .write_all(bytes)
        .map_err(|e| format!("{}: brotli: {e}", path.display()))?;
    write(&beside(path, "br"), &brotli)?;
    let mut gzip = flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::new(if quality < 9 { 1 } else { 9 }),
    );
    let gzip = gzip
        .write_all(bytes)
        .and_then(|()| gzip.finish())
        .map_err(|e| format!("{}: gzip: {e}", path.display()))?;
    write(&beside(path, "gz"), &gzip)?;
    Ok(brotli.len() as u64)
}

/// The path of a compressed copy.
pub fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(".");
    name.push(end);
    PathBuf::from(name)
}
