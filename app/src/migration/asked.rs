//! What a run of migrations is asked to apply.

use contract::migration::{MigrationState, MigrationStatus};

/// What is asked for.
#[derive(Clone, Default)]
pub struct Asked {
    /// The last version to apply; `None` applies all.
    pub up_to: Option<i64>,
    /// Late files, which can be chosen.
    pub late: Vec<String>,
    /// What was applied and has no file, which can be left alone.
    pub missing: Vec<String>,
}

impl Asked {
    /// Everything that can be applied.
    pub fn all(status: &MigrationStatus) -> Self {
        let in_state = |state: MigrationState| {
            status
                .migrations
                .iter()
                .filter(|migration| migration.state == state)
                .map(|migration| format!("{:04} {}", migration.version, migration.description))
                .collect()
        };
        Self {
            up_to: None,
            late: in_state(MigrationState::OutOfOrder),
            missing: in_state(MigrationState::Missing),
        }
    }
}
