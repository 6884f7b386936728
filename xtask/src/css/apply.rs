//! Expands `@apply` lists of plain utilities by the engine of tailwind-rs.

use super::allow::Allowed;
use super::source::Sheet;
use tailwind_rs::TailwindBuilder;

/// Replaces each `@apply NAME…;` of a sheet by the declarations of its utilities and drops the comments.
///
/// # Errors
/// One message per name that is not in the allow list or has no plain declarations, with file and line.
pub fn expand(sheet: &Sheet, allowed: &Allowed) -> Result<String, Vec<String>> {
    let text = without_comments(&sheet.text);
    let mut faults = Vec::new();
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text.as_str();
    while let Some((before, list)) = rest.split_once("@apply ") {
        out.push_str(before);
        let (list, after) = list.split_once(';').unwrap_or((list, ""));
        let line = text[..text.len() - rest.len() + before.len()].lines().count();
        let mut declarations = Vec::new();
        for name in list.split_whitespace() {
            let found = if allowed.contains(name) {
                declarations_of(name)
            } else {
                Err("it is not in style/allow.txt".into())
            };
            match found {
                Ok(found) => declarations.extend(found),
                Err(reason) => faults.push(format!(
                    "{}:{line}: @apply {name}: {reason}",
                    sheet.file.display()
                )),
            }
        }
        out.push_str(&declarations.join("\n  "));
        rest = after;
    }
    out.push_str(rest);
    if faults.is_empty() {
        Ok(tidy(&out))
    } else {
        Err(faults)
    }
}

/// The declarations of one plain utility, each with its semicolon.
///
/// # Errors
/// Why the engine has none for it.
pub fn declarations_of(name: &str) -> Result<Vec<String>, String> {
    let (traced, style) = TailwindBuilder::default()
        .inline(name)
        .map_err(|e| format!("tailwind-rs: {e}"))?;
    if !traced.trim().is_empty() || style.contains(['{', '}']) {
        return Err("it is more than plain declarations; write it as CSS".into());
    }
    let found: Vec<String> = style
        .split(';')
        .map(str::trim)
        .filter(|one| !one.is_empty())
        .map(|one| format!("{};", one.replacen(':', ": ", 1)))
        .collect();
    if found.is_empty() {
        Err("tailwind-rs has no declaration for it".into())
    } else {
        Ok(found)
    }
}

/// Blanks out comments but keeps their line breaks, so that messages keep their line numbers.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("/*") {
        out.push_str(before);
        let (comment, after) = comment.split_once("*/").unwrap_or((comment, ""));
        out.extend(comment.chars().filter(|&c| c == '\n'));
        rest = after;
    }
    out.push_str(rest);
    out
}

fn tidy(text: &str) -> String {
    text.lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .map(|line| format!("{line}\n"))
        .collect()
}
