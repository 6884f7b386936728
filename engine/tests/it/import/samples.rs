//! Real files, and files that others publish for their own tests.

use std::{
    fs,
    path::{Path, PathBuf},
};

use contract::import::{ColumnType, Severity};
use rusqlite::{Connection, OpenFlags};

use super::world::{World, column, hashes, table};

/// The folder of samples, which lies beside the repository.
pub fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/samples");
    assert!(
        folder.is_dir(),
        "{} is missing: put the sample files there",
        folder.display()
    );
    folder
}

pub fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && path.extension().is_some_and(|end| end != "md"))
        .collect();
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sample_is_read_whole_and_stays_as_it_is() {
    let world = World::new().await;
    let before = hashes(&folder());
    let files = files();
    assert!(files.len() >= 13, "{files:?}");
    for file in files {
        let found = world
            .inspect(&file)
            .await
            .unwrap_or_else(|fault| panic!("{}: {fault}", file.display()));
        let address = format!("file:{}?immutable=1", file.display());
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let sqlite = Connection::open_with_flags(address, flags).unwrap();
        assert!(
            found.file.integrity.is_empty(),
            "{}: {:?}",
            file.display(),
            found.file.integrity
        );
        for table in found.tables.iter().filter(|table| table.kind.skipped().is_none()) {
            let name = table.name.replace('"', "\"\"");
            let count: i64 = sqlite
                .query_row(&format!("select count(*) from \"{name}\""), [], |row| row.get(0))
                .unwrap();
            assert_eq!(table.rows, count, "{} {}", file.display(), table.name);
            for column in &table.columns {
                let stored = &column.stored;
                assert_eq!(
                    stored.nulls + stored.values(),
                    count,
                    "{} {}.{}",
                    file.display(),
                    table.name,
                    column.name
                );
                let forms: i64 = stored.forms.iter().map(|facts| facts.places.count).sum();
                assert_eq!(forms, stored.values(), "each value has one form");
            }
        }
        let json = serde_json::to_string(&found).unwrap();
        let read: contract::import::Inspection = serde_json::from_str(&json).unwrap();
        assert_eq!(
            (read.file, read.findings, read.tables.len()),
            (found.file, found.findings, found.tables.len())
        );
    }
    assert_eq!(hashes(&folder()), before);
    assert_eq!(world.left_behind(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_ai_pal_and_of_pgloaders_bugs_get_the_types_they_need() {
    let world = World::new().await;
    let ai_pal = world.inspect(&folder().join("ai_pal.db")).await.unwrap();
    for (place, expected) in [
        ("ari_snapshots.id", ColumnType::Bigint),
        ("ari_snapshots.timestamp", ColumnType::Timestamp),
        ("ari_snapshots.autonomy_retention", ColumnType::Double),
        ("edm_debts.resolved", ColumnType::Boolean),
        ("atomic_blocks.completed", ColumnType::Boolean),
    ] {
        let proposal = &column(&ai_pal, place).proposal;
        assert_eq!(proposal.column_type, expected, "{place}: {}", proposal.reason);
    }
    let bad = world
        .inspect(&folder().join("pgloader_bad_utf8.db"))
        .await
        .unwrap();
    let name = &column(&bad, "files.filename").proposal;
    assert_eq!(name.column_type, ColumnType::Bytea, "{}", name.reason);
    let text = name
        .others
        .iter()
        .find(|it| it.column_type == ColumnType::Text)
        .unwrap();
    assert_eq!(text.against.first, [2], "its bytes are Latin-1");
    let mixed = world
        .inspect(&folder().join("pgloader_type_mismatch.db"))
        .await
        .unwrap();
    let quantity = &column(&mixed, "products.qty").proposal;
    assert_eq!(quantity.column_type, ColumnType::Text, "{}", quantity.reason);
    assert!(
        mixed
            .findings
            .iter()
            .any(|finding| finding.severity == Severity::Warning)
    );
    let words = world
        .inspect(&folder().join("sqlittle_withoutrowid.sqlite"))
        .await
        .unwrap();
    assert_eq!(table(&words, "words").rows, 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hostile_samples_are_named_or_read() {
    let world = World::new().await;
    let hostile = folder().join("hostile");
    let before = hashes(&hostile);
    for (name, words) in [
        ("sqlittle_notadatabase.sqlite", "is no SQLite database"),
        ("sqlittle_truncated.sqlite", "is cut off"),
        ("sqlittle_zerolength.sqlite", "is empty"),
    ] {
        let fault = world.inspect(&hostile.join(name)).await.unwrap_err();
        assert!(fault.message.contains(words), "{name}: {fault}");
    }
    let crashed = world
        .inspect(&hostile.join("sqlittle_wal_crashed.sqlite"))
        .await
        .unwrap();
    assert!(crashed.file.wal_bytes.is_some());
    assert!(
        crashed.tables.iter().any(|table| table.rows > 0),
        "its rows are in the -wal"
    );
    assert_eq!(hashes(&hostile), before);
}
