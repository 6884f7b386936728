//! The rules of docs/architecture.md, as far as a reader of the source can tell.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

const CRATES: [&str; 8] = [
    "contract", "sqlite", "engine", "app", "frontend", "server", "xtask", "testkit",
];

/// Which of our crates may use which.
const ARROWS: [(&str, &[&str]); 8] = [
    ("contract", &[]),
    ("sqlite", &["contract"]),
    ("engine", &["contract", "sqlite"]),
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
    for name in ["contract", "sqlite", "app", "frontend", "server"] {
        assert!(
            !manifest(name)["dependencies"]
                .as_table()
                .unwrap()
                .contains_key("sqlx"),
            "{name} depends on sqlx"
        );
        for (path, text) in sources(name) {
            let mut found = lines_with(&text, &["sqlx::", "PgPool", "query!("]);
            // The driver's notices are named to be left out of the log.
            found.retain(|line| {
                path != "server/src/logging.rs" || !line.contains("sqlx::postgres::notice=off")
            });
            assert!(found.is_empty(), "{path} speaks SQL: {found:?}");
        }
    }
}

#[test]
fn what_sqlite_means_needs_no_server_and_no_runtime() {
    let manifest = manifest("sqlite");
    let used = manifest["dependencies"].as_table().unwrap();
    for name in [
        "sqlx",
        "tokio",
        "tokio-util",
        "futures",
        "reqwest",
        "leptos",
        "axum",
    ] {
        assert!(!used.contains_key(name), "sqlite depends on {name}");
    }
    for (path, text) in sources("sqlite") {
        let found = lines_with(&text, &["async ", ".await"]);
        assert!(found.is_empty(), "{path} waits: {found:?}");
    }
}

#[test]
fn the_environment_is_read_in_one_file() {
    let words = ["env::var", "env::vars", "env!(", "dotenvy::"];
    let allowed = ["server/src/config.rs", "server/src/config/source.rs"];
    for name in ["contract", "sqlite", "engine", "app", "frontend", "server"] {
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
    for name in ["contract", "sqlite", "engine", "frontend", "server"] {
        for (path, text) in sources(name) {
            let found = lines_with(&text, &["view!", "#[component]"]);
            assert!(found.is_empty(), "{path} writes markup: {found:?}");
        }
    }
}

#[test]
fn one_module_writes_to_standard_output_and_no_macro_does_that_panics_when_nobody_reads() {
    for name in ["contract", "sqlite", "engine", "app", "server"] {
        for (path, text) in sources(name) {
            // `eprintln!` and `eprint!` hold these words, too.
            let found = lines_with(&text, &["println!", "print!("]);
            assert!(found.is_empty(), "{path} prints: {found:?}");
        }
    }
    for (path, text) in sources("server") {
        let found = lines_with(&text, &["stdout("]);
        assert!(
            found.is_empty() || path == "server/src/cli/out.rs",
            "{path} writes to standard output: {found:?}"
        );
    }
}

#[test]
fn a_managed_database_is_looked_at_in_one_way() {
    // Named statements stay in a session. The store, the embedded server, the throw-away one of a verification, and the sessions of
    // imports and of the demo are the console's own.
    // The macros are checked against the store's tables, and so are the store's.
    let named = [
        "sqlx::query(",
        "sqlx::query_as(",
        "sqlx::query_as::",
        "sqlx::query_scalar(",
        "sqlx::query_scalar::",
    ];
    let own = [
        "open.rs",
        "src/store.rs",
        "target/identity.rs",
        "console/",
        "embedded/",
        "demo/",
        "import/",
        "target/look.rs",
    ];
    let connects = ["PgConnection::connect", "PgPoolOptions"];
    let connecting = [
        "open.rs",
        "src/store.rs",
        "backup/throw_away.rs",
        "embedded/",
        "demo/",
        "jobs/recover.rs",
        "target/mod.rs",
        "target/pool.rs",
    ];
    for (path, text) in sources("engine") {
        for (words, allowed) in [(&named[..], &own[..]), (&connects[..], &connecting[..])] {
            let found = lines_with(&text, words);
            assert!(
                found.is_empty() || allowed.iter().any(|part| path.contains(part)),
                "{path} asks a managed database past Target::look: {found:?}"
            );
        }
    }
}

/// Public operations of the engine that ask nobody for a permission, and why that is right.
const WITHOUT_PERMISSION: [(&str, &str); 12] = [
    ("Deployments::prove", "makes the holder of a token"),
    (
        "Deployments::tell_by_token",
        "takes the holder of a token, who may do this and nothing else",
    ),
    ("Engine::open", "opens the engine itself"),
    (
        "Engine::open_to_adopt",
        "the same, for the command that adopts a database",
    ),
    ("Engine::close", "closes it"),
    (
        "Engine::ready",
        "a probe: says whether the store answers and nothing else",
    ),
    ("Session::log_in", "gives what a caller is made of"),
    ("Session::refresh", "the same"),
    ("Session::authenticate", "makes the caller"),
    (
        "Session::note_browser",
        "describes the session of tokens that were just given",
    ),
    (
        "Session::still_live",
        "says only whether a caller's session lives",
    ),
    (
        "Session::ensure_first_administrator",
        "acts only while there are no users at all, or the password of the first one has ended unused",
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

fn is_boxed(attributes: &[syn::Attribute]) -> bool {
    attributes
        .iter()
        .filter_map(|attribute| attribute.path().segments.last())
        .any(|last| last.ident == "boxed")
}

/// Whether its code is made where it is called, boxed or not.
fn is_generic(head: &syn::Signature) -> bool {
    head.generics.type_params().next().is_some()
        || head
            .inputs
            .iter()
            .any(|input| matches!(input, syn::FnArg::Typed(input) if matches!(&*input.ty, syn::Type::ImplTrait(_))))
}

#[test]
fn pages_are_written_with_the_view_that_is_erased() {
    for (path, text) in sources("app") {
        let leptos_own = text.split("use leptos").skip(1).any(|rest| {
            rest.split(';')
                .next()
                .is_some_and(|named| named.contains("prelude::*"))
        });
        assert!(
            path.ends_with("/prelude.rs") || !leptos_own || !text.contains("view! {"),
            "{path} takes `view!` from leptos: write `use crate::prelude::*`"
        );
    }
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
                assert!(
                    method.sig.asyncness.is_none() || is_generic(&method.sig) || is_boxed(&method.attrs),
                    "{path}: {name} is not `#[crate::boxed]`, so that each crate that calls it compiles anew all it leads to"
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

/// A module by its names from the top of its crate.
type Module = Vec<String>;

/// What a file names with a path.
struct Named {
    /// The names, from the top of the crate.
    path: Module,
    /// What it is called where it is brought in, if by `use`.
    called: Option<String>,
    /// Whether it is only handed on, by `pub use`.
    handed_on: bool,
}

/// The module of a file: `app/src/import/mod.rs` is `import`, `app/src/import/api.rs` is `import::api`.
fn module_of(path: &str) -> Module {
    let mut names: Module = path
        .trim_end_matches(".rs")
        .split('/')
        .skip(2)
        .map(str::to_owned)
        .collect();
    if names
        .last()
        .is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str()))
    {
        names.pop();
    }
    names
}

/// Whether an attribute's brackets keep what follows for tests alone.
fn is_for_tests(brackets: Option<&TokenTree>) -> bool {
    let Some(TokenTree::Group(brackets)) = brackets else {
        return false;
    };
    let text = brackets.stream().to_string().replace(' ', "");
    text == "cfg(test)" || text.starts_with("cfg(all(test,")
}

/// Reads the paths that begin at a token, `a::b` or `a::{b, c::d}`, each with what it is called; and where they end.
fn read_paths(tokens: &[TokenTree], start: usize) -> (Vec<(Module, String)>, usize) {
    let is_colon =
        |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(mark)) if mark.as_char() == ':');
    let mut path = vec![tokens[start].to_string()];
    let mut at = start + 1;
    while is_colon(at) && is_colon(at + 1) {
        match tokens.get(at + 2) {
            Some(TokenTree::Ident(name)) => path.push(name.to_string()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                let mut paths = Vec::new();
                let mut within = 0;
                while within < inner.len() {
                    if let TokenTree::Ident(_) = inner[within] {
                        let (found, next) = read_paths(&inner, within);
                        paths.extend(found.into_iter().map(|(rest, called)| {
                            let rest = rest.into_iter().filter(|name| name != "self");
                            (path.iter().cloned().chain(rest).collect(), called)
                        }));
                        within = next;
                    } else {
                        within += 1;
                    }
                }
                return (paths, at + 3);
            }
            _ => break,
        }
        at += 3;
    }
    let mut called = path.last().cloned().unwrap_or_default();
    if let (Some(TokenTree::Ident(word)), Some(TokenTree::Ident(name))) = (tokens.get(at), tokens.get(at + 1))
        && word == "as"
    {
        called = name.to_string();
        at += 2;
    }
    (vec![(path, called)], at)
}

/// A path from the top of the crate, if it may lead to a module of the crate. One name alone leads nowhere: it is of the
/// file itself, or says how far something is seen.
fn from_the_top(path: &[String], here: &[String], modules: &BTreeSet<Module>) -> Option<Module> {
    if path.len() < 2 {
        return None;
    }
    let mut base = here.to_vec();
    let mut rest = path;
    match path[0].as_str() {
        "crate" => {
            base.clear();
            rest = &path[1..];
        }
        "self" | "super" => {
            while let Some(word) = rest
                .first()
                .filter(|word| ["self", "super"].contains(&word.as_str()))
            {
                if word == "super" {
                    base.pop()?;
                }
                rest = &rest[1..];
            }
        }
        first => {
            let below: Module = here.iter().cloned().chain([first.to_owned()]).collect();
            if !modules.contains(&below) {
                return None;
            }
        }
    }
    base.extend_from_slice(rest);
    Some(base)
}

/// Gathers what a file names, without its tests; also what stands in the arguments of macros.
fn gather(tokens: TokenStream, here: &[String], modules: &BTreeSet<Module>, found: &mut Vec<Named>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is_mark = |at: Option<usize>, mark: char| {
        at.and_then(|at| tokens.get(at))
            .is_some_and(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark))
    };
    let is_word = |at: Option<usize>, word: &str| {
        at.and_then(|at| tokens.get(at))
            .is_some_and(|token| matches!(token, TokenTree::Ident(ident) if ident == word))
    };
    let mut at = 0;
    while at < tokens.len() {
        let before = at.checked_sub(1);
        match &tokens[at] {
            TokenTree::Punct(mark) if mark.as_char() == '#' && is_for_tests(tokens.get(at + 1)) => {
                let ends = |token: &TokenTree| match token {
                    TokenTree::Punct(mark) => mark.as_char() == ';',
                    TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                    _ => false,
                };
                at += tokens[at..].iter().position(ends).unwrap_or(tokens.len());
            }
            TokenTree::Ident(word) if word == "mod" => {
                if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
                    (tokens.get(at + 1), tokens.get(at + 2))
                {
                    let mut inside = here.to_vec();
                    inside.push(name.to_string());
                    gather(body.stream(), &inside, modules, found);
                    at += 2;
                }
            }
            TokenTree::Ident(_) => {
                let goes_on = is_mark(before, ':') && is_mark(at.checked_sub(2), ':');
                if !goes_on && !is_mark(before, '.') {
                    let brought_in = is_word(before, "use");
                    let handed_on = brought_in
                        && (is_word(at.checked_sub(2), "pub") || is_word(at.checked_sub(3), "pub"));
                    let (paths, next) = read_paths(&tokens, at);
                    found.extend(paths.into_iter().filter_map(|(path, called)| {
                        Some(Named {
                            path: from_the_top(&path, here, modules)?,
                            called: brought_in.then_some(called),
                            handed_on,
                        })
                    }));
                    at = next;
                    continue;
                }
            }
            TokenTree::Group(group) => gather(group.stream(), here, modules, found),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        at += 1;
    }
}

/// Circles among the files of each folder so deep below the top of a crate, each as `folder: a → b → a`. A folder in it counts
/// as one of its files, and what a `mod.rs` hands on counts as taken from where it is written.
fn circles(files: &[(String, String)], depths: RangeInclusive<usize>) -> Vec<String> {
    let files: Vec<(Module, &String)> = files
        .iter()
        .filter(|(path, _)| !path.ends_with("_tests.rs"))
        .map(|(path, text)| (module_of(path), text))
        .collect();
    let modules: BTreeSet<Module> = files.iter().map(|(module, _)| module.clone()).collect();
    let mut uses = Vec::new();
    let mut brought_in = BTreeMap::new();
    for (module, text) in &files {
        let mut found = Vec::new();
        gather(text.parse().unwrap(), module, &modules, &mut found);
        for named in found {
            if let Some(called) = &named.called {
                let mut from_outside = module.clone();
                from_outside.push(called.clone());
                brought_in.insert(from_outside, named.path.clone());
            }
            uses.push((module, named));
        }
    }
    let home = |path: &Module| {
        let mut path = path.clone();
        // A name is handed on a few times at most.
        for _ in 0..8 {
            let known = (0..=path.len())
                .rev()
                .find(|&length| modules.contains(&path[..length]))
                .unwrap_or(0);
            let origin = path
                .get(..=known)
                .and_then(|name| brought_in.get(name))
                .filter(|origin| origin[..] != path[..=known]);
            let Some(origin) = origin else {
                path.truncate(known);
                break;
            };
            path = origin.iter().chain(&path[known + 1..]).cloned().collect();
        }
        path
    };
    let mut arrows: BTreeMap<&[String], BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for (user, named) in &uses {
        let used = home(&named.path);
        for depth in depths.clone().take_while(|&depth| depth <= user.len()) {
            let folder = &user[..depth];
            if !used.starts_with(folder) {
                break;
            }
            let file = |module: &Module| module.get(depth).cloned().unwrap_or_else(|| "mod".to_owned());
            let (from, to) = (file(user), file(&used));
            if from != to && !(from == "mod" && named.handed_on) {
                arrows
                    .entry(folder)
                    .or_default()
                    .entry(from)
                    .or_default()
                    .insert(to);
            }
        }
    }
    let mut found = Vec::new();
    for (folder, arrows) in &arrows {
        for start in arrows.keys() {
            if let Some(way) = way_back(arrows, start) {
                found.push(format!("{}: {}", folder.join("/"), way.join(" → ")));
            }
        }
    }
    found
}

/// A way from a file along the arrows back to itself, the shortest.
fn way_back<'a>(arrows: &'a BTreeMap<String, BTreeSet<String>>, start: &'a String) -> Option<Vec<&'a str>> {
    let mut ways: VecDeque<Vec<&str>> = VecDeque::from([vec![start.as_str()]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in way
            .last()
            .and_then(|last| arrows.get(*last))
            .into_iter()
            .flatten()
        {
            let longer = way.iter().copied().chain([next.as_str()]).collect();
            if next == start {
                return Some(longer);
            }
            if seen.insert(next) {
                ways.push_back(longer);
            }
        }
    }
    None
}

/// Each folder below the top of a crate is an area, or a part of one.
const AREAS: RangeInclusive<usize> = 1..=usize::MAX;

#[test]
fn files_of_one_area_do_not_import_each_other_in_a_circle() {
    let mut found = circles(&sources("app"), AREAS);
    // That crate is one area; its translator goes round in circles, as expressions do.
    found.extend(circles(&sources("sqlite"), 0..=0));
    assert!(
        found.is_empty(),
        "what several need goes into a file below them:\n{}",
        found.join("\n")
    );
}

#[test]
fn a_circle_of_files_is_seen_however_the_path_is_written() {
    let look = |files: &[(&str, &str)]| {
        let files: Vec<(String, String)> = files
            .iter()
            .map(|(path, text)| (format!("app/src/{path}"), (*text).to_owned()))
            .collect();
        circles(&files, AREAS)
    };
    let first = ("area/one.rs", "use super::two::Two; pub struct One;");
    let seen = ["area: one → two → one", "area: two → one → two"];
    for second in [
        "use super::One; pub struct Two;",
        "use crate::area::one::One as Other;",
        "use super::{Two as Three, one::{self, One}};",
        "fn act() { view! { <p>{super::one::words()}</p> } }",
        "mod inner { use super::super::one::One; }",
    ] {
        let parent = ("area/mod.rs", "mod one; mod two; pub use one::One;");
        assert_eq!(look(&[parent, first, ("area/two.rs", second)]), seen, "{second}");
    }
    let parent = ("area/mod.rs", "mod one; mod two; fn act() { one::begin(); }");
    let child = ("area/one.rs", "use super::act;");
    assert_eq!(
        look(&[parent, child]),
        ["area: mod → one → mod", "area: one → mod → one"]
    );
    let tests = "pub struct Two; #[cfg(test)] mod tests { use super::super::one::One; }";
    let parent = ("area/mod.rs", "mod one; pub mod two; pub use one::One;");
    assert_eq!(look(&[parent, first, ("area/two.rs", tests)]), [""; 0]);
    let other = ("other/mod.rs", "use crate::area::One;");
    assert_eq!(
        look(&[parent, first, ("area/two.rs", "use crate::other;"), other]),
        [""; 0]
    );
}
