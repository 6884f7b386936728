//! `pgsteward audit …`: the console's own log as evidence.

use std::io::{BufWriter, Write};

use contract::{
    audit::{AuditCheck, ChainHead},
    format,
};

use super::{
    Session,
    arguments::{Audit, Files},
    failure::Failure,
    job,
};
use crate::console::Console;

pub(super) async fn run(
    session: &Session<'_>,
    console: &Console,
    what: Audit,
    files: Files,
) -> Result<(), Failure> {
    match what {
        Audit::Verify { head } => {
            let check = job::unless_interrupted(whole(session, console, head)).await??;
            session.out.show(&check, || words(&check));
            match check.broken {
                None => Ok(()),
                Some(broken) => Err(Failure::with_hint(broken.what, broken.means)),
            }
        }
        Audit::Export { output } => {
            let written = export(session, console, files).await?;
            if let Some(path) = output {
                session.out.show(&written, || {
                    format!("Wrote {} entries to {}.", format::exact(written), path.display())
                });
            }
            Ok(())
        }
    }
}

/// All parts of the check as one.
async fn whole(
    session: &Session<'_>,
    console: &Console,
    head: Option<ChainHead>,
) -> Result<AuditCheck, Failure> {
    let (audit, caller) = (console.engine.audit(), session.caller(console));
    let mut whole = audit.verify(&caller, 0, head).await?;
    while let Some(after) = whole.next {
        session.note(&format!(
            "{} of {} links are right",
            format::exact(after),
            format::exact(whole.last)
        ));
        let part = audit.verify(&caller, after, None).await?;
        whole = AuditCheck {
            checked: whole.checked + part.checked,
            ..part
        };
    }
    Ok(whole)
}

fn words(check: &AuditCheck) -> String {
    let mut lines = Vec::new();
    match (&check.head, &check.broken) {
        (Some(head), None) => {
            lines.push(format!(
                "The chain is whole: {} entries are what was written, and none is missing between them.",
                format::exact(check.checked)
            ));
            lines.push(format!("Head: {head}"));
            lines.push(
                "Note the head where the store's owner cannot change it; `audit verify --head` proves later that the log \
                 still goes through it."
                    .to_owned(),
            );
        }
        _ => lines.push(format!(
            "The chain is broken after {} entries that are right.",
            format::exact(check.checked)
        )),
    }
    if let Some(begun) = check.begun.filter(|_| check.before > 0) {
        lines.push(format!(
            "{} entries are from before the chain began ({}); they are counted, and not proven.",
            format::exact(check.before),
            format::absolute(begun)
        ));
    }
    lines.join("\n")
}

/// Writes every entry as a line of JSON, oldest first, and gives their number.
async fn export(session: &Session<'_>, console: &Console, files: Files) -> Result<i64, Failure> {
    let (audit, caller) = (console.engine.audit(), session.caller(console));
    let mut file = files.out.map(BufWriter::new);
    let cannot = |error: std::io::Error| Failure::message(format!("the file cannot be written: {error}"));
    let (mut after, mut written) = (0, 0);
    loop {
        let part = audit.export_chained(&caller, after).await?;
        let Some(last) = part.last() else { break };
        after = last.entry.id;
        for entry in &part {
            let line = serde_json::to_string(entry)
                .map_err(|error| Failure::message(format!("an entry cannot be written: {error}")))?;
            match &mut file {
                Some(file) => writeln!(file, "{line}").map_err(cannot)?,
                // A reader that has gone away wants no more.
                None if !session.out.line(&line) => return Ok(written),
                None => {}
            }
            written += 1;
        }
    }
    if let Some(file) = file {
        let file = file.into_inner().map_err(|error| cannot(error.into_error()))?;
        file.sync_all().map_err(cannot)?;
    }
    Ok(written)
}
