//! What needs attention is told, all of it, and healthy is only what was looked at and found well.

use std::{os::unix::fs::PermissionsExt, time::Instant};

use contract::{
    backup::BackupSpec,
    finding::{Finding, Level},
    migration::MigrateSpec,
    optimize::OptimizeSpec,
    target::TargetView,
};
use engine::{Engine, EngineConfig, config::TargetConfig};
use testkit::Proxy;

use crate::work::{self, PATIENCE, World};

/// What depends on the machine: the client tools' version, and how much was read from memory.
const OF_THE_MACHINE: [&str; 2] = ["tools.outdated", "target.cache"];

async fn view(world: &World, engine: &Engine) -> TargetView {
    engine.targets().view(&world.caller, "main").await.unwrap()
}

fn keys(view: &TargetView) -> Vec<&str> {
    view.findings
        .iter()
        .map(|finding| finding.key.as_str())
        .filter(|key| !OF_THE_MACHINE.contains(key))
        .collect()
}

/// Looks until exactly these findings are told, without those of the machine.
async fn told(world: &World, engine: &Engine, wished: &[&str]) -> TargetView {
    let begun = Instant::now();
    loop {
        let view = view(world, engine).await;
        if keys(&view) == wished {
            return view;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{:#?} and not {wished:?}",
            view.findings
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

fn find<'a>(view: &'a TargetView, key: &str) -> &'a Finding {
    view.findings.iter().find(|finding| finding.key == key).unwrap()
}

async fn back_up(world: &World) {
    let spec = BackupSpec::whole("main");
    let id = world.engine.backup().start(&world.caller, spec).await.unwrap();
    world.succeeded(id).await;
}

#[tokio::test]
async fn a_new_database_is_healthy_only_after_all_that_is_missing_was_done() {
    let world = work::ai_pal().await;
    let view = told(
        &world,
        &world.engine,
        &["backup.none", "migration.pending", "optimize.no_table"],
    )
    .await;
    let none = find(&view, "backup.none");
    assert_eq!(
        (none.level, none.page.as_deref()),
        (Level::Urgent, Some("backups"))
    );
    let pending = find(&view, "migration.pending");
    assert_eq!(pending.words, "10 migrations are not yet applied.");
    assert_eq!((pending.count, pending.page.as_deref()), (10, Some("migrations")));
    assert!(
        view.findings
            .iter()
            .all(|finding| finding.words.ends_with('.') && !finding.remedy.is_empty()),
        "{:#?}",
        view.findings
    );

    let migrate = MigrateSpec {
        target: "main".into(),
        up_to: None,
        allow_late: false,
        ignore_missing: false,
    };
    let id = world
        .engine
        .migration()
        .start(&world.caller, migrate)
        .await
        .unwrap();
    world.succeeded(id).await;
    let view = told(
        &world,
        &world.engine,
        &["backup.none", "optimize.missing", "optimize.statistics"],
    )
    .await;
    let missing = find(&view, "optimize.missing");
    assert_eq!(missing.words, "2 constraints and 20 indexes are missing.");
    assert_eq!(missing.count, 22);

    let all = OptimizeSpec::all("main");
    let id = world.engine.optimize().start(&world.caller, all).await.unwrap();
    world.succeeded(id).await;
    told(&world, &world.engine, &["backup.none"]).await;
    back_up(&world).await;
    told(&world, &world.engine, &[]).await;
}

#[tokio::test]
async fn what_a_page_reads_the_overview_says_too() {
    let world = work::ai_pal().await;
    testkit::ai_pal::apply_schema(&world.pool).await;
    let idle = world.console().await;
    let before = view(&world, &idle).await;
    let missing = find(&before, "optimize.missing").count;
    world
        .sql("create index idx_ari_user_id on ari_snapshots (user_id)")
        .await;
    let plan = idle.optimize().plan(&world.caller, "main").await.unwrap();
    // The list of all databases asks nothing by itself.
    let listed = idle.targets().list(&world.caller).await.unwrap().remove(0);
    assert_eq!(find(&listed, "optimize.missing").count, missing - 1);
    let of_plan = |view: &TargetView| {
        view.findings
            .iter()
            .filter(|finding| finding.page.as_deref() == Some("optimize"))
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(of_plan(&listed), plan.findings);
}

#[tokio::test]
async fn an_edited_an_unfinished_and_a_late_migration_are_findings() {
    let world = work::files(&[
        ("1_a.sql", "create table a (id int)"),
        (
            "3_c.sql",
            "-- no-transaction\ncreate table c (id int);\nselect 1 / 0;",
        ),
    ])
    .await;
    let one = MigrateSpec {
        target: "main".into(),
        up_to: Some(1),
        allow_late: false,
        ignore_missing: false,
    };
    let id = world.engine.migration().start(&world.caller, one).await.unwrap();
    world.succeeded(id).await;
    let all = MigrateSpec {
        target: "main".into(),
        up_to: None,
        allow_late: false,
        ignore_missing: false,
    };
    let id = world.engine.migration().start(&world.caller, all).await.unwrap();
    world.failed(id).await;
    back_up(&world).await;
    world.write("1_a.sql", "create table a (id bigint)");
    let idle = world.console().await;
    let view = view(&world, &idle).await;
    let of_migrations: Vec<&str> = keys(&view)
        .into_iter()
        .filter(|key| key.starts_with("migration."))
        .collect();
    assert_eq!(of_migrations, ["migration.unfinished", "migration.edited"]);
    assert_eq!(find(&view, "migration.unfinished").level, Level::Urgent);
    assert!(
        find(&view, "migration.edited")
            .evidence
            .as_ref()
            .unwrap()
            .contains("1 (a)")
    );
}

#[tokio::test]
async fn a_damaged_newest_backup_and_a_folder_that_cannot_be_read_are_urgent_or_told() {
    let world = work::files(&[]).await;
    back_up(&world).await;
    told(&world, &world.engine, &[]).await;
    let list = world.engine.backup().list(&world.caller, "main").await.unwrap();
    let folder = world.config.backup_dir.clone();
    let archive = find_file(&folder, "archive.dump");
    let mut bytes = std::fs::read(&archive).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(&archive, bytes).unwrap();
    let id = world
        .engine
        .backup()
        .verify(&world.caller, "main", list.backups[0].id)
        .await
        .unwrap();
    world.failed(id).await;
    let view = told(&world, &world.engine, &["backup.none", "backup.damaged"]).await;
    assert_eq!(find(&view, "backup.damaged").level, Level::Urgent);

    // Where the folder was is a file now: nothing can be said about backups, and that is said.
    let elsewhere = folder.with_extension("away");
    std::fs::rename(&folder, &elsewhere).unwrap();
    std::fs::write(&folder, "").unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o600)).unwrap();
    let idle = world.console().await;
    let view = told(&world, &idle, &["unseen"]).await;
    assert_eq!(find(&view, "unseen").page.as_deref(), Some("backups"));
}

fn find_file(folder: &std::path::Path, name: &str) -> std::path::PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with(name) {
                return path;
            }
        }
    }
    panic!("there is no {name}");
}

#[tokio::test]
async fn a_database_that_is_down_is_told_with_what_is_known_without_it() {
    let world = work::files(&[]).await;
    let cluster = testkit::shared().await;
    let wire = Proxy::start(cluster.port()).await;
    let url = cluster.url_of(
        cluster.superuser(),
        cluster.password(),
        wire.port(),
        world.database.name(),
    );
    let engine = world.console_at(&url).await;
    told(&world, &engine, &["backup.none"]).await;
    wire.cut().await;
    let view = told(&world, &engine, &["target.down", "backup.none"]).await;
    assert!(
        view.findings[0].words.contains("refused"),
        "{:?}",
        view.findings[0]
    );
    wire.restore().await;
    told(&world, &engine, &["backup.none"]).await;
}

#[tokio::test]
async fn a_role_with_few_rights_and_a_read_only_one_are_told() {
    let world = work::files(&[]).await;
    let cluster = testkit::shared().await;
    let role = format!("few_{}", world.database.name());
    cluster
        .execute(&format!(
            "create role \"{role}\" login password 'few'; alter role \"{role}\" set default_transaction_read_only to on"
        ))
        .await;
    let url = cluster.url_of(&role, "few", cluster.port(), world.database.name());
    let engine = world.console_at(&url).await;
    let view = told(
        &world,
        &engine,
        &["backup.none", "target.read_only", "target.monitor"],
    )
    .await;
    let monitor = find(&view, "target.monitor");
    assert_eq!(monitor.level, Level::Note);
    assert_eq!(
        monitor.remedy,
        format!("As a superuser: grant pg_monitor to \"{role}\";")
    );
}

impl World {
    /// Another console on the same store and database, which takes no jobs and looks only when it is asked.
    async fn console(&self) -> Engine {
        let config = EngineConfig {
            works: false,
            ..self.config.clone()
        };
        Engine::open(config).await.unwrap()
    }

    /// The same on a store of its own, that reaches the database by another address or as another role.
    async fn console_at(&self, url: &str) -> Engine {
        let store = testkit::shared().await.database("store").await;
        let parsed = engine::target::url::parse(url).unwrap();
        let config = EngineConfig {
            works: false,
            store: store.socket_options(),
            targets: vec![TargetConfig {
                options: parsed.options,
                password: parsed.password,
                ..self.config.targets[0].clone()
            }],
            ..self.config.clone()
        };
        Engine::open(config).await.unwrap()
    }
}
