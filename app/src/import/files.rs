//! Files below the folder that the console may read.

use contract::import::FileEntry;
use leptos::prelude::*;

use super::choose::Create;
use crate::{
    address::{use_query, use_typed_query},
    ui::{Ago, Bytes, EmptyState, Pager, SearchBox, cut, use_hydrated},
};

/// Files on a page.
const PER_PAGE: i64 = 8;

/// The card of the server's folder: a plain form, whose buttons each name a file.
#[component]
pub fn ServerFiles(
    /// The folder.
    folder: String,
    /// What lies below it.
    files: Vec<FileEntry>,
    /// The managed database.
    target: Memo<String>,
    /// Begins an import.
    create: Create,
) -> impl IntoView {
    let head = view! {
        <div class="ch">
            <h2>"A file on the server"</h2>
            <p>"Below " <span class="mono">{folder}</span> ". It is opened read-only and never changed."</p>
        </div>
    };
    if files.is_empty() {
        return view! {
            <section class="card">
                {head}
                <EmptyState title="The folder is empty" hint="Put a SQLite file there, its -wal beside it, and reload this page." />
            </section>
        }
        .into_any();
    }
    let files = StoredValue::new(files);
    let (search, page) = (use_query("f"), use_typed_query::<i64>("fpage"));
    let hydrated = use_hydrated();
    let shown = move || {
        let search = search.get().unwrap_or_default().to_lowercase();
        let fitting: Vec<FileEntry> = files.with_value(|files| {
            files
                .iter()
                .filter(|file| file.path.to_lowercase().contains(&search))
                .cloned()
                .collect()
        });
        let matching = fitting.len();
        let (here, page) = cut(&fitting, page.get().unwrap_or(1), PER_PAGE);
        let rows = here
            .iter()
            .cloned()
            .map(|file| view! { <Row file target create hydrated /> })
            .collect_view();
        view! {
            {(matching == 0).then(|| view! { <EmptyState title="No such file" hint="No file's path contains this text." /> })}
            <div class="table-wrap" tabindex="0" role="region" aria-label="Files" hidden=matching == 0>
            <table class="table fold">
                <thead>
                    <tr>
                        <th scope="col">"File"</th>
                        <th scope="col" class="num">
                            "Size"
                        </th>
                        <th scope="col">
                            <span class="sr-only">"Acts"</span>
                        </th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
            </div>
            <Pager page per_page=PER_PAGE rows=matching as i64 key="fpage" />
        }
    };
    view! {
        <section class="card" aria-label="Files on the server">
            {head}
            <SearchBox placeholder="Filter files…" key="f" page_key="fpage" />
            <form method="post" action="/rpc/create_import">
                <input type="hidden" name="target" value=move || target.get() />
                {shown}
            </form>
        </section>
    }
    .into_any()
}

#[component]
fn Row(file: FileEntry, target: Memo<String>, create: Create, hydrated: ReadSignal<bool>) -> impl IntoView {
    let path = StoredValue::new(file.path.clone());
    view! {
        <tr>
            <td class="wrap">
                <b class="mono">{file.path.clone()}</b>
                <div class="muted small">
                    "changed "
                    <Ago at=file.modified_at />
                </div>
            </td>
            <td class="num">
                <Bytes value=file.bytes />
            </td>
            <td class="acts">
                <button
                    class="btn sm"
                    type="submit"
                    name="path"
                    value=file.path.clone()
                    aria-label=format!("Inspect {}", file.path)
                    disabled=move || create.pending().get()
                    on:click=move |event| {
                        if hydrated.get_untracked() {
                            event.prevent_default();
                            create.dispatch((target.get_untracked(), Some(path.get_value()), None));
                        }
                    }
                >
                    "Inspect"
                </button>
            </td>
        </tr>
    }
    .into_any()
}
