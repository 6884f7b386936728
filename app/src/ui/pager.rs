//! The pages of a long list, in the URL.

use contract::format;
use leptos::either::Either;

use crate::{address::use_here, prelude::*};

/// Numbered pages below a table (`?page=2`); nothing when one page holds all.
#[component]
pub fn Pager(
    /// The page shown, from 1.
    page: i64,
    /// Rows on a full page.
    per_page: i64,
    /// Rows in all.
    rows: i64,
    /// The page's key in the URL, where it has several lists.
    #[prop(default = "page")]
    key: &'static str,
) -> impl IntoView {
    let here = use_here();
    let last = (rows + per_page - 1) / per_page.max(1);
    if last <= 1 {
        return Either::Left(());
    }
    let link = move |to: i64| here.with(&[(key, (to > 1).then(|| to.to_string()))]);
    let first_row = (page - 1) * per_page + 1;
    let last_row = (page * per_page).min(rows);
    let previous = (page > 1).then(|| {
        let link = link.clone();
        view! { <a class="btn sm" rel="prev" href=move || link(page - 1)>"Previous"</a> }
    });
    let next =
        (page < last).then(|| view! { <a class="btn sm" rel="next" href=move || link(page + 1)>"Next"</a> });
    Either::Right(view! {
        <nav class="pager" aria-label=if key == "page" { "Pages" } else { "Pages of the other list" }>
            <span>{format!("{}–{} of {}", format::exact(first_row), format::exact(last_row), format::exact(rows))}</span>
            <span class="sp"></span>
            {previous}
            {next}
        </nav>
    })
}

/// The rows of the page asked for, from 1, and its number; one beyond the end is the last.
pub fn cut<T>(rows: &[T], page: i64, per_page: i64) -> (&[T], i64) {
    let pages = (rows.len() as i64 - 1).max(0) / per_page + 1;
    let page = page.clamp(1, pages);
    let from = ((page - 1) * per_page) as usize;
    let to = (from + per_page as usize).min(rows.len());
    (rows.get(from..to).unwrap_or_default(), page)
}
