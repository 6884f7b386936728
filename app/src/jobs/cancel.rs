//! Cancelling a job.

use contract::jobs::{JobId, JobState, JobView};

use super::api::cancel_job;
use crate::{
    prelude::*,
    rpc::ApiError,
    ui::{ConfirmDialog, needs_script, use_toasts},
};

/// A button that asks before it cancels. A job can be started again, so no name is asked for.
#[component]
pub fn CancelJob(
    /// The job, live.
    job: Memo<JobView>,
    /// Whether the button is a small one, for a line.
    #[prop(optional)]
    small: bool,
) -> impl IntoView {
    let open = RwSignal::new(false);
    needs_script("Cancel job…");
    let toasts = use_toasts();
    let cancel = Action::new(|id: &JobId| cancel_job(*id));
    let fault = Signal::derive(move || match cancel.value().get() {
        Some(Err(ApiError(fault))) => Some(fault),
        _ => None,
    });
    Effect::new(move || {
        if let Some(Ok(job)) = cancel.value().get() {
            open.set(false);
            toasts.ok(if job.state == JobState::Cancelled {
                "Cancelled."
            } else {
                "Cancelling: the job cleans up first."
            });
        }
    });
    let stopping = move || job.with(|job| job.state == JobState::Cancelling);
    view! {
        <button class=if small { "btn sm dan" } else { "btn dan" } type="button" aria-disabled=move || stopping().then_some("true") on:click=move |_| open.set(true)>
            {move || if stopping() { "Cancelling…" } else { "Cancel job…" }}
        </button>
        <ConfirmDialog
            open
            title=Signal::derive(move || job.with(|job| format!("Cancel “{}”?", job.title)))
            name=""
            act="Cancel job"
            keep="Let it run"
            pending=cancel.pending()
            fault
            on_confirm=Callback::new(move |_| {
                cancel.dispatch(job.with_untracked(|job| job.id));
            })
        >
            <p>"What runs in the database is stopped and what is half done is removed, within about ten seconds. What is already whole stays."</p>
        </ConfirmDialog>
    }
}
