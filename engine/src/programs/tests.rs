#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
use std::{fs, os::unix::fs::PermissionsExt};

use super::*;

fn program(folder: &Path, name: &str, version: &str) {
    fs::create_dir_all(folder).unwrap();
    let path = folder.join(name);
    fs::write(
        &path,
        format!("#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n"),
    )
    .unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn versions_are_read_from_what_programs_answer() {
    let of = |text| Version::of_answer(text).map(|version| version.to_string());
    assert_eq!(
        of("pg_dump (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)").as_deref(),
        Some("15.20")
    );
    assert_eq!(of("pg_dump (PostgreSQL) 19beta1").as_deref(), Some("19.0"));
    assert_eq!(of("pg_dump (PostgreSQL) 18").as_deref(), Some("18.0"));
    assert_eq!(of("psql 15"), None);
}

#[test]
fn tools_with_known_holes_are_warned_about_and_others_not() {
    let warning = |version: &str| {
        let version = Version::of_answer(&format!("x (PostgreSQL) {version}")).unwrap();
        Programs {
            folder: "/x".into(),
            version,
        }
        .warning()
    };
    let text = warning("15.18").unwrap();
    assert!(
        text.contains("15.18") && text.contains("15.19") && text.contains("postgresql-client-15"),
        "{text}"
    );
    assert_eq!(warning("15.19"), None);
    assert_eq!(warning("15.20"), None);
    assert_eq!(warning("19.0"), None);
    assert!(warning("13.22").unwrap().contains("no corrections"));
}

#[tokio::test]
async fn a_given_folder_is_the_only_one_looked_at() {
    let top = tempfile::tempdir().unwrap();
    let fault = Programs::find(Some(top.path()), &["pg_dump"])
        .await
        .unwrap_err()
        .fault();
    assert!(fault.message.contains("pg_dump"), "{fault}");
    assert!(fault.hint.unwrap().contains("PG_BIN"));
    program(top.path(), "pg_dump", "16.15");
    let found = Programs::find(Some(top.path()), &["pg_dump"]).await.unwrap();
    assert_eq!(found.version(), Version::new(16, 15));
    assert_eq!(found.path("pg_dump"), top.path().join("pg_dump"));
    let lacking = Programs::find(Some(top.path()), &["pg_dump", "pg_restore"])
        .await
        .unwrap_err();
    assert!(lacking.fault().message.contains("pg_restore"));
}

#[tokio::test]
async fn tools_older_than_the_server_are_refused_with_the_package_that_helps() {
    let top = tempfile::tempdir().unwrap();
    program(top.path(), "pg_dump", "15.20");
    let given = Some(top.path());
    assert!(Programs::for_server(given, &["pg_dump"], 14).await.is_ok());
    assert!(Programs::for_server(given, &["pg_dump"], 15).await.is_ok());
    let fault = Programs::for_server(given, &["pg_dump"], 17)
        .await
        .unwrap_err()
        .fault();
    assert!(
        fault.message.contains("17") && fault.message.contains("15.20"),
        "{fault}"
    );
    assert!(fault.hint.unwrap().contains("postgresql-client-17"));
    program(&top.path().join("old"), "pg_dump", "12.3");
    let fault = Programs::for_server(Some(&top.path().join("old")), &["pg_dump"], 12)
        .await
        .unwrap_err()
        .fault();
    assert!(fault.message.contains("before 14"), "{fault}");
}

#[test]
fn the_newest_version_comes_first() {
    let top = tempfile::tempdir().unwrap();
    for name in ["pgsql-9", "pgsql-15", "pgsql-17", "notes", "pgsql-x"] {
        fs::create_dir(top.path().join(name)).unwrap();
    }
    let found = versions_under(top.path(), "pgsql-");
    let names: Vec<_> = found
        .iter()
        .map(|path| path.strip_prefix(top.path()).unwrap().to_str().unwrap())
        .collect();
    assert_eq!(names, ["pgsql-17/bin", "pgsql-15/bin", "pgsql-9/bin"]);
}

#[tokio::test]
async fn this_machine_has_the_programs_that_backups_need() {
    let found = Programs::find(None, &["pg_dump", "pg_dumpall", "pg_restore"])
        .await
        .unwrap();
    assert!(found.version().major >= OLDEST_MAJOR, "{found:?}");
}
