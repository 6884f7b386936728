//! The audit page: one log at a time, its filters in the URL.

use contract::{
    Fault,
    audit::{AuditEntry, AuditQuery, AuditSource},
    format,
};

use super::{
    api::{export_audit, list_audit},
    chain::{Check, CheckButton, Verdict},
    entries::Entries,
    filters::Filters,
    query,
};
use crate::{
    address::{escape, use_here, use_pairs, use_query},
    clock::use_clock,
    frame::use_current_target,
    prelude::*,
    rpc::ApiError,
    ui::{CsvLoadButton, EmptyState, Load, PageHead, Tab, Tabs, load_by},
};

/// The columns of the file.
const COLUMNS: [&str; 11] = [
    "id",
    "at",
    "severity",
    "event_type",
    "user",
    "address",
    "target",
    "object",
    "outcome",
    "detail",
    "job",
];

/// Who did what, when, and what came of it: the console's own acts, and what a managed database's application wrote.
#[component]
pub fn AuditPage() -> impl IntoView {
    let url = use_pairs();
    let when = use_query("when");
    let clock = use_clock();
    let asked = Memo::new(move |_| {
        let query = url.with(query::read)?;
        Ok((query, query::within(when.get().as_deref())?))
    });
    // A span counts back from the moment of asking.
    let now = move |asked: Result<(AuditQuery, Option<i64>), Fault>| {
        asked.map(|(query, seconds)| query::since(query, seconds, clock.now_untracked()))
    };
    let page = load_by(asked, move |asked| {
        let query = now(asked);
        async move { list_audit(query.map_err(ApiError)?).await }
    });
    let of_target = Memo::new(move |_| url.with(|url| url.get("source").as_deref() == Some("target")));
    let export = Callback::new(move |()| {
        let query = now(asked.get_untracked());
        Box::pin(async move {
            let entries = export_audit(query.map_err(ApiError)?).await?;
            Ok(entries.iter().map(csv_row).collect())
        }) as _
    });
    let check = Check::new();
    view! {
        <PageHead title="Audit" facts=|| "Who did what, when, and what came of it. Entries are added and never changed.">
            <CsvLoadButton file=Signal::derive(move || if of_target.get() { "audit_logs.csv" } else { "audit.csv" }.to_owned()) columns=&COLUMNS load=export />
            <Show when=move || !of_target.get()>
                <CheckButton check />
            </Show>
        </PageHead>
        <Show when=move || !of_target.get()>
            <Verdict check />
        </Show>
        <section class="card">
            <Transition fallback=|| ()>
                <Logs of_target />
            </Transition>
            <Filters page of_target />
            <Load resource=page let:page>
                {
                    let (asked, within) = asked.get_untracked().unwrap_or_default();
                    let beginning = asked.after.is_none();
                    let of_target = asked.source == AuditSource::Target;
                    let next = page.next.clone();
                    view! {
                        {if page.entries.is_empty() {
                            nothing(&asked, within.is_some())
                        } else {
                            view! { <Entries entries=page.entries of_target /> }
                        }}
                        <Turn beginning next />
                    }
                }
            </Load>
        </section>
    }
}

/// The two logs side by side.
#[component]
fn Logs(of_target: Memo<bool>) -> impl IntoView {
    let current = use_current_target();
    let query = use_pairs();
    let tabs = move || {
        // The log of the database that one came from, or is looking at.
        let target = query
            .with(|query| query.get("target"))
            .filter(|target| !target.is_empty())
            .or_else(|| current.get());
        let own = Tab {
            name: "Console".into(),
            href: "/audit".into(),
            current: !of_target.get(),
            count: None,
        };
        let other = target.map(|target| Tab {
            name: format!("audit_logs of {target}"),
            href: format!("/audit?source=target&target={}", escape(&target)),
            current: of_target.get(),
            count: None,
        });
        std::iter::once(own).chain(other).collect::<Vec<_>>()
    };
    view! { <Tabs label="Logs" tabs=Signal::derive(tabs) /> }
}

fn nothing(asked: &AuditQuery, within: bool) -> AnyView {
    let all = AuditQuery {
        source: asked.source,
        ..AuditQuery::default()
    };
    let of_target = AuditQuery {
        target: asked.target.clone(),
        ..all.clone()
    };
    let every = *asked == all || (asked.source == AuditSource::Target && *asked == of_target);
    if every && !within {
        let hint = match asked.source {
            AuditSource::Console => "Log-ins, jobs and changes of users appear here.",
            AuditSource::Target => "What the application writes into its table audit_logs appears here.",
        };
        return view! { <EmptyState title="No entry yet" hint /> };
    }
    let href = match (&asked.source, &asked.target) {
        (AuditSource::Target, Some(target)) => format!("/audit?source=target&target={}", escape(target)),
        _ => "/audit".to_owned(),
    };
    view! {
        <EmptyState title="No such entry" hint="No entry fits these filters.">
            <a class="btn" href=href>
                "Show all entries"
            </a>
        </EmptyState>
    }
}

/// To older entries, and back to the newest.
#[component]
fn Turn(beginning: bool, next: Option<String>) -> impl IntoView {
    let here = use_here();
    (!beginning || next.is_some()).then(|| {
        let newest = here.clone();
        view! {
            <nav class="pager" aria-label="Pages">
                <span class="sp"></span>
                {(!beginning).then(|| view! { <a class="btn sm" href=move || newest.with(&[("after", None)])>"Newest"</a> })}
                {next
                    .map(|next| {
                        view! {
                            <a class="btn sm" rel="next" href=move || here.with(&[("after", Some(next.clone()))])>
                                "Older"
                            </a>
                        }
                    })}
            </nav>
        }
    })
}

fn csv_row(entry: &AuditEntry) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    vec![
        entry.id.to_string(),
        format::absolute(entry.at),
        entry.severity.name().to_owned(),
        entry.event_type.clone(),
        text(&entry.user),
        text(&entry.address),
        text(&entry.target),
        text(&entry.object),
        entry.outcome.name().to_owned(),
        text(&entry.detail),
        entry.job.map(|job| job.to_string()).unwrap_or_default(),
    ]
}
