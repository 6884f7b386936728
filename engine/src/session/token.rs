//! The two tokens of a session: a signed access token for every request, and a refresh token for new ones.

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, Mac};
use jsonwebtoken::{Algorithm, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

use super::keys::{Key, Keys};
use crate::{Error, Result};

/// How long an access token is good for.
pub(super) const ACCESS: TimeDelta = TimeDelta::minutes(15);

/// Who issues the tokens, and for whom: the console for itself.
const ISSUER: &str = "pgsteward";
const AUDIENCE: &str = "pgsteward";

/// What an access token is for. A token that the same key signed for anything else opens nothing.
const PURPOSE: &str = "access";

/// Clocks of two console hosts may differ by this many seconds.
const LEEWAY: u64 = 5;

/// More than any token of ours is long; a longer text is not worth decoding.
const LONGEST: usize = 1024;

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: Uuid,
    jti: Uuid,
    iat: i64,
    nbf: i64,
    exp: i64,
    purpose: String,
}

/// What a valid access token proves. Whether the session is still live is in its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) user: Uuid,
    pub(super) session: Uuid,
}

impl Keys {
    /// Signs an access token with the key in force.
    pub(super) fn access(
        &self,
        proof: Proof,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<SecretString> {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: proof.user,
            jti: proof.session,
            iat: now.timestamp(),
            nbf: now.timestamp(),
            exp: until.timestamp(),
            purpose: PURPOSE.to_owned(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.current.encoding)
            .map(SecretString::from)
            .map_err(|error| Error::internal("signing an access token", error))
    }

    /// What an access token proves; nothing when it is wrong in any way, for a caller that cannot do anything about it.
    pub(super) fn proof(&self, token: &str) -> Option<Proof> {
        if token.len() > LONGEST {
            return None;
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY;
        let claims = self
            .accepted()
            .find_map(|key| jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation).ok())?
            .claims;
        // None of ours is good for longer: one that is was not made by this console, whoever has the key.
        let longest = claims.iat.checked_add(ACCESS.num_seconds());
        let bounded = longest.is_some_and(|longest| claims.exp <= longest)
            && claims.iat <= Utc::now().timestamp() + LEEWAY as i64;
        (bounded && claims.purpose == PURPOSE).then_some(Proof {
            user: claims.sub,
            session: claims.jti,
        })
    }

    /// The refresh token of a session's generation. It is computed anew from the session's row whenever it is needed,
    /// so requests that raced for it can all be told the same one.
    pub(super) fn refresh(&self, session: Uuid, generation: i32, seed: &[u8]) -> Result<SecretString> {
        let mac = mac(&self.current, session, generation, seed)?
            .finalize()
            .into_bytes();
        Ok(format!("{}.{generation}.{}", session.simple(), hex::encode(mac)).into())
    }

    /// Whether this console once gave out this token for the session with this seed.
    pub(super) fn is_ours(&self, token: &Refresh, seed: &[u8]) -> bool {
        // Verified in constant time by the library.
        self.accepted().any(|key| {
            mac(key, token.session, token.generation, seed)
                .is_ok_and(|mac| mac.verify_slice(&token.mac).is_ok())
        })
    }
}

/// A refresh token in its parts, not yet verified.
pub(super) struct Refresh {
    pub(super) session: Uuid,
    pub(super) generation: i32,
    mac: Vec<u8>,
}

impl Refresh {
    pub(super) fn parse(token: &str) -> Option<Self> {
        if token.len() > LONGEST {
            return None;
        }
        let (session, rest) = token.split_once('.')?;
        let (generation, mac) = rest.split_once('.')?;
        Some(Self {
            session: Uuid::try_parse(session).ok()?,
            generation: generation.parse().ok().filter(|generation| *generation >= 0)?,
            mac: hex::decode(mac).ok()?,
        })
    }
}

fn mac(key: &Key, session: Uuid, generation: i32, seed: &[u8]) -> Result<Hmac<Sha256>> {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key.bytes.expose_secret())
        .map_err(|error| Error::internal("keying a refresh token", error))?;
    // Set apart from what the same key signs as JWT, which begins with "eyJ".
    mac.update(b"pgsteward refresh token 1\0");
    mac.update(session.as_bytes());
    mac.update(&generation.to_be_bytes());
    mac.update(seed);
    Ok(mac)
}

#[cfg(test)]
mod tests;
