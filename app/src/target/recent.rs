//! What was done lately on a managed database.

use contract::jobs::JobPage;
use leptos::either::Either;

use crate::{
    address::escape,
    jobs::JobTable,
    live::use_live,
    prelude::*,
    rpc::ApiError,
    ui::{EmptyState, Load},
};

/// The newest jobs that are shown.
const SHOWN: usize = 6;

/// The newest jobs on a managed database, live.
#[component]
pub fn RecentJobs(
    /// The managed database.
    target: String,
    /// Its newest jobs.
    jobs: Resource<Result<JobPage, ApiError>>,
) -> impl IntoView {
    let all = format!("/jobs?target={}", escape(&target));
    let name = StoredValue::new(target);
    let live = use_live();
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Recent jobs"</h2>
                <span class="sp"></span>
                <a class="chip" href=all>
                    "All"
                </a>
            </div>
            <Load resource=jobs let:page>
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
