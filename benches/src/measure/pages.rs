//! Pages under load.

use std::time::Duration;

use contract::jobs::JobQuery;
use serde_json::json;
use tokio::{sync::oneshot, task::JoinHandle};

use crate::{
    Result,
    console::Console,
    jobs::{self, TARGET},
    load::{self, Ask, Outcome, Pace, Shape},
    plan::Plan,
    report::{Row, Section},
    timing::ms,
    visitor::{Sessions, Visitor},
};

/// For a page: 95 and 99 of 100 answers.
const PAGE: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(250)];
/// For a server function that reads: 95 of 100 answers.
const READ: Duration = Duration::from_millis(50);
/// Ten times what pgAdmin 4 answered on a machine of this kind, a second.
const LOG_IN_RATE: f64 = 2_370.0;
/// Answers without which a run says nothing of the slow ones among them.
const FEWEST: usize = 20;

struct Page {
    name: &'static str,
    ask: Ask,
}

fn page(name: &'static str, path: String, proof: &'static str) -> Page {
    Page {
        name,
        ask: Ask {
            path,
            body: None,
            proof,
            logged_in: true,
        },
    }
}

/// Runs every page at every number of users, at both paces.
pub async fn all(console: &Console, sessions: &mut Sessions, plan: &Plan) -> Result<Section> {
    let mut outcomes: Vec<(String, Outcome)> = Vec::new();
    let mut rows = Vec::new();
    for page in pages() {
        for users in plan.users {
            for pace in [Pace::Reading(plan.reading), Pace::Full] {
                let visitors = sessions.many(plan.sessions).await?;
                let outcome = load::run(console, &visitors, &page.ask, shape(plan, users, pace)).await?;
                if users == plan.users[0] {
                    rows.extend(budget(&page, &outcome));
                }
                tell(page.name, &outcome);
                outcomes.push((page.name.to_owned(), outcome));
            }
        }
    }
    // The same page while the console works.
    let busy = page(
        "overview, while ANALYZE runs",
        format!("/db/{TARGET}"),
        "ari_snapshots",
    );
    let mut jobs_run = 0;
    for pace in [Pace::Reading(plan.reading), Pace::Full] {
        let visitors = sessions.many(plan.sessions).await?;
        let starter = visitors.first().cloned().ok_or("no session")?;
        let analyzing = Analyzing::begin(starter);
        let outcome = load::run(console, &visitors, &busy.ask, shape(plan, plan.users[0], pace)).await;
        jobs_run += analyzing.end().await?;
        let outcome = outcome?;
        rows.extend(budget(&busy, &outcome));
        tell(busy.name, &outcome);
        outcomes.push((busy.name.to_owned(), outcome));
    }
    Ok(Section {
        rows,
        notes: notes(plan, jobs_run),
        detail: Some(("Pages".to_owned(), detail(&outcomes))),
    })
}

fn pages() -> Vec<Page> {
    let log_in = Ask {
        path: "/login".into(),
        body: None,
        proof: "action=\"/rpc/log_in\"",
        logged_in: false,
    };
    let list = json!({ "query": JobQuery::default() }).to_string();
    let list_jobs = Ask {
        path: "/rpc/list_jobs".into(),
        body: Some(list),
        proof: "Optimize ai_pal",
        logged_in: true,
    };
    vec![
        Page {
            name: "log-in page",
            ask: log_in,
        },
        page("overview", format!("/db/{TARGET}"), "ari_snapshots"),
        page("tables", format!("/db/{TARGET}/tables"), "ari_snapshots"),
        page("jobs", "/jobs".into(), "Optimize ai_pal"),
        page("audit", "/audit".into(), "session.log_in"),
        Page {
            name: LIST_JOBS,
            ask: list_jobs,
        },
    ]
}

/// The server function.
const LIST_JOBS: &str = "server function list_jobs";

fn shape(plan: &Plan, users: usize, pace: Pace) -> Shape {
    let (warm_up, length) = match pace {
        Pace::Full => (plan.warm_up, plan.full_speed),
        // All users have come once before it counts.
        Pace::Reading(mean) => (plan.warm_up + mean, plan.paced),
    };
    Shape {
        users,
        pace,
        warm_up,
        length,
    }
}

/// The budgets that a run is compared with.
fn budget(page: &Page, outcome: &Outcome) -> Option<Row> {
    let Outcome { users, latencies, .. } = outcome;
    let [p95, p99] = [95, 99].map(|percent| latencies.percentile(percent));
    // No answers are not quick answers.
    let sound = outcome.failed == 0 && latencies.count() >= FEWEST;
    match outcome.pace {
        Pace::Reading(_) if page.name == LIST_JOBS => Some(Row::new(
            format!("{LIST_JOBS}, {users} users: p95"),
            format!("≤ {} ms", ms(READ)),
            format!("{} ms", ms(p95)),
            sound && p95 <= READ,
            || why(outcome),
        )),
        Pace::Reading(_) => Some(Row::new(
            format!("{}, {users} users: p95 / p99", page.name),
            format!("≤ {} / {} ms", ms(PAGE[0]), ms(PAGE[1])),
            format!("{} / {} ms", ms(p95), ms(p99)),
            sound && p95 <= PAGE[0] && p99 <= PAGE[1],
            || why(outcome),
        )),
        Pace::Full if !page.ask.logged_in => Some(Row::new(
            format!("{}, {users} users at full speed", page.name),
            format!("≥ {LOG_IN_RATE:.0} a second"),
            format!("{:.0} a second", outcome.rate),
            sound && outcome.rate >= LOG_IN_RATE,
            || why(outcome),
        )),
        Pace::Full => None,
    }
}

/// What the run shows of a missed budget.
fn why(outcome: &Outcome) -> String {
    if let Some(failure) = &outcome.failure {
        return format!(
            "{} wrong answers ({})",
            outcome.failed,
            failure.replace(['\n', '|'], " ")
        );
    }
    if outcome.latencies.count() < FEWEST {
        return format!("only {} answers in the whole run", outcome.latencies.count());
    }
    let cores = outcome.cores;
    let spent = format!(
        "console {:.1}, PostgreSQL {:.1}, load generator {:.1} of the cores",
        cores.console, cores.server, cores.bench
    );
    let there = std::thread::available_parallelism().map_or(1, usize::from);
    if cores.all() > 0.9 * there as f64 {
        format!("no core was idle ({spent})")
    } else {
        format!("waiting ({spent})")
    }
}

fn tell(name: &str, outcome: &Outcome) {
    eprintln!("{}", line(name, outcome));
}

fn line(name: &str, outcome: &Outcome) -> String {
    let Outcome {
        users,
        rate,
        latencies,
        failed,
        cores,
        ..
    } = outcome;
    let pace = match outcome.pace {
        Pace::Full => "full speed",
        Pace::Reading(_) => "reading",
    };
    let [p50, p95, p99] = [50, 95, 99].map(|percent| ms(latencies.percentile(percent)));
    format!(
        "| {name} | {users} | {pace} | {rate:.0} | {p50} | {p95} | {p99} | {} | {failed} | {:.2} | {:.2} | {:.2} |",
        ms(latencies.longest()),
        cores.console,
        cores.server,
        cores.bench
    )
}

fn detail(outcomes: &[(String, Outcome)]) -> String {
    let lines: String = outcomes
        .iter()
        .map(|(name, outcome)| line(name, outcome) + "\n")
        .collect();
    format!(
        "Times in milliseconds; the last three columns are processor cores that were busy.\n\n\
         | page | users | pace | answers/s | p50 | p95 | p99 | longest | wrong | console | PostgreSQL | load generator |\n\
         |---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n{lines}"
    )
}

fn notes(plan: &Plan, jobs_run: usize) -> Vec<String> {
    vec![
        format!(
            "Pages: each user has a connection of its own and keeps it; logged-in users share {} sessions; answers are taken \
             whole, compressed as browsers ask for them, and every tenth is read and must hold the page's own words. Files \
             with a hash in their name are not asked for again, as in a browser.",
            plan.sessions
        ),
        format!(
            "Two paces. *Reading*: a user asks, reads for about {} s and asks again; the bar for 100 users is compared with \
             this one, since 100 users are people. *Full speed*: a user asks again at once, which finds the highest rate; \
             times there are queueing for the shared cores and are compared with no bar.",
            plan.reading.as_secs_f64()
        ),
        "The bar of the log-in page's rate is ten times pgAdmin 4's 237 a second, which was measured on a machine of this kind \
         but not in this run."
            .to_owned(),
        format!("While ANALYZE runs: {jobs_run} analyze jobs over all tables, one after the other, during the two runs."),
    ]
}

/// Analyze jobs, one after the other, until told to stop.
struct Analyzing {
    stop: oneshot::Sender<()>,
    work: JoinHandle<Result<usize>>,
}

impl Analyzing {
    fn begin(visitor: Visitor) -> Self {
        let (stop, mut stopped) = oneshot::channel::<()>();
        let work = tokio::spawn(async move {
            let mut done = 0;
            // Told, or left behind: then the sender is gone.
            while matches!(stopped.try_recv(), Err(oneshot::error::TryRecvError::Empty)) {
                let id = jobs::analyze(&visitor).await?;
                jobs::succeeded(&visitor, id).await?;
                done += 1;
            }
            Ok(done)
        });
        Self { stop, work }
    }

    async fn end(self) -> Result<usize> {
        drop(self.stop);
        self.work
            .await
            .map_err(|error| format!("analyzing in the background: {error}"))?
    }
}
