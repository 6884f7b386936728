//! The rehearsal of an import: a job that runs every statement on empty tables and rolls it back. What starts later must be
//! what was rehearsed.

use chrono::Utc;
use contract::{
    format,
    import::{ImportId, Mapping, Obstacle, Rehearsal, Room},
    jobs::{JobKind, Phase},
};
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

use super::{
    job::find,
    not_looked_at, plan,
    store::{self, Record},
};
use crate::{
    Error, Result,
    jobs::{Job, JobContext, Work},
    target::worker,
};

/// The name of the job's sessions.
const SESSION: &str = "rehearsal";

/// Tells these decisions about this state of a file from others.
fn revision(mapping: &Mapping, stamp: &str) -> String {
    let decided = serde_json::to_string(mapping).unwrap_or_default();
    format!(
        "{:032x}",
        XxHash3_128::oneshot(format!("{stamp}\n{decided}").as_bytes())
    )
}

impl Record {
    /// See [`contract::import::ImportDetail::revision`].
    pub fn revision(&self) -> String {
        let stamp = self.inspected.as_ref().map_or("", |found| &found.stamp);
        revision(&self.mapping, stamp)
    }

    /// Whether later runs bring over what changes in the file.
    pub fn follows(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.follow)
    }

    /// The rehearsal of what is decided now.
    pub fn rehearsed(&self) -> Option<&Rehearsal> {
        let revision = self.revision();
        self.rehearsal.as_ref().filter(|it| it.revision == revision)
    }
}

/// Rehearses an import.
#[derive(Serialize, Deserialize)]
pub(crate) struct RehearseImport {
    /// The managed database.
    pub target: String,
    /// The import.
    pub import: ImportId,
    /// The file's name.
    pub file: String,
    /// What is decided.
    pub revision: String,
}

impl Job for RehearseImport {
    const KIND: JobKind = JobKind::RehearseImport;
    const EVENT_TYPE: &'static str = "import.rehearse";

    fn target(&self) -> Option<&str> {
        Some(&self.target)
    }

    fn work(&self) -> Work {
        Work::Aside
    }

    fn title(&self) -> String {
        format!("Rehearse the import of {}", self.file)
    }

    async fn run(self, context: JobContext) -> Result<String> {
        let record = find(&context, self.import).await?;
        if record.revision() != self.revision {
            return Err(decided_anew());
        }
        let inspected = record.inspected.as_ref().ok_or_else(not_looked_at)?;
        context.phase(Phase::Rehearsing, None);
        let target = context.target(&self.target)?;
        let name = worker::purpose(SESSION, context.id);
        let plan = context
            .unless_cancelled(async {
                let mut connection = target.connect(&name).await?;
                let draft = plan::make(inspected, &record.mapping, &target, &mut connection).await?;
                let room = plan::room(&draft.plan, &target, &mut connection).await;
                Ok(plan::view(draft, target.name(), room))
            })
            .await?;
        let outcome = match plan.obstacles.len() {
            0 => "nothing in the way".to_owned(),
            1 => "1 thing in the way".to_owned(),
            many => format!("{many} things in the way"),
        };
        let rehearsal = Rehearsal {
            revision: self.revision,
            at: Utc::now(),
            plan,
        };
        match store::set_rehearsal(context.engine.store(), self.import, &rehearsal).await? {
            true => Ok(outcome),
            false => Err(decided_anew()),
        }
    }

    async fn clean_up(self, context: JobContext) -> Result<()> {
        // The server rolls back what a session had begun; one that is in the midst of a statement is ended.
        let target = context.target(&self.target)?;
        let mut connection = target.connect("clean-up").await?;
        worker::end_leftover(&mut connection, SESSION, context.id)
            .await
            .map_err(|source| target.error(source))?;
        Ok(())
    }
}

/// What keeps an import from its start: the first obstacle, or too little room.
pub(super) fn in_the_way(obstacles: &[Obstacle], room: &Room) -> Option<Error> {
    if let Some(obstacle) = obstacles.first() {
        let more = match obstacles.len() {
            1 => String::new(),
            many => format!(" There are {} more obstacles.", many - 1),
        };
        return Some(Error::conflict(
            format!("{}{more}", obstacle.words),
            obstacle.hint.clone(),
        ));
    }
    let free = room.free.filter(|free| *free < room.needed)?;
    Some(Error::conflict(
        format!(
            "The import needs about {} on the server's disk, and {} are free.",
            format::bytes(room.needed),
            format::bytes(free)
        ),
        "Free some room, or leave tables out.",
    ))
}

/// Someone else decided something, or the file was looked at again.
pub(super) fn decided_anew() -> Error {
    Error::conflict(
        "Something else was decided about this import meanwhile, or its file was looked at again.",
        "Load the page again, look at what is decided now, and rehearse it.",
    )
}
