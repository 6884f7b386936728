//! Room on disks of the console's machine.

use std::{io, path::Path};

use nix::sys::statvfs::statvfs;

/// Bytes that the console's user may still write on the disk that holds `folder`.
///
/// # Errors
/// What the system has against the folder.
pub fn free_bytes(folder: &Path) -> io::Result<i64> {
    let seen = statvfs(folder)?;
    #[expect(
        clippy::useless_conversion,
        reason = "the widths of these fields differ between systems"
    )]
    let free = u64::from(seen.blocks_available()).saturating_mul(u64::from(seen.fragment_size()));
    Ok(i64::try_from(free).unwrap_or(i64::MAX))
}
