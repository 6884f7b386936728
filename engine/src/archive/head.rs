//! What a file is by its first bytes.

use contract::{Code, Fault};

/// Bytes that say what a file is: a tar's first header.
pub(crate) const ENOUGH: usize = 512;

/// The format's number in an archive that pg_dump wrote as one file.
const CUSTOM: u8 = 1;
/// Where it stands: after the magic, three numbers of the version, and two of sizes.
const FORMAT_AT: usize = 10;

/// How files begin that hold something else than they are taken for, and what to do with them.
const PACKED: [(&[u8], &str, &str); 7] = [
    (b"PK\x03\x04", "a zip", "Unpack it"),
    (b"\x1f\x8b", "compressed by gzip", "Unpack it (gunzip)"),
    (b"\xfd7zXZ", "compressed by xz", "Unpack it (unxz)"),
    (b"BZh", "compressed by bzip2", "Unpack it (bunzip2)"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", "Unpack it (unzstd)"),
    (b"7z\xbc\xaf", "a 7-Zip archive", "Unpack it"),
    (
        b"age-encryption.org",
        "encrypted by age",
        "Decrypt it (age --decrypt)",
    ),
];

/// What to do about text.
const TEXT: &str = "SQL text can be cut off anywhere and still seem to be restored, and psql would do whatever stands in it, so it is an \
                    export and no backup. Dump again: pg_dump --format=custom --file=NAME.dump DATABASE.";

/// Looks whether a file may be an archive of pg_dump: in its custom format, or a tar. `first` are its first bytes, [`ENOUGH`] where
/// there are so many.
///
/// # Errors
/// `Invalid`: what it is instead, and what to do.
pub(crate) fn look(name: &str, first: &[u8]) -> Result<(), Fault> {
    let refuse = |words: String, hint: String| Err(Fault::new(Code::Invalid, words).hint(hint));
    if first.is_empty() {
        return refuse(
            format!("{name} is empty."),
            "Choose an archive of pg_dump.".into(),
        );
    }
    if first.starts_with(b"PGDMP") {
        return match first.get(FORMAT_AT) {
            Some(&CUSTOM) => Ok(()),
            None => refuse(
                format!("{name} is cut off in its first line."),
                "Copy it again, or dump again.".into(),
            ),
            Some(_) => refuse(
                format!("{name} is the table of contents of an archive, without what it is of."),
                "Upload the whole archive: of pg_dump --format=directory the whole folder as one tar (tar -cf NAME.tar -C FOLDER .), of \
                 --format=tar the tar as it was."
                    .into(),
            ),
        };
    }
    if is_tar(first) {
        return Ok(());
    }
    if let Some((_, what, how)) = PACKED.iter().find(|(magic, ..)| first.starts_with(magic)) {
        return refuse(
            format!("{name} is {what}, and no archive of pg_dump as it was written."),
            format!(
                "{how}, and upload what is in it; pg_dump compresses its archives itself. If that is SQL text, it is refused as well. {TEXT}"
            ),
        );
    }
    if first.starts_with(b"SQLite format 3\0") {
        return refuse(
            format!("{name} is a SQLite database."),
            "Bring it in on the Import page.".into(),
        );
    }
    // As a redirection in PowerShell writes it.
    let wide = first.starts_with(b"\xff\xfe");
    let text: Vec<u8> = match wide {
        true => first[2..].iter().step_by(2).copied().collect(),
        false => first.to_vec(),
    };
    if wide && text.starts_with(b"PGDMP") {
        return refuse(
            format!(
                "{name} was an archive of pg_dump until PowerShell's > wrote it as text: it is destroyed."
            ),
            "Dump again, and let pg_dump write the file itself: --file=NAME.dump.".into(),
        );
    }
    let has = |words: &[u8]| text.windows(words.len()).any(|part| part == words);
    if has(b"PostgreSQL database cluster dump") {
        return refuse(
            format!("{name} is SQL text of pg_dumpall: all databases of a server, and its roles."),
            format!("A restore is of one database. {TEXT}"),
        );
    }
    if has(b"PostgreSQL database dump") {
        return refuse(
            format!("{name} is SQL text of pg_dump, and no archive."),
            TEXT.into(),
        );
    }
    // Control characters that no text has.
    if !text.iter().any(|byte| *byte < 9 || (14..32).contains(byte)) {
        return refuse(
            format!("{name} is text, and no archive of pg_dump."),
            format!("If it is SQL: {TEXT}"),
        );
    }
    refuse(
        format!("{name} is no archive of pg_dump."),
        "Choose what pg_dump wrote with --format=custom or --format=tar, or the folder of --format=directory as one tar.".into(),
    )
}

fn is_tar(first: &[u8]) -> bool {
    first.get(257..262).is_some_and(|magic| magic == b"ustar")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn what_is_no_archive_is_told_for_what_it_is() {
        let wide: Vec<u8> = b"\xff\xfe"
            .iter()
            .copied()
            .chain(b"PGDMP\x01".iter().flat_map(|byte| [*byte, 0]))
            .collect();
        for (bytes, words) in [
            (&b""[..], "is empty"),
            (
                b"--\n-- PostgreSQL database dump\n--\n",
                "SQL text of pg_dump, and no archive",
            ),
            (
                b"--\n-- PostgreSQL database cluster dump\n--\n",
                "SQL text of pg_dumpall",
            ),
            (b"insert into t values (1);\n", "is text"),
            (b"\x1f\x8b\x08\0\0", "compressed by gzip"),
            (b"PK\x03\x04\x14\0", "is a zip"),
            (b"SQLite format 3\0", "SQLite database"),
            (b"PGDMP\x01\x0e\0\x04\x08\x05", "table of contents"),
            (b"PGDMP\x01", "cut off"),
            (&wide, "PowerShell"),
            (b"\x7fELF\x02\x01\x01\0\0\0", "no archive of pg_dump"),
        ] {
            let fault = look("a.dump", bytes).unwrap_err();
            assert!(
                fault.message.starts_with("a.dump ") && fault.message.contains(words) && fault.hint.is_some(),
                "{fault}"
            );
        }
        assert!(look("a.dump", b"PGDMP\x01\x0e\0\x04\x08\x01rest").is_ok());
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        assert!(look("a.tar", &tar).is_ok());
    }
}
