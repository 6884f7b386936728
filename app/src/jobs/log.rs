//! A job's log.

use contract::{
    format,
    jobs::{LogLevel, LogLine},
};
use leptos::{either::Either, html};

use crate::{
    prelude::*,
    ui::{CsvButton, EmptyState},
    zone,
};

/// The log, following its end while one reads there.
#[component]
pub fn LogCard(
    /// The lines, live.
    lines: Memo<Vec<LogLine>>,
    /// Whether more may come.
    running: Signal<bool>,
    /// The name of the file to save as.
    file: String,
) -> impl IntoView {
    let list = NodeRef::<html::Ol>::new();
    let follows = StoredValue::new(true);
    Effect::new(move || {
        lines.track();
        if let Some(list) = list.get()
            && follows.get_value()
        {
            // The new lines are in the document only after this effect.
            request_animation_frame(move || list.set_scroll_top(list.scroll_height()));
        }
    });
    let scrolled = move |_| {
        if let Some(list) = list.get_untracked() {
            follows.set_value(list.scroll_height() - list.scroll_top() - list.client_height() < 24);
        }
    };
    let rows = Callback::new(move |()| lines.with_untracked(|lines| lines.iter().map(csv_row).collect()));
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Log"</h2>
                <span class="sp"></span>
                <CsvButton file columns=&["number", "at", "level", "text"] rows />
            </div>
            {move || {
                if lines.with(Vec::is_empty) {
                    let hint = if running.get() { "The first line comes when the job begins." } else { "The job wrote nothing." };
                    Either::Left(view! { <EmptyState title="No line yet" hint /> })
                } else {
                    Either::Right(())
                }
            }}
            <ol class="log" tabindex="0" aria-label="Log" node_ref=list on:scroll=scrolled hidden=move || lines.with(Vec::is_empty)>
                <For each=move || lines.get() key=|line| line.number let:line>
                    <li class=line_class(line.level)>
                        <time title=zone::absolute(line.at)>{zone::local(line.at, "%H:%M:%S")}</time>
                        <span>{line.text}</span>
                    </li>
                </For>
            </ol>
        </section>
    }
}

fn line_class(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Info => "log-line",
        LogLevel::Warn => "log-line warn",
        LogLevel::Error => "log-line bad",
    }
}

fn csv_row(line: &LogLine) -> Vec<String> {
    vec![
        line.number.to_string(),
        format::absolute(line.at),
        line.level.name().to_owned(),
        line.text.clone(),
    ]
}
