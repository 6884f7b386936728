//! The time zone that times are shown in, and whether this browser's clock is right.

use crate::{clock::use_clock, prelude::*, ui::needs_script, zone};

/// The card on the settings page.
#[component]
pub fn TimesCard() -> impl IntoView {
    let clock = use_clock();
    let chosen = zone::here();
    needs_script("UTC");
    needs_script("This browser's");
    needs_script("Show in this zone");
    let name = RwSignal::new(match chosen.is_utc() || chosen.is_browsers {
        true => String::new(),
        false => chosen.name.clone(),
    });
    let wrong = RwSignal::new(chosen.unknown.clone());
    let (browsers, zones) = (RwSignal::new(None::<String>), RwSignal::new(Vec::<String>::new()));
    Effect::new(move || {
        browsers.set(browsers_zone());
        zones.set(known_zones());
    });
    let is_utc = chosen.is_utc() && !chosen.is_browsers;
    let (is_browsers, now_in) = (chosen.is_browsers, chosen.name.clone());
    let named = !is_utc && !is_browsers;
    let set = move || {
        let asked = name.with_untracked(|name| name.trim().to_owned());
        if is_zone(&asked) {
            choose(&asked);
        } else {
            wrong.set(Some(asked));
        }
    };
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Times"</h2>
            </div>
            <div class="cb stack-s">
                <p>
                    "Shown in " <b class="strong">{now_in}</b> ". It is now " <span class="mono">{move || zone::absolute(clock.now())}</span> "."
                </p>
                <Skew />
                <div class="row" role="group" aria-label="Time zone">
                    <button class="btn sm" type="button" aria-pressed=is_utc.to_string() on:click=move |_| choose("UTC")>
                        "UTC"
                    </button>
                    <button
                        class="btn sm"
                        type="button"
                        aria-pressed=is_browsers.to_string()
                        on:click=move |_| {
                            if let Some(name) = browsers.get_untracked() {
                                choose(&format!("{}{name}", zone::BROWSER));
                            }
                        }
                    >
                        {move || match browsers.get() {
                            Some(name) => format!("This browser's ({name})"),
                            None => "This browser's".to_owned(),
                        }}
                    </button>
                </div>
                <div class="field">
                    <label for="zone-name">"Another zone"</label>
                    <div class="row">
                        <input
                            id="zone-name"
                            class="input"
                            list="zone-names"
                            autocomplete="off"
                            placeholder="Europe/Berlin"
                            aria-describedby="zone-help"
                            aria-invalid=move || wrong.with(Option::is_some).then_some("true")
                            prop:value=move || name.get()
                            on:input=move |event| name.set(event_target_value(&event))
                        />
                        <button class="btn sm" type="button" aria-pressed=named.to_string() on:click=move |_| set()>
                            "Show in this zone"
                        </button>
                    </div>
                    <small id="zone-help" role="status" class=move || if wrong.with(Option::is_some) { "bad-text" } else { "" }>
                        {move || match wrong.get() {
                            Some(name) => format!("“{name}” is no time zone. Write one by its name, such as Europe/Berlin."),
                            None => "By its name, such as Europe/Berlin. Links and files hold UTC, whoever reads them.".to_owned(),
                        }}
                    </small>
                    <datalist id="zone-names">
                        {move || zones.get().into_iter().map(|name| view! { <option value=name></option> }).collect_view()}
                    </datalist>
                </div>
            </div>
        </section>
    }
}

/// Tells that this browser's clock differs from the console's.
#[component]
fn Skew() -> impl IntoView {
    let clock = use_clock();
    move || {
        clock.skew_words().map(|words| {
            view! {
                <p class="warn-text" role="status">
                    {words}
                    " Ages and times on these pages are by the console's clock."
                </p>
            }
        })
    }
}

/// Keeps the choice for a year, and shows the page in it.
#[cfg(feature = "hydrate")]
fn choose(value: &str) {
    use wasm_bindgen::JsValue;

    let cookie = format!("{}={value}; path=/; max-age=31536000; samesite=lax", zone::COOKIE);
    // By name, because web-sys keeps the whole of HTML's document behind it. Fails only where there are no cookies at all,
    // and so no session.
    let _ = js_sys::Reflect::set(
        &JsValue::from(document()),
        &JsValue::from_str("cookie"),
        &JsValue::from_str(&cookie),
    );
    let _ = window().location().reload();
}

/// The server keeps nothing for a reader.
#[cfg(not(feature = "hydrate"))]
fn choose(_value: &str) {}

/// A format of the browser's for a zone, or for its own; none for a zone that it does not know.
#[cfg(feature = "hydrate")]
fn format_of(zone: Option<&str>) -> Option<wasm_bindgen::JsValue> {
    use wasm_bindgen::{JsCast, JsValue};

    let intl = js_sys::Reflect::get(&js_sys::global(), &JsValue::from_str("Intl")).ok()?;
    let format = js_sys::Reflect::get(&intl, &JsValue::from_str("DateTimeFormat")).ok()?;
    let format: js_sys::Function = format.dyn_into().ok()?;
    let arguments = js_sys::Array::new();
    if let Some(zone) = zone {
        let options = js_sys::Object::new();
        js_sys::Reflect::set(&options, &JsValue::from_str("timeZone"), &JsValue::from_str(zone)).ok()?;
        arguments.push(&JsValue::from_str("en"));
        arguments.push(&options);
    }
    js_sys::Reflect::construct(&format, &arguments).ok()
}

/// Whether the browser knows a zone.
#[cfg(feature = "hydrate")]
fn is_zone(name: &str) -> bool {
    // An offset such as +01:00 is a zone to some browsers, and none to the console.
    !name.is_empty() && !name.starts_with(['+', '-']) && format_of(Some(name)).is_some()
}

#[cfg(not(feature = "hydrate"))]
fn is_zone(_name: &str) -> bool {
    false
}

/// The browser's own zone.
#[cfg(feature = "hydrate")]
fn browsers_zone() -> Option<String> {
    use wasm_bindgen::{JsCast, JsValue};

    let format = format_of(None)?;
    let ask = js_sys::Reflect::get(&format, &JsValue::from_str("resolvedOptions")).ok()?;
    let options = ask.dyn_into::<js_sys::Function>().ok()?.call0(&format).ok()?;
    js_sys::Reflect::get(&options, &JsValue::from_str("timeZone"))
        .ok()?
        .as_string()
}

#[cfg(not(feature = "hydrate"))]
fn browsers_zone() -> Option<String> {
    None
}

/// Every zone that the browser knows; none where it does not say.
#[cfg(feature = "hydrate")]
fn known_zones() -> Vec<String> {
    use wasm_bindgen::{JsCast, JsValue};

    let ask = || {
        let intl = js_sys::Reflect::get(&js_sys::global(), &JsValue::from_str("Intl")).ok()?;
        let ask = js_sys::Reflect::get(&intl, &JsValue::from_str("supportedValuesOf")).ok()?;
        let ask: js_sys::Function = ask.dyn_into().ok()?;
        let zones = ask.call1(&intl, &JsValue::from_str("timeZone")).ok()?;
        let zones: js_sys::Array = zones.dyn_into().ok()?;
        Some(zones.iter().filter_map(|zone| zone.as_string()).collect())
    };
    ask().unwrap_or_default()
}

#[cfg(not(feature = "hydrate"))]
fn known_zones() -> Vec<String> {
    Vec::new()
}
