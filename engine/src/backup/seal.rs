//! The seal on what lies beside a backup: HMAC-SHA256 with a key that only this console has, so that a manifest that
//! someone changed is told apart from one that was written here.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown},
    path::Path,
};

use contract::{Code, Fault};
use hmac::{Hmac, Mac};
use rand::{TryRngCore, rngs::OsRng};
use secrecy::{ExposeSecret, SecretSlice};
use serde::Serialize;
use sha2::Sha256;
use uuid::Uuid;

use crate::{Error, Result};

/// The file in the data folder that holds the key.
const FILE: &str = "backup.key";

/// What stands in the member `mac`, which must be the last one, before the seal is set: the seal is computed over the
/// file's bytes with these digits in its place, so it does not depend on how JSON is written.
pub(super) const UNSEALED: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The key. Deliberately without `Debug` and `Serialize`.
pub(super) struct Seal(SecretSlice<u8>);

impl Seal {
    /// Reads the key from the data folder; makes it (256 random bits, readable by its owner alone) at first use.
    ///
    /// # Errors
    /// `Refused`, with the remedy, when others can read the file or it holds no such key; `Io` when it cannot be used.
    pub(super) fn load(data_dir: &Path) -> Result<Self> {
        let path = data_dir.join(FILE);
        if let Some(key) = read(&path)? {
            return Ok(key);
        }
        make(data_dir, &path).map_err(Error::io(format!(
            "making the key of the backups {}",
            path.display()
        )))?;
        read(&path)?.ok_or_else(|| Error::internal("making the key of the backups", "it vanished"))
    }

    /// A value as sealed JSON. Its last member must be `mac` with the value `UNSEALED`.
    pub(super) fn set(&self, value: &impl Serialize) -> Result<Vec<u8>> {
        let mut bytes =
            serde_json::to_vec_pretty(value).map_err(|error| Error::internal("sealing a file", error))?;
        let Some(at) = place_of_mac(&bytes).filter(|&at| bytes[at..].starts_with(UNSEALED.as_bytes())) else {
            return Err(Error::internal(
                "sealing a file",
                "its last member is no empty seal",
            ));
        };
        let mac = hex::encode(self.mac(&bytes, at).finalize().into_bytes());
        bytes[at..at + mac.len()].copy_from_slice(mac.as_bytes());
        Ok(bytes)
    }

    /// Whether the bytes are exactly what was sealed with this key.
    pub(super) fn holds(&self, bytes: &[u8]) -> bool {
        let Some(at) = place_of_mac(bytes) else {
            return false;
        };
        let Ok(mac) = hex::decode(&bytes[at..at + UNSEALED.len()]) else {
            return false;
        };
        self.mac(bytes, at).verify_slice(&mac).is_ok()
    }

    /// Over the bytes, with the digits of `UNSEALED` where the seal is.
    fn mac(&self, bytes: &[u8], at: usize) -> Hmac<Sha256> {
        // HMAC takes keys of any length; the error type is for other algorithms.
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(self.0.expose_secret())
            .unwrap_or_else(|_| <Hmac<Sha256> as Mac>::new(&Default::default()));
        mac.update(&bytes[..at]);
        mac.update(UNSEALED.as_bytes());
        mac.update(&bytes[at + UNSEALED.len()..]);
        mac
    }
}

/// Where the digits of the last member `"mac": "…"` begin.
fn place_of_mac(bytes: &[u8]) -> Option<usize> {
    const BEFORE: &[u8] = b"\"mac\": \"";
    const AFTER: &[u8] = b"\"\n}";
    let at = bytes.len().checked_sub(UNSEALED.len() + AFTER.len())?;
    (bytes.ends_with(AFTER) && bytes[..at].ends_with(BEFORE)).then_some(at)
}

fn read(path: &Path) -> Result<Option<Seal>> {
    let reading = || format!("reading the key of the backups {}", path.display());
    let refuse =
        |message: String, hint: String| Error::Refused(Fault::new(Code::Internal, message).hint(hint));
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(reading())(error)),
    };
    let mode = file.metadata().map_err(Error::io(reading()))?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(refuse(
            format!(
                "The key of the backups {} is open to other users (mode {mode:03o}).",
                path.display()
            ),
            format!("Run `chmod 600 {}`.", path.display()),
        ));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(Error::io(reading()))?;
    match hex::decode(text.trim()) {
        Ok(key) if key.len() == 32 => Ok(Some(Seal(key.into()))),
        _ => Err(refuse(
            format!(
                "The key of the backups {} holds no 64 hexadecimal digits.",
                path.display()
            ),
            "Put the original file back. Without it every backup shows as changed; delete it to begin anew."
                .to_owned(),
        )),
    }
}

/// The file appears under its name only when it is whole, and the first of several processes wins: a hard link is made
/// or refused in one step, and whoever is refused reads the winner's key.
fn make(folder: &Path, path: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let unfinished = folder.join(format!(".{FILE}.{}", Uuid::new_v4().simple()));
    let linked = write(folder, &unfinished).and_then(|()| fs::hard_link(&unfinished, path));
    fs::remove_file(&unfinished).ok();
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}

fn write(folder: &Path, path: &Path) -> std::io::Result<()> {
    let mut bits = [0_u8; 32];
    OsRng.try_fill_bytes(&mut bits).map_err(std::io::Error::other)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    // A command run as root beside the console must not leave a key that the console cannot read.
    let (owner, own) = (fs::metadata(folder)?, file.metadata()?);
    if own.uid() == 0 && owner.uid() != 0 {
        fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
    }
    file.write_all(format!("{}\n", hex::encode(bits)).as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[derive(Serialize)]
    struct Note<'a> {
        text: &'a str,
        mac: &'a str,
    }

    #[test]
    fn any_changed_byte_breaks_the_seal() {
        let folder = tempfile::tempdir().unwrap();
        let seal = Seal::load(folder.path()).unwrap();
        let bytes = seal
            .set(&Note {
                text: "mine",
                mac: UNSEALED,
            })
            .unwrap();
        assert!(seal.holds(&bytes));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(!seal.holds(&changed), "byte {at}");
        }
        assert!(!seal.holds(&[bytes.clone(), b"\n".to_vec()].concat()));
        assert!(!seal.holds(b"{}"));
        assert!(
            seal.set(&Note {
                text: "x",
                mac: "no seal"
            })
            .is_err()
        );
    }

    #[test]
    fn another_consoles_key_does_not_fit() {
        let (mine, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let bytes = Seal::load(mine.path())
            .unwrap()
            .set(&Note {
                text: "mine",
                mac: UNSEALED,
            })
            .unwrap();
        assert!(
            Seal::load(mine.path()).unwrap().holds(&bytes),
            "the next start has the same key"
        );
        assert!(!Seal::load(theirs.path()).unwrap().holds(&bytes));
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        Seal::load(folder.path()).unwrap();
        let path = folder.path().join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let fault = Seal::load(folder.path()).map(|_| ()).unwrap_err().fault();
        assert!(fault.hint.unwrap().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "abc").unwrap();
        assert!(
            Seal::load(folder.path())
                .map(|_| ())
                .unwrap_err()
                .fault()
                .message
                .contains("64 hexadecimal")
        );
    }
}
