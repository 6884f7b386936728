//! Files below the folder that the console may read.

use contract::{Fault, import::FileEntry};

use super::create::Create;
use crate::{
    address::{use_query, use_typed_query},
    prelude::*,
    ui::{Ago, Bytes, EmptyState, FaultView, Pager, SearchBox, cut, use_hydrated},
};

/// Files on a page.
const PER_PAGE: i64 = 8;

/// The card of the server's folder: a plain form, whose buttons each name a file, and one for a path that is typed.
#[component]
pub fn ServerFiles(
    /// The folder.
    folder: String,
    /// Why it cannot be read, if it cannot.
    fault: Option<Fault>,
    /// What lies below it.
    files: Vec<FileEntry>,
    /// Whether there may be more than is listed.
    more: bool,
    /// The managed database.
    target: Memo<String>,
    /// Begins an import.
    create: Create,
    /// Looks at the folder again.
    changed: Callback<()>,
) -> impl IntoView {
    let head = view! {
        <div class="ch">
            <h2>"A file on the server"</h2>
            <p>"Below " <span class="mono">{folder}</span> ". It is opened read-only and never changed."</p>
        </div>
    };
    if let Some(fault) = fault {
        return view! {
            <section class="card" aria-label="Files on the server">
                {head}
                <div class="cb">
                    <FaultView fault retry=changed />
                </div>
            </section>
        };
    }
    let cut_off = more.then(|| {
        view! {
            <p class="cb muted small">
                "The folder is large or deep, and this is not all that is in it: at most 1,000 databases are listed, at most eight folders deep. Type the path of any other."
            </p>
        }
    });
    if files.is_empty() {
        return view! {
            <section class="card" aria-label="Files on the server">
                {head}
                <EmptyState
                    title="No SQLite database in the folder"
                    hint="Other files are not listed, nor what is hidden or a link that leads out. Put a database there, its -wal beside it, and reload this page."
                />
                {cut_off}
                <ByPath target create />
            </section>
        };
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
            {cut_off}
            <ByPath target create />
        </section>
    }
}

/// A file that is not in the list, by its path. The engine follows it to the file and says when it leads out.
#[component]
fn ByPath(target: Memo<String>, create: Create) -> impl IntoView {
    let hydrated = use_hydrated();
    let path = RwSignal::new(String::new());
    view! {
        <form
            class="filters"
            method="post"
            action="/rpc/create_import"
            on:submit=move |event| {
                if hydrated.get_untracked() {
                    event.prevent_default();
                    let path = path.get_untracked().trim().to_owned();
                    if !path.is_empty() && !create.pending().get_untracked() {
                        create.dispatch((target.get_untracked(), Some(path), None));
                    }
                }
            }
        >
            <input type="hidden" name="target" value=move || target.get() />
            <label for="import-path">"Another path below the folder"</label>
            <input
                id="import-path"
                class="mono"
                type="text"
                name="path"
                required
                autocomplete="off"
                autocapitalize="off"
                spellcheck="false"
                on:input=move |event| path.set(event_target_value(&event))
            />
            <button class="btn sm" type="submit" aria-label="Inspect this path" aria-disabled=move || create.pending().get().then_some("true")>
                "Inspect"
            </button>
        </form>
    }
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
                    aria-disabled=move || create.pending().get().then_some("true")
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
}
