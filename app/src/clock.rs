//! What time it is, so that relative times are the same in the server's and the browser's first render.

use chrono::TimeDelta;
use contract::{Instant, format};
use leptos::prelude::*;

/// The page's clock: the server's time until the page is hydrated, then ticking once a second.
#[derive(Clone, Copy)]
pub struct Clock(RwSignal<Instant>, RwSignal<TimeDelta>);

impl Clock {
    /// The time now; a view that reads it runs again each second.
    pub fn now(self) -> Instant {
        self.0.get()
    }

    /// How the browser's clock differs from the console's, in words, where it does.
    pub fn skew_words(self) -> Option<String> {
        skew_words(self.1.get())
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
    let skewed = RwSignal::new(TimeDelta::zero());
    provide_context(Clock(clock, skewed));
    Effect::new(move || {
        // A browser whose clock is wrong keeps the server's time by a constant difference.
        let skew = skew_of(first, system_time(), since_asked());
        skewed.set(skew);
        let tick = move || clock.set(system_time() + skew);
        tick();
        if let Ok(handle) = set_interval_with_handle(tick, std::time::Duration::from_secs(1)) {
            on_cleanup(move || handle.clear());
        }
    });
}

/// The clock of this page.
pub fn use_clock() -> Clock {
    use_context::<Clock>()
        .unwrap_or_else(|| Clock(RwSignal::new(system_time()), RwSignal::new(TimeDelta::zero())))
}

/// How far the clocks may be apart without a word.
const APART: TimeDelta = TimeDelta::seconds(5);

/// How much the console's clock is before the browser's. The console wrote `first` after the page was asked for, so long before
/// `now` of the browser: a slow line is no difference of clocks.
fn skew_of(first: Instant, now: Instant, since_asked: TimeDelta) -> TimeDelta {
    let asked = now - since_asked;
    let skew = if first > now {
        first - now
    } else if first < asked {
        first - asked
    } else {
        TimeDelta::zero()
    };
    if skew.abs() < APART {
        TimeDelta::zero()
    } else {
        skew
    }
}

fn skew_words(skew: TimeDelta) -> Option<String> {
    let how = match skew {
        skew if skew.is_zero() => return None,
        skew if skew > TimeDelta::zero() => "behind",
        _ => "ahead of",
    };
    let far = format::duration(skew.abs().num_seconds() * 1000);
    Some(format!("This browser's clock is {far} {how} the console's."))
}

/// How long ago the page was asked for.
#[cfg(feature = "hydrate")]
fn since_asked() -> TimeDelta {
    use wasm_bindgen::{JsCast, JsValue};

    let ask = || {
        let performance = js_sys::Reflect::get(&js_sys::global(), &JsValue::from_str("performance")).ok()?;
        let now = js_sys::Reflect::get(&performance, &JsValue::from_str("now")).ok()?;
        now.dyn_into::<js_sys::Function>()
            .ok()?
            .call0(&performance)
            .ok()?
            .as_f64()
    };
    // Where that cannot be told, a minute of loading is taken for possible.
    TimeDelta::milliseconds(ask().unwrap_or(60_000.0) as i64)
}

#[cfg(not(feature = "hydrate"))]
fn since_asked() -> TimeDelta {
    TimeDelta::zero()
}

#[cfg(feature = "hydrate")]
fn system_time() -> Instant {
    Instant::from_timestamp_millis(js_sys::Date::now() as i64).unwrap_or_default()
}

#[cfg(not(feature = "hydrate"))]
fn system_time() -> Instant {
    std::time::SystemTime::now().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_line_is_no_wrong_clock_and_a_wrong_clock_is_told() {
        let now = Instant::from_timestamp(1_790_000_000, 0).unwrap_or_default();
        let seconds = TimeDelta::seconds;
        let of = |first: i64, since_asked: i64| skew_of(now + seconds(first), now, seconds(since_asked));
        assert_eq!(of(-50, 60), seconds(0));
        assert_eq!(of(4, 1), seconds(0));
        assert_eq!(of(-64, 60), seconds(0));
        assert_eq!(of(180, 1), seconds(180));
        assert_eq!(of(-100, 40), seconds(-60));
        assert_eq!(skew_words(seconds(0)), None);
        assert_eq!(
            skew_words(seconds(180)).as_deref(),
            Some("This browser's clock is 3 min behind the console's.")
        );
        assert_eq!(
            skew_words(seconds(-7200)).as_deref(),
            Some("This browser's clock is 2 h ahead of the console's.")
        );
    }
}
