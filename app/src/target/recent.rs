//! What was done lately on a managed database.

use contract::jobs::JobQuery;
use leptos::{either::Either, prelude::*};

use crate::{
    address::escape,
    jobs::{JobTable, api::list_jobs},
    live::use_live,
    ui::{EmptyState, Load},
};

/// The newest jobs that are shown.
const SHOWN: usize = 6;

/// The newest jobs on a managed database, live.
#[component]
pub fn RecentJobs(
    /// The managed database.
    target: String,
) -> impl IntoView {
    let all = format!("/jobs?target={}", escape(&target));
    let name = StoredValue::new(target.clone());
    let live = use_live();
    let page = Resource::new(
        move || target.clone(),
        |target| {
            list_jobs(JobQuery {
                target: Some(target),
                ..JobQuery::default()
            })
        },
    );
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Recent jobs"</h2>
                <span class="sp"></span>
                <a class="chip" href=all>
                    "All"
                </a>
            </div>
            <Load resource=page let:page>
                {
                    let mut loaded = page.jobs;
                    loaded.truncate(SHOWN);
                    let jobs = live.jobs(loaded, move |job| name.with_value(|name| job.target.as_ref() == Some(name)));
                    let newest = Memo::new(move |_| jobs.with(|jobs| jobs.iter().take(SHOWN).cloned().collect::<Vec<_>>()));
                    move || {
                        if newest.with(Vec::is_empty) {
                            Either::Left(
                                view! { <EmptyState title="Nothing done yet" hint="Backups, migrations and optimizations appear here." /> },
                            )
                        } else {
                            Either::Right(view! { <JobTable jobs=newest narrow=true /> })
                        }
                    }
                }
            </Load>
        </section>
    }
}
