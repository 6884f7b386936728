#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, os::unix::fs::PermissionsExt};

use engine::config::MigrationSource;
use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::*;

const URL: &str = "postgresql+asyncpg://me:hush@db.example/AI Pal";

fn read_in(folder: &TempDir, pairs: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let values = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Settings::read(&Source::new(values, folder.path())?)
}

fn read(pairs: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    read_in(&tempfile::tempdir().unwrap(), pairs)
}

fn fails(pairs: &[(&str, &str)]) -> ConfigError {
    read(pairs).err().unwrap()
}

#[test]
fn nothing_set_means_the_embedded_default() {
    let settings = read(&[]).unwrap();
    assert!(settings.store.is_none() && settings.targets.is_empty());
    assert_eq!(settings.addr.to_string(), "127.0.0.1:3000");
    assert!(settings.data_dir.is_absolute() && settings.data_dir.ends_with("data"));
    assert_eq!(settings.backup_dir, settings.data_dir.join("backups"));
    assert_eq!((settings.import_dir, settings.upload_limit), (None, 4 << 30));
    assert_eq!(
        (
            settings.pool.size,
            settings.pool.overflow,
            settings.pool.profile.as_str()
        ),
        (20, 40, "standard")
    );
    assert_eq!(
        (settings.query_log.every, settings.query_log.slow.as_millis()),
        (false, 1000)
    );
}

#[test]
fn the_guides_url_gives_the_target_and_the_store_beside_it() {
    let settings = read(&[("DATABASE_URL", URL)]).unwrap();
    let target = &settings.targets[0];
    assert_eq!(
        (target.name.as_str(), target.options.get_database()),
        ("ai_pal", Some("AI Pal"))
    );
    assert_eq!(target.migrations, MigrationSource::Unchosen);
    assert_eq!(target.password.as_ref().unwrap().expose_secret(), "hush");
    let store = settings.store.unwrap();
    assert_eq!(
        (store.options.get_database(), store.options.get_host()),
        (Some("pgsteward"), "db.example")
    );
}

#[test]
fn a_set_of_migrations_is_chosen() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("own")).unwrap();
    for (value, set) in [
        ("ai_pal", MigrationSource::AiPal),
        ("none", MigrationSource::None),
        ("./own", MigrationSource::Folder(folder.path().join("./own"))),
    ] {
        let settings = read_in(&folder, &[("DATABASE_URL", URL), ("PGSTEWARD_MIGRATIONS", value)]).unwrap();
        assert_eq!(settings.targets[0].migrations, set);
        // The same for the embedded server's database.
        let settings = read_in(&folder, &[("PGSTEWARD_MIGRATIONS", value)]).unwrap();
        assert_eq!(settings.migrations, Some(set));
    }
    let settings = read_in(&folder, &[("PGSTEWARD_MIGRATIONS", "own"), ("URL", URL)]).unwrap();
    assert!(settings.targets.is_empty());
}

#[test]
fn each_wrong_value_is_named_with_an_example() {
    for (name, value) in [
        ("DATABASE_URL", "mysql://me:hush@h/d"),
        ("DATABASE_URL", "postgres://me:hush@h"),
        ("PGSTEWARD_STORE_URL", "nonsense hush"),
        ("PGSTEWARD_ADDR", "3000"),
        ("PGSTEWARD_MIGRATIONS", "/no/such/folder"),
        ("PGSTEWARD_BACKUP_URL", "s3://bucket/x"),
        ("PGSTEWARD_BACKUP_URL", "file://relative"),
        ("PGSTEWARD_IMPORT_DIR", "/no/such/folder"),
        ("PGSTEWARD_UPLOAD_LIMIT", "plenty"),
        ("PGSTEWARD_UPLOAD_LIMIT", "-1"),
        ("PGSTEWARD_DISK_SIZE", "0"),
        ("PGSTEWARD_DISK_SIZE", "large"),
        ("PGSTEWARD_TRUSTED_PROXY", "proxy.example"),
        ("PGSTEWARD_LOG_FORMAT", "xml"),
        ("PG_BIN", "/no/such/folder"),
        ("DB_POOL_SIZE", "0"),
        ("DB_POOL_SIZE", "many"),
        ("DB_MAX_OVERFLOW", "-1"),
        ("DB_POOL_RECYCLE", "1h"),
        ("DB_POOL_PROFILE", "huge"),
        ("DB_ECHO", "maybe"),
        ("DB_QUERY_LOGGING", "2"),
        ("SLOW_QUERY_THRESHOLD_MS", "1s"),
        ("PGSTEWARD_NETWORK_TIMEOUT", "5"),
        ("PGSTEWARD_CONFIG", "missing.toml"),
    ] {
        let error = fails(&[(name, value)]);
        let shown = format!("{error} {}", error.example);
        assert!(shown.contains(name), "{name}={value}: {shown}");
        assert!(!shown.contains("hush"), "{name}: the secret is shown: {shown}");
        assert!(!error.problem.is_empty() && !error.example.is_empty());
    }
}

#[test]
fn profiles_give_the_numbers_and_explicit_numbers_win() {
    for (profile, numbers) in [("low", (5, 10)), ("standard", (20, 40)), ("high", (50, 100))] {
        let pool = read(&[("DB_POOL_PROFILE", profile)]).unwrap().pool;
        assert_eq!(
            ((pool.size, pool.overflow), pool.profile.as_str()),
            (numbers, profile)
        );
    }
    let pool = read(&[("DB_POOL_PROFILE", "high"), ("DB_POOL_SIZE", "7")])
        .unwrap()
        .pool;
    assert_eq!(
        (pool.size, pool.overflow, pool.profile.as_str()),
        (7, 100, "custom")
    );
}

#[test]
fn a_dotenv_file_fills_in_and_never_replaces() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join(".env"),
        format!("DATABASE_URL='{URL}'\nPGSTEWARD_ADDR=127.0.0.1:4000\n"),
    )
    .unwrap();
    let settings = read_in(&folder, &[("PGSTEWARD_ADDR", "127.0.0.1:5000")]).unwrap();
    assert_eq!(settings.addr.port(), 5000);
    assert_eq!(settings.targets[0].name, "ai_pal");

    fs::write(folder.path().join(".env"), "PGSTEWARD_ADMIN_PASSWORD='hush\n").unwrap();
    let error = read_in(&folder, &[]).err().unwrap();
    let shown = format!("{error} {}", error.example);
    assert!(shown.contains(".env") && !shown.contains("hush"), "{shown}");
}

#[test]
fn secrets_come_from_files_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    fs::write(&file, "0123456789abcdef0123456789abcdef\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let pair = [("PGSTEWARD_JWT_SECRET_FILE", "key")];
    let secret = read_in(&folder, &pair).unwrap().jwt_secret.unwrap();
    assert_eq!(secret.expose_secret(), "0123456789abcdef0123456789abcdef");

    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let error = read_in(&folder, &pair).err().unwrap();
    assert!(error.example.starts_with("chmod 600"), "{error}");
    let both = [
        ("PGSTEWARD_ADMIN_PASSWORD", "a"),
        ("PGSTEWARD_ADMIN_PASSWORD_FILE", "key"),
    ];
    assert!(
        read_in(&folder, &both)
            .err()
            .unwrap()
            .to_string()
            .contains("PGSTEWARD_ADMIN_PASSWORD_FILE")
    );
    for blank in ["  ", "\t", "\n"] {
        let error = read_in(&folder, &[("PGSTEWARD_JWT_SECRET", blank)])
            .err()
            .unwrap();
        assert!(error.to_string().contains("PGSTEWARD_JWT_SECRET"), "{error}");
    }
    assert!(
        read_in(&folder, &[("PGSTEWARD_JWT_SECRET", "")])
            .unwrap()
            .jwt_secret
            .is_none(),
        "as Compose passes on what is not set"
    );
    let missing = read_in(&folder, &[("DATABASE_URL_FILE", "none")]).err().unwrap();
    assert!(missing.to_string().contains("DATABASE_URL_FILE"), "{missing}");
}

#[test]
fn a_file_names_many_databases() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("own")).unwrap();
    fs::write(folder.path().join("pw"), "from file\n").unwrap();
    fs::write(
        folder.path().join("pgsteward.toml"),
        r#"
        [[target]]
        name = "orders"
        url = "postgresql://me@a.example/orders"
        password_env = "ORDERS_PASSWORD"
        replica_urls = ["postgresql://me@r1.example", "postgresql://me:other@r2.example/orders"]
        migrations = "own"
        pool_profile = "low"
        [[target]]
        name = "pal"
        url_env = "PAL_URL"
        password_file = "pw"
        migrations = "ai_pal"
        max_overflow = 3
        [[target]]
        name = "other"
        url = "postgresql://me@c.example/other"
        "#,
    )
    .unwrap();
    let variables = [
        ("ORDERS_PASSWORD", "from env"),
        ("PAL_URL", "postgres://me@b.example/pal"),
    ];
    let settings = read_in(&folder, &variables).unwrap();
    let [orders, pal, other] = settings.targets.as_slice() else {
        unreachable!("three targets")
    };
    let replicas: Vec<(&str, Option<&str>, &str)> = orders
        .replicas
        .iter()
        .map(|replica| {
            let password = replica.password.as_ref().unwrap().expose_secret();
            (
                replica.options.get_host(),
                replica.options.get_database(),
                password,
            )
        })
        .collect();
    let orders_there = Some("orders");
    assert_eq!(
        replicas,
        [
            ("r1.example", orders_there, "from env"),
            ("r2.example", orders_there, "other")
        ]
    );
    // The variable is about the database of DATABASE_URL.
    assert_eq!(other.migrations, MigrationSource::Unchosen);
    assert_eq!(orders.password.as_ref().unwrap().expose_secret(), "from env");
    assert_eq!(
        orders.migrations,
        MigrationSource::Folder(folder.path().join("own"))
    );
    assert_eq!((orders.pool.size, orders.pool.profile.as_str()), (5, "low"));
    assert_eq!(pal.password.as_ref().unwrap().expose_secret(), "from file");
    assert_eq!(
        (pal.pool.size, pal.pool.overflow, pal.pool.profile.as_str()),
        (20, 3, "custom")
    );
    assert_eq!(settings.store.unwrap().options.get_host(), "a.example");
}

#[test]
fn mistakes_in_the_file_are_named_without_its_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let good = "[[target]]\nname = \"a\"\nurl = \"postgres://me:hush@h/a\"\n";
    for (text, word) in [
        (format!("{good}colour = 1\n"), "colour"),
        (format!("{good}{good}"), "two managed databases"),
        (
            "[[target]]\nname = \"A b\"\nurl = \"postgres://me:hush@h/a\"\n".into(),
            "A b",
        ),
        ("[[target]]\nname = \"a\"\n".into(), "exactly one of url"),
        (format!("{good}url_env = \"X\"\n"), "exactly one of url"),
        (format!("{good}password_env = \"NOT_SET\"\n"), "NOT_SET"),
        (format!("{good}migrations = \"nowhere\"\n"), "nowhere"),
        (format!("{good}pool_size = 0\n"), "pool_size"),
        (
            "[[target]]\nname = \"a\"\nurl = \"postgres://me:hush@h/a\n".into(),
            "line 3",
        ),
        (String::new(), "no database"),
    ] {
        fs::write(folder.path().join("pgsteward.toml"), &text).unwrap();
        let error = read_in(&folder, &[]).err().unwrap();
        let shown = format!("{error} {}", error.example);
        assert!(shown.contains(word), "{text}\n{shown}");
        assert!(shown.contains("pgsteward.toml"), "{shown}");
        assert!(!shown.contains("hush"), "{shown}");
    }
}

#[test]
fn settings_that_do_nothing_are_warned_about() {
    let warnings = read(&[
        ("REDIS_URL", "redis://x"),
        ("PGSTEWARD_ADR", "x"),
        ("PGSTEWARD_DATA_DIR", "d"),
    ])
    .unwrap();
    assert_eq!(warnings.warnings.len(), 2, "{:?}", warnings.warnings);
}
