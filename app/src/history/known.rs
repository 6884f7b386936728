//! What a page of charts asks for, and shows.

use contract::{
    history::{HistoryQuery, HistoryView, Range, Span},
    stats::RelationName,
};
use leptos::prelude::*;

use super::{api::view_history, charts::ChartsProps, parts, range::use_range};
use crate::{
    address::{escape, link},
    clock::use_clock,
    live::use_live,
    rpc::ApiError,
    ui::{in_part, load_by},
};

/// What a page of charts asked for, and what it got. Made by the page itself, and not by what shows it.
#[derive(Clone, Copy)]
pub struct Known {
    /// The values.
    pub history: Resource<Result<HistoryView, ApiError>>,
    range: Memo<Range>,
    before: Memo<bool>,
    values: StoredValue<String>,
}

/// Loads what the page's URL asks for, and again as time goes on.
pub fn use_history(
    target: Memo<String>,
    table: impl Fn() -> Option<RelationName> + Send + Sync + 'static,
    charts: Option<&'static [&'static str]>,
) -> Known {
    let (range, before) = use_range();
    let query = Memo::new(move |_| HistoryQuery {
        target: target.get(),
        table: table(),
        charts: charts.map(|charts| charts.iter().map(|&chart| chart.to_owned()).collect()),
        range: range.get(),
        before: before.get(),
    });
    let history = load_by(query, view_history);
    // While every minute is on the charts, and of what is a database's.
    use_live().look_at(move || {
        let shown = matches!(
            range.get(),
            Range::Last(Span::Quarter | Span::Hour | Span::Hours6)
        );
        query.with(|query| (shown && query.table.is_none()).then(|| query.target.clone()))
    });
    let clock = use_clock();
    // A few seconds into the minute, when the last one's values are there. What was chosen by hand does not move.
    let turn = Memo::new(move |_| match range.get() {
        Range::Last(Span::Quarter | Span::Hour | Span::Hours6) => Some((clock.now().timestamp() - 8) / 60),
        Range::Last(_) => Some((clock.now().timestamp() - 8) / 600),
        Range::Between(..) => None,
    });
    Effect::new(move |before: Option<(Range, Option<i64>)>| {
        let now = (range.get_untracked(), turn.get());
        // Another range loads by itself.
        if before.is_some_and(|before| before.0 == now.0 && before.1 != now.1) && is_visible() {
            history.refetch();
        }
        now
    });
    Known {
        history,
        range,
        before,
        values: StoredValue::new(values_link(&query.get_untracked())),
    }
}

/// Where the values of a chart stand as a table, up to the rest of the query.
fn values_link(query: &HistoryQuery) -> String {
    let page = link(&query.target, "history");
    match &query.table {
        Some(table) => format!(
            "{page}?schema={}&table={}&",
            escape(&table.schema),
            escape(&table.name)
        ),
        None => format!("{page}?"),
    }
}

/// Whether someone can see the page.
fn is_visible() -> bool {
    #[cfg(feature = "hydrate")]
    return document().visibility_state() == web_sys::VisibilityState::Visible;
    #[cfg(not(feature = "hydrate"))]
    true
}

/// The charts of what was loaded.
#[component]
pub fn HistoryCharts(
    /// What was loaded.
    known: Known,
    /// The one chart that is shown; none: all.
    #[prop(optional, into)]
    only: Option<Memo<Option<String>>>,
    /// Whether the page is about them.
    #[prop(optional)]
    main: bool,
) -> impl IntoView {
    let Known {
        history,
        range,
        before,
        values,
    } = known;
    let only = only.unwrap_or_else(|| Memo::new(|_| None));
    in_part(parts::charts(Box::new(ChartsProps {
        history,
        range,
        before,
        values: values.get_value(),
        only,
        main,
    })))
}
