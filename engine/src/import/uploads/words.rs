//! What is wrong with an upload, and the name it is called by.

use contract::{
    Code, Fault, format,
    import::{ImportState, ImportView, UploadKind, UploadPart, UploadView},
};
use uuid::Uuid;

use super::folder::{self, Expected, Folder};
use crate::{Error, Result};

/// The most characters of a name.
const LONGEST: usize = 200;

/// The name without folders before it, and without what could steer a terminal or turn a line around.
pub(super) fn base_name(name: &str) -> Result<String> {
    let base = name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    if base.is_empty() || base == "." || base == ".." {
        return Err(Error::invalid(
            "name",
            "The file has no name.",
            "Choose a file with a name, such as app.db.",
        ));
    }
    let harmless = |c: char| {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns { '\u{fffd}' } else { c }
    };
    Ok(base.chars().take(LONGEST).map(harmless).collect())
}

pub(super) fn turned_off() -> Error {
    Error::conflict(
        "Uploads are turned off.",
        "Set PGSTEWARD_UPLOAD_LIMIT to a size and restart the console. Without it, a SQLite file can be put into the folder of \
         PGSTEWARD_IMPORT_DIR, and an archive be added on the console's machine: pgsteward backup add FILE.",
    )
}

pub(super) fn no_size() -> Error {
    Error::invalid(
        "bytes",
        "No file has less than no bytes.",
        "Choose the file again.",
    )
}

pub(super) fn too_large(expected: &Expected, limit: i64) -> Error {
    Error::invalid(
        "bytes",
        format!(
            "{} has {}; an upload may have {}.",
            expected.name,
            format::bytes(expected.total()),
            format::bytes(limit)
        ),
        match expected.kind {
            UploadKind::Database => {
                "Raise PGSTEWARD_UPLOAD_LIMIT and restart the console, or put the file into the folder of PGSTEWARD_IMPORT_DIR."
            }
            UploadKind::Archive => {
                "Raise PGSTEWARD_UPLOAD_LIMIT and restart the console, or copy the file to the console's machine, and there: pgsteward \
                 backup add FILE."
            }
        },
    )
}

pub(super) fn too_little_room(folder: &Folder, name: &str, size: i64, free: i64, announced: i64) -> Error {
    let others = match announced {
        0 => String::new(),
        bytes => format!(
            ", {} of it for other uploads that are not finished",
            format::bytes(bytes)
        ),
    };
    Error::conflict(
        format!(
            "Not enough room for {name}: it has {}, and {} are free under {}{others}.",
            format::bytes(size),
            format::bytes(free),
            folder.root().display(),
        ),
        "Free some room, delete uploads that are not needed any more, or set PGSTEWARD_DATA_DIR to a larger disk.",
    )
}

/// The disk filled up in the middle.
pub(super) fn disk_full(name: &str, there: i64, bytes: i64) -> Fault {
    Fault::new(
        Code::Conflict,
        format!(
            "The disk is full: {} of {} of {name} are there.",
            format::exact(there),
            bytes_in_full(bytes)
        ),
    )
    .hint("Free some room in the data folder, then go on with the upload; what is there is kept.")
}

pub(super) fn no_upload(id: Uuid) -> Error {
    Error::not_found(
        format!("There is no upload {id}."),
        "It was deleted, or nobody used it for too long. Upload the file again.",
    )
}

/// An import reads it again.
pub(super) fn needed(name: &str, import: &ImportView) -> Error {
    let (how, then) = match import.state {
        ImportState::Done => ("follows it", "run it a last time without following"),
        _ => ("is not done", "finish or discard it"),
    };
    Error::conflict(
        format!(
            "{name} is still needed: the import of {} into {}, begun by {} on {}, {how}.",
            import.file,
            import.target,
            import.created_by,
            format::absolute(import.created_at)
        ),
        format!(
            "Open /db/{}/import/{} and {then} first.",
            import.target, import.id
        ),
    )
}

pub(super) fn no_wal(name: &str) -> Error {
    Error::invalid(
        "part",
        format!("No write-ahead log was announced for {name}."),
        "Begin another upload that names the log's size.",
    )
}

pub(super) fn wrong_offset(name: &str, there: i64, offset: i64) -> Error {
    Error::Refused(
        Fault::new(
            Code::Conflict,
            format!(
                "{} of {name} are there, so it does not go on at byte {}.",
                bytes_in_full(there),
                format::exact(offset)
            ),
        )
        .field("offset")
        .hint(format!("Go on at offset={there}.")),
    )
}

pub(super) fn broken_off(view: &UploadView, part: UploadPart, why: &str) -> Error {
    let (bytes, there) = folder::sizes(view, part);
    Error::Refused(
        Fault::new(
            Code::Conflict,
            format!(
                "The upload of {} broke off ({why}): {} of {} are there.",
                view.name,
                format::exact(there),
                bytes_in_full(bytes)
            ),
        )
        .field("offset")
        .hint(format!("Go on at offset={there}.")),
    )
}

pub(super) fn busy(name: &str) -> Error {
    Error::Refused(
        Fault::new(
            Code::Busy,
            format!("{name} is being sent or read by someone else."),
        )
        .hint("Wait until that has ended; a request that broke off is noticed within a minute."),
    )
}

pub(super) fn too_much(name: &str, bytes: i64) -> Fault {
    Fault::new(
        Code::Invalid,
        format!(
            "More came than the {} that were announced for {name}; this request's were not kept.",
            bytes_in_full(bytes)
        ),
    )
    .hint("The file grew while it was sent. Stop the program that uses it, then upload it anew.")
}

pub(super) fn no_log(name: &str) -> Fault {
    Fault::new(
        Code::Invalid,
        format!("What came as the write-ahead log of {name} is none; it was not kept."),
    )
    .hint("Send the file with the database's name and -wal at its end, or upload the database alone.")
}

pub(super) fn not_whole(view: &UploadView) -> Error {
    let mut left = view.bytes - view.received;
    if let Some((bytes, received)) = view.wal {
        left += bytes - received;
    }
    Error::conflict(
        format!(
            "{} is not whole yet: {} are missing.",
            view.name,
            bytes_in_full(left)
        ),
        "Go on with the upload first.",
    )
}

fn bytes_in_full(bytes: i64) -> String {
    match bytes {
        1 => "1 byte".to_owned(),
        bytes => format!("{} bytes", format::exact(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_name_only_its_last_part_is_kept_and_nothing_that_misleads() {
        for (name, kept) in [
            ("app.db", "app.db"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\me\\app.db", "app.db"),
            ("a\u{1b}[31m\u{202e}b.d", "a\u{fffd}[31m\u{fffd}b.d"),
            ("größe.sqlite ", "größe.sqlite"),
        ] {
            assert_eq!(base_name(name).ok().as_deref(), Some(kept), "{name:?}");
        }
        for name in ["", "  ", "..", "folder/", "a/.", "\\"] {
            assert!(base_name(name).is_err(), "{name:?}");
        }
        assert_eq!(
            base_name(&"x".repeat(900)).map(|name| name.len()).ok(),
            Some(LONGEST)
        );
    }
}
