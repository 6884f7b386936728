#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::source;
use std::path::Path;

fn classes(text: &str) -> Vec<String> {
    source(Path::new("page.rs"), text)
        .unwrap()
        .into_iter()
        .map(|found| found.class)
        .collect()
}

#[test]
fn literal_attributes_of_a_view_with_their_lines() {
    let text = "fn page() {\n view! {\n <a class=\"btn pri\" id=\"go\" data-x=\"not\">\"words\"</a>\n <br class=\"sp\"/> }\n}";
    let found: Vec<_> = source(Path::new("page.rs"), text)
        .unwrap()
        .into_iter()
        .map(|u| (u.class, u.line))
        .collect();
    assert_eq!(found, [("btn".into(), 3), ("pri".into(), 3), ("sp".into(), 4)]);
}

#[test]
fn computed_attributes_give_the_names_and_not_the_data() {
    let text = r#"view! { <i class=move || if state.get() == "done" { "badge ok" } else { "badge off" } title="no"/> }"#;
    assert_eq!(classes(text), ["badge", "ok", "badge", "off"]);
    let text = r#"view! { <i class=move || match kind.as_str() { "a" => "warn", _ => "bad" }>"x"</i> }"#;
    assert_eq!(classes(text), ["warn", "bad"]);
    let text = r#"view! { <i class={ on.then_some("run") } href=link("/x")/> }"#;
    assert_eq!(classes(text), ["run"]);
    assert_eq!(
        classes(r#"view! { <i class=find_class("table").unwrap_or("dot")/> }"#),
        ["dot"]
    );
}

#[test]
fn pairs_and_directives() {
    assert_eq!(
        classes(r#"view! { <i class=("wait", move || why.get() == "lock")/> }"#),
        ["wait"]
    );
    assert_eq!(
        classes(r#"view! { <i class=(["a1", "b1"], on)/> }"#),
        ["a1", "b1"]
    );
    assert_eq!(
        classes(r#"view! { <i class:hide-s=narrow class:bad=move || failed()/> }"#),
        ["hide-s", "bad"]
    );
}

#[test]
fn nested_views_are_seen() {
    let text = r#"view! { <ul class="steps">{ move || rows.iter().map(|r| view! { <li class="step">{r}</li> }) }</ul> }"#;
    assert_eq!(classes(text), ["steps", "step"]);
}

#[test]
fn fields_arguments_functions_and_constants_called_class() {
    assert_eq!(
        classes(r#"fn f() { Tab { class: "tab", label: "Plan" } }"#),
        ["tab"]
    );
    assert_eq!(classes(r#"fn f() { div().class("card").id("x") }"#), ["card"]);
    assert_eq!(
        classes(r#"const ROW_CLASS: &str = "row end"; const NAME: &str = "x";"#),
        ["row", "end"]
    );
    let text = r#"fn badge_class(s: S) -> &'static str { match s { S::A => "badge ok", S::B => "badge" } } fn word(s: S) -> &str { "no" }"#;
    assert_eq!(classes(text), ["badge", "ok", "badge"]);
}

#[test]
fn declarations_called_class_are_not_uses() {
    assert!(
        classes("struct Tab { class: &'static str } fn f(class: String) { if class == \"x\" {} }").is_empty()
    );
    assert!(classes("#[component] fn Tab(#[prop(into)] class: String) -> impl IntoView { view! { <a class=class href=\"/\"/> } }").is_empty());
    assert!(classes("// class=\"ghost\"\nfn f() {}").is_empty());
}

#[test]
fn a_name_put_together_is_refused_with_its_line() {
    let text = "fn f() {\n view! { <i class=format!(\"badge {x}\")/> }\n}";
    let message = source(Path::new("page.rs"), text).unwrap_err();
    assert!(
        message.starts_with("page.rs:2: a class name put together"),
        "{message}"
    );
}

#[test]
fn a_function_whose_names_would_be_missed_is_refused() {
    let text = "fn f() {\n view! { <i class=indented(depth)/> }\n}";
    let message = source(Path::new("page.rs"), text).unwrap_err();
    assert!(
        message.starts_with("page.rs:2: what `indented` gives"),
        "{message}"
    );
    assert!(classes("fn f() { view! { <i class=move || indent_class(depth())/> } }").is_empty());
}
