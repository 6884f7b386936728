//! The check of the chain over the console's log: a button, and what it found.

use contract::{audit::AuditCheck, format};

use super::api::verify_audit;
use crate::{
    prelude::*,
    rpc::ApiError,
    ui::{FaultView, Icon, icons, needs_script},
};

/// A check of the whole chain, part after part.
#[derive(Clone, Copy)]
pub struct Check {
    run: Action<(), Result<AuditCheck, ApiError>>,
    /// The link reached, and the last one.
    reached: RwSignal<Option<(i64, i64)>>,
}

impl Check {
    /// One that has not begun.
    pub fn new() -> Self {
        let reached = RwSignal::new(None);
        Self {
            run: Action::new(move |()| whole(reached)),
            reached,
        }
    }
}

async fn whole(reached: RwSignal<Option<(i64, i64)>>) -> Result<AuditCheck, ApiError> {
    let mut whole = verify_audit(0).await?;
    while let Some(after) = whole.next {
        reached.set(Some((after, whole.last)));
        let part = verify_audit(after).await?;
        whole = AuditCheck {
            checked: whole.checked + part.checked,
            ..part
        };
    }
    reached.set(None);
    Ok(whole)
}

/// Begins the check.
#[component]
pub fn CheckButton(
    /// The check.
    check: Check,
) -> impl IntoView {
    needs_script("Verify");
    let pending = check.run.pending();
    let words = move || match (pending.get(), check.reached.get()) {
        (true, Some((at, last))) => format!("{} of {}", format::exact(at), format::exact(last)),
        (true, None) => "Verifying".to_owned(),
        (false, _) => "Verify".to_owned(),
    };
    view! {
        <button
            class="btn sm"
            type="button"
            title="Checks that every entry is what was written, and that none is missing"
            disabled=pending
            aria-busy=move || pending.get().to_string()
            on:click=move |_| {
                check.run.dispatch(());
            }
        >
            <Icon icon=icons::Backups />
            {words}
        </button>
    }
}

/// What the check found; nothing before.
#[component]
pub fn Verdict(
    /// The check.
    check: Check,
) -> impl IntoView {
    move || {
        let found = check.run.value().get()?;
        Some(match found {
            Ok(found) => verdict(&found).into_any(),
            Err(ApiError(fault)) => view! { <FaultView fault /> },
        })
    }
}

fn verdict(check: &AuditCheck) -> impl IntoView + use<> {
    let before = check.begun.filter(|_| check.before > 0).map(|begun| {
        format!(
            " {} entries are from before the chain began ({}); they are counted, and not proven.",
            format::exact(check.before),
            crate::zone::absolute(begun)
        )
    });
    let checked = format::exact(check.checked);
    let (banner, dot, title, words, head) = match (&check.broken, &check.head) {
        (Some(broken), _) => (
            "banner bad",
            "dot bad",
            "The log was changed",
            format!(
                "{} {} The {checked} entries before it are right.",
                broken.what, broken.means
            ),
            None,
        ),
        (None, head) => (
            "banner ok",
            "dot",
            "The log is whole",
            format!("{checked} entries are what was written, and none is missing between them."),
            head.as_ref().map(|head| {
                let head = head.to_string();
                view! {
                    <span>
                        "Head, to be noted elsewhere: " <code>{head}</code>
                    </span>
                }
            }),
        ),
    };
    view! {
        <div class=banner role="status" id="chain">
            <span class=dot></span>
            {title}
            <span>{words} {before}</span>
            {head}
        </div>
    }
}
