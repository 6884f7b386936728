//! How often a password may be tried: per account and per network, counted in the store, so that every process and
//! every start of the console sees the same count.

use std::{net::IpAddr, time::Duration};

use contract::{
    Code, Fault,
    audit::{Outcome, Severity},
};
use sqlx::PgConnection;

use super::{
    password,
    store::{attempts, users},
};
use crate::{Engine, Error, Result, audit};

/// Failed tries of one account within `ACCOUNT_WINDOW` after which all further ones are refused.
pub(super) const ACCOUNT_TRIES: i64 = 5;
pub(super) const ACCOUNT_WINDOW: Duration = Duration::from_secs(15 * 60);

/// Tries from one network within `NETWORK_WINDOW`, failed or not.
pub(super) const NETWORK_TRIES: i64 = 20;
pub(super) const NETWORK_WINDOW: Duration = Duration::from_secs(60);

/// A try that was let through. It counts as failed until it is settled.
pub(super) struct Attempt(i64);

/// Lets a try through, or refuses it with how long to wait. Comes before the password is looked at. `act` is the audit
/// log's name for what the password is tried for.
///
/// # Errors
/// `Busy`; the store's failures.
pub(super) async fn admit(
    engine: &Engine,
    name: &str,
    address: Option<IpAddr>,
    act: &str,
) -> Result<Attempt> {
    let (account, network) = (account(name), address.map(network));
    let mut transaction = engine.store().begin().await?;
    // Tries that come at once are counted one after the other.
    attempts::lock(&mut transaction, &account, network.as_deref()).await?;
    let Some(seconds) = attempts::wait(&mut transaction, &account, network.as_deref()).await? else {
        let id = attempts::insert(&mut transaction, &account, network.as_deref(), "pending").await?;
        transaction.commit().await?;
        return Ok(Attempt(id));
    };
    // Whoever hammers on is counted, with whatever names; only an account that is there has an entry of its own.
    let user = users::by_name(&mut *transaction, &account)
        .await?
        .map(|user| user.name);
    let address = address.map(|address| address.to_string());
    let detail = format!("Too many tries; refused for {}.", wait_words(seconds));
    audit::record_or_count(
        &mut transaction,
        &key(user.as_deref(), network.as_deref()),
        audit::Entry {
            event_type: act,
            severity: Severity::Warning,
            outcome: Outcome::Denied,
            user: user.as_deref(),
            address: address.as_deref(),
            target: None,
            object: None,
            detail: Some(&detail),
            job: None,
        },
    )
    .await?;
    transaction.commit().await?;
    Err(Error::Refused(
        Fault::new(Code::Busy, "Too many tries with this name or from this address.")
            .hint(format!("Wait {} and try again.", wait_words(seconds))),
    ))
}

impl Attempt {
    /// The password was right; only failures count against the account.
    pub(super) async fn succeeded(self, connection: &mut PgConnection) -> Result<()> {
        Ok(attempts::settle(connection, self.0, "succeeded").await?)
    }

    /// The password was wrong.
    pub(super) async fn failed(self, connection: &mut PgConnection) -> Result<()> {
        Ok(attempts::settle(connection, self.0, "failed").await?)
    }

    /// The password was never looked at, because the console had no time; that is not the user's failure.
    pub(super) async fn not_tried(self, engine: &Engine) -> Result<()> {
        Ok(attempts::delete(engine.store(), self.0).await?)
    }
}

/// The key under which refusals are counted as one. Names that no user has are one, however many there are.
pub(super) fn key(user: Option<&str>, network: Option<&str>) -> String {
    format!("{} {}", user.unwrap_or_default(), network.unwrap_or_default())
}

/// The key under which tries are counted. Text that no user's name can hold is replaced: it must neither reach the
/// database as it is, nor tell apart who exists.
pub(super) fn account(name: &str) -> String {
    let plain = |character: char| match character {
        character if password::is_name(character.encode_utf8(&mut [0; 4])) => character.to_ascii_lowercase(),
        _ => '?',
    };
    name.trim().chars().take(65).map(plain).collect()
}

/// Who is counted as one: an address, or the /64 that one IPv6 client has to itself.
pub(crate) fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

fn wait_words(seconds: f64) -> String {
    // Rounded up: who waits as long as we say must not be refused again.
    match seconds.ceil().max(1.0) as i64 {
        1 => "1 second".to_owned(),
        seconds @ 2..=90 => format!("{seconds} seconds"),
        seconds => format!("{} minutes", (seconds + 59) / 60),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn one_client_is_one_network() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("203.0.113.9"), of("::ffff:203.0.113.9"));
        assert_ne!(of("203.0.113.9"), of("203.0.113.10"));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    }

    #[test]
    fn an_account_is_counted_however_its_name_is_written() {
        assert_eq!(account(" Ada "), account("ada"));
        assert_eq!(account("a\0b\u{202e}"), "a?b?");
        assert_eq!(
            account(&"x".repeat(1_000_000)).len(),
            65,
            "one more than any name has"
        );
    }

    #[test]
    fn the_wait_is_said_in_words_and_never_too_short() {
        for (seconds, words) in [
            (0.2, "1 second"),
            (59.1, "60 seconds"),
            (90.0, "90 seconds"),
            (90.1, "2 minutes"),
            (899.5, "15 minutes"),
        ] {
            assert_eq!(wait_words(seconds), words);
        }
    }
}
