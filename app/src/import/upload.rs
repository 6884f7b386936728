//! Uploading a file of the reader's own machine.

use contract::{
    Fault,
    import::{NewUpload, UploadKind, UploadView},
};
use leptos::{html, prelude::*};
use uuid::Uuid;

use super::{
    pick::{Handles, archive, same_files, sort},
    send::Picked,
};
use crate::ui::use_toasts;
#[cfg(feature = "hydrate")]
use wasm_split_helpers::{SplitLoaderError, wasm_split};

#[cfg(feature = "hydrate")]
use crate::{import::api::begin_upload, rpc::ApiError};

/// Where an upload of this tab is.
#[cfg_attr(
    not(feature = "hydrate"),
    expect(dead_code, reason = "only the browser uploads")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Going {
    /// Nothing is on its way.
    No,
    /// Bytes are on their way.
    On,
    /// It goes on by itself when what is in the way has passed.
    Waiting,
    /// Stopped by the reader.
    Paused,
    /// Stopped by a fault.
    Failed,
}

impl Going {
    /// Whether it goes on without the reader.
    pub fn sends(self) -> bool {
        matches!(self, Self::On | Self::Waiting)
    }
}

/// Where they are kept. The browser's files belong to its one thread; on the server, what belongs to a thread must not
/// be kept at all, since a page may be dropped in another one.
#[cfg(feature = "hydrate")]
type Held = StoredValue<Handles, LocalStorage>;
#[cfg(not(feature = "hydrate"))]
type Held = StoredValue<Handles>;

fn held() -> Held {
    #[cfg(feature = "hydrate")]
    return StoredValue::new_local(Handles::default());
    #[cfg(not(feature = "hydrate"))]
    return StoredValue::new(Handles::default());
}

/// The upload of this tab. It belongs to the page: leaving the page pauses it.
#[derive(Clone, Copy)]
pub struct Upload {
    /// What is chosen and not yet begun.
    pub chosen: RwSignal<Option<NewUpload>>,
    /// What is there of what was begun.
    pub view: RwSignal<Option<UploadView>>,
    /// Where it is.
    pub going: RwSignal<Going>,
    /// What it waits for.
    pub why: RwSignal<Option<String>>,
    /// What went wrong.
    pub fault: RwSignal<Option<Fault>>,
    /// Bytes in a second, once something was sent.
    pub pace: RwSignal<Option<f64>>,
    /// The managed database of the page.
    pub target: Memo<String>,
    /// The managed database that it is for: the page's when it was begun. The page may show another one by its end.
    pub destination: RwSignal<String>,
    /// The button that pauses it, to which the focus goes when what began it is hidden.
    pub pause_button: NodeRef<html::Button>,
    /// Where a file is chosen, to which the focus goes when the button above is hidden.
    pub file_input: NodeRef<html::Input>,
    handles: Held,
    /// Which run this is; what an earlier one still has to say does not count.
    turn: StoredValue<u32>,
    #[cfg(feature = "hydrate")]
    stop: StoredValue<Option<super::send::Stop>, LocalStorage>,
    /// What is uploaded.
    pub kind: UploadKind,
    /// What the button that begins it says.
    pub act: &'static str,
    #[cfg_attr(
        not(feature = "hydrate"),
        expect(dead_code, reason = "only the browser uploads")
    )]
    then: Callback<(String, Uuid)>,
}

impl Upload {
    /// Nothing chosen, for the page of a managed database. What is done with a whole upload is named on the button, and
    /// called with the database that it was begun for.
    pub fn new(
        kind: UploadKind,
        target: Memo<String>,
        act: &'static str,
        then: Callback<(String, Uuid)>,
    ) -> Self {
        let upload = Self {
            chosen: RwSignal::new(None),
            view: RwSignal::new(None),
            going: RwSignal::new(Going::No),
            why: RwSignal::new(None),
            fault: RwSignal::new(None),
            pace: RwSignal::new(None),
            target,
            destination: RwSignal::new(String::new()),
            pause_button: NodeRef::new(),
            file_input: NodeRef::new(),
            handles: held(),
            turn: StoredValue::new(0),
            #[cfg(feature = "hydrate")]
            stop: StoredValue::new_local(None),
            kind,
            act,
            then,
        };
        let toasts = use_toasts();
        on_cleanup(move || {
            if upload.going.try_get_untracked().is_some_and(Going::sends) {
                upload.pause();
                toasts.ok(match kind {
                    UploadKind::Database => {
                        "The upload is paused: what has come stays, and the Import page goes on with it."
                    }
                    UploadKind::Archive => {
                        "The upload is paused: what has come stays, and Add an archive goes on with it."
                    }
                });
            }
        });
        #[cfg(feature = "hydrate")]
        Effect::new(move || {
            if upload.going.get().sends() {
                // The browser asks before it closes or leaves the page.
                let guard = window_event_listener(leptos::ev::beforeunload, |event| event.prevent_default());
                on_cleanup(move || guard.remove());
            }
        });
        upload
    }

    /// Whether an upload is under way or waits to go on.
    pub fn is_busy(self) -> bool {
        self.going.get() != Going::No
    }

    /// Takes files that were chosen for a new upload.
    pub fn choose(self, files: Vec<Picked>, limit: i64) {
        if files.is_empty() {
            return;
        }
        let known = self.chosen.get_untracked();
        let sorted = match self.kind {
            UploadKind::Database => sort(files, known.as_ref(), limit),
            UploadKind::Archive => archive(files, limit),
        };
        match sorted {
            Ok((new, handles)) => {
                let [database, wal] = handles;
                self.handles.update_value(|held| {
                    if database.is_some() {
                        *held = [database, None];
                    }
                    if wal.is_some() {
                        held[1] = wal;
                    }
                });
                self.fault.set(None);
                self.chosen.set(Some(new));
            }
            Err(fault) => self.fault.set(Some(fault)),
        }
    }

    /// Goes on with an upload of another time, whose files were chosen again.
    pub fn resume(self, view: UploadView, files: Vec<Picked>) {
        if files.is_empty() {
            return;
        }
        match same_files(&view, files) {
            Ok(handles) => {
                self.handles.set_value(handles);
                self.chosen.set(None);
                self.view.set(Some(view));
                self.begin();
            }
            Err(fault) => self.fault.set(Some(fault)),
        }
    }

    /// Begins, for the managed database that the page shows now.
    pub fn begin(self) {
        self.destination.set(self.target.get_untracked());
        self.run();
    }

    /// Goes on, for the managed database that it was begun for.
    #[cfg(feature = "hydrate")]
    pub fn run(self) {
        use super::send::Stop;

        let Ok(stop) = Stop::new() else { return };
        let turn = self.turn.get_value().wrapping_add(1);
        self.turn.set_value(turn);
        // Of a page that was left nothing is there any more: no signal may be touched then.
        let counts = move || self.turn.try_get_value() == Some(turn);
        self.stop.set_value(Some(stop.clone()));
        self.going.set(Going::On);
        self.why.set(None);
        self.fault.set(None);
        self.pace.set(None);
        focus(move || self.pause_button.try_get_untracked().flatten().map(Into::into));
        let (begun, chosen) = (self.view.get_untracked(), self.chosen.get_untracked());
        let handles = self.handles.get_value();
        let run = Run {
            upload: self,
            turn,
            stop,
            begun,
            chosen,
            handles,
        };
        leptos::task::spawn_local(async move {
            if go(Box::new(run)).await.is_err() && counts() {
                self.fault.set(Some(
                    Fault::new(
                        contract::Code::Internal,
                        "What sends the file did not come from the console.",
                    )
                    .hint("The console may have been updated meanwhile: load the page again."),
                ));
                self.going.set(Going::Failed);
            }
        });
    }

    #[cfg(not(feature = "hydrate"))]
    pub fn run(self) {}

    /// Stops for now.
    pub fn pause(self) {
        #[cfg(feature = "hydrate")]
        self.stop.try_with_value(|stop| {
            if let Some(stop) = stop {
                stop.abort();
            }
        });
    }

    /// Forgets what is chosen; what is there of it stays in the list, where it can be removed.
    pub fn forget(self) {
        self.pause();
        self.turn.update_value(|turn| *turn = turn.wrapping_add(1));
        self.going.set(Going::No);
        self.why.set(None);
        self.chosen.set(None);
        self.view.set(None);
        self.fault.set(None);
        #[cfg(feature = "hydrate")]
        focus(move || self.file_input.try_get_untracked().flatten().map(Into::into));
    }
}

/// What a run of an upload needs.
#[cfg(feature = "hydrate")]
struct Run {
    upload: Upload,
    turn: u32,
    stop: super::send::Stop,
    begun: Option<UploadView>,
    chosen: Option<NewUpload>,
    handles: Handles,
}

/// Sends what is left. It comes with the first upload, not with the page.
#[cfg(feature = "hydrate")]
#[wasm_split(upload, fallible)]
fn go(run: Box<Run>) -> Result<(), SplitLoaderError> {
    use std::cell::Cell;

    use super::send::{now_ms, send};

    let Run {
        upload,
        turn,
        stop,
        begun,
        chosen,
        handles,
    } = *run;
    let counts = move || upload.turn.try_get_value() == Some(turn);
    leptos::task::spawn_local(async move {
        let outcome: Result<Option<UploadView>, Fault> = async {
            let mut view = match (begun, chosen) {
                (Some(view), _) => view,
                (None, Some(new)) => begin_upload(new).await.map_err(|ApiError(fault)| fault)?,
                (None, None) => return Ok(None),
            };
            if counts() {
                upload.view.set(Some(view.clone()));
            }
            let from = Cell::new((now_ms(), received(&view)));
            let told = |view: &UploadView, why: Option<&str>| {
                if !counts() {
                    return;
                }
                upload.view.set(Some(view.clone()));
                upload.why.set(why.map(str::to_owned));
                upload
                    .going
                    .set(if why.is_some() { Going::Waiting } else { Going::On });
                let (since, before) = from.get();
                let seconds = (now_ms() - since) / 1000.0;
                if why.is_some() {
                    // What was waited for says nothing of the pace.
                    from.set((now_ms(), received(view)));
                    upload.pace.set(None);
                } else if seconds > 0.5 {
                    upload.pace.set(Some((received(view) - before) as f64 / seconds));
                }
            };
            let [database, wal] = handles;
            if let Some(file) = database {
                send(&file, false, &mut view, &stop, &told).await?;
            }
            if let Some(file) = wal {
                send(&file, true, &mut view, &stop, &told).await?;
            }
            Ok(Some(view))
        }
        .await;
        if !counts() {
            return;
        }
        upload.why.set(None);
        match outcome {
            // It is gone: there is nothing to go on with.
            Err(fault) if fault.code == contract::Code::Invalid => {
                upload.forget();
                upload.fault.set(Some(fault));
            }
            Err(fault) => {
                upload.fault.set(Some(fault));
                upload.going.set(Going::Failed);
            }
            Ok(Some(view)) if view.is_whole() => {
                upload.going.set(Going::No);
                upload.chosen.set(None);
                upload.view.set(None);
                upload.then.run((upload.destination.get_untracked(), view.id));
            }
            Ok(Some(_)) if stop.signal().aborted() => upload.going.set(Going::Paused),
            Ok(Some(_)) => {
                upload.fault.set(Some(
                    Fault::new(contract::Code::Invalid, "A part of the upload is missing.")
                        .hint("Choose the database and its -wal together."),
                ));
                upload.going.set(Going::Failed);
            }
            Ok(None) => upload.going.set(Going::No),
        }
    });
    Ok(())
}

/// Moves the focus to an element that is hidden until the page is drawn anew.
#[cfg(feature = "hydrate")]
fn focus(find: impl Fn() -> Option<web_sys::HtmlElement> + 'static) {
    request_animation_frame(move || {
        if let Some(element) = find() {
            // Fails only where the element cannot take the focus; then it stays where it is.
            let _ = element.focus();
        }
    });
}

/// Bytes of an upload that are there, of both its files.
pub fn received(view: &UploadView) -> i64 {
    view.received + view.wal.map_or(0, |(_, received)| received)
}

/// Bytes of an upload, of both its files.
pub fn total(view: &UploadView) -> i64 {
    view.bytes + view.wal.map_or(0, |(bytes, _)| bytes)
}
