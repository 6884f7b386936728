//! The backups of one managed database.

use contract::{
    Instant,
    backup::{BackupList, BackupSpec},
    command::Act,
    format,
    jobs::{JobKind, JobView},
    session::Permission,
    swap::SpareList,
};
use leptos::either::Either;

use super::{
    api::{list_backups, list_spares, start_backup},
    list::Rows,
    parts::spares,
    spares::SparesProps,
};
use crate::{
    address::{link, use_target},
    jobs::{CurrentJob, JobTable, Work},
    live::use_live,
    prelude::*,
    rpc::ApiError,
    session::use_may,
    ui::{
        Ago, Bytes, CopyCommand, Duration, EmptyState, Icon, Keep, Menu, PageHead, icons, in_part, load_by,
        needs_script, use_toasts,
    },
};

/// Every stored backup with its proof; taking one; what became of other attempts.
#[component]
pub fn BackupsPage() -> impl IntoView {
    let target = use_target();
    let list = load_by(target, list_backups);
    let work = Work::default();
    let spare = load_by(target, list_spares);
    let changed = Callback::new(move |()| {
        list.refetch();
        spare.refetch();
    });
    let may = use_may(Permission::BackUp);
    let facts = move || {
        view! {
            <Transition fallback=|| "Copies of the whole database, each read back before it counts.">
                {move || list.get().and_then(Result::ok).map(|list| view! { <Facts list /> })}
            </Transition>
        }
    };
    view! {
        <PageHead title="Backups" tab=Signal::derive(move || format!("Backups of {}", target.get())) facts>
            {may
                .then(|| {
                    let command = Signal::derive(move || Act::BackUp(&BackupSpec::whole(target.get())).line());
                    view! {
                        <BackUpButton target work />
                        <Menu id="acts" label="More" class="btn icon" button=|| view! { <Icon icon=icons::More /> }>
                            <a class="menu-item" href=move || link(&target.get(), "backups/new")>
                                <Icon icon=icons::Backups />
                                "Parts and options…"
                            </a>
                            <a class="menu-item" href=move || link(&target.get(), "backups/add")>
                                <Icon icon=icons::Import />
                                "Add an archive…"
                            </a>
                            <CopyCommand command />
                        </Menu>
                    }
                })}
        </PageHead>
        <CurrentJob target kinds=KINDS work ended=changed />
        <Keep resource=list main=true let:list>
            <Stored list target may work changed />
        </Keep>
        <Keep resource=spare let:list>
            <Beside list work />
        </Keep>
    }
}

/// The jobs that this page is about.
const KINDS: &[JobKind] = &[
    JobKind::Backup,
    JobKind::VerifyBackup,
    JobKind::Restore,
    JobKind::AddBackup,
    JobKind::Swap,
    JobKind::DropDatabase,
    JobKind::RestoreLive,
];

/// What lies beside the live database, when there is any: most have none, and its code comes with it.
#[component]
fn Beside(list: Signal<SpareList>, work: Work) -> impl IntoView {
    let any = Memo::new(move |_| list.with(|list| !list.databases.is_empty()));
    move || {
        any.get()
            .then(|| in_part(spares(Box::new(SparesProps { list, work }))))
    }
}

/// Where backups lie, how much room there is, and what the next one will need.
#[component]
fn Facts(list: BackupList) -> impl IntoView {
    view! {
        <span class="mono">{list.location}</span>
        {list.free_bytes.map(|value| view! { " · " <Bytes value /> " free" })}
        {list.expected_bytes.map(|value| view! { " · the next one needs about " <Bytes value /> })}
        {list.expected_ms.map(|ms| view! { " and " <Duration ms /> })}
    }
}

/// Takes a backup at one click: it can be cancelled, and harms nothing.
#[component]
fn BackUpButton(#[prop(into)] target: Signal<String>, work: Work) -> impl IntoView {
    needs_script("Back up");
    let toasts = use_toasts();
    let start = Action::new(|target: &String| start_backup(BackupSpec::whole(target.clone())));
    Effect::new(move || match start.value().get() {
        Some(Ok(_)) => work.begin(),
        Some(Err(ApiError(fault))) => toasts.fault(&fault),
        None => {}
    });
    view! {
        <button
            class="btn pri"
            type="button"
            aria-disabled=move || (work.is_busy() || start.pending().get()).then_some("true")
            aria-busy=move || start.pending().get().to_string()
            on:click=move |_| {
                start.dispatch(target.get_untracked());
            }
        >
            "Back up"
        </button>
    }
}

#[component]
fn Stored(
    list: Signal<BackupList>,
    target: Memo<String>,
    may: bool,
    work: Work,
    changed: Callback<()>,
) -> impl IntoView {
    let warning = Memo::new(move |_| list.with(|list| list.warning.clone()));
    let room = Memo::new(move |_| list.with(|list| list.expected_bytes.zip(list.free_bytes)));
    let empty = Memo::new(move |_| list.with(|list| list.backups.is_empty()));
    // The ones going on are shown above.
    let attempts = Memo::new(move |_| {
        list.with(|list| {
            let over = list.attempts.iter().filter(|job| job.state.is_final());
            over.cloned().collect::<Vec<JobView>>()
        })
    });
    let warning = move || {
        warning.get().map(|text| {
            view! {
                <div class="banner warn" role="status">
                    <span class="dot warn"></span>
                    "Client tools"
                    <span>{text}</span>
                </div>
            }
        })
    };
    let tight = move || {
        room.get().filter(|(expected, free)| expected > free).map(|(expected, free)| {
            view! {
                <div class="banner bad" role="status">
                    <span class="dot bad"></span>
                    "Not enough room"
                    <span>
                        {format!(
                            "The next backup needs about {}, and {} are free. Delete an old one, or point PGSTEWARD_BACKUP_URL elsewhere.",
                            format::bytes(expected),
                            format::bytes(free),
                        )}
                    </span>
                </div>
            }
        })
    };
    let none = move || {
        let hint = match (work.is_busy(), may) {
            (true, _) => "The first one is listed here once it was read back.",
            (false, true) => {
                "If this database died now, nothing could be restored. “Back up” above takes a copy while everyone goes on working."
            }
            (false, false) => {
                "If this database died now, nothing could be restored. An operator can take one."
            }
        };
        view! {
            <div class="ch">
                <h2>"Stored"</h2>
            </div>
            <EmptyState title="No backup yet" hint />
        }
    };
    let by_itself =
        Memo::new(move |_| list.with(|list| (list.schedule.clone(), list.next_at, list.keeps.clone())));
    view! {
        {warning}
        {tight}
        {move || {
            let (schedule, next_at, keeps) = by_itself.get();
            view! { <ByItself schedule next_at keeps target /> }
        }}
        <section class="card">
            {move || if empty.get() { Either::Left(none()) } else { Either::Right(view! { <Rows list target work changed /> }) }}
        </section>
        {move || {
            let attempts = attempts.get();
            (!attempts.is_empty()).then(|| view! { <Attempts attempts /> })
        }}
    }
}

/// When the next one is taken by itself, and which are kept.
#[component]
fn ByItself(
    schedule: Option<String>,
    next_at: Option<Instant>,
    keeps: Option<String>,
    target: Memo<String>,
) -> impl IntoView {
    let (words, act) = match (&schedule, next_at) {
        (Some(schedule), Some(_)) => (format!(", {schedule}"), "Schedule"),
        (Some(schedule), None) => (format!("The schedule is paused: {schedule}"), "Schedule"),
        (None, _) => ("No backups are taken by themselves".to_owned(), "Set a schedule"),
    };
    view! {
        <p class="muted">
            {next_at.map(|at| view! { "Next backup " <Ago at /> })}
            {words}
            {keeps.map(|keeps| format!("; keeps {keeps}"))}
            ". "
            <a class="link" href=move || link(&target.get(), "backups/schedule")>
                {act}
            </a>
        </p>
    }
}

/// Attempts that did not become a backup.
#[component]
fn Attempts(attempts: Vec<JobView>) -> impl IntoView {
    let jobs = use_live().jobs(attempts, |_| false);
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Attempts that did not become a backup"</h2>
                <p>"Nothing of them is kept."</p>
            </div>
            <JobTable jobs narrow=true />
        </section>
    }
}
