//! Loading: rows into tables, then indexes, keys and the rest, several streams at a time.

pub(super) mod ledger;
mod part;
pub(super) mod read;
mod schedule;
mod step;
mod watch;

use std::sync::Arc;

use contract::{import::Destination, jobs::Phase};
use rusqlite::Connection;
use sqlite::{source::Source, stop::Stop};
use sqlx::{AssertSqlSafe, PgConnection};

use self::schedule::{Schedule, Task};
pub(super) use self::{
    ledger::{Done, Ledger, Part},
    part::send,
    step::{INSTEAD, LOST, refusal},
    watch::Watch,
};
use super::plan::Plan;
use crate::{Error, Result, jobs::JobContext, target::Target};

/// The name of the job's sessions.
pub(super) const SESSION: &str = "import";
/// The most streams: more only wait for the server's disk.
const MOST_STREAMS: usize = 8;
/// Statements before any row that are done together: each takes locks until the end of its transaction.
const TOGETHER: usize = 200;

/// Everything that the streams of one load share.
pub(super) struct Load {
    /// The job.
    pub context: JobContext,
    /// The managed database.
    pub target: Target,
    /// What to do.
    pub plan: Arc<Plan>,
    /// The file.
    pub source: Arc<Source>,
    /// Ends what reads the file.
    pub stop: Stop,
    /// What is done already.
    pub ledger: Ledger,
    /// What is shown.
    pub watch: Arc<Watch>,
}

/// One stream: a session on the server, and a connection to the file.
pub(super) struct Stream {
    session: PgConnection,
    /// Away while a thread reads with it.
    reader: Option<Connection>,
    /// Whether everything happens in one transaction, so that it leaves all or nothing.
    whole: bool,
}

impl Stream {
    /// The session alone.
    pub fn into_session(self) -> PgConnection {
        self.session
    }

    /// Begins a piece of work that is done as a whole or not at all. Dropping the stream undoes it.
    async fn begin(&mut self) -> Result<(), sqlx::Error> {
        self.tell(if self.whole {
            "savepoint pgsteward"
        } else {
            "begin"
        })
        .await
    }

    async fn commit(&mut self) -> Result<(), sqlx::Error> {
        self.tell(if self.whole {
            "release savepoint pgsteward"
        } else {
            "commit"
        })
        .await
    }

    async fn roll_back(&mut self) -> Result<(), sqlx::Error> {
        let sql = match self.whole {
            true => "rollback to savepoint pgsteward; release savepoint pgsteward",
            false => "rollback",
        };
        self.tell(sql).await
    }

    async fn tell(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(sql).execute(&mut self.session).await.map(|_| ())
    }
}

impl Load {
    /// Does what is not done yet, and gives what is done then.
    ///
    /// # Errors
    /// `Cancelled`; a fault that names the table and its rows. What is done stays in the ledger.
    pub async fn run(&self) -> Result<Done> {
        let failed = |source| self.target.error(source);
        let mut first = self.stream().await?;
        // Rows in tables that are there can only be taken back by the server itself.
        first.whole = self.plan.into == Destination::Existing && !self.plan.keep;
        let whole = first.whole;
        if whole {
            first.tell("begin").await.map_err(failed)?;
        }
        let done = self.ledger.read(&mut first.session).await.map_err(failed)?;
        if done.is_some() {
            self.context.info("Going on where an earlier run ended.");
        }
        let done = done.unwrap_or_default();
        self.create(&mut first, &done).await?;
        self.watch.begin(&self.plan, &done);
        self.context.phase(Phase::Loading, None);
        let schedule = Schedule::new(&self.plan, &done);
        let streams = match whole {
            true => 1,
            false => std::thread::available_parallelism()
                .map_or(2, usize::from)
                .clamp(2, MOST_STREAMS),
        };
        let mut work = vec![self.work(first, &schedule)];
        for _ in 1..streams.min(schedule.tasks()) {
            work.push(self.work(self.stream().await?, &schedule));
        }
        let ticker = self.watch.tick(&self.context);
        let all = futures::future::try_join_all(work);
        // Dropping the streams closes their sessions, and the server undoes what they had open.
        let ended = tokio::select! {
            biased;
            () = self.context.cancelled() => Err(Error::Cancelled),
            ended = all => ended,
            never = ticker => match never {},
        };
        if ended.is_err() {
            self.stop.now();
        }
        let mut streams = ended?;
        let mut last = streams.pop().ok_or_else(|| lost_ledger(&self.plan.schema))?;
        let done = self.ledger.read(&mut last.session).await.map_err(failed)?;
        if whole {
            // Rows that were read while someone wrote must not be committed.
            self.source.unchanged()?;
            last.tell("commit").await.map_err(failed)?;
        }
        done.or_else(|| nothing_to_note(&self.plan))
            .ok_or_else(|| lost_ledger(&self.plan.schema))
    }

    /// Tables of the plan that are not in the target.
    ///
    /// # Errors
    /// What the server said.
    pub async fn gone(&self, connection: &mut PgConnection) -> Result<Vec<String>> {
        let names: Vec<String> = self
            .plan
            .tables
            .iter()
            .map(|table| crate::quote::qualified(&self.plan.schema, &table.name))
            .collect();
        sqlx::query_scalar(
            "select name
               from unnest($1::text[]) with ordinality as wanted (name, place)
              where to_regclass(name) is null
              order by place",
        )
        .bind(names)
        .fetch_all(connection)
        .await
        .map_err(|source| self.target.error(source))
    }

    /// A new stream. What its session needs differs from the server's defaults in three things.
    pub async fn stream(&self) -> Result<Stream> {
        let name = crate::target::worker::purpose(SESSION, self.context.id);
        let mut session = self.context.unless_cancelled(self.target.connect(&name)).await?;
        // The streams themselves keep the processors busy.
        sqlx::raw_sql(
            "set search_path to default;
             set statement_timeout = 0;
             set idle_in_transaction_session_timeout = 0;
             set max_parallel_maintenance_workers = 0;
             set client_min_messages = error",
        )
        .execute(&mut session)
        .await
        .map_err(|source| self.target.error(source))?;
        // Not every platform can look after its client while it works; those that cannot refuse this.
        sqlx::raw_sql("set client_connection_check_interval = '2s'")
            .execute(&mut session)
            .await
            .ok();
        let reader = self.source.connect()?;
        self.stop.watch(&reader);
        Ok(Stream {
            session,
            reader: Some(reader),
            whole: false,
        })
    }

    /// Makes what is not made yet, some statements at a time, each time together with its note in the ledger.
    async fn create(&self, stream: &mut Stream, done: &Done) -> Result<()> {
        self.context
            .phase(Phase::Preparing, Some("making tables".to_owned()));
        let failed = |source| self.target.error(source);
        let due: Vec<(usize, &super::plan::Create)> = self
            .plan
            .create
            .iter()
            .enumerate()
            .filter(|(place, _)| !done.created.contains(&(*place as i32)))
            .collect();
        // Also with nothing to make there must be a ledger: an empty batch makes it.
        let batches: Vec<&[(usize, &super::plan::Create)]> = match due.is_empty() {
            true => vec![&[]],
            false => due.chunks(TOGETHER).collect(),
        };
        for batch in batches {
            self.context.check()?;
            stream.begin().await.map_err(failed)?;
            let session = &mut stream.session;
            for (_, create) in batch.iter().filter(|(_, create)| create.table.is_empty()) {
                self.create_one(session, create).await?;
            }
            self.ledger.make(session).await.map_err(failed)?;
            for (place, create) in batch {
                if !create.table.is_empty() {
                    self.create_one(session, create).await?;
                }
                let made = create.sql.starts_with("create table ");
                let name = crate::quote::qualified(&self.plan.schema, &create.table);
                self.ledger
                    .created(session, *place, made.then_some(name.as_str()))
                    .await
                    .map_err(failed)?;
            }
            stream.commit().await.map_err(failed)?;
        }
        Ok(())
    }

    async fn create_one(&self, session: &mut PgConnection, create: &super::plan::Create) -> Result<()> {
        sqlx::raw_sql(AssertSqlSafe(create.sql.clone()))
            .execute(session)
            .await
            .map_err(|source| self.target.error_at(source, &create.sql))?;
        Ok(())
    }

    /// Takes tasks until there are none.
    async fn work(&self, mut stream: Stream, schedule: &Schedule) -> Result<Stream> {
        while let Some((number, task)) = schedule.next().await? {
            self.context.check()?;
            match task {
                Task::Part { table, part } => self.part(&mut stream, table, part).await?,
                Task::Parents { table } => self.parents(&mut stream, table).await?,
                Task::Step { step } => self.step(&mut stream, step).await?,
            }
            schedule.finish(number);
        }
        Ok(stream)
    }
}

/// What the ledger of an import says that neither makes nor fills anything: a file without tables leaves no row in it.
pub(super) fn nothing_to_note(plan: &Plan) -> Option<Done> {
    let is_empty = plan.create.is_empty() && plan.tables.is_empty() && plan.steps.is_empty();
    is_empty.then(Done::default)
}

/// The ledger went away under the import.
pub(super) fn lost_ledger(schema: &str) -> Error {
    Error::conflict(
        format!("The import's own table in the schema {schema} was dropped while it ran."),
        "Drop the half-filled tables, then import again.",
    )
}
