//! The range of the charts, in the page's URL.

use chrono::TimeDelta;
use contract::history::{Range, Span};

use super::scale::{read_range, write_moment};
use crate::{
    address::{use_here, use_query},
    clock::use_clock,
    prelude::*,
    zone,
};

/// The range that the page's URL names, and whether it asks for the week before.
pub fn use_range() -> (Memo<Range>, Memo<bool>) {
    let (range, from, to, before) = (
        use_query("range"),
        use_query("from"),
        use_query("to"),
        use_query("before"),
    );
    let range =
        Memo::new(move |_| read_range(range.get().as_deref(), from.get().as_deref(), to.get().as_deref()));
    (range, Memo::new(move |_| before.with(Option::is_some)))
}

/// Links to other ranges.
#[component]
pub fn RangeBar(
    /// The range.
    range: Memo<Range>,
    /// Whether the week before is drawn too.
    before: Memo<bool>,
    /// Whether the week before can be drawn too.
    #[prop(default = true)]
    week: bool,
) -> impl IntoView {
    let here = use_here();
    let clock = use_clock();
    let spans = Span::ALL
        .map(|span| {
            let here = here.clone();
            let link = move || {
                here.with(&[
                    ("range", Some(span.name().to_owned())),
                    ("from", None),
                    ("to", None),
                ])
            };
            let is_shown = move || range.get() == Range::Last(span);
            view! {
                <a
                    class="chip"
                    href=link
                    title=format!("The last {}", span.words())
                    aria-current=move || is_shown().then_some("true")
                >
                    {span.name()}
                </a>
            }
        })
        .collect_view();
    // Half of what is shown further on, so that the eye finds its way.
    let shifted = {
        let here = here.clone();
        move |parts: i32| {
            let (from, to) = match range.get() {
                Range::Last(span) => {
                    let now = clock.now_untracked();
                    (now - span.length(), now)
                }
                Range::Between(from, to) => (from, to),
            };
            // What has not happened yet has no chart.
            let most = (clock.now_untracked() - to).max(TimeDelta::zero());
            let by: TimeDelta = ((to - from) / 2 * parts).min(most);
            here.with(&[
                ("range", None),
                ("from", Some(write_moment(from + by))),
                ("to", Some(write_moment(to + by))),
            ])
        }
    };
    let earlier = {
        let shifted = shifted.clone();
        move || shifted(-1)
    };
    let later = move || shifted(1);
    let chosen = move || match range.get() {
        Range::Last(_) => None,
        Range::Between(from, to) => {
            let form = if (to - from) < TimeDelta::days(8) {
                "%-d %b %H:%M"
            } else {
                "%-d %b %Y"
            };
            Some(format!(
                "{} to {} {}",
                zone::local(from, form),
                zone::local(to, form),
                zone::mark(to)
            ))
        }
    };
    let week = week.then(|| {
        let here = here.clone();
        let link = move || here.with(&[("before", (!before.get()).then(|| "1".to_owned()))]);
        view! {
            <a class="chip" href=link aria-current=move || before.get().then_some("true")>
                "Week before"
            </a>
        }
    });
    view! {
        <nav class="ranges" aria-label="Range">
            {spans}
            {move || chosen().map(|words| view! { <span class="chip" aria-current="true">{words}</span> })}
            <span class="sp"></span>
            <a class="chip" href=earlier>
                "Earlier"
            </a>
            <a
                class="chip"
                href=later
                hidden=move || match range.get() {
                    Range::Last(_) => true,
                    Range::Between(_, to) => clock.now_untracked() - to < TimeDelta::minutes(1),
                }
            >
                "Later"
            </a>
            {week}
        </nav>
    }
}
