//! Who is told when backups fail, what was told, and a test beside each way.

use contract::{
    alarm::{AlarmView, Channel, Incident, Message, Way},
    finding::Level,
    session::Permission,
};

use super::api::test_alarm;
use crate::{
    prelude::*,
    rpc::ApiError,
    session::use_may,
    ui::{At, Badge, Tone, needs_script, use_toasts},
};

/// The ways that are set up, and the last incidents.
#[component]
pub fn Told(
    /// Them.
    alarms: Signal<AlarmView>,
    /// The managed database.
    target: Memo<String>,
) -> impl IntoView {
    let may = use_may(Permission::BackUp);
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Who is told"</h2>
                <p>"Once when a scheduled backup fails or there is no good one for too long, and once when that is over."</p>
            </div>
            <div class="cb">
                <p>"Every page shows it."</p>
                {move || {
                    let ways = alarms.with(|alarms| alarms.ways.clone());
                    match ways.is_empty() {
                        true => {
                            view! {
                                <p class="muted">
                                    "Nobody is told by e-mail or webhook yet. Whoever runs the console sets PGSTEWARD_SMTP_URL with PGSTEWARD_MAIL_FROM and \
                                     PGSTEWARD_MAIL_TO, or PGSTEWARD_WEBHOOK_URL."
                                </p>
                            }
                        }
                        false => {
                            view! { <ul>{ways.into_iter().map(|way| view! { <OneWay way target may /> }).collect_view()}</ul> }
                        }
                    }
                }}
            </div>
            {move || {
                let incidents = alarms.with(|alarms| alarms.incidents.clone());
                (!incidents.is_empty()).then(|| view! { <Incidents incidents /> })
            }}
        </section>
    }
}

#[component]
fn OneWay(way: Way, target: Memo<String>, may: bool) -> impl IntoView {
    let toasts = use_toasts();
    let channel = way.channel;
    let test = Action::new(move |()| test_alarm(target.get_untracked(), channel));
    Effect::new(move || match test.value().get() {
        Some(Ok(())) => toasts.ok("The test was sent."),
        Some(Err(ApiError(fault))) => toasts.fault(&fault),
        None => {}
    });
    let button = may.then(|| {
        needs_script("Send a test");
        let label = match channel {
            Channel::Mail => "Send a test by e-mail",
            Channel::Webhook => "Send a test to the webhook",
        };
        view! {
            <button
                class="btn sm"
                type="button"
                aria-label=label
                aria-disabled=move || test.pending().get().then_some("true")
                aria-busy=move || test.pending().get().to_string()
                on:click=move |_| {
                    test.dispatch(());
                }
            >
                "Send a test"
            </button>
        }
    });
    view! {
        <li>
            {channel.label()}
            " to "
            <span class="mono">{way.to}</span>
            " "
            {button}
        </li>
    }
}

#[component]
fn Incidents(incidents: Vec<Incident>) -> impl IntoView {
    let rows = incidents.into_iter().map(|incident| {
        let tone = match incident.level {
            Level::Urgent => Tone::Bad,
            Level::Warning => Tone::Warn,
            Level::Note => Tone::Info,
        };
        let told: Vec<String> = incident.messages.iter().map(words).collect();
        view! {
            <tr>
                <td>
                    <At at=incident.opened_at />
                </td>
                <td class="wrap">
                    <Badge tone text=incident.level.name() />
                    " "
                    {incident.words}
                </td>
                <td>
                    {match incident.resolved_at {
                        Some(at) => view! { <At at /> },
                        None => "open".into_any(),
                    }}
                </td>
                <td class="wrap small">{told.join("; ")}</td>
            </tr>
        }
    });
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label="What was told">
            <table class="table fold">
                <thead>
                    <tr>
                        <th scope="col">"Since"</th>
                        <th scope="col">"What"</th>
                        <th scope="col">"Until"</th>
                        <th scope="col">"Told"</th>
                    </tr>
                </thead>
                <tbody>{rows.collect_view()}</tbody>
            </table>
        </div>
    }
}

fn words(message: &Message) -> String {
    let what = match message.resolved {
        true => "that it is over",
        false => "that it began",
    };
    let by = message.channel.label();
    match (&message.sent_at, &message.error) {
        (Some(_), _) => format!("{by}: {what}"),
        (None, Some(error)) => format!("{by}: {what} not yet, {} tries: {error}", message.attempts),
        (None, None) => format!("{by}: {what} is to be sent"),
    }
}
