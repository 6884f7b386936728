//! `pgsteward backup swap` and what belongs to it: the databases beside the live one, and the way back.

use chrono::Utc;
use contract::{
    format,
    swap::{Origin, SessionInTheWay, SpareDatabase, SpareList, SwapPreview, SwapSpec},
};

use super::{Session, confirm, failure::Failure, job, out::tell, table};
use crate::console::Console;

/// What lies beside the live database.
pub(super) async fn list(session: &Session<'_>, console: &Console, target: &str) -> Result<(), Failure> {
    let caller = session.caller(console);
    let list = console.engine.backup().spares(&caller, target).await?;
    session.out.show(&list, || words(&list));
    Ok(())
}

/// Shows whom a swap ends, asks, and swaps.
pub(super) async fn swap(
    session: &Session<'_>,
    console: &Console,
    target: String,
    database: String,
    confirm: String,
) -> Result<(), Failure> {
    let caller = session.caller(console);
    let backups = console.engine.backup();
    ask(session, &backups.preview_swap(&caller, &target, &database).await?)?;
    let spec = SwapSpec {
        target,
        database,
        confirm,
    };
    let id = backups.swap(&caller, spec).await?;
    job::wait(session, console, id).await?;
    Ok(())
}

/// The same for the way back, to the database that was kept last.
pub(super) async fn back(session: &Session<'_>, console: &Console, target: &str) -> Result<(), Failure> {
    let caller = session.caller(console);
    let backups = console.engine.backup();
    let list = backups.spares(&caller, target).await?;
    let kept = list.databases.iter().find(|spare| spare.origin == Origin::Kept);
    if let Some(kept) = kept {
        ask(
            session,
            &backups.preview_swap(&caller, target, &kept.database).await?,
        )?;
    }
    // Without one, the refusal says so.
    let meant = kept.map(|kept| kept.database.as_str());
    let id = backups.swap_back(&caller, target, meant).await?;
    job::wait(session, console, id).await?;
    Ok(())
}

fn ask(session: &Session<'_>, preview: &SwapPreview) -> Result<(), Failure> {
    if !session.out.is_json() {
        tell(&before(preview));
    }
    if let Some(fault) = preview.refusals.first() {
        return Err(fault.clone().into());
    }
    confirm::ask(
        session,
        &format!("Put {} in the place of {}?", preview.coming, preview.live),
    )
}

fn before(preview: &SwapPreview) -> String {
    let mut text = format!(
        "{} becomes {}; what is {} now is kept as {}.",
        preview.coming, preview.live, preview.live, preview.kept_as
    );
    for line in preview.carried.iter().chain(&preview.warnings) {
        text.push_str(&format!("\n{line}"));
    }
    if preview.sessions.is_empty() {
        text.push_str("\nNobody's session is in the way.");
    } else {
        let head = [
            "pid",
            "database",
            "user",
            "application",
            "client",
            "since",
            "at work",
        ];
        let rows: Vec<Vec<String>> = preview.sessions.iter().map(session_row).collect();
        text.push_str("\nThese sessions are ended:\n");
        text.push_str(&table::lay_out(&head, &["pid"], &rows));
    }
    if preview.more_sessions > 0 {
        text.push_str(&format!("\nand {} more", preview.more_sessions));
    }
    text
}

fn session_row(session: &SessionInTheWay) -> Vec<String> {
    vec![
        session.pid.to_string(),
        session.database.clone(),
        session
            .user
            .clone()
            .or_else(|| session.kind.clone())
            .unwrap_or_default(),
        session.application.clone(),
        session.client.clone().unwrap_or_else(|| "socket".to_owned()),
        session
            .since
            .map(|since| format::ago(since, Utc::now()))
            .unwrap_or_default(),
        match (session.statement_ms, session.transaction_ms) {
            (Some(ms), _) => format!("a statement for {}", format::duration(ms)),
            (None, Some(ms)) => format!("a transaction for {}", format::duration(ms)),
            (None, None) => "idle".to_owned(),
        },
    ]
}

fn words(list: &SpareList) -> String {
    let mut text = match list.databases.as_slice() {
        [] => format!("No database lies beside {}.", list.live),
        databases => {
            let head = ["database", "what", "since", "size", "backup"];
            table::lay_out(&head, &["size"], &databases.iter().map(row).collect::<Vec<_>>())
        }
    };
    for spare in &list.databases {
        if let Some(why) = &spare.unusable {
            text.push_str(&format!("\nnote on {}: {why}", spare.database));
        }
    }
    if let Some(fault) = &list.unknown {
        text.push_str(&format!(
            "\n\nwarning: whether they are still there is not known: {}",
            fault.message
        ));
    }
    text
}

fn row(spare: &SpareDatabase) -> Vec<String> {
    vec![
        spare.database.clone(),
        match spare.origin {
            Origin::Restored => "restored",
            Origin::Kept => "was live",
        }
        .to_owned(),
        format::absolute(spare.since),
        spare.bytes.map(format::bytes).unwrap_or_default(),
        spare.backup.map(|id| id.to_string()).unwrap_or_default(),
    ]
}
