//! The job that a page is about, shown on that page.

use contract::{
    jobs::{JobKind, JobQuery, JobState, JobView},
    session::Permission,
};
use leptos::prelude::*;

use super::{api::list_jobs, cancel::CancelJob};
use crate::{
    address::job_link,
    live::use_live,
    rpc::ApiError,
    session::use_may,
    ui::{FaultView, JobProgress},
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

/// The newest job of some kinds on a managed database: while it goes on, when it ended on this page's watch, and when it
/// ended badly. Nothing otherwise.
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
    let page = Resource::new(
        move || (target.get(), work.started.get()),
        |(target, _)| {
            list_jobs(JobQuery {
                target: Some(target),
                ..JobQuery::default()
            })
        },
    );
    view! {
        <Transition fallback=|| ()>
            {move || Suspend::new(async move {
                match page.await {
                    Ok(page) => {
                        let jobs = page.jobs.into_iter().filter(|job| kinds.contains(&job.kind)).collect();
                        view! { <Newest loaded=jobs target=target.get_untracked() kinds work ended /> }.into_any()
                    }
                    Err(ApiError(fault)) => view! { <FaultView fault /> }.into_any(),
                }
            })}
        </Transition>
    }
    .into_any()
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
    let shown = Memo::new(move |before: Option<&Option<JobView>>| {
        jobs.with(|jobs| choose(jobs, before.and_then(Option::as_ref)).cloned())
    });
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
        id.get()?;
        let first = shown.get_untracked()?;
        let job = Memo::new(move |_| shown.get().unwrap_or_else(|| first.clone()));
        Some(job_card(job, may_cancel))
    }
}

/// A job as a card: how far it is, a way to cancel it, and the link to all of it.
pub(crate) fn job_card(job: Memo<JobView>, may_cancel: bool) -> AnyView {
    let running = Memo::new(move |_| job.with(|job| !job.state.is_final()));
    let view = view! {
            <section class="card" aria-label="Job">
                <div class="ch">
                    <h2>{move || if running.get() { "Going on" } else { "Last run" }}</h2>
                    <span class="sp"></span>
                    <Show when=move || may_cancel && running.get()>
                        <CancelJob job />
                    </Show>
                    <a class="chip" href=move || job.with(|job| job_link(job.id))>
                        "Job and log"
                    </a>
                </div>
                <JobProgress job />
            </section>
    };
    view.into_any()
}

/// The job to show: the one going on, else the one that was shown before, else the newest if it ended badly.
fn choose<'a>(jobs: &'a [JobView], before: Option<&JobView>) -> Option<&'a JobView> {
    let badly = |job: &&JobView| matches!(job.state, JobState::Failed | JobState::Interrupted);
    jobs.iter()
        .find(|job| !job.state.is_final())
        .or_else(|| {
            jobs.first()
                .filter(|job| before.is_some_and(|before| before.id == job.id))
        })
        .or_else(|| jobs.first().filter(badly))
}

#[cfg(test)]
mod tests {
    use contract::jobs::{JobId, Progress};

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
        }
    }

    #[test]
    fn a_page_shows_what_goes_on_what_it_saw_end_and_what_went_wrong() {
        let good = job(1, JobState::Succeeded);
        assert_eq!(choose(&[], None), None);
        assert_eq!(
            choose(std::slice::from_ref(&good), None),
            None,
            "an old success is no news"
        );
        assert_eq!(
            choose(std::slice::from_ref(&good), Some(&good)),
            Some(&good),
            "one that ended on this page's watch is"
        );
        let jobs = [
            job(3, JobState::Succeeded),
            job(2, JobState::Running),
            job(1, JobState::Failed),
        ];
        assert_eq!(choose(&jobs, Some(&good)), Some(&jobs[1]));
        let jobs = [job(2, JobState::Failed), job(1, JobState::Succeeded)];
        assert_eq!(choose(&jobs, None), Some(&jobs[0]));
        let jobs = [job(2, JobState::Succeeded), job(1, JobState::Failed)];
        assert_eq!(
            choose(&jobs, None),
            None,
            "a failure that was made good is no news"
        );
    }
}
