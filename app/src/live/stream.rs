//! The stream itself: the browser's `EventSource` on `/events`.
//!
//! The browser reconnects by itself after a broken network, but gives up after an answer that is no stream (a restart
//! behind a proxy, an ended session); then this tries again, slower each time, and asks first whether the session still
//! lives. A tab that is out of sight for a while closes its stream, because browsers allow few connections per host over
//! HTTP/1.1, and opens it again when looked at; the snapshot at the start makes it whole. One that asks for a pulse closes its
//! stream at once, so that a tab that nobody sees asks nothing of a managed database.

use std::{cell::RefCell, rc::Rc, time::Duration};

use contract::{Code, jobs::Event};
use leptos::{leptos_dom::helpers::TimeoutHandle, prelude::*, task::spawn_local};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{EventSource, MessageEvent, VisibilityState};

use super::values::{Connection, Live};

/// How long a tab may be out of sight before its stream is closed.
const OUT_OF_SIGHT: Duration = Duration::from_secs(30);

/// How long a pulse is that of this moment: when none follows, the database or the network is away.
const THIS_MOMENT: Duration = Duration::from_secs(5);

/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What belongs to one open stream; the closures live as long as it does.
struct Source {
    stream: EventSource,
    /// The managed database whose pulse comes with it.
    pulse: Option<String>,
    _message: Closure<dyn Fn(MessageEvent)>,
    _open: Closure<dyn Fn()>,
    _error: Closure<dyn Fn()>,
}

impl Drop for Source {
    fn drop(&mut self) {
        self.stream.set_onmessage(None);
        self.stream.set_onopen(None);
        self.stream.set_onerror(None);
        self.stream.close();
    }
}

#[derive(Clone)]
struct Tab {
    live: Live,
    source: Rc<RefCell<Option<Source>>>,
    timer: Rc<RefCell<Option<TimeoutHandle>>>,
    fades: Rc<RefCell<Option<TimeoutHandle>>>,
    tries: Rc<RefCell<u32>>,
}

/// Opens the stream and keeps it open for as long as the tab is looked at.
pub(super) fn open(live: Live) {
    let tab = Tab {
        live,
        source: Rc::default(),
        timer: Rc::default(),
        fades: Rc::default(),
        tries: Rc::default(),
    };
    let pulsed = tab.clone();
    Effect::new(move |before: Option<Option<String>>| {
        let of = live.looked_at();
        if before.as_ref() != Some(&of) {
            pulsed.connect();
        }
        of
    });
    let watched = tab.clone();
    let watch = Closure::<dyn Fn()>::new(move || watched.seen_or_not());
    // Lives as long as the tab, as the stream does: the layout that opens it is left only by loading another document.
    document().set_onvisibilitychange(Some(watch.as_ref().unchecked_ref()));
    watch.forget();
}

impl Tab {
    fn connect(&self) {
        self.clear_timer();
        self.live.forget_pulse();
        let pulse = untrack(|| self.live.looked_at());
        if pulse.is_some() && is_hidden() {
            drop(self.source.replace(None));
            return;
        }
        let address = match &pulse {
            Some(target) => format!("/events?pulse={}", crate::address::escape(target)),
            None => "/events".to_owned(),
        };
        let Ok(stream) = EventSource::new(&address) else {
            self.live.set_connection(Connection::Reconnecting);
            return;
        };
        let (tab, told, live) = (self.clone(), self.clone(), self.live);
        let message = Closure::<dyn Fn(MessageEvent)>::new(move |message: MessageEvent| {
            // A newer console may send what this page does not know; the page is told to reload elsewhere.
            if let Some(text) = message.data().as_string()
                && let Ok(event) = serde_json::from_str::<Event>(&text)
            {
                live.set_connection(Connection::Live);
                let is_pulse = matches!(event, Event::Pulse { .. });
                live.apply(event);
                if is_pulse {
                    told.let_pulse_fade();
                }
            }
        });
        let opened = self.clone();
        let open = Closure::<dyn Fn()>::new(move || {
            *opened.tries.borrow_mut() = 0;
            opened.live.set_connection(Connection::Live);
        });
        let source = stream.clone();
        let error = Closure::<dyn Fn()>::new(move || {
            tab.live.set_connection(Connection::Reconnecting);
            tab.live.forget_pulse();
            if source.ready_state() == EventSource::CLOSED {
                tab.try_later();
            }
        });
        stream.set_onmessage(Some(message.as_ref().unchecked_ref()));
        stream.set_onopen(Some(open.as_ref().unchecked_ref()));
        stream.set_onerror(Some(error.as_ref().unchecked_ref()));
        let old = self.source.replace(Some(Source {
            stream,
            pulse,
            _message: message,
            _open: open,
            _error: error,
        }));
        drop(old);
    }

    /// The browser gave up: ask whether the session still lives, then try again.
    fn try_later(&self) {
        let tries = {
            let mut tries = self.tries.borrow_mut();
            *tries = tries.saturating_add(1);
            *tries
        };
        let wait = LONGEST_WAIT.min(Duration::from_secs(1 << tries.min(5)));
        let tab = self.clone();
        self.set_timer(wait, move || {
            let tab = tab.clone();
            spawn_local(async move {
                match crate::session::api::who_am_i().await {
                    Err(error) if error.0.code == Code::Unauthenticated => crate::session::leave_for_login(),
                    Ok(_) => tab.connect(),
                    Err(_) => tab.try_later(),
                }
            });
        });
    }

    fn seen_or_not(&self) {
        let pulse = untrack(|| self.live.looked_at());
        match (is_hidden(), pulse) {
            (true, Some(_)) => {
                self.clear_timer();
                drop(self.source.replace(None));
                self.live.forget_pulse();
            }
            (true, None) => {
                let tab = self.clone();
                self.set_timer(OUT_OF_SIGHT, move || drop(tab.source.replace(None)));
            }
            (false, pulse) => {
                self.clear_timer();
                let open = self.source.borrow().as_ref().is_some_and(|source| {
                    source.stream.ready_state() != EventSource::CLOSED && source.pulse == pulse
                });
                if !open {
                    self.connect();
                }
            }
        }
    }

    fn let_pulse_fade(&self) {
        let live = self.live;
        let fades = set_timeout_with_handle(move || live.forget_pulse(), THIS_MOMENT);
        if let Some(before) = self.fades.replace(fades.ok()) {
            before.clear();
        }
    }

    fn set_timer(&self, wait: Duration, then: impl FnOnce() + 'static) {
        self.clear_timer();
        if let Ok(handle) = set_timeout_with_handle(then, wait) {
            self.timer.replace(Some(handle));
        }
    }

    fn clear_timer(&self) {
        if let Some(handle) = self.timer.replace(None) {
            handle.clear();
        }
    }
}

fn is_hidden() -> bool {
    document().visibility_state() == VisibilityState::Hidden
}
