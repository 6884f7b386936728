//! Uploading a file of the reader's own machine.

use contract::{
    Code, Fault, format,
    import::{NewUpload, UploadView},
};
use leptos::prelude::*;

use super::{
    choose::Create,
    send::{Handle, Picked, dropped, picked},
    uploads::Uploads,
};
use crate::ui::{FaultView, ProgressBar, use_hydrated, whole_seconds};
#[cfg(feature = "hydrate")]
use crate::{import::api::begin_upload, rpc::ApiError};

/// Where an upload of this tab is.
#[cfg_attr(
    not(feature = "hydrate"),
    expect(dead_code, reason = "only the browser uploads")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Going {
    /// Nothing is on its way.
    No,
    /// Bytes are on their way.
    On,
    /// Stopped by the reader.
    Paused,
    /// Stopped by a fault.
    Failed,
}

/// The database and its `-wal`.
type Handles = [Option<Handle>; 2];

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
    chosen: RwSignal<Option<NewUpload>>,
    /// What is there of what was begun.
    view: RwSignal<Option<UploadView>>,
    going: RwSignal<Going>,
    fault: RwSignal<Option<Fault>>,
    /// Bytes in a second, once something was sent.
    pace: RwSignal<Option<f64>>,
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
    fn new(create: Create) -> Self {
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
    fn choose(self, files: Vec<Picked>, limit: i64) {
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
    fn run(self) {
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
                        Fault::new(Code::Invalid, "A part of the upload is missing.")
                            .hint("Choose the database and its -wal together."),
                    ));
                    self.going.set(Going::Failed);
                }
                (Ok(()), None) => self.going.set(Going::No),
            }
        });
    }

    #[cfg(not(feature = "hydrate"))]
    fn run(self) {}

    /// Stops for now.
    fn pause(self) {
        #[cfg(feature = "hydrate")]
        self.stop.with_value(|stop| {
            if let Some(stop) = stop {
                stop.abort();
            }
        });
    }

    /// Forgets what is chosen; what is there of it stays in the list, where it can be removed.
    fn forget(self) {
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

/// Tells the database from its `-wal`, which alone may be added to one that is chosen already.
fn sort(files: Vec<Picked>, known: Option<&NewUpload>, limit: i64) -> Result<(NewUpload, Handles), Fault> {
    let refuse = |message: &str, hint: &str| Err(Fault::new(Code::Invalid, message).hint(hint));
    let (mut wals, mut databases): (Vec<Picked>, Vec<Picked>) =
        files.into_iter().partition(|file| file.name.ends_with("-wal"));
    // The shared memory beside a WAL holds no rows; it is often chosen along with the others.
    databases.retain(|file| !file.name.ends_with("-shm"));
    if databases.len() > 1 || wals.len() > 1 {
        return refuse(
            "These are several databases.",
            "Choose one SQLite file, and the file of the same name that ends in -wal if there is one.",
        );
    }
    let (database, wal) = (databases.pop(), wals.pop());
    let (name, bytes) = match (&database, known) {
        (Some(file), _) => (file.name.clone(), file.bytes),
        (None, Some(known)) => (known.name.clone(), known.bytes),
        (None, None) => {
            return refuse(
                "This is a write-ahead log without its database.",
                "Choose the database itself too: the file of the same name without -wal.",
            );
        }
    };
    if let Some(wal) = &wal
        && wal.name != format!("{name}-wal")
    {
        return refuse(
            "This -wal belongs to another database.",
            "It must be called as the database, with -wal at the end.",
        );
    }
    // A database that is chosen anew comes without the former one's log.
    let kept = known
        .filter(|_| database.is_none())
        .and_then(|known| known.wal_bytes);
    let wal_bytes = wal
        .as_ref()
        .map(|wal| wal.bytes)
        .or(kept)
        .filter(|bytes| *bytes > 0);
    if bytes == 0 {
        return refuse("The file is empty.", "Choose a SQLite database.");
    }
    if bytes + wal_bytes.unwrap_or(0) > limit {
        return Err(Fault::new(
            Code::Invalid,
            format!(
                "The file is larger than the {} that may be uploaded.",
                format::bytes(limit)
            ),
        )
        .hint("Copy it to the machine of the console, and import it there: pgsteward import sqlite FILE."));
    }
    let new = NewUpload {
        name,
        bytes,
        wal_bytes,
    };
    Ok((
        new,
        [database.map(|file| file.handle), wal.map(|file| file.handle)],
    ))
}

/// The files of an upload that was begun before, if these are they.
fn same_files(view: &UploadView, files: Vec<Picked>) -> Result<Handles, Fault> {
    let mut handles = Handles::default();
    for file in files {
        if file.name == view.name && file.bytes == view.bytes {
            handles[0] = Some(file).map(|file| file.handle);
        } else if file.name == format!("{}-wal", view.name)
            && view.wal.is_some_and(|(bytes, _)| bytes == file.bytes)
        {
            handles[1] = Some(file).map(|file| file.handle);
        }
    }
    let database_due = view.received < view.bytes && handles[0].is_none();
    let wal_due = view.wal.is_some_and(|(bytes, received)| received < bytes) && handles[1].is_none();
    if !database_due && !wal_due {
        return Ok(handles);
    }
    let wal = match view.wal {
        Some((bytes, _)) => format!(", and its -wal of {} bytes", format::exact(bytes)),
        None => String::new(),
    };
    Err(Fault::new(
        Code::Invalid,
        "These are not the files of this upload, or they have changed.",
    )
    .hint(format!(
        "Choose {} of {} bytes{wal}; or remove the upload and begin anew.",
        view.name,
        format::exact(view.bytes)
    )))
}

/// The card: choosing by click or by dropping, progress, and uploads of other times.
#[component]
pub fn UploadCard(
    /// Uploads that are there.
    there: Vec<UploadView>,
    /// The most bytes that an upload may have.
    limit: i64,
    /// Begins an import.
    create: Create,
    /// Called when the list of uploads changed.
    changed: Callback<()>,
) -> impl IntoView {
    let upload = Upload::new(create);
    let hydrated = use_hydrated();
    let over = RwSignal::new(false);
    let take = move |files| upload.choose(files, limit);
    let idle = move || !upload.is_busy();
    Effect::new(move |before: Option<Going>| {
        let going = upload.going.get();
        // What was left half done, or done, is in the list now.
        if before.is_some_and(|before| before != Going::No) && going == Going::No {
            changed.run(());
        }
        going
    });
    view! {
        <section class="card" aria-label="Upload">
            <div class="ch">
                <h2>"A file of your own"</h2>
                <p>{format!("Up to {}. It goes to the console's machine and no further.", format::bytes(limit))}</p>
            </div>
            <div class="cb stack-s">
                <div
                    class=move || if over.get() { "drop over" } else { "drop" }
                    hidden=move || !idle()
                    on:dragover=move |event| {
                        event.prevent_default();
                        over.set(true);
                    }
                    on:dragleave=move |_| over.set(false)
                    on:drop=move |event| {
                        event.prevent_default();
                        over.set(false);
                        take(dropped(&event));
                    }
                >
                    <label for="upload-file">"Choose a SQLite file, or drop it here"</label>
                    <input
                        id="upload-file"
                        type="file"
                        multiple
                        aria-describedby="upload-wal"
                        disabled=move || !hydrated.get()
                        on:change=move |event| take(picked(&event))
                    />
                    <small id="upload-wal">
                        "Is there a file of the same name that ends in -wal beside it? Choose both: the rows that were written last may be in it alone."
                    </small>
                </div>
                <p class="muted small" hidden=move || hydrated.get()>
                    "Uploading needs JavaScript."
                </p>
                <Chosen upload />
                <OnItsWay upload />
                {move || upload.fault.get().map(|fault| view! { <FaultView fault /> })}
            </div>
            <Uploads there upload create changed />
        </section>
    }
    .into_any()
}

/// What is chosen, before it is sent.
#[component]
fn Chosen(upload: Upload) -> impl IntoView {
    let words = move || {
        upload.chosen.get().map(|new| {
            let wal = match new.wal_bytes {
                Some(bytes) => format!(" with its -wal of {}", format::bytes(bytes)),
                None => " without a -wal".to_owned(),
            };
            format!("{}, {}{wal}", new.name, format::bytes(new.bytes))
        })
    };
    view! {
        <div class="row between" hidden=move || upload.chosen.with(Option::is_none) || upload.is_busy()>
            <b class="min-w-0">{words}</b>
            <div class="row">
                <button class="btn sm" type="button" on:click=move |_| upload.forget()>
                    "Another file"
                </button>
                <button class="btn pri sm" type="button" on:click=move |_| upload.run()>
                    "Upload and inspect"
                </button>
            </div>
        </div>
    }
    .into_any()
}

/// The bar, the pace, and what can be done meanwhile.
#[component]
fn OnItsWay(upload: Upload) -> impl IntoView {
    let sizes = Memo::new(move |_| {
        upload
            .view
            .with(|view| view.as_ref().map_or((0, 0), |view| (received(view), total(view))))
    });
    let fraction = Signal::derive(move || match sizes.get() {
        (_, 0) => None,
        (received, total) => Some(received as f64 / total as f64),
    });
    let name = Signal::derive(move || {
        upload
            .view
            .with(|view| view.as_ref().map(|view| view.name.clone()).unwrap_or_default())
    });
    let words = move || {
        let (received, total) = sizes.get();
        let mut words = format!("{} of {}", format::bytes(received), format::bytes(total));
        match (upload.going.get(), upload.pace.get()) {
            (Going::On, Some(pace)) if pace >= 1.0 => {
                let left = whole_seconds(((total - received) as f64 / pace * 1000.0) as i64);
                words.push_str(&format!(
                    " · {} a second · about {left} left",
                    format::bytes(pace as i64)
                ));
            }
            (Going::Paused, _) => words.push_str(" · paused"),
            (Going::Failed, _) => words.push_str(" · stopped"),
            _ => {}
        }
        words
    };
    let is_on = move || upload.going.get() == Going::On;
    view! {
        <div class="job" hidden=move || !upload.is_busy()>
            <div class="r">
                <b>{move || format!("Upload {}", name.get())}</b>
                <span>{move || fraction.get().map(format::percent)}</span>
            </div>
            <ProgressBar fraction label=Signal::derive(move || format!("Upload of {}", name.get())) />
            <small>{words}</small>
            <div class="row end mt-2">
                <button class="btn sm" type="button" hidden=move || !is_on() on:click=move |_| upload.pause()>
                    "Pause"
                </button>
                <button class="btn sm pri" type="button" hidden=is_on on:click=move |_| upload.run()>
                    "Go on"
                </button>
                <button class="btn sm" type="button" on:click=move |_| upload.forget()>
                    "Stop"
                </button>
            </div>
        </div>
    }
    .into_any()
}

#[cfg(all(test, not(feature = "hydrate")))]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn file(name: &str, bytes: i64) -> Picked {
        Picked {
            name: name.into(),
            bytes,
            handle: (),
        }
    }

    fn view(received: i64, wal: Option<(i64, i64)>) -> UploadView {
        UploadView {
            id: uuid::Uuid::from_u128(1),
            name: "a.db".into(),
            bytes: 10,
            received,
            wal,
            created_at: contract::Instant::default(),
        }
    }

    #[test]
    fn the_log_is_told_from_the_database_by_its_name() {
        let (new, handles) = sort(
            vec![file("a.db-wal", 5), file("a.db", 10), file("a.db-shm", 1)],
            None,
            100,
        )
        .unwrap();
        assert_eq!(
            (new.name.as_str(), new.bytes, new.wal_bytes),
            ("a.db", 10, Some(5))
        );
        assert_eq!(handles, [Some(()), Some(())]);
        let (alone, _) = sort(vec![file("a.db", 10)], None, 100).unwrap();
        let (added, handles) = sort(vec![file("a.db-wal", 5)], Some(&alone), 100).unwrap();
        assert_eq!(added.wal_bytes, Some(5));
        assert_eq!(handles, [None, Some(())]);
        let (other, _) = sort(vec![file("b.db", 3)], Some(&added), 100).unwrap();
        assert_eq!(
            other.wal_bytes, None,
            "the former log belongs to the former database"
        );
    }

    #[test]
    fn what_is_no_single_database_is_refused_with_a_way_on() {
        for files in [
            vec![file("a.db", 1), file("b.db", 1)],
            vec![file("a.db-wal", 1)],
            vec![file("a.db", 1), file("b.db-wal", 1)],
            vec![file("a.db", 0)],
            vec![file("a.db", 90), file("a.db-wal", 20)],
        ] {
            let fault = sort(files, None, 100).err().unwrap();
            assert!(fault.hint.is_some(), "{}", fault.message);
        }
    }

    #[test]
    fn only_the_same_files_go_on_with_an_upload() {
        assert_eq!(
            same_files(&view(4, None), vec![file("a.db", 10)]).unwrap(),
            [Some(()), None]
        );
        assert!(same_files(&view(4, None), vec![file("a.db", 11)]).is_err());
        assert!(same_files(&view(4, Some((5, 0))), vec![file("a.db", 10)]).is_err());
        assert_eq!(
            same_files(&view(10, Some((5, 0))), vec![file("a.db-wal", 5)]).unwrap(),
            [None, Some(())],
            "what is whole need not be chosen again"
        );
    }
}
