//! Bringing SQLite files into a managed database: look, decide, rehearse, load, prove.
//!
//! The file is never changed. What it holds is found by one full scan of every column, because a sample is fooled by the
//! last row, and what is proposed follows what is stored; a declaration only chooses between types that hold every value.
//! A plan is rehearsed before the first row moves, what is loaded is noted in the target in the transaction that loads it,
//! and at the end every row is read back and compared by hash.

mod affinity;
mod binary_json;
mod check;
mod column_findings;
mod ddl;
mod encode;
mod files;
mod findings;
mod fit;
mod forms;
mod header;
mod inspect;
pub(crate) mod job;
mod json;
mod leftover;
mod load;
mod lock;
mod names;
mod numeric;
mod plan;
mod propose;
mod scan;
mod schema;
mod show;
mod source;
mod stop;
mod store;
mod sync;
mod tally;
mod times;
mod translate;
mod uploads;
mod verify;
mod wire;

use std::path::Path;

use contract::{
    audit::Severity,
    import::{ImportDetail, ImportId, ImportPlan, ImportState, ImportView, Inspection, Mapping, NewImport},
    jobs::{JobId, JobView},
    session::Permission,
};
use sqlx::Connection;
use uuid::Uuid;

use self::{
    job::{InspectFile, LoadImport},
    load::Ledger,
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
    pub async fn create(&self, caller: &Caller, new: NewImport) -> Result<ImportView> {
        caller.permit(Permission::Import)?;
        let (path, name) = files::path_of(self.0, &new.file)?;
        let upload = match new.file {
            contract::import::ImportFile::Upload(id) => Some(id),
            contract::import::ImportFile::Server(_) => None,
        };
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
    /// `NotFound`; `Conflict` once rows are loaded.
    pub async fn look_again(&self, caller: &Caller, id: ImportId) -> Result<JobId> {
        caller.permit(Permission::Import)?;
        let record = self.find(id).await?;
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
    pub async fn detail(&self, caller: &Caller, id: ImportId) -> Result<ImportDetail> {
        caller.permit(Permission::Import)?;
        let record = self.find(id).await?;
        Ok(ImportDetail {
            import: record.view,
            mapping: record.mapping,
            inspection: record.inspected.map(|inspected| inspected.inspection),
            report: record.report,
        })
    }

    /// An earlier import of the same file that a new run goes on with: one that was interrupted, or one that is followed.
    ///
    /// # Errors
    /// The store's failures.
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
                ImportState::Done => record.plan.as_ref().is_some_and(|plan| plan.follow),
                ImportState::Inspecting | ImportState::Ready => false,
            };
            if goes_on && record.plan.is_some_and(|plan| plan.schema == schema) {
                return Ok(Some(record.view));
            }
        }
        Ok(None)
    }

    /// What an import would do with these decisions, which are kept. Every statement is rehearsed on empty tables in a
    /// transaction that is rolled back.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` before the file was looked at and once rows are loaded; `Target`.
    pub async fn plan(&self, caller: &Caller, id: ImportId, mapping: Mapping) -> Result<ImportPlan> {
        caller.permit(Permission::Import)?;
        let record = self.find(id).await?;
        if mapping.schema.trim().is_empty() || mapping.schema.contains('\0') || mapping.schema.len() > 63 {
            return Err(Error::invalid(
                "schema",
                "The schema needs a name, of at most 63 bytes.",
                "Name one, such as public; it is made when it is missing.",
            ));
        }
        if !store::set_mapping(self.0.store(), id, &mapping).await? {
            return Err(begun());
        }
        let target = self.0.target(&record.view.target)?;
        let mut connection = target.connect("rehearsal").await?;
        let inspected = record.inspected.ok_or_else(not_looked_at)?;
        let draft = plan::make(&inspected, &mapping, &target, &mut connection).await?;
        let room = plan::room(&draft.plan, &target, &mut connection).await;
        connection.close().await.ok();
        Ok(plan::view(draft, target.name(), room))
    }

    /// Starts the load, or goes on with one that ended in the middle, or brings over what changed in the file of one that
    /// is followed. With `follow` false on one that is followed, for the last time.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` before the file was looked at, when something stands in the way, or when it is done.
    pub async fn start(&self, caller: &Caller, id: ImportId, follow: bool) -> Result<JobId> {
        caller.permit(Permission::Import)?;
        let record = self.find(id).await?;
        let view = &record.view;
        let mut following = follow;
        match view.state {
            ImportState::Inspecting => return Err(not_looked_at()),
            ImportState::Ready => {
                following = record.mapping.follow;
                self.fix_plan(&record).await?;
            }
            ImportState::Loading => following = record.mapping.follow,
            ImportState::Done if record.plan.as_ref().is_some_and(|plan| plan.follow) => {}
            ImportState::Done => {
                return Err(Error::conflict(
                    "This import is done.",
                    "Begin a new one; with following switched on, later runs bring over what changed.",
                ));
            }
        }
        let started = jobs::start(
            self.0,
            caller,
            &LoadImport {
                target: view.target.clone(),
                import: id,
                file: view.file.clone(),
                follow: following,
            },
            Act {
                event_type: "import.load",
                severity: Severity::Warning,
                object: Some(&view.file),
                detail: Some(&format!("schema {}", record.mapping.schema)),
            },
        )
        .await;
        match started {
            Ok(job) => {
                store::set_job(self.0.store(), id, job).await?;
                Ok(job)
            }
            Err(error) => {
                if view.state == ImportState::Ready {
                    store::back_to_ready(self.0.store(), id).await?;
                }
                Err(error)
            }
        }
    }

    async fn fix_plan(&self, record: &Record) -> Result<()> {
        let target = self.0.target(&record.view.target)?;
        let inspected = record.inspected.as_ref().ok_or_else(not_looked_at)?;
        let mut connection = target.connect("rehearsal").await?;
        let draft = plan::make(inspected, &record.mapping, &target, &mut connection).await?;
        if let Some(obstacle) = draft.obstacles.first() {
            let more = match draft.obstacles.len() {
                1 => String::new(),
                many => format!(" There are {} more obstacles.", many - 1),
            };
            return Err(Error::conflict(
                format!("{}{more}", obstacle.words),
                obstacle.hint.clone(),
            ));
        }
        let room = plan::room(&draft.plan, &target, &mut connection).await;
        connection.close().await.ok();
        if let Some(free) = room.free.filter(|free| *free < room.needed) {
            return Err(Error::conflict(
                format!(
                    "The import needs about {} on the server's disk, and {} are free.",
                    contract::format::bytes(room.needed),
                    contract::format::bytes(free)
                ),
                "Free some room, or leave tables out.",
            ));
        }
        match store::begin(self.0.store(), record.view.id, &draft.plan).await? {
            true => Ok(()),
            false => Err(begun()),
        }
    }

    /// Drops the tables that an unfinished import made, and forgets it; `confirm` is the managed database's name.
    /// An import that left nothing is forgotten.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` when the name is not the right one; `Conflict` while a job works on it, or when it is done.
    pub async fn discard(&self, caller: &Caller, id: ImportId, confirm: &str) -> Result<()> {
        caller.permit(Permission::Import)?;
        let record = self.find(id).await?;
        let view = &record.view;
        if let Some(job) = self.at_work(view).await? {
            return Err(Error::conflict(
                "A job is at work on this import.",
                format!("Cancel it first, under /jobs/{}.", job.id),
            ));
        }
        let mut gone = Vec::new();
        match (view.state, &record.plan) {
            (ImportState::Loading, Some(plan)) => {
                if confirm != view.target {
                    return Err(Error::invalid(
                        "confirm",
                        format!("\"{confirm}\" is not the name of the database."),
                        format!("Type {} to drop what the import has made in it.", view.target),
                    ));
                }
                let target = self.0.target(&view.target)?;
                let failed = |source| target.error(source);
                let mut connection = target.connect("clean-up").await?;
                let mut transaction = connection.begin().await.map_err(failed)?;
                gone = Ledger::new(&plan.schema, id)
                    .undo(&mut transaction, plan)
                    .await
                    .map_err(failed)?;
                transaction.commit().await.map_err(failed)?;
                store::back_to_ready(self.0.store(), id).await?;
            }
            (ImportState::Done, _) => {
                return Err(Error::conflict(
                    "This import is done; its report is kept.",
                    "Drop its tables by a migration if they are not wanted.",
                ));
            }
            _ => {}
        }
        store::delete(self.0.store(), id).await?;
        let mut transaction = self.0.store().begin().await?;
        let detail = match gone.is_empty() {
            true => None,
            false => Some(format!("dropped {}", gone.join(", "))),
        };
        audit::record(
            &mut transaction,
            audit::Entry {
                severity: Severity::Warning,
                outcome: contract::audit::Outcome::Success,
                target: Some(&view.target),
                object: Some(&view.file),
                detail: detail.as_deref(),
                ..audit::Entry::by(caller, "import.discard")
            },
        )
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The job that works on an import now. One whose process was killed is cleaned up after first, where no console does.
    async fn at_work(&self, view: &ImportView) -> Result<Option<JobView>> {
        let Some(id) = view.job else { return Ok(None) };
        let look = async || -> Result<Option<JobView>> {
            let job = jobs::store::view(self.0.store(), id).await?;
            Ok(job.filter(|job| !job.state.is_final()))
        };
        match look().await? {
            Some(_) if !self.0.config().works && jobs::bury(self.0, &view.target).await? => look().await,
            found => Ok(found),
        }
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

fn begun() -> Error {
    Error::conflict(
        "This import has begun already, so its decisions stand.",
        "Let it end, go on with it, or discard it.",
    )
}
