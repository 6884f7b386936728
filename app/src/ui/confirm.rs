//! The question before an act that destroys, or that cannot be undone.

use crate::prelude::*;
use contract::Fault;

use super::{Dialog, FaultView};

/// Names the object, says what will happen, and asks for a name to be typed; the act stays out of reach until the name
/// is right. The engine asks for the same name again.
#[component]
pub fn ConfirmDialog(
    /// Whether it is open.
    open: RwSignal<bool>,
    /// The question, naming the object: `Delete backup of 14 Nov 02:00?`.
    #[prop(into)]
    title: Signal<String>,
    /// What must be typed, such as the database's name; empty asks for nothing, for acts that can be repeated.
    #[prop(into)]
    name: Signal<String>,
    /// What the name is, such as `the database's name`.
    #[prop(default = "the database's name")]
    name_of: &'static str,
    /// The word on the button that does it: `Delete backup`.
    #[prop(into)]
    act: Signal<String>,
    /// The looks of that button, for an act that destroys nothing.
    #[prop(default = "btn dan")]
    act_class: &'static str,
    /// The word on the button that does not: `Keep it`.
    #[prop(default = "Keep it")]
    keep: &'static str,
    /// Whether the act is going on.
    #[prop(into)]
    pending: Signal<bool>,
    /// Why the act failed, if it did.
    #[prop(into, optional)]
    fault: Signal<Option<Fault>>,
    /// Does it, with the name as it was typed.
    on_confirm: Callback<String>,
    /// What will happen, in a sentence or two.
    children: ChildrenFn,
) -> impl IntoView {
    let typed = RwSignal::new(String::new());
    let asks = Memo::new(move |_| name.with(|name| !name.is_empty()));
    let right = move || typed.with(|typed| name.with(|name| typed.trim() == name));
    // Each opening begins anew.
    Effect::new(move || {
        if open.get() {
            typed.set(String::new());
        }
    });
    let children = StoredValue::new(children);
    view! {
        <Dialog open title>
            <form on:submit=move |event| {
                event.prevent_default();
                if right() && !pending.get_untracked() {
                    on_confirm.run(typed.get_untracked());
                }
            }>
                <div class="stack-s">{children.with_value(|children| children())}</div>
                <Show when=move || asks.get()>
                    <div class="field mt-4">
                        <label for="confirm-name">{format!("Type {name_of} to confirm")}</label>
                        <input
                            id="confirm-name"
                            class="mono"
                            autocomplete="off"
                            autocapitalize="off"
                            spellcheck="false"
                            placeholder=move || name.get()
                            prop:value=move || typed.get()
                            on:input=move |event| typed.set(event_target_value(&event))
                        />
                    </div>
                </Show>
                {move || fault.get().map(|fault| view! { <FaultView fault /> })}
                <div class="act">
                    <button class="btn" type="button" on:click=move |_| open.set(false)>
                        {keep}
                    </button>
                    <button
                        class=act_class
                        type="submit"
                        disabled=move || !right()
                        aria-disabled=move || pending.get().then_some("true")
                        aria-busy=move || pending.get().to_string()
                    >
                        {move || act.get()}
                    </button>
                </div>
            </form>
        </Dialog>
    }
}
