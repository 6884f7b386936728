//! Someone is told once, and told again when it is over.

use std::sync::Arc;

use contract::{
    Code,
    alarm::{Channel, Incident},
    backup::Proof,
    schedule::{ScheduleSpec, VerifyWhen},
    session::Role,
};
use engine::{
    EngineConfig,
    alarm::test_watch::round,
    config::{MailConfig, WebhookConfig, WebhookForm},
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    sync::Mutex,
};

use crate::{
    backup::world::{self, World},
    support,
};

/// What a server of the test got.
type Got = Arc<Mutex<Vec<String>>>;

/// An HTTP server that answers with these statuses, one after the other, and then with the last one.
async fn web(statuses: &'static [&'static str]) -> (u16, Got) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let got = Got::default();
    let keeps = Arc::clone(&got);
    tokio::spawn(async move {
        for number in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut reader = BufReader::new(&mut stream);
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).await.unwrap();
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).await.unwrap();
            keeps.lock().await.push(String::from_utf8(body).unwrap());
            let status = statuses[number.min(statuses.len() - 1)];
            let answer = format!(
                "HTTP/1.1 {status}\r\nlocation: http://127.0.0.1:1/elsewhere\r\ncontent-length: 6\r\nconnection: close\r\n\r\nsecret"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (port, got)
}

/// A mail server that refuses the first recipients, and then takes everything.
async fn mail(refused: usize) -> (u16, Got) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let got = Got::default();
    let keeps = Arc::clone(&got);
    tokio::spawn(async move {
        let mut refusals = refused;
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            stream.write_all(b"220 test\r\n").await.unwrap();
            let mut text = None::<String>;
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).await.unwrap_or_default() == 0 {
                    break;
                }
                if let Some(message) = &mut text {
                    if line == ".\r\n" {
                        keeps.lock().await.push(text.take().unwrap());
                        stream.write_all(b"250 taken\r\n").await.unwrap();
                    } else {
                        message.push_str(&line);
                    }
                    continue;
                }
                let command = line.to_ascii_uppercase();
                let answer: &[u8] = if command.starts_with("DATA") {
                    text = Some(String::new());
                    b"354 go on\r\n"
                } else if command.starts_with("RCPT") && refusals > 0 {
                    refusals -= 1;
                    b"451 the secret reason\r\n"
                } else if command.starts_with("QUIT") {
                    b"221 bye\r\n"
                } else {
                    b"250 ok\r\n"
                };
                stream.write_all(answer).await.unwrap();
            }
        }
    });
    (port, got)
}

fn tells(config: &mut EngineConfig, mail: Option<u16>, web: Option<(u16, WebhookForm)>) {
    config.alarms.mail = mail.map(|port| MailConfig {
        url: format!("smtp://127.0.0.1:{port}").into(),
        from: "pgsteward@example.com".into(),
        to: vec!["ops@example.com".into(), "Ada <ada@example.com>".into()],
    });
    config.alarms.webhook = web.map(|(port, form)| WebhookConfig {
        url: format!("http://127.0.0.1:{port}/T000/path-is-secret").into(),
        form,
    });
}

/// A console that does not watch by itself, over a database with a schedule and without a backup.
async fn watched(mail: Option<u16>, web: Option<(u16, WebhookForm)>) -> World {
    let world = world::world().await.instead(|config| {
        config.works = false;
        tells(config, mail, web);
    });
    let world = world.await;
    let spec = ScheduleSpec {
        target: "main".into(),
        cron: "0 2 * * *".into(),
        zone: "UTC".into(),
        jitter_s: 0,
        verify: VerifyWhen::Never,
        verify_level: Proof::ReadBack,
        alarm_hours: 1,
        parallel: 1,
        compression: Default::default(),
    };
    world.engine.schedule().set(&world.caller, spec).await.unwrap();
    world
}

impl World {
    async fn incidents(&self) -> Vec<Incident> {
        self.engine
            .alarm()
            .view(&self.caller, "main")
            .await
            .unwrap()
            .incidents
    }

    /// Lets a minute or more pass, as far as messages are concerned.
    async fn later(&self) {
        sqlx::query("update alarm_messages set next_at = clock_timestamp()")
            .execute(&self.console.store.pool().await)
            .await
            .unwrap();
    }

    /// Takes a backup with a console beside that works.
    async fn backup_beside(&self) {
        let beside = self.console.beside(true).await;
        let id = self.start().await;
        let job = self.ended(id).await;
        assert_eq!(job.state, contract::jobs::JobState::Succeeded, "{:?}", job.fault);
        beside.close().await;
    }
}

#[tokio::test]
async fn an_incident_is_told_once_on_each_way_and_once_more_when_it_is_over() {
    // Both fail at first.
    let (mail, mails) = mail(1).await;
    let (port, posts) = web(&["500 Oops", "200 OK"]).await;
    let world = watched(Some(mail), Some((port, WebhookForm::Json))).await;
    round(&world.engine).await.unwrap();
    let incidents = world.incidents().await;
    assert_eq!(incidents.len(), 1, "{incidents:?}");
    assert_eq!(incidents[0].words, "There is no backup.");
    let errors: Vec<&str> = incidents[0]
        .messages
        .iter()
        .filter_map(|message| message.error.as_deref())
        .collect();
    assert_eq!(
        errors,
        [
            "The mail server refused the e-mail (451).",
            "The webhook answered 500."
        ],
        "what the other side said is not shown"
    );
    // That it does not go out is shown.
    let view = world.engine.targets().view(&world.caller, "main").await.unwrap();
    assert!(
        view.findings
            .iter()
            .any(|finding| finding.key == "alarm.undelivered"),
        "{view:?}"
    );
    // Not before its time, and then once, however often someone looks.
    round(&world.engine).await.unwrap();
    assert_eq!(mails.lock().await.len(), 0);
    world.later().await;
    for _ in 0..3 {
        round(&world.engine).await.unwrap();
        world.later().await;
    }
    assert_eq!(mails.lock().await.len(), 1);
    let text = mails.lock().await[0].clone();
    assert!(
        text.contains("Subject: [pgsteward] main: There is no backup."),
        "{text}"
    );
    assert!(
        text.contains("ops@example.com") && text.contains("ada@example.com"),
        "{text}"
    );
    assert_eq!(
        posts.lock().await.len(),
        2,
        "one that failed, and one that did not"
    );
    let post: Value = serde_json::from_str(&posts.lock().await[1]).unwrap();
    assert_eq!(
        (
            post["event"].as_str(),
            post["key"].as_str(),
            post["target"].as_str(),
            post["level"].as_str()
        ),
        (Some("opened"), Some("backup.none"), Some("main"), Some("urgent"))
    );
    // It is over.
    world.backup_beside().await;
    for _ in 0..2 {
        round(&world.engine).await.unwrap();
        world.later().await;
    }
    assert_eq!(mails.lock().await.len(), 2);
    assert!(mails.lock().await[1].contains("over: There is no backup."));
    let post: Value = serde_json::from_str(&posts.lock().await[2]).unwrap();
    assert_eq!(post["event"], "resolved");
    assert!(world.incidents().await[0].resolved_at.is_some());
    // The next one is another incident.
    sqlx::query("update backups set view = jsonb_set(view, '{taken_at}', '\"2020-01-01T00:00:00Z\"')")
        .execute(&world.console.store.pool().await)
        .await
        .unwrap();
    round(&world.engine).await.unwrap();
    let incidents = world.incidents().await;
    assert_eq!(incidents.len(), 2);
    assert!(
        incidents[0].words.starts_with("The newest backup is from"),
        "{incidents:?}"
    );
}

#[tokio::test]
async fn of_several_consoles_one_sends_and_who_has_no_schedule_is_not_told() {
    let (port, posts) = web(&["200 OK"]).await;
    let world = watched(None, Some((port, WebhookForm::Slack))).await;
    let mut config = world.config.clone();
    tells(&mut config, None, Some((port, WebhookForm::Slack)));
    let beside = engine::Engine::open(config).await.unwrap();
    let rounds = (0..4).map(|number| round(if number % 2 == 0 { &world.engine } else { &beside }));
    for done in futures::future::join_all(rounds).await {
        done.unwrap();
    }
    assert_eq!(posts.lock().await.len(), 1);
    let post: Value = serde_json::from_str(&posts.lock().await[0]).unwrap();
    assert!(
        post["text"].as_str().unwrap().contains("There is no backup."),
        "{post}"
    );
    // A schedule that is removed closes it, and nobody is told that all is well.
    world
        .engine
        .schedule()
        .remove(&world.caller, "main")
        .await
        .unwrap();
    round(&world.engine).await.unwrap();
    world.later().await;
    round(&beside).await.unwrap();
    assert_eq!(posts.lock().await.len(), 1);
    assert!(world.incidents().await[0].resolved_at.is_some());
    beside.close().await;
}

#[tokio::test]
async fn a_test_is_sent_at_once_and_says_what_the_other_side_did() {
    let (port, posts) = web(&["204 No Content", "302 Found", "404 Not Found"]).await;
    let world = watched(None, Some((port, WebhookForm::Discord))).await;
    let alarms = world.engine.alarm();
    let view = alarms.view(&world.caller, "main").await.unwrap();
    assert_eq!(view.ways.len(), 1);
    assert_eq!(view.ways[0].to, "127.0.0.1", "the path of a webhook is a secret");
    alarms
        .test(&world.caller, "main", Channel::Webhook)
        .await
        .unwrap();
    let post: Value = serde_json::from_str(&posts.lock().await[0]).unwrap();
    assert!(
        post["content"].as_str().unwrap().contains("This is a test"),
        "{post}"
    );
    assert_eq!(post["allowed_mentions"]["parse"], serde_json::json!([]));
    let fault = alarms
        .test(&world.caller, "main", Channel::Webhook)
        .await
        .unwrap_err()
        .fault();
    assert!(
        fault.message.contains("redirect (302), which is not followed"),
        "{fault}"
    );
    let fault = alarms
        .test(&world.caller, "main", Channel::Webhook)
        .await
        .unwrap_err()
        .fault();
    assert_eq!(fault.message, "The webhook answered 404.");
    assert!(!format!("{fault:?}").contains("secret"), "{fault:?}");
    let none = alarms
        .test(&world.caller, "main", Channel::Mail)
        .await
        .unwrap_err()
        .fault();
    assert_eq!(none.code, Code::NotFound);
    let viewer = support::caller(&world.engine, Role::Viewer).await;
    let refused = alarms
        .test(&viewer, "main", Channel::Webhook)
        .await
        .unwrap_err()
        .fault();
    assert_eq!(refused.code, Code::Forbidden);
    assert_eq!(posts.lock().await.len(), 3);
}
