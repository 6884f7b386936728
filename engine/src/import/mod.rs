//! Bringing SQLite files into a managed database: look, decide, rehearse, load, prove.
//!
//! The file is never changed. What it holds is found by one full scan of every column, because a sample is fooled by the
//! last row, and what is proposed follows what is stored; a declaration only chooses between types that hold every value.
//! A plan is rehearsed before the first row moves, what is loaded is noted in the target in the transaction that loads it,
//! and at the end every row is read back and compared by hash.

mod files;
pub(crate) mod job;
mod load;
mod plan;
pub(crate) mod rehearsal;
mod show;
mod store;
mod sync;
pub(crate) mod uploads;
mod verify;

use std::path::Path;

use contract::{
    audit::Severity,
    import::{ImportDetail, ImportId, ImportState, ImportView, Inspection, Mapping, NewImport, UploadKind},
    jobs::{JobId, JobState, JobView},
    session::Permission,
};
use sqlite::{inspect, scan, source, stop};
use uuid::Uuid;

use self::{
    job::{DiscardImport, InspectFile, LoadImport},
    rehearsal::RehearseImport,
    store::Record,
};
use crate::{
    Caller, Engine, Error, Result, audit,
    jobs::{self, Act},
};

/// The operations on imports.
pub struct Import<'a>(&'a Engine);

impl Engine {
    /// The operations on imports.
    pub fn import(&self) -> Import<'_> {
        Import(self)
    }
}

impl Import<'_> {
    /// Looks at a SQLite file on the console's machine: checks it, reads every value of every table, and proposes a type
    /// for each column. The memory it takes does not grow with the file, except by its longest value. Dropping the
    /// future ends the reading.
    ///
    /// # Errors
    /// `NotFound` and `Invalid` when the file is no whole SQLite database, in words for each case; `Conflict` when another
    /// process writes to it; a damaged page with the table and the last row before it.
    #[crate::boxed]
    pub async fn inspect(&self, caller: &Caller, file: &Path) -> Result<Inspection> {
        caller.permit(Permission::Import)?;
        let (file, room) = (file.to_owned(), self.0.config().data_dir.clone());
        let alone = !self.0.config().works;
        let stop = stop::Stop::default();
        let _stops = stop.on_drop();
        let found = tokio::task::spawn_blocking(move || {
            inspect::run(&file, None, &room, alone, &stop, &scan::Seen::default())
        })
        .await
        .map_err(|error| Error::internal("reading a SQLite file", error))??;
        Ok(found.inspection)
    }

    /// Imports into a managed database, newest first; at most 200.
    ///
    /// # Errors
    /// `NotFound`; the store's failures.
    #[crate::boxed]
    pub async fn list(&self, caller: &Caller, target: &str) -> Result<Vec<ImportView>> {
        caller.permit(Permission::Import)?;
        self.0.target(target)?;
        Ok(store::list(self.0.store(), target).await?)
    }

    /// Begins an import of a file on the console's machine, for the command line: any file that the console may read.
    /// The job that looks at the file is queued.
    ///
    /// # Errors
    /// `NotFound` and `Invalid` when there is no such file; the store's failures.
    #[crate::boxed]
    pub async fn create_from_path(
        &self,
        caller: &Caller,
        target: &str,
        file: &Path,
        mapping: Mapping,
    ) -> Result<ImportView> {
        caller.permit(Permission::Import)?;
        let name = source::name_of(file);
        self.begin(caller, target, file, &name, None, mapping).await
    }

    /// Begins an import of a file below the allowed folder, or of an upload. The job that looks at the file is queued.
    ///
    /// # Errors
    /// `NotFound` and `Invalid` when there is no such file; the store's failures.
    #[crate::boxed]
    pub async fn create(&self, caller: &Caller, new: NewImport) -> Result<ImportView> {
        caller.permit(Permission::Import)?;
        let upload = match new.file {
            contract::import::ImportFile::Upload(id) => Some(id),
            contract::import::ImportFile::Server(_) => None,
        };
        if let Some(id) = upload {
            let folder = uploads::Folder::new(&self.0.config().data_dir);
            let upload = uploads::owned(folder, caller, id).await?;
            if upload.expected.kind != UploadKind::Database {
                return Err(Error::invalid(
                    "upload",
                    format!("{} is an archive of pg_dump.", upload.expected.name),
                    "Add it on the Backups page; only SQLite files are imported.",
                ));
            }
        }
        let (path, name) = files::path_of(self.0, &new.file)?;
        self.begin(caller, &new.target, &path, &name, upload, Mapping::default())
            .await
    }

    async fn begin(
        &self,
        caller: &Caller,
        target: &str,
        path: &Path,
        name: &str,
        upload: Option<Uuid>,
        mapping: Mapping,
    ) -> Result<ImportView> {
        self.0.target(target)?;
        let path = std::fs::canonicalize(path).map_err(|error| source::unusable(path, &error))?;
        let id = ImportId(Uuid::now_v7());
        let path = path.to_string_lossy().into_owned();
        store::insert(
            self.0.store(),
            store::New {
                id,
                target,
                path: &path,
                name,
                upload,
                mapping: &mapping,
                created_by: caller.name(),
            },
        )
        .await?;
        self.look(caller, target, id, name).await?;
        Ok(self.find(id).await?.view)
    }

    /// Queues the job that looks at an import's file, again if need be.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` while a job is at work, and once rows are loaded.
    #[crate::boxed]
    pub async fn look_again(&self, caller: &Caller, id: ImportId) -> Result<JobId> {
        caller.permit(Permission::Import)?;
        let record = self.idle(id).await?;
        match record.view.state {
            ImportState::Inspecting | ImportState::Ready => {
                self.look(caller, &record.view.target, id, &record.view.file)
                    .await
            }
            ImportState::Loading | ImportState::Done => Err(Error::conflict(
                "The file of this import was looked at, and rows were loaded as it was then.",
                "Go on with it, or discard it and begin a new one.",
            )),
        }
    }

    async fn look(&self, caller: &Caller, target: &str, id: ImportId, name: &str) -> Result<JobId> {
        let job = jobs::start(
            self.0,
            caller,
            &InspectFile {
                target: target.to_owned(),
                import: id,
                file: name.to_owned(),
            },
            Act {
                event_type: "import.inspect",
                severity: Severity::Info,
                object: Some(name),
                detail: None,
            },
        )
        .await?;
        store::set_job(self.0.store(), id, job).await?;
        Ok(job)
    }

    /// One import with all that is known of it.
    ///
    /// # Errors
    /// `NotFound`; the store's failures.
    #[crate::boxed]
    pub async fn detail(&self, caller: &Caller, id: ImportId) -> Result<ImportDetail> {
        caller.permit(Permission::Import)?;
        let record = self.find(id).await?;
        let following = record.view.state == ImportState::Done && record.follows();
        Ok(ImportDetail {
            revision: record.revision(),
            newer: match record.upload.filter(|_| following) {
                Some(upload) => {
                    let job = match record.view.job {
                        Some(job) => jobs::store::view(self.0.store(), job).await?,
                        None => None,
                    };
                    let again =
                        job.is_some_and(|job| job.state.is_final() && job.state != JobState::Succeeded);
                    Some(uploads::newer(self.0.config(), caller, upload, again).await?)
                }
                None => None,
            },
            following,
            import: record.view,
            mapping: record.mapping,
            rehearsal: record.rehearsal,
            inspection: record.inspected.map(|inspected| inspected.inspection),
            report: record.report,
        })
    }

    /// An earlier import of the same file that a new run goes on with: one that was interrupted, or one that is followed.
    ///
    /// # Errors
    /// The store's failures.
    #[crate::boxed]
    pub async fn unfinished(
        &self,
        caller: &Caller,
        target: &str,
        file: &Path,
        schema: &str,
    ) -> Result<Option<ImportView>> {
        caller.permit(Permission::Import)?;
        let Ok(path) = std::fs::canonicalize(file) else {
            return Ok(None);
        };
        for id in store::of_file(self.0.store(), target, &path.to_string_lossy()).await? {
            let record = self.find(id).await?;
            let goes_on = match record.view.state {
                ImportState::Loading => true,
                ImportState::Done => record.follows(),
                ImportState::Inspecting | ImportState::Ready => false,
            };
            if goes_on && record.plan.is_some_and(|plan| plan.schema == schema) {
                return Ok(Some(record.view));
            }
        }
        Ok(None)
    }

    /// Keeps what is decided, and queues the job that says what an import would do with it: every statement is rehearsed on
    /// empty tables in a transaction that is rolled back. `seen` is the revision that the reader had before them; without
    /// one, whatever was decided before is replaced.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` when the schema has no name, or is the system's own; `Conflict` before the file was looked at, once rows are loaded,
    /// while a job is at work, and when something else was decided meanwhile.
    #[crate::boxed]
    pub async fn rehearse(
        &self,
        caller: &Caller,
        id: ImportId,
        mapping: Mapping,
        seen: Option<&str>,
    ) -> Result<JobId> {
        caller.permit(Permission::Import)?;
        if mapping.schema.trim().is_empty() || mapping.schema.contains('\0') || mapping.schema.len() > 63 {
            return Err(Error::invalid(
                "schema",
                "The schema needs a name, of at most 63 bytes.",
                "Name one, such as public; it is made when it is missing.",
            ));
        }
        if mapping.schema.starts_with("pg_") || mapping.schema == "information_schema" {
            return Err(Error::invalid(
                "schema",
                format!(
                    "{} belongs to PostgreSQL itself; nothing can be imported into it.",
                    mapping.schema
                ),
                "Name another schema, such as public; one that does not begin with pg_ is made when it is missing.",
            ));
        }
        let mut record = self.idle(id).await?;
        let inspected = record.inspected.as_ref().ok_or_else(not_looked_at)?;
        if seen.is_some_and(|seen| seen != record.revision()) {
            return Err(rehearsal::decided_anew());
        }
        let mapping = mapping.tidied(&inspected.inspection);
        if !store::set_mapping(self.0.store(), id, &mapping).await? {
            return Err(begun());
        }
        record.mapping = mapping;
        let job = jobs::start(
            self.0,
            caller,
            &RehearseImport {
                target: record.view.target.clone(),
                import: id,
                file: record.view.file.clone(),
                revision: record.revision(),
            },
            Act {
                event_type: "import.rehearse",
                severity: Severity::Info,
                object: Some(&record.view.file),
                detail: Some(&format!("schema {}", record.mapping.schema)),
            },
        )
        .await?;
        store::set_job(self.0.store(), id, job).await?;
        Ok(job)
    }

    /// Starts the load of what was rehearsed, whose `revision` the reader names; or goes on with one that ended in the
    /// middle; or brings over what changed in the file of one that is followed. With `follow` false on one that is followed,
    /// for the last time. An upload that is followed never changes itself: `upload` names the one with its file as it is now.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` before the rehearsal, when something stands in the way or was decided anew, while a job is at
    /// work, when it is done, or when the upload cannot be the same file later.
    #[crate::boxed]
    pub async fn start(
        &self,
        caller: &Caller,
        id: ImportId,
        follow: bool,
        revision: Option<&str>,
        upload: Option<Uuid>,
    ) -> Result<JobId> {
        caller.permit(Permission::Import)?;
        let record = self.idle(id).await?;
        let view = &record.view;
        let upload = upload.filter(|upload| record.upload != Some(*upload));
        if let Some(upload) = upload {
            match record.upload.filter(|_| view.state == ImportState::Done) {
                Some(before) => uploads::check_newer(self.0.config(), caller, before, upload).await?,
                None => return Err(reads_its_own()),
            }
        }
        let mut following = follow;
        match view.state {
            ImportState::Inspecting => return Err(not_looked_at()),
            ImportState::Ready => {
                following = record.mapping.follow;
                let rehearsal = record.rehearsed().ok_or_else(|| {
                    Error::conflict(
                        "What is decided about this import was not rehearsed.",
                        "Rehearse it, read what it would do, and start it then.",
                    )
                })?;
                if revision.is_none_or(|revision| revision != rehearsal.revision) {
                    return Err(rehearsal::decided_anew());
                }
                if let Some(fault) = rehearsal::in_the_way(&rehearsal.plan.obstacles, &rehearsal.plan.room) {
                    return Err(fault);
                }
            }
            ImportState::Loading => following = record.mapping.follow,
            ImportState::Done if record.follows() => {}
            ImportState::Done => {
                return Err(Error::conflict(
                    "This import is done.",
                    "Begin a new one; with following switched on, later runs bring over what changed.",
                ));
            }
        }
        let job = jobs::start(
            self.0,
            caller,
            &LoadImport {
                target: view.target.clone(),
                import: id,
                file: view.file.clone(),
                follow: following,
                revision: revision.map(str::to_owned),
                upload,
            },
            Act {
                event_type: "import.load",
                severity: Severity::Warning,
                object: Some(&view.file),
                detail: Some(&format!("schema {}", record.mapping.schema)),
            },
        )
        .await?;
        store::set_job(self.0.store(), id, job).await?;
        Ok(job)
    }

    /// Forgets an import that left nothing in the target. One that did is removed by a job, whose id comes back: it drops the
    /// tables that the import made; `confirm` must be the managed database's name then. Of one that is done and followed the
    /// job ends the following: its tables and its report stay.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` when the name is not the right one; `Conflict` while a job works on it, or when it is done and not
    /// followed.
    #[crate::boxed]
    pub async fn discard(&self, caller: &Caller, id: ImportId, confirm: &str) -> Result<Option<JobId>> {
        caller.permit(Permission::Import)?;
        let record = self.idle(id).await?;
        let view = &record.view;
        match view.state {
            ImportState::Loading if confirm != view.target => Err(Error::invalid(
                "confirm",
                match confirm {
                    "" => "This import has begun to load rows, so discarding it changes the database."
                        .to_owned(),
                    typed => format!("\"{typed}\" is not the name of the database."),
                },
                format!(
                    "Load the page again, and type {} to remove what the import has made.",
                    view.target
                ),
            )),
            ImportState::Done if !record.follows() => Err(done()),
            ImportState::Loading | ImportState::Done => {
                let job = jobs::start(
                    self.0,
                    caller,
                    &DiscardImport {
                        target: view.target.clone(),
                        import: id,
                        file: view.file.clone(),
                    },
                    Act {
                        event_type: "import.discard",
                        severity: Severity::Warning,
                        object: Some(&view.file),
                        detail: Some(&format!("schema {}", record.mapping.schema)),
                    },
                )
                .await?;
                store::set_job(self.0.store(), id, job).await?;
                Ok(Some(job))
            }
            ImportState::Inspecting | ImportState::Ready => {
                if !store::delete(self.0.store(), id).await? {
                    return Err(begun());
                }
                let mut transaction = self.0.store().begin().await?;
                audit::record(
                    &mut transaction,
                    audit::Entry {
                        outcome: contract::audit::Outcome::Success,
                        target: Some(&view.target),
                        object: Some(&view.file),
                        ..audit::Entry::by(caller, "import.discard")
                    },
                )
                .await?;
                transaction.commit().await?;
                Ok(None)
            }
        }
    }

    /// An import that no job works on. One whose process was killed is cleaned up after first, where no console does.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` while a job works on it.
    async fn idle(&self, id: ImportId) -> Result<Record> {
        if let Some((job, target)) = store::job_of(self.0.store(), id).await? {
            let look = async || -> Result<Option<JobView>> {
                let job = jobs::store::view(self.0.store(), job).await?;
                Ok(job.filter(|job| !job.state.is_final()))
            };
            let at_work = match look().await? {
                Some(_)
                    if !self.0.config().works
                        && jobs::bury(self.0, self.0.target(&target)?.database_id(true).await?).await? =>
                {
                    look().await?
                }
                found => found,
            };
            if let Some(job) = at_work {
                return Err(Error::conflict(
                    format!("A job is at work on this import: {}.", job.title),
                    format!("Wait for its end, or cancel it first, under /jobs/{}.", job.id),
                ));
            }
        }
        self.find(id).await
    }

    async fn find(&self, id: ImportId) -> Result<Record> {
        store::find(self.0.store(), id).await?.ok_or_else(|| {
            Error::not_found(
                format!("There is no import {id}."),
                "Look for it on the Import page.",
            )
        })
    }
}

fn not_looked_at() -> Error {
    Error::conflict(
        "The file has not been looked at yet.",
        "Wait for its job to end; if that failed, mend what it names and look again.",
    )
}

fn reads_its_own() -> Error {
    Error::conflict(
        "Only an upload that was imported and is followed can go on with another upload.",
        "Start it without one; or begin a new import of the upload.",
    )
}

fn done() -> Error {
    Error::conflict(
        "This import is done; its report is kept.",
        "Drop its tables by a migration if they are not wanted.",
    )
}

fn begun() -> Error {
    Error::conflict(
        "This import has begun already, so its decisions stand.",
        "Let it end, go on with it, or discard it.",
    )
}
