//! Commands that tell how far they are, and what keeps dead rows.

use crate::prelude::*;
use contract::{
    activity::{ActivityView, HolderKind, RunningCommand},
    finding::{Finding, Level},
    format,
};

use super::span;
use crate::ui::{Badge, ProgressBar, Tone};

/// Running commands; nothing while there are none.
#[component]
pub fn Running(
    /// What is so now.
    now: Signal<ActivityView>,
) -> impl IntoView {
    let some = Memo::new(move |_| now.with(|now| !now.running.is_empty()));
    let key = |command: &RunningCommand| (command.pid, command.command.clone(), command.relation.clone());
    view! {
        <section class="card" hidden=move || !some.get()>
            <div class="ch">
                <h2>"Running commands"</h2>
            </div>
            <For each=move || now.get().running key=key let:first>
                {
                    let place = key(&first);
                    let command = Memo::new(move |_| {
                        now.with(|now| now.running.iter().find(|command| key(command) == place).cloned())
                            .unwrap_or_else(|| first.clone())
                    });
                    view! { <Command command /> }
                }
            </For>
        </section>
    }
}

#[component]
fn Command(command: Memo<RunningCommand>) -> impl IntoView {
    let name = command.with_untracked(|command| match &command.relation {
        Some(relation) => format!("{} on {relation}", command.command),
        None => command.command.clone(),
    });
    let far = move || {
        command.with(|command| {
            let share = format::percent(command.fraction?);
            Some(match command.of_phase {
                true => format!("{share} of this phase"),
                false => share,
            })
        })
    };
    let facts = move || {
        command.with(|command| {
            let mut words = vec![command.phase.clone()];
            words.extend(command.counted.clone());
            words.extend(
                command
                    .left_s
                    .map(|left| format!("this phase about {} more", span(Some(left)))),
            );
            words.extend(
                command
                    .seconds
                    .map(|seconds| format!("runs for {}", span(Some(seconds)))),
            );
            words.join(" · ")
        })
    };
    let who = command.with_untracked(|command| {
        let database = command.database.as_ref().map(|name| format!(", in {name}"));
        format!(
            "pid {}, {}{}",
            command.pid,
            command.who,
            database.unwrap_or_default()
        )
    });
    view! {
        <div class="job">
            <div class="r">
                <b>{name.clone()}</b>
                <span>{far}</span>
            </div>
            <ProgressBar fraction=Signal::derive(move || command.with(|command| command.fraction)) label=Signal::stored(name) />
            <small>{facts}</small>
            " "
            <small>{who}</small>
        </div>
    }
}

/// What is too long, with what to do; nothing when nothing is.
#[component]
pub fn Concerns(
    /// What is so now.
    now: Signal<ActivityView>,
) -> impl IntoView {
    let concerns = Memo::new(move |_| now.with(|now| now.concerns.clone()));
    let item = |finding: Finding| {
        let (tone, word) = match finding.level {
            Level::Urgent => (Tone::Bad, "Urgent"),
            Level::Warning => (Tone::Warn, "Warning"),
            Level::Note => (Tone::Info, "Note"),
        };
        view! {
            <div class="item">
                <Badge tone text=word />
                <b>{finding.words}</b>
                <span></span>
                <p>{finding.evidence.map(|evidence| format!("{evidence} "))} {finding.remedy}</p>
            </div>
        }
    };
    view! {
        <section class="card" hidden=move || concerns.with(Vec::is_empty)>
            <div class="ch">
                <h2>"Too long"</h2>
            </div>
            {move || concerns.get().into_iter().map(item).collect_view()}
        </section>
    }
}

/// What keeps dead rows from being removed, and every prepared transaction.
#[component]
pub fn Horizon(
    /// What is so now.
    now: Signal<ActivityView>,
) -> impl IntoView {
    let holders = Memo::new(move |_| now.with(|now| now.horizon.clone()));
    let prepared = Memo::new(move |_| now.with(|now| now.prepared.clone()));
    let rows = move || {
        holders
            .get()
            .into_iter()
            .map(|holder| {
                let kind = match holder.kind {
                    HolderKind::Session => "Session",
                    HolderKind::Prepared => "Prepared",
                    HolderKind::Slot => "Slot",
                    HolderKind::Standby => "Standby",
                };
                view! {
                    <tr>
                        <td>
                            <Badge tone=Tone::Off text=kind />
                        </td>
                        <td class="wrap">{holder.who} <div class="muted small">{holder.remedy}</div></td>
                        <td class="num" title="transactions that began since the oldest whose rows it keeps">
                            {format::exact(holder.xids)}
                        </td>
                        <td class="num">{holder.age_s.map_or_else(|| "unknown".to_owned(), |seconds| span(Some(seconds)))}</td>
                    </tr>
                }
            })
            .collect_view()
    };
    let of_prepared = move || {
        prepared
            .get()
            .into_iter()
            .map(|prepared| {
                let title = format!(
                    "“{}” of {} in {}, prepared {} ago",
                    prepared.name,
                    prepared.owner,
                    prepared.database,
                    span(Some(prepared.age_s)),
                );
                view! {
                    <div class="item">
                        <Badge tone=Tone::Warn text="Prepared" />
                        <b>{title}</b>
                        <span></span>
                        <p>"It keeps its locks, also over a restart. Ask its application; then: " <code class="mono">{prepared.remedy}</code></p>
                    </div>
                }
            })
            .collect_view()
    };
    view! {
        <section class="card" hidden=move || prepared.with(Vec::is_empty)>
            <div class="ch">
                <h2>"Prepared transactions"</h2>
            </div>
            {of_prepared}
        </section>
        <section class="card">
            <div class="ch">
                <h2>"What keeps dead rows"</h2>
            </div>
            <p class="cb muted small" hidden=move || !holders.with(Vec::is_empty)>
                "Nothing: no transaction, slot or standby holds the xmin horizon back."
            </p>
            <div class="table-wrap" tabindex="0" role="region" aria-label="What keeps dead rows" hidden=move || holders.with(Vec::is_empty)>
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col">"Kind"</th>
                            <th scope="col">"Who, and what to do"</th>
                            <th scope="col" class="num">
                                "Transactions"
                            </th>
                            <th scope="col" class="num">
                                "For"
                            </th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </section>
    }
}
