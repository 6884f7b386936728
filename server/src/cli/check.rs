//! `pgsteward config check`: are the settings right, does everything answer, and what needs attention? Settings and
//! answers make the exit code; what needs attention is told, as on the overview.

use std::time::Duration;

use contract::{
    Fault,
    finding::Finding,
    target::{TargetState, TargetView},
};
use serde::Serialize;

use super::{Session, failure::Failure};
use crate::console::Console;

/// Longer than a connection may take to be refused.
const PATIENCE: Duration = Duration::from_secs(15);

/// The allowed folder. No managed database can be called so.
const IMPORTS: &str = "import folder";

/// What stands before a managed database's name for a replica of it, which no managed database's own name has.
const REPLICA: &str = "replica of ";

/// What one part of the configuration leads to.
#[derive(Serialize)]
struct Part {
    name: String,
    address: String,
    ok: bool,
    version: Option<String>,
    fault: Option<Fault>,
    /// What needs attention in a managed database, as its overview tells it.
    findings: Vec<Finding>,
}

pub(super) async fn run(session: &Session<'_>) -> Result<(), Failure> {
    let console = Console::open(session.settings, false).await?;
    let checked = parts(session, &console).await;
    console.close().await;
    let parts = checked?;
    session
        .out
        .show(&parts, || parts.iter().map(line).collect::<Vec<_>>().join("\n"));
    let failed: Vec<&str> = parts
        .iter()
        .filter(|part| !part.ok)
        .map(|part| part.name.as_str())
        .collect();
    if failed.contains(&IMPORTS) {
        return Err(Failure::with_hint(
            "the folder for imports cannot be read",
            "set PGSTEWARD_IMPORT_DIR to a folder that the console's user can read, or leave it out",
        ));
    }
    if !failed.is_empty() && failed.iter().all(|name| name.starts_with(REPLICA)) {
        return Err(Failure::with_hint(
            "a replica cannot be asked",
            "correct DATABASE_REPLICA_URLS or replica_urls, or start the standby",
        ));
    }
    match failed.len() {
        0 => Ok(()),
        1 => Err(Failure::with_hint(
            "a managed database cannot be reached",
            "correct its URL, or start its server",
        )),
        several => Err(Failure::with_hint(
            format!("{several} managed databases cannot be reached"),
            "correct their URLs, or start their servers",
        )),
    }
}

async fn parts(session: &Session<'_>, console: &Console) -> Result<Vec<Part>, Failure> {
    console.engine.ready().await?;
    let store = Part {
        name: "store".into(),
        address: store_address(session),
        ok: true,
        version: None,
        fault: None,
        findings: Vec::new(),
    };
    let mut parts = vec![store];
    let caller = session.caller(console);
    for target in console.engine.targets().list(&caller).await? {
        parts.push(part(looked_at(session, console, &target.name).await?));
        for replica in console.engine.targets().replicas(&caller, &target.name).await? {
            parts.push(Part {
                name: format!("{REPLICA}{}", target.name),
                address: replica.address,
                ok: replica.fault.is_none(),
                version: None,
                fault: replica.fault,
                findings: Vec::new(),
            });
        }
    }
    if let Some(folder) = &session.settings.import_dir {
        let fault = console.engine.import().check_folder(&caller).await.err();
        parts.push(Part {
            name: IMPORTS.into(),
            address: folder.display().to_string(),
            ok: fault.is_none(),
            version: None,
            fault: fault.map(|error| error.fault()),
            findings: Vec::new(),
        });
    }
    Ok(parts)
}

fn store_address(session: &Session<'_>) -> String {
    match &session.settings.store {
        Some(store) => format!("{}:{}", store.options.get_host(), store.options.get_port()),
        None => "embedded".to_owned(),
    }
}

/// The target's state once it is known: the console looks at each one in the background.
async fn looked_at(session: &Session<'_>, console: &Console, name: &str) -> Result<TargetView, Failure> {
    let caller = session.caller(console);
    let begun = tokio::time::Instant::now();
    loop {
        let view = console.engine.targets().view(&caller, name).await?;
        let unknown = matches!(&view.state, TargetState::Down { fault, .. } if fault.message.contains("has not been asked"));
        if !unknown || begun.elapsed() > PATIENCE {
            return Ok(view);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn part(target: TargetView) -> Part {
    let (version, fault) = match target.state {
        TargetState::Up(server) => (Some(server.version), None),
        TargetState::Down { fault, .. } => (None, Some(fault)),
    };
    Part {
        name: target.name,
        address: target.address,
        ok: fault.is_none(),
        version,
        fault,
        findings: target.findings,
    }
}

fn line(part: &Part) -> String {
    let Part { name, address, .. } = part;
    let mut text = match &part.fault {
        None => match &part.version {
            Some(version) => format!("ok     {name} ({address}): PostgreSQL {version}"),
            None => format!("ok     {name} ({address})"),
        },
        Some(fault) => match &fault.hint {
            Some(hint) => format!("fault  {name} ({address}): {}\n       {hint}", fault.message),
            None => format!("fault  {name} ({address}): {}", fault.message),
        },
    };
    // That it is down has been said, and of a replica it is said in its own line.
    for finding in part
        .findings
        .iter()
        .filter(|finding| !["target.down", "target.replica"].contains(&finding.key.as_str()))
    {
        let evidence = finding.evidence.as_deref().unwrap_or_default();
        text.push_str(&format!(
            "\n       {}: {} {evidence}",
            finding.level.name(),
            finding.words
        ));
        text.truncate(text.trim_end().len());
        text.push_str(&format!("\n         {}", finding.remedy));
    }
    text
}
