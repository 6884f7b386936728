//! Imports as a table.

use contract::{
    format,
    import::ImportView,
    jobs::{JobId, JobView},
};

use super::{
    import_link,
    state::{state_words, verdict_words},
};
use crate::{
    address::{use_query, use_typed_query},
    live::use_live,
    prelude::*,
    ui::{Ago, Badge, CsvButton, EmptyState, Pager, ProgressBar, SearchBox, SortHead, cut, use_sort},
};

/// Imports on a page.
const PER_PAGE: i64 = 50;

/// The columns of the file.
const COLUMNS: [&str; 6] = ["id", "file", "state", "verdict", "created_by", "created_at"];

/// The card of past and present imports; filter, sort and page are in the URL.
#[component]
pub fn Imports(
    /// The imports, newest first.
    imports: Vec<ImportView>,
    /// The newest jobs on the same database.
    jobs: Vec<JobView>,
    /// Loads the list again.
    reload: Callback<()>,
) -> impl IntoView {
    if imports.is_empty() {
        let hint = "Choose a SQLite file above. Nothing is changed before you have read what would happen and said so.";
        return view! {
            <section class="card">
                <div class="ch">
                    <h2>"Imports"</h2>
                </div>
                <EmptyState title="No import yet" hint />
            </section>
        };
    }
    let ids: Vec<JobId> = imports.iter().filter_map(|import| import.job).collect();
    let jobs = use_live().jobs(jobs, move |job| ids.contains(&job.id));
    // A list that ends a job, or whose job was started elsewhere, is loaded again.
    let known: Vec<Option<JobId>> = imports.iter().map(|import| import.job).collect();
    let running = Memo::new(move |_| {
        jobs.with(|jobs| {
            jobs.iter()
                .filter(|job| !job.state.is_final() && known.contains(&Some(job.id)))
                .count()
        })
    });
    Effect::new(move |before: Option<usize>| {
        let now = running.get();
        if before.is_some_and(|before| now < before) {
            reload.run(());
        }
        now
    });
    let all = StoredValue::new(imports);
    let rows = Callback::new(move |()| all.with_value(|all| all.iter().map(csv_row).collect()));
    let (search, page) = (use_query("q"), use_typed_query::<i64>("page"));
    let sort = use_sort("when", true);
    let shown = move || {
        let mut fitting: Vec<ImportView> = all.with_value(|all| {
            let search = search.get().unwrap_or_default().to_lowercase();
            all.iter()
                .filter(|import| import.file.to_lowercase().contains(&search))
                .cloned()
                .collect()
        });
        sort.with(|sort| {
            match sort.key.as_str() {
                "file" => fitting.sort_by_key(|import| import.file.to_lowercase()),
                "state" => fitting.sort_by_key(|import| {
                    (import.state.name(), import.verdict.map(|verdict| verdict.name()))
                }),
                _ => fitting.sort_by_key(|import| import.created_at),
            }
            if sort.descending {
                fitting.reverse();
            }
        });
        let matching = fitting.len();
        let (here, page) = cut(&fitting, page.get().unwrap_or(1), PER_PAGE);
        let rows = here
            .iter()
            .cloned()
            .map(|import| view! { <Row import jobs /> })
            .collect_view();
        view! {
            {(matching == 0).then(|| view! { <EmptyState title="No such import" hint="No file's name contains this text." /> })}
            <div class="table-wrap" tabindex="0" role="region" aria-label="Imports" hidden=matching == 0>
                <table class="table fold">
                    <thead>
                        <tr>
                            <SortHead sort key="file" label="File" />
                            <SortHead sort key="state" label="State" />
                            <th scope="col" class="hide-s">
                                "By"
                            </th>
                            <SortHead sort key="when" label="Begun" />
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            <Pager page per_page=PER_PAGE rows=matching as i64 />
        }
    };
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Imports"</h2>
                <span class="sp"></span>
                <CsvButton file="imports.csv" columns=&COLUMNS rows />
            </div>
            <SearchBox placeholder="Filter by file…" />
            {shown}
        </section>
    }
}

#[component]
fn Row(import: ImportView, jobs: Memo<Vec<JobView>>) -> impl IntoView {
    let (state, id) = (import.state, import.job);
    let job = Memo::new(move |_| jobs.with(|jobs| jobs.iter().find(|job| Some(job.id) == id).cloned()));
    let words = Memo::new(move |_| job.with(|job| state_words(state, job.as_ref())));
    let bar = move || {
        job.with(|job| job.as_ref().is_some_and(|job| !job.state.is_final())).then(|| {
            view! {
                <ProgressBar
                    fraction=Signal::derive(move || job.with(|job| job.as_ref().and_then(|job| job.progress.fraction)))
                    label=Signal::derive(move || job.with(|job| job.as_ref().map(|job| job.title.clone()).unwrap_or_default()))
                />
            }
        })
    };
    let verdict = import.verdict.map(|verdict| {
        let (tone, text) = verdict_words(verdict);
        view! { <Badge tone text /> }
    });
    let href = import_link(&import.target, import.id);
    view! {
        <tr>
            <td class="wrap">
                <a class="link strong" href=href>
                    {import.file}
                </a>
            </td>
            <td>
                <Badge
                    tone=Signal::derive(move || words.get().0)
                    text=Signal::derive(move || words.get().1.to_owned())
                />
                " "
                {verdict}
                {bar}
            </td>
            <td class="hide-s">{import.created_by}</td>
            <td>
                <Ago at=import.created_at />
            </td>
        </tr>
    }
}

fn csv_row(import: &ImportView) -> Vec<String> {
    vec![
        import.id.to_string(),
        import.file.clone(),
        import.state.name().to_owned(),
        import
            .verdict
            .map(|verdict| verdict.name().to_owned())
            .unwrap_or_default(),
        import.created_by.clone(),
        format::absolute(import.created_at),
    ]
}
