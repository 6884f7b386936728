//! The sheets of `style/`: fonts, tokens and reset first, then the components by name.

use crate::{Result, read};
use std::path::{Path, PathBuf};

/// The cascade layer that a sheet belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Fonts, tokens and the reset.
    Base,
    /// Component classes.
    Components,
}

impl Layer {
    /// The layer's name in CSS.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Components => "components",
        }
    }
}

/// One file of CSS source.
pub struct Sheet {
    /// Path from the repository's top, for messages.
    pub file: PathBuf,
    /// The text, comments and `@apply` included.
    pub text: String,
    /// Where its rules go.
    pub layer: Layer,
}

/// Loads all sheets below the folder `style` in the order in which they are joined.
///
/// # Errors
/// A message with the path of what cannot be read.
pub fn load(style: &Path) -> Result<Vec<Sheet>> {
    let mut sheets = Vec::new();
    for name in ["fonts.css", "tokens.css", "base.css"] {
        sheets.push(sheet(style, Path::new(name), Layer::Base)?);
    }
    let folder = style.join("components");
    let entries = std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut names: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .collect();
    names.retain(|name| Path::new(name).extension().is_some_and(|end| end == "css"));
    names.sort();
    for name in names {
        sheets.push(sheet(
            style,
            &Path::new("components").join(name),
            Layer::Components,
        )?);
    }
    Ok(sheets)
}

fn sheet(style: &Path, name: &Path, layer: Layer) -> Result<Sheet> {
    Ok(Sheet {
        file: Path::new("style").join(name),
        text: read(&style.join(name))?,
        layer,
    })
}
