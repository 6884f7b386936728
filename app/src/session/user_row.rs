//! One user in the list, with what can be done about them.

use contract::session::{Role, UserChange, UserView};
use leptos::either::Either;

use super::{api::change_user, role::RoleSelect, use_me};
use crate::{
    prelude::*,
    rpc::ApiError,
    ui::{
        Ago, Badge, ConfirmDialog, Dialog, FaultView, Field, Icon, Menu, Tone, icons, needs_script,
        use_toasts,
    },
};

/// A row of the users' table. Nothing is changed before it was asked.
#[component]
pub fn UserRow(
    /// The user.
    user: Memo<UserView>,
    /// Called when the user was changed.
    changed: Callback<()>,
) -> impl IntoView {
    let (id, name) = user.with_untracked(|user| (user.id, user.name.clone()));
    let own = use_me().is_some_and(|me| me.user_id == id);
    let toasts = use_toasts();
    let (disabling, resetting, promoting) =
        (RwSignal::new(false), RwSignal::new(false), RwSignal::new(false));
    let asks = move || [disabling, resetting, promoting];
    let password = RwSignal::new(String::new());
    let role = RwSignal::new(Role::Viewer);
    let change = Action::new(move |change: &UserChange| change_user(change.clone()));
    let fault = Signal::derive(move || match change.value().get() {
        Some(Err(ApiError(fault))) => Some(fault),
        _ => None,
    });
    Effect::new(move || match change.value().get() {
        Some(Ok(user)) => {
            asks().into_iter().for_each(|open| open.set(false));
            password.set(String::new());
            toasts.ok(format!("{} was changed.", user.name));
            changed.run(());
        }
        // Enabling asks nothing, and has no dialog to say why it was refused.
        Some(Err(ApiError(fault))) if asks().into_iter().all(|open| !open.get_untracked()) => {
            toasts.fault(&fault);
            changed.run(());
        }
        _ => {}
    });
    let ask = move |open: RwSignal<bool>| {
        change.value().set(None);
        open.set(true);
    };
    let none = UserChange {
        name: name.clone(),
        role: None,
        password: None,
        disabled: None,
    };
    let unchanged = StoredValue::new(none);
    let name = StoredValue::new(name);
    let disabled = Memo::new(move |_| user.with(|user| user.disabled));
    let state = Memo::new(move |_| {
        user.with(|user| match (user.disabled, user.must_change_password) {
            (true, _) => (Tone::Off, "Disabled"),
            (false, true) => (Tone::Info, "Must change password"),
            (false, false) => (Tone::Ok, "Active"),
        })
    });
    let menu = (!own).then(|| {
        let last = if disabled.get_untracked() { "Enable" } else { "Disable…" };
        for name in ["Change role…", "New password…", last] {
            needs_script(name);
        }
        view! {
            <Menu id=format!("acts-{id}") label=format!("Actions for {}", name.get_value()) button=|| view! { <Icon icon=icons::More /> }>
                <button
                    class="menu-item"
                    type="button"
                    on:click=move |_| {
                        role.set(user.with_untracked(|user| user.role));
                        ask(promoting);
                    }
                >
                    <Icon icon=icons::User />
                    "Change role…"
                </button>
                <button class="menu-item" type="button" on:click=move |_| ask(resetting)>
                    <Icon icon=icons::Keys />
                    "New password…"
                </button>
                <hr class="menu-sep" />
                <button
                    class="menu-item"
                    type="button"
                    aria-disabled=move || change.pending().get().then_some("true")
                    on:click=move |_| {
                        if disabled.get_untracked() {
                            change.dispatch(UserChange { disabled: Some(false), ..unchanged.get_value() });
                        } else {
                            ask(disabling);
                        }
                    }
                >
                    <Icon icon=icons::Close />
                    {move || if disabled.get() { "Enable" } else { "Disable…" }}
                </button>
            </Menu>
        }
    });
    view! {
        <tr>
            <td>
                <b class="strong">{name.get_value()}</b>
                {own.then_some(" (you)")}
            </td>
            <td>{move || user.with(|user| user.role.name())}</td>
            <td>
                <Badge tone=Signal::derive(move || state.get().0) text=Signal::derive(move || state.get().1.to_owned()) />
            </td>
            <td>
                {move || match user.with(|user| user.last_login_at) {
                    Some(at) => Either::Left(view! { <Ago at /> }),
                    None => Either::Right(view! { <span class="muted">"never"</span> }),
                }}
            </td>
            <td class="num hide-s">{move || user.with(|user| user.sessions)}</td>
            <td class="acts">
                {menu}
                <Dialog open=promoting title=Signal::derive(move || format!("Role of {}", name.get_value()))>
                    <form
                        class="form"
                        on:submit=move |event| {
                            event.prevent_default();
                            if !change.pending().get_untracked() {
                                change.dispatch(UserChange { role: Some(role.get_untracked()), ..unchanged.get_value() });
                            }
                        }
                    >
                        <p>"Their sessions end; with the next sign-in they may do what the new role may."</p>
                        <RoleSelect role />
                        {move || fault.get().map(|fault| view! { <FaultView fault /> })}
                        <div class="act">
                            <button class="btn" type="button" on:click=move |_| promoting.set(false)>
                                "Keep the role"
                            </button>
                            <button
                                class="btn pri"
                                type="submit"
                                disabled=move || user.with(|user| user.role) == role.get()
                                aria-disabled=move || change.pending().get().then_some("true")
                            >
                                "Change role"
                            </button>
                        </div>
                    </form>
                </Dialog>
                <ConfirmDialog
                    open=disabling
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
                            if !change.pending().get_untracked() {
                                change.dispatch(UserChange { password: Some(password.get_untracked()), ..unchanged.get_value() });
                            }
                        }
                    >
                        <p>"Their sessions end, and they must choose a password of their own at the next sign-in."</p>
                        <Field name="password" label="New password" kind="password" value=password autocomplete="new-password" help="8 to 128 characters." fault />
                        {move || fault.get().filter(|fault| fault.field.is_none()).map(|fault| view! { <FaultView fault /> })}
                        <div class="act">
                            <button class="btn" type="button" on:click=move |_| resetting.set(false)>
                                "Cancel"
                            </button>
                            <button class="btn pri" type="submit" aria-disabled=move || change.pending().get().then_some("true")>
                                "Set password"
                            </button>
                        </div>
                    </form>
                </Dialog>
            </td>
        </tr>
    }
}
