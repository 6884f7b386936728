use contract::jobs::JobState;
use secrecy::SecretString;
use sqlx::Executor;

use super::world::{entries, fill, over, processes_with, world};

#[tokio::test]
async fn no_name_of_a_database_is_taken_for_something_else() {
    let cluster = testkit::shared().await;
    let hints = [
        "--file=/tmp/owned",
        "dbname=postgres host=evil.example",
        "it's \"quoted\" \\ and spaced",
        "-d",
        "Ünï ☃ name",
        "$(id);`id`",
    ];
    for hint in hints {
        let database = cluster.database(hint).await;
        let pool = database.pool().await;
        fill(&pool, 50).await;
        let world = over(database, pool).await;
        let backup = world.backup().await;
        assert_eq!(backup.database, world.database.name());
        assert_eq!(
            backup.rows, 432,
            "the rows of this database and not of another one: {hint}"
        );
        assert!(
            backup
                .file
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)),
            "{}",
            backup.file
        );
        assert!(!backup.file.starts_with(['-', '.']));
        assert!(world.stored(&backup).join("globals.sql").exists(), "{hint}");
        assert_eq!(world.verified(&backup).await.state, JobState::Succeeded);
    }
    assert!(!std::path::Path::new("/tmp/owned_1").exists());
    let owned = std::fs::read_dir("/tmp")
        .unwrap()
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().starts_with("owned"));
    assert!(!owned);
}

#[tokio::test]
async fn the_password_reaches_the_tools_and_nobody_else() {
    let cluster = testkit::shared().await;
    let (user, password) = ("o'dd us:er@x", r#"p:a\ss'w"o rd%40@/é"#);
    cluster
        .execute(&format!(
            r#"create role "{user}" superuser login password '{}'"#,
            password.replace('\'', "''")
        ))
        .await;
    let world = world().await;
    let world = world
        .instead(|config| {
            let target = &mut config.targets[0];
            target.options = sqlx::postgres::PgConnectOptions::new_without_pgpass()
                .host("127.0.0.1")
                .port(cluster.port())
                .username(user)
                .password(password)
                .database(target.options.clone().get_database().unwrap());
            target.password = Some(SecretString::from(password));
        })
        .await;
    let holder = world.lock_orders().await;
    let id = world.start().await;
    world.until(id, |job| job.progress.waiting.is_some()).await;
    assert_ne!(
        processes_with(&format!("pgsteward backup {id}")),
        [] as [&str; 0],
        "pg_dump is at work"
    );
    assert_eq!(processes_with(password), [] as [&str; 0]);
    let secrets = world.config.data_dir.join("tool-secrets");
    let path = secrets.join(id.to_string()).join("pgpass");
    let mode = |path: &std::path::Path| {
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions()) & 0o777
    };
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    holder.rollback().await.unwrap();
    let job = world.ended(id).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.fault);
    assert_eq!(entries(&secrets), [] as [&str; 0]);
    let told = format!(
        "{job:?} {:?}",
        world.engine.jobs().log(&world.caller, id, 0).await.unwrap()
    );
    assert!(!told.contains(password));

    // The same without the password apart, as from a password file: then it is taken from the options.
    let world = world.instead(|config| config.targets[0].password = None).await;
    world.backup().await;
    let world = world
        .instead(|config| {
            let target = &mut config.targets[0];
            target.password = Some(SecretString::from("two\nlines"));
        })
        .await;
    let id = world.start().await;
    let fault = world.ended(id).await.fault.unwrap();
    assert!(fault.message.contains("line break"), "{fault}");
}

#[tokio::test]
async fn a_tables_name_cannot_make_a_backup_fail_or_pass() {
    let world = world().await;
    world
        .pool
        .execute("create table \"x\npg_dump: error: forged\" (id int); insert into \"x\npg_dump: error: forged\" values (1)")
        .await
        .unwrap();
    assert_eq!(world.backup().await.rows, 2383);
}
