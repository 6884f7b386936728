//! The columns of the open table: what is stored, what it becomes, and the choice of something else.

use crate::prelude::*;
use contract::import::{ColumnChoice, ColumnType};

use super::{
    choices::{Choices, change_column, column, new_name},
    sheet::{OpenColumn, OtherChoice},
};
use crate::ui::{Badge, Tone};

/// One column a row.
#[component]
pub fn Columns(
    /// The table.
    table: String,
    /// A page of its columns.
    columns: Vec<OpenColumn>,
    /// What is decided in the page.
    choices: Choices,
) -> impl IntoView {
    let table = StoredValue::new(table);
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label="Columns">
            <table class="table fold">
                <thead>
                    <tr>
                        <th scope="col">"Column"</th>
                        <th scope="col">"Stored"</th>
                        <th scope="col">"Becomes"</th>
                        <th scope="col">"Name in PostgreSQL"</th>
                    </tr>
                </thead>
                <tbody>
                    {columns.into_iter().map(|column| view! { <Row table column choices /> }).collect_view()}
                </tbody>
            </table>
        </div>
    }
}

/// A column of a table, and what is decided for it.
#[derive(Clone, Copy)]
struct Place {
    table: StoredValue<String>,
    column: StoredValue<String>,
    choices: Choices,
}

impl Place {
    fn read<T>(self, read: impl FnOnce(Option<&ColumnChoice>) -> T) -> T {
        self.choices.with(|mapping| {
            self.table
                .with_value(|table| self.column.with_value(|name| read(column(mapping, table, name))))
        })
    }

    fn change(self, change: impl FnOnce(&mut ColumnChoice)) {
        self.choices.change(|mapping| {
            self.table.with_value(|table| {
                self.column
                    .with_value(|name| change_column(mapping, table, name, change))
            });
        });
    }
}

#[component]
fn Row(table: StoredValue<String>, column: OpenColumn, choices: Choices) -> impl IntoView {
    let OpenColumn {
        name,
        declared,
        stored,
        facts,
        proposed,
        reason,
        others,
    } = column;
    let place = Place {
        table,
        column: StoredValue::new(name.clone()),
        choices,
    };
    let closed = move || !choices.is_open();
    let changed = Memo::new(move |_| place.read(|choice| choice.is_some()));
    let skipped = Memo::new(move |_| place.read(|choice| choice.is_some_and(|choice| choice.skip)));
    let renamed = move || {
        place
            .read(|choice| choice.and_then(|choice| choice.name.clone()))
            .unwrap_or_default()
    };
    let facts = facts
        .into_iter()
        .map(|(name, words)| view! { <dt>{name}</dt><dd>{words}</dd> });
    let facts = facts.collect_view();
    let undo = format!("Undo the choices for {name}");
    let rename = format!("Name of {name} in PostgreSQL");
    let leave_out = format!("Leave {name} out");
    view! {
        <tr>
            <td class="wrap">
                <b class="mono">{name.clone()}</b>
                " "
                <Show when=move || changed.get()>
                    <Badge tone=Tone::Info text="Changed" />
                </Show>
                <div class="muted small">{declared}</div>
                <div class="row">
                    <label class="check small">
                        <input
                            type="checkbox"
                            aria-label=leave_out
                            disabled=closed
                            checked=skipped.get_untracked()
                            prop:checked=move || skipped.get()
                            on:change=move |event| {
                                let skip = event_target_checked(&event);
                                place.change(|choice| choice.skip = skip);
                            }
                        />
                        <span>"Leave out"</span>
                    </label>
                    <button
                        class="btn sm"
                        type="button"
                        aria-label=undo
                        hidden=move || !changed.get()
                        disabled=closed
                        on:click=move |_| place.change(|choice| *choice = ColumnChoice::default())
                    >
                        "Undo"
                    </button>
                </div>
            </td>
            <td class="wrap">
                {stored}
                <details class="more small">
                    <summary>"What was found"</summary>
                    <dl class="kv">{facts}</dl>
                </details>
            </td>
            <td class="wrap">
                <TypeSelect place name=name.clone() proposed others />
                <div class="muted small">{reason}</div>
            </td>
            <td>
                <input
                    class="input mono"
                    aria-label=rename
                    autocomplete="off"
                    spellcheck="false"
                    placeholder=name.clone()
                    disabled=closed
                    value=untrack(renamed)
                    prop:value=renamed
                    // As it is typed, so that it survives when something else of the page changes meanwhile.
                    on:input=move |event| {
                        let typed = event_target_value(&event);
                        place.change(|choice| choice.name = (!typed.is_empty()).then_some(typed));
                    }
                    on:change=move |event| {
                        let typed = event_target_value(&event);
                        place.change(|choice| choice.name = new_name(&typed, &name));
                    }
                />
            </td>
        </tr>
    }
}

/// The types that come into question; those that do not fit every value say why and cannot be chosen.
#[component]
fn TypeSelect(place: Place, name: String, proposed: String, others: Vec<OtherChoice>) -> impl IntoView {
    let types: Vec<ColumnType> = others.iter().map(|other| other.column_type).collect();
    let against: Vec<String> = others
        .iter()
        .filter_map(|other| {
            Some(format!(
                "{}: {}.",
                other.column_type.sql(),
                other.against.as_ref()?
            ))
        })
        .collect();
    let now = move || place.read(|choice| choice.and_then(|choice| choice.column_type));
    let options = others.into_iter().map(|other| {
        let is_now = other.column_type;
        let label = match &other.against {
            Some(_) => format!("{} (does not fit)", other.words),
            None => other.words,
        };
        view! {
            <option value=other.column_type.sql() disabled=other.against.is_some() selected=move || now() == Some(is_now)>
                {label}
            </option>
        }
    });
    let options = options.collect_view();
    // A mapping file may hold a type that is none of the list; the rehearsal says what is wrong with it.
    let known = types.clone();
    let foreign = move || now().filter(|now| !known.contains(now)).map(ColumnType::sql);
    view! {
        <select
            class="input"
            aria-label=format!("Type of {name}")
            disabled=move || !place.choices.is_open()
            on:change=move |event| {
                let value = event_target_value(&event);
                let chosen = types.iter().copied().find(|each| each.sql() == value);
                place.change(|choice| choice.column_type = chosen);
            }
        >
            <option value="" selected=move || now().is_none()>
                {proposed}
            </option>
            {options}
            {move || {
                foreign()
                    .map(|name| {
                        view! {
                            <option value=name disabled selected>
                                {name}
                            </option>
                        }
                    })
            }}
        </select>
        {(!against.is_empty())
            .then(|| {
                view! {
                    <details class="more small">
                        <summary>"What does not fit"</summary>
                        <ul class="stack-s">{against.into_iter().map(|words| view! { <li>{words}</li> }).collect_view()}</ul>
                    </details>
                }
            })}
    }
}
