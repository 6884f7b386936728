//! What is measured, by its place in the arrays of the store. A place is never given to anything else: what was kept years ago
//! is read by this list.

/// Of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metric {
    Commits,
    Rollbacks,
    /// Statements that pg_stat_statements counted.
    Queries,
    /// Their milliseconds, weighed by their number.
    Latency,
    /// Blocks found in shared buffers, weighed by the blocks asked for.
    CacheHits,
    WalBytes,
    TempBytes,
    TempFiles,
    CheckpointsTimed,
    CheckpointsRequested,
    Deadlocks,
    RowsFetched,
    RowsInserted,
    RowsUpdated,
    RowsDeleted,
    Active,
    Idle,
    IdleInTransaction,
    IdleInFailedTransaction,
    /// In a fast-path call, or with `track_activities` off.
    OtherState,
    /// What the console's role may not see.
    UnseenState,
    /// Active and waiting for nothing.
    Running,
    WaitLock,
    WaitLwLock,
    WaitIo,
    WaitIpc,
    WaitClient,
    WaitBufferPin,
    WaitTimeout,
    WaitOther,
    /// Bytes of WAL that the standby furthest behind has not replayed.
    LagBytes,
    /// Milliseconds since the last transaction that this standby replayed.
    ReplayDelay,
    SlotBytes,
    DatabaseBytes,
}

impl Metric {
    /// How many there are.
    pub const COUNT: usize = Self::DatabaseBytes as usize + 1;
}

/// Of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TableMetric {
    Bytes,
    Rows,
    DeadRows,
    SequentialScans,
    IndexScans,
    Inserts,
    Updates,
    Deletes,
}

impl TableMetric {
    /// How many there are.
    pub const COUNT: usize = Self::Deletes as usize + 1;
}
