//! `cargo xtask STEP`: the command line of the build steps.

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask STEP
  site [--dev]      frontend to WebAssembly, stylesheet, hashed and compressed files in target/site/
  css [--bless]     the stylesheet alone; --bless accepts it as the tests' golden file
  tests PROFILE FEATURES [FILTER]
                    all Rust tests, each failed one once more by itself
  prepare [--check] refresh .sqlx/ from migrations/store, or fail when it is out of date";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["site"] => xtask::site::build(xtask::site::Mode::Release),
        ["site", "--dev"] => xtask::site::build(xtask::site::Mode::Dev),
        ["css"] => xtask::site::stylesheet(xtask::site::Mode::Dev),
        ["css", "--bless"] => xtask::css::bless(&xtask::top()),
        ["tests", profile, features, filter @ ..] => {
            let build = xtask::tests::Build::new(profile, features);
            xtask::tests::run(&build, filter.first().unwrap_or(&""))
        }
        ["prepare"] => xtask::prepare::run(xtask::prepare::Mode::Refresh),
        ["prepare", "--check"] => xtask::prepare::run(xtask::prepare::Mode::Check),
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
