//! What a large upload takes in memory. Alone in its process, whose memory is measured: the test starts itself again.

use std::{
    fs,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::support::{Console, HOST};
use axum::{
    body::{Body, Bytes},
    http::{Method, Request, StatusCode, header},
};
use contract::session::Role;
use futures::{StreamExt, stream};
use serde_json::json;

const PAGE: usize = 4096;
/// Pages of the file: 256 MiB.
const PAGES: usize = 64 * 1024;
/// Pages that come at once.
const PIECE: usize = 16;
/// What the upload may take beside what was there before.
const ROOM: usize = 24 << 20;

/// The memory of this process in bytes, without what was swapped out.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

fn piece(index: usize) -> Bytes {
    let mut piece = vec![index as u8; PIECE * PAGE];
    if index == 0 {
        piece[..100].fill(0);
        piece[..16].copy_from_slice(b"SQLite format 3\0");
        piece[16..20].copy_from_slice(&[0x10, 0, 1, 1]);
        piece[28..32].copy_from_slice(&(PAGES as u32).to_be_bytes());
    }
    Bytes::from(piece)
}

/// Says to the test that it is alone in its process.
const ALONE: &str = "PGSTEWARD_TEST_ALONE";

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_streams_to_disk_in_constant_memory() {
    if std::env::var_os(ALONE).is_none() {
        let own = std::env::current_exe().unwrap();
        let name = "upload_memory::a_large_file_streams_to_disk_in_constant_memory";
        let done = Command::new(own)
            .args(["--exact", name, "--nocapture"])
            .env(ALONE, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(
            done.status.success() && said.contains("1 passed"),
            "{said}{}",
            String::from_utf8_lossy(&done.stderr)
        );
        return;
    }
    let console = Console::start().await;
    let operator = console.log_in_as(Role::Operator).await;
    let new = json!({ "new": { "name": "large.db", "bytes": PAGES * PAGE, "wal_bytes": null } });
    let begun = operator.call("/rpc/begin_upload", &new).await.json();
    let id = begun["id"].as_str().unwrap_or_else(|| panic!("{begun}"));
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let pieces = stream::iter(0..PAGES / PIECE).map(|index| {
        MOST.fetch_max(resident(), Ordering::Relaxed);
        Ok::<_, std::io::Error>(piece(index))
    });
    let request = Request::builder()
        .method(Method::PUT)
        .uri(format!("/import/uploads/{id}/database?offset=0"))
        .header(header::HOST, HOST)
        .header(header::ORIGIN, format!("http://{HOST}"))
        .body(Body::from_stream(pieces))
        .unwrap();
    let before = resident();
    let answer = console.send(operator.signed(request)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.json()["received"], PAGES * PAGE);
    let grown = MOST.load(Ordering::Relaxed).saturating_sub(before);
    assert!(grown < ROOM, "it took {} MB", grown >> 20);
}
