//! The job that a page is about, shown on that page.

use contract::{
    jobs::{JobKind, JobQuery, JobView},
    session::Permission,
};

use super::{api::list_jobs, cancel::CancelJob};
use crate::{
    address::job_link,
    live::use_live,
    prelude::*,
    rpc::ApiError,
    session::use_may,
    ui::{FaultView, JobBrief, load_by, retry_on_reconnect},
};

/// What a page and the job on it tell each other.
#[derive(Clone, Copy)]
pub struct Work {
    /// Counted up by the page when it has started a job: the list of jobs is loaded again, should the stream be away.
    started: RwSignal<u32>,
    /// Whether a job is going on; false until the browser has taken over.
    busy: RwSignal<bool>,
}

impl Default for Work {
    /// Nothing going on yet.
    fn default() -> Self {
        Self {
            started: RwSignal::new(0),
            busy: RwSignal::new(false),
        }
    }
}

impl Work {
    /// To be called when the page has started a job.
    pub fn begin(self) {
        self.busy.set(true);
        self.started.update(|count| *count += 1);
    }

    /// Whether a job is going on.
    pub fn is_busy(self) -> bool {
        self.busy.get()
    }
}

/// The job of some kinds that is going on on a managed database, else the newest: one line in a place of its own, which is there
/// before anything has run, so that a job that begins or ends moves nothing on the page.
#[component]
pub fn CurrentJob(
    /// The managed database.
    #[prop(into)]
    target: Signal<String>,
    /// The kinds of job that the page is about.
    kinds: &'static [JobKind],
    /// What the page and the job tell each other.
    work: Work,
    /// Called when a job ended while the page was open.
    ended: Callback<()>,
) -> impl IntoView {
    let page = load_by(
        Memo::new(move |_| (target.get(), work.started.get())),
        |(target, _)| {
            list_jobs(JobQuery {
                target: Some(target),
                ..JobQuery::default()
            })
        },
    );
    view! {
        <Transition fallback=|| place("Loading…".to_owned())>
            {move || Suspend::new(async move {
                match page.await {
                    Ok(page) => {
                        let jobs = page.jobs.into_iter().filter(|job| kinds.contains(&job.kind)).collect();
                        view! { <Newest loaded=jobs target=target.get_untracked() kinds work ended /> }
                    }
                    Err(ApiError(fault)) => {
                        retry_on_reconnect(page, fault.code);
                        place(format!("What runs here is not known. {}", fault.message))
                    }
                }
            })}
        </Transition>
    }
}

#[component]
fn Newest(
    loaded: Vec<JobView>,
    target: String,
    kinds: &'static [JobKind],
    work: Work,
    ended: Callback<()>,
) -> impl IntoView {
    let belongs =
        move |job: &JobView| kinds.contains(&job.kind) && job.target.as_deref() == Some(target.as_str());
    let jobs = use_live().jobs(loaded, belongs);
    let shown = Memo::new(move |_| jobs.with(|jobs| choose(jobs).cloned()));
    let id = Memo::new(move |_| shown.with(|job| job.as_ref().map(|job| job.id)));
    let running = Memo::new(move |_| shown.with(|job| job.as_ref().is_some_and(|job| !job.state.is_final())));
    Effect::new(move |was: Option<bool>| {
        let is = running.get();
        work.busy.set(is);
        if was == Some(true) && !is {
            ended.run(());
        }
        is
    });
    let may_cancel = use_may(Permission::CancelJob);
    move || {
        // Read, since a memo that is tracked alone is never made up.
        match id.get().and_then(|_| shown.get_untracked()) {
            Some(first) => {
                let job = Memo::new(move |_| shown.get().unwrap_or_else(|| first.clone()));
                job_card(job, may_cancel)
            }
            None => place("Nothing has run yet.".to_owned()),
        }
    }
}

/// The place of a job that is not there.
fn place(words: String) -> AnyView {
    view! {
        <section class="card jobcard" aria-label="Job">
            <div class="brief">
                <span class="dot off"></span>
                <small class="said">{words}</small>
            </div>
        </section>
    }
}

/// A job as a card: how far it is, a way to cancel it, the link to all of it, and why it failed.
pub(crate) fn job_card(job: Memo<JobView>, may_cancel: bool) -> AnyView {
    let running = Memo::new(move |_| job.with(|job| !job.state.is_final()));
    let fault = Memo::new(move |_| job.with(|job| job.fault.clone()));
    view! {
        <section class="card jobcard" aria-label="Job">
            <h2 class="sr-only">{move || if running.get() { "Running" } else { "Last run" }}</h2>
            <JobBrief job />
            <div class="row">
                <Show when=move || may_cancel && running.get()>
                    <CancelJob job small=true />
                </Show>
                <a class="link" href=move || job.with(|job| job_link(job.id))>
                    "Job and log"
                </a>
                {move || {
                    let other = job.with(|job| job.waits_for.clone())?;
                    Some(view! { <a class="link" href=job_link(other.id)>"The job it waits for"</a> })
                }}
            </div>
            {move || fault.get().map(|fault| view! { <FaultView fault /> })}
        </section>
    }
}

/// The job to show: the one going on, else the newest.
fn choose(jobs: &[JobView]) -> Option<&JobView> {
    jobs.iter().find(|job| !job.state.is_final()).or(jobs.first())
}

#[cfg(test)]
mod tests {
    use contract::jobs::{JobId, JobState, Progress};

    use super::*;

    fn job(id: u128, state: JobState) -> JobView {
        JobView {
            id: JobId(uuid::Uuid::from_u128(id)),
            kind: JobKind::Migrate,
            title: "Migrate ai_pal".into(),
            target: Some("ai_pal".into()),
            state,
            progress: Progress::default(),
            fault: None,
            outcome: None,
            created_by: "ada".into(),
            created_at: contract::Instant::default(),
            started_at: None,
            finished_at: None,
            version: 1,
            waits_for: None,
        }
    }

    #[test]
    fn a_page_shows_what_goes_on_and_else_what_came_last() {
        assert_eq!(choose(&[]), None);
        let jobs = [
            job(3, JobState::Succeeded),
            job(2, JobState::Running),
            job(1, JobState::Failed),
        ];
        assert_eq!(choose(&jobs), Some(&jobs[1]));
        let jobs = [job(2, JobState::Succeeded), job(1, JobState::Failed)];
        assert_eq!(
            choose(&jobs),
            Some(&jobs[0]),
            "a failure that was made good is no news"
        );
        let jobs = [job(2, JobState::Failed), job(1, JobState::Succeeded)];
        assert_eq!(choose(&jobs), Some(&jobs[0]));
    }
}
