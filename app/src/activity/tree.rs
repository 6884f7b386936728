//! Who holds up whom.

use crate::prelude::*;
use contract::activity::{ActivityView, BlockNode, SessionStat};

use super::{
    acts::{Acts, Asked},
    span,
};

/// The line that says it all: how many wait, and for whom, with the acts.
#[component]
pub fn Headline(
    /// What is so now.
    now: Signal<ActivityView>,
    /// Asks before an act.
    asked: Asked,
) -> impl IntoView {
    let words = Memo::new(move |_| now.with(words));
    let waits = Memo::new(move |_| now.with(|now| now.waiting > 0));
    // The acts stay the same ones as long as the root does.
    let root = Memo::new(move |_| {
        now.with(|now| {
            let first = now.tree.first()?;
            first.session.as_ref().map(|session| session.key)
        })
    });
    view! {
        <div class=move || if waits.get() { "banner bad" } else { "banner ok" } role="status">
            <span class=move || if waits.get() { "dot bad" } else { "dot" }></span>
            {move || words.with(|(verdict, _)| verdict.clone())}
            <span>{move || words.with(|(_, rest)| rest.clone())}</span>
            {move || {
                root.get()
                    .map(|key| {
                        let session = Memo::new(move |before: Option<&SessionStat>| {
                            let found = now
                                .with(|now| {
                                    let sessions = now.tree.iter().filter_map(|node| node.session.as_ref());
                                    sessions.into_iter().find(|session| session.key == key).cloned()
                                });
                            found.or_else(|| before.cloned()).unwrap_or_else(|| none(key))
                        });
                        view! { <Acts session asked /> }
                    })
            }}
        </div>
    }
}

/// The verdict, and what it rests on.
fn words(now: &ActivityView) -> (String, String) {
    let Some(root) = now.tree.first() else {
        return match now.waiting {
            0 if now.unread > 0 => (
                "Nobody of those read waits for a lock".to_owned(),
                format!("{} sessions more are not read.", now.unread),
            ),
            0 => ("Nobody waits for a lock".to_owned(), String::new()),
            count => (format!("{} for a lock", wait(count)), String::new()),
        };
    };
    let those = match now.waiting == root.below {
        true if root.below == 1 => "it".to_owned(),
        true => "them".to_owned(),
        false => format!("{} of them", root.below),
    };
    (
        wait(now.waiting),
        format!(
            "{} holds {those} up, the longest for {}.",
            root.who(),
            span(Some(root.longest_s))
        ),
    )
}

fn wait(count: i64) -> String {
    match count {
        1 => "1 session waits".to_owned(),
        count => format!("{count} sessions wait"),
    }
}

/// In the place of a session that is gone by the time it is drawn.
fn none(key: contract::activity::SessionKey) -> SessionStat {
    SessionStat {
        key,
        kind: None,
        role: None,
        database: None,
        here: false,
        application: String::new(),
        client: None,
        state: None,
        state_s: None,
        transaction_s: None,
        query_s: None,
        wait: None,
        waits_for: None,
        blocked_by: Vec::new(),
        query: None,
        horizon_xids: None,
        protected: Some(String::new()),
    }
}

/// The tree, roots first; nothing while nobody waits.
#[component]
pub fn Tree(
    /// What is so now.
    now: Signal<ActivityView>,
    /// Asks before an act.
    asked: Asked,
) -> impl IntoView {
    let some = Memo::new(move |_| now.with(|now| !now.tree.is_empty()));
    let key = |node: &BlockNode| {
        let prepared = node
            .prepared
            .as_ref()
            .map(|prepared| prepared.transaction.clone());
        (node.pid, prepared, node.depth)
    };
    view! {
        <section class="card" hidden=move || !some.get()>
            <div class="ch">
                <h2>"Who holds up whom"</h2>
            </div>
            <div role="list" aria-label="Who holds up whom">
                <For each=move || now.get().tree key=key let:first>
                    {
                        let place = key(&first);
                        let node = Memo::new(move |_| {
                            now.with(|now| now.tree.iter().find(|node| key(node) == place).cloned())
                                .unwrap_or_else(|| first.clone())
                        });
                        view! { <Node node asked /> }
                    }
                </For>
            </div>
        </section>
    }
}

#[component]
fn Node(node: Memo<BlockNode>, asked: Asked) -> impl IntoView {
    let (depth, key) =
        node.with_untracked(|node| (node.depth, node.session.as_ref().map(|session| session.key)));
    let acts = key.map(|key| {
        let session = Memo::new(move |_| {
            node.with(|node| node.session.clone())
                .unwrap_or_else(|| none(key))
        });
        view! { <Acts session asked /> }
    });
    let waits = move || {
        node.with(|node| {
            let lock = node.session.as_ref()?.waits_for.as_ref()?;
            let also = match node.also.as_slice() {
                [] => String::new(),
                others => format!(
                    "; also behind {}",
                    others
                        .iter()
                        .map(|pid| match pid {
                            0 => "a prepared transaction".to_owned(),
                            pid => format!("pid {pid}"),
                        })
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            };
            let since = match lock.seconds {
                Some(seconds) => format!(" {}", span(Some(seconds))),
                None => String::new(),
            };
            Some(format!("Waits{since} for {} ({}){also}", lock.on, lock.mode))
        })
    };
    let below = move || {
        node.with(|node| match (node.below, node.longest_s) {
            (0, _) => String::new(),
            (count, longest) => format!("holds up {count}, the longest for {}", span(Some(longest))),
        })
    };
    let state = move || {
        node.with(|node| {
            let session = node.session.as_ref()?;
            let mut words = session.state.clone()?;
            if let Some(seconds) = session.transaction_s {
                words.push_str(&format!(", transaction of {}", span(Some(seconds))));
            }
            Some(words)
        })
    };
    let text = move || {
        node.with(|node| match (&node.session, &node.prepared) {
            (Some(session), _) => session.query.clone(),
            (None, Some(prepared)) => Some(prepared.remedy.clone()),
            _ => None,
        })
    };
    view! {
        <div class=indent_class(depth) role="listitem">
            <span class="sr-only">{format!("Level {}", depth + 1)}</span>
            <div class="r">
                <b>{move || node.with(BlockNode::who)}</b>
                <span>{below}</span>
            </div>
            {move || waits().map(|words| view! { <small class="wait">{words}</small> " " })}
            <small>{state}</small>
            {move || text().map(|text| view! { <div class="mono small clamp">{text}</div> })}
            <div class="row">{acts}</div>
        </div>
    }
}

/// Deeper levels begin further right, up to where a narrow screen has no more room.
fn indent_class(depth: u32) -> &'static str {
    match depth {
        0 => "job",
        1 => "job ml-4",
        2 => "job ml-8",
        3 => "job ml-12",
        _ => "job ml-16",
    }
}
