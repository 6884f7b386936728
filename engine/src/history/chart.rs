//! Which charts there are, and which values they are made of.

use contract::history::Unit;

use super::metric::{Metric, TableMetric};

/// What a line shows of its values.
#[derive(Clone, Copy)]
pub(super) enum How {
    /// The mean over the step: of a counter, how many a second.
    Mean,
    /// All of the step.
    Sum,
    /// The highest single value.
    Peak,
}

/// A line.
pub(super) struct Line {
    pub place: usize,
    pub key: &'static str,
    pub label: &'static str,
}

/// A chart.
pub(super) struct Plan {
    pub key: &'static str,
    pub title: &'static str,
    pub unit: Unit,
    pub stacked: bool,
    pub how: How,
    pub lines: Vec<Line>,
    pub note: Option<&'static str>,
}

/// The states of client connections, which add up to all of them.
pub(super) const STATES: [Metric; 6] = [
    Metric::Active,
    Metric::Idle,
    Metric::IdleInTransaction,
    Metric::IdleInFailedTransaction,
    Metric::OtherState,
    Metric::UnseenState,
];

const fn line(metric: Metric, key: &'static str, label: &'static str) -> Line {
    Line {
        place: metric as usize,
        key,
        label,
    }
}

const fn table_line(metric: TableMetric, key: &'static str, label: &'static str) -> Line {
    Line {
        place: metric as usize,
        key,
        label,
    }
}

impl Plan {
    fn new(key: &'static str, title: &'static str, unit: Unit, lines: Vec<Line>) -> Self {
        Self {
            key,
            title,
            unit,
            stacked: false,
            how: How::Mean,
            lines,
            note: None,
        }
    }

    fn stacked(self) -> Self {
        Self {
            stacked: true,
            ..self
        }
    }

    fn how(self, how: How) -> Self {
        Self { how, ..self }
    }

    fn note(self, note: &'static str) -> Self {
        Self {
            note: Some(note),
            ..self
        }
    }
}

/// The charts of a database, what matters most first.
pub(super) fn of_database() -> Vec<Plan> {
    use Metric::{
        Active, CacheHits, CheckpointsRequested, CheckpointsTimed, Commits, DatabaseBytes, Deadlocks, Idle,
        IdleInFailedTransaction, IdleInTransaction, LagBytes, Latency, OtherState, Queries, ReplayDelay,
        Rollbacks, RowsDeleted, RowsFetched, RowsInserted, RowsUpdated, Running, SlotBytes, TempBytes,
        UnseenState, WaitBufferPin, WaitClient, WaitIo, WaitIpc, WaitLock, WaitLwLock, WaitOther,
        WaitTimeout, WalBytes,
    };
    vec![
        Plan::new(
            "transactions",
            "Transactions",
            Unit::PerSecond,
            vec![
                line(Commits, "commits", "commits"),
                line(Rollbacks, "rollbacks", "rollbacks"),
            ],
        )
        .note("The console's own looks, one every few seconds, are among the rollbacks."),
        Plan::new(
            "queries",
            "Queries",
            Unit::PerSecond,
            vec![line(Queries, "queries", "queries")],
        )
        .note("By pg_stat_statements: statements that ended, those inside functions not counted."),
        Plan::new(
            "latency",
            "Mean latency",
            Unit::Milliseconds,
            vec![line(Latency, "mean", "mean execution time")],
        )
        .note("By pg_stat_statements: time on the server, without planning and the network."),
        Plan::new(
            "connections",
            "Connections",
            Unit::Count,
            vec![
                line(Active, "active", "active"),
                line(IdleInTransaction, "idle_in_transaction", "idle in transaction"),
                line(
                    IdleInFailedTransaction,
                    "idle_in_failed_transaction",
                    "idle in failed transaction",
                ),
                line(Idle, "idle", "idle"),
                line(OtherState, "other", "other"),
                line(UnseenState, "not_visible", "state not visible"),
            ],
        )
        .stacked()
        .note("Client connections to the whole server."),
        Plan::new(
            "waits",
            "Active sessions by wait",
            Unit::Count,
            vec![
                line(Running, "running", "running"),
                line(WaitLock, "lock", "lock"),
                line(WaitLwLock, "lwlock", "internal lock"),
                line(WaitIo, "io", "input and output"),
                line(WaitIpc, "ipc", "other process"),
                line(WaitClient, "client", "client"),
                line(WaitBufferPin, "buffer_pin", "buffer pin"),
                line(WaitTimeout, "timeout", "timeout"),
                line(WaitOther, "other", "other"),
            ],
        )
        .stacked()
        .note("Sessions of the whole server at the moment of each snapshot, one a minute; what is shorter may be missed."),
        Plan::new(
            "cache",
            "Cache hits",
            Unit::Share,
            vec![line(CacheHits, "hits", "blocks found in shared buffers")],
        )
        .note("Blocks that were not found there may still come from the operating system's cache."),
        Plan::new(
            "wal",
            "WAL",
            Unit::BytesPerSecond,
            vec![line(WalBytes, "wal", "written by the whole server")],
        ),
        Plan::new(
            "temp",
            "Temporary files",
            Unit::BytesPerSecond,
            vec![line(TempBytes, "temp", "written")],
        )
        .note("Counted when a file is removed, at the end of its query."),
        Plan::new(
            "checkpoints",
            "Checkpoints",
            Unit::Count,
            vec![
                line(CheckpointsTimed, "timed", "timed"),
                line(CheckpointsRequested, "requested", "requested"),
            ],
        )
        .how(How::Sum)
        .note("Many requested ones mean that max_wal_size is small for what is written."),
        Plan::new(
            "lag",
            "Replication lag",
            Unit::Bytes,
            vec![line(LagBytes, "lag", "not replayed by the standby furthest behind")],
        )
        .how(How::Peak),
        Plan::new(
            "replay_delay",
            "Replay delay",
            Unit::Milliseconds,
            vec![line(ReplayDelay, "delay", "behind the primary")],
        )
        .how(How::Peak)
        .note("Since the last transaction that was replayed; nothing while all that was received is replayed."),
        Plan::new(
            "slots",
            "WAL held by slots",
            Unit::Bytes,
            vec![line(SlotBytes, "held", "held by the slot furthest behind")],
        )
        .how(How::Peak),
        Plan::new(
            "size",
            "Size",
            Unit::Bytes,
            vec![line(DatabaseBytes, "size", "size of the database")],
        ),
        Plan::new(
            "rows",
            "Rows",
            Unit::PerSecond,
            vec![
                line(RowsFetched, "fetched", "fetched by index"),
                line(RowsInserted, "inserted", "inserted"),
                line(RowsUpdated, "updated", "updated"),
                line(RowsDeleted, "deleted", "deleted"),
            ],
        ),
        Plan::new(
            "deadlocks",
            "Deadlocks",
            Unit::Count,
            vec![line(Deadlocks, "deadlocks", "deadlocks")],
        )
        .how(How::Sum),
    ]
}

/// The charts of a table.
pub(super) fn of_table() -> Vec<Plan> {
    use TableMetric::{Bytes, DeadRows, Deletes, IndexScans, Inserts, Rows, SequentialScans, Updates};
    vec![
        Plan::new(
            "size",
            "Size",
            Unit::Bytes,
            vec![table_line(Bytes, "size", "with its indexes and TOAST")],
        ),
        Plan::new(
            "rows",
            "Rows",
            Unit::Count,
            vec![
                table_line(Rows, "rows", "rows"),
                table_line(DeadRows, "dead", "dead rows"),
            ],
        )
        .note("Estimates: rows by the last vacuum or analyze, dead rows by the statistics."),
        Plan::new(
            "scans",
            "Scans",
            Unit::PerSecond,
            vec![
                table_line(SequentialScans, "sequential", "sequential scans"),
                table_line(IndexScans, "index", "index scans"),
            ],
        ),
        Plan::new(
            "changes",
            "Changes",
            Unit::PerSecond,
            vec![
                table_line(Inserts, "inserted", "rows inserted"),
                table_line(Updates, "updated", "rows updated"),
                table_line(Deletes, "deleted", "rows deleted"),
            ],
        ),
    ]
}
