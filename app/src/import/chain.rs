//! The five steps of an import, and how far it is.

use contract::{
    import::{ImportState, Verdict},
    jobs::{JobKind, JobState, JobView, Phase, Step, StepState},
};

use super::choices::Choices;
use crate::{prelude::*, ui::StepLine};

/// Inspect, decide, rehearse, load, proof: side by side, each with its state in words.
#[component]
pub fn Chain(
    /// Where the import is.
    state: ImportState,
    /// What came out, once it is done.
    verdict: Option<Verdict>,
    /// Its last job.
    job: Memo<Option<JobView>>,
    /// What is decided in the page.
    choices: Choices,
    /// Whether the file was looked at.
    inspected: bool,
    /// Of the last rehearsal: whether nothing stood in the way, and whether it was for what is saved.
    rehearsed: Option<(bool, bool)>,
) -> impl IntoView {
    let steps = move || {
        let job = job.with(|job| job.as_ref().map(|job| (job.kind, job.state, job.progress.phase)));
        let changed = choices.is_changed();
        let rehearsed = rehearsed.map(|(free, current)| (free, current && !changed));
        steps(state, verdict, job, inspected, changed, rehearsed)
            .into_iter()
            .map(|step| view! { <StepLine step /> })
            .collect_view()
    };
    view! {
        <section class="card" aria-label="Steps">
            <ol class="chain">{steps}</ol>
        </section>
    }
}

fn steps(
    state: ImportState,
    verdict: Option<Verdict>,
    job: Option<(JobKind, JobState, Phase)>,
    inspected: bool,
    changed: bool,
    rehearsed: Option<(bool, bool)>,
) -> [Step; 5] {
    let at_work = job.filter(|(_, job, _)| !job.is_final());
    let running = |kind| at_work.is_some_and(|(it, ..)| it == kind);
    let verifying = at_work.is_some_and(|(_, _, phase)| phase == Phase::Verifying);
    let begun = matches!(state, ImportState::Loading | ImportState::Done);
    let inspect = match (inspected, running(JobKind::InspectFile), job) {
        (_, true, _) => (StepState::Running, "reading every value"),
        (true, ..) => (StepState::Done, "every value was read"),
        (_, _, Some((_, JobState::Cancelled, _))) => (StepState::Failed, "cancelled"),
        _ => (StepState::Failed, "the file could not be read"),
    };
    let decide = match (begun, inspected, changed) {
        (true, ..) => (StepState::Done, "decided"),
        (_, false, _) => (StepState::Pending, ""),
        (_, _, true) => (StepState::Running, "not yet rehearsed"),
        (_, _, false) => (StepState::Running, "as saved"),
    };
    let rehearse = match (begun, rehearsed) {
        (true, _) => (StepState::Done, "rehearsed"),
        _ if running(JobKind::RehearseImport) => (StepState::Running, "every statement, rolled back"),
        (_, Some((_, false))) => (StepState::Pending, "to be done again"),
        (_, Some((true, _))) => (StepState::Done, "nothing in the way"),
        (_, Some(_)) => (StepState::Failed, "something is in the way"),
        (_, None) => (StepState::Pending, "every statement, rolled back"),
    };
    let load = match (state, running(JobKind::Import)) {
        (_, true) if verifying => (StepState::Done, "loaded"),
        (ImportState::Done, true) => (StepState::Running, "bringing over changes"),
        (ImportState::Done, false) => (StepState::Done, "loaded"),
        (_, true) => (StepState::Running, "rows on their way"),
        (ImportState::Loading, false) if running(JobKind::DiscardImport) => {
            (StepState::Running, "being discarded")
        }
        (ImportState::Loading, false) => (StepState::Failed, "interrupted"),
        _ => (StepState::Pending, "nothing in the target yet"),
    };
    let proof = match verdict.filter(|_| state == ImportState::Done) {
        _ if verifying => (StepState::Running, "reading back and comparing"),
        Some(Verdict::Identical) => (StepState::Done, "identical"),
        Some(Verdict::Explained) => (StepState::Done, "explained"),
        Some(Verdict::Differs) => (StepState::Failed, "differs"),
        None => (StepState::Pending, "read back and compared"),
    };
    let names = ["1 Inspect", "2 Decide", "3 Rehearse", "4 Load", "5 Proof"];
    let mut states = [inspect, decide, rehearse, load, proof].into_iter();
    names.map(|name| {
        let (state, words) = states.next().unwrap_or((StepState::Pending, ""));
        Step {
            name: name.to_owned(),
            state,
            detail: (!words.is_empty()).then(|| words.to_owned()),
            fraction: None,
            duration_ms: None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(
        state: ImportState,
        verdict: Option<Verdict>,
        job: Option<(JobKind, JobState, Phase)>,
        inspected: bool,
    ) -> [StepState; 5] {
        steps(state, verdict, job, inspected, false, None).map(|step| step.state)
    }

    #[test]
    fn each_step_says_where_the_import_is() {
        use StepState::{Done, Failed, Pending, Running};
        let looking = |state| Some((JobKind::InspectFile, state, Phase::Inspecting));
        let loading = |state, phase| Some((JobKind::Import, state, phase));
        let (begun, ended) = (JobState::Running, JobState::Interrupted);
        assert_eq!(
            states(ImportState::Inspecting, None, looking(begun), false),
            [Running, Pending, Pending, Pending, Pending]
        );
        assert_eq!(
            states(ImportState::Inspecting, None, looking(ended), false),
            [Failed, Pending, Pending, Pending, Pending]
        );
        assert_eq!(
            states(ImportState::Ready, None, None, true),
            [Done, Running, Pending, Pending, Pending]
        );
        let rehearsing = Some((JobKind::RehearseImport, begun, Phase::Rehearsing));
        assert_eq!(
            states(ImportState::Ready, None, rehearsing, true),
            [Done, Running, Running, Pending, Pending]
        );
        assert_eq!(
            states(ImportState::Loading, None, loading(begun, Phase::Loading), true),
            [Done, Done, Done, Running, Pending]
        );
        assert_eq!(
            states(ImportState::Loading, None, loading(begun, Phase::Verifying), true),
            [Done, Done, Done, Done, Running]
        );
        assert_eq!(
            states(ImportState::Loading, None, loading(ended, Phase::Loading), true),
            [Done, Done, Done, Failed, Pending]
        );
        assert_eq!(
            states(
                ImportState::Done,
                Some(Verdict::Differs),
                loading(JobState::Succeeded, Phase::Done),
                true
            ),
            [Done, Done, Done, Done, Failed]
        );
    }
}
