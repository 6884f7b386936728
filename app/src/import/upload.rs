//! Uploading a file of the reader's own machine.

use contract::{
    Fault,
    import::{NewUpload, UploadView},
};
use leptos::prelude::*;

use super::{
    choose::Create,
    pick::{Handles, same_files, sort},
    send::Picked,
};
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
    /// Stopped by the reader.
    Paused,
    /// Stopped by a fault.
    Failed,
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

/// The upload of this tab.
#[derive(Clone, Copy)]
pub struct Upload {
    /// What is chosen and not yet begun.
    pub chosen: RwSignal<Option<NewUpload>>,
    /// What is there of what was begun.
    pub view: RwSignal<Option<UploadView>>,
    /// Where it is.
    pub going: RwSignal<Going>,
    /// What went wrong.
    pub fault: RwSignal<Option<Fault>>,
    /// Bytes in a second, once something was sent.
    pub pace: RwSignal<Option<f64>>,
    handles: Held,
    #[cfg(feature = "hydrate")]
    stop: StoredValue<Option<super::send::Stop>, LocalStorage>,
    #[cfg_attr(
        not(feature = "hydrate"),
        expect(dead_code, reason = "only the browser uploads")
    )]
    create: Create,
}

impl Upload {
    /// Nothing chosen.
    pub fn new(create: Create) -> Self {
        Self {
            chosen: RwSignal::new(None),
            view: RwSignal::new(None),
            going: RwSignal::new(Going::No),
            fault: RwSignal::new(None),
            pace: RwSignal::new(None),
            handles: held(),
            #[cfg(feature = "hydrate")]
            stop: StoredValue::new_local(None),
            create,
        }
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
        match sort(files, known.as_ref(), limit) {
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
                self.run();
            }
            Err(fault) => self.fault.set(Some(fault)),
        }
    }

    /// Begins, or goes on.
    #[cfg(feature = "hydrate")]
    pub fn run(self) {
        use super::send::{Stop, now_ms, send};

        let Ok(stop) = Stop::new() else { return };
        self.stop.set_value(Some(stop.clone()));
        self.going.set(Going::On);
        self.fault.set(None);
        self.pace.set(None);
        leptos::task::spawn_local(async move {
            let outcome = async {
                if self.view.with_untracked(Option::is_none) {
                    let Some(new) = self.chosen.get_untracked() else {
                        return Ok(());
                    };
                    self.view
                        .set(Some(begin_upload(new).await.map_err(|ApiError(fault)| fault)?));
                }
                let begun = now_ms();
                let before = self
                    .view
                    .with_untracked(|view| view.as_ref().map_or(0, |view| received(view)));
                let told = |view: &UploadView| {
                    let seconds = (now_ms() - begun) / 1000.0;
                    if seconds > 0.5 {
                        self.pace.set(Some((received(view) - before) as f64 / seconds));
                    }
                };
                let [database, wal] = self.handles.get_value();
                if let Some(file) = database {
                    send(&file, false, self.view, &stop, &told).await?;
                }
                if let Some(file) = wal {
                    send(&file, true, self.view, &stop, &told).await?;
                }
                Ok(())
            }
            .await;
            match (outcome, self.view.get_untracked()) {
                (Err(fault), _) => {
                    self.fault.set(Some(fault));
                    self.going.set(Going::Failed);
                }
                (Ok(()), Some(view)) if view.is_whole() => {
                    self.going.set(Going::No);
                    self.chosen.set(None);
                    self.view.set(None);
                    self.create.dispatch((None, Some(view.id)));
                }
                (Ok(()), Some(_)) if stop.signal().aborted() => self.going.set(Going::Paused),
                (Ok(()), Some(_)) => {
                    self.fault.set(Some(
                        Fault::new(contract::Code::Invalid, "A part of the upload is missing.")
                            .hint("Choose the database and its -wal together."),
                    ));
                    self.going.set(Going::Failed);
                }
                (Ok(()), None) => self.going.set(Going::No),
            }
        });
    }

    #[cfg(not(feature = "hydrate"))]
    pub fn run(self) {}

    /// Stops for now.
    pub fn pause(self) {
        #[cfg(feature = "hydrate")]
        self.stop.with_value(|stop| {
            if let Some(stop) = stop {
                stop.abort();
            }
        });
    }

    /// Forgets what is chosen; what is there of it stays in the list, where it can be removed.
    pub fn forget(self) {
        self.pause();
        self.going.set(Going::No);
        self.chosen.set(None);
        self.view.set(None);
        self.fault.set(None);
    }
}

/// Bytes of an upload that are there, of both its files.
pub fn received(view: &UploadView) -> i64 {
    view.received + view.wal.map_or(0, |(_, received)| received)
}

/// Bytes of an upload, of both its files.
pub fn total(view: &UploadView) -> i64 {
    view.bytes + view.wal.map_or(0, |(bytes, _)| bytes)
}
