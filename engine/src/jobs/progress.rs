//! Progress that never goes back, and a guess of the time to go that is shown only when it is worth something.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use contract::jobs::{JobState, Progress, StepState};

/// The rate is measured over this span (field practice: 30 to 60 s).
const WINDOW: Duration = Duration::from_secs(60);
/// No guess before this share and this time.
const FIRST_SHARE: f64 = 0.05;
/// See `FIRST_SHARE`.
const FIRST_TIME: Duration = Duration::from_secs(10);
/// The most that is shown before the end.
const MOST: f64 = 0.99;

/// Keeps one job's progress honest.
pub(super) struct Meter {
    started: Instant,
    highest: f64,
    seen: VecDeque<(Instant, f64)>,
}

impl Meter {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            highest: 0.0,
            seen: VecDeque::new(),
        }
    }

    /// Makes the fraction monotonic and at most 0.99, and adds the time to go.
    pub(super) fn settle(&mut self, progress: &mut Progress, now: Instant) {
        let Some(fraction) = progress.fraction else {
            progress.eta_s = None;
            return;
        };
        self.highest = self.highest.max(if fraction.is_finite() {
            fraction.clamp(0.0, MOST)
        } else {
            0.0
        });
        progress.fraction = Some(self.highest);
        self.seen.push_back((now, self.highest));
        while self
            .seen
            .front()
            .is_some_and(|(at, _)| now.duration_since(*at) > WINDOW)
        {
            self.seen.pop_front();
        }
        progress.eta_s = self.guess(now);
    }

    fn guess(&self, now: Instant) -> Option<i64> {
        if self.highest < FIRST_SHARE || now.duration_since(self.started) < FIRST_TIME {
            return None;
        }
        let (at, then) = *self.seen.front()?;
        let span = now.duration_since(at).as_secs_f64();
        let gained = self.highest - then;
        // Standing still gives no guess rather than an endless one.
        (span >= 1.0 && gained > 0.0).then(|| ((1.0 - self.highest) * span / gained).ceil() as i64)
    }
}

/// Closes what is open in the progress of a job that is over: no part of it is at work or to come any more. A job that
/// succeeded has done all its parts, whatever they told last; of another one, those at work were broken off.
pub(super) fn close(progress: &mut Progress, state: JobState) {
    if !state.is_final() {
        return;
    }
    progress.waiting = None;
    progress.eta_s = None;
    for step in progress.steps.iter_mut().filter(|step| step.state.is_open()) {
        match (step.state, state) {
            (StepState::Running, JobState::Succeeded) => {
                step.state = StepState::Done;
                // "0 of 347 rows" beside "done" would be of a moment before.
                step.detail = None;
                step.fraction = Some(1.0);
            }
            (StepState::Running, _) => step.state = StepState::BrokenOff,
            (_, JobState::Succeeded) => step.state = StepState::Skipped,
            _ => step.state = StepState::NotBegun,
        }
    }
}

#[cfg(test)]
mod tests {
    use contract::jobs::{Step, Waiting};
    use proptest::prelude::*;

    use super::*;

    const STEPS: [StepState; 7] = [
        StepState::Pending,
        StepState::Running,
        StepState::Done,
        StepState::Skipped,
        StepState::Failed,
        StepState::BrokenOff,
        StepState::NotBegun,
    ];

    fn any_step() -> impl Strategy<Value = Step> {
        (
            proptest::sample::select(&STEPS[..]),
            proptest::option::of("[a-z0-9 %]{0,12}"),
            proptest::option::of(0.0..=1.0),
            proptest::option::of(0_i64..1_000_000),
        )
            .prop_map(|(state, detail, fraction, duration_ms)| Step {
                name: "a part".to_owned(),
                state,
                detail,
                fraction,
                duration_ms,
            })
    }

    proptest! {
        #[test]
        fn a_job_that_is_over_has_no_open_step_whatever_ended_it(
            state in proptest::sample::select(&JobState::ALL[..]),
            steps in proptest::collection::vec(any_step(), 0..12),
        ) {
            let before = Progress {
                waiting: Some(Waiting { pid: 1, who: "someone".to_owned(), seconds: 1 }),
                eta_s: Some(3),
                steps,
                ..Progress::default()
            };
            let mut after = before.clone();
            close(&mut after, state);
            if !state.is_final() {
                prop_assert_eq!(after, before);
                return Ok(());
            }
            prop_assert!(after.waiting.is_none() && after.eta_s.is_none());
            for (was, is) in before.steps.iter().zip(&after.steps) {
                prop_assert!(!is.state.is_open());
                match was.state {
                    StepState::Running | StepState::Pending => {
                        let well = matches!(is.state, StepState::Done | StepState::Skipped);
                        prop_assert_eq!(well, state == JobState::Succeeded);
                    }
                    _ => prop_assert_eq!(was, is),
                }
            }
            let once = after.clone();
            close(&mut after, state);
            prop_assert_eq!(after, once);
        }
    }

    fn at(fraction: f64) -> Progress {
        Progress {
            fraction: Some(fraction),
            ..Progress::default()
        }
    }

    #[test]
    fn it_never_goes_back_nor_ends_early() {
        let mut meter = Meter::new();
        let mut shown = Vec::new();
        for fraction in [0.2, 0.1, f64::NAN, 0.5, 7.0] {
            let mut progress = at(fraction);
            meter.settle(&mut progress, Instant::now());
            shown.push(progress.fraction);
        }
        assert_eq!(shown, [Some(0.2), Some(0.2), Some(0.2), Some(0.5), Some(0.99)]);
    }

    #[test]
    fn the_guess_waits_until_it_is_worth_something() {
        let mut meter = Meter::new();
        let start = meter.started;
        let mut early = at(0.3);
        meter.settle(&mut early, start + Duration::from_secs(2));
        assert_eq!(early.eta_s, None, "too early");
        let mut later = at(0.5);
        meter.settle(&mut later, start + Duration::from_secs(22));
        assert_eq!(
            later.eta_s,
            Some(50),
            "0.2 in 20 s leaves 50 s for the other half"
        );
        let mut unknown = Progress::default();
        meter.settle(&mut unknown, start + Duration::from_secs(23));
        assert_eq!((unknown.fraction, unknown.eta_s), (None, None));
    }
}
