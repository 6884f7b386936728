//! Read-only tables, all by one component: their cells come ready from the server, so that the browser needs no code
//! for each kind of row.

use contract::format;
use serde::{Deserialize, Serialize};

use super::choices::TableMark;
use crate::{
    address::use_here,
    prelude::*,
    ui::{Badge, Bytes, Sort, SortHead, Tone},
};

/// A row.
pub type Cells = Vec<Cell>;

/// A cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cell {
    /// A sentence.
    Words(String),
    /// A name or a hash.
    Name(String),
    /// A number, in full.
    Number(i64),
    /// A number that is not there.
    None,
    /// A size.
    Bytes(i64),
    /// A state in one word.
    Badge(Tone, String),
    /// A sentence, and the SQL that it is about.
    Sql(String, String),
    /// A table of the file: a link that opens it, marked when something is chosen for it.
    Table(String),
    /// A name and below it what it becomes.
    Renamed(String, String),
}

/// A column's head.
pub struct Head {
    /// Its name.
    pub name: &'static str,
    /// Its key, if rows can be sorted by it.
    pub sort: Option<&'static str>,
    /// Whether it holds figures.
    pub num: bool,
    /// Whether it is left out on narrow screens.
    pub wide: bool,
}

impl Head {
    /// Words.
    pub const fn words(name: &'static str) -> Self {
        Self {
            name,
            sort: None,
            num: false,
            wide: false,
        }
    }

    /// Figures.
    pub const fn num(name: &'static str) -> Self {
        Self {
            name,
            sort: None,
            num: true,
            wide: false,
        }
    }

    /// Left out on narrow screens.
    pub const fn wide(self) -> Self {
        Self { wide: true, ..self }
    }

    /// Sorted by this key.
    pub const fn sorted(self, key: &'static str) -> Self {
        Self {
            sort: Some(key),
            ..self
        }
    }
}

/// Rows under their heads.
#[component]
pub fn Grid(
    /// What the rows are.
    label: &'static str,
    /// The heads.
    heads: &'static [Head],
    /// The rows.
    rows: Vec<Cells>,
    /// How they are sorted, if they can be.
    #[prop(optional)]
    sort: Option<Memo<Sort>>,
    /// Whether each row becomes a block on narrow screens.
    #[prop(optional)]
    fold: bool,
) -> impl IntoView {
    let head = |head: &'static Head| match (head.sort, sort) {
        (Some(key), Some(sort)) => {
            view! { <SortHead sort key label=head.name num=head.num wide=head.wide /> }
        }
        _ => view! {
            <th scope="col" class=cell_class(head, false)>
                {head.name}
            </th>
        },
    };
    let row = |cells: Cells| {
        let cells = heads.iter().zip(cells).map(|(head, cell)| {
            let long = matches!(cell, Cell::Words(_) | Cell::Sql(..));
            view! { <td class=cell_class(head, long)>{shown(cell)}</td> }
        });
        view! { <tr>{cells.collect_view()}</tr> }
    };
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label=label>
            <table class=if fold { "table fold" } else { "table" }>
                <thead>
                    <tr>{heads.iter().map(head).collect_view()}</tr>
                </thead>
                <tbody>{rows.into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
}

fn cell_class(head: &Head, long: bool) -> &'static str {
    match (head.num, head.wide, long) {
        (true, true, _) => "num hide-s",
        (true, false, _) => "num",
        (false, true, _) => "hide-s",
        (false, false, true) => "wrap",
        (false, false, false) => "",
    }
}

fn shown(cell: Cell) -> AnyView {
    match cell {
        Cell::Words(text) => text.into_any(),
        Cell::Name(text) => view! { <span class="mono">{text}</span> },
        Cell::Number(number) => format::exact(number).into_any(),
        Cell::None => view! { <span class="muted">"none"</span> },
        Cell::Bytes(value) => view! { <Bytes value /> },
        Cell::Badge(tone, text) => view! { <Badge tone text /> },
        Cell::Sql(words, sql) => view! {
            {words}
            <Sql sql />
        },
        Cell::Table(name) => table_cell(name),
        Cell::Renamed(name, becomes) => view! {
            <b class="mono">{name}</b>
            <div class="muted small">"becomes " <span class="mono">{becomes}</span></div>
        },
    }
}

/// The link to a table of the file.
pub fn table_link(name: String) -> impl Fn() -> String {
    let here = use_here();
    move || {
        let link = here.with(&[
            ("table", Some(name.clone())),
            ("q", None),
            ("page", None),
            ("sort", None),
            ("dir", None),
        ]);
        format!("{link}#tables")
    }
}

fn table_cell(name: String) -> AnyView {
    let href = table_link(name.clone());
    view! {
        <a class="mono" href=href>
            {name.clone()}
        </a>
        " "
        <TableMark name />
    }
}

/// SQL that can be read.
#[component]
pub fn Sql(
    /// The text.
    sql: String,
) -> impl IntoView {
    view! {
        <details class="more small">
            <summary>"Read the SQL"</summary>
            <pre class="code wrap" tabindex="0">
                {sql}
            </pre>
        </details>
    }
}
