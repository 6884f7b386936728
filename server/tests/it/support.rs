//! A console to test over HTTP: its whole router on an engine with a store of its own, called in process.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::ConnectInfo,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use contract::session::{NewUser, Role};
use engine::{
    Engine, EngineConfig,
    config::{MigrationSource, PoolConfig, QueryLog, TargetConfig},
};
use serde_json::Value;
use server::http::{Site, Web, router};
use tempfile::TempDir;
use testkit::Database;
use tower::ServiceExt;

/// The password of every user that tests add.
pub const PASSWORD: &str = "nine boats on a lake";
/// The host that requests are sent to, unless a test says otherwise.
pub const HOST: &str = "127.0.0.1:3000";

/// A console. Goes with the test.
pub struct Console {
    /// What does the work.
    pub engine: Engine,
    /// What its routes know.
    pub web: Web,
    /// The managed database.
    pub database: Database,
    router: Router,
    _folder: TempDir,
}

/// An answer, read whole.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Console {
    /// A console that manages one empty database called `main` and takes no jobs.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// The same with another state.
    pub async fn start_with(change: impl FnOnce(&mut Web)) -> Self {
        let cluster = testkit::shared().await;
        let (store, target) = (cluster.database("store").await, cluster.database("main").await);
        let folder = tempfile::tempdir().unwrap();
        let site = folder.path().join("site");
        std::fs::create_dir_all(site.join("pkg")).unwrap();
        for (name, text) in [
            ("a.css", "plain"),
            ("a.css.br", "brotli"),
            ("a.css.gz", "gzip"),
            ("inter.1.woff2", "font"),
        ] {
            std::fs::write(site.join("pkg").join(name), text).unwrap();
        }
        std::fs::write(
            site.join("assets.json"),
            r#"{"js":"a.js","link":"b.js","wasm":"a.wasm","css":"a.css","parts":{"login":["shared.wasm","login.wasm"],"jobs":["jobs.wasm"]}}"#,
        )
        .unwrap();
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
            works: false,
            query_log: QueryLog {
                every: false,
                slow: Duration::from_secs(1),
            },
            about: Default::default(),
            network_timeout: Duration::from_secs(120),
            alarms: Default::default(),
            verify_on: None,
        };
        let engine = Engine::open(config).await.unwrap();
        let mut web = Web::new(engine.clone(), Site::read(&site).unwrap(), Vec::new());
        change(&mut web);
        Self {
            engine,
            router: router(web.clone()),
            web,
            database: target,
            _folder: folder,
        }
    }

    /// Its router, to serve it over a real connection.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Sends a request and reads the answer whole.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let (head, body) = self.open(request).await;
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answer { body, ..head }
    }

    /// Sends a request and gives the head of the answer, and its body as it comes.
    pub async fn open(&self, mut request: Request<Body>) -> (Answer, Body) {
        let peer = SocketAddr::from(([127, 0, 0, 1], 40_000));
        if request.extensions().get::<ConnectInfo<SocketAddr>>().is_none() {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        (
            Answer {
                status: head.status,
                headers: head.headers,
                body: Bytes::new(),
            },
            body,
        )
    }

    /// Adds a user of this role, named like it, and logs in over HTTP.
    pub async fn log_in_as(&self, role: Role) -> Client<'_> {
        let administrator = self.engine.session().command_line("test");
        let name = role.name().to_owned();
        let new = NewUser {
            name: name.clone(),
            role,
            password: PASSWORD.to_owned(),
            must_change_password: false,
        };
        // A second log-in of the same role finds the user there.
        self.engine.session().add_user(&administrator, new).await.ok();
        let answer = self.send(log_in(&name, PASSWORD)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        Client {
            console: self,
            cookies: answer.cookies(),
        }
    }
}

/// A browser that is logged in.
pub struct Client<'a> {
    console: &'a Console,
    /// Its cookies.
    pub cookies: BTreeMap<String, String>,
}

impl Client<'_> {
    /// The value of its `Cookie` header.
    pub fn cookie(&self) -> String {
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }

    /// Calls a server function as its page does.
    pub async fn call(&self, path: &str, body: &Value) -> Answer {
        self.console.send(self.signed(call(path, body))).await
    }

    /// Gets a path.
    pub async fn get(&self, path: &str) -> Answer {
        self.console.send(self.signed(get(path))).await
    }

    /// Adds its cookies to a request.
    pub fn signed(&self, mut request: Request<Body>) -> Request<Body> {
        request
            .headers_mut()
            .insert(header::COOKIE, self.cookie().parse().unwrap());
        request
    }
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// A header as text; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The cookies that it sets.
    pub fn cookies(&self) -> BTreeMap<String, String> {
        let set = self
            .headers
            .get_all(header::SET_COOKIE)
            .iter()
            .map(|value| value.to_str().unwrap());
        set.map(|value| value.split(';').next().unwrap().split_once('=').unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}

/// A request of a browser for a path.
pub fn get(path: &str) -> Request<Body> {
    Request::builder()
        .uri(path)
        .header(header::HOST, HOST)
        .body(Body::empty())
        .unwrap()
}

/// A request of our own page to a server function.
pub fn call(path: &str, body: &Value) -> Request<Body> {
    Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::HOST, HOST)
        .header(header::ORIGIN, format!("http://{HOST}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

/// The log-in form, sent.
pub fn log_in(name: &str, password: &str) -> Request<Body> {
    form("/rpc/log_in", &[("name", name), ("password", password)])
}

/// A form of our own page, sent.
pub fn form(path: &str, fields: &[(&str, &str)]) -> Request<Body> {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::HOST, HOST)
        .header(header::ORIGIN, format!("http://{HOST}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body))
        .unwrap()
}
