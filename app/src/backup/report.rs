//! One backup, and what its last trial restore showed.

use contract::{
    Code, Fault,
    backup::{BackupReport, BackupView, Proof, TableProof, TrialReport, VerifySpec},
    command::Act,
    format,
    jobs::JobKind,
    session::Permission,
};

use super::{
    api::{verify_backup, view_backup},
    list::{Facts, ProofBadge},
};
use crate::{
    address::{link, use_name, use_target},
    jobs::{CurrentJob, Work},
    prelude::*,
    rpc::ApiError,
    session::use_may,
    ui::{
        Ago, At, Badge, CopyCommand, Count, Duration, EmptyState, Icon, Keep, Menu, PageHead, Tone, icons,
        load_by, needs_script, use_toasts,
    },
};

/// Tables that are listed at first: those that differ come first.
const SHOWN: usize = 200;

/// A backup, how well it is proven, and every table of its last trial restore.
#[component]
pub fn BackupPage() -> impl IntoView {
    let target = use_target();
    let id = use_name("id");
    let report = load_by(
        Memo::new(move |_| (target.get(), id.get())),
        |(target, id)| async move {
            match id.parse() {
                Ok(id) => view_backup(target, id).await,
                Err(_) => Err(ApiError(
                    Fault::new(Code::NotFound, format!("There is no backup \"{id}\"."))
                        .hint("Look for it on the Backups page."),
                )),
            }
        },
    );
    let work = Work::default();
    let changed = Callback::new(move |()| report.refetch());
    view! {
        <PageHead
            title="Backup"
            tab=Signal::derive(move || format!("A backup of {}", target.get()))
            up=("Backups", link(&target.get_untracked(), "backups"))
        />
        <CurrentJob target kinds=&[JobKind::VerifyBackup] work ended=changed />
        <Keep resource=report main=true let:report>
            <Report target report work />
        </Keep>
    }
}

#[component]
fn Report(target: Memo<String>, report: Signal<BackupReport>, work: Work) -> impl IntoView {
    let may = use_may(Permission::BackUp);
    move || {
        let BackupReport {
            backup,
            trial,
            no_trial,
            places,
        } = report.get();
        let at = crate::zone::absolute(backup.taken_at);
        let title = match &backup.uploaded {
            Some(uploaded) => format!("{}, uploaded {at}", uploaded.name),
            None => format!("{}, {at}", backup.database),
        };
        let differs = trial.as_ref().is_some_and(|trial| !trial.differences.is_empty());
        let damage = backup.damage.clone().filter(|_| !differs);
        view! {
            <section class="card" aria-label="Proof">
                <div class="ch">
                    <h2>{title}</h2>
                    <ProofBadge proof=backup.proof damaged=backup.damage.is_some() foreign=backup.foreign.is_some() uploaded=backup.uploaded.is_some() />
                    <span class="sp"></span>
                    {may.then(|| view! { <VerifyButtons target backup=backup.clone() no_trial=no_trial.clone() places work /> })}
                </div>
                <div class="cb">
                    "Proven "
                    <Ago at=backup.proven_at />
                    {backup.proven_ms.map(|ms| view! { ", in " <Duration ms /> })}
                    {damage.map(|words| view! { <p class="bad-text">{words}</p> })}
                    {backup.origin().map(|words| view! { <p>{words}</p> })}
                    {backup.concern.clone().map(|words| view! { <p>{words}</p> })}
                    {backup.notes.clone().into_iter().map(|note| view! { <p class="muted small">{note}</p> }).collect_view()}
                </div>
            </section>
            <div class="cols">
                <div class="stack">
                    {match trial {
                        Some(trial) => view! { <Trial trial /> },
                        None => {
                            let text = match (&no_trial, backup.exact) {
                                (Some(why), _) => why.clone(),
                                (None, true) => {
                                    "Verify it to the end: it is restored into a throw-away server, and every row and object is compared with the snapshot."
                                        .to_owned()
                                }
                                (None, false) => {
                                    "Its snapshot was not counted and hashed, so it can be restored for trial, and not compared.".to_owned()
                                }
                            };
                            view! { <EmptyState title="It was not restored for trial yet." hint=text /> }
                        }
                    }}
                </div>
                <div class="stack">
                    <section class="card">
                        <div class="ch">
                            <h2>"The backup"</h2>
                        </div>
                        <div class="cb">
                            <Facts backup />
                        </div>
                    </section>
                </div>
            </div>
        }
    }
}

/// Reading back, and restoring for trial.
#[component]
fn VerifyButtons(
    target: Memo<String>,
    backup: BackupView,
    no_trial: Option<String>,
    places: Vec<String>,
    work: Work,
) -> impl IntoView {
    let toasts = use_toasts();
    let id = backup.id;
    let furthest = match (no_trial.is_some() || backup.foreign.is_some(), backup.exact) {
        (true, _) => Proof::ReadBack,
        (false, false) => Proof::Restored,
        (false, true) => Proof::Equal,
    };
    let verify = Action::new(move |(level, on): &(Proof, Option<String>)| {
        verify_backup(VerifySpec {
            target: target.get_untracked(),
            id,
            level: *level,
            on: on.clone(),
        })
    });
    Effect::new(move || match verify.value().get() {
        Some(Ok(_)) => work.begin(),
        Some(Err(ApiError(fault))) => toasts.fault(&fault),
        None => {}
    });
    needs_script("Verify");
    let command = Signal::derive(move || {
        let (target, level) = (&target.get(), furthest);
        Act::Verify {
            target,
            id,
            level,
            on: None,
        }
        .line()
    });
    let text = match furthest {
        Proof::Equal => "Restore and compare",
        Proof::Restored => "Restore for trial",
        Proof::Hash | Proof::ReadBack => "Read back",
    };
    let far = match backup.exact {
        true => Proof::Equal,
        false => Proof::Restored,
    };
    let elsewhere = places
        .into_iter()
        .map(|on| {
            let words = format!("Restore for trial on the server of {on}");
            view! {
                <button
                    class="menu-item"
                    type="button"
                    title="into a scratch database, which is removed"
                    aria-disabled=move || (work.is_busy() || verify.pending().get()).then_some("true")
                    on:click=move |_| {
                        if !work.is_busy() {
                            verify.dispatch((far, Some(on.clone())));
                        }
                    }
                >
                    <Icon icon=icons::Again />
                    {words}
                </button>
            }
        })
        .collect_view();
    view! {
        <button
            class="btn pri"
            type="button"
            aria-disabled=move || (work.is_busy() || verify.pending().get()).then_some("true")
            on:click=move |_| {
                if !work.is_busy() {
                    verify.dispatch((furthest, None));
                }
            }
        >
            {text}
        </button>
        <Menu id="acts" label="More" class="btn icon" button=|| view! { <Icon icon=icons::More /> }>
            {elsewhere}
            <CopyCommand command />
        </Menu>
    }
}

/// What a trial restore showed.
#[component]
fn Trial(trial: TrialReport) -> impl IntoView {
    let ended = trial.came_to_its_end();
    let TrialReport {
        level,
        at,
        duration_ms,
        restored_ms,
        server,
        failure,
        failed_at,
        mut tables,
        compared,
        differences,
        more,
        notes,
    } = trial;
    // One that could not be made takes nothing from what the one before showed.
    let (tone, verdict) = match (ended, differences.is_empty(), level) {
        (_, false, _) => (Tone::Bad, "Not equal"),
        (false, true, _) => (Tone::Warn, "Not restored"),
        (true, true, Proof::Equal) => (Tone::Ok, "Equal, row for row"),
        (true, true, _) => (Tone::Ok, "Restored, not compared"),
    };
    let failed = failure.map(|words| {
        let at = failed_at.filter(|_| ended).map(|at| view! { ", " <At at /> });
        let what = if ended { "Not made again" } else { "Failed" };
        view! {
            <dt>{what} {at}</dt>
            <dd class="bad-text">{words}</dd>
        }
    });
    // What is wrong first.
    tables.sort_by_key(|table| table.equal);
    let hidden = tables.len().saturating_sub(SHOWN);
    tables.truncate(SHOWN);
    view! {
        <section class="card" aria-label="Last trial restore">
            <div class="ch">
                <h2>"Last trial restore"</h2>
                <Badge tone text=verdict />
            </div>
            <div class="cb">
                <dl class="kv">
                    <dt>"Ended"</dt>
                    <dd>
                        <At at />
                    </dd>
                    <dt>"Took"</dt>
                    <dd>
                        <Duration ms=duration_ms />
                        {restored_ms.map(|ms| view! { ", of it the restore " <Duration ms /> })}
                    </dd>
                    {server.map(|version| view! { <dt>"Server"</dt><dd>{format!("PostgreSQL {version}")}</dd> })}
                    {failed}
                </dl>
                {notes.into_iter().map(|note| view! { <p class="muted small">{note}</p> }).collect_view()}
                {(!differences.is_empty())
                    .then(|| {
                        view! {
                            <h3>"What differs from the snapshot"</h3>
                            <ul>{differences.into_iter().map(|words| view! { <li class="bad-text">{words}</li> }).collect_view()}</ul>
                            {(more > 0).then(|| view! { <p>{format!("And {} more.", format::exact(more))}</p> })}
                        }
                    })}
            </div>
        </section>
        {(!tables.is_empty()).then(|| view! { <Tables tables hidden /> })}
        {(!compared.is_empty())
            .then(|| {
                view! {
                    <section class="card" aria-label="Compared beside the rows">
                        <div class="ch">
                            <h2>"Compared beside the rows"</h2>
                        </div>
                        <div class="cb">
                            <dl class="kv">
                                {compared
                                    .into_iter()
                                    .map(|(what, value)| view! { <dt>{what}</dt><dd><Count value /></dd> })
                                    .collect_view()}
                            </dl>
                        </div>
                    </section>
                }
            })}
    }
}

#[component]
fn Tables(tables: Vec<TableProof>, hidden: usize) -> impl IntoView {
    view! {
        <section class="card" aria-label="Tables">
            <div class="ch">
                <h2>"Tables"</h2>
            </div>
            <div class="table-wrap" tabindex="0" role="region" aria-label="Tables of the backup">
                <table class="table fold">
                    <thead>
                        <tr>
                            <th scope="col">"Table"</th>
                            <th scope="col" class="num">
                                "In the snapshot"
                            </th>
                            <th scope="col" class="num">
                                "Restored"
                            </th>
                            <th scope="col">"Rows"</th>
                        </tr>
                    </thead>
                    <tbody>
                        {tables
                            .into_iter()
                            .map(|table| {
                                let (tone, text) = if table.equal { (Tone::Ok, "Equal") } else { (Tone::Bad, "Different") };
                                view! {
                                    <tr>
                                        <td class="wrap mono">{table.name}</td>
                                        <td class="num">
                                            <Count value=table.rows />
                                        </td>
                                        <td class="num">
                                            {match table.restored {
                                                Some(value) => view! { <Count value /> },
                                                None => "missing".into_any(),
                                            }}
                                        </td>
                                        <td>
                                            <Badge tone text />
                                        </td>
                                    </tr>
                                }
                            })
                            .collect_view()}
                    </tbody>
                </table>
            </div>
            {(hidden > 0).then(|| view! { <p class="cb muted small">{format!("And {hidden} more; pgsteward backup report --json has them all.")}</p> })}
        </section>
    }
}
