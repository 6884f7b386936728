//! The console's memory: idle, and with many live pages open.

use std::{collections::HashSet, time::Duration};

use contract::jobs::{Event, JobId};
use reqwest::header;
use tokio::{sync::watch, task::JoinSet, time};

use super::megabytes;
use crate::{
    Result,
    console::Console,
    jobs,
    plan::Plan,
    process::{self, Peak},
    report::{Row, Section},
    visitor::{self, Sessions, Visitor},
};

/// Megabytes.
const IDLE: f64 = 64.0;
/// Megabytes.
const LIVE: f64 = 256.0;
/// Until every stream has its first value, and the last one of a job.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures the console after its very first start.
pub async fn idle(console: &Console, plan: &Plan) -> Result<Section> {
    time::sleep(plan.idle).await;
    let memory = process::memory(console.pid)?;
    let resident = megabytes(memory.resident);
    let row = Row::new(
        "memory, idle",
        format!("≤ {IDLE:.0} MB"),
        format!("{resident:.1} MB"),
        resident <= IDLE,
        || {
            format!(
                "{:.1} MB its own, {:.1} MB program",
                megabytes(memory.own),
                megabytes(memory.files)
            )
        },
    );
    let note = format!(
        "Memory is VmRSS of the console's process (MB of 2²⁰ bytes), without PostgreSQL. Idle: {} s after its first start on a \
         new data folder; {:.1} MB of it are the process's own, the rest is the program itself.",
        plan.idle.as_secs(),
        megabytes(memory.own),
    );
    Ok(Section {
        rows: vec![row],
        notes: vec![note],
        ..Section::default()
    })
}

/// Measures the console with live streams open while a job runs that all of them show.
pub async fn live(console: &Console, sessions: &mut Sessions, plan: &Plan) -> Result<Section> {
    let peak = Peak::watch(console.pid);
    let visitors = sessions.many(plan.sessions).await?;
    let starter = visitors.first().cloned().ok_or("no session")?;
    let client = visitor::streaming_client()?;
    let (tell, told) = watch::channel(None);
    let (seen, mut counted) = watch::channel((0_usize, 0_usize));
    let mut streams = JoinSet::new();
    for visitor in visitors
        .iter()
        .flat_map(|visitor| std::iter::repeat_n(visitor, plan.streams))
    {
        streams.spawn(stream(
            client.clone(),
            visitor.clone(),
            told.clone(),
            seen.clone(),
        ));
    }
    let all = streams.len();
    reached(&mut counted, &mut streams, |(begun, _)| begun == all).await?;
    let id = jobs::migrate(&starter).await?;
    tell.send_replace(Some(id));
    jobs::succeeded(&starter, id).await?;
    reached(&mut counted, &mut streams, |(_, ended)| ended == all).await?;
    let after = process::memory(console.pid)?;
    let peak = megabytes(peak.end().await?.alone);
    let row = Row::new(
        format!("memory, {all} live pages and a job"),
        format!("≤ {LIVE:.0} MB"),
        format!("{peak:.1} MB"),
        peak <= LIVE,
        || {
            format!(
                "{:.1} MB its own, {:.1} MB program",
                megabytes(after.own),
                megabytes(after.files)
            )
        },
    );
    let note = format!(
        "Live pages: {all} open `/events` streams of {} sessions; while they were open the bundled migrations ran as a job, and \
         every stream got the job's last value. The number is the peak, the log-ins before it included (a password hash takes \
         19 MB, two at a time). The bar is for 20 jobs more; one managed database lets one run at a time.",
        plan.sessions,
    );
    Ok(Section {
        rows: vec![row],
        notes: vec![note],
        ..Section::default()
    })
}

/// Waits for all streams, or for the first one that failed.
async fn reached(
    counted: &mut watch::Receiver<(usize, usize)>,
    streams: &mut JoinSet<Result<()>>,
    enough: impl Fn((usize, usize)) -> bool,
) -> Result<()> {
    let waited = time::timeout(PATIENCE, async {
        loop {
            if enough(*counted.borrow_and_update()) {
                return Ok(());
            }
            tokio::select! {
                _ = counted.changed() => {}
                ended = streams.join_next() => return match ended {
                    Some(Ok(Err(why))) => Err(why),
                    Some(Err(error)) => Err(format!("a stream's reader ended: {error}")),
                    Some(Ok(Ok(()))) | None => Err("a stream ended early".to_owned()),
                },
            }
        }
    });
    waited.await.unwrap_or_else(|_| {
        let (begun, ended) = *counted.borrow();
        Err(format!(
            "{begun} streams had their first value and {ended} the job's last after {} s",
            PATIENCE.as_secs()
        ))
    })
}

/// Reads one stream and counts it when it begins, and again when it has shown the end of the job that `job` names.
async fn stream(
    client: reqwest::Client,
    visitor: Visitor,
    mut job: watch::Receiver<Option<JobId>>,
    seen: watch::Sender<(usize, usize)>,
) -> Result<()> {
    let failed = |error: reqwest::Error| format!("/events: {}", visitor::chain(&error));
    let request = client.get(format!("{}/events", visitor.origin));
    let request = request
        .header(header::COOKIE, &visitor.cookie)
        .header(header::ACCEPT, "text/event-stream");
    let mut answer = request.send().await.map_err(failed)?;
    if !answer.status().is_success() {
        return Err(format!("/events answered {}", answer.status()));
    }
    let mut text = Vec::new();
    let (mut begun, mut over) = (false, HashSet::new());
    loop {
        let Some(part) = answer.chunk().await.map_err(failed)? else {
            return Ok(());
        };
        text.extend_from_slice(&part);
        while let Some(end) = text.windows(2).position(|pair| pair == b"\n\n") {
            let message: Vec<u8> = text.drain(..end + 2).collect();
            let Some(event) = read(&message)? else { continue };
            if !begun {
                begun = true;
                seen.send_modify(|(begun, _)| *begun += 1);
            }
            let changed = match event {
                Event::Job { job } => vec![*job],
                Event::Snapshot { jobs, .. } => jobs,
                Event::Log { .. } | Event::Target { .. } | Event::Pulse { .. } => Vec::new(),
            };
            for ended in changed.into_iter().filter(|job| job.state.is_final()) {
                // The job may be over before its starter knows its id.
                let wanted = *job
                    .wait_for(Option::is_some)
                    .await
                    .map_err(|_| "the run ended".to_owned())?;
                if over.insert(ended.id) && wanted == Some(ended.id) {
                    seen.send_modify(|(_, ended)| *ended += 1);
                }
            }
        }
    }
}

/// The value of one message; none for a comment that only keeps the stream alive.
fn read(message: &[u8]) -> Result<Option<Event>> {
    let text = String::from_utf8_lossy(message);
    let Some(data) = text.lines().find_map(|line| line.strip_prefix("data:")) else {
        return Ok(None);
    };
    serde_json::from_str(data.trim())
        .map(Some)
        .map_err(|error| format!("/events sent what cannot be read: {error}"))
}
