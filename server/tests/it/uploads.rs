//! `PUT /import/uploads/…`: a file over HTTP, in pieces, as large as it may be and no larger.

use std::{net::SocketAddr, time::Duration};

use crate::support::{Answer, Client, Console, HOST, form, get};
use axum::{
    body::{Body, Bytes},
    http::{Method, Request, StatusCode, header},
};
use contract::session::Role;
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use server::http::connection;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A header that SQLite would write for this many pages of 4 KiB. What follows it is looked at by the inspection alone.
fn first_page(pages: u32) -> Vec<u8> {
    let mut page = vec![0; 4096];
    page[..16].copy_from_slice(b"SQLite format 3\0");
    page[16..18].copy_from_slice(&4096_u16.to_be_bytes());
    page[18..20].copy_from_slice(&[1, 1]);
    page[28..32].copy_from_slice(&pages.to_be_bytes());
    page
}

fn database(pages: u32) -> Vec<u8> {
    let mut bytes = first_page(pages);
    for page in 1..pages {
        bytes.extend([page as u8; 4096]);
    }
    bytes
}

fn put(path: &str, body: Body) -> Request<Body> {
    Request::builder()
        .method(Method::PUT)
        .uri(path)
        .header(header::HOST, HOST)
        .header(header::ORIGIN, format!("http://{HOST}"))
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .body(body)
        .unwrap()
}

/// Announces a file and gives the address of its bytes.
async fn begin(client: &Client<'_>, bytes: usize) -> String {
    let new = json!({ "new": { "name": "app.db", "bytes": bytes, "wal_bytes": null } });
    let answer = client.call("/rpc/begin_upload", &new).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    format!(
        "/import/uploads/{}/database",
        answer.json()["id"].as_str().unwrap()
    )
}

async fn find(client: &Client<'_>, address: &str) -> Value {
    let id = address.split('/').nth(3).unwrap();
    client.call("/rpc/find_upload", &json!({ "id": id })).await.json()
}

fn code(answer: &Answer) -> (u16, String) {
    let fault = answer.json();
    assert!(fault["hint"].is_string(), "{fault}");
    (answer.status.as_u16(), fault["code"].as_str().unwrap().to_owned())
}

/// Serves over real connections until the guard goes.
async fn serve(console: &Console) -> (SocketAddr, DropGuard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap();
    let closing = CancellationToken::new();
    tokio::spawn(connection::serve(
        listener,
        console.router(),
        console.web.trusted_proxies.clone(),
        closing.clone(),
    ));
    (here, closing.drop_guard())
}

#[tokio::test]
async fn a_connection_that_breaks_is_gone_on_with() {
    let console = Console::start().await;
    let operator = console.log_in_as(Role::Operator).await;
    let bytes = database(64);
    let address = begin(&operator, bytes.len()).await;
    let (here, closing) = serve(&console).await;
    let mut connection = TcpStream::connect(here).await.unwrap();
    let head = |offset: usize, length: usize| {
        format!(
            "PUT {address}?offset={offset} HTTP/1.1\r\nhost: {here}\r\norigin: http://{here}\r\ncookie: {}\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n",
            operator.cookie()
        )
    };
    connection
        .write_all(head(0, bytes.len()).as_bytes())
        .await
        .unwrap();
    connection.write_all(&bytes[..100_000]).await.unwrap();
    connection.flush().await.unwrap();
    while find(&operator, &address).await["received"] != 100_000 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(connection);

    let mut connection = TcpStream::connect(here).await.unwrap();
    let rest = &bytes[100_000..];
    connection
        .write_all(head(100_000, rest.len()).as_bytes())
        .await
        .unwrap();
    connection.write_all(rest).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.contains(&format!("\"received\":{}", bytes.len())),
        "{answer}"
    );
    drop(closing);
}

#[tokio::test]
async fn who_sends_a_piece_in_vain_gets_to_read_why() {
    let console = Console::start().await;
    let operator = console.log_in_as(Role::Operator).await;
    let bytes = database(4096);
    let address = begin(&operator, bytes.len()).await;
    let (here, closing) = serve(&console).await;
    // More than the buffers of a connection hold.
    for (offset, length, status) in [(1, 16 << 20, 409), (0, (16 << 20) + 1, 413)] {
        let mut connection = TcpStream::connect(here).await.unwrap();
        let head = format!(
            "PUT {address}?offset={offset} HTTP/1.1\r\nhost: {here}\r\norigin: http://{here}\r\ncookie: {}\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n",
            operator.cookie()
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        connection.write_all(&bytes).await.unwrap();
        if length > bytes.len() {
            connection.write_all(b"x").await.unwrap();
        }
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    drop(closing);
}

#[tokio::test]
async fn a_body_that_breaks_off_keeps_what_came_and_a_wrong_offset_says_how_much_that_is() {
    let console = Console::start().await;
    let operator = console.log_in_as(Role::Operator).await;
    let bytes = database(8);
    let address = begin(&operator, bytes.len()).await;
    let broken = stream::iter([
        Ok(Bytes::copy_from_slice(&bytes[..5000])),
        Err(std::io::Error::other("gone")),
    ]);
    let request = put(&format!("{address}?offset=0"), Body::from_stream(broken));
    let answer = console.send(operator.signed(request)).await;
    assert_eq!(code(&answer), (409, "conflict".to_owned()));
    assert_eq!(answer.json()["field"], "offset");
    for offset in ["0", "4999", "5001"] {
        let request = put(
            &format!("{address}?offset={offset}"),
            Body::from(bytes[5000..].to_vec()),
        );
        let answer = console.send(operator.signed(request)).await;
        assert_eq!(code(&answer), (409, "conflict".to_owned()));
        assert!(
            answer.json()["hint"].as_str().unwrap().contains("offset=5000"),
            "{}",
            answer.text()
        );
    }
    for wrong in ["", "?offset=", "?offset=-1", "?offset=x", "?from=0"] {
        let answer = console
            .send(operator.signed(put(&format!("{address}{wrong}"), Body::empty())))
            .await;
        assert_eq!(code(&answer), (422, "invalid".to_owned()), "{wrong}");
    }
    let request = put(
        &format!("{address}?offset=5000"),
        Body::from(bytes[5000..].to_vec()),
    );
    let answer = console.send(operator.signed(request)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.json()["received"], bytes.len());
}

#[tokio::test]
async fn strangers_viewers_and_other_sites_send_nothing() {
    let console = Console::start().await;
    let operator = console.log_in_as(Role::Operator).await;
    let viewer = console.log_in_as(Role::Viewer).await;
    let bytes = database(4);
    let address = begin(&operator, bytes.len()).await;
    let request = || put(&format!("{address}?offset=0"), Body::from(bytes.clone()));
    let answer = console.send(request()).await;
    assert_eq!(code(&answer), (401, "unauthenticated".to_owned()));
    let answer = console.send(viewer.signed(request())).await;
    assert_eq!(code(&answer), (403, "forbidden".to_owned()));
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let mut planted = operator.signed(request());
        planted.headers_mut().insert(name, value.parse().unwrap());
        let answer = console.send(planted).await;
        assert_eq!(code(&answer), (403, "forbidden".to_owned()), "{name}");
        assert!(!answer.header("content-security-policy").is_empty());
    }
    assert_eq!(find(&operator, &address).await["received"], 0);
    // No page lies there, and nothing is read by this address.
    let answer = operator.get(&address).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    let answer = console.send(get(&address)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn only_what_was_announced_may_come() {
    let console = Console::start().await;
    let operator = console.log_in_as(Role::Operator).await;
    let new = json!({ "new": { "name": "a.db", "bytes": (1_i64 << 30) + 1, "wal_bytes": null } });
    let answer = operator.call("/rpc/begin_upload", &new).await;
    assert_eq!(code(&answer), (422, "invalid".to_owned()));

    let bytes = database(400);
    let address = begin(&operator, bytes.len()).await;
    let at = format!("{address}?offset=0");
    // One that says how large it is.
    let mut longer = put(&at, Body::from(vec![0; bytes.len() + 1]));
    longer
        .headers_mut()
        .insert(header::CONTENT_LENGTH, (bytes.len() + 1).into());
    let answer = console.send(operator.signed(longer)).await;
    assert_eq!(code(&answer), (413, "invalid".to_owned()));
    // One that does not.
    let pieces = [bytes.clone(), vec![0; 10]].map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece)));
    let answer = console
        .send(operator.signed(put(&at, Body::from_stream(stream::iter(pieces)))))
        .await;
    assert_eq!(code(&answer), (422, "invalid".to_owned()));
    assert_eq!(find(&operator, &address).await["received"], 0);
    // More than any other request may bring.
    let answer = console.send(operator.signed(put(&at, Body::from(bytes)))).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());

    for path in [
        "/import/uploads/no-id/database",
        "/import/uploads/00000000-0000-0000-0000-000000000001/database",
        &address.replace("database", "shm"),
        "/import/uploads/%2e%2e/database",
    ] {
        let answer = console
            .send(operator.signed(put(&format!("{path}?offset=0"), Body::empty())))
            .await;
        assert_eq!(code(&answer), (404, "not_found".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn what_is_no_database_is_refused_in_words() {
    let console = Console::start().await;
    let operator = console.log_in_as(Role::Operator).await;
    let address = begin(&operator, 20).await;
    let body = Body::from("PRAGMA foreign_keys=");
    let answer = console
        .send(operator.signed(put(&format!("{address}?offset=0"), body)))
        .await;
    assert_eq!(code(&answer), (422, "invalid".to_owned()));
    assert!(answer.text().contains("a text dump of a database"));
    assert_eq!(find(&operator, &address).await["code"], "not_found");
}

#[tokio::test]
async fn an_upload_ends_with_its_session_and_with_the_console() {
    let console = Console::start_with(|web| web.recheck = Duration::from_millis(50)).await;
    let bytes = database(16);
    let operator = console.log_in_as(Role::Operator).await;
    let administrator = console.log_in_as(Role::Administrator).await;
    let endless = || {
        Body::from_stream(
            stream::iter([Ok::<_, std::io::Error>(Bytes::from(bytes[..5000].to_vec()))])
                .chain(stream::pending()),
        )
    };
    let address = begin(&operator, bytes.len()).await;
    let sending = console.send(operator.signed(put(&format!("{address}?offset=0"), endless())));
    let ending = async {
        while find(&administrator, &address).await["received"] != 5000 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        operator.call("/rpc/log_out", &json!({})).await;
    };
    let (answer, ()) = tokio::join!(sending, ending);
    assert!(
        answer.text().contains("the session has ended"),
        "{}",
        answer.text()
    );

    let address = begin(&administrator, bytes.len()).await;
    let sending = console.send(administrator.signed(put(&format!("{address}?offset=0"), endless())));
    let closing = async {
        while find(&administrator, &address).await["received"] != 5000 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        console.web.closing.cancel();
    };
    let (answer, ()) = tokio::join!(sending, closing);
    assert!(
        answer.text().contains("the console is closing"),
        "{}",
        answer.text()
    );
    assert_eq!(find(&administrator, &address).await["received"], 5000);
}

#[tokio::test]
async fn without_javascript_an_upload_is_imported_by_a_plain_form() {
    let console = Console::start().await;
    let operator = console.log_in_as(Role::Operator).await;
    let bytes = database(8);
    let address = begin(&operator, bytes.len()).await;
    let id = address.split('/').nth(3).unwrap();
    let inspect = || {
        let mut sent = form("/rpc/create_import", &[("target", "main"), ("upload", id)]);
        sent.headers_mut()
            .insert(header::ACCEPT, "text/html".parse().unwrap());
        console.send(operator.signed(sent))
    };

    // One that is not whole is refused in words of its own.
    let refused = inspect().await;
    assert_eq!(refused.status, StatusCode::FOUND);
    let led_to = refused.header("location").to_owned();
    assert_eq!(led_to, "/db/main/import?refused=conflict");
    let page = operator.get(&led_to).await.text();
    assert!(page.contains("The file is not ready"), "{page}");
    assert!(page.contains("No SQLite database in the folder"), "{page}");
    assert!(page.contains("Resume: choose the same file, app.db"), "{page}");

    let sent = put(&format!("{address}?offset=0"), Body::from(bytes));
    assert_eq!(console.send(operator.signed(sent)).await.status, StatusCode::OK);
    let page = operator.get("/db/main/import").await.text();
    assert!(
        page.contains(&format!("value=\"{id}\"")) && page.contains("form=\"import-upload\""),
        "{page}"
    );
    let begun = inspect().await;
    assert_eq!(begun.status, StatusCode::FOUND);
    assert!(
        begun.header("location").starts_with("/db/main/import/"),
        "{}",
        begun.header("location")
    );

    // Then it stays until the import needs it no more.
    let answer = operator.call("/rpc/delete_upload", &json!({ "id": id })).await;
    assert_eq!(code(&answer), (409, "conflict".to_owned()));
    assert!(answer.json()["field"].is_null());
}
