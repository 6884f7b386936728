//! The state of a thing in one word.

use crate::prelude::*;
use contract::jobs::JobState;
use serde::{Deserialize, Serialize};

/// What a colour means. Colour is used for state alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tone {
    /// As it should be.
    Ok,
    /// Needs a look.
    Warn,
    /// Broken.
    Bad,
    /// Going on, or good to know.
    Info,
    /// Neither.
    Off,
}

impl Tone {
    fn badge_class(self) -> &'static str {
        match self {
            Self::Ok => "badge ok",
            Self::Warn => "badge warn",
            Self::Bad => "badge bad",
            Self::Info => "badge info",
            Self::Off => "badge off",
        }
    }
}

/// A state in one word.
#[component]
pub fn Badge(
    /// The colour.
    #[prop(into)]
    tone: Signal<Tone>,
    /// The word.
    #[prop(into)]
    text: Signal<String>,
) -> impl IntoView {
    view! { <span class=move || tone.get().badge_class()>{move || text.get()}</span> }
}

/// The state of a job.
#[component]
pub fn JobBadge(
    /// The state.
    #[prop(into)]
    state: Signal<JobState>,
) -> impl IntoView {
    view! {
        <Badge tone=Signal::derive(move || tone(state.get())) text=Signal::derive(move || word(state.get()).to_owned()) />
    }
}

fn tone(state: JobState) -> Tone {
    match state {
        JobState::Queued | JobState::Cancelled => Tone::Off,
        JobState::Running => Tone::Info,
        JobState::Cancelling | JobState::Interrupted => Tone::Warn,
        JobState::Succeeded => Tone::Ok,
        JobState::Failed => Tone::Bad,
    }
}

fn word(state: JobState) -> &'static str {
    match state {
        JobState::Queued => "Queued",
        JobState::Running => "Running",
        JobState::Cancelling => "Cancelling",
        JobState::Succeeded => "Succeeded",
        JobState::Failed => "Failed",
        JobState::Cancelled => "Cancelled",
        JobState::Interrupted => "Interrupted",
    }
}
