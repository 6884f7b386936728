//! The keys that sign tokens: where they come from, and which are refused.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::Path,
};

use contract::{Code, Fault};
use jsonwebtoken::{DecodingKey, EncodingKey};
use rand::{TryRngCore, rngs::OsRng};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use uuid::Uuid;

use super::{hash::Hasher, weak};
use crate::{EngineConfig, Error, Result};

/// The file in the data folder that holds the signing key.
const FILE: &str = "jwt.key";

/// The file with the key that was in force before, so that a change of keys logs nobody out.
const PREVIOUS: &str = "jwt.key.previous";

/// What the sessions of this process need beside the store: the signing keys and the one queue of password hashes.
/// Deliberately without `Debug` and `Serialize`.
pub struct Keys {
    pub(super) current: Key,
    pub(super) previous: Option<Key>,
    pub(super) hasher: Hasher,
}

/// One signing key in the forms that its users want.
pub(super) struct Key {
    pub(super) encoding: EncodingKey,
    pub(super) decoding: DecodingKey,
    pub(super) bytes: SecretSlice<u8>,
}

impl Keys {
    /// Takes the configured key, else the file in the data folder, which is made at the first start (256 random bits,
    /// readable by its owner alone). A second file `jwt.key.previous` is accepted for verification.
    ///
    /// # Errors
    /// `Refused`, with the remedy, when a key is shorter than 32 bytes, a known default, or in a file that others can
    /// read; `Io` when a file cannot be read or made.
    pub fn load(config: &EngineConfig) -> Result<Self> {
        let current = match &config.jwt_secret {
            Some(secret) => Key::new(secret, "The configured signing key")?,
            None => current_of(&config.data_dir)?,
        };
        let previous = config.data_dir.join(PREVIOUS);
        Ok(Self {
            current,
            previous: Key::read(&previous)?,
            hasher: Hasher::new(),
        })
    }

    /// Every key whose tokens are accepted, the one in force first.
    pub(super) fn accepted(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

impl Key {
    /// Takes a key as it stands in a file or a variable; white space around it does not count.
    pub(super) fn new(text: &SecretString, what: &str) -> Result<Self> {
        let bytes = text.expose_secret().trim().as_bytes();
        if let Some(weakness) = weak::weakness(bytes) {
            return Err(Error::Refused(
                Fault::new(Code::Internal, format!("{what} cannot be used: {weakness}."))
                    .hint("Make one with `openssl rand -hex 32`; a changed key logs everyone out once."),
            ));
        }
        Ok(Self {
            encoding: EncodingKey::from_secret(bytes),
            decoding: DecodingKey::from_secret(bytes),
            bytes: bytes.to_vec().into(),
        })
    }

    /// Reads a key file; `None` when there is none.
    fn read(path: &Path) -> Result<Option<Self>> {
        let reading = || format!("reading the signing key {}", path.display());
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(reading())(error)),
        };
        let mode = file.metadata().map_err(Error::io(reading()))?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(Error::Refused(
                Fault::new(
                    Code::Internal,
                    format!("The signing key {} is open to other users (mode {mode:03o}).", path.display()),
                )
                .hint(format!(
                    "Run `chmod 600 {0}`. If someone else may have read it, delete it instead: a new one is made.",
                    path.display()
                )),
            ));
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(Error::io(reading()))?;
        Self::new(&text.into(), &format!("The signing key {}", path.display())).map(Some)
    }
}

fn current_of(folder: &Path) -> Result<Key> {
    let path = folder.join(FILE);
    if let Some(key) = Key::read(&path)? {
        return Ok(key);
    }
    make(folder, &path).map_err(Error::io(format!("making the signing key {}", path.display())))?;
    Key::read(&path)?.ok_or_else(|| {
        Error::Refused(Fault::new(
            Code::Internal,
            format!("The signing key {} vanished.", path.display()),
        ))
    })
}

/// Makes the key file. The file appears under its name only when it is whole, and the first of several processes wins:
/// a hard link is made or refused in one step, and whoever is refused reads the winner's key.
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
        std::os::unix::fs::fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
    }
    file.write_all(format!("{}\n", hex::encode(bits)).as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn processes_that_start_at_once_agree_on_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let keys: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| current_of(&data).unwrap()))
                .collect();
            starts
                .into_iter()
                .map(|start| start.join().unwrap().bytes.expose_secret().to_vec())
                .collect()
        });
        assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(hex::decode(&keys[0]).unwrap().len(), 32, "256 bits");
        assert_eq!(fs::metadata(data.join(FILE)).unwrap().mode() & 0o777, 0o600);
        assert_eq!(
            fs::read_dir(&data).unwrap().count(),
            1,
            "nothing unfinished is left"
        );
        assert_eq!(
            current_of(&data).unwrap().bytes.expose_secret(),
            keys[0],
            "the next start finds it"
        );
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        current_of(folder.path()).unwrap();
        let path = folder.path().join(FILE);
        for mode in [0o640, 0o604, 0o660, 0o644] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let fault = current_of(folder.path()).map(|_| ()).unwrap_err().fault();
            assert!(
                fault
                    .hint
                    .unwrap()
                    .contains(&format!("chmod 600 {}", path.display())),
                "{mode:o}"
            );
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(current_of(folder.path()).is_ok());
    }

    #[test]
    fn a_short_key_file_is_refused_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .unwrap();
        file.write_all(b"b1946ac92492d2347c6235b4d261118\n").unwrap();
        let fault = current_of(folder.path()).map(|_| ()).unwrap_err().fault();
        assert!(fault.message.contains("31 bytes"), "{}", fault.message);
        assert_eq!(fs::read(&path).unwrap().len(), 32);
    }
}
