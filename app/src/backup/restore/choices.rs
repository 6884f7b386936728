//! What is chosen for a restore, as a form whose values are in the URL: so it works without JavaScript.

use contract::{
    backup::BackupSpec,
    command::Act,
    restore::{RestorePlan, RestoreSpec},
    session::Permission,
};

use super::super::api::{start_backup, start_restore};
use crate::{
    address::Query,
    jobs::Work,
    prelude::*,
    rpc::ApiError,
    session::use_may,
    ui::{ConfirmDialog, CopyCommand, FaultNote, Icon, Menu, icons, needs_script},
};

/// The choices that the URL holds.
pub fn chosen(query: &Query) -> RestoreSpec {
    let text = |key: &str| query.get(key).filter(|value| !value.is_empty());
    let into_live = text("live").is_some();
    RestoreSpec {
        // The live one's is typed when it starts.
        into: text("into").filter(|_| !into_live),
        into_live,
        to: text("to"),
        only: query
            .pairs()
            .filter(|(key, _)| *key == "only")
            .filter_map(|(_, part)| part.parse().ok())
            .collect(),
        parallel: text("jobs").and_then(|jobs| jobs.parse().ok()),
        create_roles: text("roles").is_some(),
        owner: text("owner"),
        no_tablespaces: text("tablespaces").is_some(),
        as_superuser: text("superuser").is_some(),
        trust: text("trust").is_some(),
        ..RestoreSpec::default()
    }
}

/// The form, and the button that starts with what was checked.
#[component]
pub fn Choices(
    /// What was checked.
    spec: RestoreSpec,
    /// What came of it.
    plan: RestorePlan,
    /// What the page and its job tell each other.
    work: Work,
) -> impl IntoView {
    let start = Action::new(|spec: &RestoreSpec| start_restore(spec.clone()));
    Effect::new(move || {
        if let Some(Ok(_)) = start.value().get() {
            work.begin();
        }
    });
    needs_script("Restore");
    let may_begin = plan.may_begin();
    let into_live = plan.into_live;
    let into = plan.into.clone();
    let uploaded = plan.backup.uploaded.is_some();
    // The name that is shown is the name that it gets.
    let whole = RestoreSpec {
        into: Some(plan.into),
        ..spec.clone()
    };
    let words = match into_live {
        true => Act::Restore(&whole).line(),
        false => Act::Restore(&spec).line(),
    };
    let asked = StoredValue::new(whole);
    let open = RwSignal::new(false);
    let (spec_place, into_name) = (spec.place().to_owned(), into.clone());
    let (heading, below) = match into_live {
        true => (
            "Into the live database",
            "What is missing there is added; nothing that is there is changed.",
        ),
        false => (
            "Into a new database",
            "The live one stays as it is; a swap puts the new one in its place afterwards.",
        ),
    };
    let off = move || (!may_begin || work.is_busy() || start.pending().get()).then_some("true");
    view! {
        <section class="card" aria-label="Choices">
            <div class="ch">
                <h2>{heading}</h2>
                <p>{below}</p>
            </div>
            // The tables' boxes, further down, belong to it too.
            <form class="cb stack" id="restore" method="get" action="">
                <div class="field">
                    <label for="live">"Where"</label>
                    <select id="live" name="live">
                        <option value="">"A new database beside the live one"</option>
                        <option value="yes" selected=into_live>
                            "The live database itself: add what is missing"
                        </option>
                    </select>
                </div>
                {(!into_live)
                    .then(|| {
                        view! {
                            <div class="field">
                                <label for="into">"Name"</label>
                                <input
                                    id="into"
                                    name="into"
                                    class="mono"
                                    autocomplete="off"
                                    spellcheck="false"
                                    value=spec.into.unwrap_or_default()
                                    placeholder=into.clone()
                                />
                            </div>
                        }
                    })}
                <div class="field">
                    <label for="to">
                        {match into_live {
                            true => "Managed database to which it is added",
                            false => "Managed database on whose server it is made",
                        }}
                    </label>
                    <input id="to" name="to" class="mono" autocomplete="off" spellcheck="false" value=spec.to.unwrap_or_default() placeholder=plan.target />
                </div>
                <div class="field">
                    <label for="jobs">"Connections that load at the same time"</label>
                    <input
                        id="jobs"
                        name="jobs"
                        type="number"
                        min="1"
                        max="64"
                        value=spec.parallel.map(|jobs| jobs.to_string()).unwrap_or_default()
                        placeholder=plan.parallel.to_string()
                    />
                </div>
                <div class="field">
                    <label for="owner">"Owner of everything, instead of those in the backup"</label>
                    <input id="owner" name="owner" class="mono" autocomplete="off" spellcheck="false" value=spec.owner.unwrap_or_default() />
                </div>
                <Check name="roles" checked=spec.create_roles words="Create roles that the server lacks, without passwords" />
                <Check name="tablespaces" checked=spec.no_tablespaces words="Put everything into the default tablespace" />
                {(uploaded && use_may(Permission::ManageTargets))
                    .then(|| {
                        let words = "I know who made this archive: what stands in it may run with the rights of the console's role";
                        view! { <Check name="trust" checked=spec.trust words /> }
                    })}
                {(!uploaded && use_may(Permission::ManageTargets))
                    .then(|| {
                        let words = "Load as the console's own superuser: functions in the backup run with all its rights";
                        view! { <Check name="superuser" checked=spec.as_superuser words /> }
                    })}
                // The dialog shows its own.
                {(!into_live).then(|| view! { <FaultNote outcome=start.value() /> })}
                <div class="row">
                    <button class="btn" type="submit">
                        "Check again"
                    </button>
                    <button
                        class="btn pri"
                        type="button"
                        aria-disabled=off
                        aria-busy=move || start.pending().get().to_string()
                        on:click=move |_| match into_live {
                            true => open.set(true),
                            false => drop(start.dispatch(asked.get_value())),
                        }
                    >
                        {if into_live { "Restore…" } else { "Restore" }}
                    </button>
                    {(into_live && use_may(Permission::BackUp)).then(|| view! { <BackUpFirst target=spec_place work /> })}
                    <Menu id="acts" label="More" class="btn icon" left=true button=|| view! { <Icon icon=icons::More /> }>
                        <CopyCommand command=Signal::stored(words) />
                    </Menu>
                </div>
            </form>
            {into_live.then(|| view! { <Typed open name=into_name start asked /> })}
        </section>
    }
}

/// Asks for the live database's name, and starts.
#[component]
fn Typed(
    open: RwSignal<bool>,
    name: String,
    start: Action<RestoreSpec, Result<contract::jobs::JobId, ApiError>>,
    asked: StoredValue<RestoreSpec>,
) -> impl IntoView {
    Effect::new(move || {
        if let Some(Ok(_)) = start.value().get() {
            open.set(false);
        }
    });
    let fault = Signal::derive(move || match start.value().get() {
        Some(Err(ApiError(fault))) => Some(fault),
        _ => None,
    });
    view! {
        <ConfirmDialog
            open
            title=format!("Restore into the live {name}?")
            name=name.clone()
            name_of="the live database's name"
            act="Restore"
            act_class="btn pri"
            keep="Not now"
            pending=start.pending()
            fault
            on_confirm=Callback::new(move |into: String| {
                start.dispatch(RestoreSpec { into: Some(into), ..asked.get_value() });
            })
        >
            <p>"What the backup has and the live database has not is added to it. Nothing that is there is changed or removed."</p>
            <p>"Should it fail, or be cancelled, everything that it made is taken back."</p>
        </ConfirmDialog>
    }
}

/// Takes a backup of the database that is about to be written to.
#[component]
fn BackUpFirst(target: String, work: Work) -> impl IntoView {
    let start = Action::new(move |()| start_backup(BackupSpec::whole(&target)));
    Effect::new(move || {
        if let Some(Ok(_)) = start.value().get() {
            work.begin();
        }
    });
    let off = move || (work.is_busy() || start.pending().get()).then_some("true");
    view! {
        <button
            class="btn"
            type="button"
            aria-disabled=off
            aria-busy=move || start.pending().get().to_string()
            on:click=move |_| {
                start.dispatch(());
            }
        >
            "Back it up first"
        </button>
        <FaultNote outcome=start.value() />
    }
}

#[component]
fn Check(name: &'static str, checked: bool, words: &'static str) -> impl IntoView {
    view! {
        <label class="check">
            <input type="checkbox" name=name value="yes" checked=checked />
            <span>{words}</span>
        </label>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_url_chose_is_what_the_command_says() {
        let query = Query::read("into=new+one&jobs=3&owner=&roles=yes&superuser=&only=a.b&only=a.c");
        let spec = RestoreSpec {
            target: "shop".into(),
            ..chosen(&query)
        };
        assert_eq!(
            Act::Restore(&spec).line(),
            format!(
                "pgsteward backup restore {} --into 'new one' --jobs 3 --only a.b --only a.c --create-roles --target shop",
                uuid::Uuid::nil()
            )
        );
        assert_eq!(chosen(&Query::read("jobs=many")), RestoreSpec::default());
        let live = RestoreSpec {
            target: "shop".into(),
            into: Some("the shop".into()),
            ..chosen(&Query::read("live=yes&into=other"))
        };
        assert_eq!(
            Act::Restore(&live).line(),
            format!(
                "pgsteward backup restore {} --into-live 'the shop' --target shop",
                uuid::Uuid::nil()
            )
        );
    }
}
