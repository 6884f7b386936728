//! Numbers, sizes and times in human units, with the exact value on hover.

use contract::{Instant, format};

use crate::{clock::use_clock, prelude::*, zone};

/// A size: `28.4 GB`, on hover `30,494,081,024 bytes`.
#[component]
pub fn Bytes(
    /// Bytes.
    #[prop(into)]
    value: Signal<i64>,
) -> impl IntoView {
    view! {
        <span class="nowrap" title=move || format!("{} bytes", format::exact(value.get()))>
            {move || format::bytes(value.get())}
        </span>
    }
}

/// A count: `98.2 M`, on hover `98,214,377`.
#[component]
pub fn Count(
    /// How many.
    #[prop(into)]
    value: Signal<i64>,
) -> impl IntoView {
    view! {
        <span class="nowrap" title=move || format::exact(value.get())>
            {move || format::count(value.get())}
        </span>
    }
}

/// A span of time: `3 min 20 s`, on hover milliseconds.
#[component]
pub fn Duration(
    /// Milliseconds.
    #[prop(into)]
    ms: Signal<i64>,
) -> impl IntoView {
    view! {
        <span class="nowrap" title=move || format!("{} ms", format::exact(ms.get()))>
            {move || format::duration(ms.get())}
        </span>
    }
}

/// A time relative to now: `6 h ago`, on hover the absolute one. It keeps up with the clock.
#[component]
pub fn Ago(
    /// When.
    #[prop(into)]
    at: Signal<Instant>,
) -> impl IntoView {
    let clock = use_clock();
    // Half a second of network makes what has just been read seem to lie ahead; only what is planned does.
    let text = Memo::new(move |_| match (at.get(), clock.now()) {
        (at, now) if at > now && (at - now).num_seconds() < 5 => "just now".to_owned(),
        (at, now) => format::ago(at, now),
    });
    let zone = zone::here();
    view! {
        <time class="nowrap" datetime=move || iso(at.get()) title=move || zone.absolute(at.get())>
            {move || text.get()}
        </time>
    }
}

/// An absolute time, on hover how long ago.
#[component]
pub fn At(
    /// When.
    #[prop(into)]
    at: Signal<Instant>,
) -> impl IntoView {
    let clock = use_clock();
    let zone = zone::here();
    view! {
        <time class="nowrap" datetime=move || iso(at.get()) title=move || format::ago(at.get(), clock.now())>
            {move || zone.absolute(at.get())}
        </time>
    }
}

/// A span of time that is still growing: whole seconds below a minute, since tenths would flicker.
pub fn whole_seconds(ms: i64) -> String {
    match ms / 1000 {
        seconds @ ..60 => format!("{} s", seconds.max(0)),
        seconds => format::duration(seconds * 1000),
    }
}

/// As HTML's `datetime` wants it.
fn iso(at: Instant) -> String {
    let text = format::absolute(at);
    text.trim_end_matches(" UTC").replace(' ', "T") + "Z"
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_growing_span_counts_whole_seconds() {
        assert_eq!(super::whole_seconds(999), "0 s");
        assert_eq!(super::whole_seconds(59_999), "59 s");
        assert_eq!(super::whole_seconds(200_400), "3 min 20 s");
    }

    #[test]
    fn machines_read_the_same_instant() {
        assert_eq!(
            super::iso(contract::Instant::from_timestamp(1_000_000, 0).unwrap_or_default()),
            "1970-01-12T13:46:40Z"
        );
    }
}
