use chrono::NaiveDateTime;

/// Rows per statement: long enough to be quick, short enough that progress moves and an interrupted fill loses little.
pub(super) const BATCH: u64 = 20_000;

const FEWEST_ROWS: u64 = 1_000;

/// The tables in the order of their foreign keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    UserProfiles,
    AriSnapshots,
    EdmDebts,
    FfeGoals,
    AtomicBlocks,
    ProgressTapestry,
    MomentumHistory,
    PatchRequests,
    BackgroundTasks,
    AuditLogs,
}

impl Table {
    pub(super) const ALL: [Self; 10] = [
        Self::UserProfiles,
        Self::AriSnapshots,
        Self::EdmDebts,
        Self::FfeGoals,
        Self::AtomicBlocks,
        Self::ProgressTapestry,
        Self::MomentumHistory,
        Self::PatchRequests,
        Self::BackgroundTasks,
        Self::AuditLogs,
    ];

    /// Name, share of all rows in thousandths, and the statement that writes rows $1 to $2 of $3.
    const fn about(self) -> (&'static str, u64, &'static str) {
        match self {
            Self::UserProfiles => ("user_profiles", 2, include_str!("sql/user_profiles.sql")),
            Self::AriSnapshots => ("ari_snapshots", 560, include_str!("sql/ari_snapshots.sql")),
            Self::EdmDebts => ("edm_debts", 40, include_str!("sql/edm_debts.sql")),
            Self::FfeGoals => ("ffe_goals", 50, include_str!("sql/ffe_goals.sql")),
            Self::AtomicBlocks => ("atomic_blocks", 140, include_str!("sql/atomic_blocks.sql")),
            Self::ProgressTapestry => ("progress_tapestry", 10, include_str!("sql/progress_tapestry.sql")),
            Self::MomentumHistory => ("momentum_history", 6, include_str!("sql/momentum_history.sql")),
            Self::PatchRequests => ("patch_requests", 2, include_str!("sql/patch_requests.sql")),
            Self::BackgroundTasks => ("background_tasks", 120, include_str!("sql/background_tasks.sql")),
            Self::AuditLogs => ("audit_logs", 70, include_str!("sql/audit_logs.sql")),
        }
    }

    pub(super) const fn name(self) -> &'static str {
        self.about().0
    }
}

/// How many rows go where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    thousandths: u64,
}

impl Plan {
    pub(super) fn of(rows: u64) -> Self {
        Self {
            thousandths: rows.max(FEWEST_ROWS) / 1_000,
        }
    }

    pub(super) fn rows(self, table: Table) -> u64 {
        self.thousandths * table.about().1
    }

    pub(super) fn total(self) -> u64 {
        Table::ALL.iter().map(|table| self.rows(*table)).sum()
    }

    /// The functions that the inserts call, for this session.
    pub(super) fn session_sql(self, until: NaiveDateTime) -> String {
        self.with_numbers(include_str!("sql/session.sql"))
            .replace("{until}", &until.to_string())
    }

    pub(super) fn insert_sql(self, table: Table) -> String {
        self.with_numbers(table.about().2)
    }

    fn with_numbers(self, sql: &str) -> String {
        sql.replace("{users}", &self.rows(Table::UserProfiles).to_string())
            .replace("{goals}", &self.rows(Table::FfeGoals).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_make_a_whole() {
        assert_eq!(Plan::of(1_000_000).total(), 1_000_000);
        assert_eq!(Plan::of(20_999).total(), 20_000);
        assert_eq!(Plan::of(3).total(), FEWEST_ROWS);
    }
}
