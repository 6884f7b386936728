//! Users, roles and what each role may do.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Instant;

/// What a user is trusted with; each role may do all that the one before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees everything but data, changes nothing.
    Viewer,
    /// Runs migrations, optimisations, backups and imports.
    Operator,
    /// Also deletes backups and keeps the users.
    Administrator,
}

impl Role {
    /// Every role, weakest first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Administrator];

    /// The name in the store, on the command line and in the page.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
        }
    }

    /// Whether this role holds the permission. The engine asks this; pages ask it to hide what is forbidden.
    pub fn may(self, permission: Permission) -> bool {
        self >= permission.weakest_role()
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == name)
            .ok_or_else(|| format!("\"{name}\" is no role; use viewer, operator or administrator"))
    }
}

/// What an operation asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// See managed databases, their statistics and pools.
    ViewTarget,
    /// See jobs and their logs.
    ViewJobs,
    /// Read the audit logs.
    ViewAudit,
    /// Change one's own password, end one's own sessions.
    OwnAccount,
    /// Cancel a job.
    CancelJob,
    /// Cancel a statement of a session on a managed server, or end the session.
    EndSession,
    /// Run a statement for its plan, in a transaction that is rolled back.
    RunExplainAnalyze,
    /// Apply migrations.
    Migrate,
    /// Create constraints and indexes, analyze.
    Optimize,
    /// Take and verify backups.
    BackUp,
    /// Restore a backup into a new database, with the roles it needs.
    Restore,
    /// Put another database in a live one's place.
    Swap,
    /// Read a SQLite file and bring its rows into a managed database.
    Import,
    /// Download a backup, which is a copy of all data.
    DownloadBackup,
    /// Delete a backup.
    DeleteBackup,
    /// Drop a database that lies beside a live one.
    DropDatabase,
    /// Say which database a managed database's name stands for.
    ManageTargets,
    /// See the console's own version, paths and configuration (without secrets).
    ViewConsole,
    /// Add, change and disable users.
    ManageUsers,
    /// Tell of a deployment, or that there was none.
    TellDeployment,
    /// Make and revoke the tokens with which programs tell of deployments.
    ManageTokens,
}

impl Permission {
    /// Every permission, in the order of the role matrix.
    pub const ALL: [Self; 21] = [
        Self::ViewTarget,
        Self::ViewJobs,
        Self::ViewAudit,
        Self::OwnAccount,
        Self::CancelJob,
        Self::EndSession,
        Self::RunExplainAnalyze,
        Self::Migrate,
        Self::Optimize,
        Self::BackUp,
        Self::Restore,
        Self::Swap,
        Self::Import,
        Self::DownloadBackup,
        Self::DeleteBackup,
        Self::DropDatabase,
        Self::ManageTargets,
        Self::ViewConsole,
        Self::ManageUsers,
        Self::TellDeployment,
        Self::ManageTokens,
    ];

    /// The weakest role that holds this permission: the whole role matrix.
    pub const fn weakest_role(self) -> Role {
        match self {
            Self::ViewTarget | Self::ViewJobs | Self::ViewAudit | Self::OwnAccount => Role::Viewer,
            Self::CancelJob
            | Self::EndSession
            | Self::RunExplainAnalyze
            | Self::Migrate
            | Self::Optimize
            | Self::BackUp
            | Self::Restore
            | Self::Swap
            | Self::Import
            | Self::DownloadBackup
            | Self::ViewConsole
            | Self::TellDeployment => Role::Operator,
            Self::DeleteBackup
            | Self::DropDatabase
            | Self::ManageTargets
            | Self::ManageUsers
            | Self::ManageTokens => Role::Administrator,
        }
    }

    /// The name in `pgsteward routes` and in refusals.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ViewTarget => "view_target",
            Self::ViewJobs => "view_jobs",
            Self::ViewAudit => "view_audit",
            Self::OwnAccount => "own_account",
            Self::CancelJob => "cancel_job",
            Self::EndSession => "end_session",
            Self::RunExplainAnalyze => "run_explain_analyze",
            Self::Migrate => "migrate",
            Self::Optimize => "optimize",
            Self::BackUp => "back_up",
            Self::Restore => "restore",
            Self::Swap => "swap",
            Self::Import => "import",
            Self::DownloadBackup => "download_backup",
            Self::DeleteBackup => "delete_backup",
            Self::DropDatabase => "drop_database",
            Self::ManageTargets => "manage_targets",
            Self::ViewConsole => "view_console",
            Self::ManageUsers => "manage_users",
            Self::TellDeployment => "tell_deployment",
            Self::ManageTokens => "manage_tokens",
        }
    }
}

/// Who is logged in, as every page knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The user.
    pub user_id: Uuid,
    /// The log-in name.
    pub name: String,
    /// The role at this moment.
    pub role: Role,
    /// Whether the password must be changed before anything else (the one-time password of the first start, and one that an
    /// administrator set).
    pub must_change_password: bool,
}

/// A user as administrators see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserView {
    /// The user.
    pub id: Uuid,
    /// The log-in name.
    pub name: String,
    /// The role.
    pub role: Role,
    /// Whether log-in is refused.
    pub disabled: bool,
    /// When the user was added.
    pub created_at: Instant,
    /// The last log-in, if any.
    pub last_login_at: Option<Instant>,
    /// Live sessions at this moment.
    pub sessions: i64,
    /// Whether the password must be changed at the next log-in.
    pub must_change_password: bool,
}

/// One of the reader's own live sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// The session.
    pub id: Uuid,
    /// When it began.
    pub created_at: Instant,
    /// The last request, to the minute.
    pub last_seen_at: Instant,
    /// When it ends at the latest.
    pub expires_at: Instant,
    /// Where it was logged in from.
    pub address: Option<String>,
    /// What it was logged in with, such as `Firefox 140 on Linux`, as far as it said so.
    pub browser: Option<String>,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// A user to add. The password travels once, over the wire's protection, and is stored as a hash only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewUser {
    /// The log-in name: 1–64 characters of letters, digits, `.`, `_`, `-`, `@`.
    pub name: String,
    /// The role.
    pub role: Role,
    /// The password: 8–128 characters.
    pub password: String,
    /// Whether the user must choose another one at the first log-in, since whoever adds them knows this one.
    #[serde(default = "must_change_password")]
    pub must_change_password: bool,
}

const fn must_change_password() -> bool {
    true
}

/// A change of a user by an administrator; `None` leaves a part as it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserChange {
    /// The user's log-in name.
    pub name: String,
    /// The new role.
    pub role: Option<Role>,
    /// The new password; the user must change it at the next log-in.
    pub password: Option<String>,
    /// Whether log-in is refused.
    pub disabled: Option<bool>,
}

/// One's own password change.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordChange {
    /// The password in force.
    pub current: String,
    /// The password wished for: 8–128 characters.
    pub new: String,
}

/// Says which user, and never a password.
impl std::fmt::Debug for NewUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewUser")
            .field("name", &self.name)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// Says which user, and never a password.
impl std::fmt::Debug for UserChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserChange")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Says nothing of what it holds.
impl std::fmt::Debug for PasswordChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordChange").finish_non_exhaustive()
    }
}
