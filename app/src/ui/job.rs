//! A job and how far it is.

use contract::{
    format,
    jobs::{JobState, JobView, Step, StepState},
};
use leptos::either::Either;

use super::{FaultView, Icon, ProgressBar, Tone, icons, whole_seconds};
use crate::{address::job_link, clock::use_clock, prelude::*};

/// A job in two lines and a bar, for a list of running ones; the whole of it is a link to its page.
#[component]
pub fn JobLine(
    /// The job, live.
    #[prop(into)]
    job: Signal<JobView>,
) -> impl IntoView {
    view! {
        <a class="job" href=move || job.with(|job| job_link(job.id))>
            <JobHead job />
        </a>
    }
}

/// A job in full: bar, phase, time left, whom it waits for, its named steps, and how it ended.
#[component]
pub fn JobProgress(
    /// The job, live.
    #[prop(into)]
    job: Signal<JobView>,
) -> impl IntoView {
    let steps = Memo::new(move |_| job.with(|job| job.progress.steps.clone()));
    let fault = Memo::new(move |_| job.with(|job| job.fault.clone()));
    view! {
        <div class="job">
            <JobHead job />
        </div>
        {move || fault.get().map(|fault| view! { <FaultView fault /> })}
        {move || {
            let steps = steps.get();
            (!steps.is_empty())
                .then(|| {
                    view! {
                        <div class="cb">
                            <ol class="steps">
                                {steps.into_iter().map(|step| view! { <StepLine step /> }).collect_view()}
                            </ol>
                        </div>
                    }
                })
        }}
    }
}

/// A job in one line, its steps folded behind it, and a bar at the card's edge while it goes on: as high while it goes on as when
/// it is over. Its beginning and end are told to screen readers; what changes each second is not.
#[component]
pub fn JobBrief(
    /// The job, live.
    #[prop(into)]
    job: Signal<JobView>,
) -> impl IntoView {
    let clock = use_clock();
    let steps = Memo::new(move |_| job.with(|job| job.progress.steps.clone()));
    let has_steps = Memo::new(move |_| steps.with(|steps| !steps.is_empty()));
    let state = Memo::new(move |_| job.with(|job| job.state));
    let waits = Memo::new(move |_| job.with(waiting));
    let fraction = Memo::new(move |_| job.with(fraction));
    let title = Signal::derive(move || job.with(|job| job.title.clone()));
    let told = Memo::new(move |_| format!("{}: {}", title.get(), state.get().name()));
    let ago = move || {
        job.with(|job| job.finished_at)
            .map(|at| format!(" · {}", format::ago(at, clock.now())))
    };
    let line = move || {
        view! {
            <span class=move || dot_class(state.get())></span>
            <b>{title}</b>
            {move || match waits.get() {
                Some(words) => Either::Left(view! { <small class="said wait">{words}</small> }),
                None => Either::Right(view! { <small class="said">{move || job.with(|job| below(job, clock.now()))} {ago}</small> }),
            }}
            <span class="muted nowrap">{move || job.with(|job| right(job, fraction.get()))}</span>
        }
    };
    view! {
        {move || {
            if has_steps.get() {
                Either::Left(
                    view! {
                        <details class="brief">
                            <summary>{line()}</summary>
                            <ol class="steps">{move || steps.get().into_iter().map(|step| view! { <StepLine step /> }).collect_view()}</ol>
                        </details>
                    },
                )
            } else {
                Either::Right(view! { <div class="brief">{line()}</div> })
            }
        }}
        <span class="sr-only" role="status">
            {told}
        </span>
        <Show when=move || !state.get().is_final()>
            <ProgressBar fraction label=title tone=Signal::derive(move || tone(state.get())) />
        </Show>
    }
}

/// Title, bar and the line below.
#[component]
fn JobHead(job: Signal<JobView>) -> impl IntoView {
    let clock = use_clock();
    let fraction = Memo::new(move |_| job.with(fraction));
    view! {
        <div class="r">
            <b>{move || job.with(|job| job.title.clone())}</b>
            <span>{move || job.with(|job| right(job, fraction.get()))}</span>
        </div>
        <ProgressBar
            fraction
            label=Signal::derive(move || job.with(|job| job.title.clone()))
            tone=Signal::derive(move || job.with(|job| tone(job.state)))
        />
        {move || {
            match job.with(waiting) {
                Some(words) => Either::Left(view! { <small class="wait">{words}</small> }),
                None => Either::Right(view! { <small>{move || job.with(|job| below(job, clock.now()))}</small> }),
            }
        }}
    }
}

/// How full the bar is.
fn fraction(job: &JobView) -> Option<f64> {
    match job.state {
        JobState::Succeeded => Some(1.0),
        JobState::Running | JobState::Cancelling => job.progress.fraction,
        // What has not begun, or ended early, has no moving bar.
        _ => Some(job.progress.fraction.unwrap_or(0.0)),
    }
}

/// Whom it waits for, if it does.
fn waiting(job: &JobView) -> Option<String> {
    let waiting = job.progress.waiting.as_ref().filter(|_| !job.state.is_final())?;
    Some(format!(
        "Waiting {} for a lock held by pid {} ({})",
        whole_seconds(waiting.seconds * 1000),
        waiting.pid,
        waiting.who,
    ))
}

fn dot_class(state: JobState) -> &'static str {
    match state {
        JobState::Running | JobState::Cancelling => "dot run",
        JobState::Failed => "dot bad",
        JobState::Interrupted => "dot warn",
        JobState::Queued | JobState::Succeeded | JobState::Cancelled => "dot off",
    }
}

fn tone(state: JobState) -> Tone {
    match state {
        JobState::Succeeded => Tone::Ok,
        JobState::Failed => Tone::Bad,
        JobState::Cancelling | JobState::Cancelled | JobState::Interrupted => Tone::Warn,
        JobState::Queued | JobState::Running => Tone::Info,
    }
}

/// What stands on the right of the title.
fn right(job: &JobView, fraction: Option<f64>) -> String {
    match (job.state, fraction) {
        (JobState::Running, _) if job.progress.waiting.is_some() => "waiting".to_owned(),
        (JobState::Running, Some(fraction)) => format::percent(fraction),
        (JobState::Running, None) => "running".to_owned(),
        (state, _) => state.name().to_owned(),
    }
}

/// Phase, detail, time: `Building indexes · idx_audit_event_type · 2 min 4 s · about 2 min left`.
fn below(job: &JobView, now: contract::Instant) -> String {
    let mut parts = Vec::new();
    match job.state {
        JobState::Queued => parts.push(job.turn()),
        JobState::Running | JobState::Cancelling => {
            parts.push(job.progress.phase.label().to_owned());
            parts.extend(job.progress.detail.clone());
        }
        _ => parts.extend(job.outcome.clone()),
    }
    if let Some(ms) = job.duration_ms(now) {
        parts.push(if job.state.is_final() {
            format::duration(ms)
        } else {
            whole_seconds(ms)
        });
    }
    if let Some(eta) = job.progress.eta_s.filter(|_| job.state == JobState::Running) {
        parts.push(format!("about {} left", whole_seconds(eta.max(1) * 1000)));
    }
    parts.join(" · ")
}

/// One named part of a job, or of a chain of work.
#[component]
pub fn StepLine(
    /// The part.
    step: Step,
) -> impl IntoView {
    let icon = match step.state {
        StepState::Done => Some(icons::Done),
        StepState::Failed | StepState::BrokenOff => Some(icons::Close),
        StepState::Skipped => Some(icons::Skipped),
        StepState::Pending | StepState::Running | StepState::NotBegun => None,
    };
    let share = step.fraction.map(format::percent);
    let stands = match step.state {
        StepState::Running => share,
        StepState::BrokenOff => Some(match share {
            Some(share) => format!("broken off at {share}"),
            None => "broken off".to_owned(),
        }),
        StepState::NotBegun => Some("not begun".to_owned()),
        _ => None,
    };
    let parts: Vec<String> = step.detail.into_iter().chain(stands).collect();
    let detail = (!parts.is_empty()).then(|| parts.join(" · "));
    view! {
        <li class=step_class(step.state)>
            <span class="step-icon">{icon.map(|icon| view! { <Icon icon /> })}</span>
            <div>
                <b>{step.name}</b>
                <span class="sr-only">{step_word(step.state)}</span>
                {detail.map(|detail| view! { <small>{detail}</small> })}
            </div>
            <span class="muted">{step.duration_ms.map(format::duration)}</span>
        </li>
    }
}

fn step_class(state: StepState) -> &'static str {
    match state {
        StepState::Pending | StepState::NotBegun => "step pending",
        StepState::Running => "step running",
        StepState::Done => "step done",
        StepState::Skipped | StepState::BrokenOff => "step skipped",
        StepState::Failed => "step failed",
    }
}

fn step_word(state: StepState) -> &'static str {
    match state {
        StepState::Pending => "not yet begun",
        StepState::Running => "running",
        StepState::Done => "done",
        StepState::Skipped => "nothing to do",
        StepState::Failed => "failed",
        StepState::BrokenOff => "broken off",
        StepState::NotBegun => "not begun",
    }
}
