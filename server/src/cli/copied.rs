//! Each command that a page offers to copy is read back by the parser of the command line, and means what the page would do.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use clap::{CommandFactory, Parser};
use contract::{
    activity::SessionAct,
    backup::{BackupSpec, Compression, Part, Proof},
    command::{Act, MAPPING_FILE, is_said_by_arguments},
    history::{Range, Span},
    import::{ColumnChoice, Destination, Mapping, NamePolicy, OnCancel, OnConflict, TableChoice, TextPolicy},
    migration::MigrateSpec,
    optimize::OptimizeSpec,
    query::{MOST_QUERIES, QueriesQuery, QuerySort},
    restore::RestoreSpec,
    retention::{Retention, RetentionSpec},
    schedule::{ScheduleSpec, VerifyWhen},
};
use uuid::Uuid;

use super::{
    arguments::{Activity, Arguments, Backup, Command, Import, Migrate, Schedule},
    import::decisions,
};

/// Names of databases that the shell, or the parser, could take for something else.
const NAMES: [&str; 6] = ["shop", "-x", "--yes", "two words", "it's $(here)", "größe"];

/// The command as it is read from a shell's line.
fn read(act: Act<'_>) -> Arguments {
    let line = act.line();
    let printed = std::process::Command::new("sh")
        .arg("-c")
        .arg(format!("printf '%s\\0' {line}"))
        .output()
        .unwrap();
    let text = String::from_utf8(printed.stdout).unwrap();
    let words: Vec<&str> = text.strip_suffix('\0').unwrap().split('\0').collect();
    assert_eq!(words, act.command().words(), "{line}");
    Arguments::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn part(schema: &str, table: Option<&str>) -> Part {
    Part {
        schema: schema.to_owned(),
        table: table.map(str::to_owned),
    }
}

#[test]
fn the_command_line_is_sound() {
    Arguments::command().debug_assert();
}

#[test]
fn copied_migrations_and_optimizations_are_what_the_page_would_run() {
    for target in NAMES {
        for (up_to, allow_late, ignore_missing) in [(None, false, true), (Some(7), true, false)] {
            let spec = MigrateSpec {
                target: target.to_owned(),
                up_to,
                allow_late,
                ignore_missing,
            };
            let arguments = read(Act::Migrate(&spec));
            assert_eq!(arguments.target.as_deref(), Some(target));
            let Command::Migrate(Migrate::Up(due)) = arguments.command else {
                panic!("{target}: another command")
            };
            assert_eq!(
                (due.to, due.allow_late, due.ignore_missing),
                (up_to, allow_late, ignore_missing)
            );
        }
        let optimize = |constraints, indexes, analyze| {
            let target = target.to_owned();
            let spec = OptimizeSpec {
                target,
                constraints,
                indexes,
                analyze,
            };
            let arguments = read(Act::Optimize(&spec));
            assert_eq!(arguments.target.as_deref(), Some(spec.target.as_str()));
            arguments.command
        };
        assert!(matches!(optimize(true, true, true), Command::Optimize));
        assert!(matches!(optimize(false, true, false), Command::CreateIndexes));
        assert!(matches!(optimize(false, false, true), Command::Analyze));
    }
}

#[test]
fn copied_backups_are_what_the_page_would_take() {
    let tables = vec![part("sales", Some("orders")), part("a.b", Some("C\"d ' $x"))];
    let schemas = vec![part("-odd", None), part("a b", None)];
    for only in [Vec::new(), tables, schemas] {
        for compression in Compression::ALL {
            let spec = BackupSpec {
                only: only.clone(),
                compression,
                parallel: 1 + i32::from(compression == Compression::Zstd),
                ..BackupSpec::whole("shop")
            };
            let arguments = read(Act::BackUp(&spec));
            assert_eq!(arguments.target.as_deref(), Some("shop"));
            let Command::Backup(Backup::Create {
                schema,
                table,
                compression: read,
                parallel,
                ..
            }) = arguments.command
            else {
                panic!("another command")
            };
            let schemas = schema.iter().map(|schema| part(schema, None));
            let read_parts: Vec<Part> = schemas.chain(table).collect();
            assert_eq!(
                (read_parts, read, parallel),
                (only.clone(), compression, spec.parallel)
            );
        }
    }
}

#[test]
fn copied_acts_on_stored_backups_are_those_of_the_page() {
    let id = Uuid::from_u128(7);
    for level in [Proof::Hash, Proof::ReadBack, Proof::Restored, Proof::Equal] {
        let target = "shop";
        for on in [None, Some("the staging")] {
            let act = Act::Verify {
                target,
                id,
                level,
                on,
            };
            let Command::Backup(Backup::Verify {
                which,
                level: far,
                on: there,
            }) = read(act).command
            else {
                panic!("another command")
            };
            assert_eq!((which.id, far, there.as_deref()), (Some(id), level.level(), on));
        }
    }
    let spec = RestoreSpec {
        target: "shop".to_owned(),
        to: Some("other".to_owned()),
        backup: id,
        into: Some("-new one".to_owned()),
        into_live: false,
        only: vec![part("a", Some("b")), part("a", Some("C.d")), part("x.y", None)],
        parallel: Some(3),
        create_roles: true,
        owner: Some("it's".to_owned()),
        no_tablespaces: true,
        as_superuser: true,
        trust: true,
    };
    let least = RestoreSpec {
        target: "shop".to_owned(),
        backup: id,
        ..RestoreSpec::default()
    };
    let live = RestoreSpec {
        into: Some("-it's \"live\"".to_owned()),
        into_live: true,
        ..least.clone()
    };
    for spec in [spec, least, live] {
        let arguments = read(Act::Restore(&spec));
        let Command::Backup(Backup::Restore(restore)) = arguments.command else {
            panic!("another command")
        };
        let read = RestoreSpec {
            target: arguments.target.unwrap(),
            to: restore.to,
            backup: restore.which.id.unwrap(),
            into_live: restore.into_live.is_some(),
            into: restore.into.or(restore.into_live),
            only: restore.only,
            parallel: restore.parallel,
            create_roles: restore.create_roles,
            owner: restore.owner,
            no_tablespaces: restore.no_tablespaces,
            as_superuser: restore.as_superuser,
            trust: restore.trust_archive,
        };
        assert_eq!(read, spec);
    }
    for name in NAMES {
        let swap = Act::Swap {
            target: "shop",
            database: name,
            live: name,
        };
        let Command::Backup(Backup::Swap { database, confirm }) = read(swap).command else {
            panic!("another command")
        };
        assert_eq!((database.as_str(), confirm.as_str()), (name, name));
        let Command::Backup(Backup::Add { file }) = read(Act::AddArchive {
            target: "shop",
            file: name,
        })
        .command
        else {
            panic!("another command")
        };
        assert_eq!(file.as_os_str(), name);
        let arguments = read(Act::SwapBack(name));
        assert_eq!(arguments.target.as_deref(), Some(name));
        assert!(matches!(arguments.command, Command::Backup(Backup::SwapBack)));
    }
}

#[test]
fn copied_schedules_and_rules_are_those_of_the_page() {
    for verify in VerifyWhen::ALL {
        let spec = ScheduleSpec {
            target: "shop".to_owned(),
            cron: "*/5 2 * * 1-5".to_owned(),
            zone: "Europe/Berlin".to_owned(),
            jitter_s: 600,
            verify,
            verify_level: if verify == VerifyWhen::Never {
                Proof::ReadBack
            } else {
                Proof::Equal
            },
            alarm_hours: 48,
            parallel: 3,
            compression: Compression::Zstd,
        };
        let arguments = read(Act::SetSchedule(&spec));
        let target = arguments.target.unwrap();
        let Command::Schedule(Schedule::Set(set)) = arguments.command else {
            panic!("another command")
        };
        let read = ScheduleSpec {
            target,
            cron: set.cron(),
            zone: set.zone,
            jitter_s: set.jitter * 60,
            verify: set.verify.into(),
            verify_level: Proof::of_level(set.verify_level).unwrap(),
            alarm_hours: set.alarm_hours,
            parallel: set.parallel,
            compression: set.compression,
        };
        assert_eq!(read, spec);
    }
    let keep = Retention {
        last: 1,
        days: 2,
        hourly: 3,
        daily: 4,
        weekly: 5,
        monthly: 6,
        yearly: 7,
    };
    for keep in [
        keep,
        Retention {
            daily: 7,
            ..Retention::default()
        },
        Retention::default(),
    ] {
        let spec = RetentionSpec {
            target: "shop".to_owned(),
            keep: keep.clone(),
            zone: "Asia/Tokyo".to_owned(),
        };
        let Command::Backup(Backup::Retention { rules, none, zone }) = read(Act::Retain(&spec)).command
        else {
            panic!("another command")
        };
        assert_eq!(
            (Retention::from(rules), none, zone),
            (keep.clone(), keep.is_empty(), spec.zone)
        );
    }
    for target in NAMES {
        let command = |act| {
            let arguments = read(act);
            assert_eq!(arguments.target.as_deref(), Some(target));
            arguments.command
        };
        assert!(matches!(
            command(Act::PauseSchedule(target)),
            Command::Schedule(Schedule::Pause)
        ));
        assert!(matches!(
            command(Act::ResumeSchedule(target)),
            Command::Schedule(Schedule::Resume)
        ));
        assert!(matches!(
            command(Act::RemoveSchedule(target)),
            Command::Schedule(Schedule::Remove)
        ));
        assert!(matches!(
            command(Act::RunSchedule(target)),
            Command::Schedule(Schedule::Run)
        ));
        assert!(matches!(
            command(Act::Prune(target)),
            Command::Backup(Backup::Prune { dry_run: false })
        ));
    }
}

#[test]
fn a_copied_end_of_a_session_is_of_that_session() {
    let end = |act| {
        let arguments = read(Act::End {
            target: "shop",
            act,
            pid: 4711,
        });
        match arguments.command {
            Command::Activity { what: Some(what) } => what,
            _ => panic!("another command"),
        }
    };
    assert!(matches!(end(SessionAct::Cancel), Activity::Cancel { pid: 4711 }));
    assert!(matches!(
        end(SessionAct::Terminate),
        Activity::Terminate { pid: 4711 }
    ));
}

#[test]
fn a_copied_import_decides_what_was_decided() {
    let choice = |skip: bool, name: Option<&str>| TableChoice {
        skip,
        name: name.map(str::to_owned),
        ..TableChoice::default()
    };
    let plain = Mapping {
        schema: "in bound".to_owned(),
        into: Destination::Existing,
        on_conflict: OnConflict::Upsert,
        names: NamePolicy::Lower,
        text: TextPolicy::Bytes,
        on_cancel: OnCancel::Keep,
        follow: true,
        tables: [
            ("-t".to_owned(), choice(true, None)),
            ("two words".to_owned(), choice(true, None)),
        ]
        .into(),
        ..Mapping::default()
    };
    let mut all = vec![Mapping::default(), plain.clone()];
    all.extend([OnConflict::Skip, OnConflict::Fail].map(|on_conflict| Mapping {
        on_conflict,
        ..plain.clone()
    }));
    all.extend(
        [TextPolicy::Replace, TextPolicy::Remove, TextPolicy::Refuse].map(|text| Mapping {
            text,
            ..plain.clone()
        }),
    );
    for file in ["chinook.sqlite", "-odd 'file'.db"] {
        for mapping in &all {
            assert!(is_said_by_arguments(mapping));
            let target = "shop";
            let arguments = read(Act::Import {
                target,
                file,
                mapping,
            });
            assert_eq!(arguments.target.as_deref(), Some(target));
            let Command::Import(Import::Sqlite(sqlite)) = arguments.command else {
                panic!("another command")
            };
            assert!(sqlite.file.ends_with(file));
            assert_eq!(&decisions(&sqlite, None), mapping);
        }
    }
    let renamed = choice(false, Some("other"));
    let columns = TableChoice {
        columns: [(
            "c".to_owned(),
            ColumnChoice {
                skip: true,
                ..ColumnChoice::default()
            },
        )]
        .into(),
        ..TableChoice::default()
    };
    let beyond = [
        Mapping {
            create_parents: false,
            ..Mapping::default()
        },
        Mapping {
            skip_views: true,
            ..Mapping::default()
        },
        Mapping {
            skip_triggers: true,
            ..Mapping::default()
        },
        Mapping {
            tables: [("t".to_owned(), renamed)].into(),
            ..Mapping::default()
        },
        Mapping {
            tables: [("t".to_owned(), columns)].into(),
            ..plain
        },
    ];
    for mapping in &beyond {
        let arguments = read(Act::Import {
            target: "shop",
            file: "a.db",
            mapping,
        });
        let Command::Import(Import::Sqlite(sqlite)) = arguments.command else {
            panic!("another command")
        };
        assert!(
            sqlite
                .mapping
                .as_ref()
                .is_some_and(|path| path.ends_with(MAPPING_FILE))
        );
        // What the page saves is what the command reads, and no argument changes it.
        let saved: Mapping = serde_json::from_str(&serde_json::to_string(mapping).unwrap()).unwrap();
        assert_eq!(&decisions(&sqlite, Some(saved)), mapping);
    }
}

#[test]
fn copied_lists_of_statements_are_those_of_the_page() {
    for target in NAMES {
        let query = QueriesQuery {
            target: target.to_owned(),
            range: Range::Last(Span::Week),
            sort: QuerySort::Rows,
            ascending: false,
            search: Some("--order by".to_owned()),
            role: Some("o'neil".to_owned()),
            tag: Some("controller=orders".to_owned()),
            min_mean_ms: Some(100),
            limit: MOST_QUERIES,
        };
        let arguments = read(Act::Queries(&query));
        assert_eq!(arguments.target.as_deref(), Some(target));
        let Command::Queries(queries) = arguments.command else {
            panic!("another command")
        };
        assert_eq!(queries.id, None);
        assert_eq!(Range::Last(queries.range), query.range);
        assert_eq!(queries.by, query.sort);
        assert_eq!(queries.search, query.search);
        assert_eq!(queries.role, query.role);
        assert_eq!(queries.tag, query.tag);
        assert_eq!(queries.min_mean, query.min_mean_ms);

        let queryid = "-8137645921836457291";
        let arguments = read(Act::Query { target, queryid });
        assert_eq!(arguments.target.as_deref(), Some(target));
        let Command::Queries(queries) = arguments.command else {
            panic!("another command")
        };
        assert_eq!(queries.id.as_deref(), Some(queryid));
    }
}
