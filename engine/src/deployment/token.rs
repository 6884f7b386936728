//! The token of the webhook: `pgsd_`, its number, and 256 random bits.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use rand::{TryRngCore, rngs::OsRng};
use secrecy::SecretString;
use sha2::Sha256;
use uuid::Uuid;

use crate::{Error, Result};

/// What it begins with, so that scanners for leaked secrets know it.
const MARK: &str = "pgsd_";

/// What a token says.
pub(super) struct Parts {
    pub id: Uuid,
    secret: [u8; 32],
}

/// A new token, in parts and as a text.
///
/// # Errors
/// When the system has no random bits.
pub(super) fn make() -> Result<(Parts, SecretString)> {
    let mut secret = [0_u8; 32];
    OsRng
        .try_fill_bytes(&mut secret)
        .map_err(|error| Error::internal("taking random bits", error))?;
    let id = Uuid::new_v4();
    let text = format!("{MARK}{}_{}", id.simple(), URL_SAFE_NO_PAD.encode(secret));
    Ok((Parts { id, secret }, text.into()))
}

/// The parts of a text that has a token's form.
pub(super) fn read(text: &str) -> Option<Parts> {
    let (id, secret) = text.trim().strip_prefix(MARK)?.split_once('_')?;
    let mut bytes = [0_u8; 32];
    // A longer text does not fit into it, and is not decoded.
    let length = URL_SAFE_NO_PAD.decode_slice(secret, &mut bytes).ok()?;
    (length == bytes.len()).then_some(Parts {
        id: Uuid::try_parse(id).ok()?,
        secret: bytes,
    })
}

/// What is kept of a token.
pub(super) fn hash(parts: &Parts) -> Result<[u8; 32]> {
    Ok(keyed(parts)?.finalize().into_bytes().into())
}

/// Whether a hash is this token's; compared in constant time by the library.
pub(super) fn fits(parts: &Parts, hash: &[u8]) -> bool {
    keyed(parts).is_ok_and(|keyed| keyed.verify_slice(hash).is_ok())
}

fn keyed(parts: &Parts) -> Result<Hmac<Sha256>> {
    let mut keyed = Hmac::<Sha256>::new_from_slice(&parts.secret)
        .map_err(|error| Error::internal("hashing a token", error))?;
    keyed.update(b"pgsteward deployment token ");
    keyed.update(parts.id.as_bytes());
    Ok(keyed)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_token_fits_its_own_hash_alone() {
        let (parts, text) = make().unwrap();
        let kept = hash(&parts).unwrap();
        let read_again = read(&format!(" {}\n", text.expose_secret())).unwrap();
        assert_eq!(read_again.id, parts.id);
        assert!(fits(&read_again, &kept));
        let (other, _) = make().unwrap();
        assert!(!fits(&other, &kept));
        let renamed = Parts {
            id: other.id,
            secret: parts.secret,
        };
        assert!(!fits(&renamed, &kept), "a token's number belongs to it");
        assert!(!fits(&parts, &kept[..31]));
    }

    #[test]
    fn what_has_not_the_form_of_a_token_is_none() {
        let (_, text) = make().unwrap();
        let text = text.expose_secret();
        for wrong in [
            "",
            "pgsd_",
            "pgsd__",
            &text[1..],
            &text[..text.len() - 1],
            &format!("{text}A"),
        ] {
            assert!(read(wrong).is_none(), "{wrong}");
        }
    }
}
