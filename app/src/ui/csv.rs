//! A table as a file.

use std::pin::Pin;

use super::{Icon, icons, needs_script, use_toasts};
use crate::{prelude::*, rpc::ApiError};

/// Saves rows as a CSV file, made in the browser.
#[component]
pub fn CsvButton(
    /// The file's name, with `.csv`.
    #[prop(into)]
    file: Signal<String>,
    /// The columns' names.
    columns: &'static [&'static str],
    /// The rows, asked for at the click.
    rows: Callback<(), Vec<Vec<String>>>,
) -> impl IntoView {
    needs_script("CSV");
    view! {
        <button
            class="btn sm"
            type="button"
            on:click=move |_| save_file(&file.get_untracked(), "text/csv;charset=utf-8", &csv_text(columns, &rows.run(())))
        >
            <Icon icon=icons::Download />
            "CSV"
        </button>
    }
}

/// Rows on their way.
pub type Rows = Pin<Box<dyn Future<Output = Result<Vec<Vec<String>>, ApiError>> + Send>>;

/// As [`CsvButton`], for a list that is longer than the page: its rows are loaded at the click.
#[component]
pub fn CsvLoadButton(
    /// The file's name, with `.csv`.
    #[prop(into)]
    file: Signal<String>,
    /// The columns' names.
    columns: &'static [&'static str],
    /// Loads the rows.
    load: Callback<(), Rows>,
) -> impl IntoView {
    needs_script("CSV");
    let toasts = use_toasts();
    let loading = Action::new(move |()| load.run(()));
    Effect::new(move || match loading.value().get() {
        Some(Ok(rows)) => save_file(
            &file.get_untracked(),
            "text/csv;charset=utf-8",
            &csv_text(columns, &rows),
        ),
        Some(Err(ApiError(fault))) => toasts.fault(&fault),
        None => {}
    });
    view! {
        <button
            class="btn sm"
            type="button"
            aria-disabled=move || loading.pending().get().then_some("true")
            aria-busy=move || loading.pending().get().to_string()
            on:click=move |_| {
                loading.dispatch(());
            }
        >
            <Icon icon=icons::Download />
            "CSV"
        </button>
    }
}

/// The file's text, by RFC 4180.
pub fn csv_text(columns: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    line(&mut text, columns.iter().copied());
    for row in rows {
        line(&mut text, row.iter().map(String::as_str));
    }
    text
}

fn line<'a>(text: &mut String, cells: impl Iterator<Item = &'a str>) {
    for (at, value) in cells.enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(&cell(value));
    }
    text.push_str("\r\n");
}

/// One cell. A text that a spreadsheet would run as a formula gets an apostrophe before it (OWASP, CSV injection);
/// plain negative numbers stay numbers.
fn cell(value: &str) -> String {
    let runs = value.starts_with(['=', '+', '-', '@', '\t', '\r']) && value.parse::<f64>().is_err();
    let value = if runs {
        format!("'{value}")
    } else {
        value.to_owned()
    };
    if value.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value
    }
}

/// Gives a text to the browser as a file to be saved; on the server, nothing.
#[cfg(feature = "hydrate")]
pub fn save_file(file: &str, kind: &str, text: &str) {
    use wasm_bindgen::JsCast;

    let parts = js_sys::Array::of1(&wasm_bindgen::JsValue::from_str(text));
    let options = web_sys::BlobPropertyBag::new();
    options.set_type(kind);
    let Ok(blob) = web_sys::Blob::new_with_str_sequence_and_options(&parts, &options) else {
        return;
    };
    let Ok(url) = web_sys::Url::create_object_url_with_blob(&blob) else {
        return;
    };
    if let Ok(link) = document().create_element("a")
        && let Ok(link) = link.dyn_into::<web_sys::HtmlAnchorElement>()
    {
        link.set_href(&url);
        link.set_download(file);
        link.click();
    }
    // The download has begun by then; the browser may forget the text.
    let forget = move || drop(web_sys::Url::revoke_object_url(&url));
    set_timeout(forget, std::time::Duration::from_secs(10));
}

/// Gives a text to the browser as a file to be saved; on the server, nothing.
#[cfg(not(feature = "hydrate"))]
pub fn save_file(_file: &str, _kind: &str, _text: &str) {}

#[cfg(test)]
mod tests {
    use super::csv_text;

    #[test]
    fn no_cell_becomes_a_formula_and_none_breaks_the_table() {
        let rows = [
            vec!["=cmd|' /C calc'!A0".to_owned(), "-5".to_owned()],
            vec!["a \"b\", c".to_owned(), "@x\ny".to_owned()],
        ];
        let expected = "name,size\r\n'=cmd|' /C calc'!A0,-5\r\n\"a \"\"b\"\", c\",\"'@x\ny\"\r\n";
        assert_eq!(csv_text(&["name", "size"], &rows), expected);
    }
}
