//! When backups are taken by themselves: the schedule, its form in words, and the last runs.

use contract::{
    backup::{Compression, Proof},
    command::Act,
    format,
    schedule::{
        ALARM_HOURS, DAYS, DueTime, Every, RunState, RunView, ScheduleSpec, ScheduleView, VerifyWhen,
        time_of_day,
    },
    session::Permission,
};

use super::{
    api::{pause_schedule, preview_schedule, remove_schedule, resume_schedule, run_schedule, set_schedule},
    form::{Choice, Text},
};
use crate::{
    address::job_link,
    jobs::Work,
    prelude::*,
    rpc::ApiError,
    session::use_may,
    ui::{
        Ago, At, Badge, ConfirmDialog, CopyCommand, FaultView, Icon, Menu, Tone, icons, needs_script,
        use_toasts,
    },
};

/// The schedule as it is, and the form to set it.
#[component]
pub fn Planned(
    /// The schedule, if there is one.
    schedule: Signal<Option<ScheduleView>>,
    /// The managed database.
    target: Memo<String>,
    /// What the page and its job tell each other.
    work: Work,
    /// Called when something was changed.
    changed: Callback<()>,
) -> impl IntoView {
    let may = use_may(Permission::BackUp);
    // The form begins with what holds, and begins anew when that is changed; not when a run ends.
    let spec = Memo::new(move |_| schedule.with(|view| view.as_ref().map(|view| view.spec.clone())));
    view! {
        <section class="card">
            <div class="ch">
                <h2>"When"</h2>
                <p>{move || schedule.with(headline)}</p>
            </div>
            <div class="cb">
                {move || schedule.get().map(|view| view! { <Now view /> })}
                {may.then(|| view! { <Acts schedule target work changed /> })}
                {move || may.then(|| view! { <Form spec=spec.get() target changed /> })}
            </div>
        </section>
        {move || {
            let runs = schedule.with(|view| view.as_ref().map(|view| view.runs.clone()).unwrap_or_default());
            (!runs.is_empty()).then(|| view! { <Runs runs /> })
        }}
    }
}

fn headline(schedule: &Option<ScheduleView>) -> String {
    match schedule {
        None => "No backups are taken by themselves yet.".to_owned(),
        Some(view) => {
            let later = match view.spec.jitter_s {
                0 => String::new(),
                seconds => format!(", up to {} later", format::duration(i64::from(seconds) * 1000)),
            };
            format!(
                "{} ({}){later}; {}.",
                view.next.words,
                view.spec.zone,
                view.spec.verification()
            )
        }
    }
}

/// What holds: a pause, a note, the next runs.
#[component]
fn Now(view: ScheduleView) -> impl IntoView {
    let note = view.note.map(|note| {
        view! {
            <div class="banner warn" role="status">
                <span class="dot warn"></span>
                "Note"
                <span>{note}</span>
            </div>
        }
    });
    let paused = view.paused.map(|paused| {
        view! {
            <p>
                <Badge tone=Tone::Warn text="Paused" />
                {format!(" by {} ", paused.by)}
                <Ago at=paused.at />
                ". Nothing is begun until it is resumed; what is due meanwhile does not run."
            </p>
        }
    });
    let title = if paused.is_some() {
        "The next runs would be"
    } else {
        "The next runs"
    };
    view! {
        {note}
        {paused}
        <h3>{title}</h3>
        <Due runs=view.next.runs />
        <p class="muted small">
            {format!(
                "Set by {} on {}. Someone is told when there is no good backup for {} h.{}",
                view.set_by,
                crate::zone::absolute(view.set_at),
                view.spec.alarm_hours,
                view.spec.kind().map_or_else(String::new, |kind| format!(" Its backups are made {kind}.")),
            )}
        </p>
    }
}

/// Due times, each with how long it is until then.
#[component]
fn Due(runs: Vec<DueTime>) -> impl IntoView {
    let runs = runs.into_iter().map(|run| {
        view! {
            <li>
                <span class="mono">{run.local}</span>
                " · "
                <Ago at=run.at />
            </li>
        }
    });
    view! { <ul class="small">{runs.collect_view()}</ul> }
}

/// Run now, pause or resume, remove.
#[component]
fn Acts(
    schedule: Signal<Option<ScheduleView>>,
    target: Memo<String>,
    work: Work,
    changed: Callback<()>,
) -> impl IntoView {
    let toasts = use_toasts();
    let removing = RwSignal::new(false);
    let run = Action::new(move |()| run_schedule(target.get_untracked()));
    let pause = Action::new(move |paused: &bool| {
        let (target, paused) = (target.get_untracked(), *paused);
        async move {
            match paused {
                true => resume_schedule(target).await,
                false => pause_schedule(target).await,
            }
        }
    });
    let remove = Action::new(move |()| remove_schedule(target.get_untracked()));
    Effect::new(move || match run.value().get() {
        Some(Ok(_)) => work.begin(),
        Some(Err(ApiError(fault))) => toasts.fault(&fault),
        None => {}
    });
    Effect::new(move || match pause.value().get() {
        Some(Ok(_)) => changed.run(()),
        Some(Err(ApiError(fault))) => toasts.fault(&fault),
        None => {}
    });
    Effect::new(move || {
        if let Some(Ok(())) = remove.value().get() {
            removing.set(false);
            changed.run(());
        }
    });
    let fault = Signal::derive(move || match remove.value().get() {
        Some(Err(ApiError(fault))) => Some(fault),
        _ => None,
    });
    let there = Memo::new(move |_| schedule.with(Option::is_some));
    let command = move |line: fn(&str) -> String| Signal::derive(move || target.with(|target| line(target)));
    let paused =
        Memo::new(move |_| schedule.with(|view| view.as_ref().is_some_and(|view| view.paused.is_some())));
    view! {
        {move || {
            there
                .get()
                .then(|| {
                    needs_script("Run now");
                    needs_script("Pause");
                    needs_script("Remove schedule…");
                    view! {
                        <div class="act">
                            <button
                                class="btn"
                                type="button"
                                aria-disabled=move || (work.is_busy() || run.pending().get()).then_some("true")
                                aria-busy=move || run.pending().get().to_string()
                                on:click=move |_| {
                                    run.dispatch(());
                                }
                            >
                                "Run now"
                            </button>
                            <button
                                class="btn"
                                type="button"
                                aria-disabled=move || pause.pending().get().then_some("true")
                                aria-busy=move || pause.pending().get().to_string()
                                on:click=move |_| {
                                    pause.dispatch(paused.get_untracked());
                                }
                            >
                                {move || if paused.get() { "Resume" } else { "Pause" }}
                            </button>
                            <button class="btn" type="button" on:click=move |_| removing.set(true)>
                                "Remove schedule…"
                            </button>
                            <Menu id="commands" label="As commands" class="btn icon" button=|| view! { <Icon icon=icons::Command /> }>
                                <CopyCommand what="Copy “Run now”" command=command(|target| Act::RunSchedule(target).line()) />
                                <CopyCommand
                                    what="Copy “Pause”"
                                    command=command(|target| Act::PauseSchedule(target).line())
                                />
                                <CopyCommand
                                    what="Copy “Resume”"
                                    command=command(|target| Act::ResumeSchedule(target).line())
                                />
                                <CopyCommand
                                    what="Copy “Remove schedule”"
                                    command=command(|target| Act::RemoveSchedule(target).line())
                                />
                            </Menu>
                        </div>
                    }
                })
        }}
        <ConfirmDialog
            open=removing
            title=Signal::derive(move || format!("Remove the schedule of {}?", target.get()))
            name=Signal::stored(String::new())
            act="Remove schedule"
            pending=remove.pending()
            fault
            on_confirm=Callback::new(move |_| {
                remove.dispatch(());
            })
        >
            <p>"No backups are taken by themselves any more, and nobody is told when there are none. The backups stay."</p>
        </ConfirmDialog>
    }
}

/// A schedule in words, with what it would mean.
#[component]
fn Form(spec: Option<ScheduleSpec>, target: Memo<String>, changed: Callback<()>) -> impl IntoView {
    needs_script("Save schedule");
    let toasts = use_toasts();
    let cron = spec.as_ref().map_or_else(
        || Every::Day { hour: 2, minute: 0 }.cron(),
        |spec| spec.cron.clone(),
    );
    let (kind, hour, minute, week, month) = match Every::read(&cron) {
        Some(Every::Hour { minute }) => ("hour", 2, minute, vec![0], 1),
        Some(Every::Day { hour, minute }) => ("day", hour, minute, vec![0], 1),
        Some(Every::Week { days, hour, minute }) => ("week", hour, minute, days, 1),
        Some(Every::Month { day, hour, minute }) => ("month", hour, minute, vec![0], day),
        None => ("cron", 2, 0, vec![0], 1),
    };
    let text = |value: String| RwSignal::new(value);
    let every = text(kind.to_owned());
    let time = text(format!("{hour:02}:{minute:02}"));
    let days = RwSignal::new(week);
    let day = text(month.to_string());
    let cron = text(cron);
    let zone = text(
        spec.as_ref()
            .map_or_else(|| "UTC".to_owned(), |spec| spec.zone.clone()),
    );
    let jitter = text(spec.as_ref().map_or(0, |spec| spec.jitter_s / 60).to_string());
    let verify = text(
        spec.as_ref()
            .map_or(VerifyWhen::Never, |spec| spec.verify)
            .name()
            .to_owned(),
    );
    let level = text(
        spec.as_ref()
            .map_or(Proof::ReadBack, |spec| spec.verify_level)
            .level()
            .to_string(),
    );
    let hours = text(
        spec.as_ref()
            .map_or(ALARM_HOURS, |spec| spec.alarm_hours)
            .to_string(),
    );
    let parallel = text(spec.as_ref().map_or(1, |spec| spec.parallel).to_string());
    let compression = text(
        spec.as_ref()
            .map_or(Compression::default(), |spec| spec.compression)
            .name()
            .to_owned(),
    );

    let chosen = Memo::new(move |_| {
        let (hour, minute) = time.with(|time| time_of_day(time)).unwrap_or((2, 0));
        match every.get().as_str() {
            "hour" => Every::Hour { minute }.cron(),
            "day" => Every::Day { hour, minute }.cron(),
            "week" => Every::Week {
                days: days.get(),
                hour,
                minute,
            }
            .cron(),
            "month" => {
                let day = day.get().trim().parse().unwrap_or(1);
                Every::Month { day, hour, minute }.cron()
            }
            _ => cron.get(),
        }
    });
    let ask = Action::new(|(cron, zone): &(String, String)| preview_schedule(cron.clone(), zone.clone()));
    Effect::new(move || {
        ask.dispatch((chosen.get(), zone.get()));
    });
    let preview = ask.value();
    let save = Action::new(|spec: &ScheduleSpec| set_schedule(spec.clone()));
    Effect::new(move || match save.value().get() {
        Some(Ok(_)) => {
            toasts.ok("The schedule is set.");
            changed.run(());
        }
        Some(Err(ApiError(fault))) => toasts.fault(&fault),
        None => {}
    });
    let is = move |name: &'static str| every.with(|every| every == name);
    let number = |text: RwSignal<String>| text.get().trim().parse::<i32>().unwrap_or(-1);
    let asked = Memo::new(move |_| ScheduleSpec {
        target: target.get(),
        cron: chosen.get(),
        zone: zone.get(),
        jitter_s: number(jitter).saturating_mul(60),
        verify: verify.get().parse().unwrap_or_default(),
        verify_level: level
            .get()
            .parse()
            .ok()
            .and_then(Proof::of_level)
            .unwrap_or(Proof::ReadBack),
        alarm_hours: number(hours),
        parallel: number(parallel),
        compression: compression.get().parse().unwrap_or_default(),
    });
    view! {
        <div class="form">
            <div class="field-row">
                <Choice
                    id="every"
                    label="Back up"
                    value=every
                    options=vec![
                        ("hour", "every hour"),
                        ("day", "every day"),
                        ("week", "every week"),
                        ("month", "every month"),
                        ("cron", "by a cron of one's own"),
                    ]
                />
                {move || {
                    (!is("cron"))
                        .then(|| {
                            view! {
                                <Text
                                    id="time"
                                    label="At"
                                    kind="time"
                                    value=time
                                    help="Of every hour, only the minute counts."
                                />
                            }
                        })
                }}
                {move || is("week").then(|| view! { <WeekDays days /> })}
                {move || {
                    is("month")
                        .then(|| {
                            view! {
                                <Text
                                    id="day"
                                    label="Day of the month"
                                    kind="number"
                                    value=day
                                    help="Months that do not have it are left out."
                                />
                            }
                        })
                }}
                {move || {
                    is("cron")
                        .then(|| {
                            view! {
                                <Text
                                    id="cron"
                                    label="Cron"
                                    value=cron
                                    help="Minute, hour, day of the month, month, day of the week, such as 0 2 * * 1-5."
                                />
                            }
                        })
                }}
                <Text
                    id="zone"
                    label="Time zone"
                    value=zone
                    help="Such as Europe/Berlin. A local time that is left out when clocks shift runs at the end of the shift, one that comes twice the first time."
                />
            </div>
            <div class="field-row">
                <Choice
                    id="verify"
                    label="Verify again"
                    value=verify
                    options=vec![
                        ("never", "only by hand: each one is read back whole when it is taken"),
                        ("each", "each one after it was taken"),
                        ("weekly", "the newest one every week"),
                    ]
                />
                {move || {
                    verify
                        .with(|verify| verify != VerifyWhen::Never.name())
                        .then(|| {
                            view! {
                                <Choice
                                    id="verify-level"
                                    label="How far"
                                    value=level
                                    options=vec![
                                        ("1", "L1: hash, and read back whole"),
                                        ("2", "L2: restored into a throw-away server of its version"),
                                        ("3", "L3: restored there, and compared with its snapshot row for row"),
                                    ]
                                />
                            }
                        })
                }}
            </div>
            <div class="field-row">
                <Text
                    id="jitter"
                    label="Up to so many minutes later"
                    kind="number"
                    value=jitter
                    help="So that many databases do not begin at once; always the same for one due time."
                />
                <Text
                    id="alarm-hours"
                    label="Tell someone after so many hours without a good backup"
                    kind="number"
                    value=hours
                />
            </div>
            <div class="field-row">
                <Text
                    id="parallel"
                    label="Connections that read at the same time"
                    kind="number"
                    value=parallel
                    help="More than one is for large databases: each takes a table."
                />
                <Choice
                    id="compression"
                    label="Compression"
                    value=compression
                    options=Compression::ALL.map(|one| (one.name(), one.label())).to_vec()
                />
            </div>
            {move || {
                    preview
                        .get()
                        .map(|next| match next {
                            Ok(next) => {
                                view! {
                                    <div>
                                        <p>
                                            "This means "
                                            <b>{next.words}</b>
                                            ", "
                                            <span class="mono">{move || chosen.get()}</span>
                                            " as cron. The next five runs:"
                                        </p>
                                        <Due runs=next.runs />
                                    </div>
                                }
                            }
                            Err(ApiError(fault)) => view! { <FaultView fault /> },
                        })
            }}
            <div class="act">
                <CopyCommand class="btn" command=Signal::derive(move || asked.with(|spec| Act::SetSchedule(spec).line())) />
                <button
                    class="btn pri"
                    type="button"
                    aria-disabled=move || save.pending().get().then_some("true")
                    aria-busy=move || save.pending().get().to_string()
                    on:click=move |_| {
                        save.dispatch(asked.get_untracked());
                    }
                >
                    "Save schedule"
                </button>
            </div>
        </div>
    }
}

/// The days of a week; at least one.
#[component]
fn WeekDays(days: RwSignal<Vec<u8>>) -> impl IntoView {
    let boxes = (0_u8..7).zip(DAYS).map(|(number, name)| {
        view! {
            <label class="check">
                <input
                    type="checkbox"
                    prop:checked=move || days.with(|days| days.contains(&number))
                    on:change=move |event| {
                        let on = event_target_checked(&event);
                        days.update(|days| {
                            days.retain(|day| *day != number);
                            if on || days.is_empty() {
                                days.push(number);
                                days.sort_unstable();
                            }
                        });
                    }
                />
                {name}
            </label>
        }
    });
    view! {
        <fieldset class="field">
            <legend>"On"</legend>
            {boxes.collect_view()}
        </fieldset>
    }
}

/// What became of the last due times.
#[component]
fn Runs(runs: Vec<RunView>) -> impl IntoView {
    let rows = runs.into_iter().map(|run| {
        let tone = match run.state {
            RunState::Taken => Tone::Ok,
            RunState::UnderWay => Tone::Info,
            RunState::Skipped => Tone::Off,
            RunState::Failed | RunState::NotBegun => Tone::Bad,
        };
        view! {
            <tr>
                <td>
                    <At at=run.due_at />
                </td>
                <td>
                    <Badge tone text=run.state.label() />
                </td>
                <td class="wrap">{run.note}</td>
                <td>
                    {run
                        .job
                        .map(|job| {
                            view! {
                                <a class="link" href=job_link(job)>
                                    "Job"
                                </a>
                            }
                        })}
                </td>
            </tr>
        }
    });
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Last runs"</h2>
            </div>
            <div class="table-wrap" tabindex="0" role="region" aria-label="Last runs">
                <table class="table fold">
                    <thead>
                        <tr>
                            <th scope="col">"Due"</th>
                            <th scope="col">"Came to"</th>
                            <th scope="col">"Note"</th>
                            <th scope="col">
                                <span class="sr-only">"Job"</span>
                            </th>
                        </tr>
                    </thead>
                    <tbody>{rows.collect_view()}</tbody>
                </table>
            </div>
        </section>
    }
}
