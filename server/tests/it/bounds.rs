//! What one client, one role or one outage can do to the others.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use contract::{
    backup::BackupSpec,
    session::{Role, UserChange},
};
use futures::StreamExt;
use server::http::connection;
use testkit::{Cluster, ClusterOptions};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    program::{Home, PATIENCE},
    support::{Console, get},
};

async fn serve(console: &Console) -> (SocketAddr, DropGuard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap();
    let closing = CancellationToken::new();
    let trusted = console.web.trusted_proxies.clone();
    tokio::spawn(connection::serve(
        listener,
        console.router(),
        trusted,
        closing.clone(),
    ));
    (here, closing.drop_guard())
}

async fn connect(from: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    socket.connect(to).await.unwrap()
}

/// Asks whether the process lives, on a connection that stays; false when it is closed instead.
async fn lives(stream: &mut TcpStream) -> bool {
    let request = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";
    if stream.write_all(request).await.is_err() {
        return false;
    }
    let mut answer = Vec::new();
    let mut piece = [0; 1024];
    while !answer.ends_with(b"ok\n") {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return false,
            Ok(read) => answer.extend_from_slice(&piece[..read]),
        }
    }
    answer.starts_with(b"HTTP/1.1 200")
}

/// Whether the server has closed it. A silent one that is open has nothing to read.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let read = tokio::time::timeout(Duration::from_millis(5), stream.read(&mut [0; 1])).await;
    read.is_ok()
}

#[tokio::test]
async fn silent_connections_of_one_address_block_nobody_else() {
    let console = Console::start().await;
    let (here, _closing) = serve(&console).await;
    let mut early = connect("127.0.0.1", here).await;
    assert!(lives(&mut early).await);
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(connect("127.0.0.1", here).await);
    }
    // Beyond what one address may have, they are closed; a browser elsewhere does not notice.
    let begun = Instant::now();
    let mut closed = 0;
    while closed < 200 {
        assert!(begun.elapsed() < PATIENCE, "{closed} were closed");
        closed = 0;
        for stream in &mut silent {
            closed += usize::from(is_closed(stream).await);
        }
    }
    let mut other = connect("127.0.0.2", here).await;
    assert!(lives(&mut other).await);
    assert!(lives(&mut early).await, "nor does a connection that is in use");
    // With them gone, the address has its room again.
    drop(silent);
    let begun = Instant::now();
    while !lives(&mut connect("127.0.0.1", here).await).await {
        assert!(begun.elapsed() < PATIENCE, "the places were not given back");
    }
}

#[tokio::test]
async fn a_trusted_proxy_has_as_many_connections_as_there_is_room_for() {
    let console =
        Console::start_with(|web| web.trusted_proxies = vec!["127.0.0.1".parse().unwrap()].into()).await;
    let (here, _closing) = serve(&console).await;
    let mut silent = Vec::new();
    for _ in 0..150 {
        silent.push(connect("127.0.0.1", here).await);
    }
    for stream in &mut silent {
        assert!(lives(stream).await);
    }
}

#[tokio::test]
async fn a_download_ends_with_its_session() {
    let console = Console::start_with(|web| web.recheck = Duration::from_millis(1)).await;
    let pool = console.database.pool().await;
    sqlx::raw_sql("create table big as select md5(n::text) || md5((n * 7)::text) as text from generate_series(1, 60000) as n")
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    let root = console.engine.session().command_line("test");
    let spec = BackupSpec::whole("main");
    let job = console.engine.backup().start(&root, spec).await.unwrap();
    console.engine.jobs().work_on(&root, job).await.unwrap();
    let begun = Instant::now();
    let id = loop {
        let list = console.engine.backup().list(&root, "main").await.unwrap();
        let view = console.engine.jobs().detail(&root, job).await.unwrap().job;
        if let (true, Some(backup)) = (view.state.is_final(), list.backups.first()) {
            break backup.id;
        }
        assert!(!view.state.is_final() && begun.elapsed() < PATIENCE, "{view:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let operator = console.log_in_as(Role::Operator).await;
    let request = || -> Request<Body> { operator.signed(get(&format!("/download/main/{id}"))) };
    let whole = console.send(request()).await;
    assert_eq!(whole.status, StatusCode::OK);
    assert_eq!(whole.header("content-length"), whole.body.len().to_string());
    assert!(whole.body.len() > 1_000_000, "{} bytes", whole.body.len());

    let (head, body) = console.open(request()).await;
    assert_eq!(head.status, StatusCode::OK);
    let mut body = body.into_data_stream();
    let mut read = body.next().await.unwrap().unwrap().len();
    let change = UserChange {
        name: "operator".to_owned(),
        role: None,
        password: None,
        disabled: Some(true),
    };
    console.engine.session().change_user(&root, change).await.unwrap();
    let broken = loop {
        match body.next().await {
            Some(Ok(piece)) => read += piece.len(),
            Some(Err(_)) => break true,
            None => break false,
        }
    };
    assert!(broken, "it was cut off in a way that the browser sees");
    assert!(read < whole.body.len(), "{read} of {}", whole.body.len());
}

#[tokio::test]
async fn while_the_store_is_away_every_request_is_told_so_at_once_and_afterwards_all_is_well() {
    let cluster = Cluster::start_with(ClusterOptions::new()).await;
    let store = cluster.database("store").await;
    let target = testkit::shared().await.database("main").await;
    let home = Home::new()
        .with("DATABASE_URL", &target.url())
        .with("PGSTEWARD_STORE_URL", &store.url());
    let serving = home.serve();
    let client = reqwest::Client::new();
    let ask = async || {
        let request = client
            .get(format!("{}/jobs", serving.url))
            .header("accept", "application/json")
            .header("cookie", "pgsteward=eyJhbGciOiJIUzI1NiJ9.e30.x; pgsteward-refresh=00000000000000000000000000000001.0.00");
        request.send().await.unwrap()
    };
    assert_eq!(ask().await.url().path(), "/login", "nobody's cookies");
    cluster.stop().await;
    let begun = Instant::now();
    let fault = loop {
        let answer = ask().await;
        match answer.status().as_u16() {
            503 => break answer.json::<serde_json::Value>().await.unwrap(),
            429 => panic!("too many requests is not what is wrong"),
            _ => assert!(begun.elapsed() < PATIENCE, "the outage was not noticed"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(fault["code"], "unavailable");
    assert!(
        fault["hint"].as_str().unwrap().contains("PGSTEWARD_STORE_URL"),
        "{fault}"
    );
    cluster.start_again().await;
    let begun = Instant::now();
    while ask().await.status().as_u16() == 503 {
        assert!(begun.elapsed() < PATIENCE, "it did not come back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
