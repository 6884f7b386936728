//! What is being done on a managed database now.

use contract::jobs::{JobPage, JobView};
use leptos::either::Either;

use crate::{
    live::use_live,
    prelude::*,
    rpc::ApiError,
    ui::{EmptyState, JobLine, Load},
};

/// The jobs that run or wait, live.
#[component]
pub(super) fn Running(
    /// The managed database.
    target: String,
    /// Its newest jobs.
    jobs: Resource<Result<JobPage, ApiError>>,
) -> impl IntoView {
    let name = StoredValue::new(target);
    let live = use_live();
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Running"</h2>
            </div>
            <Load resource=jobs let:page>
                {
                    let jobs = live.jobs(page.jobs, move |job| name.with_value(|name| job.target.as_ref() == Some(name)));
                    let going = Memo::new(move |_| jobs.with(|jobs| jobs.iter().filter(|job| !job.state.is_final()).cloned().collect::<Vec<_>>()));
                    move || {
                        if going.with(Vec::is_empty) {
                            Either::Left(view! { <EmptyState title="Nothing runs" hint="Jobs appear here as they begin." /> })
                        } else {
                            Either::Right(
                                view! {
                                    <For each=move || going.get() key=|job| job.id let:first>
                                        <Line first going />
                                    </For>
                                },
                            )
                        }
                    }
                }
            </Load>
        </section>
    }
}

#[component]
fn Line(first: JobView, going: Memo<Vec<JobView>>) -> impl IntoView {
    let id = first.id;
    let job = Memo::new(move |_| {
        going
            .with(|jobs| jobs.iter().find(|job| job.id == id).cloned())
            .unwrap_or_else(|| first.clone())
    });
    view! { <JobLine job /> }
}
