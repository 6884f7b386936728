//! `/events`: a snapshot first, then what changes, until the session is over.

use std::time::Duration;

use crate::support::{Client, Console, get};
use axum::{
    body::{Body, BodyDataStream},
    http::StatusCode,
};
use contract::{
    jobs::Event,
    session::{Role, UserChange},
};
use futures::StreamExt;
use serde_json::json;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

struct Events {
    frames: BodyDataStream,
    read: String,
}

impl Events {
    async fn open(console: &Console, client: &Client<'_>) -> Self {
        Self::open_at(console, client, "/events").await
    }

    async fn open_at(console: &Console, client: &Client<'_>, path: &str) -> Self {
        let (head, body) = console.open(client.signed(get(path))).await;
        assert_eq!(head.status, StatusCode::OK);
        assert_eq!(head.header("content-type"), "text/event-stream");
        assert_eq!(head.header("content-encoding"), "");
        Self {
            frames: Body::into_data_stream(body),
            read: String::new(),
        }
    }

    /// The next event; `None` when the stream has ended.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((message, rest)) = self.read.split_once("\n\n") {
                let data = message.strip_prefix("data: ").map(str::to_owned);
                self.read = rest.to_owned();
                match data {
                    Some(data) => return Some(serde_json::from_str(&data).unwrap()),
                    None => continue,
                }
            }
            let frame = tokio::time::timeout(PATIENCE, self.frames.next())
                .await
                .expect("the stream hangs")?;
            self.read.push_str(std::str::from_utf8(&frame.unwrap()).unwrap());
        }
    }

    async fn ends(mut self) {
        while self.next().await.is_some() {}
    }
}

#[tokio::test]
async fn the_first_event_is_a_snapshot_and_changes_follow() {
    let console = Console::start().await;
    let viewer = console.log_in_as(Role::Viewer).await;
    let mut events = Events::open(&console, &viewer).await;
    let Some(Event::Snapshot { jobs, targets }) = events.next().await else {
        panic!("no snapshot first")
    };
    assert!(jobs.is_empty());
    assert_eq!(
        targets
            .iter()
            .map(|target| target.name.as_str())
            .collect::<Vec<_>>(),
        ["main"]
    );
    let administrator = console.engine.session().command_line("test");
    let spec = contract::backup::BackupSpec::whole("main");
    let id = console.engine.backup().start(&administrator, spec).await.unwrap();
    loop {
        match events.next().await.expect("the stream ended") {
            Event::Job { job } => {
                assert_eq!(job.id, id);
                break;
            }
            // The first one may come again when the process has only begun to listen.
            Event::Target { .. } | Event::Snapshot { .. } | Event::Pulse { .. } => {}
            Event::Log { .. } => panic!("a waiting job has no log"),
        }
    }
}

#[tokio::test]
async fn logging_out_ends_the_stream_at_once() {
    let console = Console::start().await;
    let viewer = console.log_in_as(Role::Viewer).await;
    let mut events = Events::open(&console, &viewer).await;
    assert!(matches!(events.next().await, Some(Event::Snapshot { .. })));
    assert_eq!(console.web.streams.count(), 1);
    viewer.call("/rpc/log_out", &json!({})).await;
    tokio::time::timeout(PATIENCE, events.ends()).await.unwrap();
    assert_eq!(console.web.streams.count(), 0);
}

#[tokio::test]
async fn a_session_that_another_process_ended_ends_its_stream_at_the_next_look() {
    let console = Console::start_with(|web| web.recheck = Duration::from_millis(200)).await;
    let viewer = console.log_in_as(Role::Viewer).await;
    let mut events = Events::open(&console, &viewer).await;
    assert!(matches!(events.next().await, Some(Event::Snapshot { .. })));
    let administrator = console.engine.session().command_line("test");
    let change = UserChange {
        name: "viewer".into(),
        role: None,
        password: None,
        disabled: Some(true),
    };
    console
        .engine
        .session()
        .change_user(&administrator, change)
        .await
        .unwrap();
    tokio::time::timeout(PATIENCE, events.ends()).await.unwrap();
}

#[tokio::test]
async fn closing_the_console_ends_every_stream() {
    let console = Console::start().await;
    let viewer = console.log_in_as(Role::Viewer).await;
    let mut events = Events::open(&console, &viewer).await;
    assert!(matches!(events.next().await, Some(Event::Snapshot { .. })));
    console.web.closing.cancel();
    tokio::time::timeout(PATIENCE, events.ends()).await.unwrap();
}

#[tokio::test]
async fn a_session_has_room_for_twenty_streams() {
    let console = Console::start().await;
    let viewer = console.log_in_as(Role::Viewer).await;
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(Events::open(&console, &viewer).await);
    }
    let (refused, _) = console.open(viewer.signed(get("/events"))).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    drop(open.pop());
    let (taken, _body) = console.open(viewer.signed(get("/events"))).await;
    assert_eq!(taken.status, StatusCode::OK);
}

#[tokio::test]
async fn a_pulse_comes_where_it_was_asked_for() {
    let console = Console::start().await;
    let viewer = console.log_in_as(Role::Viewer).await;
    let mut events = Events::open_at(&console, &viewer, "/events?pulse=main").await;
    let (mut snapshots, mut pulses) = (0, Vec::new());
    while pulses.len() < 2 || snapshots == 0 {
        match events.next().await.expect("the stream ended") {
            Event::Snapshot { .. } => snapshots += 1,
            Event::Pulse { pulse } => pulses.push(pulse),
            _ => {}
        }
    }
    assert!(pulses.iter().all(|pulse| pulse.target == "main"));
    assert!(pulses[0].at < pulses[1].at);
    let connections: f64 = pulses[1].values("connections").unwrap().iter().flatten().sum();
    assert!(connections >= 1.0, "the look itself is one: {connections}");
    let none = viewer.get("/events?pulse=nobody").await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    // It ends with what ends every stream.
    let log_out = viewer.call("/rpc/log_out", &json!({})).await;
    assert!(
        log_out.status.is_success() || log_out.status.is_redirection(),
        "{}",
        log_out.text()
    );
    events.ends().await;
}
