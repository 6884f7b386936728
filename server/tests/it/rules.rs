//! The rules of docs/architecture.md, as far as a reader of the source can tell.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const CRATES: [&str; 7] = [
    "contract", "engine", "app", "frontend", "server", "xtask", "testkit",
];

/// Which of our crates may use which.
const ARROWS: [(&str, &[&str]); 7] = [
    ("contract", &[]),
    ("engine", &["contract"]),
    ("app", &["contract", "engine"]),
    ("frontend", &["app"]),
    ("server", &["app", "contract", "engine"]),
    ("xtask", &["testkit"]),
    ("testkit", &[]),
];

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn manifest(name: &str) -> toml::Table {
    fs::read_to_string(top().join(name).join("Cargo.toml"))
        .unwrap()
        .parse()
        .unwrap()
}

/// Every Rust file of a crate's `src`, with its path from the top.
fn sources(name: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![top().join(name).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let shown = path.strip_prefix(top()).unwrap().display().to_string();
                files.push((shown, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!files.is_empty(), "{name} has no sources");
    files.sort();
    files
}

/// Lines of code that hold one of the words, without comments and without the file's tests at its end.
fn lines_with<'a>(text: &'a str, words: &[&str]) -> Vec<&'a str> {
    let code = text.split("\n#[cfg(test)]").next().unwrap_or(text);
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .filter(|line| words.iter().any(|word| line.contains(word)))
        .collect()
}

#[test]
fn arrows_between_the_crates_point_one_way() {
    for (name, allowed) in ARROWS {
        let manifest = manifest(name);
        let used: BTreeSet<&str> = manifest
            .get("dependencies")
            .and_then(toml::Value::as_table)
            .into_iter()
            .flat_map(|table| table.keys())
            .map(String::as_str)
            .filter(|used| CRATES.contains(used))
            .collect();
        assert_eq!(
            used,
            allowed.iter().copied().collect(),
            "{name} may use exactly these crates of ours"
        );
    }
    let app = manifest("app");
    assert_eq!(
        app["dependencies"]["engine"]["optional"].as_bool(),
        Some(true),
        "the browser must not get the engine"
    );
    let ssr = app["features"]["ssr"].as_array().unwrap();
    assert!(ssr.iter().any(|feature| feature.as_str() == Some("dep:engine")));
    let hydrate = app["features"]["hydrate"].as_array().unwrap();
    assert!(
        !hydrate
            .iter()
            .any(|feature| feature.as_str() == Some("dep:engine"))
    );
}

#[test]
fn sql_is_written_in_the_engine_alone() {
    for name in ["contract", "app", "frontend", "server"] {
        assert!(
            !manifest(name)["dependencies"]
                .as_table()
                .unwrap()
                .contains_key("sqlx"),
            "{name} depends on sqlx"
        );
        for (path, text) in sources(name) {
            let found = lines_with(&text, &["sqlx::", "PgPool", "query!("]);
            assert!(found.is_empty(), "{path} speaks SQL: {found:?}");
        }
    }
}

#[test]
fn the_environment_is_read_in_one_file() {
    let words = ["env::var", "env::vars", "env!(", "dotenvy::"];
    let allowed = ["server/src/config.rs", "server/src/config/source.rs"];
    for name in ["contract", "engine", "app", "frontend", "server"] {
        for (path, text) in sources(name) {
            let found = lines_with(&text, &words);
            assert!(
                found.is_empty() || allowed.contains(&path.as_str()),
                "{path} reads the environment: {found:?}"
            );
        }
    }
}

#[test]
fn markup_is_written_in_the_app_alone() {
    for name in ["contract", "engine", "frontend", "server"] {
        for (path, text) in sources(name) {
            let found = lines_with(&text, &["view!", "#[component]"]);
            assert!(found.is_empty(), "{path} writes markup: {found:?}");
        }
    }
}

#[test]
fn one_module_writes_to_standard_output() {
    for (path, text) in sources("server") {
        let found = lines_with(&text, &["stdout(", "println!"]);
        let found: Vec<&str> = found
            .into_iter()
            .filter(|line| !line.contains("eprintln!"))
            .collect();
        assert!(
            found.is_empty() || path == "server/src/cli/out.rs",
            "{path} writes to standard output: {found:?}"
        );
    }
}

/// Public operations of the engine that ask nobody for a permission, and why that is right.
const WITHOUT_PERMISSION: [(&str, &str); 8] = [
    ("Engine::open", "opens the engine itself"),
    ("Engine::close", "closes it"),
    (
        "Engine::ready",
        "a probe: says whether the store answers and nothing else",
    ),
    ("Session::log_in", "gives what a caller is made of"),
    ("Session::refresh", "the same"),
    ("Session::authenticate", "makes the caller"),
    (
        "Session::still_live",
        "says only whether a caller's session lives",
    ),
    (
        "Session::ensure_first_administrator",
        "acts only while there are no users at all",
    ),
];

/// The areas' doors: structs that hold nothing but the engine.
fn is_door(item: &syn::ItemStruct) -> bool {
    let syn::Fields::Unnamed(fields) = &item.fields else {
        return false;
    };
    let Some(field) = fields.unnamed.first().filter(|_| fields.unnamed.len() == 1) else {
        return false;
    };
    matches!(&field.ty, syn::Type::Reference(to) if named(&to.elem).as_deref() == Some("Engine"))
}

fn named(kind: &syn::Type) -> Option<String> {
    match kind {
        syn::Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        _ => None,
    }
}

fn takes_caller_first(head: &syn::Signature) -> bool {
    let mut inputs = head.inputs.iter();
    let of_self = matches!(inputs.next(), Some(syn::FnArg::Receiver(_)));
    let Some(syn::FnArg::Typed(first)) = inputs.next() else {
        return false;
    };
    let is_caller =
        matches!(&*first.ty, syn::Type::Reference(to) if named(&to.elem).as_deref() == Some("Caller"));
    let called = matches!(&*first.pat, syn::Pat::Ident(name) if name.ident == "caller");
    of_self && is_caller && called
}

/// Whether the first statement is `caller.permit(…)?;`.
fn asks_first(body: &syn::Block) -> bool {
    let Some(syn::Stmt::Expr(syn::Expr::Try(tried), Some(_))) = body.stmts.first() else {
        return false;
    };
    let syn::Expr::MethodCall(call) = &*tried.expr else {
        return false;
    };
    let on_caller = matches!(&*call.receiver, syn::Expr::Path(path) if path.path.is_ident("caller"));
    on_caller && call.method == "permit"
}

#[test]
fn every_operation_takes_a_caller_and_asks_for_a_permission_first() {
    let files: Vec<(String, syn::File)> = sources("engine")
        .into_iter()
        .map(|(path, text)| {
            let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
            (path, parsed)
        })
        .collect();
    let mut doors = BTreeSet::from(["Engine".to_owned()]);
    for (_, file) in &files {
        doors.extend(file.items.iter().filter_map(|item| match item {
            syn::Item::Struct(item) if is_door(item) => Some(item.ident.to_string()),
            _ => None,
        }));
    }
    assert!(doors.len() >= 8, "the test does not see the doors: {doors:?}");
    let mut excepted = BTreeSet::new();
    let mut checked = BTreeSet::new();
    for (path, file) in &files {
        for item in &file.items {
            let syn::Item::Impl(block) = item else { continue };
            let Some(door) =
                named(&block.self_ty).filter(|name| doors.contains(name) && block.trait_.is_none())
            else {
                continue;
            };
            for method in &block.items {
                let syn::ImplItem::Fn(method) = method else {
                    continue;
                };
                let public = matches!(method.vis, syn::Visibility::Public(_));
                let gives_a_value_of_memory =
                    method.sig.asyncness.is_none() && !takes_caller_first(&method.sig);
                if !public || gives_a_value_of_memory {
                    continue;
                }
                let name = format!("{door}::{}", method.sig.ident);
                if WITHOUT_PERMISSION
                    .iter()
                    .any(|(known, why)| *known == name && !why.is_empty())
                {
                    excepted.insert(name);
                    continue;
                }
                assert!(
                    takes_caller_first(&method.sig),
                    "{path}: {name} does not take `caller: &Caller` first"
                );
                assert!(
                    asks_first(&method.block),
                    "{path}: {name} does not begin with `caller.permit(…)?;`"
                );
                checked.insert(name);
            }
        }
    }
    assert!(
        checked.len() > 25,
        "only these operations were found: {checked:?}"
    );
    let known: BTreeSet<String> = WITHOUT_PERMISSION
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    assert_eq!(excepted, known, "an exception is there for nothing");
}
