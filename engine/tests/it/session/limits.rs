//! How often a password may be tried.

use std::net::IpAddr;

use contract::{
    Code,
    session::{Role, UserChange},
};

use super::{HERE, code, console, refusal, support::PASSWORD, to};

#[tokio::test]
async fn after_five_failures_an_account_waits_wherever_the_tries_come_from() {
    let test = console().await;
    test.add("ada", Role::Viewer).await;
    test.add("bob", Role::Viewer).await;
    test.log_in("ada").await;
    for name in ["ada", "ADA", "ada", "Ada ", "ada"] {
        assert_eq!(
            code(test.try_log_in(name, "guess").await),
            Some(Code::Unauthenticated)
        );
    }
    let before = test.hashes();
    let fault = test.try_log_in("ada", PASSWORD).await.unwrap();
    assert_eq!(
        (fault.code, fault.hint.as_deref()),
        (Code::Busy, Some("Wait 15 minutes and try again."))
    );
    assert_eq!(test.hashes(), before, "the password was not even looked at");
    let second_process = test.console.beside(false).await;
    let elsewhere = second_process
        .session()
        .log_in("ada", PASSWORD, Some(HERE.parse().unwrap()))
        .await;
    assert_eq!(
        code(refusal(elsewhere)),
        Some(Code::Busy),
        "the count is the store's"
    );
    second_process.close().await;
    test.log_in("bob").await;

    // A name that nobody has behaves the same.
    for _ in 0..5 {
        assert_eq!(
            code(test.try_log_in("nobody", "guess").await),
            Some(Code::Unauthenticated)
        );
    }
    assert_eq!(code(test.try_log_in("nobody", "guess").await), Some(Code::Busy));

    test.sql("update login_attempts set at = at - interval '14 minutes'")
        .await;
    let hint = test.try_log_in("ada", PASSWORD).await.unwrap().hint.unwrap();
    assert!(hint.ends_with("seconds and try again."), "{hint}");
    test.sql("update login_attempts set at = at - interval '61 seconds'")
        .await;
    test.log_in("ada").await;
}

#[tokio::test]
async fn tries_at_once_do_not_slip_through_the_limit() {
    let test = console().await;
    test.add("ada", Role::Viewer).await;
    let before = test.hashes();
    let tries = (0..12).map(|_| test.try_log_in("ada", "guess"));
    let codes: Vec<Code> = futures::future::join_all(tries)
        .await
        .into_iter()
        .map(|fault| fault.unwrap().code)
        .collect();
    assert_eq!(
        codes
            .iter()
            .filter(|code| **code == Code::Unauthenticated)
            .count(),
        5
    );
    assert_eq!(codes.iter().filter(|code| **code == Code::Busy).count(), 7);
    assert_eq!(test.hashes() - before, 5);
}

#[tokio::test]
async fn an_address_has_twenty_tries_a_minute_for_all_names_together() {
    let test = console().await;
    test.add("ada", Role::Viewer).await;
    let session = test.console.session();
    let from = |address: &str| Some(address.parse::<IpAddr>().unwrap());
    for number in 0..20 {
        // One client of IPv6 has a whole /64 to itself.
        let address = from(&format!("2001:db8::{number:x}"));
        let fault = refusal(session.log_in(&format!("name-{number}"), "guess", address).await);
        assert_eq!(code(fault), Some(Code::Unauthenticated));
    }
    let fault = refusal(session.log_in("ada", PASSWORD, from("2001:db8::ffff")).await).unwrap();
    assert_eq!(fault.code, Code::Busy);
    assert!(fault.hint.unwrap().contains("seconds"));
    session
        .log_in("ada", PASSWORD, from("2001:db8:0:1::1"))
        .await
        .unwrap();
    session.log_in("ada", PASSWORD, None).await.unwrap();
    test.sql("update login_attempts set at = at - interval '1 minute'")
        .await;
    session
        .log_in("ada", PASSWORD, from("2001:db8::ffff"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_password_set_by_an_administrator_lifts_the_wait() {
    let test = console().await;
    test.add("ada", Role::Viewer).await;
    for _ in 0..5 {
        test.try_log_in("ada", "guess").await.unwrap();
    }
    assert_eq!(code(test.try_log_in("ada", PASSWORD).await), Some(Code::Busy));
    assert_eq!(
        test.change(UserChange {
            password: Some("seven foxes in a box".to_owned()),
            ..to("ada")
        })
        .await,
        None
    );
    assert_eq!(test.try_log_in("ada", "seven foxes in a box").await, None);
}
