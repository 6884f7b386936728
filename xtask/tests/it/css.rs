//! The stylesheet as the console ships it, and what keeps a wrong class out of it.

use std::path::Path;
use xtask::{
    css::{allow::Allowed, apply, assemble, compile, golden, scan, source},
    fonts,
};

fn sheet(text: &str) -> source::Sheet {
    source::Sheet {
        file: "style/x.css".into(),
        text: text.into(),
        layer: source::Layer::Components,
    }
}

fn allowed() -> Allowed {
    Allowed::load(&xtask::top().join("style/allow.txt")).unwrap()
}

#[test]
fn the_stylesheet_is_the_golden_one() {
    let top = xtask::top();
    let now = compile(&top).unwrap();
    let then = std::fs::read_to_string(golden(&top)).unwrap();
    let line = now
        .lines()
        .zip(then.lines())
        .position(|(a, b)| a != b)
        .unwrap_or(now.lines().count().min(then.lines().count()));
    assert!(
        now == then,
        "first difference at line {}:\n  now    {}\n  golden {}\nIf it is meant, run `cargo xtask css --bless` and commit the diff.",
        line + 1,
        now.lines().nth(line).unwrap_or("(end)"),
        then.lines().nth(line).unwrap_or("(end)"),
    );
}

#[test]
fn every_allowed_utility_can_be_used_in_a_component_and_in_markup() {
    let list = std::fs::read_to_string(xtask::top().join("style/allow.txt")).unwrap();
    let allowed = allowed();
    let mut refused = Vec::new();
    for name in list.lines() {
        if let Err(reason) = apply::declarations_of(name) {
            refused.push(format!("@apply {name}: {reason}"));
        }
        if let Err(reason) = xtask::css::utility::check(name, &allowed) {
            refused.push(format!("class {name}: {reason}"));
        }
    }
    assert!(
        refused.is_empty(),
        "{} refused:\n{}",
        refused.len(),
        refused.join("\n")
    );
}

#[test]
fn a_component_expands_to_plain_declarations() {
    let css = apply::expand(
        &sheet("/* look */\n.a {\n  @apply flex gap-2 px-3.5;\n  color: red;\n}\n"),
        &allowed(),
    )
    .unwrap();
    for part in [
        "display: flex;",
        "gap: 0.5rem;",
        "padding-left: 0.875rem;",
        "padding-right: 0.875rem;",
        "color: red;",
    ] {
        assert!(css.contains(part), "{part} is not in\n{css}");
    }
    assert!(!css.contains("look"), "comments stay out:\n{css}");
}

#[test]
fn a_utility_outside_the_list_is_refused_with_its_line() {
    let faults = apply::expand(
        &sheet("/* two\nlines */\n.a {\n  @apply justify-between;\n}\n"),
        &allowed(),
    )
    .unwrap_err();
    assert_eq!(
        faults,
        ["style/x.css:4: @apply justify-between: it is not in style/allow.txt"]
    );
}

#[test]
fn a_class_that_nothing_defines_is_an_error_with_file_line_and_class() {
    let text = "fn f() {\n  view! { <i class=\"card crad mt-4 md:mt-2 size-4\"/> }\n}";
    let uses = scan::source(Path::new("app/src/page.rs"), text).unwrap();
    let message = assemble(&[sheet(".card { margin: 0; }")], &uses, &allowed()).unwrap_err();
    let lines: Vec<_> = message.lines().collect();
    assert_eq!(lines.len(), 2, "{message}");
    assert!(
        lines[0].starts_with("app/src/page.rs:2: class `crad`: "),
        "{message}"
    );
    assert!(
        lines[1].starts_with("app/src/page.rs:2: class `size-4`: "),
        "{message}"
    );
}

#[test]
fn a_utility_in_markup_lands_in_the_last_layer() {
    let uses = scan::source(Path::new("p.rs"), "view! { <i class=\"card mt-4 md:mt-2\"/> }").unwrap();
    let css = assemble(&[sheet(".card { margin: 0; }")], &uses, &allowed()).unwrap();
    let (components, utilities) = css.split_once("@layer utilities {").unwrap();
    assert!(components.contains(".card {"), "{css}");
    assert!(
        utilities.contains("margin-top: 1rem") && utilities.contains("@media (width >= 48rem)"),
        "{css}"
    );
}

#[test]
fn a_stylesheet_refers_to_the_published_fonts_and_old_ones_go() {
    let (from, site) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(from.path().join("a.woff2"), "one").unwrap();
    let source = "@font-face{src:url(\"fonts/a.woff2\") format(\"woff2\")}p{}";
    let first = fonts::publish(source, from.path(), site.path()).unwrap();
    std::fs::write(from.path().join("a.woff2"), "two").unwrap();
    let second = fonts::publish(source, from.path(), site.path()).unwrap();
    assert_ne!(first, second);
    let files: Vec<_> = std::fs::read_dir(site.path().join("pkg"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let name = &files[0];
    assert_eq!(
        second,
        format!("@font-face{{src:url(\"{name}\") format(\"woff2\")}}p{{}}")
    );
}

#[test]
fn a_font_that_is_missing_or_too_large_is_told() {
    let (from, site) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let source = "@font-face{src:url(\"fonts/a.woff2\")}";
    assert!(
        fonts::publish(source, from.path(), site.path())
            .unwrap_err()
            .contains("a.woff2")
    );
    std::fs::write(from.path().join("a.woff2"), vec![0; 70_001]).unwrap();
    assert!(
        fonts::publish(source, from.path(), site.path())
            .unwrap_err()
            .contains("70001 bytes")
    );
}
