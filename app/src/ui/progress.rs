//! Bars: how far something is, and how large.

use crate::prelude::*;
use contract::format;

use super::Tone;

/// How far something is; without a fraction the total is unknown, and the bar says so by moving.
#[component]
pub fn ProgressBar(
    /// 0 to 1.
    #[prop(into)]
    fraction: Signal<Option<f64>>,
    /// What is going on, for screen readers.
    #[prop(into)]
    label: Signal<String>,
    /// The colour; accent when it is `Info`.
    #[prop(into, default = Signal::stored(Tone::Info))]
    tone: Signal<Tone>,
) -> impl IntoView {
    view! {
        <progress
            class=move || bar_class(tone.get())
            max="1000"
            value=move || fraction.get().map(|fraction| per_mille(fraction).to_string())
            aria-label=move || label.get()
        >
            {move || fraction.get().map(format::percent)}
        </progress>
    }
}

fn bar_class(tone: Tone) -> &'static str {
    match tone {
        Tone::Ok => "bar ok",
        Tone::Warn => "bar warn",
        Tone::Bad => "bar bad",
        Tone::Info | Tone::Off => "bar",
    }
}

/// How large something is beside the largest of its kind.
#[component]
pub fn SizeBar(
    /// Its size.
    #[prop(into)]
    value: Signal<i64>,
    /// The largest one's size.
    #[prop(into)]
    largest: Signal<i64>,
) -> impl IntoView {
    let share = move || match largest.get() {
        ..=0 => 0.0,
        largest => value.get() as f64 / largest as f64,
    };
    view! {
        <progress
            class="sizebar"
            max="1000"
            value=move || per_mille(share()).to_string()
            aria-label=move || format!("{} of the largest", format::percent(share()))
        ></progress>
    }
}

fn per_mille(fraction: f64) -> i64 {
    (fraction.clamp(0.0, 1.0) * 1000.0).round() as i64
}
