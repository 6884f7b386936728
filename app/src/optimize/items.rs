//! Items of the plan as a table.

use crate::prelude::*;
use contract::{
    format,
    optimize::{ItemKind, ItemState, OptimizeItem},
};

use crate::ui::{Badge, Bytes, Tone};

/// One kind of item; nothing where there is none.
#[component]
pub fn Items(
    /// What they are.
    title: &'static str,
    /// The items.
    items: Vec<OptimizeItem>,
) -> impl IntoView {
    if items.is_empty() {
        return ().into_any();
    }
    let due = items.iter().filter(|item| item.is_due()).count();
    let (tone, words) = match due {
        0 if items.iter().all(|item| item.state == ItemState::NoTable) => {
            (Tone::Off, "no table yet".to_owned())
        }
        0 => (Tone::Ok, "nothing to do".to_owned()),
        due => (Tone::Info, format!("{} to do", format::exact(due as i64))),
    };
    let statistics = items[0].kind == ItemKind::Statistics;
    let sized = items.iter().any(|item| item.bytes.is_some());
    view! {
        <section class="card">
            <div class="ch">
                <h2>{title}</h2>
                <span class="sp"></span>
                <Badge tone text=words />
            </div>
            <div class="table-wrap" tabindex="0" role="region" aria-label=title>
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col">{if statistics { "Table" } else { "Name" }}</th>
                            {(!statistics).then(|| view! { <th scope="col" class="hide-s">"Table"</th> })}
                            <th scope="col">"State"</th>
                            {sized.then(|| view! { <th scope="col" class="num hide-s">"Size"</th> })}
                        </tr>
                    </thead>
                    <tbody>
                        {items.into_iter().map(|item| view! { <Row item statistics sized /> }).collect_view()}
                    </tbody>
                </table>
            </div>
        </section>
    }
}

#[component]
fn Row(item: OptimizeItem, statistics: bool, sized: bool) -> impl IntoView {
    let (tone, word, meaning) = state_words(item.state);
    let table = item
        .table
        .strip_prefix("public.")
        .unwrap_or(&item.table)
        .to_owned();
    let name = if statistics { table.clone() } else { item.name };
    let sql = (!item.sql.is_empty()).then(|| item.sql.join(";\n") + ";");
    view! {
        <tr>
            <td class="wrap">
                <b class="mono">{name}</b>
                {item.note.map(|note| view! { <div class="muted small">{note}</div> })}
                {sql
                    .map(|sql| {
                        view! {
                            <details class="more small">
                                <summary>"Read the SQL"</summary>
                                <pre class="code wrap" tabindex="0">
                                    {sql}
                                </pre>
                            </details>
                        }
                    })}
            </td>
            {(!statistics).then(|| view! { <td class="mono hide-s">{table}</td> })}
            <td>
                <span title=meaning>
                    <Badge tone text=word />
                </span>
            </td>
            {sized.then(|| view! { <td class="num hide-s">{item.bytes.map(|value| view! { <Bytes value /> })}</td> })}
        </tr>
    }
}

/// A state in a word, and what it means.
fn state_words(state: ItemState) -> (Tone, &'static str, &'static str) {
    match state {
        ItemState::Present => (Tone::Ok, "There", "there, and as it should be"),
        ItemState::Missing => (Tone::Info, "Missing", "not there yet"),
        ItemState::Invalid => (
            Tone::Bad,
            "Invalid",
            "its build was broken off, or existing rows were never checked",
        ),
        ItemState::Different => (
            Tone::Warn,
            "Different",
            "there under this name, but defined otherwise; left alone",
        ),
        ItemState::NoTable => (Tone::Off, "No table", "its table is not there yet"),
        ItemState::Stale => (Tone::Warn, "Stale", "missing, or much has changed since"),
    }
}
