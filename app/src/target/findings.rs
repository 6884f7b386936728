//! What a managed database needs someone to look at, on its overview.

use contract::{
    finding::{Finding, Level, worst},
    target::{TargetState, TargetView},
};
use leptos::either::EitherOf3;

use crate::{
    address::link,
    prelude::*,
    ui::{Ago, Badge, Tone},
};

/// The colour of a level.
pub(super) fn tone(level: Level) -> Tone {
    match level {
        Level::Urgent => Tone::Bad,
        Level::Warning => Tone::Warn,
        Level::Note => Tone::Info,
    }
}

/// A level in one word.
fn word(level: Level) -> &'static str {
    match level {
        Level::Urgent => "Urgent",
        Level::Warning => "Warning",
        Level::Note => "Note",
    }
}

/// What a list comes to, in two words.
pub(super) fn verdict(findings: &[Finding]) -> &'static str {
    match worst(findings) {
        None => "Healthy",
        Some(Level::Note) => "Worth knowing",
        Some(Level::Warning | Level::Urgent) => "Needs attention",
    }
}

/// How the database is, in a sentence: healthy only when nothing was found.
#[component]
pub(super) fn StateBanner(target: Memo<TargetView>) -> impl IntoView {
    let shown = Memo::new(move |_| {
        target.with(|target| (target.state.clone(), target.findings.clone(), target.name.clone()))
    });
    move || {
        let (state, findings, name) = shown.get();
        match (state, findings.first().cloned()) {
            (
                TargetState::Down {
                    fault,
                    since,
                    retry_at,
                },
                _,
            ) => EitherOf3::A(view! {
                <div class="banner bad" role="status">
                    <span class="dot bad"></span>
                    {fault.message}
                    <span>{fault.hint} " Down since " <Ago at=since /> "; next try " <Ago at=retry_at /> "."</span>
                </div>
            }),
            (TargetState::Up(server), None) => EitherOf3::B(view! {
                <div class="banner ok" role="status">
                    <span class="dot"></span>
                    {verdict(&findings)}
                    <span>{if server.tls { "Nothing needs attention. Connections are encrypted." } else { "Nothing needs attention." }}</span>
                </div>
            }),
            (TargetState::Up(_), Some(first)) => {
                let more = match findings.len() - 1 {
                    0 => None,
                    1 => Some("One thing more.".to_owned()),
                    more => Some(format!("{more} things more.")),
                };
                let (banner, dot) = match first.level {
                    Level::Urgent => ("banner bad", "dot bad"),
                    Level::Warning => ("banner warn", "dot warn"),
                    Level::Note => ("banner info", "dot"),
                };
                EitherOf3::C(view! {
                    <div class=banner role="status">
                        <span class=dot></span>
                        {verdict(&findings)}
                        <span>
                            {match first.page {
                                Some(page) => view! { <a class="link" href=link(&name, &page)>{first.words}</a> },
                                None => first.words.into_any(),
                            }}
                            {more.map(|more| view! { " " <a class="link" href="#attention" rel="external">{more}</a> })}
                        </span>
                    </div>
                })
            }
        }
    }
}

/// Every finding with what it rests on and what to do; nothing when there is none.
#[component]
pub(super) fn Attention(target: Memo<TargetView>) -> impl IntoView {
    let shown = Memo::new(move |_| target.with(|target| (target.findings.clone(), target.name.clone())));
    move || {
        let (findings, name) = shown.get();
        (!findings.is_empty()).then(|| {
            let title = verdict(&findings);
            let items = findings
                .into_iter()
                .map(|finding| item(finding, &name))
                .collect_view();
            view! {
                <section class="card" id="attention" tabindex="-1">
                    <div class="ch">
                        <h2>{title}</h2>
                    </div>
                    {items}
                </section>
            }
        })
    }
}

fn item(finding: Finding, name: &str) -> impl IntoView {
    let page = finding.page.map(|page| {
        let label = label(&page);
        view! {
            <a class="btn sm" href=link(name, &page)>
                {label}
            </a>
        }
    });
    view! {
        <div class="item">
            <Badge tone=tone(finding.level) text=word(finding.level) />
            <b>{finding.words}</b>
            {page.map_or_else(|| view! { <span></span> }, IntoAny::into_any)}
            <p>{finding.evidence.map(|evidence| format!("{evidence} "))} {finding.remedy}</p>
        </div>
    }
}

/// The pages are called like the end of their paths.
fn label(page: &str) -> String {
    let mut letters = page.rsplit('/').next().unwrap_or_default().chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
