//! What a swap does when nothing goes wrong.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use contract::{
    Code,
    audit::AuditQuery,
    backup::BackupSpec,
    jobs::JobState,
    session::Role,
    swap::{DropSpec, Origin},
};
use engine::target::url;
use sqlx::{ConnectOptions, Connection};
use testkit::{Cluster, PgBouncer, PoolMode, Version};

use super::{
    super::{support, world::until},
    Pair, oid, pair, quoted, reads, run, wait_for,
};

#[tokio::test]
async fn a_restored_database_takes_the_live_name_and_there_is_a_way_back_on_14() {
    there_and_back(testkit::shared_of(Version::V14).await).await;
}

#[tokio::test]
async fn a_restored_database_takes_the_live_name_and_there_is_a_way_back_on_18() {
    there_and_back(testkit::shared_of(Version::V18).await).await;
}

async fn there_and_back(cluster: &Cluster) {
    let pair = pair(cluster, |config| config.pg_bin = Some(cluster.bin_dir())).await;
    let (live, beside) = (pair.live.name().to_owned(), pair.beside.name().to_owned());
    let app = format!("app of {live}");
    cluster
        .execute(&format!(
            "create role {role} login;
             create role {guest};
             alter database {live} owner to {role};
             alter database {live} set search_path = \"$user\", 'A b', public;
             alter database {live} set work_mem = '7MB';
             alter role {role} in database {live} set app.tenant = 'it''s';
             alter database {live} connection limit 50;
             revoke all on database {live} from public;
             grant connect on database {live} to {guest} with grant option;
             comment on database {live} is 'the shop''s';
             alter database {beside} set work_mem = '1MB'",
            role = quoted(&app),
            guest = quoted(&format!("guest of {live}")),
            live = quoted(&live),
            beside = quoted(&beside),
        ))
        .await;
    let hangs = "select concat_ws('|', pg_get_userbyid(datdba), datconnlimit, datacl, shobj_description(oid, 'pg_database'),
                        (select string_agg(concat(setrole::regrole, setconfig), ';' order by setrole)
                           from pg_db_role_setting
                          where setdatabase = d.oid))
                   from pg_database d
                  where datname = $1";
    let hangs_on = async |name: &str| -> String {
        sqlx::query_scalar(hangs)
            .bind(name)
            .fetch_one(&mut cluster.admin().await)
            .await
            .unwrap()
    };
    let before = hangs_on(&live).await;
    let backup = backed_up(&pair).await;
    let (old, new) = (oid(cluster, &live).await, oid(cluster, &beside).await);

    // Who is in the way is shown: one that is idle, one with a transaction, one in the restored database.
    let name = |name: &str| pair.live.socket_options().application_name(name);
    let mut idle = name("a shop").username(&app).connect().await.unwrap();
    let mut busy = name("a report").connect().await.unwrap();
    sqlx::raw_sql("begin; select 1").execute(&mut busy).await.unwrap();
    let mut reader = pair
        .beside
        .socket_options()
        .application_name("a reader")
        .connect()
        .await
        .unwrap();
    let preview = pair
        .engine
        .backup()
        .preview_swap(&pair.caller, "main", &beside)
        .await
        .unwrap();
    assert!(preview.refusals.is_empty(), "{preview:?}");
    assert_eq!(
        (preview.live.as_str(), preview.coming.as_str()),
        (live.as_str(), beside.as_str())
    );
    let shown: Vec<_> = preview
        .sessions
        .iter()
        .map(|it| it.application.as_str())
        .collect();
    assert_eq!(shown[0], "a report", "the open transaction first: {shown:?}");
    assert!(
        shown.contains(&"a shop") && shown.contains(&"a reader"),
        "{shown:?}"
    );
    assert!(!shown.iter().any(|it| it.starts_with("pgsteward")), "{shown:?}");
    let shop = preview
        .sessions
        .iter()
        .find(|it| it.application == "a shop")
        .unwrap();
    assert_eq!(shop.user.as_deref(), Some(app.as_str()));
    assert!(
        shop.may_end && shop.since.is_some() && shop.statement_ms.is_none(),
        "{shop:?}"
    );
    assert!(preview.sessions[0].transaction_ms.is_some());
    let carried = preview.carried.join("\n");
    for part in [
        "owner",
        "search_path",
        "app.tenant",
        "limited to 50",
        "comment",
        "Everyone loses the right CONNECT",
    ] {
        assert!(carried.contains(part), "{part} in {carried}");
    }

    // The name must be typed, and the right be had.
    let mut wrong = pair.spec();
    wrong.confirm = beside.clone();
    let fault = pair
        .engine
        .backup()
        .swap(&pair.caller, wrong)
        .await
        .unwrap_err()
        .fault();
    assert_eq!(
        (fault.code, fault.field.as_deref()),
        (Code::Invalid, Some("confirm"))
    );
    let viewer = support::caller(&pair.engine, Role::Viewer).await;
    let fault = pair
        .engine
        .backup()
        .swap(&viewer, pair.spec())
        .await
        .unwrap_err()
        .fault();
    assert_eq!(fault.code, Code::Forbidden);
    assert_eq!(pair.live_reads().await, "old");

    let job = pair.swapped().await;
    assert!(idle.ping().await.is_err() && busy.ping().await.is_err() && reader.ping().await.is_err());
    assert_eq!(pair.live_reads().await, "new");
    assert_eq!(oid(cluster, &live).await, new);
    assert_eq!(
        hangs_on(&live).await,
        before,
        "what hangs on the name stays as it was"
    );
    assert_eq!(Some(pair.named().await), new);
    let log = pair.log(job.id).await;
    assert!(log.contains("a shop") && log.contains("a report"), "{log}");
    let list = pair.spares().await;
    let [kept] = list.databases.as_slice() else {
        panic!("{list:?}")
    };
    assert_eq!(kept.origin, Origin::Kept);
    assert!(
        kept.database.starts_with(&format!("{live}_before_20")),
        "{kept:?}"
    );
    assert_eq!(oid(cluster, &kept.database).await, old);
    assert!(kept.bytes.is_some() && kept.unusable.is_none());
    // Backups of the one before are still those of the name, and the next one is of the new one.
    let list = pair.engine.backup().list(&pair.caller, "main").await.unwrap();
    assert_eq!(list.backups.iter().map(|it| it.id).collect::<Vec<_>>(), [backup]);
    let second = backed_up(&pair).await;
    let list = pair.engine.backup().list(&pair.caller, "main").await.unwrap();
    assert_eq!(
        list.backups.iter().map(|it| it.id).collect::<Vec<_>>(),
        [second, backup]
    );

    // The way back.
    let id = pair
        .engine
        .backup()
        .swap_back(&pair.caller, "main", None)
        .await
        .unwrap();
    let job = pair.ended(id).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.fault);
    assert_eq!(pair.live_reads().await, "old");
    assert_eq!(oid(cluster, &live).await, old);
    assert_eq!(hangs_on(&live).await, before);
    assert_eq!(Some(pair.named().await), old);
    let list = pair.spares().await;
    let [kept] = list.databases.as_slice() else {
        panic!("{list:?}")
    };
    assert_eq!(
        (kept.origin, oid(cluster, &kept.database).await),
        (Origin::Kept, new)
    );

    // What is kept goes when an administrator types its name, and not while somebody is in it.
    let spec = |confirm: &str| DropSpec {
        target: "main".into(),
        database: kept.database.clone(),
        confirm: confirm.into(),
    };
    let fault = pair
        .engine
        .backup()
        .drop_spare(&pair.caller, spec(&live))
        .await
        .unwrap_err()
        .fault();
    assert_eq!(fault.code, Code::Invalid);
    let operator = support::caller(&pair.engine, Role::Operator).await;
    let refused = pair
        .engine
        .backup()
        .drop_spare(&operator, spec(&kept.database))
        .await;
    assert_eq!(refused.unwrap_err().fault().code, Code::Forbidden);
    let mut inside = cluster.socket_options(&kept.database).connect().await.unwrap();
    let id = pair
        .engine
        .backup()
        .drop_spare(&pair.caller, spec(&kept.database))
        .await
        .unwrap();
    let fault = pair.ended(id).await.fault.unwrap();
    assert!(fault.message.contains("still in use"), "{fault:?}");
    inside.ping().await.unwrap();
    inside.close().await.unwrap();
    let id = pair
        .engine
        .backup()
        .drop_spare(&pair.caller, spec(&kept.database))
        .await
        .unwrap();
    let job = pair.ended(id).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.fault);
    assert_eq!(oid(cluster, &kept.database).await, None);
    assert!(pair.spares().await.databases.is_empty());
    assert_eq!(pair.live_reads().await, "old");
    let fault = pair
        .engine
        .backup()
        .swap_back(&pair.caller, "main", None)
        .await
        .unwrap_err()
        .fault();
    assert_eq!(fault.code, Code::NotFound);
    // Each act and its end are in the audit log.
    let query = AuditQuery {
        event_type: Some("backup.swap".into()),
        ..AuditQuery::default()
    };
    let audit = pair.engine.audit().list(&pair.caller, query).await.unwrap();
    assert!(audit.entries.len() >= 2, "{audit:?}");
    pair.engine.close().await;
}

async fn backed_up(pair: &Pair) -> uuid::Uuid {
    let spec = BackupSpec::whole("main");
    let id = pair.engine.backup().start(&pair.caller, spec).await.unwrap();
    let job = pair.ended(id).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.fault);
    id.0
}

#[tokio::test]
async fn applications_that_connect_all_the_time_find_the_old_one_then_the_new_one_and_never_none() {
    let cluster = testkit::shared().await;
    let pair = pair(cluster, |_| {}).await;
    let live = pair.live.name().to_owned();
    let over = Arc::new(AtomicBool::new(false));
    let (olds, news) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (over, olds, news) = (Arc::clone(&over), Arc::clone(&olds), Arc::clone(&news));
        let options = pair.live.socket_options();
        tasks.spawn(async move {
            let mut swapped = false;
            while !over.load(Ordering::SeqCst) {
                match reads(&options).await.as_deref() {
                    Ok("new") => {
                        swapped = true;
                        news.fetch_add(1, Ordering::SeqCst);
                    }
                    Ok(_) => {
                        assert!(!swapped, "the old one is back");
                        olds.fetch_add(1, Ordering::SeqCst);
                    }
                    // Ended, or at the door while the names changed: it comes again.
                    Err(sqlx::Error::Database(error)) => {
                        let code = error.code().unwrap_or_default().into_owned();
                        let words = format!("{error:?}");
                        let at_the_door = code == "3D000" && words.contains("renamed");
                        assert!(code == "57P01" || at_the_door, "{words}");
                    }
                    Err(sqlx::Error::Io(_) | sqlx::Error::Protocol(_)) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        });
    }
    // Somebody looks all the time whether there is a database of that name.
    let looker = {
        let over = Arc::clone(&over);
        let mut admin = cluster.admin().await;
        let live = live.clone();
        tokio::spawn(async move {
            let mut looks = 0;
            while !over.load(Ordering::SeqCst) {
                let found: i64 = sqlx::query_scalar("select count(*) from pg_database where datname = $1")
                    .bind(&live)
                    .fetch_one(&mut admin)
                    .await
                    .unwrap();
                assert_eq!(found, 1, "look {looks}");
                looks += 1;
            }
            looks
        })
    };
    wait_for("they are at work", async || olds.load(Ordering::SeqCst) > 20).await;
    pair.swapped().await;
    wait_for("they are in the new one", async || {
        news.load(Ordering::SeqCst) > 20
    })
    .await;
    over.store(true, Ordering::SeqCst);
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    assert!(looker.await.unwrap() > 10);
    assert_eq!(pair.live_reads().await, "new");
    pair.engine.close().await;
}

#[tokio::test]
async fn another_console_follows_and_no_job_runs_on_the_other_database() {
    let cluster = testkit::shared().await;
    let pair = pair(cluster, |_| {}).await;
    let other = pair.console.beside(true).await;
    let caller = support::caller(&other, Role::Administrator).await;
    let spec = || BackupSpec::whole("main");
    // It knows the old one, and stores it.
    let id = other.backup().start(&caller, spec()).await.unwrap();
    until(&other, &caller, id, |job| job.state.is_final()).await;
    // A job that waits for the old one is over with the swap: it is queued while the swap stands at the server's door.
    let mut door = cluster.admin().await;
    let held = format!(
        "begin; comment on database {} is 'held'",
        quoted(pair.live.name())
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(held))
        .execute(&mut door)
        .await
        .unwrap();
    let swap = pair.swap().await;
    until(&pair.engine, &pair.caller, swap, |job| {
        job.progress.phase == contract::jobs::Phase::Swapping
    })
    .await;
    let waiting = other.backup().start(&caller, spec()).await.unwrap();
    sqlx::raw_sql("rollback").execute(&mut door).await.unwrap();
    let job = pair.ended(swap).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.fault);
    let job = until(&other, &caller, waiting, |job| job.state.is_final()).await;
    assert_eq!(job.state, JobState::Interrupted, "{job:?}");
    let fault = job.fault.unwrap();
    assert!(fault.message.contains("another database now"), "{fault:?}");
    // The other console's next job is on the new one, and both say the same of it.
    run(
        &pair.live.pool().await,
        "insert into which values ('one more'), ('and one')",
    )
    .await;
    let id = other.backup().start(&caller, spec()).await.unwrap();
    let job = until(&other, &caller, id, |job| job.state.is_final()).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.fault);
    for engine in [&pair.engine, &other] {
        let list = engine.backup().list(&pair.caller, "main").await.unwrap();
        assert_eq!(list.backups.iter().map(|it| it.rows).collect::<Vec<_>>(), [3, 1]);
        assert_eq!(
            engine
                .backup()
                .spares(&pair.caller, "main")
                .await
                .unwrap()
                .databases
                .len(),
            1
        );
    }
    // And a console that starts now finds no name for two databases.
    pair.console.beside(false).await.close().await;
    other.close().await;
    pair.engine.close().await;
}

#[tokio::test]
async fn clients_of_a_pooler_find_the_new_database_behind_it() {
    let cluster = Cluster::start().await;
    let bouncer = PgBouncer::before(&cluster, PoolMode::Transaction).await;
    let pair = pair(&cluster, |config| {
        let name = config.targets[0].options.get_database().unwrap().to_owned();
        let parsed = url::parse(&bouncer.url(&name)).unwrap();
        config.targets[0].options = parsed.options;
        config.targets[0].password = parsed.password;
        config.targets[0].direct = Some(url::parse(&cluster.url(&name)).unwrap());
    })
    .await;
    let through = url::parse(&bouncer.url(pair.live.name())).unwrap().options;
    let through = through.extra_float_digits(None).statement_cache_capacity(0);
    // A pooler that has just begun may refuse its first client.
    wait_for("the pooler leads to the old one", async || {
        reads(&through).await.ok().as_deref() == Some("old")
    })
    .await;
    let preview = pair
        .engine
        .backup()
        .preview_swap(&pair.caller, "main", pair.beside.name())
        .await
        .unwrap();
    assert!(preview.refusals.is_empty(), "{preview:?}");
    pair.swapped().await;
    // The pooler's own session was ended; it may learn that only from its next client.
    wait_for("the pooler leads to the new one", async || {
        reads(&through).await.ok().as_deref() == Some("new")
    })
    .await;
    let list = pair.engine.backup().list(&pair.caller, "main").await.unwrap();
    assert!(list.backups.is_empty());
    tokio::time::timeout(Duration::from_secs(60), backed_up(&pair))
        .await
        .unwrap();
    pair.engine.close().await;
}
