//! All jobs.

use contract::jobs::{JobKind, JobPage as Page, JobQuery, JobState, JobView};
use leptos::either::Either;

use super::{
    api::list_jobs,
    table::{JobTable, kind_name},
};
use crate::{
    address::{use_here, use_query, use_typed_query},
    frame::use_target_names,
    live::use_live,
    prelude::*,
    ui::{CsvButton, EmptyState, FilterSelect, Load, PageHead, SearchBox, at_hand, load_by},
};

/// All jobs, newest first, live; the filters are in the URL.
#[component]
pub fn JobsPage() -> impl IntoView {
    let (target, kind, state) = (
        use_query("target"),
        use_typed_query("kind"),
        use_typed_query("state"),
    );
    let before = use_typed_query("before");
    let query = Memo::new(move |_| JobQuery {
        target: target.get(),
        kind: kind.get(),
        state: state.get(),
        before: before.get(),
    });
    let page = load_by(query, list_jobs);
    let filtered = Memo::new(move |_| query.with(|query| *query != JobQuery::default()));
    let rows = Callback::new(move |()| match at_hand(page) {
        Some(Ok(page)) => page.jobs.iter().map(csv_row).collect(),
        _ => Vec::new(),
    });
    let targets: Vec<_> = use_target_names()
        .into_iter()
        .map(|name| (name.clone(), name))
        .collect();
    let kinds: Vec<_> = JobKind::ALL
        .into_iter()
        .filter(|kind| *kind != JobKind::Test)
        .map(|kind| (kind.name().to_owned(), kind_name(kind).to_owned()))
        .collect();
    let states: Vec<_> = JobState::ALL
        .into_iter()
        .map(|state| (state.name().to_owned(), state.name().to_owned()))
        .collect();
    view! {
        <PageHead title="Jobs" facts=|| "Work that goes on whether or not this page is open.">
            <CsvButton
                file="jobs.csv"
                columns=&["id", "kind", "title", "target", "state", "created_by", "created_at", "started_at", "finished_at", "outcome"]
                rows
            />
        </PageHead>
        <section class="card">
            <SearchBox placeholder="" text=false own=&["target", "kind", "state", "before"]>
                <FilterSelect key="target" label="Database" choices=targets />
                <FilterSelect key="kind" label="Kind" choices=kinds />
                <FilterSelect key="state" label="State" choices=states />
            </SearchBox>
            <Load resource=page main=true let:page>
                <Rows page query=query.get_untracked() filtered=filtered.get_untracked() />
            </Load>
        </section>
    }
}

#[component]
fn Rows(page: Page, query: JobQuery, filtered: bool) -> impl IntoView {
    let here = use_here();
    let next = page.next;
    let newer = query.before.is_some();
    let jobs = use_live().jobs(page.jobs, move |job| belongs(job, &query));
    view! {
        {move || {
            if !jobs.with(Vec::is_empty) {
                Either::Left(view! { <JobTable jobs /> })
            } else if filtered {
                Either::Right(
                    Either::Left(
                        view! {
                            <EmptyState title="No such job" hint="No job fits these filters.">
                                <a class="btn" href="/jobs">
                                    "Show all jobs"
                                </a>
                            </EmptyState>
                        },
                    ),
                )
            } else {
                Either::Right(
                    Either::Right(
                        view! {
                            <EmptyState title="No job yet" hint="Backups, migrations and optimizations run as jobs and stay here with their logs." />
                        },
                    ),
                )
            }
        }}
        {(newer || next.is_some())
            .then(|| {
                let first = here.clone();
                view! {
                    <nav class="pager" aria-label="Pages">
                        <span class="sp"></span>
                        {newer.then(|| view! { <a class="btn sm" href=move || first.with(&[("before", None)])>"Newest"</a> })}
                        {next
                            .map(|next| {
                                view! {
                                    <a class="btn sm" rel="next" href=move || here.with(&[("before", Some(next.to_string()))])>
                                        "Older"
                                    </a>
                                }
                            })}
                    </nav>
                }
            })}
    }
}

/// Whether a job that begins while the page is open belongs to the list shown: only to its newest page.
fn belongs(job: &JobView, query: &JobQuery) -> bool {
    query.before.is_none()
        && query
            .target
            .as_ref()
            .is_none_or(|target| job.target.as_ref() == Some(target))
        && query.kind.is_none_or(|kind| job.kind == kind)
        && query.state.is_none_or(|state| job.state == state)
}

fn csv_row(job: &JobView) -> Vec<String> {
    let at = |at: Option<contract::Instant>| at.map(contract::format::absolute).unwrap_or_default();
    vec![
        job.id.to_string(),
        job.kind.name().to_owned(),
        job.title.clone(),
        job.target.clone().unwrap_or_default(),
        job.state.name().to_owned(),
        job.created_by.clone(),
        at(Some(job.created_at)),
        at(job.started_at),
        at(job.finished_at),
        job.outcome.clone().unwrap_or_default(),
    ]
}
