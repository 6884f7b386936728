//! The stylesheet: component classes from `style/` and the layout utilities that the pages in `app/src` use.
//!
//! Both sources are closed. A utility must be in `style/allow.txt`, which lists the Tailwind names whose result was compared
//! with Tailwind's own in a browser, and a class that nothing defines is an error: a misspelt class never reaches a user.

pub mod allow;
pub mod apply;
pub mod minify;
pub mod scan;
pub mod selectors;
pub mod source;
pub mod utility;

use crate::{Result, read, write};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Compiles the stylesheet of the repository at `top`, readable and not yet minified.
///
/// # Errors
/// All unknown classes and utilities at once, each with its file and line.
pub fn compile(top: &Path) -> Result<String> {
    let allowed = allow::Allowed::load(&top.join("style/allow.txt"))?;
    let sheets = source::load(&top.join("style"))?;
    let mut uses = scan::folder(&top.join("app/src"))?;
    for used in &mut uses {
        used.file = used
            .file
            .strip_prefix(top)
            .map_or_else(|_| used.file.clone(), Path::to_path_buf);
    }
    assemble(&sheets, &uses, &allowed)
}

/// Joins the sheets and the utilities in use into cascade layers, so that a utility always wins over a component.
///
/// # Errors
/// As [`compile`].
pub fn assemble(sheets: &[source::Sheet], uses: &[scan::Use], allowed: &allow::Allowed) -> Result<String> {
    let mut faults = Vec::new();
    let mut layers = String::from("@layer base, components, utilities;\n");
    let mut defined = BTreeSet::new();
    for sheet in sheets {
        match apply::expand(sheet, allowed) {
            Ok(css) => {
                defined.extend(selectors::classes(&css));
                layers.push_str(&format!(
                    "@layer {} {{\n{}\n}}\n",
                    sheet.layer.name(),
                    css.trim_end()
                ));
            }
            Err(mut found) => faults.append(&mut found),
        }
    }
    let mut utilities = BTreeSet::new();
    for used in uses.iter().filter(|used| !defined.contains(&used.class)) {
        match utility::check(&used.class, allowed) {
            Ok(()) => {
                utilities.insert(used.class.as_str());
            }
            Err(reason) => {
                faults.push(format!(
                    "{}:{}: class `{}`: {reason}",
                    used.file.display(),
                    used.line,
                    used.class
                ));
            }
        }
    }
    if !faults.is_empty() {
        return Err(faults.join("\n"));
    }
    layers.push_str(&format!(
        "@layer utilities {{\n{}\n}}\n",
        utility::generate(&utilities).trim()
    ));
    Ok(layers)
}

/// Where the tests' golden copy of the stylesheet lies.
pub fn golden(top: &Path) -> PathBuf {
    top.join("xtask/tests/golden/pgsteward.css")
}

/// Accepts the stylesheet as it is now as the golden file.
///
/// # Errors
/// As [`compile`], and those of writing the file.
pub fn bless(top: &Path) -> Result<()> {
    let css = compile(top)?;
    let path = golden(top);
    if read(&path).is_ok_and(|old| old == css) {
        eprintln!("{}: unchanged", path.display());
        return Ok(());
    }
    write(&path, css.as_bytes())?;
    eprintln!(
        "{}: {} lines; read the diff before you commit it",
        path.display(),
        css.lines().count()
    );
    Ok(())
}
