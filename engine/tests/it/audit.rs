//! The audit logs: complete, in order, fast by every filter, and never changed.

use crate::support::{Console, caller, engine};
use chrono::{TimeDelta, TimeZone, Utc};
use contract::{
    Code, Fault, Instant,
    audit::{AUDIT_PER_PAGE, AuditEntry, AuditQuery, AuditSource, Outcome, Severity},
    session::Role,
};
use engine::Caller;
use sqlx::{AssertSqlSafe, PgPool};
use testkit::{ai_pal, shared};

struct Test {
    console: Console,
    viewer: Caller,
    store: PgPool,
    target: PgPool,
}

async fn console() -> Test {
    let target = shared().await.database("audited").await;
    let console = engine(&target, false).await;
    let viewer = caller(&console, Role::Viewer).await;
    let store = console.store.pool().await;
    // The viewer's log-in is in the log; the tests below count from nothing.
    sqlx::raw_sql(
        "alter table audit_log disable trigger user;
         truncate audit_log;
         alter table audit_log enable trigger user",
    )
    .execute(&store)
    .await
    .unwrap();
    Test {
        viewer,
        store,
        target: target.pool().await,
        console,
    }
}

fn start() -> Instant {
    Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).unwrap()
}

fn of_target() -> AuditQuery {
    AuditQuery {
        source: AuditSource::Target,
        target: Some("main".into()),
        ..AuditQuery::default()
    }
}

impl Test {
    /// Adds entries to the console's log, a second apart.
    async fn add(&self, count: i64) {
        sqlx::query(
            "insert into audit_log (at, severity, event_type, user_name, target, outcome)
             select $1 + n * interval '1 second', 'info', 'test.add', 'ada', 'main', 'success'
               from generate_series(1, $2) as n",
        )
        .bind(start())
        .bind(count)
        .execute(&self.store)
        .await
        .unwrap();
    }

    async fn on_target(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&self.target)
            .await
            .unwrap();
    }

    /// All pages of a query; `between` runs after each.
    async fn pages(&self, query: AuditQuery, mut between: impl AsyncFnMut()) -> Vec<AuditEntry> {
        let mut all = Vec::new();
        let mut next = None;
        loop {
            let page = self
                .console
                .audit()
                .list(
                    &self.viewer,
                    AuditQuery {
                        after: next,
                        ..query.clone()
                    },
                )
                .await
                .unwrap();
            assert!(page.entries.len() as i64 <= AUDIT_PER_PAGE);
            all.extend(page.entries);
            match page.next {
                None => return all,
                after => next = after,
            }
            between().await;
        }
    }

    async fn all(&self, query: AuditQuery) -> Vec<AuditEntry> {
        self.pages(query, async || {}).await
    }

    async fn fault(&self, query: AuditQuery) -> Fault {
        let audit = self.console.audit();
        let exported = audit
            .export(
                &self.viewer,
                AuditQuery {
                    after: None,
                    ..query.clone()
                },
            )
            .await;
        let listed = audit.list(&self.viewer, query.clone()).await.unwrap_err().fault();
        if query.after.is_none() {
            assert_eq!(
                exported.unwrap_err().fault(),
                listed,
                "a list and its export agree"
            );
        }
        listed
    }
}

fn ids(entries: &[AuditEntry]) -> Vec<i64> {
    entries.iter().map(|entry| entry.id).collect()
}

#[tokio::test]
async fn pages_neither_repeat_nor_hide_an_entry_while_others_are_added() {
    let test = console().await;
    test.add(173).await;
    // Many acts in one moment: the number decides.
    sqlx::query("insert into audit_log (at, severity, event_type, outcome) select $1, 'info', 'test.same', 'success' from generate_series(1, 120)")
        .bind(start())
        .execute(&test.store)
        .await
        .unwrap();
    let mut expected: Vec<(Instant, i64)> = sqlx::query_as("select at, id from audit_log")
        .fetch_all(&test.store)
        .await
        .unwrap();
    expected.sort_unstable();
    expected.reverse();
    let seen = test
        .pages(AuditQuery::default(), async || {
            sqlx::query("insert into audit_log (severity, event_type, outcome) select 'info', 'test.new', 'success' from generate_series(1, 30)")
                .execute(&test.store)
                .await
                .unwrap();
        })
        .await;
    assert_eq!(
        seen.iter().map(|entry| (entry.at, entry.id)).collect::<Vec<_>>(),
        expected
    );
}

#[tokio::test]
async fn every_mix_of_filters_finds_its_entries_without_reading_the_whole_log() {
    let test = console().await;
    sqlx::query(
        "insert into audit_log (at, severity, event_type, user_name, target, outcome)
         select $1 + (n / 3) * interval '1 second',
                (array['info', 'info', 'info', 'info', 'warning', 'error'])[1 + n % 6],
                (array['backup.create', 'session.login', 'migration.apply'])[1 + n % 3],
                (array['ada', 'ben', null, 'eve'])[1 + n % 4],
                (array['main', null, 'other', 'main', 'main'])[1 + n % 5],
                'success'
           from generate_series(1, 30000) as n",
    )
    .bind(start())
    .execute(&test.store)
    .await
    .unwrap();
    sqlx::raw_sql("vacuum analyze audit_log")
        .execute(&test.store)
        .await
        .unwrap();
    let mut session = test.store.acquire().await.unwrap();
    // The test's own look must not count below.
    sqlx::raw_sql("set enable_seqscan = off")
        .execute(&mut *session)
        .await
        .unwrap();
    type Row = (i64, Instant, String, String, Option<String>, Option<String>);
    let all: Vec<Row> = sqlx::query_as(
        "select id, at, severity, event_type, user_name, target from audit_log order by at desc, id desc",
    )
    .fetch_all(&mut *session)
    .await
    .unwrap();
    drop(session);
    let exported = test
        .console
        .audit()
        .export(&test.viewer, AuditQuery::default())
        .await
        .unwrap();
    assert_eq!(
        ids(&exported),
        all.iter().take(10_000).map(|row| row.0).collect::<Vec<_>>(),
        "an export ends somewhere"
    );

    let some = |text: &str| Some(text.to_owned());
    let mut asked = 0;
    for user in [None, some("ada"), some("nobody")] {
        for event_type in [None, some("backup.create")] {
            for severity in [None, Some(Severity::Info), Some(Severity::Error)] {
                for target in [None, some("main")] {
                    for (from, until) in [
                        (None, None),
                        (Some(6_000), Some(6_900)),
                        (None, Some(7_500)),
                        (Some(9_990), None),
                    ] {
                        let at = |seconds: Option<i64>| {
                            seconds.map(|seconds| start() + TimeDelta::seconds(seconds))
                        };
                        let query = AuditQuery {
                            user: user.clone(),
                            event_type: event_type.clone(),
                            severity,
                            target: target.clone(),
                            from: at(from),
                            until: at(until),
                            ..AuditQuery::default()
                        };
                        let expected: Vec<i64> = all
                            .iter()
                            .filter(|(_, at, severity, event_type, user, target)| {
                                (query.user.is_none() || *user == query.user)
                                    && query.event_type.as_ref().is_none_or(|it| event_type == it)
                                    && query.severity.is_none_or(|it| severity == it.name())
                                    && (query.target.is_none() || *target == query.target)
                                    && query.from.is_none_or(|from| *at >= from)
                                    && query.until.is_none_or(|until| *at < until)
                            })
                            .map(|row| row.0)
                            .collect();
                        let page = test
                            .console
                            .audit()
                            .list(&test.viewer, query.clone())
                            .await
                            .unwrap();
                        let first = &expected[..expected.len().min(AUDIT_PER_PAGE as usize)];
                        assert_eq!(ids(&page.entries), first, "{query:?}");
                        assert_eq!(
                            page.next.is_some(),
                            expected.len() as i64 > AUDIT_PER_PAGE,
                            "{query:?}"
                        );
                        if let Some(next) = page.next {
                            let second = AuditQuery {
                                after: Some(next),
                                ..query.clone()
                            };
                            let page = test.console.audit().list(&test.viewer, second).await.unwrap();
                            let rest = &expected[50..expected.len().min(100)];
                            assert_eq!(ids(&page.entries), rest, "{query:?}");
                        }
                        asked += 1;
                    }
                }
            }
        }
    }
    assert_eq!(asked, 144);

    // Sessions hand in their counts when they end.
    test.console.close().await;
    let fresh = test.console.store.pool().await;
    let (read, by_index): (i64, i64) =
        sqlx::query_as("select seq_tup_read, idx_scan from pg_stat_user_tables where relname = 'audit_log'")
            .fetch_one(&fresh)
            .await
            .unwrap();
    assert_eq!(read, 0, "entries that sequential scans read");
    assert!(by_index >= 200, "the counts are not in: {by_index}");
}

#[tokio::test]
async fn an_act_and_its_end_are_one_row_and_an_export_has_both() {
    let test = console().await;
    sqlx::raw_sql(
        "insert into audit_log (at, severity, event_type, user_name, address, target, outcome, detail, job)
         select timestamptz '2026-03-01 12:00+00' + at * interval '1 second', severity, event_type, 'ada', address, 'main', outcome, detail,
                ('00000000-0000-0000-0000-00000000000' || job)::uuid
           from (values (1, 'warning', 'import.load', '10.0.0.1', 'started', 'asked for', 1),
                        (2, 'info', 'backup.create', '10.0.0.2', 'started', null, 2),
                        (3, 'warning', 'job.cancel', '10.0.0.3', 'started', null, 1),
                        (9, 'error', 'import.load', null, 'failure', 'It was cancelled.', 1))
                as entries (at, severity, event_type, address, outcome, detail, job)",
    )
    .execute(&test.store)
    .await
    .unwrap();
    let at = |seconds| start() + TimeDelta::seconds(seconds);
    let told = |entries: &[AuditEntry]| {
        entries
            .iter()
            .map(|entry| (entry.event_type.clone(), entry.outcome, entry.at, entry.began_at))
            .collect::<Vec<_>>()
    };
    let all = test.all(AuditQuery::default()).await;
    assert_eq!(
        told(&all),
        [
            ("import.load".to_owned(), Outcome::Failure, at(9), Some(at(1))),
            ("job.cancel".to_owned(), Outcome::Started, at(3), None),
            ("backup.create".to_owned(), Outcome::Started, at(2), None),
        ]
    );
    assert_eq!(
        (
            all[0].address.as_deref(),
            all[0].severity,
            all[0].detail.as_deref()
        ),
        (Some("10.0.0.1"), Severity::Error, Some("It was cancelled."))
    );
    let from = |address: &str| AuditQuery {
        address: Some(address.to_owned()),
        ..AuditQuery::default()
    };
    let asked_there = test.all(from("10.0.0.1")).await;
    assert_eq!(
        told(&asked_there),
        [("import.load".to_owned(), Outcome::Failure, at(1), None)],
        "what was asked for from an address, with what became of it"
    );
    assert_eq!(test.all(from("10.0.0.9")).await, []);
    let mild = AuditQuery {
        severity: Some(Severity::Warning),
        ..AuditQuery::default()
    };
    assert_eq!(
        told(&test.all(mild).await),
        [("job.cancel".to_owned(), Outcome::Started, at(3), None)],
        "the act is as serious as its end"
    );
    let exported = test
        .console
        .audit()
        .export(&test.viewer, AuditQuery::default())
        .await
        .unwrap();
    assert_eq!(exported.len(), 4, "a file is the log as it was written");
    let of_target_by_address = AuditQuery {
        address: Some("10.0.0.1".into()),
        ..of_target()
    };
    let fault = test.fault(of_target_by_address).await;
    assert_eq!(
        (fault.code, fault.field.as_deref()),
        (Code::Invalid, Some("address"))
    );
}

#[tokio::test]
async fn the_filters_offer_what_occurs() {
    let test = console().await;
    let empty = test
        .console
        .audit()
        .list(&test.viewer, AuditQuery::default())
        .await
        .unwrap();
    assert_eq!(
        (
            empty.entries.len(),
            empty.event_types.len(),
            empty.users.len(),
            empty.next
        ),
        (0, 0, 0, None)
    );
    sqlx::raw_sql(
        "insert into audit_log (severity, event_type, user_name, outcome)
         select 'info', 'test.' || lpad((n % 130)::text, 3, '0'), nullif((array['ada', 'ben', ''])[1 + n % 3], ''), 'success'
           from generate_series(1, 1000) as n",
    )
    .execute(&test.store)
    .await
    .unwrap();
    let page = test
        .console
        .audit()
        .list(&test.viewer, AuditQuery::default())
        .await
        .unwrap();
    assert_eq!(page.users, ["ada", "ben"]);
    assert_eq!(page.event_types.len(), 100, "not more than a list can show");
    assert_eq!(
        (page.event_types[0].as_str(), page.event_types[99].as_str()),
        ("test.000", "test.099")
    );
}

#[tokio::test]
async fn an_entry_is_there_for_ever() {
    let test = console().await;
    test.add(3).await;
    for sql in [
        "update audit_log set outcome = 'failure'",
        "delete from audit_log",
        "delete from audit_log where id = (select max(id) from audit_log)",
        "truncate audit_log",
        "insert into audit_log (id, severity, event_type, outcome) overriding system value
         select id, 'info', 'forged', 'success' from audit_log limit 1
         on conflict (id) do update set event_type = 'forged'",
    ] {
        let refused = sqlx::query(sql).execute(&test.store).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{sql}: {refused}");
    }
    let kept = test.all(AuditQuery::default()).await;
    assert_eq!(kept.len(), 3);
    assert!(
        kept.iter()
            .all(|entry| entry.outcome == Outcome::Success && entry.event_type == "test.add")
    );
}

#[tokio::test]
async fn hostile_texts_are_only_texts() {
    let test = console().await;
    let hostile = [
        "'; drop table audit_log; --",
        "<script>alert(1)</script>",
        "=cmd|' /C calc'!A0",
        "\\",
        "$1",
        "ÜŞ🦀",
        "%",
        "_",
    ];
    for text in hostile {
        sqlx::query(
            "insert into audit_log (severity, event_type, user_name, target, object, detail, outcome)
             values ('info', $1, $1, $1, $1, $1, 'success')",
        )
        .bind(text)
        .execute(&test.store)
        .await
        .unwrap();
    }
    for text in hostile {
        let only = Some(text.to_owned());
        let found = test
            .all(AuditQuery {
                user: only.clone(),
                event_type: only.clone(),
                target: only,
                ..AuditQuery::default()
            })
            .await;
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!(
            (found[0].user.as_deref(), found[0].detail.as_deref()),
            (Some(text), Some(text))
        );
    }
    let nul = AuditQuery {
        user: Some("a\0b".into()),
        ..AuditQuery::default()
    };
    assert_eq!(test.fault(nul).await.field.as_deref(), Some("user"));
}

#[tokio::test]
async fn questions_that_make_no_sense_are_refused_with_the_field() {
    let test = console().await;
    test.add(1).await;
    ai_pal::apply_schema(&test.target).await;
    for after in ["", "x", "t1", "n1", "t99999999999999999999.1", "' or 1=1"] {
        let fault = test
            .fault(AuditQuery {
                after: Some(after.into()),
                ..AuditQuery::default()
            })
            .await;
        assert_eq!(
            (fault.code, fault.field.as_deref()),
            (Code::Invalid, Some("after")),
            "{after}"
        );
    }
    let by_time = AuditQuery {
        after: Some("t1.1".into()),
        ..of_target()
    };
    assert_eq!(
        test.fault(by_time).await.code,
        Code::Invalid,
        "this log is read by number"
    );
    let backwards = AuditQuery {
        from: Some(start()),
        until: Some(start()),
        ..AuditQuery::default()
    };
    assert_eq!(test.fault(backwards).await.field.as_deref(), Some("until"));
    for at in [Instant::MIN_UTC, Instant::MAX_UTC] {
        let never = AuditQuery {
            from: Some(at),
            ..of_target()
        };
        assert_eq!(test.fault(never).await.field.as_deref(), Some("from"));
    }
    let nowhere = AuditQuery {
        target: None,
        ..of_target()
    };
    assert_eq!(test.fault(nowhere).await.field.as_deref(), Some("target"));
    let unknown = AuditQuery {
        target: Some("elsewhere".into()),
        ..of_target()
    };
    assert_eq!(test.fault(unknown).await.code, Code::NotFound);
}

#[tokio::test]
async fn a_target_without_the_table_says_what_to_do() {
    let test = console().await;
    let fault = test.fault(of_target()).await;
    assert_eq!(fault.code, Code::NotFound);
    assert!(fault.hint.unwrap().contains("Apply the migrations first"));
    test.on_target("create table audit_logs (id int primary key, message text)")
        .await;
    let fault = test.fault(of_target()).await;
    assert_eq!(fault.code, Code::NotFound);
    assert!(fault.message.contains("not AI-PAL's"), "{}", fault.message);
}

#[tokio::test]
async fn the_targets_log_is_shown_in_the_consoles_words() {
    let test = console().await;
    ai_pal::apply_schema(&test.target).await;
    test.on_target(
        r#"insert into audit_logs (user_id, timestamp, severity, event_type, component, action, details, result, ip_address, resource)
           values ('ada', '2026-03-01 12:00:00', 'warning', 'login', 'api', 'log in', '{"try": 3, "why": "<b>"}', 'denied', '10.0.0.1', '/login'),
                  (null, 'infinity', 'LOUD', 'odd', 'api', 'shout', '{}', 'maybe', null, null),
                  ('ada', '-infinity', 'error', 'odd', 'api', 'whisper', '{}', 'Failure', null, null)"#,
    )
    .await;
    let entries = test.all(of_target()).await;
    assert_eq!(
        entries[2],
        AuditEntry {
            id: 1,
            at: start(),
            severity: Severity::Warning,
            event_type: "login".into(),
            user: Some("ada".into()),
            address: Some("10.0.0.1".into()),
            target: Some("main".into()),
            object: Some("/login".into()),
            outcome: Outcome::Denied,
            detail: Some(r#"log in · api · {"try": 3, "why": "<b>"}"#.into()),
            job: None,
            began_at: None,
        }
    );
    assert_eq!(
        (entries[1].severity, entries[1].outcome),
        (Severity::Info, Outcome::Failure)
    );
    assert_eq!(
        entries[1].detail.as_deref(),
        Some("result \"maybe\" · shout · api")
    );
    assert_eq!(
        (entries[0].severity, entries[0].outcome),
        (Severity::Error, Outcome::Failure)
    );
    let page = test
        .console
        .audit()
        .list(&test.viewer, of_target())
        .await
        .unwrap();
    assert_eq!(
        (page.event_types.len(), page.users.len()),
        (0, 0),
        "without an index nobody looks for them"
    );
}

#[tokio::test]
async fn the_targets_log_is_read_by_the_guides_indexes_or_by_number() {
    let test = console().await;
    ai_pal::apply_schema(&test.target).await;
    test.on_target(
        "insert into audit_logs (user_id, timestamp, severity, event_type, component, action)
         select 'user' || n % 3, timestamp '2026-03-01 12:00' + (n * 7919 % 4000) / 2 * interval '1 second',
                (array['info', 'error'])[1 + n % 2], 'type' || n % 2, 'api', 'act'
           from generate_series(1, 4000) as n;
         analyze audit_logs",
    )
    .await;
    let by_number: Vec<i64> = (1..=4000).rev().collect();
    let of_user = |user: i64| {
        by_number
            .iter()
            .copied()
            .filter(|n| n % 3 == user)
            .collect::<Vec<_>>()
    };
    let mine = AuditQuery {
        user: Some("user1".into()),
        ..of_target()
    };
    assert_eq!(ids(&test.all(of_target()).await), by_number);
    assert_eq!(ids(&test.all(mine.clone()).await), of_user(1));

    test.on_target(
        "create index idx_audit_user_timestamp on audit_logs (user_id, timestamp desc);
         create index idx_audit_severity on audit_logs (severity);
         create index idx_audit_event_type on audit_logs (event_type)",
    )
    .await;
    let mut by_time = of_user(1);
    by_time.sort_by_key(|n| (n * 7919 % 4000 / 2, *n));
    by_time.reverse();
    let seen = test
        .pages(mine.clone(), async || {
            test.on_target("insert into audit_logs (user_id, event_type, component, action) values ('user1', 'new', 'api', 'act')")
                .await;
        })
        .await;
    assert_eq!(
        ids(&seen),
        by_time,
        "by time, without gap or repeat while entries come"
    );
    assert!(seen.windows(2).all(|pair| pair[0].at >= pair[1].at));

    let (from, until) = (
        start() + TimeDelta::seconds(100),
        start() + TimeDelta::seconds(200),
    );
    let narrow = AuditQuery {
        severity: Some(Severity::Error),
        event_type: Some("type1".into()),
        from: Some(from),
        until: Some(until),
        ..of_target()
    };
    let expected: Vec<i64> = by_number
        .iter()
        .copied()
        .filter(|n| n % 2 == 1 && (100..200).contains(&(n * 7919 % 4000 / 2)))
        .collect();
    assert!(!expected.is_empty());
    assert_eq!(ids(&test.all(narrow).await), expected);
    let page = test
        .console
        .audit()
        .list(&test.viewer, of_target())
        .await
        .unwrap();
    assert_eq!(page.event_types, ["new", "type0", "type1"]);
    assert_eq!(page.users, ["user0", "user1", "user2"]);

    let exported = test
        .console
        .audit()
        .export(
            &test.viewer,
            AuditQuery {
                after: Some("n5".into()),
                ..mine
            },
        )
        .await
        .unwrap();
    assert_eq!(exported.len(), seen.len() + 26, "an export begins at the newest");
}
