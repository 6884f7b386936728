//! Which of the files that were chosen is what.

use contract::{
    Code, Fault, format,
    import::{NewUpload, UploadKind, UploadView},
};

use super::send::{Handle, Picked};

/// How the name of a rollback journal ends.
const JOURNAL: &str = "-journal";

/// The database and its `-wal`.
pub type Handles = [Option<Handle>; 2];

/// Tells the database from its `-wal`, which alone may be added to one that is chosen already.
pub fn sort(
    files: Vec<Picked>,
    known: Option<&NewUpload>,
    limit: i64,
) -> Result<(NewUpload, Handles), Fault> {
    let refuse = |message: &str, hint: &str| Err(Fault::new(Code::Invalid, message).hint(hint));
    no_journal(&files)?;
    let (mut wals, mut databases): (Vec<Picked>, Vec<Picked>) =
        files.into_iter().partition(|file| file.name.ends_with("-wal"));
    // The shared memory beside a WAL holds no rows; it is often chosen along with the others.
    databases.retain(|file| !file.name.ends_with("-shm") && !file.name.ends_with(JOURNAL));
    if databases.len() > 1 || wals.len() > 1 {
        return refuse(
            "These are several databases.",
            "Choose one SQLite file, and the file of the same name that ends in -wal if there is one.",
        );
    }
    let (database, wal) = (databases.pop(), wals.pop());
    let (name, bytes, modified_ms) = match (&database, known) {
        (Some(file), _) => (file.name.clone(), file.bytes, file.modified_ms),
        (None, Some(known)) => (known.name.clone(), known.bytes, known.modified_ms),
        (None, None) => {
            return refuse(
                "This is a write-ahead log without its database.",
                "Choose the database itself too: the file of the same name without -wal.",
            );
        }
    };
    if let Some(wal) = &wal
        && wal.name != format!("{name}-wal")
    {
        return refuse(
            "This -wal belongs to another database.",
            "It must be called as the database, with -wal at the end.",
        );
    }
    // A database that is chosen anew comes without the former one's log.
    let kept = known.filter(|_| database.is_none());
    let (wal_bytes, wal_modified_ms) = match (&wal, kept) {
        (Some(wal), _) => (Some(wal.bytes), wal.modified_ms),
        (None, Some(kept)) => (kept.wal_bytes, kept.wal_modified_ms),
        (None, None) => (None, None),
    };
    let wal_bytes = wal_bytes.filter(|bytes| *bytes > 0);
    if bytes == 0 {
        return refuse("The file is empty.", "Choose a SQLite database.");
    }
    if bytes + wal_bytes.unwrap_or(0) > limit {
        return Err(Fault::new(
            Code::Invalid,
            format!(
                "The file is larger than the {} that may be uploaded.",
                format::bytes(limit)
            ),
        )
        .hint("Copy it to the machine of the console, and import it there: pgsteward import sqlite FILE."));
    }
    let new = NewUpload {
        kind: UploadKind::Database,
        name,
        bytes,
        wal_bytes,
        modified_ms,
        wal_modified_ms: wal_bytes.and(wal_modified_ms),
    };
    Ok((
        new,
        [database.map(|file| file.handle), wal.map(|file| file.handle)],
    ))
}

/// The one archive that was chosen.
pub fn archive(files: Vec<Picked>, limit: i64) -> Result<(NewUpload, Handles), Fault> {
    let refuse = |message: String, hint: &str| Err(Fault::new(Code::Invalid, message).hint(hint));
    let mut files = files.into_iter();
    let (Some(file), None) = (files.next(), files.next()) else {
        return refuse(
            "These are several files.".to_owned(),
            "Choose one archive. Of a folder that pg_dump --format=directory made, one tar: tar -cf NAME.tar -C FOLDER .",
        );
    };
    if file.bytes == 0 {
        return refuse("The file is empty.".to_owned(), "Choose an archive of pg_dump.");
    }
    if file.bytes > limit {
        return refuse(
            format!(
                "The file is larger than the {} that may be uploaded.",
                format::bytes(limit)
            ),
            "Copy it to the machine of the console, and add it there: pgsteward backup add FILE.",
        );
    }
    let new = NewUpload {
        kind: UploadKind::Archive,
        name: file.name.clone(),
        bytes: file.bytes,
        wal_bytes: None,
        modified_ms: file.modified_ms,
        wal_modified_ms: None,
    };
    Ok((new, [Some(file).map(|file| file.handle), None]))
}

/// The files of an upload that was begun before, if these are they. One that was written to since is another file: half
/// of each would be no database.
pub fn same_files(view: &UploadView, files: Vec<Picked>) -> Result<Handles, Fault> {
    no_journal(&files)?;
    let mut handles = Handles::default();
    let wal = format!("{}-wal", view.name);
    for file in files {
        let (at, bytes, modified_ms) = if file.name == view.name {
            (0, Some(view.bytes), view.modified_ms)
        } else if file.name == wal {
            (1, view.wal.map(|(bytes, _)| bytes), view.wal_modified_ms)
        } else {
            continue;
        };
        if bytes != Some(file.bytes) {
            continue;
        }
        // An older console did not keep the time.
        if modified_ms.is_some() && file.modified_ms.is_some() && modified_ms != file.modified_ms {
            return Err(Fault::new(
                Code::Invalid,
                format!("{} was written to since this upload was begun.", file.name),
            )
            .hint(
                "Parts of two versions would be no database. Stop the program that uses the file, remove the upload, and begin anew.",
            ));
        }
        handles[at] = Some(file).map(|file| file.handle);
    }
    let database_due = view.received < view.bytes && handles[0].is_none();
    let wal_due = view.wal.is_some_and(|(bytes, received)| received < bytes) && handles[1].is_none();
    if !database_due && !wal_due {
        return Ok(handles);
    }
    let wal = match view.wal {
        Some((bytes, _)) => format!(", and its -wal of {} bytes", format::exact(bytes)),
        None => String::new(),
    };
    Err(Fault::new(
        Code::Invalid,
        "These are not the files of this upload, or they have changed.",
    )
    .hint(format!(
        "Choose {} of {} bytes{wal}; or remove the upload and begin anew.",
        view.name,
        format::exact(view.bytes)
    )))
}

/// Refuses the journal of a change that did not end: a database without it may be half changed, and an upload takes none.
fn no_journal(files: &[Picked]) -> Result<(), Fault> {
    let journal = files
        .iter()
        .find(|file| file.name.ends_with(JOURNAL) && file.bytes > 0);
    match journal {
        None => Ok(()),
        Some(journal) => Err(Fault::new(
            Code::Invalid,
            format!(
                "{} says that a program was stopped in the middle of a change to the database.",
                journal.name
            ),
        )
        .hint(
            "Start that program, stop it cleanly, and choose the database alone. Or copy all the files to the console's machine, into its folder for imports or for pgsteward import sqlite FILE, which read the journal.",
        )),
    }
}

#[cfg(all(test, not(feature = "hydrate")))]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn file(name: &str, bytes: i64) -> Picked {
        Picked {
            name: name.into(),
            bytes,
            modified_ms: Some(7),
            handle: (),
        }
    }

    fn view(received: i64, wal: Option<(i64, i64)>) -> UploadView {
        UploadView {
            kind: UploadKind::Database,
            id: uuid::Uuid::from_u128(1),
            name: "a.db".into(),
            bytes: 10,
            received,
            wal,
            modified_ms: Some(7),
            wal_modified_ms: wal.map(|_| 7),
            created_by: "me".into(),
            created_at: contract::Instant::default(),
            received_at: contract::Instant::default(),
        }
    }

    #[test]
    fn the_log_is_told_from_the_database_by_its_name() {
        let (new, handles) = sort(
            vec![file("a.db-wal", 5), file("a.db", 10), file("a.db-shm", 1)],
            None,
            100,
        )
        .unwrap();
        assert_eq!(
            (new.name.as_str(), new.bytes, new.wal_bytes),
            ("a.db", 10, Some(5))
        );
        assert_eq!(handles, [Some(()), Some(())]);
        let (alone, _) = sort(vec![file("a.db", 10)], None, 100).unwrap();
        let (added, handles) = sort(vec![file("a.db-wal", 5)], Some(&alone), 100).unwrap();
        assert_eq!(added.wal_bytes, Some(5));
        assert_eq!(handles, [None, Some(())]);
        let (other, _) = sort(vec![file("b.db", 3)], Some(&added), 100).unwrap();
        assert_eq!(
            other.wal_bytes, None,
            "the former log belongs to the former database"
        );
    }

    #[test]
    fn what_is_no_single_database_is_refused_with_a_way_on() {
        for files in [
            vec![file("a.db", 1), file("b.db", 1)],
            vec![file("a.db-wal", 1)],
            vec![file("a.db", 1), file("b.db-wal", 1)],
            vec![file("a.db", 0)],
            vec![file("a.db", 90), file("a.db-wal", 20)],
            vec![file("a.db", 1), file("a.db-journal", 1)],
        ] {
            let fault = sort(files, None, 100).err().unwrap();
            assert!(fault.hint.is_some(), "{}", fault.message);
        }
    }

    #[test]
    fn only_the_same_files_go_on_with_an_upload() {
        assert_eq!(
            same_files(&view(4, None), vec![file("a.db", 10)]).unwrap(),
            [Some(()), None]
        );
        assert!(same_files(&view(4, None), vec![file("a.db", 11)]).is_err());
        assert!(same_files(&view(4, Some((5, 0))), vec![file("a.db", 10)]).is_err());
        assert_eq!(
            same_files(&view(10, Some((5, 0))), vec![file("a.db-wal", 5)]).unwrap(),
            [None, Some(())],
            "what is whole need not be chosen again"
        );
    }

    #[test]
    fn a_file_that_was_written_to_since_is_another_one_whatever_its_size() {
        let later = |name: &str, bytes| Picked {
            modified_ms: Some(8),
            ..file(name, bytes)
        };
        let begun = view(4, Some((5, 0)));
        for files in [
            vec![later("a.db", 10), file("a.db-wal", 5)],
            vec![file("a.db", 10), later("a.db-wal", 5)],
        ] {
            let fault = same_files(&begun, files).err().unwrap();
            assert!(
                fault.message.contains("was written to since"),
                "{}",
                fault.message
            );
        }
        let old = UploadView {
            modified_ms: None,
            ..view(4, None)
        };
        assert!(same_files(&old, vec![later("a.db", 10)]).is_ok());
    }

    #[test]
    fn a_journal_is_refused_unless_nothing_is_in_it() {
        let fault = sort(vec![file("a.db-journal", 9), file("a.db", 10)], None, 100);
        let fault = fault.err().unwrap();
        assert!(
            fault.message.starts_with("a.db-journal says"),
            "{}",
            fault.message
        );
        assert!(same_files(&view(4, None), vec![file("a.db", 10), file("a.db-journal", 9)]).is_err());
        let (new, _) = sort(vec![file("a.db-journal", 0), file("a.db", 10)], None, 100).unwrap();
        assert_eq!((new.name.as_str(), new.modified_ms), ("a.db", Some(7)));
    }
}
