//! Following a file: what later runs bring over, what they leave alone, and what they refuse.

use std::{path::PathBuf, time::Duration};

use contract::{
    Code, Fault,
    import::{ImportFile, ImportId, ImportReport, Mapping, NewImport, NewUpload, UploadPart, Verdict},
    session::Role,
};
use rusqlite::Connection;
use testkit::{Cluster, ClusterOptions};
use uuid::Uuid;

use super::{
    run::{Runner, into},
    support::{caller, engine},
};

/// A file that is followed.
struct Followed {
    runner: Runner,
    file: PathBuf,
    id: ImportId,
}

impl Followed {
    /// Loads a file that is made by these statements into the schema `s`.
    async fn new(sql: &str) -> Self {
        Self::with(Runner::new().await, sql).await
    }

    async fn with(runner: Runner, sql: &str) -> Self {
        let file = runner.folder.path().join("followed.db");
        Connection::open(&file).unwrap().execute_batch(sql).unwrap();
        let id = runner.look(&file).await.unwrap();
        let mapping = Mapping {
            follow: true,
            ..into("s")
        };
        let report = runner.load(id, mapping).await.unwrap();
        assert_ne!(report.verdict, Verdict::Differs, "{}", report.summary());
        Self { runner, file, id }
    }

    /// Changes the file.
    fn change(&self, sql: &str) {
        Connection::open(&self.file).unwrap().execute_batch(sql).unwrap();
    }

    /// Follows it.
    async fn follow(&self) -> Result<ImportReport, Fault> {
        self.runner.go_on(self.id, true).await
    }

    /// Changes the file and brings it over whole.
    async fn identical(&self, sql: &str) -> ImportReport {
        self.change(sql);
        let report = self.follow().await.unwrap();
        assert_eq!(
            report.verdict,
            Verdict::Identical,
            "{sql}: {} {:?} {:?}",
            report.summary(),
            report.tables,
            report.items
        );
        report
    }

    /// Changes the database.
    async fn tell(&self, sql: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))
            .execute(&self.runner.pool)
            .await
            .unwrap();
    }

    /// The first column of a query on the database, as text.
    async fn texts(&self, sql: &str) -> Vec<String> {
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select ({sql})::text")))
            .fetch_all(&self.runner.pool)
            .await
            .unwrap()
    }

    async fn text(&self, sql: &str) -> String {
        self.texts(sql).await.concat()
    }
}

/// The findings about following, as one text.
fn told(report: &ImportReport) -> String {
    let words: Vec<&str> = report.items.iter().map(|item| item.words.as_str()).collect();
    words.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_change_stay_where_they_are_so_that_rows_of_others_keep_them() {
    let followed = Followed::new(
        "create table items (id integer primary key, name text unique, n int);
         insert into items values (1, 'a', 1), (2, 'b', 1), (3, 'c', 1), (4, 'd', 1)",
    )
    .await;
    followed
        .tell(
            "create table notes (item bigint references s.items on delete cascade, words text);
             insert into notes values (1, 'mine'), (2, 'mine too');
             create table marks (item bigint references s.items on delete set null);
             insert into marks values (1), (2)",
        )
        .await;
    followed
        .identical(
            "update items set n = n + 1 where id in (1, 4);
             update items set name = 'e' where id = 1;
             delete from items where id = 3",
        )
        .await;
    let theirs = "(select count(*) from notes) + (select count(item) from marks)";
    assert_eq!(followed.text(theirs).await, "4");

    // Values that change places need rows to be taken out: nobody refers to these.
    followed
        .identical(
            "insert into items values (5, 'x', 1), (6, 'y', 1);
             update items set name = 'parked' where id = 4;
             update items set name = 'd' where id = 5;
             update items set name = 'x' where id = 4",
        )
        .await;
    followed
        .identical(
            "update items set name = 'parked' where id = 4;
             update items set name = 'x' where id = 5;
             update items set name = 'd' where id = 4",
        )
        .await;
    // Somebody refers to these.
    followed.change(
        "update items set name = 'parked' where id = 1;
         update items set name = 'e' where id = 2;
         update items set name = 'b' where id = 1",
    );
    let fault = followed.follow().await.unwrap_err();
    assert_eq!(fault.code, Code::Conflict, "{fault}");
    assert!(fault.message.contains("must change places"), "{fault}");
    followed.change("update items set name = 'free' || id where id < 3");
    followed.identical("").await;
    assert_eq!(followed.text(theirs).await, "4");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_others_refer_to_do_not_go() {
    let followed = Followed::new(
        "create table items (id integer primary key, name text);
         insert into items values (1, 'a'), (2, 'b');
         create table other (id integer primary key, v text);
         insert into other values (1, 'before');
         create table loose (code text unique, v int);
         insert into loose values ('a', 1), ('b', 2)",
    )
    .await;
    followed
        .tell(
            "create schema app;
             create table app.notes (item bigint constraint to_items references s.items on delete cascade);
             insert into app.notes values (1)",
        )
        .await;
    followed.change("delete from items where id = 1; update other set v = 'after'");
    let fault = followed.follow().await.unwrap_err();
    assert_eq!(fault.code, Code::Conflict, "{fault}");
    for word in ["app.notes", "to_items", "items"] {
        assert!(fault.message.contains(word), "{fault}");
    }
    assert!(
        fault
            .hint
            .unwrap()
            .contains("drop the constraint to_items of app.notes")
    );
    // Nothing at all was brought over.
    assert_eq!(
        followed.text("select string_agg(v, '') from s.other").await,
        "before"
    );
    assert_eq!(followed.text("select count(*) from app.notes").await, "1");
    followed.tell("delete from app.notes").await;
    followed.identical("").await;

    // A table without a key is loaded anew when anything in it changed.
    followed
        .tell(
            "create table app.codes (code text constraint to_loose references s.loose (code) on delete set null);
             insert into app.codes values ('a')",
        )
        .await;
    followed.change("update loose set v = 3 where code = 'b'");
    let fault = followed.follow().await.unwrap_err();
    assert_eq!(fault.code, Code::Conflict, "{fault}");
    assert!(
        fault.message.contains("app.codes") && fault.message.contains("has no key"),
        "{fault}"
    );
    assert_eq!(followed.text("select code from app.codes").await, "a");
    followed.tell("delete from app.codes").await;
    followed.identical("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_others_made_between_tables_of_the_import_are_kept() {
    let followed = Followed::new(
        "create table parent (id integer primary key, v text);
         create table child (id integer primary key, parent int);
         insert into parent values (1, 'a'), (2, 'b');
         insert into child values (1, 1), (2, 2)",
    )
    .await;
    followed
        .tell("alter table s.child add constraint mine foreign key (parent) references s.parent on delete cascade")
        .await;
    followed
        .identical("delete from parent where id = 1; update child set parent = 2 where id = 1")
        .await;
    let mine = "select pg_get_constraintdef(oid) || convalidated from pg_constraint where conname = 'mine'";
    assert!(followed.text(mine).await.ends_with("ON DELETE CASCADEtrue"));
    // Rows of the file do not keep it any more, and it is not for the import to take away.
    followed.change("delete from parent");
    let fault = followed.follow().await.unwrap_err();
    assert_eq!(fault.code, Code::TargetRefused, "{fault}");
    assert!(followed.text(mine).await.ends_with("true"));
    assert_eq!(followed.text("select count(*) from s.child").await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_hold_again_once_the_file_keeps_them_and_weaker_ones_are_told() {
    let followed = Followed::new(
        "pragma foreign_keys = off;
         create table parent (id integer primary key);
         create table child (id integer primary key, parent int references parent(id), n int check (n < 100));
         insert into parent values (1);
         insert into child values (1, 1, 1), (2, 7, 1)",
    )
    .await;
    let valid = "select string_agg(conname || ' ' || convalidated, ', ' order by conname)
                   from pg_constraint
                  where conrelid = 's.child'::regclass
                    and contype in ('c', 'f')";
    assert_eq!(followed.text(valid).await, "child_check true, child_fkey false");
    let report = followed.identical("insert into parent values (7)").await;
    assert!(report.foreign_keys.iter().all(|key| key.validated));
    assert!(!told(&report).contains("without a parent"), "{}", told(&report));
    assert_eq!(followed.text(valid).await, "child_check true, child_fkey true");

    followed.change(
        "pragma foreign_keys = off;
         pragma ignore_check_constraints = on;
         update child set n = 100 where id = 1;
         update child set parent = 9 where id = 2",
    );
    for _ in 0..2 {
        // Also when nothing else has changed since.
        let report = followed.follow().await.unwrap();
        assert_eq!(report.verdict, Verdict::Identical, "{}", report.summary());
        let told = told(&report);
        assert!(told.contains("Rows break a check"), "{told}");
        assert!(told.contains("could not be validated"), "{told}");
        assert_eq!(followed.text(valid).await, "child_check false, child_fkey false");
    }
    let report = followed
        .identical("update child set n = 5, parent = 1; insert into child values (3, 7, 99)")
        .await;
    assert!(!told(&report).contains("Rows break"), "{}", told(&report));
    assert_eq!(followed.text(valid).await, "child_check true, child_fkey true");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_would_be_changed_without_a_word_are_refused() {
    let followed = Followed::new(
        "create table t (id integer primary key, words text, n, yes boolean, raw blob, at datetime);
         insert into t values (1, 'plain', 5, 1, x'ff00', '2024-05-01 10:00:00');
         create table late (id integer primary key, n int, words text);
         create table placed (id text primary key, n) without rowid;
         with recursive c(i) as (select 1 union all select i + 1 from c where i < 40000)
         insert into placed select printf('%05d', i), i from c",
    )
    .await;
    for (sql, place, words) in [
        (
            "insert into t (id, words) values (2, 'a' || char(0) || 'b')",
            "t.words, row 2",
            "texts with U+0000",
        ),
        (
            "insert into t (id, n) values (3, '007')",
            "t.n, row 3",
            "spelling",
        ),
        (
            "insert into t (id, n) values (3, '7')",
            "t.n, row 3",
            "written as text",
        ),
        (
            "insert into t (id, yes) values (4, 'Y')",
            "t.yes, row 4",
            "words for true",
        ),
        (
            "insert into t (id, raw) values (5, 7)",
            "t.raw, row 5",
            "integers",
        ),
        (
            "insert into t (id, at) values (6, 1700000000)",
            "t.at, row 6",
            "Unix seconds",
        ),
        (
            "update placed set n = 'x' where id = '30000'",
            "placed.n, row 30000",
            "plain texts",
        ),
    ] {
        followed.change(sql);
        let fault = followed.follow().await.unwrap_err();
        assert_eq!(fault.code, Code::Conflict, "{sql}: {fault}");
        assert!(
            fault.message.contains(place) && fault.message.contains(words),
            "{sql}: {fault}"
        );
        assert!(fault.hint.unwrap().contains("import the file anew"), "{sql}");
        followed.change("delete from t where id > 1; update placed set n = 30000 where id = '30000'");
    }
    assert_eq!(followed.text("select count(*) from s.t").await, "1");
    // What the types keep as it is comes over, though it looks otherwise than what was there.
    followed
        .identical(
            "insert into t values (2, '007', 1700000000, 0, x'', '2025-01-01T00:00:00.5');
             insert into late values (1, 1700000000, 'first');
             update placed set n = 0 where id = '30000';
             delete from placed where id = '00001'",
        )
        .await;
    assert_eq!(
        followed.text("select n from s.placed where id = '30000'").await,
        "0"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn triggers_are_given_back_as_they_were() {
    let followed = Followed::new(
        "create table t (id integer primary key, v text);
         insert into t values (1, 'a')",
    )
    .await;
    followed
        .tell(
            "create function s.meddle() returns trigger language plpgsql as
             $$begin new.v = 'meddled'; return new; end$$;
             create trigger by_default before insert or update on s.t for each row execute function s.meddle();
             create trigger never before insert or update on s.t for each row execute function s.meddle();
             create trigger always before insert or update on s.t for each row execute function s.meddle();
             create trigger on_replica before insert or update on s.t for each row execute function s.meddle();
             alter table s.t disable trigger never, enable always trigger always, enable replica trigger on_replica",
        )
        .await;
    let states = "select string_agg(tgname::text || ' ' || tgenabled::text, ', ' order by tgname)
                    from pg_trigger
                   where tgrelid = 's.t'::regclass
                     and not tgisinternal";
    let before = followed.text(states).await;
    assert_eq!(before, "always A, by_default O, never D, on_replica R");
    followed
        .identical("update t set v = 'b'; insert into t values (2, 'c')")
        .await;
    assert_eq!(followed.text(states).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_indexes_views_and_triggers_are_reported() {
    let followed = Followed::new(
        "create table t (id integer primary key, v text);
         create index by_v on t (v);
         create view seen as select id from t;
         insert into t values (1, 'a')",
    )
    .await;
    let kept = followed.identical("").await;
    assert!(!told(&kept).contains("following"), "{}", told(&kept));
    followed.change(
        "drop index by_v;
         create index by_both on t (v, id);
         drop view seen;
         create view seen as select v from t;
         create trigger stamped after insert on t begin select 1; end",
    );
    for _ in 0..2 {
        let report = followed.follow().await.unwrap();
        assert_eq!(report.verdict, Verdict::Explained, "{}", report.summary());
        let told = told(&report);
        for words in [
            "The index by_both has come in the file",
            "The index by_v is not in the file any more",
            "The view seen has changed in the file",
            "The trigger stamped has come in the file",
        ] {
            assert_eq!(told.matches(words).count(), 1, "{words}: {told}");
        }
    }
    // What is unique in the file need not be so in the database.
    followed.change("create unique index one_v on t (v)");
    let report = followed.follow().await.unwrap();
    assert_eq!(report.verdict, Verdict::Explained, "{}", told(&report));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_of_another_session_holds_up_nobody_else_and_is_named() {
    let followed = Followed::new(
        "create table parent (id integer primary key, v text);
         create table child (id integer primary key, parent int references parent(id));
         insert into parent values (1, 'a');
         insert into child values (1, 1)",
    )
    .await;
    let mut reader = followed.runner.pool.begin().await.unwrap();
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid() from s.parent")
        .fetch_one(&mut *reader)
        .await
        .unwrap();
    followed.change("update parent set v = 'b'; insert into child values (2, 1)");
    // Whoever queued behind the waiting lock for good would answer once, after it was given up.
    let mut answered = 0;
    let others = async {
        loop {
            followed.text("select count(*) from s.parent").await;
            answered += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let ended = tokio::select! {
        ended = followed.follow() => ended,
        () = others => unreachable!("it asks for ever"),
    };
    assert!(answered > 3, "{answered}");
    let fault = ended.unwrap_err();
    assert_eq!(fault.code, Code::Conflict, "{fault}");
    assert!(fault.message.contains(&format!("pid {pid} ")), "{fault}");
    assert_eq!(followed.text("select v from s.parent").await, "a");
    reader.rollback().await.unwrap();
    followed.identical("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tables_that_changed_do_not_take_more_locks_than_there_are() {
    let cluster = Cluster::start_with(ClusterOptions::new().max_connections(20)).await;
    let target = cluster.database("import").await;
    let console = engine(&target, true).await;
    let runner = Runner {
        caller: caller(&console, Role::Operator).await,
        console,
        pool: target.pool().await,
        folder: tempfile::tempdir().unwrap(),
    };
    let tables = |sql: fn(usize) -> String| (0..300).map(sql).collect::<Vec<_>>().join(";\n");
    let make = tables(|n| {
        format!(
            "create table t{n} (id integer primary key, v text unique, w text); insert into t{n} values (1, 'a', 'b')"
        )
    });
    let followed = Followed::with(runner, &format!("begin;\n{make};\ncommit")).await;
    // The rehearsal needs them all.
    cluster
        .execute("alter system set max_locks_per_transaction = 64")
        .await;
    cluster.stop().await;
    cluster.start_again().await;
    let change = tables(|n| format!("update t{n} set v = 'c'; insert into t{n} values (2, 'd', 'e')"));
    followed.identical(&format!("begin;\n{change};\ncommit")).await;
    // Tables that keys tie together cannot be brought over one after the other.
    followed
        .tell(
            "do $$begin
                for n in 1..299 loop
                    execute format('alter table s.t%s add constraint mine foreign key (id) references s.t0', n);
                    commit;
                end loop;
             end$$",
        )
        .await;
    followed.change(&format!(
        "begin;\n{};\ncommit",
        tables(|n| format!("update t{n} set v = 'f' where id = 1"))
    ));
    let fault = followed.follow().await.unwrap_err();
    assert_eq!(fault.code, Code::Conflict, "{fault}");
    assert!(fault.hint.unwrap().contains("max_locks_per_transaction"));
}

/// Uploads a file that was last written to at a moment, in milliseconds since 1970.
async fn upload(runner: &Runner, file: &std::path::Path, modified_ms: i64) -> Uuid {
    let bytes = std::fs::read(file).unwrap();
    let import = runner.console.import();
    let begun = import
        .begin_upload(
            &runner.caller,
            NewUpload {
                kind: contract::import::UploadKind::Database,
                name: "app.db".to_owned(),
                bytes: bytes.len() as i64,
                wal_bytes: None,
                modified_ms: Some(modified_ms),
                wal_modified_ms: None,
            },
        )
        .await
        .unwrap();
    let pieces = futures::stream::iter([Ok::<_, std::convert::Infallible>(bytes.into())]);
    import
        .upload(&runner.caller, begun.id, UploadPart::Database, 0, pieces)
        .await
        .unwrap();
    begun.id
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_followed_by_uploading_its_file_again() {
    let runner = Runner::new().await;
    let file = runner.folder.path().join("app.db");
    let change = |sql: &str| Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    change("create table t (id integer primary key, v text); insert into t values (1, 'a'), (2, 'b')");
    let early = upload(&runner, &file, 500).await;
    let first = upload(&runner, &file, 1000).await;
    let import = runner.console.import();
    let new = NewImport {
        target: "main".to_owned(),
        file: ImportFile::Upload(first),
    };
    let created = import.create(&runner.caller, new).await.unwrap();
    let id = created.id;
    runner.over(created.job.unwrap()).await.unwrap();
    let mapping = Mapping {
        follow: true,
        ..into("s")
    };
    assert_eq!(
        runner.load(id, mapping).await.unwrap().verdict,
        Verdict::Identical
    );
    let newer = || async { runner.detail(id).await.newer.unwrap().uploads };
    assert_eq!(
        newer().await,
        [],
        "the one that was written to before is not offered"
    );

    let start = async |last: bool, upload: Uuid| {
        let job = import
            .start(&runner.caller, id, !last, None, Some(upload))
            .await
            .map_err(|error| error.fault())?;
        runner.over(job).await
    };
    let fault = start(false, early).await.unwrap_err();
    assert_eq!(fault.code, Code::Conflict);
    assert!(
        fault.message.contains("was last written to before"),
        "{}",
        fault.message
    );
    let fault = start(false, Uuid::from_u128(7)).await.unwrap_err();
    assert_eq!(fault.code, Code::NotFound);

    // A file of another schema changes nothing, and is not what is followed then.
    let other = runner.folder.path().join("other.db");
    Connection::open(&other)
        .unwrap()
        .execute_batch("create table u (v)")
        .unwrap();
    let other = upload(&runner, &other, 9000).await;
    assert_eq!(start(false, other).await.unwrap_err().code, Code::Conflict);

    change("update t set v = 'z' where id = 1; insert into t values (3, 'c')");
    let second = upload(&runner, &file, 2000).await;
    let offered: Vec<Uuid> = newer().await.iter().map(|view| view.id).collect();
    assert_eq!(
        offered,
        [second, other, first],
        "the last run failed, so its file may be read again"
    );
    start(false, second).await.unwrap();
    let rows = || async {
        sqlx::query_scalar::<_, String>("select string_agg(id || v, ',' order by id) from s.t")
            .fetch_one(&runner.pool)
            .await
            .unwrap()
    };
    assert_eq!(rows().await, "1z,2b,3c");
    // The first one has served; the second is needed now.
    import.delete_upload(&runner.caller, first).await.unwrap();
    assert!(import.delete_upload(&runner.caller, second).await.is_err());

    change("delete from t where id = 2");
    let third = upload(&runner, &file, 3000).await;
    // A run that fails in its midst reads the same upload again, once it can.
    let tell = async |sql: &'static str| sqlx::raw_sql(sql).execute(&runner.pool).await.unwrap();
    tell("create table s.others (t bigint references s.t); insert into s.others values (2)").await;
    assert_eq!(start(false, third).await.unwrap_err().code, Code::Conflict);
    assert_eq!(rows().await, "1z,2b,3c");
    let offered: Vec<Uuid> = newer().await.iter().map(|view| view.id).collect();
    assert_eq!(offered, [third]);
    tell("drop table s.others").await;
    start(true, third).await.unwrap();
    assert_eq!(rows().await, "1z,3c");
    let detail = runner.detail(id).await;
    assert_eq!(detail.report.unwrap().verdict, Verdict::Identical);
    assert!(!detail.following && detail.newer.is_none());
    assert_eq!(start(false, second).await.unwrap_err().code, Code::Conflict);
    import.delete_upload(&runner.caller, third).await.unwrap();
}
