//! One value in a form.

use crate::prelude::*;
use contract::Fault;

/// A labelled input with its help, and the fault of the last try when that names this field (`Fault::field`).
#[component]
pub fn Field(
    /// The field's name, in the form and in faults; also its id.
    name: &'static str,
    /// What it is.
    #[prop(into)]
    label: String,
    /// HTML's input type.
    #[prop(default = "text")]
    kind: &'static str,
    /// The value.
    value: RwSignal<String>,
    /// What the browser may fill in.
    #[prop(default = "off")]
    autocomplete: &'static str,
    /// What is expected, in a few words.
    #[prop(into, optional)]
    help: String,
    /// The fault of the last try.
    #[prop(into, optional)]
    fault: Signal<Option<Fault>>,
    /// Whether it may not be empty.
    #[prop(default = true)]
    required: bool,
) -> impl IntoView {
    let wrong = Memo::new(move |_| {
        fault.with(|fault| {
            fault
                .as_ref()
                .filter(|fault| fault.field.as_deref() == Some(name))
                .map(text)
        })
    });
    let help_id = format!("{name}-help");
    let fault_id = format!("{name}-fault");
    let described = {
        let (help_id, fault_id, helps) = (help_id.clone(), fault_id.clone(), !help.is_empty());
        move || match (wrong.with(Option::is_some), helps) {
            (true, _) => Some(fault_id.clone()),
            (false, true) => Some(help_id.clone()),
            (false, false) => None,
        }
    };
    view! {
        <div class="field">
            <label for=name>{label}</label>
            <input
                id=name
                name=name
                type=kind
                autocomplete=autocomplete
                required=required
                aria-invalid=move || wrong.with(Option::is_some).then_some("true")
                aria-describedby=described
                prop:value=move || value.get()
                on:input=move |event| value.set(event_target_value(&event))
            />
            {(!help.is_empty()).then(|| view! { <small id=help_id>{help}</small> })}
            {move || wrong.get().map(|text| view! { <span class="field-error" id=fault_id.clone() role="alert">{text}</span> })}
        </div>
    }
}

fn text(fault: &Fault) -> String {
    match &fault.hint {
        Some(hint) => format!("{} {hint}", fault.message),
        None => fault.message.clone(),
    }
}
