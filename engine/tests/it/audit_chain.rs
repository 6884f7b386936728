//! The audit log as evidence: a chain that shows what was changed by force, and refusals that are told and cannot flood it.

use std::time::{Duration, Instant};

use contract::{
    Code,
    audit::{AuditCheck, ChainHead, ChainedEntry},
    session::{NewUser, Role, UserChange},
};
use engine::{Caller, Engine, EngineConfig};
use futures::future::join_all;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, PgPool, migrate::Migrator};

use crate::support::{Console, PASSWORD, caller, engine};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

struct Test {
    console: Console,
    root: Caller,
    store: PgPool,
}

async fn console() -> Test {
    let target = testkit::shared().await.database("chain").await;
    let console = engine(&target, false).await;
    Test {
        root: caller(&console, Role::Administrator).await,
        store: console.store.pool().await,
        console,
    }
}

impl Test {
    async fn sql(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&self.store)
            .await
            .unwrap();
    }

    async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.store).await.unwrap()
    }

    /// Adds a user, which is one entry.
    async fn act(&self, name: &str) {
        let new = NewUser {
            name: name.to_owned(),
            role: Role::Viewer,
            password: PASSWORD.to_owned(),
            must_change_password: false,
        };
        self.console.session().add_user(&self.root, new).await.unwrap();
    }

    /// Changes a user's role, which is one entry and takes no hash.
    async fn change(&self, name: &str, role: Role) {
        let change = UserChange {
            name: name.to_owned(),
            role: Some(role),
            password: None,
            disabled: None,
        };
        self.console
            .session()
            .change_user(&self.root, change)
            .await
            .unwrap();
    }

    async fn verify(&self) -> AuditCheck {
        whole(&self.console, &self.root, None).await
    }

    async fn head(&self) -> ChainHead {
        self.verify().await.head.unwrap()
    }

    async fn against(&self, head: &ChainHead) -> AuditCheck {
        whole(&self.console, &self.root, Some(head.clone())).await
    }

    async fn export(&self) -> Vec<ChainedEntry> {
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let part = self
                .console
                .audit()
                .export_chained(&self.root, after)
                .await
                .unwrap();
            match part.last() {
                None => return all,
                Some(last) => after = last.entry.id,
            }
            all.extend(part);
        }
    }
}

async fn whole(engine: &Engine, root: &Caller, head: Option<ChainHead>) -> AuditCheck {
    let mut check = engine.audit().verify(root, 0, head).await.unwrap();
    while let Some(after) = check.next {
        check = engine.audit().verify(root, after, None).await.unwrap();
    }
    check
}

/// The triggers that stand before an attacker who is not the tables' owner.
fn forced(sql: &str) -> String {
    format!(
        "begin;
         alter table audit_log disable trigger user;
         alter table audit_chain disable trigger user;
         alter table audit_chain_begin disable trigger user;
         {sql};
         alter table audit_log enable trigger user;
         alter table audit_chain enable trigger user;
         alter table audit_chain_begin enable trigger user;
         commit"
    )
}

#[tokio::test]
async fn acts_at_once_make_one_chain_and_what_is_rolled_back_leaves_no_gap() {
    let test = console().await;
    test.act("ada").await;
    let acts = (0..24).map(|number| {
        let role = if number % 2 == 0 {
            Role::Operator
        } else {
            Role::Viewer
        };
        test.change("ada", role)
    });
    let failed = (0..8).map(|_| async {
        let mut transaction = test.store.begin().await.unwrap();
        sqlx::query(
            "insert into audit_log (severity, event_type, outcome) values ('info', 'test.lost', 'success')",
        )
        .execute(&mut *transaction)
        .await
        .unwrap();
        transaction.rollback().await.unwrap();
    });
    tokio::join!(join_all(acts), join_all(failed));
    let check = test.verify().await;
    assert_eq!(check.broken, None);
    assert_eq!(check.checked, 25);
    assert_eq!(check.head.unwrap().link, 25);
    assert_eq!(
        test.number("select count(*) from audit_chain").await,
        26,
        "link 0 too"
    );
}

#[tokio::test]
async fn any_text_is_hashed_as_the_store_hashed_it() {
    let test = console().await;
    for detail in [
        "",
        "-",
        "1:a,-",
        "größe 表 😀 \u{202e}",
        "a\nb\r\n\t\u{1}",
        "it's \\ \"quoted\"",
        "e\u{301}",
    ] {
        sqlx::query(
            "insert into audit_log (at, severity, event_type, user_name, address, target, object, outcome, detail, job)
             values ('2026-03-01 12:00:00.123457+02', 'info', 'test.text', $1, null, $1, $1, 'success', $1, gen_random_uuid()),
                    ('1960-01-01 00:00:00.000001+00', 'debug', 'test.text', null, $1, null, null, 'denied', null, null)",
        )
        .bind(detail)
        .execute(&test.store)
        .await
        .unwrap();
    }
    let check = test.verify().await;
    assert_eq!((check.broken, check.checked), (None, 14));
}

#[tokio::test]
async fn an_export_can_be_checked_without_the_console() {
    let test = console().await;
    for name in ["ada", "bob"] {
        test.act(name).await;
    }
    let head = test.head().await;
    let mut hash: Vec<u8> = sqlx::query_scalar("select hash from audit_chain where link = 0")
        .fetch_one(&test.store)
        .await
        .unwrap();
    for exported in test.export().await {
        // As docs/audit.md says it.
        let line = serde_json::to_value(&exported).unwrap();
        let at: chrono::DateTime<chrono::Utc> = line["at"].as_str().unwrap().parse().unwrap();
        let text = |name: &str| line[name].as_str().map(str::to_owned);
        let values = [
            Some(line["id"].to_string()),
            Some(at.timestamp_micros().to_string()),
            text("severity"),
            text("event_type"),
            text("user"),
            text("address"),
            text("target"),
            text("object"),
            text("outcome"),
            text("detail"),
            text("job"),
        ];
        let values = values.map(|value| {
            value.map_or_else(
                || "-".to_owned(),
                |value| format!("{}:{value}", value.chars().count()),
            )
        });
        let mut sum = Sha256::new();
        sum.update(&hash);
        sum.update(values.join(","));
        hash = sum.finalize().to_vec();
        assert_eq!(exported.hash, Some(hex::encode(&hash)), "{line}");
    }
    assert_eq!(head.hash, hex::encode(hash));
}

#[tokio::test]
async fn what_is_changed_by_force_is_named() {
    let test = console().await;
    test.act("ada").await;
    for number in 0..9 {
        test.change(
            "ada",
            if number % 2 == 0 {
                Role::Operator
            } else {
                Role::Viewer
            },
        )
        .await;
    }
    let ids: Vec<i64> = sqlx::query_scalar("select entry from audit_chain where link > 0 order by link")
        .fetch_all(&test.store)
        .await
        .unwrap();
    assert_eq!(test.verify().await.broken, None);
    let noted = test.head().await;
    // Each is tried on a copy of the log, so that the next one begins whole again.
    test.sql(
        "create table kept_log as select * from audit_log;
         create table kept_chain as select * from audit_chain;
         create table kept_begin as select * from audit_chain_begin",
    )
    .await;
    let (five, six) = (ids[4], ids[5]);
    let rehashed = "with recursive anew (link, hash) as (
                        select link, hash from audit_chain where link = 4
                        union all
                        select chain.link, sha256(anew.hash || convert_to(audit_entry_text(log), 'UTF8'))
                          from anew
                          join audit_chain as chain on chain.link = anew.link + 1
                          join audit_log as log on log.id = chain.entry
                    )
                    update audit_chain set hash = anew.hash from anew where anew.link = audit_chain.link";
    let changed = format!("update audit_log set user_name = 'eve' where id = {five}");
    for (what, sql, entry, words) in [
        ("a changed value", changed.clone(), Some(five), "is not what its link 5 says"),
        (
            "a moved time",
            format!("update audit_log set at = at + interval '1 microsecond' where id = {five}"),
            Some(five),
            "is not what",
        ),
        ("a removed entry", format!("delete from audit_log where id = {five}"), Some(five), "is gone; its link 5 is there"),
        (
            "an entry removed with its link",
            format!("delete from audit_log where id = {five}; delete from audit_chain where link = 5"),
            None,
            "Link 5 is gone",
        ),
        (
            "two entries exchanged",
            format!(
                "update audit_chain set entry = -1 where link = 5;
                 update audit_chain set entry = {five} where link = 6;
                 update audit_chain set entry = {six} where link = 5"
            ),
            Some(six),
            "is not what its link 5 says",
        ),
        (
            "an entry with a new hash for it",
            format!(
                "{changed};
                 update audit_chain
                    set hash = sha256((select hash from audit_chain where link = 4) || convert_to(audit_entry_text(log), 'UTF8'))
                   from audit_log as log
                  where link = 5 and log.id = entry"
            ),
            Some(six),
            "is not what its link 6 says",
        ),
        (
            "an entry without a link",
            "insert into audit_log (severity, event_type, outcome) values ('info', 'test.forged', 'success')".to_owned(),
            None,
            "has no link",
        ),
        (
            "entries from before",
            "insert into audit_log (id, severity, event_type, outcome) overriding system value values (-5, 'info', 'test.forged', 'success')".to_owned(),
            None,
            "from before the chain",
        ),
        ("a moved beginning", format!("update audit_chain_begin set last = {five}"), None, "beginning"),
        ("no chain", "truncate audit_chain; truncate audit_chain_begin".to_owned(), None, "beginning"),
    ] {
        test.sql(&forced(&sql)).await;
        let broken = test.verify().await.broken.unwrap_or_else(|| panic!("{what} was not seen"));
        assert!(broken.what.contains(words), "{what}: {broken:?}");
        assert!(!broken.means.is_empty());
        if let Some(entry) = entry {
            assert_eq!(broken.entry, Some(entry), "{what}: {broken:?}");
        }
        test.sql(&forced(
            "truncate audit_log;
             truncate audit_chain;
             truncate audit_chain_begin;
             insert into audit_log overriding system value select * from kept_log;
             insert into audit_chain select * from kept_chain;
             insert into audit_chain_begin select * from kept_begin",
        ))
        .await;
        assert_eq!(test.verify().await.broken, None, "after {what}");
    }

    // Who owns the tables can compute a whole new chain, or cut its end: only what was noted elsewhere tells.
    test.sql(&forced(&format!("{changed}; {rehashed}"))).await;
    assert_eq!(test.verify().await.broken, None);
    let broken = test.against(&noted).await.broken.unwrap();
    assert!(
        broken.what.contains("not the one whose hash was noted"),
        "{broken:?}"
    );
    test.sql(&forced(
        "truncate audit_log;
         truncate audit_chain;
         insert into audit_log overriding system value select * from kept_log;
         insert into audit_chain select * from kept_chain;
         delete from audit_log where id = (select entry from audit_chain order by link desc limit 1);
         delete from audit_chain where link = (select max(link) from audit_chain)",
    ))
    .await;
    assert_eq!(test.verify().await.broken, None);
    let broken = test.against(&noted).await.broken.unwrap();
    assert!(broken.what.contains("ends at link 9"), "{broken:?}");
}

#[tokio::test]
async fn who_does_not_own_the_tables_cannot_touch_the_chain() {
    let test = console().await;
    test.act("ada").await;
    for sql in [
        "update audit_chain set hash = sha256('x')",
        "delete from audit_chain",
        "truncate audit_chain",
        "update audit_chain_begin set entries = 7",
        "delete from audit_chain_begin",
    ] {
        let error = sqlx::query(sql).execute(&test.store).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{sql}: {error}");
    }
    let forked = sqlx::query("insert into audit_chain (link, entry, hash) values (1, 99, sha256('x'))")
        .execute(&test.store)
        .await;
    assert!(forked.is_err(), "a link is there once");
}

#[tokio::test]
async fn entries_from_before_the_chain_are_counted_and_told() {
    let test = console().await;
    let old = testkit::shared().await.database("old_store").await;
    let pool = old.pool().await;
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations/store");
    let mut before = Migrator::new(folder).await.unwrap();
    before
        .migrations
        .to_mut()
        .retain(|migration| migration.version < 7);
    before.run(&pool).await.unwrap();
    sqlx::query("insert into audit_log (severity, event_type, outcome) select 'info', 'test.old', 'success' from generate_series(1, 3)")
        .execute(&pool)
        .await
        .unwrap();
    let config = EngineConfig {
        store: old.socket_options(),
        ..test.console.config.clone()
    };
    let engine = Engine::open(config).await.unwrap();
    let root = caller(&engine, Role::Administrator).await;
    caller(&engine, Role::Viewer).await;
    let check = whole(&engine, &root, None).await;
    assert_eq!((check.broken, check.before), (None, 3));
    assert!(
        check.begun.is_some() && check.checked >= 2,
        "added a user, who logged in"
    );
    engine.close().await;
}

#[tokio::test]
async fn a_flood_of_refused_log_ins_is_a_few_entries_with_the_number() {
    let test = console().await;
    let session = test.console.session();
    let flood = "select count(*) from audit_log where event_type = 'session.log_in'";
    let tries = (0..300).map(|number| {
        let session = &session;
        async move {
            let name = format!("name-{number}");
            session
                .log_in(&name, "guess", "198.51.100.7".parse().ok())
                .await
                .unwrap_err()
                .fault()
                .code
        }
    });
    let mut busy = 0;
    for tried in tries {
        busy += i64::from(tried.await == Code::Busy);
    }
    assert!(busy >= 200, "{busy}");
    let written = test.number(flood).await;
    assert!(written <= 2, "{written} entries for 300 tries of one address");
    // Once the interval is over they are told with their number, by whoever comes next.
    test.sql("update audit_repeats set since = since - interval '1 day'")
        .await;
    session
        .log_in("somebody", "guess", "192.0.2.1".parse().ok())
        .await
        .unwrap_err();
    let told: String =
        sqlx::query_scalar("select detail from audit_log where detail like '%more like the one of%'")
            .fetch_one(&test.store)
            .await
            .unwrap();
    assert!(told.starts_with("299 more"), "{told}");
    assert_eq!(test.verify().await.broken, None);
}

#[tokio::test]
async fn ever_new_addresses_do_not_fill_the_log_either() {
    let test = console().await;
    test.sql(
        "insert into audit_repeats (event_type, key)
         select 'session.log_in', ' 198.51.100.' || n from generate_series(1, 500) as n",
    )
    .await;
    for number in 1..=12 {
        let address = format!("203.0.113.{number}").parse().ok();
        test.console
            .session()
            .log_in("nobody", "guess", address)
            .await
            .unwrap_err();
    }
    assert_eq!(
        test.number("select count(*) from audit_log where event_type = 'session.log_in'")
            .await,
        1,
        "all others together are one"
    );
    assert_eq!(
        test.number("select more from audit_repeats where key = ''").await,
        11
    );
}

#[tokio::test]
async fn what_a_role_may_not_do_is_in_the_log_once_and_counted() {
    let test = console().await;
    let viewer = caller(&test.console, Role::Viewer).await;
    for _ in 0..50 {
        let refused = test.console.session().users(&viewer).await.unwrap_err().fault();
        assert_eq!(refused.code, Code::Forbidden);
    }
    let begun = Instant::now();
    let counted =
        "select coalesce((select more from audit_repeats where event_type = 'session.forbidden'), 0)";
    while test.number(counted).await < 49 {
        assert!(begun.elapsed() < PATIENCE, "the refusals were not written");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let entries: Vec<(String, String, String, String)> = sqlx::query_as(
        "select user_name, object, outcome, severity from audit_log where event_type = 'session.forbidden'",
    )
    .fetch_all(&test.store)
    .await
    .unwrap();
    assert_eq!(
        entries,
        [(
            "viewer".to_owned(),
            "manage_users".to_owned(),
            "denied".to_owned(),
            "warning".to_owned()
        )]
    );
}
