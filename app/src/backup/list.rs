//! Stored backups as a table.

use contract::{
    backup::{BackupView, Proof},
    format,
    session::Permission,
};
use leptos::prelude::*;

use super::acts::Acts;
use crate::{
    address::{job_link, segment},
    jobs::Work,
    session::use_may,
    ui::{Ago, At, Badge, Bytes, CopyButton, Count, CsvButton, Duration, Tone},
};

/// The columns of the file.
const COLUMNS: [&str; 14] = [
    "id",
    "target",
    "file",
    "taken_at",
    "duration_ms",
    "bytes",
    "database_bytes",
    "sha256",
    "proof",
    "proven_at",
    "damage",
    "tables",
    "rows",
    "created_by",
];

/// The card's head, and one backup a row, newest first.
#[component]
pub fn Rows(
    /// The backups.
    backups: Vec<BackupView>,
    /// What the page and its job tell each other.
    work: Work,
    /// Called when a backup was deleted.
    changed: Callback<()>,
) -> impl IntoView {
    let all = StoredValue::new(backups.clone());
    let rows = Callback::new(move |()| all.with_value(|all| all.iter().map(csv_row).collect()));
    let body = backups
        .into_iter()
        .map(|backup| view! { <Row backup all work changed /> });
    view! {
        <div class="ch">
            <h2>"Stored"</h2>
            <span class="sp"></span>
            <CsvButton file="backups.csv" columns=&COLUMNS rows />
        </div>
        <div class="table-wrap" tabindex="0" role="region" aria-label="Stored backups">
            <table class="table fold">
                <thead>
                    <tr>
                        <th scope="col">"Taken"</th>
                        <th scope="col">"Proof"</th>
                        <th scope="col" class="num">
                            "Size"
                        </th>
                        <th scope="col" class="num hide-s">
                            "Rows"
                        </th>
                        <th scope="col" class="hide-s">
                            "By"
                        </th>
                        <th scope="col">
                            <span class="sr-only">"Acts"</span>
                        </th>
                    </tr>
                </thead>
                <tbody>{body.collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

#[component]
fn Row(
    backup: BackupView,
    all: StoredValue<Vec<BackupView>>,
    work: Work,
    changed: Callback<()>,
) -> impl IntoView {
    let damage = backup.damage.clone();
    view! {
        <tr>
            <td class="wrap">
                <span class="strong">
                    <Ago at=backup.taken_at />
                </span>
                {damage.map(|damage| view! { <div class="bad-text small">{damage}</div> })}
                <Facts backup=backup.clone() />
            </td>
            <td>
                <ProofBadge proof=backup.proof damaged=backup.damage.is_some() />
                <div class="muted small hide-s">
                    <Ago at=backup.proven_at />
                </div>
            </td>
            <td class="num">
                <Bytes value=backup.bytes />
            </td>
            <td class="num hide-s">
                <Count value=backup.rows />
                <div class="muted small">{format!("{} tables", format::exact(backup.tables))}</div>
            </td>
            <td class="hide-s">{backup.created_by.clone()}</td>
            <td class="acts">
                <Acts backup all work changed />
            </td>
        </tr>
    }
    .into_any()
}

/// How well a backup is proven.
#[component]
fn ProofBadge(proof: Proof, damaged: bool) -> impl IntoView {
    let (tone, text, meaning) = match (damaged, proof) {
        (true, _) => (
            Tone::Bad,
            "Damaged",
            "the last verification found it damaged: it is no backup any more",
        ),
        (false, Proof::Hash) => (
            Tone::Warn,
            Proof::Hash.label(),
            "the stored bytes are those that were written; nobody read them as an archive",
        ),
        (false, Proof::ReadBack) => (
            Tone::Ok,
            Proof::ReadBack.label(),
            "pg_restore read the stored archive to its end",
        ),
    };
    view! {
        <span title=meaning>
            <Badge tone text />
        </span>
    }
}

/// What else there is to know, folded.
#[component]
fn Facts(backup: BackupView) -> impl IntoView {
    let sha = StoredValue::new(backup.sha256.clone());
    let globals = use_may(Permission::DownloadBackup)
        .then(|| format!("/download/{}/{}/globals", segment(&backup.target), backup.id));
    view! {
        <details class="more small">
            <summary>"Facts"</summary>
            <dl class="kv">
                <dt>"File"</dt>
                <dd class="mono">{backup.file}</dd>
                <dt>"SHA-256"</dt>
                <dd class="mono">{backup.sha256} " " <CopyButton text=sha.get_value() what="the SHA-256" /></dd>
                <dt>"State of"</dt>
                <dd>
                    <At at=backup.taken_at />
                </dd>
                <dt>"Took"</dt>
                <dd>
                    <Duration ms=backup.duration_ms />
                </dd>
                <dt>"Database"</dt>
                <dd>{backup.database} ", " <Bytes value=backup.database_bytes /></dd>
                <dt>"Server"</dt>
                <dd>{format!("PostgreSQL {}, by pg_dump {}", backup.server_version, backup.tool_version)}</dd>
                {backup.migration.map(|version| view! { <dt>"Migration"</dt><dd class="mono">{version}</dd> })}
                {globals
                    .map(|href| {
                        view! {
                            <dt>"Roles"</dt>
                            <dd>
                                <a class="link" href=href rel="external" download>
                                    "Download the roles as SQL"
                                </a>
                            </dd>
                        }
                    })}
                {backup
                    .job
                    .map(|job| {
                        view! {
                            <dt>"Job"</dt>
                            <dd>
                                <a class="link" href=job_link(job)>
                                    "Its job and log"
                                </a>
                            </dd>
                        }
                    })}
            </dl>
        </details>
    }
    .into_any()
}

fn csv_row(backup: &BackupView) -> Vec<String> {
    vec![
        backup.id.to_string(),
        backup.target.clone(),
        backup.file.clone(),
        format::absolute(backup.taken_at),
        backup.duration_ms.to_string(),
        backup.bytes.to_string(),
        backup.database_bytes.to_string(),
        backup.sha256.clone(),
        backup.proof.label().to_owned(),
        format::absolute(backup.proven_at),
        backup.damage.clone().unwrap_or_default(),
        backup.tables.to_string(),
        backup.rows.to_string(),
        backup.created_by.clone(),
    ]
}
