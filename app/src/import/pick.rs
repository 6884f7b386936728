//! Which of the files that were chosen is what.

use contract::{
    Code, Fault, format,
    import::{NewUpload, UploadView},
};

use super::send::{Handle, Picked};

/// The database and its `-wal`.
pub type Handles = [Option<Handle>; 2];

/// Tells the database from its `-wal`, which alone may be added to one that is chosen already.
pub fn sort(
    files: Vec<Picked>,
    known: Option<&NewUpload>,
    limit: i64,
) -> Result<(NewUpload, Handles), Fault> {
    let refuse = |message: &str, hint: &str| Err(Fault::new(Code::Invalid, message).hint(hint));
    let (mut wals, mut databases): (Vec<Picked>, Vec<Picked>) =
        files.into_iter().partition(|file| file.name.ends_with("-wal"));
    // The shared memory beside a WAL holds no rows; it is often chosen along with the others.
    databases.retain(|file| !file.name.ends_with("-shm"));
    if databases.len() > 1 || wals.len() > 1 {
        return refuse(
            "These are several databases.",
            "Choose one SQLite file, and the file of the same name that ends in -wal if there is one.",
        );
    }
    let (database, wal) = (databases.pop(), wals.pop());
    let (name, bytes) = match (&database, known) {
        (Some(file), _) => (file.name.clone(), file.bytes),
        (None, Some(known)) => (known.name.clone(), known.bytes),
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
    let kept = known
        .filter(|_| database.is_none())
        .and_then(|known| known.wal_bytes);
    let wal_bytes = wal
        .as_ref()
        .map(|wal| wal.bytes)
        .or(kept)
        .filter(|bytes| *bytes > 0);
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
        name,
        bytes,
        wal_bytes,
    };
    Ok((
        new,
        [database.map(|file| file.handle), wal.map(|file| file.handle)],
    ))
}

/// The files of an upload that was begun before, if these are they.
pub fn same_files(view: &UploadView, files: Vec<Picked>) -> Result<Handles, Fault> {
    let mut handles = Handles::default();
    for file in files {
        if file.name == view.name && file.bytes == view.bytes {
            handles[0] = Some(file).map(|file| file.handle);
        } else if file.name == format!("{}-wal", view.name)
            && view.wal.is_some_and(|(bytes, _)| bytes == file.bytes)
        {
            handles[1] = Some(file).map(|file| file.handle);
        }
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

#[cfg(all(test, not(feature = "hydrate")))]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn file(name: &str, bytes: i64) -> Picked {
        Picked {
            name: name.into(),
            bytes,
            handle: (),
        }
    }

    fn view(received: i64, wal: Option<(i64, i64)>) -> UploadView {
        UploadView {
            id: uuid::Uuid::from_u128(1),
            name: "a.db".into(),
            bytes: 10,
            received,
            wal,
            created_at: contract::Instant::default(),
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
}
