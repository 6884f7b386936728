//! What is decided for the import as a whole.

use crate::prelude::*;
use contract::import::{Destination, Mapping, NamePolicy, OnCancel, OnConflict, TextPolicy};

use super::choices::Choices;

/// A choice of one among a few.
struct Choice {
    id: &'static str,
    label: &'static str,
    help: &'static str,
    words: &'static [&'static str],
    read: fn(&Mapping) -> Option<usize>,
    write: fn(&mut Mapping, usize),
    /// Whether it means something only for tables that are there.
    of_existing: bool,
}

/// A yes or no.
struct Check {
    label: &'static str,
    help: &'static str,
    read: fn(&Mapping) -> bool,
    write: fn(&mut Mapping, bool),
    of_existing: bool,
}

const INTO: [Destination; 2] = [Destination::New, Destination::Existing];
const CONFLICT: [OnConflict; 3] = [OnConflict::Fail, OnConflict::Skip, OnConflict::Upsert];
const NAMES: [NamePolicy; 2] = [NamePolicy::Keep, NamePolicy::Lower];
const TEXT: [TextPolicy; 4] = [
    TextPolicy::Replace,
    TextPolicy::Remove,
    TextPolicy::Bytes,
    TextPolicy::Refuse,
];
const CANCEL: [OnCancel; 2] = [OnCancel::Remove, OnCancel::Keep];

/// Where a value stands among the choices.
fn at<T: PartialEq>(all: &[T], value: &T) -> Option<usize> {
    all.iter().position(|each| each == value)
}

/// Sets a value to one of the choices.
fn put<T: Copy>(all: &[T], index: usize, value: &mut T) {
    if let Some(chosen) = all.get(index) {
        *value = *chosen;
    }
}

static CHOICES: [Choice; 5] = [
    Choice {
        id: "into",
        label: "Rows go into",
        help: "One that is there already is never dropped.",
        words: &["new tables", "tables that are there, columns by name"],
        read: |mapping| at(&INTO, &mapping.into),
        write: |mapping, index| put(&INTO, index, &mut mapping.into),
        of_existing: false,
    },
    Choice {
        id: "conflict",
        label: "A row whose key is there already",
        help: "The import's own rows never count as there.",
        words: &[
            "stops the import",
            "is skipped: the old one stays",
            "replaces the values of the old one",
        ],
        read: |mapping| at(&CONFLICT, &mapping.on_conflict),
        write: |mapping, index| put(&CONFLICT, index, &mut mapping.on_conflict),
        of_existing: true,
    },
    Choice {
        id: "names",
        label: "Names",
        help: "PostgreSQL needs quotes for names with capitals.",
        words: &["exactly as in the file", "in lower case"],
        read: |mapping| at(&NAMES, &mapping.names),
        write: |mapping, index| put(&NAMES, index, &mut mapping.names),
        of_existing: false,
    },
    Choice {
        id: "text",
        label: "Text PostgreSQL cannot hold",
        help: "Bytes that are not UTF-8, and U+0000; each such row is reported.",
        words: &[
            "each such byte becomes U+FFFD",
            "each such byte is left out",
            "the column becomes bytea, unchanged",
            "stops the import",
        ],
        read: |mapping| at(&TEXT, &mapping.text),
        write: |mapping, index| put(&TEXT, index, &mut mapping.text),
        of_existing: false,
    },
    Choice {
        id: "cancel",
        label: "Cancelling leaves",
        help: "What a crash interrupts is always kept and can go on.",
        words: &["nothing", "what is loaded, to go on later"],
        read: |mapping| at(&CANCEL, &mapping.on_cancel),
        write: |mapping, index| put(&CANCEL, index, &mut mapping.on_cancel),
        of_existing: false,
    },
];

static CHECKS: [Check; 4] = [
    Check {
        label: "Create missing parents first",
        help: "with their key alone, where rows name one that nobody has",
        read: |mapping| mapping.create_parents,
        write: |mapping, on| mapping.create_parents = on,
        of_existing: true,
    },
    Check {
        label: "Follow the file",
        help: "later runs bring over what changed since, so that the switch takes as long as reading the file; what was uploaded is uploaded again then",
        read: |mapping| mapping.follow,
        write: |mapping, on| mapping.follow = on,
        of_existing: false,
    },
    Check {
        label: "Leave out views",
        help: "their SQL is listed in the report",
        read: |mapping| mapping.skip_views,
        write: |mapping, on| mapping.skip_views = on,
        of_existing: false,
    },
    Check {
        label: "Leave out triggers",
        help: "their SQL is listed in the report",
        read: |mapping| mapping.skip_triggers,
        write: |mapping, on| mapping.skip_triggers = on,
        of_existing: false,
    },
];

/// Schema, tables, names, text, and what happens on the way.
#[component]
pub fn Options(
    /// What is decided in the page.
    choices: Choices,
) -> impl IntoView {
    let closed = move || !choices.is_open();
    let existing = Memo::new(move |_| choices.with(|mapping| mapping.into == Destination::Existing));
    let selects = CHOICES
        .iter()
        .map(|choice| one_of(choice, choices, existing))
        .collect_view();
    let checks = CHECKS
        .iter()
        .map(|check| yes_or_no(check, choices, existing))
        .collect_view();
    view! {
        <div class="form">
            <div class="field-row">
                <div class="field">
                    <label for="schema">"Schema"</label>
                    <input
                        id="schema"
                        class="mono"
                        autocomplete="off"
                        spellcheck="false"
                        aria-describedby="schema-help"
                        disabled=closed
                        prop:value=move || choices.with(|mapping| mapping.schema.clone())
                        value=choices.now().schema
                        // As it is typed, so that it survives when something else of the page changes meanwhile.
                        on:input=move |event| {
                            let typed = event_target_value(&event);
                            choices.change(|mapping| mapping.schema = typed);
                        }
                        on:change=move |event| {
                            let typed = event_target_value(&event).trim().to_owned();
                            choices.change(|mapping| mapping.schema = if typed.is_empty() { "public".to_owned() } else { typed });
                        }
                    />
                    <small id="schema-help">"It is made when it is missing."</small>
                </div>
                {selects}
            </div>
            <div class="field-row">{checks}</div>
        </div>
    }
}

fn one_of(choice: &'static Choice, choices: Choices, existing: Memo<bool>) -> AnyView {
    let now = Memo::new(move |_| choices.with(|mapping| (choice.read)(mapping)));
    let options = choice.words.iter().enumerate().map(|(index, words)| {
        view! {
            <option value=index.to_string() selected=move || now.get() == Some(index)>
                {*words}
            </option>
        }
    });
    let help = format!("{}-help", choice.id);
    view! {
        <div class="field" hidden=move || choice.of_existing && !existing.get()>
            <label for=choice.id>{choice.label}</label>
            <select
                id=choice.id
                aria-describedby=help.clone()
                disabled=move || !choices.is_open()
                on:change=move |event| {
                    if let Ok(index) = event_target_value(&event).parse() {
                        choices.change(|mapping| (choice.write)(mapping, index));
                    }
                }
            >
                {options.collect_view()}
            </select>
            <small id=help>{choice.help}</small>
        </div>
    }
}

fn yes_or_no(check: &'static Check, choices: Choices, existing: Memo<bool>) -> AnyView {
    let now = Memo::new(move |_| choices.with(|mapping| (check.read)(mapping)));
    view! {
        <label class="check" hidden=move || check.of_existing && !existing.get()>
            <input
                type="checkbox"
                disabled=move || !choices.is_open()
                checked=now.get_untracked()
                prop:checked=move || now.get()
                on:change=move |event| {
                    let on = event_target_checked(&event);
                    choices.change(|mapping| (check.write)(mapping, on));
                }
            />
            <span>{check.label} <small>{check.help}</small></span>
        </label>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_choice_reads_back_what_it_wrote() {
        for choice in &CHOICES {
            let mut mapping = Mapping::default();
            for index in 0..choice.words.len() {
                (choice.write)(&mut mapping, index);
                assert_eq!((choice.read)(&mapping), Some(index), "{}", choice.id);
            }
            let before = mapping.clone();
            (choice.write)(&mut mapping, 99);
            assert_eq!(mapping, before, "{}", choice.id);
        }
        for check in &CHECKS {
            let mut mapping = Mapping::default();
            for on in [true, false] {
                (check.write)(&mut mapping, on);
                assert_eq!((check.read)(&mapping), on, "{}", check.label);
            }
        }
    }
}
