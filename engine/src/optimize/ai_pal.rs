//! What AI-PAL's migration guide asks for: its indexes under its names, and the values of its audit log.

/// An index that should be there.
#[derive(Clone, Copy, Debug)]
pub(super) struct WantedIndex {
    /// Its table.
    pub table: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its columns in order.
    pub columns: &'static [Column],
}

/// A column of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// From small to large.
    Up(&'static str),
    /// From large to small, which puts the newest and the best first.
    Down(&'static str),
}

/// A check that a column holds one of some texts. A null passes.
#[derive(Clone, Copy, Debug)]
pub(super) struct WantedCheck {
    /// Its table.
    pub table: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The column.
    pub column: &'static str,
    /// What it may hold.
    pub allowed: &'static [&'static str],
}

use Column::{Down, Up};

/// The guide's indexes, by table.
pub(super) const INDEXES: &[WantedIndex] = &[
    index("ari_snapshots", "idx_ari_user_id", &[Up("user_id")]),
    index("ari_snapshots", "idx_ari_timestamp", &[Down("timestamp")]),
    index(
        "ari_snapshots",
        "idx_ari_user_timestamp",
        &[Up("user_id"), Down("timestamp")],
    ),
    index("ari_snapshots", "idx_ari_score", &[Down("autonomy_retention")]),
    index(
        "background_tasks",
        "idx_task_user_status",
        &[Up("user_id"), Up("status")],
    ),
    index("background_tasks", "idx_task_created", &[Down("created_at")]),
    index("background_tasks", "idx_task_celery_id", &[Up("celery_task_id")]),
    index("background_tasks", "idx_task_status", &[Up("status")]),
    index("background_tasks", "idx_task_type", &[Up("task_type")]),
    index(
        "ffe_goals",
        "idx_goal_user_status",
        &[Up("user_id"), Up("status")],
    ),
    index("ffe_goals", "idx_goal_deadline", &[Up("deadline")]),
    index(
        "edm_debts",
        "idx_edm_user_unresolved",
        &[Up("user_id"), Up("resolved")],
    ),
    index("edm_debts", "idx_edm_severity", &[Up("severity")]),
    index("atomic_blocks", "idx_block_goal_id", &[Up("goal_id")]),
    index("atomic_blocks", "idx_block_user_id", &[Up("user_id")]),
    index(
        "audit_logs",
        "idx_audit_user_timestamp",
        &[Up("user_id"), Down("timestamp")],
    ),
    index("audit_logs", "idx_audit_severity", &[Up("severity")]),
    index("audit_logs", "idx_audit_event_type", &[Up("event_type")]),
    index(
        "patch_requests",
        "idx_patch_component_status",
        &[Up("component"), Up("status")],
    ),
    index("patch_requests", "idx_patch_status", &[Up("status")]),
];

/// The checks.
pub(super) const CHECKS: &[WantedCheck] = &[
    WantedCheck {
        table: "audit_logs",
        name: "audit_logs_severity_check",
        column: "severity",
        allowed: &["debug", "info", "warning", "error", "critical"],
    },
    WantedCheck {
        table: "audit_logs",
        name: "audit_logs_result_check",
        column: "result",
        allowed: &["success", "failure", "denied"],
    },
];

const fn index(table: &'static str, name: &'static str, columns: &'static [Column]) -> WantedIndex {
    WantedIndex { table, name, columns }
}

impl Column {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Up(name) | Down(name) => name,
        }
    }

    /// Its bits in `pg_index.indoption`: 1 descending, 2 nulls first, which goes with it by default.
    pub fn option(self) -> i16 {
        match self {
            Up(_) => 0,
            Down(_) => 3,
        }
    }
}
