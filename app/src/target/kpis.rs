//! The figures of one managed database.

use contract::{
    format,
    target::{ServerView, TargetState, TargetView},
};

use crate::{clock::use_clock, prelude::*, ui::whole_seconds};

/// Size, connections, cache hits, uptime. While the database is down there are none, rather than old ones.
#[component]
pub fn Kpis(
    /// The database, live.
    target: Memo<TargetView>,
) -> impl IntoView {
    let server = Memo::new(move |_| {
        target.with(|target| match &target.state {
            TargetState::Up(server) => Some(server.clone()),
            TargetState::Down { .. } => None,
        })
    });
    view! {
        <Show when=move || server.with(Option::is_some)>
            <section class="kpis four" aria-label="Now">
                <Kpi
                    label="Size"
                    value=figure(server, |server| format::bytes(server.database_bytes))
                    exact=figure(server, |server| format!("{} bytes", format::exact(server.database_bytes)))
                />
                <Kpi
                    label="Connections"
                    value=figure(server, |server| format!("{} of {}", server.connections, server.max_connections))
                    exact=figure(server, |_| "client connections to the whole server, of max_connections".to_owned())
                />
                <Kpi
                    label="Cache hits"
                    value=figure(server, |server| hits(server.cache_hit))
                    exact=figure(
                        server,
                        |_| "share of block reads served from shared buffers since the statistics were reset".to_owned(),
                    )
                />
                <Uptime server />
            </section>
        </Show>
    }
}

/// With one decimal, cut off and not rounded, so that 100 % means all.
fn hits(share: Option<f64>) -> String {
    match share {
        Some(share) => format!("{} %", (share.clamp(0.0, 1.0) * 1000.0).floor() / 10.0),
        None => "no reads yet".to_owned(),
    }
}

fn figure(server: Memo<Option<ServerView>>, text: fn(&ServerView) -> String) -> Signal<String> {
    Signal::derive(move || server.with(|server| server.as_ref().map(text).unwrap_or_default()))
}

#[component]
fn Uptime(server: Memo<Option<ServerView>>) -> impl IntoView {
    let clock = use_clock();
    let started = move || server.with(|server| server.as_ref().map(|server| server.started_at));
    let value = Signal::derive(move || match started() {
        // Whole minutes after the first hour: seconds would only flicker.
        Some(at) => {
            let seconds = (clock.now() - at).num_seconds().max(0);
            whole_seconds(
                if seconds < 3600 {
                    seconds
                } else {
                    seconds / 60 * 60
                } * 1000,
            )
        }
        None => String::new(),
    });
    let exact = Signal::derive(move || {
        started()
            .map(|at| format!("started {}", crate::zone::absolute(at)))
            .unwrap_or_default()
    });
    view! { <Kpi label="Uptime" value exact /> }
}

/// One figure: the first word large, the rest small.
#[component]
fn Kpi(label: &'static str, value: Signal<String>, exact: Signal<String>) -> impl IntoView {
    let split = Memo::new(move |_| {
        value.with(|value| match value.split_once(' ') {
            Some((large, small)) => (large.to_owned(), small.to_owned()),
            None => (value.clone(), String::new()),
        })
    });
    view! {
        <div class="card kpi" title=move || exact.get()>
            <div class="l">{label}</div>
            <div class="v">{move || split.get().0} " " <small>{move || split.get().1}</small></div>
        </div>
    }
}
