//! One user in the list, with what can be done about them.

use contract::session::{Role, UserChange, UserView};
use leptos::{either::Either, prelude::*};

use super::{api::change_user, use_me};
use crate::{
    rpc::ApiError,
    ui::{Ago, Badge, ConfirmDialog, Dialog, FaultView, Field, Tone, needs_script, use_toasts},
};

/// A row of the users' table.
#[component]
pub fn UserRow(
    /// The user.
    user: UserView,
    /// Called when the user was changed.
    changed: Callback<()>,
) -> impl IntoView {
    let own = use_me().is_some_and(|me| me.user_id == user.id);
    let toasts = use_toasts();
    let (asking, resetting) = (RwSignal::new(false), RwSignal::new(false));
    let password = RwSignal::new(String::new());
    let change = Action::new(move |change: &UserChange| change_user(change.clone()));
    let fault = Signal::derive(move || match change.value().get() {
        Some(Err(ApiError(fault))) => Some(fault),
        _ => None,
    });
    Effect::new(move || match change.value().get() {
        Some(Ok(user)) => {
            asking.set(false);
            resetting.set(false);
            password.set(String::new());
            toasts.ok(format!("{} was changed.", user.name));
            changed.run(());
        }
        // A refused change of the role has no dialog to say so.
        Some(Err(ApiError(fault))) if !asking.get_untracked() && !resetting.get_untracked() => {
            toasts.bad(fault.message);
            changed.run(());
        }
        _ => {}
    });
    let none = UserChange {
        name: user.name.clone(),
        role: None,
        password: None,
        disabled: None,
    };
    let unchanged = StoredValue::new(none);
    let name = StoredValue::new(user.name.clone());
    let disabled = user.disabled;
    if !own {
        for name in [
            "Role",
            "New password…",
            if disabled { "Enable" } else { "Disable…" },
        ] {
            needs_script(name);
        }
    }
    let (tone, word) = if disabled {
        (Tone::Off, "Disabled")
    } else {
        (Tone::Ok, "Active")
    };
    let role = user.role;
    view! {
        <tr>
            <td>
                <b class="strong">{user.name}</b>
                {own.then_some(" (you)")}
            </td>
            <td>
                <select
                    class="input w-auto"
                    aria-label=format!("Role of {}", name.get_value())
                    disabled=move || own || change.pending().get()
                    on:change=move |event| {
                        if let Ok(role) = event_target_value(&event).parse() {
                            change.dispatch(UserChange { role: Some(role), ..unchanged.get_value() });
                        }
                    }
                >
                    {Role::ALL
                        .into_iter()
                        .map(|each| view! { <option value=each.name() selected=each == role>{each.name()}</option> })
                        .collect_view()}
                </select>
            </td>
            <td>
                <Badge tone text=word />
            </td>
            <td>
                {match user.last_login_at {
                    Some(at) => Either::Left(view! { <Ago at /> }),
                    None => Either::Right(view! { <span class="muted">"never"</span> }),
                }}
            </td>
            <td class="num hide-s">{user.sessions}</td>
            <td class="acts">
                {(!own)
                    .then(|| {
                        view! {
                            <button class="btn sm" type="button" on:click=move |_| resetting.set(true)>
                                "New password…"
                            </button>
                            <button
                                class="btn sm"
                                type="button"
                                on:click=move |_| {
                                    if disabled {
                                        change.dispatch(UserChange { disabled: Some(false), ..unchanged.get_value() });
                                    } else {
                                        asking.set(true);
                                    }
                                }
                            >
                                {if disabled { "Enable" } else { "Disable…" }}
                            </button>
                        }
                    })}
                <ConfirmDialog
                    open=asking
                    title=Signal::derive(move || format!("Disable {}?", name.get_value()))
                    name=Signal::derive(move || name.get_value())
                    name_of="the user's name"
                    act="Disable"
                    keep="Keep active"
                    pending=change.pending()
                    fault
                    on_confirm=Callback::new(move |_| {
                        change.dispatch(UserChange { disabled: Some(true), ..unchanged.get_value() });
                    })
                >
                    <p>"They are signed out at once and cannot sign in again until enabled. What they did stays in the audit log."</p>
                </ConfirmDialog>
                <Dialog open=resetting title=Signal::derive(move || format!("New password for {}", name.get_value()))>
                    <form
                        class="form"
                        on:submit=move |event| {
                            event.prevent_default();
                            change.dispatch(UserChange { password: Some(password.get_untracked()), ..unchanged.get_value() });
                        }
                    >
                        <p>"Their sessions end, and they must choose a password of their own at the next sign-in."</p>
                        <Field name="password" label="New password" kind="password" value=password autocomplete="new-password" help="8 to 128 characters." fault />
                        {move || fault.get().filter(|fault| fault.field.is_none()).map(|fault| view! { <FaultView fault /> })}
                        <div class="act">
                            <button class="btn" type="button" on:click=move |_| resetting.set(false)>
                                "Cancel"
                            </button>
                            <button class="btn pri" type="submit" disabled=move || change.pending().get()>
                                "Set password"
                            </button>
                        </div>
                    </form>
                </Dialog>
            </td>
        </tr>
    }
    .into_any()
}
