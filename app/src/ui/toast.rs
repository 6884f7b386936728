//! Short notices that something was done.

use leptos::prelude::*;

use super::Tone;

/// The notices on the screen.
#[derive(Clone, Copy)]
pub struct Toasts {
    list: RwSignal<Vec<Toast>>,
    next: StoredValue<u32>,
}

#[derive(Clone, PartialEq)]
struct Toast {
    id: u32,
    tone: Tone,
    text: String,
}

impl Toasts {
    /// Makes the notices known to the pages below; called once, by the frame.
    pub fn provide() -> Self {
        let toasts = Self {
            list: RwSignal::new(Vec::new()),
            next: StoredValue::new(0),
        };
        provide_context(toasts);
        toasts
    }

    /// Says that something worked.
    pub fn ok(self, text: impl Into<String>) {
        self.show(Tone::Ok, text.into());
    }

    /// Says that something did not work; where a place for the whole fault exists, use that.
    pub fn bad(self, text: impl Into<String>) {
        self.show(Tone::Bad, text.into());
    }

    fn show(self, tone: Tone, text: String) {
        let id = self.next.get_value();
        self.next.set_value(id.wrapping_add(1));
        self.list.update(|list| list.push(Toast { id, tone, text }));
        set_timeout(
            move || self.list.update(|list| list.retain(|toast| toast.id != id)),
            std::time::Duration::from_secs(6),
        );
    }
}

/// The notices of this tab.
pub fn use_toasts() -> Toasts {
    use_context().unwrap_or_else(|| Toasts {
        list: RwSignal::new(Vec::new()),
        next: StoredValue::new(0),
    })
}

/// Where the notices are shown.
#[component]
pub fn ToastList() -> impl IntoView {
    let toasts = use_toasts();
    view! {
        <div class="toasts" role="status" aria-live="polite">
            <For each=move || toasts.list.get() key=|toast| toast.id let:toast>
                <div class=toast_class(toast.tone)>{toast.text}</div>
            </For>
        </div>
    }
}

fn toast_class(tone: Tone) -> &'static str {
    match tone {
        Tone::Ok => "toast ok",
        Tone::Warn => "toast warn",
        Tone::Bad => "toast bad",
        Tone::Info | Tone::Off => "toast",
    }
}
