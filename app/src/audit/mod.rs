//! Who did what: the console's own log, and the table `audit_logs` of a managed database.

pub mod api;
mod chain;
mod entries;
mod filters;
mod page;
mod query;

pub use page::AuditPage;

use contract::audit::{Outcome, Severity};

use crate::ui::Tone;

fn severity_tone(severity: Severity) -> Tone {
    match severity {
        Severity::Debug | Severity::Info => Tone::Off,
        Severity::Warning => Tone::Warn,
        Severity::Error | Severity::Critical => Tone::Bad,
    }
}

fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Debug => "Debug",
        Severity::Info => "Info",
        Severity::Warning => "Warning",
        Severity::Error => "Error",
        Severity::Critical => "Critical",
    }
}

fn outcome_tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Started => Tone::Info,
        Outcome::Success => Tone::Ok,
        Outcome::Failure => Tone::Bad,
        Outcome::Denied => Tone::Warn,
    }
}

fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Started => "Started",
        Outcome::Success => "Success",
        Outcome::Failure => "Failure",
        Outcome::Denied => "Denied",
    }
}

/// What kind of act it is, in words; a name that is not the console's own is shown as it is.
fn act_words(event_type: &str) -> &str {
    match event_type {
        "alarm.test" => "Test alarm",
        "backup.add" => "Add archive",
        "backup.adopt" => "Take over backup",
        "backup.drop_database" => "Drop database",
        "backup.pin" => "Pin backup",
        "backup.prune" => "Remove old backups",
        "backup.restore" => "Restore",
        "backup.retention" => "Set which backups are kept",
        "backup.swap" => "Swap databases",
        "backup.unpin" => "Unpin backup",
        "explain.analyze" => "Run and explain",
        "schedule.pause" => "Pause schedule",
        "schedule.remove" => "Remove schedule",
        "schedule.resume" => "Resume schedule",
        "schedule.set" => "Set schedule",
        "target.adopt" => "Take over database",
        "activity.cancel" => "Cancel statement",
        "activity.terminate" => "End database session",
        "backup.create" => "Back up",
        "backup.delete" => "Delete backup",
        "backup.download" => "Download backup",
        "backup.verify" => "Verify backup",
        "deployment.make_token" => "Make token for deployments",
        "deployment.remove" => "Remove deployment",
        "deployment.revoke_token" => "Revoke token for deployments",
        "deployment.tell" => "Tell of deployment",
        "import.discard" => "Discard import",
        "import.inspect" => "Look at file",
        "import.load" => "Import",
        "import.rehearse" => "Rehearse import",
        "job.cancel" => "Cancel job",
        "migration.apply" => "Apply migrations",
        "optimize.run" => "Optimize",
        "session.add_user" => "Add user",
        "session.change_password" => "Change own password",
        "session.change_user" => "Change user",
        "session.end_session" => "End own session",
        "session.end_sessions" => "End own other sessions",
        "session.forbidden" => "Refused act",
        "session.cross_site" => "Refused request of another site",
        "session.log_in" => "Sign in",
        "session.log_out" => "Sign out",
        "session.refresh" => "Go on with a session",
        other => other,
    }
}
