//! The job that swaps. It is written down first, then made in one transaction of the server's, then written down as made; a
//! death in between is put right by looking at which database has the name.

use std::time::{Duration, Instant};

use contract::{
    Code, Fault,
    jobs::{JobKind, LogLevel, Phase, StepState},
    swap::SessionInTheWay,
};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{
    catalog,
    look::{self, Looked},
    store,
};
use crate::{
    Engine, Error, Result,
    jobs::{Job, JobContext, Work, patiently},
    quote,
    target::{Target, identity, look::query, worker::purpose},
};

/// Between two times that the sessions in the way are ended: the server looks as often whether they are gone, for 5 s.
const AGAIN: Duration = Duration::from_millis(100);
/// How long a cancelled statement may take to end.
const ENDS: Duration = Duration::from_secs(4);
/// How long a session of a process that died may take to go.
const GOES: Duration = Duration::from_secs(30);
/// Sessions that are named in the log one by one.
const NAMED: usize = 100;
/// SQLSTATE of a database in which somebody is.
const IN_USE: &str = "55006";

/// Puts another database in a live one's place.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Swap {
    /// The managed database.
    pub target: String,
    /// The database that comes in, by name and number.
    pub database: String,
    pub oid: i64,
}

const STEPS: [&str; 3] = [
    "Look at both databases",
    "End the sessions and change the names",
    "Write down what the name stands for",
];

impl Job for Swap {
    const KIND: JobKind = JobKind::Swap;
    const EVENT_TYPE: &'static str = "backup.swap";

    fn target(&self) -> Option<&str> {
        Some(&self.target)
    }

    fn work(&self) -> Work {
        Work::Swap
    }

    fn title(&self) -> String {
        format!("Put {} in the place of {}", self.database, self.target)
    }

    async fn run(self, context: JobContext) -> Result<String> {
        let begun = Instant::now();
        context.steps(STEPS.map(str::to_owned));
        context.phase(Phase::Preparing, None);
        step(&context, 0, StepState::Running);
        let preparing = Box::pin(self.prepare(&context));
        let mut ready = context.unless_cancelled(preparing).await?;
        step(&context, 0, StepState::Done);
        context.phase(Phase::Swapping, None);
        step(&context, 1, StepState::Running);
        store::begin(context.engine.store(), &ready.swap).await?;
        let made = Box::pin(ready.change_names(&context)).await;
        if let Err(error) = made {
            // Whether a commit whose answer never came was made, only the server knows.
            if !error.is_of_unknown_outcome() || !ready.is_made(&context).await? {
                return Err(error.into());
            }
        }
        step(&context, 1, StepState::Done);
        context.phase(Phase::Storing, None);
        step(&context, 2, StepState::Running);
        let engine = &context.engine;
        patiently(|| async { Ok(store::made(engine.store(), &ready.swap).await?) }).await?;
        ready.end().await;
        // This process learns it at once; another one when it next connects.
        let target = engine.target(&self.target)?;
        target.close_idle().await;
        if let Err(error) = target.connect("look").await {
            context.log(
                LogLevel::Warn,
                format!(
                    "It could not be reached yet under its new name: {}",
                    error.fault().message
                ),
            );
        }
        step(&context, 2, StepState::Done);
        let swap = &ready.swap;
        Ok(format!(
            "{} is the database that was {} in {}; the one before is kept as {}; {} ended",
            swap.live_name,
            swap.coming_name,
            contract::format::duration(i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX)),
            swap.kept_name,
            contract::format::counted(ready.ended.len(), "session", "sessions"),
        ))
    }

    async fn clean_up(self, context: JobContext) -> Result<()> {
        let Some(swap) = store::find(context.engine.store(), context.id).await? else {
            return Ok(());
        };
        if !swap.is_open() {
            return Ok(());
        }
        // Whatever the job's name for it leads to now.
        let target = context.engine.target(&swap.target)?;
        let mut beside = beside(&target, &swap).await?;
        let application = format!("pgsteward {}", purpose("swap", context.id));
        let asked = Instant::now();
        while catalog::end_of_name(&mut beside, &application)
            .await
            .map_err(|source| target.error(source))?
        {
            if asked.elapsed() > GOES {
                return Err(Error::conflict(
                    "The swap's session on the server does not end, so nobody knows yet what comes of it.",
                    "It is looked at again whenever the list of restored databases is.",
                ));
            }
            tokio::time::sleep(AGAIN).await;
        }
        let words = settle(&context.engine, &target, &mut beside, &swap).await?;
        context.log(LogLevel::Warn, words);
        Ok(())
    }
}

fn step(context: &JobContext, index: usize, state: StepState) {
    context.step(index, |step| step.state = state);
}

/// A session in another database of the server that the swap is on.
async fn beside(target: &Target, swap: &store::Swap) -> Result<PgConnection> {
    let but = [
        swap.live_name.as_str(),
        swap.coming_name.as_str(),
        swap.kept_name.as_str(),
    ];
    let mut connection = target.connect_outside(&but, "swap").await?;
    let found = identity::read(&mut connection, &target.address())
        .await
        .map_err(|source| target.error(source))?;
    if found.identity.system != swap.system {
        return Err(Error::conflict(
            format!(
                "Another server answers at {} than the one of the swap.",
                target.address()
            ),
            "Nothing was touched. Look at what is behind the address of this managed database now.",
        ));
    }
    Ok(connection)
}

/// Decides by the server what came of a swap, and writes that down; in words.
///
/// # Errors
/// What server and store said.
pub(super) async fn settle(
    engine: &Engine,
    target: &Target,
    connection: &mut PgConnection,
    swap: &store::Swap,
) -> Result<String> {
    let has_name = catalog::oid_of(connection, &swap.live_name)
        .await
        .map_err(|source| target.error(source))?;
    if has_name == Some(swap.incoming_oid) {
        store::made(engine.store(), swap).await?;
        return Ok(format!(
            "The swap was made: {} is the database that was {}; the one before is kept as {}.",
            swap.live_name, swap.coming_name, swap.kept_name
        ));
    }
    store::undone(engine.store(), swap.job).await?;
    Ok(match has_name == Some(swap.outgoing_oid) {
        true => format!(
            "The swap was not made: {} is the database that it was.",
            swap.live_name
        ),
        false => format!(
            "The swap was not made, and {} is neither of the two databases now: somebody else renamed them.",
            swap.live_name
        ),
    })
}

/// Both sessions, and what they are to do.
struct Ready {
    target: Target,
    session: PgConnection,
    watcher: PgConnection,
    pid: i32,
    looked: Looked,
    swap: store::Swap,
    ended: Vec<i32>,
}

impl Swap {
    async fn prepare(&self, context: &JobContext) -> Result<Ready> {
        let engine = &context.engine;
        let target = context.target(&self.target)?;
        // It leads to the database that the job is for, and to a session.
        let direct = target.connect("swap").await?;
        direct.close().await.ok();
        let outgoing = context
            .database
            .ok_or_else(|| Error::internal("swapping", "the job has no database"))?;
        let live = look::live_identity(&target).await?;
        for left in store::left_open(engine.store(), target.name()).await? {
            let mut beside = beside(&target, &left).await?;
            settle(engine, &target, &mut beside, &left).await?;
        }
        let spares = store::spares(engine.store(), outgoing).await?;
        let spare = spares
            .into_iter()
            .find(|spare| spare.oid == self.oid && spare.database == self.database)
            .ok_or_else(|| Error::Refused(super::no_such_database(&self.database)))?;
        let mut swap = store::Swap {
            job: context.id.0,
            target: target.name().to_owned(),
            outgoing,
            system: live.system.clone(),
            outgoing_oid: live.oid,
            incoming_oid: self.oid,
            live_name: target.database().to_owned(),
            coming_name: self.database.clone(),
            kept_name: String::new(),
            state: "begun".to_owned(),
        };
        let mut watcher = beside(&target, &swap).await?;
        let looked = look::look(engine, &target, &mut watcher, &live, &spare).await?;
        if let Some(fault) = looked.refusals.first() {
            return Err(Error::Refused(fault.clone()));
        }
        swap.kept_name = looked.kept_as.clone();
        let but = [swap.live_name.as_str(), swap.coming_name.as_str()];
        let mut session = target.connect_outside(&but, &purpose("swap", context.id)).await?;
        let pid = crate::target::look::query_scalar("select pg_backend_pid()")
            .fetch_one(&mut session)
            .await
            .map_err(|source| target.error(source))?;
        Ok(Ready {
            target,
            session,
            watcher,
            pid,
            looked,
            swap,
            ended: Vec::new(),
        })
    }
}

/// Why the names were not changed, as far as this process knows.
enum NotMade {
    /// The transaction is rolled back, or will be.
    Surely(Error),
    /// The answer to the commit never came.
    PerhapsMade(Error),
}

impl NotMade {
    fn is_of_unknown_outcome(&self) -> bool {
        matches!(self, Self::PerhapsMade(_))
    }
}

impl From<NotMade> for Error {
    fn from(not_made: NotMade) -> Self {
        match not_made {
            NotMade::Surely(error) | NotMade::PerhapsMade(error) => error,
        }
    }
}

impl Ready {
    /// One transaction: what hangs on the live database goes over to the incoming one, and both get their names.
    async fn change_names(&mut self, context: &JobContext) -> Result<(), NotMade> {
        // The console's own connections go first, so that they need not be ended.
        self.target.close_idle().await;
        self.statement(
            "begin;
             set local lock_timeout = '5s';
             set local statement_timeout = 0;
             set local idle_in_transaction_session_timeout = '30s'",
        )
        .await
        .map_err(NotMade::Surely)?;
        for carry in self.looked.carry.clone() {
            self.statement(&carry.sql).await.map_err(NotMade::Surely)?;
            context.info(carry.words);
        }
        let (live, coming) = (self.swap.live_name.clone(), self.swap.coming_name.clone());
        let kept = self.swap.kept_name.clone();
        self.rename(context, &live, &kept, self.looked.live.oid)
            .await
            .map_err(NotMade::Surely)?;
        self.rename(context, &coming, &live, self.looked.coming.oid)
            .await
            .map_err(NotMade::Surely)?;
        context.check().map_err(NotMade::Surely)?;
        context.progress(|progress| progress.detail = None);
        // Also a refusal may come after it was made: of a server that stops just then.
        self.statement("commit").await.map_err(NotMade::PerhapsMade)
    }

    async fn statement(&mut self, sql: &str) -> Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut self.session)
            .await
            .map(|_| ())
            .map_err(|source| self.target.error_at(source, sql))
    }

    /// Renames a database. The server locks it first, so that nobody comes in any more, and waits for those inside to leave:
    /// meanwhile they are ended.
    async fn rename(&mut self, context: &JobContext, from: &str, to: &str, oid: i64) -> Result<()> {
        context.check()?;
        context.progress(|progress| progress.detail = Some(format!("{from} becomes {to}")));
        let sql = format!(
            "alter database {} rename to {}",
            quote::ident(from),
            quote::ident(to)
        );
        let mut work = Box::pin(sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut self.session));
        let mut done = None;
        while done.is_none() {
            let mut ending = Box::pin(catalog::end_sessions(&mut self.watcher, oid));
            // To its end in any case: who was ended is told, also when the rename waited for nobody else.
            let ended = tokio::select! {
                biased;
                ended = &mut ending => ended,
                finished = &mut work => {
                    done = Some(finished);
                    ending.await
                }
            };
            match ended {
                Ok(ended) => note(context, &mut self.ended, &ended),
                Err(error) => tracing::debug!(%error, "sessions could not be ended this time"),
            }
            if done.is_none() {
                tokio::select! {
                    biased;
                    finished = &mut work => done = Some(finished),
                    () = context.cancelled() => break,
                    () = tokio::time::sleep(AGAIN) => {}
                }
            }
        }
        let Some(done) = done else {
            query("select pg_cancel_backend($1)")
                .bind(self.pid)
                .execute(&mut self.watcher)
                .await
                .ok();
            tokio::time::timeout(ENDS, work).await.ok();
            return Err(Error::Cancelled);
        };
        drop(work);
        match done {
            Ok(_) => Ok(()),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(IN_USE) => {
                Err(Error::Refused(self.in_use(from, oid).await))
            }
            Err(source) => Err(self.target.error_at(source, &sql)),
        }
    }

    async fn in_use(&mut self, database: &str, oid: i64) -> Fault {
        let left = catalog::sessions(&mut self.watcher, &[oid])
            .await
            .unwrap_or_default();
        let who: Vec<String> = left.sessions.iter().take(5).map(in_words).collect();
        let who = match who.is_empty() {
            true => "they came and went".to_owned(),
            false => who.join("; "),
        };
        Fault::new(
            Code::Conflict,
            format!("The sessions in {database} did not end within 5 s: {who}. No name was changed."),
        )
        .hint("See what they are doing, end them, and try again.")
    }

    /// Asks the server anew, when the answer to the commit never came.
    async fn is_made(&mut self, context: &JobContext) -> Result<bool> {
        let target = context.engine.target(&self.swap.target)?;
        let mut beside = beside(&target, &self.swap).await?;
        let application = format!("pgsteward {}", purpose("swap", context.id));
        while catalog::end_of_name(&mut beside, &application)
            .await
            .map_err(|source| target.error(source))?
        {
            tokio::time::sleep(AGAIN).await;
        }
        let has_name = catalog::oid_of(&mut beside, &self.swap.live_name).await;
        Ok(has_name.map_err(|source| target.error(source))? == Some(self.swap.incoming_oid))
    }

    async fn end(&mut self) {
        // Both are closed when they are dropped, too.
        for session in [&mut self.session, &mut self.watcher] {
            sqlx::raw_sql("rollback").execute(session).await.ok();
        }
    }
}

/// Writes down whom the swap ended, each once.
fn note(context: &JobContext, known: &mut Vec<i32>, ended: &[SessionInTheWay]) {
    if ended.is_empty() {
        return;
    }
    for session in ended {
        if !known.contains(&session.pid) {
            known.push(session.pid);
            if known.len() <= NAMED {
                context.info(format!("Ended {}", in_words(session)));
            }
        }
    }
    context.progress(|progress| {
        let ended = contract::format::counted(known.len(), "session", "sessions");
        progress.detail = Some(format!("{ended} ended"));
    });
}

fn in_words(session: &SessionInTheWay) -> String {
    format!(
        "pid {} ({}{}{})",
        session.pid,
        session
            .user
            .as_deref()
            .or(session.kind.as_deref())
            .unwrap_or("unknown"),
        match session.application.as_str() {
            "" => String::new(),
            application => format!(", {application}"),
        },
        session
            .client
            .as_ref()
            .map(|client| format!(", from {client}"))
            .unwrap_or_default(),
    )
}
