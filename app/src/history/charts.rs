//! Charts of a stretch of time: drawn by the server, read by pointer or keyboard, zoomed by dragging.

use contract::{
    format,
    history::{Chart, HistoryView, Mark, MarkKind, Range},
};
use leptos::either::Either;
use leptos_router::{NavigateOptions, hooks::use_navigate};

use super::{
    range::RangeBar,
    scale::{Axis, HEIGHT, WIDTH, line, moment, stack, step_at, write_moment, x},
};
use crate::{
    address::{Here, use_here},
    live::use_live,
    prelude::*,
    rpc::ApiError,
    ui::{Ago, Badge, Keep, Tone},
    zone,
};

/// Marks that are listed below the charts.
const LISTED: usize = 20;
/// Marks of one step that are named at a chart.
const NAMED: usize = 3;

/// What the charts of a page have in common: the step under the pointer, and where a drag began.
#[derive(Clone, Copy)]
struct Cursor {
    at: RwSignal<Option<usize>>,
    from: RwSignal<Option<usize>>,
}

/// The range, the charts, and what happened meanwhile.
#[component]
pub fn Charts(
    /// The values.
    history: Resource<Result<HistoryView, ApiError>>,
    /// The range that the page's URL names.
    range: Memo<Range>,
    /// Whether the week before is drawn too.
    before: Memo<bool>,
    /// Where the values of a chart stand as a table: a link to which the rest of the query is added.
    values: String,
    /// The one chart that is shown; none: all that came.
    only: Memo<Option<String>>,
    /// Whether the page is about them.
    main: bool,
) -> impl IntoView {
    let cursor = Cursor {
        at: RwSignal::new(None),
        from: RwSignal::new(None),
    };
    let values = StoredValue::new(values);
    let here = use_here();
    view! {
        <section class="charts" data-part="charts" aria-label="Charts">
            <RangeBar range before />
            <Keep resource=history main of=Signal::derive(move || here.with(&[])) let:view>
                <State view />
                <div class="plots">
                    <For
                        each=move || {
                            view.with(|view| {
                                let shown = |chart: &&Chart| only.with(|only| only.as_ref().is_none_or(|only| *only == chart.key));
                                view.charts.iter().filter(shown).map(|chart| chart.key.clone()).collect::<Vec<_>>()
                            })
                        }
                        key=Clone::clone
                        let:key
                    >
                        <Plot key view cursor range values />
                    </For>
                </div>
                <Marks view all=main />
            </Keep>
        </section>
    }
}

/// What is to be known before the charts are read: that there is nothing yet, or nothing new.
#[component]
fn State(view: Signal<HistoryView>) -> impl IntoView {
    move || {
        view.with(|view| {
            let trouble = view.trouble.clone();
            match (view.sampled_at, trouble) {
                (at, Some(trouble)) => view! {
                    <div class="banner warn" role="status">
                        <span class="dot warn"></span>
                        "Not measured at the moment"
                        <span>{trouble} {at.map(|at| view! { " The last values are from " <Ago at /> "." })}</span>
                    </div>
                },
                (None, None) => view! {
                    <p class="muted small">
                        "Nothing is measured yet: the first values come with the second look, within two minutes of the console's start."
                    </p>
                },
                _ => ().into_any(),
            }
        })
    }
}

/// One chart.
#[component]
fn Plot(
    key: String,
    view: Signal<HistoryView>,
    cursor: Cursor,
    range: Memo<Range>,
    values: StoredValue<String>,
) -> impl IntoView {
    let here = use_here();
    let navigate = use_navigate();
    let name = StoredValue::new(key.clone());
    let chart =
        Memo::new(move |_| view.with(|view| view.charts.iter().find(|chart| chart.key == key).cloned()));
    let live = use_live();
    // What the chart shows at this moment; none for a stretch of the past.
    let pulse = Memo::new(move |_| {
        let recent = matches!(range.get(), Range::Last(_));
        let pulse = live
            .pulse(&view.with(|view| view.target.clone()))
            .filter(|_| recent)?;
        pulse.values(&name.get_value()).map(<[Option<f64>]>::to_vec)
    });
    let title = Memo::new(move |_| with(chart, |chart| chart.title.clone()));
    let steps = Memo::new(move |_| view.with(HistoryView::steps));
    let zoom = {
        let here = here.clone();
        move |one: usize, other: usize| {
            let (first, last) = (one.min(other), one.max(other));
            if first == last {
                return;
            }
            let (from, to) = view.with_untracked(|view| (view.at(first), view.at(last + 1)));
            // Its step is one of the range that is left.
            cursor.at.set(None);
            navigate(
                &untrack(|| zoomed(&here, from, to)),
                NavigateOptions {
                    scroll: false,
                    resolve: false,
                    ..NavigateOptions::default()
                },
            );
        }
    };
    let drop_at = {
        let zoom = zoom.clone();
        move |event: leptos::ev::PointerEvent| {
            let from = cursor.from.get_untracked();
            cursor.from.set(None);
            if let Some((from, to)) = from.zip(step_of(&event, steps.get_untracked())) {
                zoom(from, to);
            }
        }
    };
    let on_key = move |event: leptos::ev::KeyboardEvent| {
        let Some(last) = steps.get_untracked().checked_sub(1) else {
            return;
        };
        let at = cursor.at.get_untracked();
        let to = match event.key().as_str() {
            "ArrowLeft" | "ArrowDown" => at.map_or(last, |at| at.saturating_sub(1)),
            "ArrowRight" | "ArrowUp" => at.map_or(0, |at| at.min(last.saturating_sub(1)) + 1).min(last),
            "PageDown" => at.map_or(last, |at| at.saturating_sub(10)),
            "PageUp" => at.map_or(0, |at| (at + 10).min(last)),
            "Home" => 0,
            "End" => last,
            "Enter" => {
                match cursor.from.get_untracked() {
                    Some(from) => {
                        cursor.from.set(None);
                        zoom(from, at.unwrap_or(last));
                    }
                    None => cursor.from.set(at),
                }
                return;
            }
            "Escape" => {
                cursor.from.set(None);
                cursor.at.set(None);
                return;
            }
            _ => return,
        };
        event.prevent_default();
        cursor.at.set(Some(to));
    };
    let link = move || {
        let query = here.with(&[("chart", Some(name.get_value()))]);
        let query = query.split_once('?').map(|(_, query)| query.to_owned());
        format!("{}{}", values.get_value(), query.unwrap_or_default())
    };
    let missing = move || with(chart, |chart| chart.missing.clone());
    let note = move || with(chart, |chart| chart.note.clone());
    view! {
        <figure class="card chart plot">
            <div class="plot-head">
                <h2>{move || title.get()}</h2>
                <a class="link small" href=link aria-label=move || format!("{} as a table", title.get())>
                    "Values"
                </a>
            </div>
            <Legend chart view cursor pulse />
            <div
                class="plot-area"
                tabindex="0"
                role="slider"
                aria-label=move || format!("{} over time", title.get())
                aria-valuemin="0"
                aria-valuemax=move || steps.get().saturating_sub(1)
                aria-valuenow=move || {
                    let last = steps.get().saturating_sub(1);
                    cursor.at.get().unwrap_or(last).min(last)
                }
                aria-valuetext=move || spoken(chart, view, cursor)
                on:keydown=on_key
                on:pointermove=move |event| cursor.at.set(step_of(&event, steps.get_untracked()))
                on:pointerleave=move |_| {
                    cursor.at.set(None);
                    cursor.from.set(None);
                }
                on:pointerdown=move |event| {
                    if event.button() == 0 {
                        cursor.from.set(step_of(&event, steps.get_untracked()));
                    }
                }
                on:pointerup=drop_at
            >
                <svg viewBox=format!("0 0 {WIDTH} {HEIGHT}") preserveAspectRatio="none" aria-hidden="true">
                    <Grid />
                    {move || view.with(marks_of)}
                    {move || with(chart, drawn)}
                    {move || pulse.get().map(|values| with(chart, |chart| beating(chart, &values)))}
                    {move || pointed(cursor, steps.get())}
                </svg>
                {move || {
                    chart
                        .with(|chart| {
                            chart
                                .as_ref()
                                .map(|chart| {
                                    let axis = Axis::of(chart);
                                    let unit = chart.unit;
                                    view! {
                                        <span class="plot-y high">{unit.say(axis.high)}</span>
                                        <span class="plot-y middle">{unit.say(axis.middle())}</span>
                                    }
                                })
                        })
                }}
            </div>
            <Times view range />
            {move || missing().map(|words| view! { <p class="muted small">{words}</p> })}
            {move || note().map(|words| view! { <p class="muted small">{words}</p> })}
        </figure>
    }
}

/// A chart's value of something; its default once the chart is gone.
fn with<T: Default>(chart: Memo<Option<Chart>>, read: impl Fn(&Chart) -> T) -> T {
    chart.with(|chart| chart.as_ref().map(&read).unwrap_or_default())
}

fn zoomed(here: &Here, from: contract::Instant, to: contract::Instant) -> String {
    here.with(&[
        ("range", None),
        ("from", Some(write_moment(from))),
        ("to", Some(write_moment(to))),
    ])
}

/// What each line is called, with its value: under the pointer, else the last one.
#[component]
fn Legend(
    chart: Memo<Option<Chart>>,
    view: Signal<HistoryView>,
    cursor: Cursor,
    pulse: Memo<Option<Vec<Option<f64>>>>,
) -> impl IntoView {
    // Under the pointer the step's value, else this moment's, else the last one's.
    let shown = move |at: usize| {
        let step = cursor.at.get();
        let now = pulse.with(|pulse| {
            pulse
                .as_ref()
                .and_then(|values| values.get(at).copied().flatten())
        });
        with(chart, |chart| match (step, now) {
            (None, Some(now)) => chart.unit.say(now),
            _ => value_at(chart, at, step),
        })
    };
    let labels = Memo::new(move |_| {
        with(chart, |chart| {
            let labels = chart.series.iter().map(|series| series.label.clone());
            labels.collect::<Vec<_>>()
        })
    });
    let limit = move || {
        with(chart, |chart| {
            chart
                .limit
                .clone()
                .map(|(name, value)| (name, chart.unit.say(value)))
        })
    };
    view! {
        <figcaption>
            <span class="nowrap">
                {move || match (cursor.at.get(), pulse.with(Option::is_some)) {
                    (None, true) => "Now".to_owned(),
                    (step, _) => view.with(|view| when(view, step)),
                }}
            </span>
            {move || {
                labels
                    .get()
                    .into_iter()
                    .enumerate()
                    .map(|(at, label)| {
                        view! {
                            <span class=colour_class(at)>
                                <span class="key">
                                    <span>{label} " " <b>{move || shown(at)}</b></span>
                                </span>
                            </span>
                        }
                    })
                    .collect_view()
            }}
            {move || limit().map(|(name, value)| view! { <span>{name} " " {value}</span> })}
            {move || view.with(|view| happened(view, cursor.at.get())).map(|words| view! { <span class="strong">{words}</span> })}
        </figcaption>
    }
}

/// The step's time in words.
fn when(view: &HistoryView, step: Option<usize>) -> String {
    match step {
        Some(step) => {
            let (from, to) = (view.at(step), view.at(step + 1));
            if view.step_s >= 86_400 {
                zone::local(from, "%-d %b %Y")
            } else {
                format!(
                    "{}–{} {}",
                    zone::local(from, "%-d %b %H:%M"),
                    zone::local(to, "%H:%M"),
                    zone::mark(from)
                )
            }
        }
        None => "Last".to_owned(),
    }
}

/// What happened in a step, in words.
fn happened(view: &HistoryView, step: Option<usize>) -> Option<String> {
    let labels: Vec<&str> = view.meanwhile(step?).map(|mark| mark.label.as_str()).collect();
    match labels.as_slice() {
        [] => None,
        few if few.len() <= NAMED => Some(few.join(" · ")),
        many => Some(format!(
            "{} and {} more",
            many[..NAMED].join(" · "),
            many.len() - NAMED
        )),
    }
}

fn value_at(chart: &Chart, series: usize, step: Option<usize>) -> String {
    let Some(series) = chart.series.get(series) else {
        return String::new();
    };
    let now = match step {
        Some(step) => series.values.get(step).copied().flatten(),
        None => series.values.iter().rev().find_map(|value| *value),
    };
    let before = step.and_then(|step| series.before.as_ref()?.get(step).copied().flatten());
    let mut words = now.map_or_else(|| "–".to_owned(), |value| chart.unit.say(value));
    if let Some(before) = before {
        words.push_str(&format!(" (week before {})", chart.unit.say(before)));
    }
    words
}

/// The values under the cursor in a sentence, for who hears the page.
fn spoken(chart: Memo<Option<Chart>>, view: Signal<HistoryView>, cursor: Cursor) -> String {
    let step = cursor.at.get();
    let values = with(chart, |chart| {
        let each = chart.series.iter().enumerate();
        each.map(|(at, series)| format!("{} {}", series.label, value_at(chart, at, step)))
            .collect::<Vec<_>>()
            .join(", ")
    });
    view.with(|view| {
        let meanwhile = happened(view, step).map(|words| format!(". {words}"));
        format!("{}: {values}{}", when(view, step), meanwhile.unwrap_or_default())
    })
}

fn colour_class(at: usize) -> &'static str {
    match at % 8 {
        0 => "s1",
        1 => "s2",
        2 => "s3",
        3 => "s4",
        4 => "s5",
        5 => "s6",
        6 => "s7",
        _ => "s8",
    }
}

#[component]
fn Grid() -> impl IntoView {
    let across = [0.0, HEIGHT / 2.0].map(|y| view! { <line class="gridline" x1="0" x2=WIDTH y1=y y2=y /> });
    let down = [1.0, 2.0, 3.0]
        .map(|part| WIDTH / 4.0 * part)
        .map(|x| view! { <line class="gridline" x1=x x2=x y1="0" y2=HEIGHT /> });
    view! {
        {across.collect_view()}
        {down.collect_view()}
        <line class="axis" x1="0" x2=WIDTH y1=HEIGHT y2=HEIGHT />
    }
}

/// The lines of a chart.
fn drawn(chart: &Chart) -> Vec<AnyView> {
    let axis = Axis::of(chart);
    let mut drawn = Vec::new();
    if let Some((_, limit)) = &chart.limit
        && *limit <= axis.high
    {
        let y = axis.y(*limit);
        drawn.push(view! { <line class="limit" x1="0" x2=WIDTH y1=y y2=y /> });
    }
    if chart.stacked {
        let before: Option<Vec<&[Option<f64>]>> = chart
            .series
            .iter()
            .map(|series| series.before.as_deref())
            .collect();
        let now: Vec<&[Option<f64>]> = chart
            .series
            .iter()
            .map(|series| series.values.as_slice())
            .collect();
        for (at, (area, edge)) in stack(&now, axis).into_iter().enumerate() {
            // What is nought throughout would draw its edge over the one below it, in another colour.
            let seen = now[at].iter().flatten().any(|value| *value > 0.0);
            if at > 0 && !seen {
                continue;
            }
            drawn.push(view! {
                <g class=colour_class(at)>
                    <path class="area" d=area />
                    <path class="line" d=edge />
                </g>
            });
        }
        // Of the week before, the sum: more edges could not be told from one another.
        if let Some((_, edge)) = before.and_then(|before| stack(&before, axis).pop()) {
            drawn.push(view! { <path class="line before" d=edge /> });
        }
        return drawn;
    }
    for (at, series) in chart.series.iter().enumerate() {
        let path = line(&series.values, axis);
        let before = series.before.as_ref().map(|before| line(before, axis));
        drawn.push(view! {
            <g class=colour_class(at)>
                {before.map(|path| view! { <path class="line before" d=path /> })}
                <path class="line" d=path />
            </g>
        });
    }
    drawn
}

/// This moment's values, as dots at the end of their lines.
fn beating(chart: &Chart, values: &[Option<f64>]) -> Vec<AnyView> {
    let axis = Axis::of(chart);
    let mut floor = 0.0;
    let dots = values.iter().enumerate().filter_map(|(at, value)| {
        let value = (*value)?;
        if chart.stacked {
            floor += value;
        }
        let y = axis.y(if chart.stacked { floor } else { value });
        Some(view! { <path class=beat_class(at) d=format!("M{WIDTH} {y:.1}h0") /> })
    });
    dots.collect()
}

fn beat_class(at: usize) -> &'static str {
    match at % 8 {
        0 => "beat s1",
        1 => "beat s2",
        2 => "beat s3",
        3 => "beat s4",
        4 => "beat s5",
        5 => "beat s6",
        6 => "beat s7",
        _ => "beat s8",
    }
}

/// What happened, as lines, and as bands where it took time that can be seen.
fn marks_of(view: &HistoryView) -> Vec<AnyView> {
    let length = (view.to - view.from).num_milliseconds().max(1) as f64;
    let place = |at: contract::Instant| {
        ((at - view.from).num_milliseconds() as f64 / length * WIDTH).clamp(0.0, WIDTH)
    };
    let drawn = view.marks.iter().map(|mark| {
        let from = place(mark.at);
        let width = mark.until.map_or(0.0, |until| place(until) - from);
        let class = match (mark.failed, mark.kind) {
            (true, _) => "mark bad",
            (false, MarkKind::Deployment) => "mark told",
            (false, _) => "mark",
        };
        view! {
            <g class=class>
                {(width >= 2.0).then(|| view! { <rect class="mark-band" x=from y="0" width=width height=HEIGHT /> })}
                <line class="mark-line" x1=from x2=from y1="0" y2=HEIGHT />
            </g>
        }
    });
    drawn.collect()
}

/// The step under the cursor, and what a drag has taken in so far.
fn pointed(cursor: Cursor, steps: usize) -> impl IntoView + use<> {
    let at = cursor.at.get().filter(|at| *at < steps);
    let chosen = cursor.from.get().zip(at).map(|(from, to)| {
        let half = WIDTH / steps.max(1) as f64 / 2.0;
        let (from, to) = (x(from.min(to), steps) - half, x(from.max(to), steps) + half);
        view! { <rect class="chosen" x=from y="0" width=to - from height=HEIGHT /> }
    });
    let line = at.map(|at| {
        let x = x(at, steps);
        view! { <line class="cursor" x1=x x2=x y1="0" y2=HEIGHT /> }
    });
    (chosen, line)
}

/// The times below a chart, at its upright lines.
#[component]
fn Times(view: Signal<HistoryView>, range: Memo<Range>) -> impl IntoView {
    let words = move |part: i32| {
        view.with(|view| {
            let length = view.to - view.from;
            moment(view.from + length / 4 * part, length)
        })
    };
    let end = move || match range.get() {
        Range::Last(_) => "now".to_owned(),
        Range::Between(..) => words(4),
    };
    view! {
        <div class="plot-times" aria-hidden="true">
            <span>{move || words(0)}</span>
            <span>{move || words(1)}</span>
            <span>{move || words(2)}</span>
            <span>{move || words(3)}</span>
            <span class="end">{end}</span>
        </div>
    }
}

/// The marks in words, newest first. Without `all` only those that the page has in no list of its own: of jobs it has one.
#[component]
fn Marks(view: Signal<HistoryView>, all: bool) -> impl IntoView {
    move || {
        view.with(|view| {
            let wanted = |mark: &&Mark| all || matches!(mark.kind, MarkKind::Deployment | MarkKind::Restart);
            let marks: Vec<&Mark> = view.marks.iter().rev().filter(wanted).collect();
            let more = marks.len().saturating_sub(LISTED);
            let rows = marks.iter().copied().take(LISTED).map(row).collect_view();
            (!marks.is_empty()).then(|| {
                view! {
                    <section class="card">
                        <div class="ch">
                            <h2>"Meanwhile"</h2>
                        </div>
                        <div class="table-wrap" tabindex="0" role="region" aria-label="Meanwhile">
                            <table class="table">
                                <thead>
                                    <tr>
                                        <th scope="col">"When"</th>
                                        <th scope="col">"What"</th>
                                        <th scope="col" class="num">
                                            "Took"
                                        </th>
                                    </tr>
                                </thead>
                                <tbody>{rows}</tbody>
                            </table>
                        </div>
                        {(more > 0)
                            .then(|| view! { <p class="cf">{format!("And {more} more; choose a shorter range to see them.")}</p> })}
                    </section>
                }
            })
        })
    }
}

fn row(mark: &Mark) -> impl IntoView + use<> {
    let label = mark.label.clone();
    let took = mark
        .until
        .map(|until| format::duration((until - mark.at).num_milliseconds()));
    view! {
        <tr>
            <td>
                <time datetime=write_moment(mark.at)>{zone::absolute(mark.at)}</time>
            </td>
            <td class="wrap">
                {match mark.page.clone() {
                    Some(page) => {
                        // A page elsewhere must not learn from where it was opened.
                        let elsewhere = (!page.starts_with('/')).then_some("noreferrer");
                        Either::Left(view! { <a class="link" href=page rel=elsewhere>{label}</a> })
                    }
                    None => Either::Right(label),
                }}
                " "
                {mark.failed.then(|| view! { <Badge tone=Tone::Bad text="failed" /> })}
            </td>
            <td class="num">{took}</td>
        </tr>
    }
}

/// The step under the pointer.
#[cfg(feature = "hydrate")]
fn step_of(event: &leptos::ev::PointerEvent, steps: usize) -> Option<usize> {
    use wasm_bindgen::JsCast;

    let area = event.current_target()?.dyn_into::<web_sys::Element>().ok()?;
    let place = area.get_bounding_client_rect();
    (place.width() > 0.0)
        .then(|| (f64::from(event.client_x()) - place.left()) / place.width())
        .and_then(|share| step_at(share, steps))
}

/// The server meets no pointer.
#[cfg(not(feature = "hydrate"))]
fn step_of(_event: &leptos::ev::PointerEvent, steps: usize) -> Option<usize> {
    step_at(1.0, steps)
}
