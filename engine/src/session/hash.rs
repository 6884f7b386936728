//! Password hashes: argon2id, two at a time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version,
    password_hash::{self, SaltString},
};
use contract::{Code, Fault};
use rand::{TryRngCore, rngs::OsRng};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use crate::{Error, Result};

/// OWASP's password storage cheat sheet: argon2id with at least 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Two hashes hold 38 MiB and two processor cores: a flood of log-ins must not take the whole machine.
const AT_ONCE: usize = 2;

/// Longer than this nobody waits in front of a log-in page.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// A hash of random bytes that nobody kept. Verified in place of the hash of a user that does not exist.
pub(super) const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$IvEsKD9teWhCBMkx/XXstw$himt2m0qJLgLcGegiJP58Wh+MWi4qUUONQyPOFn0PPA";

/// Hashes and verifies passwords, and counts how often.
pub(super) struct Hasher {
    slots: Arc<Semaphore>,
    runs: AtomicU64,
}

impl Hasher {
    pub(super) fn new() -> Self {
        Self {
            slots: Arc::new(Semaphore::new(AT_ONCE)),
            runs: AtomicU64::new(0),
        }
    }

    /// How many hashes were computed so far.
    pub(super) fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// Hashes a password under a fresh salt, in the PHC string format.
    ///
    /// # Errors
    /// `Busy` when too many others wait.
    pub(super) async fn hash(&self, password: SecretString) -> Result<String> {
        self.run(move |argon2| {
            let mut salt = [0_u8; 16];
            OsRng
                .try_fill_bytes(&mut salt)
                .map_err(|_| password_hash::Error::Crypto)?;
            let salt = SaltString::encode_b64(&salt)?;
            Ok(argon2
                .hash_password(password.expose_secret().as_bytes(), &salt)?
                .to_string())
        })
        .await
    }

    /// Whether this is the password behind a hash. Always one run, whatever the answer.
    ///
    /// # Errors
    /// `Busy` when too many others wait.
    pub(super) async fn verify(&self, password: SecretString, hash: String) -> Result<bool> {
        self.run(move |argon2| {
            let hash = PasswordHash::new(&hash)?;
            match argon2.verify_password(password.expose_secret().as_bytes(), &hash) {
                Ok(()) => Ok(true),
                Err(password_hash::Error::Password) => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(Argon2<'static>) -> Result<T, password_hash::Error> + Send + 'static,
    ) -> Result<T> {
        let waiting = tokio::time::timeout(LONGEST_WAIT, Arc::clone(&self.slots).acquire_owned()).await;
        let Ok(slot) = waiting else {
            return Err(Error::Refused(
                Fault::new(Code::Busy, "Too many people are logging in at once.")
                    .hint("Try again in a few seconds."),
            ));
        };
        let slot = slot.map_err(|error| Error::internal("queueing for a password hash", error))?;
        self.runs.fetch_add(1, Ordering::Relaxed);
        let computed = tokio::task::spawn_blocking(move || {
            // The slot is held by the computation and not by the request, which may be gone long before.
            let _slot = slot;
            work(argon2()?)
        });
        computed
            .await
            .map_err(|error| Error::internal("hashing a password", error))?
            .map_err(|error| Error::internal("hashing a password", error))
    }
}

fn argon2() -> Result<Argon2<'static>, password_hash::Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[tokio::test]
    async fn a_hash_proves_its_own_password_only() {
        let hasher = Hasher::new();
        let hash = hasher.hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(
            hash,
            hasher.hash("correct horse".into()).await.unwrap(),
            "each has its own salt"
        );
        assert!(hasher.verify("correct horse".into(), hash.clone()).await.unwrap());
        assert!(!hasher.verify("correct horsf".into(), hash).await.unwrap());
        assert_eq!(hasher.runs(), 4);
    }

    #[tokio::test]
    async fn the_hash_of_nobody_costs_as_much_as_any_other() {
        let nobody = PasswordHash::new(NOBODY).unwrap();
        let own = argon2().unwrap();
        let params = Params::try_from(&nobody).unwrap();
        assert_eq!(
            (
                params.m_cost(),
                params.t_cost(),
                params.p_cost(),
                nobody.hash.unwrap().len()
            ),
            (
                own.params().m_cost(),
                own.params().t_cost(),
                own.params().p_cost(),
                Params::DEFAULT_OUTPUT_LEN
            )
        );
        assert!(
            !Hasher::new()
                .verify("password".into(), NOBODY.to_owned())
                .await
                .unwrap()
        );
    }
}
