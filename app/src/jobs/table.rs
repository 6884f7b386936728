//! Jobs as a table.

use contract::{
    format,
    jobs::{JobKind, JobState, JobView},
};

use crate::{
    address::job_link,
    clock::use_clock,
    prelude::*,
    ui::{Ago, JobBadge, ProgressBar, whole_seconds},
};

/// Jobs, one a row, with a bar in the running ones.
#[component]
pub fn JobTable(
    /// The jobs, live.
    jobs: Memo<Vec<JobView>>,
    /// Whether there is little room: the columns that the page itself implies are left out.
    #[prop(optional)]
    narrow: bool,
) -> impl IntoView {
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label="Jobs">
            <table class="table fold">
                <thead>
                    <tr>
                        <th scope="col">"Job"</th>
                        <th scope="col">"State"</th>
                        {(!narrow).then(|| view! { <th scope="col" class="hide-s">"Database"</th> })}
                        <th scope="col" class="hide-s">
                            "By"
                        </th>
                        <th scope="col">"Started"</th>
                        <th scope="col" class="num hide-s">
                            "Took"
                        </th>
                    </tr>
                </thead>
                <tbody>
                    <For each=move || jobs.get() key=|job| job.id let:first>
                        {
                            let id = first.id;
                            let job = Memo::new(move |_| {
                                jobs.with(|jobs| jobs.iter().find(|job| job.id == id).cloned()).unwrap_or_else(|| first.clone())
                            });
                            view! { <JobRow job narrow /> }
                        }
                    </For>
                </tbody>
            </table>
        </div>
    }
}

#[component]
fn JobRow(job: Memo<JobView>, narrow: bool) -> impl IntoView {
    let clock = use_clock();
    let state = Memo::new(move |_| job.with(|job| job.state));
    let took = move || {
        job.with(|job| job.duration_ms(clock.now())).map(|ms| {
            if state.get().is_final() {
                format::duration(ms)
            } else {
                whole_seconds(ms)
            }
        })
    };
    let below = move || {
        job.with(|job| match job.state {
            JobState::Queued => job.waits_for.as_ref().map(|_| job.turn()),
            JobState::Running | JobState::Cancelling => Some(job.progress.phase.label().to_owned()),
            JobState::Failed | JobState::Interrupted => job.fault.as_ref().map(|fault| fault.message.clone()),
            _ => job.outcome.clone(),
        })
    };
    view! {
        <tr>
            <td class="wrap">
                <a href=move || job.with(|job| job_link(job.id))>
                    {move || job.with(|job| job.title.clone())}
                </a>
                {move || below().map(|text| view! { <div class="muted small">{text}</div> })}
            </td>
            <td>
                <JobBadge state />
                <Show when=move || state.get() == JobState::Running>
                    <ProgressBar
                        fraction=Signal::derive(move || job.with(|job| job.progress.fraction))
                        label=Signal::derive(move || job.with(|job| job.title.clone()))
                    />
                </Show>
            </td>
            {(!narrow).then(|| view! { <td class="hide-s">{move || job.with(|job| job.target.clone())}</td> })}
            <td class="hide-s">{move || job.with(|job| job.created_by.clone())}</td>
            <td>
                <Ago at=Signal::derive(move || job.with(|job| job.created_at)) />
            </td>
            <td class="num hide-s">{took}</td>
        </tr>
    }
}

/// The kind of work in words.
pub fn kind_name(kind: JobKind) -> &'static str {
    match kind {
        JobKind::Migrate => "Migrate",
        JobKind::Optimize => "Optimize",
        JobKind::Backup => "Back up",
        JobKind::VerifyBackup => "Verify backup",
        JobKind::Restore => "Restore",
        JobKind::AddBackup => "Add archive",
        JobKind::PruneBackups => "Remove old backups",
        JobKind::InspectFile => "Look at file",
        JobKind::RehearseImport => "Rehearse import",
        JobKind::Import => "Import",
        JobKind::DiscardImport => "Discard import",
        JobKind::Swap => "Swap databases",
        JobKind::DropDatabase => "Drop database",
        JobKind::RestoreLive => "Restore into live",
        JobKind::Test => "Test",
    }
}
