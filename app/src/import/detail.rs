//! One import, whole: what was found, what is decided, what would happen, what happens, and the proof.

use contract::{
    Code, Fault,
    import::{Destination, ImportId, ImportState, ImportView},
    jobs::{JobView, Phase},
    session::Permission,
};
use leptos_router::hooks::use_params_map;

use super::{
    api::view_import,
    chain::Chain,
    choices::{Choices, Kept},
    decide::DecideProps,
    discard::DiscardButton,
    found::Found,
    newer::FollowUploadProps,
    parts::{Before, before, newer as newer_part, proven as proven_part},
    plan::RehearseProps,
    proof::ProofCardProps,
    sheet::{Look, Sheet},
    start::{Ask, FinishButton, StartButton},
    state::state_words,
    tables::TablesCard,
};
use crate::{
    address::{Query, link, use_pairs},
    jobs::job_card,
    live::use_live,
    prelude::*,
    rpc::ApiError,
    session::use_may,
    ui::{Ago, Badge, Load, PageHead, in_part, load_by},
};

/// One import, in the order of its chain; the verdict comes first once there is one.
#[component]
pub fn ImportPage() -> impl IntoView {
    let params = use_params_map();
    let query = use_pairs();
    let id = Memo::new(move |_| params.with(|params| params.get("id").unwrap_or_default()));
    let look = Memo::new(move |_| query.with(look));
    let sheet = load_by(
        Memo::new(move |_| (id.get(), look.get())),
        |(id, look)| async move {
            match id.parse::<ImportId>() {
                Ok(id) => view_import(id, look).await,
                Err(_) => Err(ApiError(
                    Fault::new(Code::NotFound, format!("There is no import \"{id}\"."))
                        .hint("Look for it on the Import page of its database."),
                )),
            }
        },
    );
    let kept = Kept::new();
    let reload = Callback::new(move |()| sheet.refetch());
    view! {
        <Load resource=sheet main=true let:sheet>
            <Whole sheet kept reload />
        </Load>
    }
}

/// What the URL asks for.
fn look(query: &Query) -> Look {
    let text = |key: &str| query.get(key).filter(|value| !value.trim().is_empty());
    let page = |key: &str| text(key).and_then(|page| page.parse().ok()).unwrap_or(1);
    Look {
        table: text("table"),
        search: text("q"),
        sort: text("sort"),
        descending: text("dir").as_deref() == Some("desc"),
        page: page("page"),
        finding: text("f"),
        severity: text("severity"),
        finding_page: page("fpage"),
        inspection: text("show").as_deref() == Some("inspection"),
        plan_page: page("ppage"),
    }
}

#[component]
fn Whole(sheet: Sheet, kept: Kept, reload: Callback<()>) -> impl IntoView {
    let may = use_may(Permission::Import);
    let Sheet {
        import,
        job,
        mapping,
        file,
        findings,
        tables,
        open,
        no_such_table,
        revision,
        plan,
        proof,
        following,
        newer,
    } = sheet;
    let rehearsed = plan.as_ref().map(|plan| (plan.all_obstacles == 0, plan.current));
    let choices = Choices::provide(kept, mapping.clone(), may && import.state == ImportState::Ready);
    let (job, going_on) = watched(job, reload);
    let (state, done) = (import.state, import.state == ImportState::Done);
    let looks_back = !done || tables.is_some() || open.is_some() || no_such_table;
    let items = (done && !looks_back).then(|| findings.clone()).flatten();
    let found = file.map(|file| {
        let findings = findings.filter(|_| looks_back);
        view! { <Found id=import.id file findings folded=!looks_back /> }
    });
    let decided = looks_back.then(|| {
        let tables = view! { <TablesCard id=import.id tables open no_such_table choices /> };
        match state {
            ImportState::Ready => {
                let decide = Before::Decide(DecideProps {
                    import: import.clone(),
                    choices,
                });
                let rehearse = Before::Rehearse(Box::new(RehearseProps {
                    import: import.clone(),
                    plan,
                    revision,
                    choices,
                    going_on,
                    may,
                    reload,
                }));
                view! {
                    {in_part(before(decide))}
                    {tables}
                    {in_part(before(rehearse))}
                }
            }
            ImportState::Inspecting => ().into_any(),
            ImportState::Loading | ImportState::Done => tables.into_any(),
        }
    });
    let proven = proof.map(|proof| {
        let id = import.id;
        let (mut follow, mut again) = (None, None);
        match newer.filter(|_| may) {
            Some(newer) => {
                again = Some(in_part(newer_part(Box::new(FollowUploadProps {
                    import: import.clone(),
                    newer,
                    going_on,
                    reload,
                }))));
            }
            None if may && following => {
                follow = Some(view! {
                    <StartButton id ask=Ask::Follow going_on reload />
                    <FinishButton import=import.clone() going_on reload />
                });
            }
            None => {}
        }
        let (follow, again) = (follow.into_any(), again.into_any());
        in_part(proven_part(Box::new(ProofCardProps {
            import: import.clone(),
            proof,
            items,
            follow,
            again,
        })))
    });
    let interrupted = (may && state == ImportState::Loading).then(|| {
        let (import, schema) = (
            StoredValue::new(import.clone()),
            StoredValue::new(mapping.schema.clone()),
        );
        let into = mapping.into;
        view! {
            <Show when=move || !going_on.get()>
                <Interrupted import=import.get_value() schema=schema.get_value() into going_on reload />
            </Show>
        }
    });
    let discard = (may && matches!(state, ImportState::Ready | ImportState::Inspecting)).then(|| {
        let import = import.clone();
        view! {
            <StartButton id=import.id ask=Ask::Look going_on reload />
            <DiscardButton import left_something=false into=mapping.into going_on />
        }
    });
    view! {
        <Head import=import.clone() job>{discard}</Head>
        <Chain state verdict=import.verdict job choices inspected=found.is_some() rehearsed />
        {interrupted}
        <JobCard job done />
        {proven}
        {found}
        {decided}
    }
}

/// The import's job as it is now, and whether it goes on; when it ends, and when it has rehearsed and begins to load, the page
/// is loaded again. Until that has happened it goes on for the reader too: what they would press is of the page before.
fn watched(job: Option<JobView>, reload: Callback<()>) -> (Memo<Option<JobView>>, Memo<bool>) {
    let live = use_live();
    // What was loaded with the page, not what is known of the job by now: that may be ahead of the page already.
    let at_first = stage(job.as_ref());
    let job = match job {
        Some(job) => {
            let job = live.job(job);
            Memo::new(move |_| Some(job.get()))
        }
        None => Memo::new(|_| None),
    };
    Effect::new(move |before: Option<Stage>| {
        let now = job.with(|job| stage(job.as_ref()));
        if now != before.unwrap_or(at_first) {
            reload.run(());
        }
        now
    });
    let going_on = Memo::new(move |_| {
        job.with(|job| {
            job.as_ref().is_some_and(|job| !job.state.is_final()) || stage(job.as_ref()) != at_first
        })
    });
    (job, going_on)
}

fn stage(job: Option<&JobView>) -> Stage {
    match job {
        Some(job) if job.state.is_final() => Stage::Over,
        Some(job) if matches!(job.progress.phase, Phase::Waiting | Phase::Rehearsing) => Stage::Early,
        Some(_) => Stage::AtWork,
        None => Stage::Over,
    }
}

/// How far a job is, as far as it changes what the page shows of the import.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Early,
    AtWork,
    Over,
}

#[component]
fn Head(import: ImportView, job: Memo<Option<JobView>>, children: Children) -> impl IntoView {
    let state = import.state;
    let words = Memo::new(move |_| job.with(|job| state_words(state, job.as_ref())));
    let (target, by, at) = (
        import.target.clone(),
        import.created_by.clone(),
        import.created_at,
    );
    let facts = move || {
        view! {
            <Badge tone=Signal::derive(move || words.get().0) text=Signal::derive(move || words.get().1.to_owned()) />
            {format!(" into {target}, begun by {by} ")}
            <Ago at />
        }
    };
    let up = ("Import", link(&import.target, "import"));
    let tab = format!("Import of {} into {}", import.file, import.target);
    view! {
        <PageHead title=import.file.clone() tab=Signal::stored(tab) facts up>
            {children()}
        </PageHead>
    }
}

/// The job while it goes on, and when it did not end well.
#[component]
fn JobCard(job: Memo<Option<JobView>>, done: bool) -> impl IntoView {
    use contract::jobs::JobState;

    let may_cancel = use_may(Permission::CancelJob);
    let shown = Memo::new(move |_| {
        job.with(|job| {
            job.as_ref().is_some_and(|job| match job.state {
                JobState::Succeeded => false,
                JobState::Cancelled => !done,
                _ => true,
            })
        })
    });
    move || {
        let first = job.get_untracked().filter(|_| shown.get())?;
        let job = Memo::new(move |_| job.get().unwrap_or_else(|| first.clone()));
        Some(job_card(job, may_cancel))
    }
}

/// What an interrupted load left, and what can be done with it.
#[component]
fn Interrupted(
    import: ImportView,
    schema: String,
    into: Destination,
    going_on: Memo<bool>,
    reload: Callback<()>,
) -> impl IntoView {
    let discarding = match into {
        Destination::New => "Discarding drops the tables that this import made.",
        Destination::Existing => "Discarding forgets how far it was; rows that went into tables stay there.",
    };
    let title = format!("What was loaded is kept in schema {schema} of {}", import.target);
    view! {
        <section class="card" aria-label="Interrupted">
            <div class="item">
                <span class="badge warn">"Kept"</span>
                <b>{title}</b>
                <span></span>
                <p>
                    "Going on begins after the last range of rows that was committed, and no row comes twice. " {discarding}
                </p>
                <span></span>
                <div class="row">
                    <StartButton id=import.id ask=Ask::Begin going_on reload />
                    <DiscardButton import left_something=true into going_on />
                </div>
            </div>
        </section>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_makes_no_sense_shows_the_beginning() {
        let query = |pairs: &[(&'static str, &str)]| {
            let pairs = pairs
                .iter()
                .map(|(key, value)| format!("{key}={}", crate::address::escape(value)));
            look(&Query::read(&pairs.collect::<Vec<_>>().join("&")))
        };
        let first = Look {
            page: 1,
            finding_page: 1,
            plan_page: 1,
            ..Look::default()
        };
        assert_eq!(query(&[]), first);
        assert_eq!(query(&[("page", "soon"), ("table", " "), ("show", "all")]), first);
        assert_eq!(
            query(&[("table", "Album"), ("fpage", "3")]).table.as_deref(),
            Some("Album")
        );
    }
}
