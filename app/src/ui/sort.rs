//! Sorting a table, in the URL.

use crate::prelude::*;

use crate::address::{use_here, use_query};

/// How a table is sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The column's key.
    pub key: String,
    /// Largest, latest or last in the alphabet first.
    pub descending: bool,
}

/// The sort that the URL holds (`?sort=total&dir=desc`), or the page's default.
pub fn use_sort(key: &'static str, descending: bool) -> Memo<Sort> {
    let (sort, dir) = (use_query("sort"), use_query("dir"));
    Memo::new(move |_| match sort.get() {
        Some(sort) => Sort {
            descending: dir.get().as_deref() == Some("desc"),
            key: sort,
        },
        None => Sort {
            key: key.to_owned(),
            descending,
        },
    })
}

/// A head cell whose link sorts by its column, and turns the order when it is sorted by it already. It works without
/// JavaScript.
#[component]
pub fn SortHead(
    /// How the table is sorted.
    sort: Memo<Sort>,
    /// The column's key in the URL.
    key: &'static str,
    /// The column's name.
    label: &'static str,
    /// Whether the column holds figures: right-aligned, and largest first at the first click.
    #[prop(optional)]
    num: bool,
    /// Whether the column is left out on narrow screens.
    #[prop(optional)]
    wide: bool,
) -> impl IntoView {
    let here = use_here();
    let active = move || sort.with(|sort| sort.key == key);
    let link = move || {
        let descending = if active() {
            !sort.with(|sort| sort.descending)
        } else {
            num
        };
        let dir = if descending { "desc" } else { "asc" };
        here.with(&[
            ("sort", Some(key.to_owned())),
            ("dir", Some(dir.to_owned())),
            ("page", None),
        ])
    };
    let order = move || match (active(), sort.with(|sort| sort.descending)) {
        (false, _) => None,
        (true, true) => Some("descending"),
        (true, false) => Some("ascending"),
    };
    view! {
        <th class=head_class(num, wide) scope="col" aria-sort=order>
            <a class="sort" href=link data-noscroll="true">
                {label}
            </a>
        </th>
    }
}

fn head_class(num: bool, wide: bool) -> &'static str {
    match (num, wide) {
        (true, true) => "num hide-s",
        (true, false) => "num",
        (false, true) => "hide-s",
        (false, false) => "",
    }
}
