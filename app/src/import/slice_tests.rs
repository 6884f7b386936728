//! What the URL asks for is what is cut out, however large the import.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use contract::{
    Instant,
    import::{
        Destination, FileFacts, FindingKind, ForeignKeyReport, IdentityReport, ImportId, ImportView, Mapping,
        PlannedStatement, PlannedTable, Room, RowsBy, Stage, TableKind,
    },
};
use uuid::Uuid;

use super::*;

fn table(name: &str, rows: i64) -> TableFacts {
    TableFacts {
        name: name.into(),
        kind: TableKind::Ordinary,
        sql: None,
        rows,
        rows_by: RowsBy::Rowid,
        columns: Vec::new(),
        primary_key: Vec::new(),
        identity: None,
        foreign_keys: Vec::new(),
        indexes: Vec::new(),
        checks: Vec::new(),
    }
}

fn finding(severity: Severity, table: &str, words: &str) -> Finding {
    Finding {
        severity,
        kind: FindingKind::Changed,
        table: Some(table.into()),
        column: None,
        words: words.into(),
        sql: None,
    }
}

fn inspection(tables: Vec<TableFacts>, findings: Vec<Finding>) -> Inspection {
    Inspection {
        file: FileFacts {
            name: "a.db".into(),
            bytes: 4096,
            page_size: 4096,
            encoding: "UTF-8".into(),
            journal: "rollback".into(),
            wal_bytes: None,
            journal_bytes: None,
            application_id: 0,
            user_version: 0,
            integrity: (0..100).map(|line| format!("row {line} missing")).collect(),
        },
        tables,
        views: Vec::new(),
        triggers: Vec::new(),
        findings,
    }
}

fn report(tables: Vec<TableReport>) -> ImportReport {
    ImportReport {
        id: Uuid::nil(),
        file: "a.db".into(),
        bytes: 4096,
        target: "main".into(),
        schema: "public".into(),
        into: Destination::New,
        verdict: Verdict::Differs,
        tables,
        items: vec![finding(Severity::Note, "t", "renamed")],
        identities: vec![
            IdentityReport {
                table: "t".into(),
                column: "id".into(),
                expected: Some(4),
                next: Some(4),
                right: true,
            },
            IdentityReport {
                table: "u".into(),
                column: "id".into(),
                expected: Some(9),
                next: Some(1),
                right: false,
            },
        ],
        foreign_keys: vec![ForeignKeyReport {
            table: "t".into(),
            words: "u → v".into(),
            validated: true,
            orphans: 0,
            foretold: false,
        }],
        inspect_ms: 1,
        load_ms: 2,
        verify_ms: 3,
        ended_at: Instant::default(),
    }
}

fn table_report(name: &str, verdict: Verdict) -> TableReport {
    TableReport {
        source: name.into(),
        name: name.into(),
        rows: 2,
        rows_back: 2,
        skipped: 0,
        bytes: 20,
        hash: "aa".into(),
        hash_back: if verdict == Verdict::Differs { "bb" } else { "aa" }.into(),
        verdict,
        differences: Vec::new(),
    }
}

fn detail(state: ImportState, inspection: Option<Inspection>, report: Option<ImportReport>) -> ImportDetail {
    ImportDetail {
        import: ImportView {
            id: ImportId(Uuid::nil()),
            target: "main".into(),
            file: "a.db".into(),
            state,
            job: None,
            verdict: None,
            created_by: "ada".into(),
            created_at: Instant::default(),
        },
        mapping: Mapping::default(),
        revision: "one".into(),
        inspection,
        rehearsal: None,
        report,
        following: false,
        newer: None,
    }
}

fn first() -> Look {
    Look {
        page: 1,
        finding_page: 1,
        ..Look::default()
    }
}

fn names(paged: &Paged) -> Vec<&str> {
    paged
        .rows
        .iter()
        .map(|row| match &row[0] {
            Cell::Table(name) | Cell::Name(name) => name.as_str(),
            other => panic!("{other:?} is no name"),
        })
        .collect()
}

fn ready(tables: Vec<TableFacts>, findings: Vec<Finding>, look: &Look) -> Sheet {
    sheet(
        detail(ImportState::Ready, Some(inspection(tables, findings)), None),
        None,
        look,
    )
}

#[test]
fn a_page_holds_fifty_of_ten_thousand_findings_and_of_five_hundred_tables() {
    let tables = || {
        (0..500)
            .map(|at| table(&format!("t{at:03}"), at))
            .collect::<Vec<_>>()
    };
    let findings = (0..10_000)
        .map(|at| finding(Severity::Note, "t001", &format!("note {at}")))
        .collect();
    let sheet_ = ready(tables(), findings, &first());
    let findings = sheet_.findings.as_ref().unwrap();
    assert_eq!((findings.page.rows.len(), findings.page.matching), (50, 10_000));
    assert_eq!(findings.counts, [0, 0, 10_000]);
    assert_eq!(sheet_.tables.as_ref().unwrap().rows.len(), 50);
    assert_eq!(
        (
            sheet_.file.as_ref().unwrap().facts.integrity.len(),
            sheet_.file.as_ref().unwrap().damages
        ),
        (20, 100)
    );
    let bytes = serde_json::to_string(&sheet_).unwrap().len();
    assert!(bytes < 40_000, "{bytes} bytes travel with the page");

    let beyond = Look { page: 99, ..first() };
    let last = ready(tables(), Vec::new(), &beyond).tables.unwrap();
    assert_eq!(
        (last.page, last.rows.len()),
        (10, 50),
        "a page beyond the end is the last"
    );
}

#[test]
fn findings_come_worst_first_and_are_filtered_by_text_and_severity() {
    let findings = || {
        vec![
            finding(Severity::Note, "Album", "a note"),
            finding(Severity::Error, "Track", "cannot be carried"),
            finding(Severity::Warning, "Album", "look at it"),
        ]
    };
    let places = |look: &Look| {
        let sheet = ready(Vec::new(), findings(), look);
        let rows = sheet.findings.unwrap().page.rows;
        rows.iter().map(|row| format!("{:?}", row[0])).collect::<Vec<_>>()
    };
    let all = places(&first());
    assert!(
        all[0].contains("Error") && all[1].contains("Warning") && all[2].contains("Note"),
        "{all:?}"
    );
    assert_eq!(
        places(&Look {
            finding: Some("album".into()),
            ..first()
        })
        .len(),
        2
    );
    assert_eq!(
        places(&Look {
            severity: Some("error".into()),
            ..first()
        })
        .len(),
        1
    );
    assert_eq!(
        places(&Look {
            finding: Some("CARRIED".into()),
            ..first()
        })
        .len(),
        1
    );
}

#[test]
fn tables_are_filtered_and_sorted_as_the_url_says() {
    let tables = || vec![table("b", 1), table("A", 3), table("c", 2)];
    let shown = |look: &Look| {
        let sheet = ready(tables(), Vec::new(), look);
        names(sheet.tables.as_ref().unwrap())
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(shown(&first()), ["b", "A", "c"], "else as in the file");
    assert_eq!(
        shown(&Look {
            sort: Some("name".into()),
            ..first()
        }),
        ["A", "b", "c"]
    );
    assert_eq!(
        shown(&Look {
            sort: Some("rows".into()),
            descending: true,
            ..first()
        }),
        ["A", "c", "b"]
    );
    assert_eq!(
        shown(&Look {
            search: Some("a".into()),
            ..first()
        }),
        ["A"]
    );
}

#[test]
fn an_open_table_knows_its_neighbours_and_one_that_is_not_there_is_said_to_be_missing() {
    let tables = || vec![table("a", 1), table("b", 1), table("c", 1)];
    let open = |name: &str| Look {
        table: Some(name.into()),
        ..first()
    };
    let sheet_ = ready(tables(), vec![finding(Severity::Note, "b", "x")], &open("b"));
    let b = sheet_.open.unwrap();
    assert_eq!(b.neighbours, [Some("a".to_owned()), Some("c".to_owned())]);
    assert_eq!(b.findings.len(), 1);
    assert!(sheet_.tables.is_none() && !sheet_.no_such_table);
    assert_eq!(
        ready(tables(), Vec::new(), &open("a")).open.unwrap().neighbours[0],
        None
    );
    let none = ready(tables(), Vec::new(), &open("z"));
    assert!(none.no_such_table && none.tables.is_some());
}

#[test]
fn after_the_import_the_proof_comes_first_and_the_inspection_when_asked_for() {
    let tables = vec![
        table_report("a", Verdict::Identical),
        table_report("z", Verdict::Differs),
    ];
    let whole = || {
        detail(
            ImportState::Done,
            Some(inspection(vec![table("a", 1)], Vec::new())),
            Some(report(tables.clone())),
        )
    };
    let proven = sheet(whole(), None, &first());
    let proof = proven.proof.as_ref().unwrap();
    assert_eq!(names(&proof.tables), ["z", "a"], "what differs comes first");
    assert_eq!(
        proof.tables.rows[0].last(),
        Some(&Cell::Name("aa sent, bb read back".into()))
    );
    assert!(
        matches!(&proof.identities[0][0], Cell::Name(name) if name == "u.id"),
        "what is wrong comes first"
    );
    assert_eq!(proven.findings.unwrap().page.all, 1, "what changed");
    assert!(proven.tables.is_none());
    let look = Look {
        inspection: true,
        ..first()
    };
    let back = sheet(whole(), None, &look);
    assert!(back.tables.is_some() && back.proof.is_some());
    assert_eq!(back.findings.unwrap().page.all, 0, "what was found");
}

#[test]
fn a_plan_says_every_statement_once_by_stage_and_cuts_what_is_long() {
    let statement = |stage, sql: &str| PlannedStatement {
        stage,
        about: "t".into(),
        sql: sql.into(),
    };
    let table = |name: &str, cheap: bool| PlannedTable {
        source: name.into(),
        name: name.into(),
        rows: 1,
        columns: Vec::new(),
        follow: if cheap { "by ranges" } else { "not cheaply" }.into(),
        follow_cheaply: cheap,
    };
    let mut statements = vec![
        statement(Stage::Create, "create table a ()"),
        statement(Stage::Index, "create index i on a (b);"),
        statement(Stage::Create, "create table b ()"),
    ];
    statements.extend((0..150).map(|_| statement(Stage::Finish, "analyze t")));
    let rehearsal = Rehearsal {
        revision: "one".into(),
        at: Instant::default(),
        plan: ImportPlan {
            target: "main".into(),
            schema: "public".into(),
            into: Destination::New,
            tables: vec![table("a", true), table("b", false), table("c", true)],
            statements,
            items: vec![finding(Severity::Note, "t", "x"); 70],
            obstacles: Vec::new(),
            room: Room {
                needed: 1,
                free: None,
            },
            rows: 0,
        },
    };
    let second = Look {
        plan_page: 2,
        ..Look::default()
    };
    let made = plan(rehearsal.clone(), "one", true, &second);
    let stage = |stage, count, shown, sql: &str| StageSheet {
        stage,
        count,
        shown,
        sql: sql.into(),
    };
    let analyzes = vec!["analyze t;"; 100].join("\n\n");
    assert_eq!(
        made.stages,
        [
            stage(Stage::Create, 2, 2, "create table a ();\n\ncreate table b ();"),
            stage(Stage::Index, 1, 1, "create index i on a (b);"),
            stage(Stage::Finish, 150, 100, &analyzes),
        ]
    );
    assert_eq!((made.items.rows.len(), made.items.all), (20, 70));
    let follow = made.follow.unwrap();
    assert_eq!(
        follow.ways,
        [("by ranges".to_owned(), 2), ("not cheaply".to_owned(), 1)]
    );
    assert_eq!(follow.all_costly, 1);
    assert!(made.current);
    assert!(!plan(rehearsal, "another", false, &second).current);
}
