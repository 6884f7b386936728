//! The list of utilities that both engines render as Tailwind does.

use crate::{Result, read};
use std::collections::BTreeSet;
use std::path::Path;

/// Names of plain utilities, without any variant.
pub struct Allowed(BTreeSet<String>);

impl Allowed {
    /// Loads a list, one name a line.
    ///
    /// # Errors
    /// A message with the file's path.
    pub fn load(path: &Path) -> Result<Self> {
        Ok(Self::from_lines(&read(path)?))
    }

    /// Reads a list from text, one name a line.
    pub fn from_lines(text: &str) -> Self {
        Self(
            text.lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .map(String::from)
                .collect(),
        )
    }

    /// Whether a plain utility may be used.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}
