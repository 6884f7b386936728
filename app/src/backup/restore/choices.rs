//! What is chosen for a restore, as a form whose values are in the URL: so it works without JavaScript.

use contract::{
    command::Act,
    restore::{RestorePlan, RestoreSpec},
    session::Permission,
};
use leptos::prelude::*;

use super::super::api::start_restore;
use crate::{
    address::Query,
    jobs::Work,
    session::use_may,
    ui::{CopyCommand, FaultNote, Icon, Menu, icons, needs_script},
};

/// The choices that the URL holds.
pub fn chosen(query: &Query) -> RestoreSpec {
    let text = |key: &str| query.get(key).filter(|value| !value.is_empty());
    RestoreSpec {
        into: text("into"),
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
    let words = Act::Restore(&spec).line();
    let into = plan.into.clone();
    let uploaded = plan.backup.uploaded.is_some();
    // The name that is shown is the name that it gets.
    let asked = StoredValue::new(RestoreSpec {
        into: Some(plan.into),
        ..spec.clone()
    });
    let off = move || (!may_begin || work.is_busy() || start.pending().get()).then_some("true");
    view! {
        <section class="card" aria-label="Choices">
            <div class="ch">
                <h2>"Into a new database"</h2>
                <p>"The live one stays as it is; a swap puts the new one in its place afterwards."</p>
            </div>
            // The tables' boxes, further down, belong to it too.
            <form class="cb stack" id="restore" method="get" action="">
                <div class="field">
                    <label for="into">"Name"</label>
                    <input id="into" name="into" class="mono" autocomplete="off" spellcheck="false" value=spec.into.unwrap_or_default() placeholder=into />
                </div>
                <div class="field">
                    <label for="to">"Managed database on whose server it is made"</label>
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
                <FaultNote outcome=start.value() />
                <div class="row">
                    <button class="btn" type="submit">
                        "Check again"
                    </button>
                    <button
                        class="btn pri"
                        type="button"
                        aria-disabled=off
                        aria-busy=move || start.pending().get().to_string()
                        on:click=move |_| {
                            start.dispatch(asked.get_value());
                        }
                    >
                        "Restore"
                    </button>
                    <Menu id="acts" label="More" class="btn icon" left=true button=|| view! { <Icon icon=icons::More /> }>
                        <CopyCommand command=Signal::stored(words) />
                    </Menu>
                </div>
            </form>
        </section>
    }
    .into_any()
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
    }
}
