#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{os::unix::fs::symlink, time::Duration};

use contract::import::UploadPart;
use tempfile::TempDir;
use uuid::Uuid;

use super::{uploads::Expected, *};
use crate::config::QueryLog;

/// An allowed folder `in`, one beside it, and the console's own folder inside the first.
fn world() -> (TempDir, Allowed) {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    for below in ["in/deep/er", "in/.hidden", "in/data", "out"] {
        fs::create_dir_all(at(below)).unwrap();
    }
    for file in [
        "in/b.db",
        "in/a.sqlite3",
        "in/deep/er/c",
        "in/.hidden/d.db",
        "in/.e.db",
        "in/data/own.db",
        "out/secret.db",
    ] {
        fs::write(at(file), [&MAGIC[..], b"rest"].concat()).unwrap();
    }
    fs::write(at("in/words.txt"), "no database at all").unwrap();
    fs::write(at("in/short.db"), "SQLite").unwrap();
    nix::unistd::mkfifo(&at("in/pipe.db"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    symlink(at("out/secret.db"), at("in/out.db")).unwrap();
    symlink("../out/secret.db", at("in/relative.db")).unwrap();
    symlink(at("out"), at("in/folder")).unwrap();
    symlink("deep/er/c", at("in/inner.db")).unwrap();
    symlink("data/own.db", at("in/mine.db")).unwrap();
    symlink(".", at("in/round")).unwrap();
    let allowed = Allowed::new(&at("in"), &at("in/data")).unwrap();
    (folder, allowed)
}

#[test]
fn databases_below_the_folder_are_listed_and_nothing_else() {
    let (_folder, allowed) = world();
    let (listed, cut) = allowed.list();
    let found: Vec<(String, i64)> = listed
        .into_iter()
        .map(|entry| (entry.path, entry.bytes))
        .collect();
    let expected = ["a.sqlite3", "b.db", "deep/er/c", "inner.db"].map(|path| (path.to_owned(), 20));
    assert_eq!((&found[..], cut), (&expected[..], false));
}

#[test]
fn no_path_leads_out_of_the_folder() {
    let (folder, allowed) = world();
    for (path, file) in [
        ("b.db", "in/b.db"),
        ("deep/er/c", "in/deep/er/c"),
        ("inner.db", "in/deep/er/c"),
        ("words.txt", "in/words.txt"),
    ] {
        let file = fs::canonicalize(folder.path().join(file)).unwrap();
        assert_eq!(allowed.resolve(path).unwrap(), file, "{path}");
    }
    let absolute = folder.path().join("in/b.db").display().to_string();
    for path in [
        "",
        ".",
        "..",
        "../out/secret.db",
        "deep/../../out/secret.db",
        "deep/../b.db",
        "/etc/passwd",
        &absolute,
        "out.db",
        "relative.db",
        "folder/secret.db",
        "mine.db",
        "data/own.db",
        ".e.db",
        ".hidden/d.db",
        "b.db\0",
        "deep",
        "pipe.db",
    ] {
        let fault = allowed.resolve(path).unwrap_err().fault();
        assert_eq!(fault.code, Code::Invalid, "{path}: {fault:?}");
        assert!(
            fault.hint.is_some() && !fault.message.contains("secret:"),
            "{path}"
        );
    }
    for path in ["gone.db", "b.db/x"] {
        assert_eq!(
            allowed.resolve(path).unwrap_err().fault().code,
            Code::NotFound,
            "{path}"
        );
    }
}

#[test]
fn a_folder_that_is_gone_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let gone = Allowed::new(&folder.path().join("gone"), folder.path());
    let fault = gone.map(|_| ()).unwrap_err().fault();
    assert!(
        fault.code == Code::NotFound && fault.message.contains("gone"),
        "{fault:?}"
    );
}

#[test]
fn folders_are_followed_eight_deep_and_a_deeper_file_can_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut below = folder.path().to_owned();
    let allowed = Allowed::new(folder.path(), Path::new("/nowhere")).unwrap();
    for _ in 0..8 {
        fs::write(below.join("x.db"), MAGIC).unwrap();
        below.push("d");
        fs::create_dir(&below).unwrap();
    }
    fs::write(below.join("x.db"), MAGIC).unwrap();
    let (listed, cut) = allowed.list();
    assert_eq!((listed.len(), cut), (9, false));
    fs::create_dir(below.join("d")).unwrap();
    fs::write(below.join("d/x.db"), MAGIC).unwrap();
    let (listed, cut) = allowed.list();
    assert_eq!((listed.len(), cut), (9, true));
    assert!(allowed.resolve(&format!("{}x.db", "d/".repeat(9))).is_ok());
}

#[test]
fn a_list_that_is_cut_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for at in 0..MOST {
        fs::write(folder.path().join(format!("{at:04}.db")), MAGIC).unwrap();
    }
    let allowed = Allowed::new(folder.path(), Path::new("/nowhere")).unwrap();
    let (listed, cut) = allowed.list();
    assert_eq!((listed.len(), cut), (MOST, false));
    fs::write(folder.path().join("last.db"), MAGIC).unwrap();
    let (listed, cut) = allowed.list();
    assert_eq!((listed.len(), cut), (MOST, true));
}

fn config(import_dir: Option<PathBuf>, data_dir: PathBuf) -> EngineConfig {
    EngineConfig {
        store: sqlx::postgres::PgConnectOptions::new(),
        store_connections: 1,
        targets: Vec::new(),
        backup_dir: data_dir.join("backups"),
        data_dir,
        import_dir,
        upload_limit: 1 << 20,
        pg_bin: None,
        jwt_secret: None,
        works: false,
        query_log: QueryLog {
            every: false,
            slow: Duration::from_secs(1),
        },
        about: Default::default(),
        network_timeout: Duration::from_secs(120),
        alarms: Default::default(),
        verify_on: None,
    }
}

#[test]
fn a_file_to_import_is_found_by_its_kind() {
    let (folder, _) = world();
    let at = |path: &str| folder.path().join(path);
    let none = config(None, at("in/data"));
    let some = config(Some(at("in")), at("in/data"));
    let server = |path: &str| ImportFile::Server(path.to_owned());

    let fault = located(&none, &server("b.db")).unwrap_err().fault();
    assert!(fault.hint.unwrap().contains("PGSTEWARD_IMPORT_DIR"));
    let (path, name) = located(&some, &server("inner.db")).unwrap();
    assert_eq!(
        (path.ends_with("in/deep/er/c"), name.as_str()),
        (true, "inner.db")
    );

    let uploads = Folder::new(&none.data_dir);
    uploads.make_root().unwrap();
    let expected = Expected {
        kind: contract::import::UploadKind::Database,
        name: "mine.db".to_owned(),
        bytes: 4,
        wal_bytes: Some(2),
        modified_ms: None,
        wal_modified_ms: None,
        created_by: "me".to_owned(),
        created_at: chrono::Utc::now(),
    };
    let upload = uploads.begin(Uuid::from_u128(7), expected).unwrap();
    let by_id = ImportFile::Upload(Uuid::from_u128(7));
    let fault = located(&none, &by_id).unwrap_err().fault();
    assert_eq!(fault.code, Code::Conflict);
    assert!(fault.message.contains("6 bytes are missing"), "{}", fault.message);
    fs::write(upload.part(UploadPart::Database), "full").unwrap();
    assert!(located(&none, &by_id).is_err(), "its log is not there");
    fs::write(upload.part(UploadPart::Wal), "it").unwrap();
    let (path, name) = located(&none, &by_id).unwrap();
    assert_eq!(
        (fs::read(path).unwrap(), name),
        (b"full".to_vec(), "mine.db".to_owned())
    );
    let fault = located(&none, &ImportFile::Upload(Uuid::from_u128(8)));
    assert_eq!(fault.unwrap_err().fault().code, Code::NotFound);
}
