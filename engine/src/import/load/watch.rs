//! What is shown while a load runs: rows and bytes of each table, the rate, and what is built.

use std::{
    convert::Infallible,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use contract::{
    format,
    import::{Stage, TableReport, Verdict},
    jobs::{Phase, StepState},
};

use super::{
    super::plan::{Plan, Step},
    Done,
};
use crate::jobs::JobContext;

/// Between two looks at the counters.
const LOOK: Duration = Duration::from_millis(300);
/// The most tables that are shown one by one, the largest first.
const SHOWN: usize = 40;
/// What a part of the work weighs against loading: measured on a large import.
const INDEXES: f64 = 1.0;
/// See `INDEXES`.
const VERIFY: f64 = 0.5;

/// Counters of one load and of its verification.
pub(in crate::import) struct Watch {
    tables: Vec<Counter>,
    /// Tables by the place of their step in the job's progress.
    shown: Vec<usize>,
    steps: AtomicUsize,
    all_steps: AtomicUsize,
    read_back: AtomicI64,
    verifying: AtomicBool,
    rate: Mutex<Vec<(Instant, i64)>>,
}

struct Counter {
    name: String,
    rows: i64,
    bytes: i64,
    loaded_rows: AtomicI64,
    loaded_bytes: AtomicI64,
    back_rows: AtomicI64,
    entered: AtomicBool,
}

impl Watch {
    /// Counters for the tables of a plan.
    pub fn new(plan: &Plan) -> Self {
        let tables: Vec<Counter> = plan
            .tables
            .iter()
            .map(|table| Counter {
                name: table.name.clone(),
                rows: table.rows,
                bytes: table.bytes,
                loaded_rows: AtomicI64::new(0),
                loaded_bytes: AtomicI64::new(0),
                back_rows: AtomicI64::new(0),
                entered: AtomicBool::new(false),
            })
            .collect();
        let mut shown: Vec<usize> = (0..tables.len()).collect();
        shown.sort_by_key(|place| std::cmp::Reverse(tables[*place].bytes));
        shown.truncate(SHOWN);
        shown.sort_unstable();
        Self {
            tables,
            shown,
            steps: AtomicUsize::new(0),
            all_steps: AtomicUsize::new(plan.steps.len()),
            read_back: AtomicI64::new(0),
            verifying: AtomicBool::new(false),
            rate: Mutex::default(),
        }
    }

    /// Begins with what is done already.
    pub fn begin(&self, plan: &Plan, done: &Done) {
        for ((place, _), part) in &done.parts {
            if let Some(counter) = usize::try_from(*place)
                .ok()
                .and_then(|place| self.tables.get(place))
            {
                counter.loaded_rows.fetch_add(part.sent.rows, Ordering::Relaxed);
                counter.loaded_bytes.fetch_add(part.sent.bytes, Ordering::Relaxed);
                counter.entered.store(true, Ordering::Relaxed);
            }
        }
        self.steps.store(done.steps.len(), Ordering::Relaxed);
        self.all_steps.store(plan.steps.len(), Ordering::Relaxed);
    }

    /// A stream takes rows of this table.
    pub fn enter(&self, place: usize) {
        if let Some(counter) = self.tables.get(place) {
            counter.entered.store(true, Ordering::Relaxed);
        }
    }

    /// Rows and bytes that came by.
    pub fn saw(&self, place: usize, rows: i64, bytes: i64) {
        if let Some(counter) = self.tables.get(place) {
            counter.loaded_rows.fetch_add(rows, Ordering::Relaxed);
            counter.loaded_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// A step begins.
    pub fn stepping(&self, context: &JobContext, step: &Step) {
        let phase = match step.stage {
            Stage::Create | Stage::Load => Phase::Loading,
            Stage::Index => Phase::Indexing,
            Stage::Constrain | Stage::Relate => Phase::Constraining,
            Stage::Finish => Phase::Analyzing,
        };
        let loading = self
            .tables
            .iter()
            .any(|table| table.loaded_rows.load(Ordering::Relaxed) < table.rows);
        // While rows still come in, that is what goes on.
        if !loading {
            context.phase(phase, Some(step.about.clone()));
        }
    }

    /// A step is over.
    pub fn stepped(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    /// From now on rows are read back.
    pub fn verify(&self, context: &JobContext) {
        self.verifying.store(true, Ordering::Relaxed);
        context.phase(Phase::Verifying, None);
    }

    /// Rows that were read back.
    pub fn read_back(&self, place: usize, rows: i64) {
        self.read_back.fetch_add(rows, Ordering::Relaxed);
        if let Some(counter) = self.tables.get(place) {
            counter.back_rows.fetch_add(rows, Ordering::Relaxed);
        }
    }

    /// Shows the counters again and again.
    pub async fn tick(&self, context: &JobContext) -> Infallible {
        let shown = &self.shown;
        let names = shown.iter().map(|place| self.tables[*place].name.clone());
        context.steps(names);
        loop {
            self.show(context);
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Every row was read back or compared: shows the last numbers, and how each table came out.
    pub fn verified(&self, context: &JobContext, plan: &Plan, reports: &[TableReport]) {
        self.show(context);
        context.progress(|progress| {
            for (step, &place) in progress.steps.iter_mut().zip(&self.shown) {
                step.state = match reports.get(place).map(|report| report.verdict) {
                    Some(Verdict::Differs) => StepState::Failed,
                    _ => StepState::Done,
                };
                if plan
                    .tables
                    .get(place)
                    .is_some_and(|table| table.existing.is_some())
                {
                    step.detail = Some("compared row by row as they went in".to_owned());
                    step.fraction = Some(1.0);
                }
            }
        });
    }

    fn show(&self, context: &JobContext) {
        let verifying = self.verifying.load(Ordering::Relaxed);
        let bytes: i64 = self
            .tables
            .iter()
            .map(|it| it.loaded_bytes.load(Ordering::Relaxed))
            .sum();
        let rows: i64 = self.tables.iter().map(|it| it.rows).sum();
        let loaded: i64 = self
            .tables
            .iter()
            .map(|it| it.loaded_rows.load(Ordering::Relaxed))
            .sum();
        let share = |part: i64, whole: i64| match whole {
            0 => 1.0,
            whole => (part as f64 / whole as f64).min(1.0),
        };
        let steps = self.all_steps.load(Ordering::Relaxed) as i64;
        let stepped = self.steps.load(Ordering::Relaxed) as i64;
        let done = share(loaded, rows)
            + INDEXES * share(stepped, steps)
            + VERIFY * share(self.read_back.load(Ordering::Relaxed), rows);
        let rate = self.rate(bytes);
        context.progress(|progress| {
            progress.fraction = Some(done / (1.0 + INDEXES + VERIFY));
            if progress.phase == Phase::Loading && loaded < rows {
                progress.detail = Some(format!(
                    "{} of {} rows, {}{rate}",
                    format::exact(loaded),
                    format::exact(rows),
                    format::bytes(bytes)
                ));
            }
            for (at, place) in self.shown.iter().enumerate() {
                let counter = &self.tables[*place];
                let Some(step) = progress.steps.get_mut(at) else {
                    continue;
                };
                let loaded = counter.loaded_rows.load(Ordering::Relaxed);
                let back = counter.back_rows.load(Ordering::Relaxed);
                let of = if verifying { back } else { loaded };
                step.state = match () {
                    () if of >= counter.rows && counter.entered.load(Ordering::Relaxed) => StepState::Done,
                    () if counter.entered.load(Ordering::Relaxed) => StepState::Running,
                    () => StepState::Pending,
                };
                step.fraction = Some(share(of, counter.rows));
                let what = if verifying { "read back" } else { "loaded" };
                step.detail = Some(format!(
                    "{} of {} rows {what}, {}",
                    format::exact(of),
                    format::exact(counter.rows),
                    format::bytes(counter.loaded_bytes.load(Ordering::Relaxed).max(0))
                ));
            }
        });
    }

    /// Bytes a second over the last ten seconds, in words.
    fn rate(&self, bytes: i64) -> String {
        let now = Instant::now();
        let mut seen = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push((now, bytes));
        seen.retain(|(at, _)| now.duration_since(*at) < Duration::from_secs(10));
        match seen.first() {
            Some((at, before)) if now.duration_since(*at) > Duration::from_millis(900) => {
                let second = (bytes - before) as f64 / now.duration_since(*at).as_secs_f64();
                format!(", {}/s", format::bytes(second as i64))
            }
            _ => String::new(),
        }
    }
}
