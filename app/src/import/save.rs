//! Saving a part of an import as a file.

use contract::{command::MAPPING_FILE, import::ImportId};

use super::{api::export_import, sheet::Export};
use crate::{
    prelude::*,
    rpc::ApiError,
    ui::{Icon, icons, needs_script, save_file, use_toasts},
};

/// A button that asks the console for a file's text and saves it.
#[component]
pub fn SaveButton(
    /// The import.
    id: ImportId,
    /// What is saved.
    what: Export,
) -> impl IntoView {
    let toasts = use_toasts();
    let (label, name, file, kind) = parts(what);
    needs_script(name);
    let load = Action::new(move |()| export_import(id, what));
    Effect::new(move || match load.value().get() {
        Some(Ok(text)) => save_file(file, kind, &text),
        Some(Err(ApiError(fault))) => toasts.fault(&fault),
        None => {}
    });
    view! {
        <button
            class="btn sm"
            type="button"
            aria-label=name
            aria-disabled=move || load.pending().get().then_some("true")
            aria-busy=move || load.pending().get().to_string()
            on:click=move |_| {
                load.dispatch(());
            }
        >
            <Icon icon=icons::Download />
            {label}
        </button>
    }
}

/// The button's word, what a screen reader says, the file's name and its type.
fn parts(what: Export) -> (&'static str, &'static str, &'static str, &'static str) {
    const CSV: &str = "text/csv;charset=utf-8";
    const JSON: &str = "application/json";
    match what {
        Export::Inspection => ("JSON", "JSON of all that was found", "inspection.json", JSON),
        Export::Tables => ("CSV", "CSV of the tables", "import-tables.csv", CSV),
        Export::Findings => ("CSV", "CSV of the findings", "findings.csv", CSV),
        Export::Plan => ("JSON", "JSON of the rehearsal", "import-plan.json", JSON),
        Export::Mapping => ("Mapping", "Mapping for the command", MAPPING_FILE, JSON),
        Export::Sql => ("SQL", "All statements as SQL", "import.sql", "application/sql"),
        Export::Report => ("JSON", "JSON of the report", "import-report.json", JSON),
        Export::Markdown => (
            "Markdown",
            "Markdown of the report",
            "import-report.md",
            "text/markdown;charset=utf-8",
        ),
        Export::Items => ("CSV", "CSV of what changed", "import-items.csv", CSV),
    }
}
