//! How often the webhook may be called. Tokens of 256 bits cannot be guessed: what is bounded is the work, so that it is
//! counted in memory, by each process for itself.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use contract::{Code, Fault};

use crate::{Error, Result};

/// Calls from one network within a [`WINDOW`], right ones and wrong ones: a pipeline that tells each of some databases.
const MOST: u32 = 60;
const WINDOW: Duration = Duration::from_secs(60);
/// Networks that are counted at a time; others have to wait.
const NETWORKS: usize = 10_000;

/// The calls of this minute.
pub(crate) struct Calls(Mutex<Window>);

struct Window {
    begun: Instant,
    counts: HashMap<String, u32>,
}

impl Calls {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Window {
            begun: Instant::now(),
            counts: HashMap::new(),
        }))
    }

    /// Counts a call, or refuses it with how long to wait.
    ///
    /// # Errors
    /// `Busy`.
    pub(super) fn admit(&self, network: &str) -> Result<()> {
        self.admit_at(network, Instant::now())
    }

    fn admit_at(&self, network: &str, now: Instant) -> Result<()> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = now.saturating_duration_since(window.begun);
        if gone >= WINDOW {
            window.begun = now;
            window.counts.clear();
        }
        let full = window.counts.len() >= NETWORKS;
        let count = match window.counts.get_mut(network) {
            Some(count) => {
                *count = count.saturating_add(1);
                *count
            }
            None if full => MOST + 1,
            None => {
                window.counts.insert(network.to_owned(), 1);
                1
            }
        };
        if count <= MOST {
            return Ok(());
        }
        let left = WINDOW.saturating_sub(gone).as_secs() + 1;
        Err(Error::Refused(
            Fault::new(
                Code::Busy,
                format!("More than {MOST} calls came from this network within a minute."),
            )
            .hint(format!("Wait {left} seconds and try again.")),
        ))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn calls_of_a_network_are_bounded_within_a_minute_and_those_of_others_are_not() {
        let calls = Calls::new();
        let begun = Instant::now();
        for _ in 0..MOST {
            calls.admit_at("10.0.0.1", begun).unwrap();
        }
        let fault = calls.admit_at("10.0.0.1", begun).unwrap_err().fault();
        assert_eq!(fault.code, Code::Busy);
        calls.admit_at("10.0.0.2", begun).unwrap();
        let later = begun + WINDOW + Duration::from_secs(1);
        calls.admit_at("10.0.0.1", later).unwrap();
    }

    #[test]
    fn a_flood_from_many_networks_takes_no_more_memory() {
        let calls = Calls::new();
        let begun = Instant::now();
        for network in 0..NETWORKS {
            calls.admit_at(&network.to_string(), begun).unwrap();
        }
        assert!(calls.admit_at("one more", begun).is_err());
        assert!(calls.admit_at("7", begun).is_ok(), "who is counted goes on");
        assert_eq!(calls.0.lock().unwrap().counts.len(), NETWORKS);
    }
}
