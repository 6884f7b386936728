//! A console to test: an engine on a store of its own, with one managed database.

use std::{ops::Deref, time::Duration};

use contract::session::{NewUser, Role};
use engine::{
    Caller, Engine, EngineConfig,
    config::{MigrationSource, PoolConfig, QueryLog, TargetConfig},
};
use secrecy::ExposeSecret;
use tempfile::TempDir;
use testkit::Database;

/// The password of every user that tests add.
pub const PASSWORD: &str = "nine boats on a lake";

/// An engine with all that belongs to it; derefs to the engine. Goes with the test.
pub struct Console {
    engine: Engine,
    /// How it was opened, to open another one beside it.
    pub config: EngineConfig,
    /// The console's own tables.
    pub store: Database,
    _folder: TempDir,
}

/// Opens an engine on a fresh store. It manages `target` under the name `main`, with the AI-PAL migrations; `works` says
/// whether it takes jobs.
pub async fn engine(target: &Database, works: bool) -> Console {
    let store = testkit::shared().await.database("store").await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("imports")).unwrap();
    let config = EngineConfig {
        store: store.socket_options(),
        store_connections: 8,
        targets: vec![TargetConfig {
            name: "main".to_owned(),
            options: target.socket_options(),
            password: None,
            link: Default::default(),
            direct: None,
            replicas: Vec::new(),
            disk_bytes: None,
            migrations: MigrationSource::AiPal,
            pool: PoolConfig {
                size: 4,
                overflow: 4,
                recycle: Duration::from_secs(3600),
                profile: "custom".to_owned(),
            },
        }],
        data_dir: folder.path().join("data"),
        backup_dir: folder.path().join("backups"),
        import_dir: Some(folder.path().join("imports")),
        upload_limit: 1 << 30,
        pg_bin: None,
        jwt_secret: None,
        works,
        query_log: QueryLog {
            every: false,
            slow: Duration::from_secs(1),
        },
        about: Default::default(),
        network_timeout: Duration::from_secs(120),
        alarms: Default::default(),
        verify_on: None,
    };
    let engine = Engine::open(config.clone()).await.unwrap();
    Console {
        engine,
        config,
        store,
        _folder: folder,
    }
}

impl Console {
    /// The same folder with another engine.
    pub async fn reopened(self, config: EngineConfig, store: Database, works: bool) -> Self {
        let config = EngineConfig { works, ..config };
        Self {
            engine: Engine::open(config.clone()).await.unwrap(),
            config,
            store,
            ..self
        }
    }

    /// Another engine on the same store, targets and folder, as a second console process is.
    pub async fn beside(&self, works: bool) -> Engine {
        Engine::open(EngineConfig {
            works,
            ..self.config.clone()
        })
        .await
        .unwrap()
    }
}

impl Deref for Console {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.engine
    }
}

/// Someone with this role: the command line for an administrator, else a logged-in user named after the role.
pub async fn caller(engine: &Engine, role: Role) -> Caller {
    let administrator = engine.session().command_line("test");
    if role == Role::Administrator {
        return administrator;
    }
    let session = engine.session();
    let known = session
        .users(&administrator)
        .await
        .unwrap()
        .iter()
        .any(|user| user.name == role.name());
    if !known {
        let new = NewUser {
            name: role.name().to_owned(),
            role,
            password: PASSWORD.to_owned(),
            must_change_password: false,
        };
        session.add_user(&administrator, new).await.unwrap();
    }
    let tokens = session.log_in(role.name(), PASSWORD, None).await.unwrap();
    session
        .authenticate(tokens.access.expose_secret(), None)
        .await
        .unwrap()
}
