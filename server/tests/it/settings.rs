//! The settings, `.env.example` and docs/configuration.md say the same.

use std::collections::BTreeSet;

use server::config::SETTINGS;

fn read(path: &str) -> String {
    let path = format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_example_file_names_every_setting_and_no_other() {
    let example = read(".env.example");
    let named: Vec<&str> = example
        .lines()
        .filter_map(|line| line.strip_prefix('#')?.split_once('='))
        .map(|(name, _)| name)
        .collect();
    let known: Vec<&str> = SETTINGS
        .iter()
        .map(|setting| setting.name)
        .chain(["POSTGRES_PASSWORD", "STORE_PASSWORD"])
        .collect();
    assert_eq!(
        named, known,
        ".env.example: one line #NAME=value for each setting, in their order"
    );
    for setting in SETTINGS {
        assert!(
            example.contains(&format!("# {}\n", setting.about)),
            "{} is described in other words",
            setting.name
        );
        assert!(
            example.contains(setting.example),
            "{} has another example",
            setting.name
        );
    }
    // Each line, without its #, must be readable.
    let folder = tempfile::tempdir().unwrap();
    let active: String = example
        .lines()
        .filter_map(|line| {
            line.strip_prefix('#')
                .filter(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
        })
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(folder.path().join(".env"), active).unwrap();
    let read: Vec<String> = dotenvy::from_path_iter(folder.path().join(".env"))
        .unwrap()
        .map(|line| line.unwrap().0)
        .collect();
    assert_eq!(read, known);
}

#[test]
fn the_documentation_has_a_row_for_every_setting() {
    let document = read("docs/configuration.md");
    let rows: Vec<&str> = document.lines().filter(|line| line.starts_with("| `")).collect();
    let wanted: Vec<String> = SETTINGS
        .iter()
        .map(|setting| format!("| `{}` | {} | {} |", setting.name, setting.default, setting.about))
        .collect();
    assert_eq!(rows, wanted);
    let secrets: BTreeSet<String> = SETTINGS
        .iter()
        .filter(|setting| setting.secret)
        .map(|setting| format!("`{}_FILE`", setting.name))
        .collect();
    for file in secrets {
        assert!(document.contains(&file), "{file} is not documented");
    }
}
