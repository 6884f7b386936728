//! What was found in the file: its facts, whether it is sound, and the findings, worst first.

use contract::{format, import::ImportId};

use super::{
    counts::{counted, plural},
    grid::{Grid, Head},
    save::SaveButton,
    sheet::{Export, FileSheet, Findings as Page, PER_PAGE},
};
use crate::{
    address::use_here,
    prelude::*,
    ui::{EmptyState, FilterSelect, Pager, SearchBox},
};

static HEADS: [Head; 3] = [Head::words("Severity"), Head::words("Where"), Head::words("What")];

/// The card of the inspection.
#[component]
pub fn Found(
    /// The import.
    id: ImportId,
    /// The file.
    file: FileSheet,
    /// A page of findings.
    findings: Option<Page>,
    /// Whether there is no more to it than the file's facts, since the import is done.
    folded: bool,
) -> impl IntoView {
    let summary = format!(
        "{} in {} · {} · {}",
        plural(file.rows, "row", "rows"),
        plural(file.tables, "table", "tables"),
        plural(file.views, "view", "views"),
        plural(file.triggers, "trigger", "triggers"),
    );
    let look_back = (folded || findings.is_none()).then_some(true).or(None);
    view! {
        <section class="card" id="inspect" aria-label="Inspect">
            <div class="ch">
                <h2>"1 Inspect"</h2>
                <span class="muted">{summary}</span>
                <span class="sp"></span>
                {look_back.map(|_| view! { <LookBack folded=true /> })}
                <SaveButton id what=Export::Inspection />
            </div>
            <div class="cb stack-s">
                <Integrity lines=file.facts.integrity.clone() all=file.damages />
                <Facts file />
            </div>
            {findings.map(|findings| view! { <Findings id findings of_report=false /> })}
        </section>
    }
}

/// A link that shows what was found in the file also after the import, or hides it again.
#[component]
fn LookBack(
    /// Whether it is hidden now.
    folded: bool,
) -> impl IntoView {
    let here = use_here();
    let href = move || {
        let show = folded.then(|| "inspection".to_owned());
        let cleared = ["table", "q", "sort", "dir", "page", "f", "severity", "fpage"].map(|key| (key, None));
        let mut changes = vec![("show", show)];
        changes.extend(cleared);
        format!("{}#inspect", here.with(&changes))
    };
    view! {
        <a class="chip" href=href>
            {if folded { "Show what was found" } else { "Hide" }}
        </a>
    }
}

#[component]
fn Integrity(lines: Vec<String>, all: i64) -> impl IntoView {
    if all == 0 {
        return view! {
            <div class="banner ok mb-0" role="status">
                <span class="dot"></span>
                "Sound"
                <span>"SQLite's integrity check found nothing. Indexes are not checked: the import builds its own."</span>
            </div>
        };
    }
    let more = all - lines.len() as i64;
    view! {
        <div class="banner bad mb-0" role="status">
            <span class="dot bad"></span>
            "Damaged"
            <span>
                {format!(
                    "SQLite's integrity check found {}. What can be read is read; what cannot is named below.",
                    plural(all, "fault", "faults"),
                )}
            </span>
        </div>
        <ul class="stack-s mono small">{lines.into_iter().map(|line| view! { <li>{line}</li> }).collect_view()}</ul>
        {(more > 0).then(|| view! { <p class="muted small">{format!("and {} more, all in the JSON", format::exact(more))}</p> })}
    }
}

#[component]
fn Facts(file: FileSheet) -> impl IntoView {
    let facts = file.facts;
    let mut rows = vec![
        ("File", facts.name.clone()),
        (
            "Size",
            format!(
                "{} ({} bytes)",
                format::bytes(facts.bytes),
                format::exact(facts.bytes)
            ),
        ),
        ("Pages", format!("of {} bytes", format::exact(facts.page_size))),
        ("Text", facts.encoding.clone()),
        ("Journal", journal(&facts)),
    ];
    if facts.application_id != 0 || facts.user_version != 0 {
        rows.push((
            "Ids",
            format!(
                "application {}, user version {}",
                facts.application_id, facts.user_version
            ),
        ));
    }
    view! {
        <dl class="kv">
            {rows.into_iter().map(|(name, words)| view! { <dt>{name}</dt><dd>{words}</dd> }).collect_view()}
        </dl>
    }
}

fn journal(facts: &contract::import::FileFacts) -> String {
    let mut words = facts.journal.clone();
    if let Some(bytes) = facts.wal_bytes {
        words.push_str(&format!(
            ", with a -wal of {} that was read with it",
            format::bytes(bytes)
        ));
    }
    if let Some(bytes) = facts.journal_bytes {
        words.push_str(&format!(
            ", with a rollback journal of {} that was applied to a copy",
            format::bytes(bytes)
        ));
    }
    words
}

/// Findings, worst first, with their filter; for an inspection and for a report.
#[component]
pub fn Findings(
    /// The import.
    id: ImportId,
    /// A page of them.
    findings: Page,
    /// Whether they are what an import did.
    of_report: bool,
) -> impl IntoView {
    let counts = counted(findings.counts);
    let page = findings.page;
    let title = if of_report {
        "Changed, or not carried over"
    } else {
        "Findings"
    };
    let export = if of_report {
        Export::Items
    } else {
        Export::Findings
    };
    if page.all == 0 {
        let hint = if of_report {
            "Every value and every object went over as it was."
        } else {
            "Everything in the file can be carried over as it is."
        };
        return view! { <EmptyState title="Nothing to report" hint /> };
    }
    let choices: Vec<(String, String)> = [("error", "Errors"), ("warning", "Warnings"), ("note", "Notes")]
        .map(|(value, name)| (value.to_owned(), name.to_owned()))
        .to_vec();
    let nothing = page.matching == 0;
    view! {
        <div class="ch">
            <h2>{title}</h2>
            <span class="muted">{counts}</span>
            <span class="sp"></span>
            <SaveButton id what=export />
        </div>
        <SearchBox placeholder="Filter findings…" own=&["severity"] key="f" page_key="fpage">
            <FilterSelect key="severity" label="Severity" choices=Signal::stored(choices) page_key="fpage" />
        </SearchBox>
        {nothing.then(|| view! { <EmptyState title="No such finding" hint="None fits this filter." /> })}
        {(!nothing).then(|| view! { <Grid label="Findings" heads=&HEADS rows=page.rows fold=true /> })}
        <Pager page=page.page per_page=PER_PAGE rows=page.matching key="fpage" />
    }
}
