//! The statements of a managed database, what costs most first.

use contract::{
    command::Act,
    format::{self, milliseconds},
    history::Range,
    query::{MOST_QUERIES, QUERIES_SHOWN, QueriesQuery, QueriesView, QuerySort},
};

use super::{
    EVERY,
    api::list_queries,
    cover::{Covers, Hints, missing},
    rows::{COLUMNS, Statements, csv_row},
};
use crate::{
    address::{use_here, use_query, use_target, use_typed_query},
    history::{RangeBar, use_range},
    prelude::*,
    ui::{
        CopyCommand, CsvLoadButton, CsvRows, FilterSelect, Icon, Keep, Menu, PageHead, SearchBox, Sort,
        again_while_seen, icons, load_by, use_sort,
    },
};

/// The statements by what they cost; range, order and filters are in the URL.
#[component]
pub fn QueriesPage() -> impl IntoView {
    let target = use_target();
    let (range, before) = use_range();
    let (search, role, tag) = (use_query("q"), use_query("role"), use_query("tag"));
    let least = use_typed_query::<i64>("min");
    let sort = use_sort(QuerySort::default().name(), true);
    let shown = use_typed_query::<i64>("show");
    let query = Memo::new(move |_| QueriesQuery {
        target: target.get(),
        range: range.get(),
        sort: sort.with(|sort| sort.key.parse().unwrap_or_default()),
        ascending: sort.with(|sort| !sort.descending),
        search: search.get(),
        role: role.get(),
        tag: tag.get(),
        min_mean_ms: least.get(),
        limit: shown.get().unwrap_or(QUERIES_SHOWN).clamp(1, MOST_QUERIES),
    });
    let queries = load_by(query, list_queries);
    again_while_seen(EVERY, move || {
        // A stretch that was chosen by hand stays what it is.
        if matches!(range.get_untracked(), Range::Last(_)) {
            queries.refetch();
        }
    });
    // All that there are, also when the page shows fewer.
    let load = Callback::new(move |()| -> CsvRows {
        let asked = QueriesQuery {
            limit: MOST_QUERIES,
            ..query.get_untracked()
        };
        Box::pin(async move {
            let view = list_queries(asked).await?;
            Ok(view.statements.iter().map(csv_row).collect())
        })
    });
    let as_command = Signal::derive(move || query.with(|query| Act::Queries(query).line()));
    let facts = move || {
        view! {
            <Transition fallback=|| "What the statements cost.">
                {move || {
                    queries
                        .get()
                        .and_then(Result::ok)
                        .map(|view| {
                            view! {
                                <Covers coverage=view.coverage />
                                " · "
                                {format::exact(view.whole.calls)}
                                " calls took "
                                {milliseconds(view.whole.total_ms)}
                            }
                        })
                }}
            </Transition>
        }
    };
    view! {
        <PageHead title="Queries" tab=Signal::derive(move || format!("Queries of {}", target.get())) facts>
            <CsvLoadButton file=Signal::derive(move || format!("queries-{}.csv", target.get())) columns=&COLUMNS load />
            <div hidden=move || !range.with(|range| matches!(range, Range::Last(_)))>
                <Menu id="queries-menu" label="More acts" button=|| view! { <Icon icon=icons::More /> }>
                    <CopyCommand command=as_command />
                </Menu>
            </div>
        </PageHead>
        <RangeBar range before week=false />
        <Keep resource=queries main=true of=Signal::derive(move || query.with(|query| format!("{query:?}"))) let:view>
            <Found view sort />
        </Keep>
    }
}

#[component]
fn Found(view: Signal<QueriesView>, sort: Memo<Sort>) -> impl IntoView {
    let choices = |names: &[String]| -> Vec<(String, String)> {
        names.iter().map(|name| (name.clone(), name.clone())).collect()
    };
    let roles = Signal::derive(move || view.with(|view| choices(&view.roles)));
    let tags = Signal::derive(move || view.with(|view| choices(&view.tags)));
    let times = Signal::derive(move || {
        let threshold = view.with(|view| view.threshold_ms);
        vec![
            (
                threshold.to_string(),
                format!("{} ms, the threshold", format::exact(threshold)),
            ),
            ("100".to_owned(), "100 ms".to_owned()),
            ("10".to_owned(), "10 ms".to_owned()),
        ]
    });
    let hints = move || {
        let (hints, trouble) = view.with(|view| (view.hints.clone(), view.trouble.clone()));
        view! { <Hints hints trouble /> }
    };
    view! {
        {hints}
        <section class="card">
            <SearchBox placeholder="Filter statements…" own=&["role", "tag", "min"]>
                <FilterSelect key="min" label="Mean at least" choices=times />
                <FilterSelect key="role" label="Role" choices=roles />
                <FilterSelect key="tag" label="Tag" choices=tags />
            </SearchBox>
            <p class="cb muted small">{move || view.with(note)}</p>
            {move || view! { <Statements view=view.get() sort /> }}
            <ShowMore view />
        </section>
    }
}

/// The link to more of the list, while there is more.
#[component]
fn ShowMore(view: Signal<QueriesView>) -> impl IntoView {
    let here = use_here();
    let next = Memo::new(move |_| {
        let (shown, matching) = view.with(|view| (view.statements.len() as i64, view.matching));
        let most = matching.min(MOST_QUERIES);
        (shown < most).then(|| (shown + QUERIES_SHOWN).min(MOST_QUERIES))
    });
    move || {
        next.get().map(|next| {
            let link = here.with(&[("show", Some(next.to_string()))]);
            view! {
                <div class="cb">
                    <a class="btn sm" href=link data-noscroll="true">
                        "Show more"
                    </a>
                </div>
            }
        })
    }
}

/// How many there are, and what is not in them.
fn note(view: &QueriesView) -> String {
    let shown = i64::try_from(view.statements.len()).unwrap_or(i64::MAX);
    let (matching, all) = (format::exact(view.matching), format::exact(view.all));
    let mut words = vec![match (shown == view.matching, view.matching == view.all) {
        (true, true) => format!("{all} statements."),
        (true, false) => format!("{matching} of {all} statements."),
        (false, _) => format!("The first {} of {matching} statements.", format::exact(shown)),
    }];
    words.extend(missing(&view.coverage));
    if view.others.calls > 0 {
        words.push(format!(
            "{} calls of {} were of statements too small to be kept one by one.",
            format::exact(view.others.calls),
            milliseconds(view.others.total_ms)
        ));
    }
    if !view.tags.is_empty() {
        words.push("Tags are those of the call with which the server began to count.".to_owned());
    }
    words.join(" ")
}
