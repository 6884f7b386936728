//! Pins, labels and notes: kept in a sealed file beside the backup, so that they outlive the store, and go with it.

use super::{
    Backups,
    folder::{self, Folder},
    gone,
    manifest::{ARCHIVE, FORMAT, MARKS, MarksFile, MarksKind, unsealed},
    reconcile::{self, blocking},
    seal::Seals,
    shelf::Shelf,
    store,
    stored::Stored,
};
use crate::{Caller, Error, Result, audit};
use contract::{
    audit::Severity,
    retention::{Mark, MarkBackup, Marks},
    session::Permission,
};

/// The longest label and the longest note, in characters.
const LABEL: usize = 80;
const NOTE: usize = 2000;

impl Backups<'_> {
    /// Pins a backup or lets it go, gives it a label or a note.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for a text that is too long; `Conflict` while it is being deleted; `Io`; the store's failures.
    #[crate::boxed]
    pub async fn mark(&self, caller: &Caller, request: MarkBackup) -> Result<Marks> {
        caller.permit(Permission::BackUp)?;
        let mark = checked(request.mark)?;
        let target = self.0.target(&request.target)?;
        let folder = Folder::new(&self.0.config().backup_dir);
        let shelf = Shelf::of(self.0, &target).await?;
        let mut transaction = self.0.store().begin().await?;
        // Two that mark one backup at once: the second sees what the first wrote.
        store::lock(&mut transaction, request.id).await?;
        let (place, stored) = reconcile::refresh(self.0, &folder, &shelf, request.id).await?;
        let Stored::Known { view, .. } = stored else {
            return Err(gone());
        };
        let path = folder.stored(&place, request.id);
        let holding = path.join(ARCHIVE);
        // Nobody deletes it while this is open.
        let held = blocking(move || Ok(folder::open_shared(&holding).ok())).await?;
        if held.is_none() && view.damage.is_none() {
            return Err(gone());
        }
        let (marks, event_type, detail) = changed(view.marks.clone(), mark);
        let seals = Seals::load(self.0).await?;
        let file = MarksFile {
            kind: MarksKind::Marks,
            format: FORMAT,
            id: request.id,
            marks: marks.clone(),
            at: chrono::Utc::now(),
            by: caller.name().to_owned(),
            key: seals.key(),
            mac: unsealed(),
        };
        let sealed = seals.set(&file)?;
        audit::record(
            &mut transaction,
            audit::Entry {
                severity: Severity::Info,
                target: Some(target.name()),
                object: Some(&view.file),
                detail: detail.as_deref(),
                ..audit::Entry::by(caller, event_type)
            },
        )
        .await?;
        blocking(move || folder::write_whole(&path, MARKS, &sealed)).await?;
        transaction.commit().await?;
        drop(held);
        reconcile::refresh(self.0, &folder, &shelf, request.id).await?;
        self.0.outdate(Some(target.name()));
        Ok(marks)
    }
}

/// A mark whose texts can be kept: trimmed, in one line where it is a label, and not too long.
fn checked(mark: Mark) -> Result<Mark> {
    let label = |words: String| text("label", &words, LABEL);
    let note = |words: String| text("note", &words, NOTE);
    Ok(match mark {
        Mark::Pin | Mark::Unpin => mark,
        Mark::Label(text) => Mark::Label(label(text)?),
        Mark::Note(text) => Mark::Note(note(text)?),
        Mark::Words {
            label: words,
            note: more,
        } => Mark::Words {
            label: label(words)?,
            note: note(more)?,
        },
    })
}

fn text(field: &'static str, text: &str, most: usize) -> Result<String> {
    // A browser's text field ends its lines as mail does.
    let text = text.trim().replace("\r\n", "\n");
    let one_line = field == "note" || !text.contains(char::is_control);
    if text.chars().count() > most || text.contains('\0') || !one_line {
        return Err(Error::invalid(
            field,
            format!("A {field} has at most {most} characters, and a label is one line."),
            "Write less.",
        ));
    }
    Ok(text)
}

/// The marks after a change, what the audit log calls it, and its words there.
fn changed(marks: Marks, mark: Mark) -> (Marks, &'static str, Option<String>) {
    let kept = |text: String| Some(text).filter(|text| !text.is_empty());
    match mark {
        Mark::Pin => (
            Marks {
                pinned: true,
                ..marks
            },
            "backup.pin",
            None,
        ),
        Mark::Unpin => (
            Marks {
                pinned: false,
                ..marks
            },
            "backup.unpin",
            None,
        ),
        Mark::Label(text) => {
            let label = kept(text);
            (
                Marks {
                    label: label.clone(),
                    ..marks
                },
                "backup.label",
                label,
            )
        }
        Mark::Note(text) => {
            let note = kept(text);
            (
                Marks {
                    note: note.clone(),
                    ..marks
                },
                "backup.note",
                note,
            )
        }
        Mark::Words { label, note } => {
            let (label, note) = (kept(label), kept(note));
            let words: Vec<String> = label.iter().chain(&note).cloned().collect();
            (
                Marks { label, note, ..marks },
                "backup.label",
                Some(words.join(": ")).filter(|words| !words.is_empty()),
            )
        }
    }
}
