//! The seal on what lies beside a backup: HMAC-SHA256 with a key of the console's store, so that a manifest that someone
//! changed is told apart from one that a console of this store wrote.
//!
//! The store holds the keys and each console's data folder a copy of one, so that neither alone is needed to trust the
//! backups again. The first key seals; all are believed. A seal names its key, and a key that is not known is said to be
//! just that: such a backup can be verified and taken over.

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
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{reconcile::blocking, store};
use crate::{Engine, Error, Result};

/// The file in the data folder that holds a copy of a key.
const FILE: &str = "backup.key";

/// What stands in the member `mac`, which must be the last one, before the seal is set: the seal is computed over the
/// file's bytes with these digits in its place, so it does not depend on how JSON is written.
pub(super) const UNSEALED: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One key. Deliberately without `Debug` and `Serialize`.
struct Key {
    id: String,
    secret: SecretSlice<u8>,
}

/// The keys that this console believes, the one it seals with first.
pub(super) struct Seals(Vec<Key>);

/// What a seal says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seal {
    /// The bytes are exactly what was sealed with a known key.
    Holds,
    /// They were changed after they were sealed.
    Broken,
    /// They were sealed with a key that is not known here, by its name where it has one. Whether they were changed since
    /// cannot be told.
    Unknown(Option<String>),
}

impl Key {
    fn new(bits: Vec<u8>) -> Self {
        Self {
            id: hex::encode(&Sha256::digest(&bits)[..8]),
            secret: bits.into(),
        }
    }

    /// Over the bytes, with the digits of `UNSEALED` where the seal is.
    fn mac(&self, bytes: &[u8], at: usize) -> Hmac<Sha256> {
        // HMAC takes keys of any length; the error type is for other algorithms.
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(self.secret.expose_secret())
            .unwrap_or_else(|_| <Hmac<Sha256> as Mac>::new(&Default::default()));
        mac.update(&bytes[..at]);
        mac.update(UNSEALED.as_bytes());
        mac.update(&bytes[at + UNSEALED.len()..]);
        mac
    }
}

impl Seals {
    /// Reads the store's keys. A key in the data folder that the store does not have is added to them: it is from before
    /// keys were shared, or the store is another one now. A data folder without a key gets a copy.
    ///
    /// # Errors
    /// `Refused`, with the remedy, when others can read the file or it holds no key; `Io` when it cannot be used; the
    /// store's failures.
    pub(super) async fn load(engine: &Engine) -> Result<Self> {
        let path = engine.config().data_dir.join(FILE);
        let own = blocking(move || read(&path)).await?;
        let pool = engine.store();
        let mut keys = store::keys(pool).await?;
        let add = match &own {
            Some(own) => (!keys.iter().any(|(id, _)| *id == own.id)).then(|| Key {
                id: own.id.clone(),
                secret: own.secret.clone(),
            }),
            None => keys.is_empty().then(random).transpose()?,
        };
        if let Some(key) = add {
            store::add_key(pool, &key.id, key.secret.expose_secret()).await?;
            // Several consoles may have added one at once; the first of them seals for all.
            keys = store::keys(pool).await?;
        }
        let keys: Vec<Key> = keys.into_iter().map(|(_, bits)| Key::new(bits)).collect();
        if own.is_none()
            && let Some(first) = keys.first()
        {
            let (folder, text) = (
                engine.config().data_dir.clone(),
                format!("{}\n", hex::encode(first.secret.expose_secret())),
            );
            blocking(move || {
                let path = folder.join(FILE);
                make(&folder, &path, &text).map_err(Error::io(format!(
                    "keeping a copy of the key of the backups in {}",
                    path.display()
                )))
            })
            .await?;
        }
        Ok(Self(keys))
    }

    /// The name of the key that `set` seals with.
    pub(super) fn key(&self) -> Option<String> {
        self.0.first().map(|key| key.id.clone())
    }

    /// Changes with the keys that are known: what was unknown may not be so any more.
    pub(super) fn stamp(&self) -> String {
        let ids: Vec<&str> = self.0.iter().map(|key| key.id.as_str()).collect();
        format!("keys:{}", hex::encode(&Sha256::digest(ids.concat())[..4]))
    }

    /// A value as sealed JSON. Its last member must be `mac` with the value `UNSEALED`.
    pub(super) fn set(&self, value: &impl Serialize) -> Result<Vec<u8>> {
        let mut bytes =
            serde_json::to_vec_pretty(value).map_err(|error| Error::internal("sealing a file", error))?;
        let at = place_of_mac(&bytes).filter(|&at| bytes[at..].starts_with(UNSEALED.as_bytes()));
        let (Some(at), Some(key)) = (at, self.0.first()) else {
            return Err(Error::internal(
                "sealing a file",
                "its last member is no empty seal",
            ));
        };
        let mac = hex::encode(key.mac(&bytes, at).finalize().into_bytes());
        bytes[at..at + mac.len()].copy_from_slice(mac.as_bytes());
        Ok(bytes)
    }

    /// What the seal says of bytes that name this key, or none as in older versions.
    pub(super) fn look(&self, bytes: &[u8], key: Option<&str>) -> Seal {
        let unknown = match key {
            Some(key) if self.0.iter().any(|known| known.id == key) => Seal::Broken,
            key => Seal::Unknown(key.map(str::to_owned)),
        };
        let Some(at) = place_of_mac(bytes) else {
            return Seal::Broken;
        };
        let Ok(mac) = hex::decode(&bytes[at..at + UNSEALED.len()]) else {
            return Seal::Broken;
        };
        let holds = |known: &Key| known.mac(bytes, at).verify_slice(&mac).is_ok();
        if self.0.iter().any(holds) {
            Seal::Holds
        } else {
            unknown
        }
    }
}

fn random() -> Result<Key> {
    let mut bits = vec![0_u8; 32];
    OsRng
        .try_fill_bytes(&mut bits)
        .map_err(|error| Error::internal("making the key of the backups", error))?;
    Ok(Key::new(bits))
}

/// Where the digits of the last member `"mac": "…"` begin.
fn place_of_mac(bytes: &[u8]) -> Option<usize> {
    const BEFORE: &[u8] = b"\"mac\": \"";
    const AFTER: &[u8] = b"\"\n}";
    let at = bytes.len().checked_sub(UNSEALED.len() + AFTER.len())?;
    (bytes.ends_with(AFTER) && bytes[..at].ends_with(BEFORE)).then_some(at)
}

fn read(path: &Path) -> Result<Option<Key>> {
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
        Ok(key) if key.len() == 32 => Ok(Some(Key::new(key))),
        _ => Err(refuse(
            format!(
                "The key of the backups {} holds no 64 hexadecimal digits.",
                path.display()
            ),
            "Put the original file back, or delete it: the console's store has the keys, too.".to_owned(),
        )),
    }
}

/// The file appears under its name only when it is whole, and the first of several processes wins: a hard link is made
/// or refused in one step.
fn make(folder: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let unfinished = folder.join(format!(".{FILE}.{}", Uuid::new_v4().simple()));
    let linked = write(folder, &unfinished, text).and_then(|()| fs::hard_link(&unfinished, path));
    fs::remove_file(&unfinished).ok();
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}

fn write(folder: &Path, path: &Path, text: &str) -> std::io::Result<()> {
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
    file.write_all(text.as_bytes())?;
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

    fn seals(count: usize) -> Seals {
        Seals((0..count).map(|_| random().unwrap()).collect())
    }

    fn sealed(seals: &Seals) -> Vec<u8> {
        seals
            .set(&Note {
                text: "mine",
                mac: UNSEALED,
            })
            .unwrap()
    }

    #[test]
    fn any_changed_byte_breaks_the_seal() {
        let seals = seals(2);
        let (bytes, key) = (sealed(&seals), seals.key());
        assert_eq!(seals.look(&bytes, key.as_deref()), Seal::Holds);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(seals.look(&changed, key.as_deref()), Seal::Broken, "byte {at}");
        }
        let longer = [bytes.clone(), b"\n".to_vec()].concat();
        assert_eq!(seals.look(&longer, key.as_deref()), Seal::Broken);
        assert_eq!(seals.look(b"{}", None), Seal::Broken);
        assert!(
            seals
                .set(&Note {
                    text: "x",
                    mac: "no seal"
                })
                .is_err()
        );
    }

    #[test]
    fn each_known_key_is_believed_and_another_one_is_said_to_be_unknown() {
        let (mine, theirs) = (seals(1), seals(1));
        let (bytes, key) = (sealed(&theirs), theirs.key().unwrap());
        assert_eq!(mine.look(&bytes, Some(&key)), Seal::Unknown(Some(key.clone())));
        // From before seals named their key.
        assert_eq!(mine.look(&bytes, None), Seal::Unknown(None));
        let both = Seals(mine.0.into_iter().chain(theirs.0).collect());
        assert_eq!(both.look(&bytes, Some(&key)), Seal::Holds);
        assert_eq!(both.look(&bytes, None), Seal::Holds);
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let key = random().unwrap();
        make(folder.path(), &path, &hex::encode(key.secret.expose_secret())).unwrap();
        assert_eq!(read(&path).unwrap().unwrap().id, key.id);
        make(folder.path(), &path, "another").unwrap();
        assert_eq!(read(&path).unwrap().unwrap().id, key.id, "the first one stays");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let refused = || read(&path).map(|_| ()).unwrap_err().fault();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(refused().hint.unwrap().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "abc").unwrap();
        assert!(refused().message.contains("64 hexadecimal"));
    }
}
