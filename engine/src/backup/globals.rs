//! What belongs to the whole server and not to one database: roles, memberships, tablespaces.

use std::{
    path::Path,
    process::Stdio,
    sync::{Mutex, PoisonError},
};

use super::{
    folder::private_file,
    manifest::{GLOBALS, StoredFile},
    pump::{Flow, pump},
    reach::Reach,
    read_back::Pipe,
    store,
    tool::{self, Tool},
    words::Complaints,
};
use crate::{Error, Result, jobs::JobContext, programs::Programs};

/// What came of it.
pub(super) enum Globals {
    /// They are stored.
    Stored(StoredFile),
    /// They could not be read; the backup of the database is none the worse. Why, in words.
    Refused(String),
}

/// Writes the roles without their passwords into the backup's folder.
///
/// # Errors
/// `Cancelled`; `Io`. A server that does not let the user read its roles is no error.
pub(super) async fn write(
    context: &JobContext,
    programs: &Programs,
    reach: &Reach,
    partial: &Path,
) -> Result<Globals> {
    let path = partial.join(GLOBALS);
    let mut command = tool::command(programs, "pg_dumpall", Some(reach));
    command
        .arg("--globals-only")
        .arg("--no-role-passwords")
        .arg("--no-password")
        .arg(format!("--dbname={}", reach.server()))
        // This name is taken as a connection string when it looks like one, so it is one.
        .arg(format!("--database={}", reach.database()))
        .stdout(Stdio::piped());
    let mut tool = Tool::start(command)?;
    store::tool_started(context.engine.store(), context.id, tool.pid()).await;
    let file = private_file(&path).map_err(Error::io("making the file of the roles"))?;
    let mut file = tokio::fs::File::from_std(file);
    let complaints = Mutex::new(Complaints::of("pg_dumpall"));
    let (stdout, stderr) = (tool.stdout(), tool.stderr());
    let flow = Flow::default();
    let work = async {
        let listen = tool::lines(stderr, |line| {
            complaints
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .line(line);
        });
        Ok(tokio::try_join!(pump(stdout, &mut file, Pipe::none(), &flow), listen)?.0)
    };
    let done = tool.drive(context.token(), work).await;
    store::tool_ended(context.engine.store(), context.id).await;
    let (written, status) = done?;
    let complaints = complaints.into_inner().unwrap_or_else(PoisonError::into_inner);
    if !status.success() || complaints.has_errors() {
        drop(file);
        tokio::fs::remove_file(&path)
            .await
            .map_err(Error::io("removing the unfinished file of the roles"))?;
        let said = complaints.text();
        let first = said.lines().next().unwrap_or("it said nothing").to_owned();
        return Ok(Globals::Refused(format!(
            "Roles and tablespaces are not in this backup; pg_dumpall: {first}"
        )));
    }
    file.sync_all().await.map_err(Error::io("writing the roles"))?;
    Ok(Globals::Stored(StoredFile {
        name: GLOBALS.to_owned(),
        bytes: i64::try_from(written.bytes).unwrap_or(i64::MAX),
        sha256: written.sha256,
    }))
}
