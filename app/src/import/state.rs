//! Where an import is, in a word.

use contract::{
    import::{ImportState, Verdict},
    jobs::{JobKind, JobView},
};

use crate::ui::Tone;

/// The state of an import whose last job is `job`: what the store says of it alone does not tell a load that goes on
/// from one that was interrupted.
pub fn state_words(state: ImportState, job: Option<&JobView>) -> (Tone, &'static str) {
    let going_on = job.is_some_and(|job| !job.state.is_final());
    let kind = job.filter(|_| going_on).map(|job| job.kind);
    match (state, going_on) {
        (ImportState::Ready, _) if kind == Some(JobKind::InspectFile) => (Tone::Info, "Inspecting"),
        (ImportState::Ready, _) if kind == Some(JobKind::RehearseImport) => (Tone::Info, "Rehearsing"),
        (ImportState::Ready, _) if kind == Some(JobKind::Import) => (Tone::Info, "Beginning to load"),
        (ImportState::Loading, _) if kind == Some(JobKind::DiscardImport) => (Tone::Info, "Being discarded"),
        (ImportState::Inspecting, true) => (Tone::Info, "Inspecting"),
        (ImportState::Inspecting, false) => (Tone::Bad, "Not inspected"),
        (ImportState::Ready, _) => (Tone::Info, "Ready to decide"),
        (ImportState::Loading, true) => (Tone::Info, "Loading"),
        (ImportState::Loading, false) => (Tone::Warn, "Interrupted"),
        (ImportState::Done, true) => (Tone::Info, "Bringing over changes"),
        (ImportState::Done, false) => (Tone::Off, "Done"),
    }
}

/// A verdict in a word.
pub fn verdict_words(verdict: Verdict) -> (Tone, &'static str) {
    match verdict {
        Verdict::Identical => (Tone::Ok, "Identical"),
        Verdict::Explained => (Tone::Warn, "Explained"),
        Verdict::Differs => (Tone::Bad, "Differs"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_that_nobody_works_on_is_interrupted() {
        assert_eq!(state_words(ImportState::Loading, None).1, "Interrupted");
        assert_eq!(state_words(ImportState::Inspecting, None).1, "Not inspected");
        assert_eq!(state_words(ImportState::Ready, None).1, "Ready to decide");
    }
}
