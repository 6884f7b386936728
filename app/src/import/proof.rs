//! The fifth step: what came out.

use contract::import::{ImportId, ImportView, Verdict};

use super::{
    counts::{counted, first_of},
    found::Findings,
    grid::{Cells, Grid, Head},
    save::SaveButton,
    sheet::{Export, Findings as Page, PER_PAGE, Paged, Proof},
};
use crate::{
    address::use_query,
    prelude::*,
    ui::{EmptyState, Pager, SearchBox, use_sort},
};

static TABLES: [Head; 7] = [
    Head::words("Table").sorted("name"),
    Head::words("Verdict"),
    Head::num("Rows").sorted("rows"),
    Head::num("Read back"),
    Head::num("Skipped").wide(),
    Head::num("Sent").wide(),
    Head::words("Hash, sent and read back").wide(),
];

static IDENTITIES: [Head; 4] = [
    Head::words("Column"),
    Head::num("Next in the file"),
    Head::num("Next in the database"),
    Head::words("State"),
];

static KEYS: [Head; 4] = [
    Head::words("Table"),
    Head::words("Foreign key"),
    Head::words("State"),
    Head::num("Rows without a parent"),
];

/// The verdict big and first, then the proof of it.
#[component]
pub fn ProofCard(
    /// The import.
    import: ImportView,
    /// What came out.
    proof: Proof,
    /// A page of what changed, unless the inspection is shown instead.
    items: Option<Page>,
    /// How to bring over what changed since, by a button.
    follow: AnyView,
    /// The same, where it takes more than a button.
    again: AnyView,
) -> impl IntoView {
    let Proof {
        verdict,
        summary,
        schema,
        facts,
        tables,
        differences,
        identities,
        all_identities,
        keys,
        all_keys,
    } = proof;
    let (word, rest) = match summary.split_once(": ") {
        Some((word, rest)) => (word.to_owned(), rest.to_owned()),
        None => (summary, String::new()),
    };
    let (class, dot) = match verdict {
        Verdict::Identical => ("banner ok mb-0", "dot"),
        Verdict::Explained => ("banner warn mb-0", "dot warn"),
        Verdict::Differs => ("banner bad mb-0", "dot bad"),
    };
    let id = import.id;
    let changed = items
        .as_ref()
        .map(|items| items.counts)
        .filter(|counts| counts.iter().sum::<i64>() > 0);
    let changed = changed.map(|counts| {
        view! {
            <p>
                "Changed, or not carried over: " <a href="#changed">{counted(counts)}</a>
            </p>
        }
    });
    view! {
        <section class="card" id="proof" data-part="import_proof" aria-label="Proof">
            <div class="ch">
                <h2>"5 Proof"</h2>
                <span class="muted">{format!("schema {schema} of {}", import.target)}</span>
                <span class="sp"></span>
                {follow}
                <SaveButton id what=Export::Report />
                <SaveButton id what=Export::Markdown />
            </div>
            <div class="cb stack-s">
                <div class=class role="status">
                    <span class=dot></span>
                    <strong class="verdict">{word}</strong>
                    <span>{rest}</span>
                </div>
                {changed}
                <Differences differences />
                <dl class="kv">
                    {facts.into_iter().map(|(name, words)| view! { <dt>{name}</dt><dd>{words}</dd> }).collect_view()}
                </dl>
            </div>
            {again}
            <Hashes tables />
            <Listed title="Identities" heads=&IDENTITIES rows=identities all=all_identities />
            <Listed title="Foreign keys" heads=&KEYS rows=keys all=all_keys />
        </section>
        {items.map(|findings| view! { <Items id findings /> })}
    }
}

/// The first rows that differ, by table.
#[component]
fn Differences(differences: Vec<(String, Vec<String>)>) -> impl IntoView {
    differences
        .into_iter()
        .map(|(table, rows)| {
            view! {
                <div>
                    <h3 class="mono">{table}</h3>
                    <ul class="mono small">{rows.into_iter().map(|row| view! { <li>{row}</li> }).collect_view()}</ul>
                </div>
            }
        })
        .collect_view()
        .into_any()
}

#[component]
fn Hashes(tables: Paged) -> impl IntoView {
    let sort = use_sort("verdict", false);
    // With the inspection shown below, filter and page are of its tables.
    let whole = use_query("show").get_untracked().is_none();
    let nothing = tables.matching == 0;
    let filter = (whole && tables.all > 10).then(|| view! { <SearchBox placeholder="Filter tables…" /> });
    let pager = whole.then(|| view! { <Pager page=tables.page per_page=PER_PAGE rows=tables.matching /> });
    view! {
        {filter}
        {nothing.then(|| view! { <EmptyState title="No such table" hint="No table's name contains this text." /> })}
        {(!nothing).then(|| view! { <Grid label="Tables with their hashes" heads=&TABLES rows=tables.rows sort /> })}
        {pager}
    }
}

#[component]
fn Listed(title: &'static str, heads: &'static [Head], rows: Vec<Cells>, all: i64) -> impl IntoView {
    if rows.is_empty() {
        return ().into_any();
    }
    let words = first_of(rows.len() as i64, all);
    view! {
        <div class="ch">
            <h3>{title}</h3>
            <span class="muted">{words}</span>
        </div>
        <Grid label=title heads rows fold=true />
    }
}

/// Findings of a report, below its proof.
#[component]
fn Items(
    /// The import.
    id: ImportId,
    /// A page of them.
    findings: Page,
) -> impl IntoView {
    view! {
        <section class="card" id="changed" aria-label="What changed">
            <Findings id findings of_report=true />
        </section>
    }
}
