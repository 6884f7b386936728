//! The measurements, one a file.

pub mod backup;
mod bare;
pub mod cancel;
pub mod import;
pub mod memory;
pub mod pages;
pub mod restore;
pub mod sampler;
pub mod tables;
pub mod wasm;

/// Bytes in the unit of memory budgets, 2²⁰ bytes.
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
