//! One job.

use contract::{
    Code, Fault,
    jobs::{JobDetail, JobId, JobView},
    session::Permission,
};
use leptos_router::hooks::use_params_map;

use super::{api::view_job, cancel::CancelJob, log::LogCard};
use crate::{
    address::{job_link, link},
    live::use_live,
    prelude::*,
    rpc::ApiError,
    session::use_may,
    ui::{Ago, At, Duration, JobBadge, JobProgress, Load, PageHead, load_by},
};

/// One job: how far, its steps, its log, how it ended.
#[component]
pub fn JobPage() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|params| params.get("id").unwrap_or_default()));
    let live = use_live();
    let detail = load_by(id, |id| async move {
        match id.parse::<JobId>() {
            Ok(id) => view_job(id).await,
            Err(_) => Err(ApiError(
                Fault::new(Code::NotFound, format!("There is no job \"{id}\"."))
                    .hint("Look for it on the Jobs page."),
            )),
        }
    });
    // After a gap in the stream lines may be missing: load them again. The first snapshot ends no gap.
    Effect::new(move |before: Option<u32>| {
        let snapshots = live.snapshots();
        if before.is_some_and(|before| before > 0 && snapshots > before) {
            detail.refetch();
        }
        snapshots
    });
    view! {
        <Load resource=detail main=true let:detail>
            <Detail detail />
        </Load>
    }
}

#[component]
fn Detail(detail: JobDetail) -> impl IntoView {
    let live = use_live();
    let id = detail.job.id;
    let job = live.job(detail.job);
    let lines = live.log(id, detail.log);
    let state = Memo::new(move |_| job.with(|job| job.state));
    let may_cancel = use_may(Permission::CancelJob);
    let facts = move || {
        view! {
            <JobBadge state />
            " asked for by "
            {move || job.with(|job| job.created_by.clone())}
            " "
            <Ago at=Signal::derive(move || job.with(|job| job.created_at)) />
        }
    };
    view! {
        <PageHead title=Signal::derive(move || job.with(|job| job.title.clone())) facts up=("Jobs", "/jobs".to_owned())>
            <Show when=move || may_cancel && !state.get().is_final()>
                <CancelJob job />
            </Show>
        </PageHead>
        <div class="cols">
            <div class="stack">
                <section class="card" aria-label="Progress">
                    <JobProgress job />
                </section>
                <LogCard lines running=Signal::derive(move || !state.get().is_final()) file=format!("job-{id}.log.csv") />
            </div>
            <div class="stack">
                <section class="card">
                    <div class="ch">
                        <h2>"Facts"</h2>
                    </div>
                    <div class="cb">
                        <Facts job />
                    </div>
                </section>
            </div>
        </div>
    }
}

#[component]
fn Facts(job: Memo<JobView>) -> impl IntoView {
    view! {
        {move || {
            let job = job.get();
            let took = match (job.started_at, job.finished_at) {
                (Some(start), Some(end)) => Some((end - start).num_milliseconds()),
                _ => None,
            };
            view! {
                <dl class="kv">
                    {job
                        .target
                        .map(|target| {
                            view! {
                                <dt>"Database"</dt>
                                <dd>
                                    <a class="link" href=link(&target, "")>
                                        {target.clone()}
                                    </a>
                                </dd>
                            }
                        })}
                    {job
                        .waits_for
                        .map(|other| {
                            view! {
                                <dt>"Waits for"</dt>
                                <dd class="wrap">
                                    <a class="link" href=job_link(other.id)>
                                        {other.title}
                                    </a>
                                    " "
                                    <span class="mono">{other.id.to_string()}</span>
                                </dd>
                            }
                        })}
                    <dt>"Asked for"</dt>
                    <dd>
                        <At at=job.created_at />
                    </dd>
                    {job.started_at.map(|at| view! { <dt>"Begun"</dt><dd><At at /></dd> })}
                    {job.finished_at.map(|at| view! { <dt>"Ended"</dt><dd><At at /></dd> })}
                    {took.map(|ms| view! { <dt>"Took"</dt><dd><Duration ms /></dd> })}
                    <dt>"By"</dt>
                    <dd>{job.created_by}</dd>
                    <dt>"Id"</dt>
                    <dd class="mono">{job.id.to_string()}</dd>
                </dl>
            }
        }}
    }
}
