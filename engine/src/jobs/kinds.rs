//! Which kinds of job there are. A new kind is one arm in each of the two functions below.

use contract::jobs::JobKind;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{JobContext, Work};
use crate::{Error, Result};

/// A kind of work. The value is its spec, stored as JSON; it must hold no secret.
pub(crate) trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Its kind.
    const KIND: JobKind;
    /// What the audit log calls its end, as `area.verb`.
    const EVENT_TYPE: &'static str;

    /// The managed database it works on.
    fn target(&self) -> Option<&str>;
    /// What it does to that database: whatever conflicts with it waits. Of its kind and class only one is queued or at work on
    /// one database, unless it works aside.
    fn work(&self) -> Work;
    /// One line for lists.
    fn title(&self) -> String;
    /// Does the work; returns what came out, in one line. Looks at `context.cancelled()` wherever it waits, and ends
    /// with `Error::Cancelled` then. Must leave whatever it began in a state that `clean_up` can remove.
    fn run(self, context: JobContext) -> impl Future<Output = Result<String>> + Send;
    /// Removes what an ended run left: called after every end but success, also in another process after a crash, and
    /// possibly twice.
    fn clean_up(self, context: JobContext) -> impl Future<Output = Result<()>> + Send;
}

/// Kinds that read files alone: these jobs can be done while their database is away.
pub(super) const OFFLINE: [JobKind; 4] = [
    JobKind::VerifyBackup,
    JobKind::AddBackup,
    JobKind::InspectFile,
    JobKind::PruneBackups,
];

/// Runs a job of the store. Each kind's future lies on the heap: together they would be larger than a thread's stack.
pub(super) async fn run(kind: JobKind, spec: Value, context: JobContext) -> Result<String> {
    match kind {
        JobKind::Migrate => Box::pin(read::<crate::migration::run::Migrate>(spec)?.run(context)).await,
        JobKind::Optimize => Box::pin(read::<crate::optimize::run::Optimize>(spec)?.run(context)).await,
        JobKind::Backup => Box::pin(read::<crate::backup::run::TakeBackup>(spec)?.run(context)).await,
        JobKind::VerifyBackup => {
            Box::pin(read::<crate::backup::verify::VerifyBackup>(spec)?.run(context)).await
        }
        JobKind::Restore => Box::pin(read::<crate::backup::restore::run::Restore>(spec)?.run(context)).await,
        JobKind::AddBackup => Box::pin(read::<crate::backup::added::AddBackup>(spec)?.run(context)).await,
        JobKind::PruneBackups => {
            Box::pin(read::<crate::backup::retention::PruneBackups>(spec)?.run(context)).await
        }
        JobKind::InspectFile => Box::pin(read::<crate::import::job::InspectFile>(spec)?.run(context)).await,
        JobKind::RehearseImport => {
            Box::pin(read::<crate::import::rehearsal::RehearseImport>(spec)?.run(context)).await
        }
        JobKind::Import => Box::pin(read::<crate::import::job::LoadImport>(spec)?.run(context)).await,
        JobKind::DiscardImport => {
            Box::pin(read::<crate::import::job::DiscardImport>(spec)?.run(context)).await
        }
        JobKind::Swap => Box::pin(read::<crate::backup::swap::run::Swap>(spec)?.run(context)).await,
        JobKind::DropDatabase => {
            Box::pin(read::<crate::backup::swap::drop::DropDatabase>(spec)?.run(context)).await
        }
        JobKind::RestoreLive => {
            Box::pin(read::<crate::backup::restore::live::RestoreLive>(spec)?.run(context)).await
        }
        #[cfg(feature = "test-jobs")]
        JobKind::Test => Box::pin(read::<super::test_job::TestJob>(spec)?.run(context)).await,
        #[cfg(not(feature = "test-jobs"))]
        JobKind::Test => Err(unknown()),
    }
}

/// Cleans up after a job of the store.
pub(super) async fn clean_up(kind: JobKind, spec: Value, context: JobContext) -> Result<()> {
    match kind {
        JobKind::Migrate => Box::pin(read::<crate::migration::run::Migrate>(spec)?.clean_up(context)).await,
        JobKind::Optimize => Box::pin(read::<crate::optimize::run::Optimize>(spec)?.clean_up(context)).await,
        JobKind::Backup => Box::pin(read::<crate::backup::run::TakeBackup>(spec)?.clean_up(context)).await,
        JobKind::VerifyBackup => {
            Box::pin(read::<crate::backup::verify::VerifyBackup>(spec)?.clean_up(context)).await
        }
        JobKind::Restore => {
            Box::pin(read::<crate::backup::restore::run::Restore>(spec)?.clean_up(context)).await
        }
        JobKind::AddBackup => {
            Box::pin(read::<crate::backup::added::AddBackup>(spec)?.clean_up(context)).await
        }
        JobKind::PruneBackups => {
            Box::pin(read::<crate::backup::retention::PruneBackups>(spec)?.clean_up(context)).await
        }
        JobKind::InspectFile => {
            Box::pin(read::<crate::import::job::InspectFile>(spec)?.clean_up(context)).await
        }
        JobKind::RehearseImport => {
            Box::pin(read::<crate::import::rehearsal::RehearseImport>(spec)?.clean_up(context)).await
        }
        JobKind::Import => Box::pin(read::<crate::import::job::LoadImport>(spec)?.clean_up(context)).await,
        JobKind::DiscardImport => {
            Box::pin(read::<crate::import::job::DiscardImport>(spec)?.clean_up(context)).await
        }
        JobKind::Swap => Box::pin(read::<crate::backup::swap::run::Swap>(spec)?.clean_up(context)).await,
        JobKind::DropDatabase => {
            Box::pin(read::<crate::backup::swap::drop::DropDatabase>(spec)?.clean_up(context)).await
        }
        JobKind::RestoreLive => {
            Box::pin(read::<crate::backup::restore::live::RestoreLive>(spec)?.clean_up(context)).await
        }
        #[cfg(feature = "test-jobs")]
        JobKind::Test => Box::pin(read::<super::test_job::TestJob>(spec)?.clean_up(context)).await,
        #[cfg(not(feature = "test-jobs"))]
        JobKind::Test => Err(unknown()),
    }
}

/// Whether a job of this kind can do nothing without a session in its managed database. A swap has its sessions elsewhere, and
/// nobody may be in its databases.
pub(super) fn needs_target(kind: JobKind) -> bool {
    !matches!(
        kind,
        JobKind::VerifyBackup
            | JobKind::AddBackup
            | JobKind::PruneBackups
            | JobKind::InspectFile
            | JobKind::Swap
            | JobKind::Test
    )
}

/// What the audit log calls the end of a job of this kind.
pub(super) fn event_type(kind: JobKind) -> &'static str {
    match kind {
        JobKind::Migrate => crate::migration::run::Migrate::EVENT_TYPE,
        JobKind::Optimize => crate::optimize::run::Optimize::EVENT_TYPE,
        JobKind::Backup => crate::backup::run::TakeBackup::EVENT_TYPE,
        JobKind::VerifyBackup => crate::backup::verify::VerifyBackup::EVENT_TYPE,
        JobKind::Restore => crate::backup::restore::run::Restore::EVENT_TYPE,
        JobKind::AddBackup => crate::backup::added::AddBackup::EVENT_TYPE,
        JobKind::PruneBackups => crate::backup::retention::PruneBackups::EVENT_TYPE,
        JobKind::InspectFile => crate::import::job::InspectFile::EVENT_TYPE,
        JobKind::RehearseImport => crate::import::rehearsal::RehearseImport::EVENT_TYPE,
        JobKind::Import => crate::import::job::LoadImport::EVENT_TYPE,
        JobKind::DiscardImport => crate::import::job::DiscardImport::EVENT_TYPE,
        JobKind::Swap => crate::backup::swap::run::Swap::EVENT_TYPE,
        JobKind::DropDatabase => crate::backup::swap::drop::DropDatabase::EVENT_TYPE,
        JobKind::RestoreLive => crate::backup::restore::live::RestoreLive::EVENT_TYPE,
        JobKind::Test => "test.run",
    }
}

fn read<J: Job>(spec: Value) -> Result<J> {
    serde_json::from_value(spec).map_err(|error| Error::internal("reading a job's spec", error))
}

#[cfg(not(feature = "test-jobs"))]
fn unknown() -> Error {
    Error::internal("taking a job", "this build does not know the test job")
}
