//! What time it is, so that relative times are the same in the server's and the browser's first render.

use contract::Instant;
use leptos::prelude::*;

/// The page's clock: the server's time until the page is hydrated, then ticking once a second.
#[derive(Clone, Copy)]
pub struct Clock(RwSignal<Instant>);

impl Clock {
    /// The time now; a view that reads it runs again each second.
    pub fn now(self) -> Instant {
        self.0.get()
    }

    /// The time now, read once.
    pub fn now_untracked(self) -> Instant {
        self.0.get_untracked()
    }
}

/// Starts the clock; called once, by the application.
pub fn provide() {
    let first = SharedValue::new(system_time).into_inner();
    let clock = RwSignal::new(first);
    provide_context(Clock(clock));
    Effect::new(move || {
        // A browser whose clock is wrong keeps the server's time by a constant difference.
        let skew = first - system_time();
        let skew = if skew.num_seconds().abs() < 60 {
            chrono::TimeDelta::zero()
        } else {
            skew
        };
        let tick = move || clock.set(system_time() + skew);
        tick();
        if let Ok(handle) = set_interval_with_handle(tick, std::time::Duration::from_secs(1)) {
            on_cleanup(move || handle.clear());
        }
    });
}

/// The clock of this page.
pub fn use_clock() -> Clock {
    use_context::<Clock>().unwrap_or_else(|| Clock(RwSignal::new(system_time())))
}

#[cfg(feature = "hydrate")]
fn system_time() -> Instant {
    Instant::from_timestamp_millis(js_sys::Date::now() as i64).unwrap_or_default()
}

#[cfg(not(feature = "hydrate"))]
fn system_time() -> Instant {
    std::time::SystemTime::now().into()
}
