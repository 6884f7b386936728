#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
use super::*;

#[test]
fn hostile_target_names_stay_inside_the_folder_and_apart() {
    assert_eq!(folder_name("ai_pal"), "ai_pal");
    let hostile = [
        "",
        "..",
        ".partial",
        "/etc",
        "a/b",
        "a\0b",
        "-rf",
        "Ünï",
        "A",
        "a",
        &"x".repeat(300),
        "_a~1",
    ];
    let names: std::collections::HashSet<String> = hostile.iter().map(|name| folder_name(name)).collect();
    assert_eq!(names.len(), hostile.len());
    for name in names {
        assert!(
            name.len() <= 60 && !name.starts_with(['.', '-']) && !name.contains(['/', '\0']),
            "{name}"
        );
    }
}

#[test]
fn only_what_has_a_manifest_and_our_name_is_listed() {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::new(root.path());
    assert_eq!(folder.list_one("db").unwrap(), []);
    let (whole, bare) = (Uuid::now_v7(), Uuid::now_v7());
    for name in [whole.to_string(), bare.to_string(), "notes".to_owned()] {
        fs::create_dir_all(root.path().join("db").join(name)).unwrap();
    }
    fs::write(folder.stored("db", whole).join(MANIFEST), "{}").unwrap();
    fs::write(root.path().join("db/notes").join(MANIFEST), "{}").unwrap();
    // A link in a manifest's place could make us read any file.
    std::os::unix::fs::symlink("/etc/passwd", folder.stored("db", bare).join(MANIFEST)).unwrap();
    let listed: Vec<Uuid> = folder
        .list_one("db")
        .unwrap()
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    assert_eq!(listed, [whole]);
}

#[test]
fn what_someone_works_on_is_no_leftover() {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::new(root.path());
    let (at_work, dead) = (Uuid::now_v7(), Uuid::now_v7());
    let held = folder.begin(at_work).unwrap();
    drop(folder.begin(dead).unwrap());
    fs::create_dir_all(root.path().join(".partial/something-else")).unwrap();
    assert_eq!(folder.leftovers().unwrap(), [Leftover::Attempt(dead)]);
    drop(held);
    assert_eq!(folder.leftovers().unwrap().len(), 2);
    folder.remove_partial(dead).unwrap();
    folder.remove_partial(dead).unwrap();
    assert_eq!(folder.leftovers().unwrap(), [Leftover::Attempt(at_work)]);
}

#[test]
fn a_backup_that_is_read_cannot_be_locked_for_deletion() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join(ARCHIVE), "data").unwrap();
    let first = open_shared(&root.path().join(ARCHIVE)).unwrap();
    let second = open_shared(&root.path().join(ARCHIVE)).unwrap();
    drop(first);
    assert!(matches!(lock_alone(root.path()), Err(TryLockError::WouldBlock)));
    drop(second);
    let alone = lock_alone(root.path()).unwrap().unwrap();
    assert!(
        open_shared(&root.path().join(ARCHIVE)).is_err(),
        "what is being deleted cannot be opened"
    );
    drop(alone);
    assert!(lock_alone(&root.path().join("none")).unwrap().is_none());
}
