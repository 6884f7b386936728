//! Adding a user.

use contract::session::{NewUser, Role};

use super::{api::add_user, role::RoleSelect};
use crate::{
    prelude::*,
    rpc::ApiError,
    ui::{Dialog, FaultView, Field, use_toasts},
};

/// The dialog that asks for a user's name, role and first password.
#[component]
pub fn AddUser(
    /// Whether it is open.
    open: RwSignal<bool>,
    /// Called when a user was added.
    added: Callback<()>,
) -> impl IntoView {
    let (name, password, role) = (
        RwSignal::new(String::new()),
        RwSignal::new(String::new()),
        RwSignal::new(Role::Viewer),
    );
    let toasts = use_toasts();
    let add = Action::new(move |user: &NewUser| add_user(user.clone()));
    let fault = Signal::derive(move || match add.value().get() {
        Some(Err(ApiError(fault))) => Some(fault),
        _ => None,
    });
    let rest = move || {
        fault
            .get()
            .filter(|fault| !matches!(fault.field.as_deref(), Some("name" | "password")))
    };
    Effect::new(move || {
        if let Some(Ok(user)) = add.value().get() {
            open.set(false);
            name.set(String::new());
            password.set(String::new());
            toasts.ok(format!("{} can sign in, and chooses a password then.", user.name));
            added.run(());
        }
    });
    view! {
        <Dialog open title="Add user">
            <form
                class="form"
                on:submit=move |event| {
                    event.prevent_default();
                    add.dispatch(NewUser { name: name.get_untracked(), role: role.get_untracked(), password: password.get_untracked(), must_change_password: true });
                }
            >
                <Field name="name" label="Name" value=name help="Letters, digits and . _ - @, up to 64." fault />
                <RoleSelect role />
                <Field
                    name="password"
                    label="First password"
                    kind="password"
                    value=password
                    autocomplete="new-password"
                    help="8 to 128 characters. They can change it in their settings."
                    fault
                />
                {move || rest().map(|fault| view! { <FaultView fault /> })}
                <div class="act">
                    <button class="btn" type="button" on:click=move |_| open.set(false)>
                        "Cancel"
                    </button>
                    <button class="btn pri" type="submit" aria-disabled=move || add.pending().get().then_some("true") aria-busy=move || add.pending().get().to_string()>
                        "Add user"
                    </button>
                </div>
            </form>
        </Dialog>
    }
}
