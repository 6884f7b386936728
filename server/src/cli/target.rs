//! `pgsteward target …`: which databases the names of managed databases stand for.

use super::{Session, arguments::Target, confirm, failure::Failure};
use crate::console::Console;

pub(super) async fn run(session: &Session<'_>, what: Target) -> Result<(), Failure> {
    let Target::Adopt { name } = what;
    confirm::ask(
        session,
        &format!("Shall \"{name}\" stand for the database that is reached under it now?"),
    )?;
    let console = Console::open_to_adopt(session.settings).await?;
    let adopted = console
        .engine
        .targets()
        .adopt(&session.caller(&console), &name)
        .await;
    console.close().await;
    let adopted = adopted?;
    session.out.show(&adopted, || match &adopted {
        Some(words) => words.clone(),
        None => format!("Nothing to do: \"{name}\" stands for the database that is reached under it."),
    });
    Ok(())
}
