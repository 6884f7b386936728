//! `pgsteward backup …`: taking, checking and keeping backups.

use contract::{
    backup::{BackupList, BackupSpec, BackupView, DeleteBackup, Part},
    format,
    swap::DropSpec,
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    Session,
    arguments::{Backup, Which},
    failure::Failure,
    job, restore, swap, table,
};
use crate::console::Console;

/// A file that was written.
#[derive(Serialize)]
struct Written {
    id: Uuid,
    bytes: i64,
    sha256: String,
}

pub(super) async fn run(
    session: &Session<'_>,
    console: &Console,
    what: Backup,
    file: Option<std::fs::File>,
) -> Result<(), Failure> {
    let target = session.target(console).await?;
    let caller = session.caller(console);
    let backups = console.engine.backup();
    match what {
        Backup::Create {
            schema,
            table,
            compression,
        } => {
            let schemas = schema.into_iter().map(|schema| Part { schema, table: None });
            let spec = BackupSpec {
                target,
                only: schemas.chain(table).collect(),
                compression,
            };
            let id = backups.start(&caller, spec).await?;
            job::wait(session, console, id).await?;
        }
        Backup::List => {
            let list = backups.list(&caller, &target).await?;
            session.out.show(&list, || words(&list));
        }
        Backup::Verify(which) => {
            let id = chosen(&which, &backups.list(&caller, &target).await?)?;
            let job = backups.verify(&caller, &target, id).await?;
            job::wait(session, console, job).await?;
        }
        Backup::Restore(restore) => {
            let id = chosen(&restore.which, &backups.list(&caller, &target).await?)?;
            restore::run(session, console, target, id, restore).await?;
        }
        Backup::Restored => {
            let restored = backups.restored(&caller, &target).await?;
            session.out.show(&restored, || restore::list(&restored));
        }
        Backup::Delete { id, confirm } => {
            backups
                .delete(&caller, DeleteBackup { target, id, confirm })
                .await?;
            session.out.show(&id, || format!("Deleted {id}."));
        }
        Backup::Databases => swap::list(session, console, &target).await?,
        Backup::Swap { database, confirm } => {
            swap::swap(session, console, target, database, confirm).await?;
        }
        Backup::SwapBack => swap::back(session, console, &target).await?,
        Backup::Drop { database, confirm } => {
            let spec = DropSpec {
                target,
                database,
                confirm,
            };
            let id = backups.drop_spare(&caller, spec).await?;
            job::wait(session, console, id).await?;
        }
        Backup::Adopt { id } => {
            backups.adopt(&caller, &target, id).await?;
            session.out.show(&id, || format!("Took over {id}."));
        }
        Backup::Download { id, output, globals } => {
            let download = match globals {
                true => backups.open_globals(&caller, &target, id).await?,
                false => backups.open(&caller, &target, id).await?,
            };
            let file = file.ok_or_else(|| Failure::message("the file to write was not opened"))?;
            let mut from = download.file;
            let mut to = tokio::fs::File::from_std(file);
            let copied = async {
                let bytes = tokio::io::copy(&mut from, &mut to).await?;
                to.sync_all().await.map(|()| bytes)
            };
            match copied.await {
                Ok(bytes) if i64::try_from(bytes) == Ok(download.bytes) => {
                    let written = Written {
                        id,
                        bytes: download.bytes,
                        sha256: download.sha256,
                    };
                    session.out.show(&written, || {
                        format!("Wrote {} ({}).", output.display(), format::bytes(written.bytes))
                    });
                }
                Ok(bytes) => {
                    return Err(Failure::message(format!(
                        "only {bytes} of {} bytes were read",
                        download.bytes
                    )));
                }
                Err(error) => {
                    return Err(Failure::with_hint(
                        format!("{} cannot be written: {error}", output.display()),
                        "free some room, remove the unfinished file, and try again",
                    ));
                }
            }
        }
    }
    Ok(())
}

fn chosen(which: &Which, list: &BackupList) -> Result<Uuid, Failure> {
    match (which.id, list.backups.first()) {
        (Some(id), _) => Ok(id),
        (None, Some(newest)) => Ok(newest.id),
        (None, None) => Err(Failure::with_hint(
            format!("there is no backup of {}", list.target),
            "take one: pgsteward backup create",
        )),
    }
}

fn words(list: &BackupList) -> String {
    let mut text = match list.backups.as_slice() {
        [] => format!(
            "No backup of {} yet. Take one: pgsteward backup create",
            list.target
        ),
        backups => {
            let head = ["id", "taken", "size", "rows", "proof", "migration"];
            table::lay_out(
                &head,
                &["size", "rows", "migration"],
                &backups.iter().map(row).collect::<Vec<_>>(),
            )
        }
    };
    for backup in &list.backups {
        for note in &backup.notes {
            text.push_str(&format!("\nnote on {}: {note}", backup.id));
        }
    }
    if let Some(warning) = &list.warning {
        text.push_str(&format!("\n\nwarning: {warning}"));
    }
    text
}

fn row(backup: &BackupView) -> Vec<String> {
    vec![
        backup.id.to_string(),
        format::absolute(backup.taken_at),
        format::bytes(backup.bytes),
        format::exact(backup.rows),
        match (&backup.damage, &backup.foreign) {
            (Some(damage), _) => format!("damaged: {damage}"),
            (None, Some(foreign)) => format!("foreign: {foreign}"),
            (None, None) if backup.is_whole() => backup.proof.label().to_owned(),
            (None, None) => format!("{} (parts only)", backup.proof.label()),
        },
        backup
            .migration
            .map(|version| version.to_string())
            .unwrap_or_default(),
    ]
}
