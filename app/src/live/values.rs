//! The values themselves, kept by id, and how they override what a page loaded.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use contract::{
    history::Pulse,
    jobs::{Event, JobId, JobView, LogLine},
    target::{TargetState, TargetView},
};
use leptos::prelude::*;

/// Jobs that are remembered; older ended ones are forgotten first.
const JOBS_KEPT: usize = 500;

/// Log lines that are remembered for one job, as many as a page loads.
const LINES_KEPT: usize = 1000;

/// Whether changes arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connection {
    /// Not yet asked: the page has just arrived with the values of this moment.
    #[default]
    Starting,
    /// Changes arrive as they happen.
    Live,
    /// The stream broke off; the browser is trying again.
    Reconnecting,
}

/// The live values of this tab.
#[derive(Clone, Copy)]
pub struct Live {
    jobs: RwSignal<HashMap<JobId, JobView>>,
    targets: RwSignal<HashMap<String, TargetView>>,
    logs: RwSignal<HashMap<JobId, BTreeMap<i64, LogLine>>>,
    connection: RwSignal<Connection>,
    snapshots: RwSignal<u32>,
    pulse: RwSignal<Option<Pulse>>,
    looks: RwSignal<Option<(u32, String)>>,
    lookers: StoredValue<u32>,
}

impl Live {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self {
            jobs: RwSignal::new(HashMap::new()),
            targets: RwSignal::new(HashMap::new()),
            logs: RwSignal::new(HashMap::new()),
            connection: RwSignal::new(Connection::Starting),
            snapshots: RwSignal::new(0),
            pulse: RwSignal::new(None),
            looks: RwSignal::new(None),
            lookers: StoredValue::new(0),
        }
    }

    /// The values of a managed database's charts at this moment, while they come.
    pub fn pulse(self, target: &str) -> Option<Pulse> {
        self.pulse
            .with(|pulse| pulse.as_ref().filter(|pulse| pulse.target == target).cloned())
    }

    /// Asks for the pulse of a managed database as long as `of` names it, and no longer than what calls this is shown.
    pub fn look_at(self, of: impl Fn() -> Option<String> + 'static) {
        let me = self.lookers.with_value(|count| count + 1);
        self.lookers.set_value(me);
        Effect::new(move || self.looks.set(of().map(|target| (me, target))));
        on_cleanup(move || {
            // The page that follows may look already.
            let mine = self
                .looks
                .try_with_untracked(|looks| looks.as_ref().is_some_and(|(looker, _)| *looker == me));
            if mine == Some(true) {
                self.looks.set(None);
                self.pulse.set(None);
            }
        });
    }

    /// Whose pulse is asked for.
    #[cfg(feature = "hydrate")]
    pub(super) fn looked_at(self) -> Option<String> {
        self.looks
            .with(|looks| looks.as_ref().map(|(_, target)| target.clone()))
    }

    /// Forgets a pulse that comes no more.
    #[cfg(feature = "hydrate")]
    pub(super) fn forget_pulse(self) {
        if self.pulse.with_untracked(Option::is_some) {
            self.pulse.set(None);
        }
    }

    /// Whether changes arrive.
    pub fn connection(self) -> Connection {
        self.connection.get()
    }

    /// How many snapshots came. It grows once at the start, and again after each gap, when a page that shows more than
    /// whole values (such as a log) should load again.
    pub fn snapshots(self) -> u32 {
        self.snapshots.get()
    }

    /// A job that the page loaded, as it is now.
    pub fn job(self, loaded: JobView) -> Memo<JobView> {
        Memo::new(move |_| self.newest(&loaded))
    }

    /// A list of jobs that the page loaded, as they are now; newly started ones that `belongs` accepts come first.
    pub fn jobs(
        self,
        loaded: Vec<JobView>,
        belongs: impl Fn(&JobView) -> bool + Send + Sync + 'static,
    ) -> Memo<Vec<JobView>> {
        let newest = loaded.first().map(|job| job.created_at);
        Memo::new(move |_| {
            let mut jobs: Vec<JobView> = loaded.iter().map(|job| self.newest(job)).collect();
            self.jobs.with(|live| {
                let new = live.values().filter(|job| {
                    newest.is_none_or(|newest| job.created_at >= newest)
                        && !jobs.iter().any(|known| known.id == job.id)
                        && belongs(job)
                });
                let new: Vec<JobView> = new.cloned().collect();
                jobs.extend(new);
            });
            jobs.sort_by(|a, b| b.created_at.cmp(&a.created_at).then(b.id.0.cmp(&a.id.0)));
            jobs
        })
    }

    /// The job with this id, when it changed while the page was open; for a job that the page has just started.
    pub fn find_job(self, id: JobId) -> Option<JobView> {
        self.jobs.with(|jobs| jobs.get(&id).cloned())
    }

    /// The jobs that are not over; `None` before the first snapshot.
    pub fn running(self) -> Option<Vec<JobView>> {
        if self.snapshots.get() == 0 {
            return None;
        }
        let mut running: Vec<JobView> = self.jobs.with(|jobs| {
            jobs.values()
                .filter(|job| !job.state.is_final())
                .cloned()
                .collect()
        });
        running.sort_by_key(|job| Reverse(job.created_at));
        Some(running)
    }

    /// The one of these jobs that ended last while the page was open, or shortly before.
    pub fn last_ended(self, belongs: impl Fn(&JobView) -> bool) -> Option<JobId> {
        self.jobs.with(|jobs| {
            let ended = jobs.values().filter(|job| job.state.is_final() && belongs(job));
            ended.max_by_key(|job| job.finished_at).map(|job| job.id)
        })
    }

    /// All jobs that are known here, newest first; for the palette.
    pub fn known_jobs(self) -> Vec<JobView> {
        let mut jobs: Vec<JobView> = self.jobs.with(|jobs| jobs.values().cloned().collect());
        jobs.sort_by_key(|job| Reverse(job.created_at));
        jobs
    }

    /// A managed database that the page loaded, as it is now.
    pub fn target(self, loaded: TargetView) -> Memo<TargetView> {
        Memo::new(move |_| {
            self.targets.with(|targets| match targets.get(&loaded.name) {
                Some(live) if !is_older(live, &loaded) => live.clone(),
                _ => loaded.clone(),
            })
        })
    }

    /// Lines of a job's log that came while the page was open, added to those that it loaded.
    pub fn log(self, job: JobId, loaded: Vec<LogLine>) -> Memo<Vec<LogLine>> {
        Memo::new(move |_| {
            let last = loaded.last().map_or(0, |line| line.number);
            let mut lines = loaded.clone();
            self.logs.with(|logs| {
                if let Some(new) = logs.get(&job) {
                    lines.extend(new.range(last + 1..).map(|(_, line)| line.clone()));
                }
            });
            let surplus = lines.len().saturating_sub(LINES_KEPT);
            lines.drain(..surplus);
            lines
        })
    }

    fn newest(self, loaded: &JobView) -> JobView {
        self.jobs.with(|jobs| match jobs.get(&loaded.id) {
            Some(live) if live.version > loaded.version => live.clone(),
            _ => loaded.clone(),
        })
    }

    /// Takes in what the server sent.
    pub fn apply(self, event: Event) {
        match event {
            Event::Snapshot { jobs, targets } => {
                self.jobs
                    .update(|known| jobs.into_iter().for_each(|job| keep(known, job)));
                self.targets.set(
                    targets
                        .into_iter()
                        .map(|target| (target.name.clone(), target))
                        .collect(),
                );
                self.snapshots.update(|count| *count += 1);
            }
            Event::Job { job } => self.jobs.update(|known| keep(known, *job)),
            Event::Log { job, lines } => self.logs.update(|logs| {
                let log = logs.entry(job).or_default();
                log.extend(lines.into_iter().map(|line| (line.number, line)));
                while log.len() > LINES_KEPT {
                    log.pop_first();
                }
            }),
            Event::Target { target } => self
                .targets
                .update(|known| drop(known.insert(target.name.clone(), *target))),
            Event::Pulse { pulse } => self.pulse.set(Some(*pulse)),
        }
    }

    /// Says whether changes arrive.
    #[cfg(feature = "hydrate")]
    pub(super) fn set_connection(self, connection: Connection) {
        if self.connection.get_untracked() != connection {
            self.connection.set(connection);
        }
    }
}

/// Keeps a job unless a newer view of it is known, and forgets the oldest ended job when there are too many.
fn keep(known: &mut HashMap<JobId, JobView>, job: JobView) {
    if known.get(&job.id).is_none_or(|old| old.version < job.version) {
        known.insert(job.id, job);
    }
    if known.len() > JOBS_KEPT {
        let oldest = known
            .values()
            .filter(|job| job.state.is_final())
            .min_by_key(|job| job.created_at)
            .map(|job| job.id);
        if let Some(oldest) = oldest {
            known.remove(&oldest);
        }
    }
}

/// Whether a live view is older than a loaded one. Only reachable servers say when they were looked at.
fn is_older(live: &TargetView, loaded: &TargetView) -> bool {
    match (&live.state, &loaded.state) {
        (TargetState::Up(live), TargetState::Up(loaded)) => live.sampled_at < loaded.sampled_at,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::jobs::{JobKind, JobState, Progress};

    fn job(id: u128, version: i64, state: JobState, seconds: i64) -> JobView {
        JobView {
            id: JobId(uuid::Uuid::from_u128(id)),
            kind: JobKind::Backup,
            title: "Back up ai_pal".into(),
            target: Some("ai_pal".into()),
            state,
            progress: Progress::default(),
            fault: None,
            outcome: None,
            created_by: "ada".into(),
            created_at: contract::Instant::from_timestamp(seconds, 0).unwrap_or_default(),
            started_at: None,
            finished_at: None,
            version,
            waits_for: None,
        }
    }

    #[test]
    fn a_late_older_view_never_replaces_a_newer_one() {
        let mut known = HashMap::new();
        keep(&mut known, job(1, 5, JobState::Succeeded, 0));
        keep(&mut known, job(1, 4, JobState::Running, 0));
        assert_eq!(known[&JobId(uuid::Uuid::from_u128(1))].state, JobState::Succeeded);
    }

    #[test]
    fn a_tab_that_stays_open_forgets_old_ends_and_no_running_job() {
        let mut known = HashMap::new();
        keep(&mut known, job(0, 1, JobState::Running, 0));
        for id in 1..=700 {
            keep(&mut known, job(id, 1, JobState::Succeeded, id as i64));
        }
        assert_eq!(known.len(), JOBS_KEPT);
        assert!(known.contains_key(&JobId(uuid::Uuid::from_u128(0))));
        assert!(!known.contains_key(&JobId(uuid::Uuid::from_u128(1))));
    }
}
