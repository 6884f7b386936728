//! Short notices that something was done.

use crate::prelude::*;
use contract::{Code, Fault};

use super::{LoginLink, Tone};

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
    /// Whether the way to the log-in stands beside it.
    login: bool,
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

    /// Says why an act failed and what to do next; with the way to the log-in when the session has ended, for as long as the
    /// page is there.
    pub fn fault(self, fault: &Fault) {
        let hint = fault.hint.as_deref().unwrap_or_default();
        if fault.code == Code::Unauthenticated {
            self.add(Tone::Bad, fault.message.clone(), true);
        } else {
            self.show(Tone::Bad, format!("{} {hint}", fault.message));
        }
    }

    fn show(self, tone: Tone, text: String) {
        let id = self.add(tone, text, false);
        set_timeout(
            move || self.list.update(|list| list.retain(|toast| toast.id != id)),
            std::time::Duration::from_secs(6),
        );
    }

    fn add(self, tone: Tone, text: String, login: bool) -> u32 {
        let id = self.next.get_value();
        self.next.set_value(id.wrapping_add(1));
        self.list.update(|list| {
            // One way to the log-in is enough.
            list.retain(|toast| !(login && toast.login));
            list.push(Toast {
                id,
                tone,
                text,
                login,
            });
        });
        id
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
                <div class=toast_class(toast.tone)>
                    <span>{toast.text}</span>
                    {toast.login.then(|| view! { <LoginLink /> })}
                </div>
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
