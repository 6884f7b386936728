//! The HTML document around the application, and the content security policy it is served under.

use std::{collections::HashMap, sync::Arc};

use http::{HeaderName, HeaderValue, header, request::Parts};
use leptos::nonce::use_nonce;
use leptos_axum::ResponseOptions;
use leptos_meta::MetaTags;

use crate::{
    App,
    parts::{Card, Part},
    prelude::*,
    ui::{KEEP, MENUS, WITHOUT_SCRIPT},
};

/// The paths of the browser's files, whose names carry the hash of their content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assets {
    /// The JavaScript module that wasm-bindgen wrote, such as `/pkg/pgsteward.0a1b2c3d.js`.
    pub js: String,
    /// The JavaScript module that loads parts of the WebAssembly.
    pub link: String,
    /// The WebAssembly that every page needs.
    pub wasm: String,
    /// The stylesheet.
    pub css: String,
    /// The font of all text but code, where the site has one.
    pub font: Option<String>,
    /// The other WebAssembly that the pages of an area need, by the name of its part.
    pub parts: Arc<HashMap<String, Vec<String>>>,
}

impl Assets {
    /// The files that the page of a path needs besides those of every page.
    fn of(&self, path: &str) -> &[String] {
        let part = Part::of(path).and_then(|part| self.parts.get(part.name()));
        part.map(Vec::as_slice).unwrap_or_default()
    }
}

/// Runs before the first paint, so that a chosen theme does not flash. A browser whose times are shown in its own zone, and which has
/// travelled, says so with its next request.
const THEME: &str = "try{const t=localStorage.getItem('theme');if(t)document.documentElement.dataset.theme=t}catch{}\
     try{const c=/(?:^|; )zone=browser:([^;]*)/.exec(document.cookie),z=Intl.DateTimeFormat().resolvedOptions().timeZone;\
     if(c&&z&&c[1]!==z)document.cookie='zone=browser:'+z+'; path=/; max-age=31536000; samesite=lax'}catch{}";

/// The mark, as a picture in the page's own text: one request less, and none before the log-in.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E%3Crect width='24' \
height='24' rx='6' fill='%231f6394'/%3E%3Cg fill='none' stroke='%23fff' stroke-width='2'%3E%3Cellipse cx='12' cy='7.6' \
rx='5.4' ry='2.3'/%3E%3Cpath d='M6.6 7.6v8.6c0 1.3 2.4 2.3 5.4 2.3s5.4-1 5.4-2.3V7.6'/%3E%3C/g%3E%3C/svg%3E";

/// The document. Give this to `leptos_routes_with_context`; it puts the policy with this answer's nonce into the
/// answer's headers, so a server layer must set `Content-Security-Policy` only where it is not yet set.
pub fn shell(assets: Assets) -> impl IntoView {
    let nonce = use_nonce();
    if let Some(response) = use_context::<ResponseOptions>()
        && let Ok(policy) = HeaderValue::from_str(&content_security_policy(nonce.as_deref()))
    {
        response.insert_header(header::CONTENT_SECURITY_POLICY, policy);
        response.insert_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.insert_header(
            HeaderName::from_static("x-robots-tag"),
            HeaderValue::from_static("noindex"),
        );
    }
    let path = use_context::<Parts>()
        .map(|parts| parts.uri.path().to_owned())
        .unwrap_or_default();
    let fetched = |file: &String| view! { <link rel="preload" href=file.clone() r#as="fetch" r#type="application/wasm" crossorigin="anonymous" /> };
    let ahead = std::iter::once(&assets.wasm)
        .chain(assets.of(&path))
        .map(fetched)
        .collect_view();
    // Cards that only some states show; that they are there is known when the script runs.
    let cards = cards(&assets.parts, &path);
    let Assets {
        js,
        link,
        wasm,
        css,
        font,
        ..
    } = assets;
    // What does not arrive is told on the page, also to whoever pressed a button, and to the browser's console.
    let start = format!(
        "for(const[c,fs]of {cards})if(document.querySelector(`[data-part=${{c}}]`))for(const f of fs)document.head.append(\
         Object.assign(document.createElement('link'),{{rel:'preload',as:'fetch',crossOrigin:'anonymous',href:f}}));\
         try{{const{{default:start,hydrate}}=await import({js:?});await start({{module_or_path:{wasm:?}}});await hydrate()}}\
         catch(e){{document.getElementById('stuck').hidden=false;document.documentElement.dataset.failed='';throw e}}"
    );
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <script nonce=nonce.clone()>{THEME}</script>
                <script nonce=nonce.clone()>{KEEP}</script>
                <script nonce=nonce.clone()>{MENUS}</script>
                <noscript>
                    <style nonce=nonce.clone()>{WITHOUT_SCRIPT}</style>
                </noscript>
                <link rel="icon" href=ICON />
                <link rel="stylesheet" href=css />
                {font.map(|font| view! { <link rel="preload" href=font r#as="font" r#type="font/woff2" crossorigin="anonymous" /> })}
                <link rel="modulepreload" href=js />
                <link rel="modulepreload" href=link />
                {ahead}
                <script type="module" nonce=nonce>
                    {start}
                </script>
                <MetaTags />
            </head>
            <body>
                <App />
                <div class="toasts" id="stuck" hidden>
                    <div class="toast bad" role="alert">
                        "This page can be read, but its buttons do not work: a part of it did not come. The console may have been updated meanwhile, or the line is bad. "
                        <a href="">"Load it again"</a>
                    </div>
                </div>
            </body>
        </html>
    }
}

/// The parts of cards that the page of a path may show, with their files, as JavaScript.
fn cards(parts: &HashMap<String, Vec<String>>, path: &str) -> String {
    let Some(own) = Part::of(path) else {
        return "[]".to_owned();
    };
    let there = parts.get(own.name()).map(Vec::as_slice).unwrap_or_default();
    let of_page = |card: &Card| {
        card.name()
            .strip_prefix(own.name())
            .is_some_and(|rest| rest.starts_with('_'))
    };
    let cards = Card::ALL.into_iter().filter(of_page).map(|card| {
        let files = parts.get(card.name()).into_iter().flatten();
        let files: Vec<&String> = files.filter(|file| !there.contains(file)).collect();
        format!("[{:?},{files:?}]", card.name())
    });
    format!("[{}]", cards.collect::<Vec<_>>().join(","))
}

/// What a page may load: its own files, scripts with this answer's nonce, and WebAssembly. No inline style, no frame.
pub fn content_security_policy(nonce: Option<&str>) -> String {
    let nonce = nonce.map(|nonce| format!(" 'nonce-{nonce}'")).unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'self'{nonce} 'wasm-unsafe-eval'; style-src 'self'{nonce}; img-src 'self' data:; \
         connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
}
