//! Stored backups as a table.

use contract::{
    backup::{BackupList, BackupView, Proof},
    format,
    session::Permission,
};

use super::acts::Acts;
use crate::{
    address::{job_link, segment},
    jobs::Work,
    prelude::*,
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

/// The card's head, and one backup a row, newest first. A row stays the same one when others come and go.
#[component]
pub fn Rows(
    /// The backups.
    list: Signal<BackupList>,
    /// The managed database.
    target: Memo<String>,
    /// What the page and its job tell each other.
    work: Work,
    /// Called when a backup was deleted.
    changed: Callback<()>,
) -> impl IntoView {
    let rows =
        Callback::new(move |()| list.with_untracked(|list| list.backups.iter().map(csv_row).collect()));
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
                            <span class="sr-only">"Actions"</span>
                        </th>
                    </tr>
                </thead>
                <tbody>
                    // Identifiers of two databases never meet: a page that changes its database makes its rows anew.
                    <For each=move || list.get().backups key=|backup| backup.id let:first>
                        {
                            let id = first.id;
                            let backup = Memo::new(move |_| {
                                list.with(|list| list.backups.iter().find(|backup| backup.id == id).cloned()).unwrap_or_else(|| first.clone())
                            });
                            view! { <Row backup list target work changed /> }
                        }
                    </For>
                </tbody>
            </table>
        </div>
    }
}

#[component]
fn Row(
    backup: Memo<BackupView>,
    list: Signal<BackupList>,
    target: Memo<String>,
    work: Work,
    changed: Callback<()>,
) -> impl IntoView {
    // What never changes of a backup.
    let BackupView {
        taken_at,
        bytes,
        rows,
        tables,
        created_by,
        ..
    } = backup.get_untracked();
    let damage = Memo::new(move |_| backup.with(|backup| backup.damage.clone()));
    let proof = Memo::new(move |_| backup.with(|backup| backup.proof));
    let proven_ms = Memo::new(move |_| {
        backup.with(|backup| backup.proven_ms.filter(|_| backup.proof >= Proof::Restored))
    });
    let concern = Memo::new(move |_| backup.with(|backup| backup.concern.clone()));
    let proven_at = Signal::derive(move || backup.with(|backup| backup.proven_at));
    let foreign = Memo::new(move |_| {
        backup.with(|backup| {
            let words = backup.foreign.as_ref().filter(|_| backup.damage.is_none())?;
            Some(format!(
                "{words} It can be verified, and then taken over: pgsteward backup adopt {}",
                backup.id
            ))
        })
    });
    let origin = backup.get_untracked().origin();
    let uploaded = origin.is_some();
    view! {
        <tr>
            <td class="wrap">
                <span class="strong">
                    <Ago at=taken_at />
                </span>
                {move || backup.with(|backup| backup.marks.clone()).pinned.then(|| view! { " " <Badge tone=Tone::Info text="Pinned" /> })}
                {move || backup.with(|backup| backup.marks.label.clone()).map(|label| view! { <div>{label}</div> })}
                {move || backup.with(|backup| backup.marks.note.clone()).map(|note| view! { <div class="muted small whitespace-pre-line">{note}</div> })}
                {origin.map(|words| view! { <div class="small">{words}</div> })}
                {move || damage.get().map(|damage| view! { <div class="bad-text small">{damage}</div> })}
                {move || concern.get().map(|words| view! { <div class="small">{words}</div> })}
                {move || foreign.get().map(|words| view! { <div class="muted small">{words}</div> })}
                {backup
                    .get_untracked()
                    .notes
                    .into_iter()
                    .map(|note| view! { <div class="muted small">{note}</div> })
                    .collect_view()}
                <Facts backup=backup.get_untracked() />
            </td>
            <td>
                {move || {
                    view! {
                        <ProofBadge
                            proof=proof.get()
                            damaged=damage.with(Option::is_some)
                            foreign=foreign.with(Option::is_some)
                            uploaded
                        />
                    }
                }}
                <div class="muted small hide-s">
                    <Ago at=proven_at />
                    {move || proven_ms.get().map(|ms| view! { ", in " <Duration ms /> })}
                </div>
            </td>
            <td class="num">
                <Bytes value=bytes />
            </td>
            <td class="num hide-s">
                <Count value=rows />
                <div class="muted small">{format!("{} tables", format::exact(tables))}</div>
            </td>
            <td class="hide-s">{created_by}</td>
            <td class="acts">
                <Acts backup list target work changed />
            </td>
        </tr>
    }
}

/// How well a backup is proven.
#[component]
pub(super) fn ProofBadge(proof: Proof, damaged: bool, foreign: bool, uploaded: bool) -> impl IntoView {
    let (tone, text, meaning) = match (damaged, foreign, proof) {
        (false, false, _) if uploaded => (
            Tone::Info,
            "Uploaded from elsewhere",
            "pg_restore read it to its end; it counts as no backup of this database",
        ),
        (true, ..) => (
            Tone::Bad,
            "Damaged",
            "the last verification found it damaged: it is no backup any more",
        ),
        (false, true, _) => (
            Tone::Warn,
            "Another console's",
            "this console cannot vouch for its manifest",
        ),
        (false, false, Proof::Hash) => (
            Tone::Warn,
            Proof::Hash.label(),
            "the stored bytes are those that were written; nobody read them as an archive",
        ),
        (false, false, Proof::ReadBack) => (
            Tone::Ok,
            Proof::ReadBack.label(),
            "pg_restore read the stored archive to its end",
        ),
        (false, false, Proof::Restored) => (
            Tone::Ok,
            Proof::Restored.label(),
            "it was restored into a throw-away server; its rows were not compared",
        ),
        (false, false, Proof::Equal) => (
            Tone::Ok,
            Proof::Equal.label(),
            "what was restored is equal to the snapshot: every row, and every object with its owner and grants",
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
pub(super) fn Facts(backup: BackupView) -> impl IntoView {
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
                                    "Job and log"
                                </a>
                            </dd>
                        }
                    })}
            </dl>
        </details>
    }
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
