//! Finds the classes that the markup uses, in the Rust sources of `app`.
//!
//! The convention. These places hold class names, and only whole literals count; a name put together by `format!` is an error.
//!
//! | place | example |
//! |---|---|
//! | the value of `class=`, in `view!` and elsewhere | `class="btn pri"`, `class=move \|\| if on() { "badge ok" } else { "badge" }` |
//! | a pair as the value of `class=` | `class=("indeterminate", move \|\| total.is_none())`, `class=(["a", "b"], on)` |
//! | the name in `class:NAME=`, in `view!` only | `class:hide-s=narrow` |
//! | a field or an argument called `class` | `Tab { class: "tab", .. }`, `.class("tab")`, `class("tab")` |
//! | the body of a function called `class` or `…_class` | `fn badge_class(state: State) -> &'static str { match state { … } }` |
//! | a constant called `CLASS` or `…_CLASS` | `const ROW_CLASS: &str = "row between";` |
//!
//! Inside such a value, literals that are compared, matched on, or passed to a function are data and not names; the
//! arguments of `Some`, `then`, `then_some`, `map`, `map_or` and `unwrap_or` are names again.

mod names;
#[cfg(test)]
mod tests;

use crate::{Result, read};
use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use std::path::{Path, PathBuf};
use syn::parse::{ParseStream, Parser};

/// One class name where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The class.
    pub class: String,
    /// The source file.
    pub file: PathBuf,
    /// Line in the file, from 1.
    pub line: usize,
}

/// The classes used in all `.rs` files below `folder`, by file.
///
/// # Errors
/// A file that cannot be read or is not Rust, or a class name that is not a whole literal.
pub fn folder(folder: &Path) -> Result<Vec<Use>> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let mut uses = Vec::new();
    for path in paths {
        if path.is_dir() {
            uses.extend(self::folder(&path)?);
        } else if path.extension().is_some_and(|end| end == "rs") {
            uses.extend(source(&path, &read(&path)?)?);
        }
    }
    Ok(uses)
}

/// The classes used in one source text; `file` is for messages.
///
/// # Errors
/// As [`folder`].
pub fn source(file: &Path, text: &str) -> Result<Vec<Use>> {
    let tokens: TokenStream = text
        .parse()
        .map_err(|e: proc_macro2::LexError| format!("{}:{}: {e}", file.display(), e.span().start().line))?;
    let mut found = names::Names::default();
    walk(tokens, false, &mut found);
    if let Some((line, reason)) = found.faults.first() {
        return Err(format!("{}:{line}: {reason}", file.display()));
    }
    Ok(found
        .names
        .into_iter()
        .map(|(class, line)| Use {
            class,
            file: file.to_path_buf(),
            line,
        })
        .collect())
}

/// Visits one level of tokens, then the groups in it. `in_view` says whether it lies within a `view!`.
fn walk(tokens: TokenStream, in_view: bool, found: &mut names::Names) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for at in 0..tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(name) => here(&name.to_string(), &tokens, at, in_view, found),
            TokenTree::Group(group) => {
                let view = at >= 2 && is(&tokens[at - 2], "view") && is(&tokens[at - 1], "!");
                walk(group.stream(), in_view || view, found);
            }
            _ => {}
        }
    }
}

/// Looks at an identifier and what follows it.
fn here(name: &str, tokens: &[TokenTree], at: usize, in_view: bool, found: &mut names::Names) {
    let before = at
        .checked_sub(1)
        .map(|i| tokens[i].to_string())
        .unwrap_or_default();
    let next = tokens.get(at + 1);
    let is_next = |text: &str| next.is_some_and(|token| is(token, text));
    if before == "fn" && (name == "class" || name.ends_with("_class")) {
        let body = tokens[at..].iter().find_map(|token| match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group.clone()),
            _ => None,
        });
        if let Some(body) = body {
            found.expression(TokenTree::Group(body).into(), prefix);
        }
    } else if before == "const" && (name == "CLASS" || name.ends_with("_CLASS")) {
        if let Some(equals) = tokens[at..].iter().position(|token| is(token, "=")) {
            found.expression(value(&tokens[at + equals + 1..], false), prefix);
        }
    } else if name == "class" && is_next("=") && !followed_by_equals(tokens, at + 1) {
        found.expression(value(&tokens[at + 2..], in_view), prefix);
    } else if name == "class" && is_next(":") && in_view && directive(&tokens[at + 2..], found) {
    } else if name == "class" && is_next(":") && !in_view {
        found.expression(value(&tokens[at + 2..], false), prefix);
    } else if name == "class"
        && let Some(TokenTree::Group(arguments)) = next
        && arguments.delimiter() == Delimiter::Parenthesis
        && before != "fn"
    {
        found.expression(arguments.stream(), prefix);
    }
}

/// `class:NAME=`: the tokens of the name, up to the equals sign.
fn directive(tokens: &[TokenTree], found: &mut names::Names) -> bool {
    let Some(equals) = tokens.iter().position(|token| is(token, "=")) else {
        return false;
    };
    let is_name =
        |token: &TokenTree| is(token, "-") || matches!(token, TokenTree::Ident(_) | TokenTree::Literal(_));
    if equals == 0 || !tokens[..equals].iter().all(is_name) {
        return false;
    }
    let name: String = tokens[..equals].iter().map(ToString::to_string).collect();
    found.add(name.trim_matches('"'), tokens[0].span().start().line);
    true
}

/// The tokens that may belong to a value: up to the end of the tag in `view!`, else of the statement or argument.
fn value(tokens: &[TokenTree], in_view: bool) -> TokenStream {
    let mut taken = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if let TokenTree::Punct(punct) = token {
            let arrow = at > 0
                && matches!(&tokens[at - 1], TokenTree::Punct(p) if p.spacing() == Spacing::Joint && matches!(p.as_char(), '-' | '='));
            let end = match punct.as_char() {
                '>' => in_view && !arrow,
                '/' => in_view && tokens.get(at + 1).is_some_and(|next| is(next, ">")),
                ';' | ',' => true,
                _ => false,
            };
            if end {
                break;
            }
        }
        taken.push(token.clone());
    }
    taken.into_iter().collect()
}

/// Parses the expression at the start of `input` and leaves the rest, such as a tag's other attributes.
fn prefix(input: ParseStream) -> syn::Result<Option<syn::Expr>> {
    let expression = if input.is_empty() {
        None
    } else {
        input.parse().ok()
    };
    input.parse::<TokenStream>()?;
    Ok(expression)
}

fn is(token: &TokenTree, text: &str) -> bool {
    !matches!(token, TokenTree::Group(_)) && token.to_string() == text
}

fn followed_by_equals(tokens: &[TokenTree], at: usize) -> bool {
    matches!(&tokens[at], TokenTree::Punct(punct) if punct.spacing() == Spacing::Joint)
        && tokens.get(at + 1).is_some_and(|token| is(token, "="))
}

impl names::Names {
    fn expression(&mut self, tokens: TokenStream, parse: fn(ParseStream) -> syn::Result<Option<syn::Expr>>) {
        if let Ok(Some(expression)) = parse.parse2(tokens) {
            self.value(&expression);
        }
    }
}
