//! The stream itself: the browser's `EventSource` on `/events`.
//!
//! The browser reconnects by itself after a broken network, but gives up after an answer that is no stream (a restart
//! behind a proxy, an ended session); then this tries again, slower each time, and asks first whether the session still
//! lives. A tab that is out of sight for a while closes its stream, because browsers allow few connections per host over
//! HTTP/1.1, and opens it again when looked at; the snapshot at the start makes it whole.

use std::{cell::RefCell, rc::Rc, time::Duration};

use contract::{Code, jobs::Event};
use leptos::{leptos_dom::helpers::TimeoutHandle, prelude::*, task::spawn_local};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{EventSource, MessageEvent, VisibilityState};

use super::values::{Connection, Live};

/// How long a tab may be out of sight before its stream is closed.
const OUT_OF_SIGHT: Duration = Duration::from_secs(30);

/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What belongs to one open stream; the closures live as long as it does.
struct Source {
    stream: EventSource,
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
    tries: Rc<RefCell<u32>>,
}

/// Opens the stream and keeps it open for as long as the tab is looked at.
pub(super) fn open(live: Live) {
    let tab = Tab {
        live,
        source: Rc::default(),
        timer: Rc::default(),
        tries: Rc::default(),
    };
    tab.connect();
    let watched = tab.clone();
    let watch = Closure::<dyn Fn()>::new(move || watched.seen_or_not());
    // Lives as long as the tab, as the stream does: the layout that opens it is left only by loading another document.
    document().set_onvisibilitychange(Some(watch.as_ref().unchecked_ref()));
    watch.forget();
}

impl Tab {
    fn connect(&self) {
        self.clear_timer();
        let Ok(stream) = EventSource::new("/events") else {
            self.live.set_connection(Connection::Reconnecting);
            return;
        };
        let (tab, live) = (self.clone(), self.live);
        let message = Closure::<dyn Fn(MessageEvent)>::new(move |message: MessageEvent| {
            // A newer console may send what this page does not know; the page is told to reload elsewhere.
            if let Some(text) = message.data().as_string()
                && let Ok(event) = serde_json::from_str::<Event>(&text)
            {
                live.set_connection(Connection::Live);
                live.apply(event);
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
            if source.ready_state() == EventSource::CLOSED {
                tab.try_later();
            }
        });
        stream.set_onmessage(Some(message.as_ref().unchecked_ref()));
        stream.set_onopen(Some(open.as_ref().unchecked_ref()));
        stream.set_onerror(Some(error.as_ref().unchecked_ref()));
        let old = self.source.replace(Some(Source {
            stream,
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
        if document().visibility_state() == VisibilityState::Hidden {
            let tab = self.clone();
            self.set_timer(OUT_OF_SIGHT, move || drop(tab.source.replace(None)));
        } else if self.source.borrow().is_none() {
            self.connect();
        } else {
            self.clear_timer();
            let closed = self
                .source
                .borrow()
                .as_ref()
                .is_none_or(|source| source.stream.ready_state() == EventSource::CLOSED);
            if closed {
                self.connect();
            }
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
