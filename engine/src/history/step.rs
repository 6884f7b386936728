//! What one step of history says: a snapshot compared with the one before it.

use std::collections::HashMap;

use chrono::TimeDelta;
use contract::Instant;

use super::{
    catalog::{Snapshot, Statements, Table, Tables},
    metric::{Metric, TableMetric},
};
use crate::quote;

/// Snapshots that are further apart say nothing of any moment between them.
const FURTHEST: TimeDelta = TimeDelta::minutes(10);
/// For tables, which are looked at every ten minutes.
const FURTHEST_OF_TABLES: TimeDelta = TimeDelta::minutes(30);

/// The values of one step by their places; none where nothing was measured.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub sums: Vec<Option<f64>>,
    pub weights: Vec<Option<f32>>,
    pub peaks: Vec<Option<f32>>,
}

impl Step {
    fn new(places: usize) -> Self {
        Self {
            sums: vec![None; places],
            weights: vec![None; places],
            peaks: vec![None; places],
        }
    }

    fn put(&mut self, place: usize, sum: f64, weight: f64) {
        self.sums[place] = Some(sum);
        self.weights[place] = Some(weight as f32);
        self.peaks[place] = (weight > 0.0).then_some((sum / weight) as f32);
    }

    fn gauge(&mut self, place: usize, value: f64) {
        self.put(place, value, 1.0);
    }

    /// A counter that went back was reset, or is another one: no value rather than a false one.
    fn rate(&mut self, place: usize, before: i64, now: i64, seconds: f64) {
        if now >= before {
            self.put(place, (now - before) as f64, seconds);
        }
    }
}

/// The seconds between two snapshots, when they are of one run of one server and near enough.
fn apart(before: (Instant, Instant), now: (Instant, Instant), furthest: TimeDelta) -> Option<f64> {
    let (started_before, at_before) = before;
    let (started, at) = now;
    let passed = at - at_before;
    (started == started_before && passed > TimeDelta::zero() && passed <= furthest)
        .then(|| passed.num_microseconds().unwrap_or(i64::MAX) as f64 / 1e6)
}

/// A database's step. `bytes` is its size when that is known.
pub(super) fn of_database(before: Option<&Snapshot>, now: &Snapshot, bytes: Option<i64>) -> Step {
    let mut step = Step::new(Metric::COUNT);
    gauges(&mut step, now, bytes);
    let Some((before, seconds)) = before.and_then(|before| {
        let seconds = apart((before.started_at, before.at), (now.started_at, now.at), FURTHEST)?;
        (before.standby == now.standby).then_some((before, seconds))
    }) else {
        return step;
    };
    if before.stats_reset == now.stats_reset {
        for (metric, before, now) in [
            (Metric::Commits, before.commits, now.commits),
            (Metric::Rollbacks, before.rollbacks, now.rollbacks),
            (Metric::TempBytes, before.temp_bytes, now.temp_bytes),
            (Metric::TempFiles, before.temp_files, now.temp_files),
            (Metric::Deadlocks, before.deadlocks, now.deadlocks),
            (Metric::RowsFetched, before.rows_fetched, now.rows_fetched),
            (Metric::RowsInserted, before.rows_inserted, now.rows_inserted),
            (Metric::RowsUpdated, before.rows_updated, now.rows_updated),
            (Metric::RowsDeleted, before.rows_deleted, now.rows_deleted),
        ] {
            step.rate(metric as usize, before, now, seconds);
        }
        let (hits, reads) = (
            now.blocks_hit - before.blocks_hit,
            now.blocks_read - before.blocks_read,
        );
        if hits >= 0 && reads >= 0 {
            step.put(Metric::CacheHits as usize, hits as f64, (hits + reads) as f64);
        }
    }
    if before.checkpoints_reset == now.checkpoints_reset {
        let timed = (before.checkpoints_timed, now.checkpoints_timed);
        let requested = (before.checkpoints_requested, now.checkpoints_requested);
        step.rate(Metric::CheckpointsTimed as usize, timed.0, timed.1, seconds);
        step.rate(
            Metric::CheckpointsRequested as usize,
            requested.0,
            requested.1,
            seconds,
        );
    }
    if let (Some(before), Some(now)) = (before.wal_bytes, now.wal_bytes) {
        step.rate(Metric::WalBytes as usize, before, now, seconds);
    }
    statements(&mut step, &before.statements, &now.statements, seconds);
    step
}

/// What was evicted took its counts with it, so that a difference over an eviction is too low.
fn statements(step: &mut Step, before: &Statements, now: &Statements, seconds: f64) {
    let (
        Statements::Counted {
            calls: calls_before,
            total_ms: ms_before,
            evictions: evictions_before,
            reset: reset_before,
            at: at_before,
            ..
        },
        Statements::Counted {
            calls,
            total_ms,
            evictions,
            reset,
            at,
            ..
        },
    ) = (before, now)
    else {
        return;
    };
    // It has a moment of its own, and is not read in every pulse.
    let passed = at.zip(*at_before).map(|(at, before)| at - before);
    let seconds = passed.map_or(seconds, |passed| {
        passed.num_microseconds().unwrap_or_default() as f64 / 1e6
    });
    if seconds <= 0.0 {
        return;
    }
    if evictions == evictions_before
        && reset == reset_before
        && calls >= calls_before
        && total_ms >= ms_before
    {
        let passed = (calls - calls_before) as f64;
        step.put(Metric::Queries as usize, passed, seconds);
        step.put(Metric::Latency as usize, total_ms - ms_before, passed);
    }
}

fn gauges(step: &mut Step, now: &Snapshot, bytes: Option<i64>) {
    for (metric, value) in [
        (Metric::Active, now.active),
        (Metric::Idle, now.idle),
        (Metric::IdleInTransaction, now.idle_in_transaction),
        (Metric::IdleInFailedTransaction, now.idle_in_failed),
        (Metric::OtherState, now.other_state),
        (Metric::UnseenState, now.unseen),
    ] {
        step.gauge(metric as usize, value as f64);
    }
    // A role that sees its own sessions alone knows nothing of waits.
    if now.sees_all {
        for (metric, value) in [
            (Metric::Running, now.running),
            (Metric::WaitLock, now.wait_lock),
            (Metric::WaitLwLock, now.wait_lwlock),
            (Metric::WaitIo, now.wait_io),
            (Metric::WaitIpc, now.wait_ipc),
            (Metric::WaitClient, now.wait_client),
            (Metric::WaitBufferPin, now.wait_buffer_pin),
            (Metric::WaitTimeout, now.wait_timeout),
            (Metric::WaitOther, now.wait_other),
        ] {
            step.gauge(metric as usize, value as f64);
        }
    }
    for (metric, value) in [
        (Metric::LagBytes, now.lag_bytes.map(|bytes| bytes as f64)),
        (Metric::ReplayDelay, now.replay_delay_ms),
        (Metric::SlotBytes, now.slot_bytes.map(|bytes| bytes as f64)),
        (Metric::DatabaseBytes, bytes.map(|bytes| bytes as f64)),
    ] {
        if let Some(value) = value {
            step.gauge(metric as usize, value);
        }
    }
}

/// A table's name in the store.
pub(super) fn subject(schema: &str, name: &str) -> String {
    quote::qualified(schema, name)
}

/// The tables' steps, by their names in the store.
pub(super) fn of_tables(before: Option<&Tables>, now: &Tables) -> Vec<(String, Step)> {
    let before = before
        .filter(|before| before.stats_reset == now.stats_reset)
        .and_then(|before| {
            let of = |tables: &Tables| (tables.started_at, tables.at);
            Some((before, apart(of(before), of(now), FURTHEST_OF_TABLES)?))
        });
    let known: HashMap<i64, &Table> = before
        .iter()
        .flat_map(|(before, _)| before.tables.iter().map(|table| (table.oid, table)))
        .collect();
    let seconds = before.map_or(0.0, |(_, seconds)| seconds);
    let steps = now.tables.iter().map(|table| {
        let mut step = Step::new(TableMetric::COUNT);
        for (metric, value) in [
            (TableMetric::Bytes, table.bytes),
            (TableMetric::Rows, table.rows),
            (TableMetric::DeadRows, Some(table.dead_rows)),
        ] {
            if let Some(value) = value {
                step.gauge(metric as usize, value as f64);
            }
        }
        if let Some(before) = known.get(&table.oid) {
            for (metric, before, now) in [
                (
                    TableMetric::SequentialScans,
                    before.sequential_scans,
                    table.sequential_scans,
                ),
                (TableMetric::IndexScans, before.index_scans, table.index_scans),
                (TableMetric::Inserts, before.inserts, table.inserts),
                (TableMetric::Updates, before.updates, table.updates),
                (TableMetric::Deletes, before.deletes, table.deletes),
            ] {
                step.rate(metric as usize, before, now, seconds);
            }
        }
        (subject(&table.schema, &table.name), step)
    });
    steps.collect()
}
