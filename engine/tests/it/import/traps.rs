//! One file for each trap.

use std::collections::BTreeSet;

use contract::import::{Affinity, ColumnType, Conversion, RowsBy, Severity, TableKind};
use testkit::sqlite::traps;

use super::{
    expected::EXPECTED,
    world::{World, column, hashes, table},
};

#[tokio::test(flavor = "multi_thread")]
async fn every_trap_gets_the_right_types_and_findings_and_stays_as_it_is() {
    let world = World::new().await;
    let known: BTreeSet<&str> = EXPECTED.iter().map(|(name, ..)| *name).collect();
    let all: BTreeSet<&str> = traps().map(|trap| trap.name).collect();
    assert_eq!(
        known, all,
        "each trap is expected, and each expectation has its trap"
    );
    assert!(all.len() >= 60);
    let mut wrong = Vec::new();
    for trap in traps() {
        let (_, types, words) = EXPECTED.iter().find(|(name, ..)| *name == trap.name).unwrap();
        let file = trap.write(world.folder.path());
        let before = hashes(world.folder.path());
        let found = match world.inspect(&file).await {
            Ok(found) => found,
            Err(fault) => {
                wrong.push(format!("{} ({}): {fault}", trap.name, trap.holds));
                continue;
            }
        };
        for (place, expected) in *types {
            let proposal = &column(&found, place).proposal;
            if proposal.column_type != *expected {
                wrong.push(format!(
                    "{}: {place} is {:?}, {}",
                    trap.name, proposal.column_type, proposal.reason
                ));
            }
        }
        let said: Vec<&str> = found
            .findings
            .iter()
            .map(|finding| finding.words.as_str())
            .collect();
        for word in words
            .iter()
            .filter(|word| !said.iter().any(|said| said.contains(**word)))
        {
            // The column's own name is as good as its words.
            if !found
                .findings
                .iter()
                .any(|finding| finding.column.as_deref() == Some(*word))
            {
                wrong.push(format!("{}: {word:?} is not among {said:?}", trap.name));
            }
        }
        for finding in found
            .findings
            .iter()
            .filter(|finding| finding.severity > Severity::Note)
        {
            let known = words
                .iter()
                .any(|word| finding.words.contains(word) || finding.column.as_deref() == Some(*word));
            if !known {
                wrong.push(format!("{}: {finding:?} was not expected", trap.name));
            }
        }
        let after = hashes(world.folder.path());
        if after != before {
            wrong.push(format!("{}: the files were changed", trap.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(world.left_behind(), Vec::<String>::new());
}

/// Inspects one trap.
async fn of(world: &World, name: &str) -> contract::import::Inspection {
    let trap = traps().find(|trap| trap.name == name).unwrap();
    world.inspect(&trap.write(world.folder.path())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn other_types_come_with_the_rows_against_them() {
    let world = World::new().await;
    let found = of(&world, "text_in_the_last_row").await;
    let v = column(&found, "t.v");
    assert_eq!(
        (v.stored.integers, v.stored.texts, v.stored.integer_range),
        (4999, 1, Some((1, 4999)))
    );
    let bigint = &v.proposal.others[0];
    assert_eq!(
        (
            bigint.column_type,
            bigint.against.count,
            &bigint.against.first[..]
        ),
        (ColumnType::Bigint, 1, &[5000][..])
    );
    assert_eq!(v.proposal.conversion, Some(Conversion::NumberToText));

    for (trap, offered) in [
        ("undeclared_iso_times", ColumnType::Timestamp),
        ("undeclared_epochs", ColumnType::Timestamptz),
        ("undeclared_booleans", ColumnType::Boolean),
        ("json_in_text", ColumnType::Jsonb),
        ("dates", ColumnType::Timestamp),
    ] {
        let found = of(&world, trap).await;
        let others = &column(&found, "t.v").proposal.others;
        assert!(
            others
                .iter()
                .any(|it| it.column_type == offered && it.against.count == 0),
            "{trap}: {others:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_identities_and_references_are_known() {
    let world = World::new().await;
    for (trap, autoincrement, next) in [
        ("autoincrement_of_an_empty_table", true, Some(42)),
        ("autoincrement_beyond_the_last_row", true, Some(91)),
        ("integer_primary_key", false, Some(8)),
        ("largest_rowid", false, None),
    ] {
        let found = of(&world, trap).await;
        let identity = table(&found, "t").identity.as_ref().unwrap();
        assert_eq!(
            (identity.autoincrement, identity.next),
            (autoincrement, next),
            "{trap}"
        );
    }
    assert_eq!(table(&of(&world, "int_primary_key").await, "t").identity, None);
    assert_eq!(
        table(&of(&world, "key_in_its_own_order").await, "t").primary_key,
        ["c", "a"]
    );
    let found = of(&world, "without_rowid").await;
    let words = table(&found, "t");
    assert_eq!(
        (&words.kind, words.rows_by, words.rows),
        (&TableKind::WithoutRowid, RowsBy::Position, 3)
    );
    let found = of(&world, "orphans").await;
    let key = &table(&found, "t").foreign_keys[0];
    assert_eq!(
        (key.on_delete.as_str(), key.orphans.count, &key.orphans.first[..]),
        ("CASCADE", 2, &[2, 4][..])
    );
    assert!(key.parent_columns.is_empty(), "the parent's key is implied");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_surrounds_the_rows_is_in_the_report() {
    let world = World::new().await;
    let found = of(&world, "generated_columns").await;
    assert_eq!(column(&found, "t.b").generated.as_deref(), Some("a * 2"));
    assert_eq!(column(&found, "t.c").generated.as_deref(), Some("'n' || a"));
    let found = of(&world, "violated_check").await;
    let check = &table(&found, "t").checks[0];
    assert_eq!(
        (
            check.expression.as_str(),
            check.broken.count,
            &check.broken.first[..]
        ),
        ("v > 0", 1, &[2][..])
    );
    let found = of(&world, "defaults").await;
    assert_eq!(column(&found, "t.a").default.as_deref(), Some("'5'"));
    assert_eq!(column(&found, "t.d").default.as_deref(), Some("1 + 1"));
    assert_eq!(column(&found, "t.e").collation.as_deref(), Some("nocase"));
    let found = of(&world, "special_indexes").await;
    let indexes = &table(&found, "t").indexes;
    let of_name = |name: &str| indexes.iter().find(|index| index.name == name).unwrap();
    assert!(of_name("part").partial && of_name("part").unique);
    let expression = &of_name("expr").columns;
    assert!(expression[0].name.is_none() && expression[1].descending);
    assert_eq!(of_name("coll").columns[0].collation.to_lowercase(), "nocase");
    assert!(
        of(&world, "trigger").await.triggers[0]
            .sql
            .contains("raise(abort")
    );
    assert!(of(&world, "view").await.views[0].sql.contains("ifnull"));
    assert_eq!(
        column(&of(&world, "integer_by_substring").await, "t.p").affinity,
        Affinity::Integer
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_every_kind_are_read_whole() {
    let world = World::new().await;
    let utf16 = of(&world, "utf16").await;
    assert_eq!(utf16.file.encoding, "UTF-16be");
    assert_eq!(column(&utf16, "t.v").stored.longest_text, 6, "counted in UTF-8");
    assert_eq!(of(&world, "small_pages").await.file.page_size, 512);
    assert_eq!(of(&world, "large_pages").await.file.page_size, 65_536);
    let marked = of(&world, "marked_file").await.file;
    assert_eq!((marked.application_id, marked.user_version), (252_006_675, 10));
    let old = of(&world, "rows_before_a_column").await;
    assert_eq!(column(&old, "t.b").stored.texts, 3, "older rows have the default");
    let wal = of(&world, "wal_pending").await;
    assert_eq!(table(&wal, "t").rows, 3);
    assert!(wal.file.wal_bytes.is_some_and(|bytes| bytes > 0) && wal.file.journal == "wal");
    let hot = of(&world, "hot_journal").await;
    let rows = table(&hot, "t");
    assert_eq!((rows.rows, hot.file.integrity.len()), (2000, 0));
    assert_eq!(
        column(&hot, "t.v").stored.longest_text,
        8,
        "what was not committed is gone"
    );
    let long = of(&world, "long_text").await;
    assert_eq!(column(&long, "t.v").stored.longest_text, 5_000_000);
    assert_eq!(
        column(&of(&world, "large_blob").await, "t.v").stored.longest_blob,
        20_000_000
    );
}
