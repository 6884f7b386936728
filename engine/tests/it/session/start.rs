//! The first start, and the keys.

use std::fs;

use chrono::TimeDelta;
use contract::{
    Code,
    session::{PasswordChange, Role},
};
use engine::{Engine, EngineConfig, session::FirstAdministrator};
use secrecy::ExposeSecret;

use super::{console, refusal, support::PASSWORD};

#[tokio::test]
async fn of_two_first_starts_one_makes_the_administrator() {
    let test = console().await;
    let second_process = test.console.beside(false).await;
    let (one, two) = (test.console.session(), second_process.session());
    let held = test.hold("lock table users in share mode").await;
    let (one, two, ()) = tokio::join!(
        one.ensure_first_administrator(None),
        two.ensure_first_administrator(None),
        // Both have seen that there is no user when the first one can add it.
        test.let_go(held, 2),
    );
    let mut made = Vec::new();
    for outcome in [one.unwrap(), two.unwrap()] {
        match outcome {
            FirstAdministrator::MadeWithOneTimePassword { name, password, .. } => made.push((name, password)),
            FirstAdministrator::NotNeeded | FirstAdministrator::OneTimePasswordWaits { .. } => {}
            FirstAdministrator::Made { .. } => panic!("no password was given"),
        }
    }
    let [(name, password)] = &made[..] else {
        panic!("{} were made", made.len())
    };
    assert_eq!((name.as_str(), password.expose_secret().len()), ("admin", 20));
    let tokens = test
        .console
        .session()
        .log_in(name, password.expose_secret(), None)
        .await
        .unwrap();
    let admin = test.proven(&tokens).await.unwrap();
    assert_eq!(
        (admin.role(), admin.identity().must_change_password),
        (Role::Administrator, true)
    );
    assert_eq!(test.number("select count(*) from users").await, 1);
    second_process.close().await;
}

#[tokio::test]
async fn a_one_time_password_ends_unused_after_a_day_and_the_next_start_makes_another() {
    let test = console().await;
    let session = test.console.session();
    let one_time = async || match session.ensure_first_administrator(None).await.unwrap() {
        FirstAdministrator::MadeWithOneTimePassword { password, until, .. } => {
            let left = until - chrono::Utc::now();
            assert!(
                left <= TimeDelta::hours(24) && left > TimeDelta::hours(23),
                "{left}"
            );
            password.expose_secret().to_owned()
        }
        other => panic!("{other:?}"),
    };
    let first = one_time().await;
    let again = session.ensure_first_administrator(None).await.unwrap();
    assert!(
        matches!(again, FirstAdministrator::OneTimePasswordWaits { .. }),
        "a restart leaves a password that is still good: {again:?}"
    );
    test.sql("update users set password_expires_at = now() - interval '1 second'")
        .await;
    assert_eq!(
        super::code(test.try_log_in("admin", &first).await),
        Some(Code::Unauthenticated)
    );
    let second = one_time().await;
    assert_eq!(
        super::code(test.try_log_in("admin", &first).await),
        Some(Code::Unauthenticated)
    );
    let tokens = session.log_in("admin", &second, None).await.unwrap();
    let admin = test.proven(&tokens).await.unwrap();
    assert!(admin.identity().must_change_password);
    // Once it was used for what it is for, it is a password like any other.
    let change = PasswordChange {
        current: second,
        new: PASSWORD.to_owned(),
    };
    session.change_password(&admin, change).await.unwrap();
    test.sql("update users set last_login_at = now() - interval '2 days'")
        .await;
    let later = session.ensure_first_administrator(None).await.unwrap();
    assert!(matches!(later, FirstAdministrator::NotNeeded), "{later:?}");
    assert_eq!(test.try_log_in("admin", PASSWORD).await, None);
}

#[tokio::test]
async fn the_first_administrators_password_can_be_given() {
    let test = console().await;
    let session = test.console.session();
    let fault = refusal(session.ensure_first_administrator(Some("admin".into())).await).unwrap();
    assert_eq!(
        (fault.code, fault.field.as_deref()),
        (Code::Invalid, Some("password"))
    );
    let made = session
        .ensure_first_administrator(Some(PASSWORD.into()))
        .await
        .unwrap();
    assert!(matches!(made, FirstAdministrator::Made { .. }), "{made:?}");
    assert!(
        !test
            .proven(&test.log_in("admin").await)
            .await
            .unwrap()
            .identity()
            .must_change_password
    );
    let again = session
        .ensure_first_administrator(Some("another one entirely".into()))
        .await
        .unwrap();
    assert!(matches!(again, FirstAdministrator::NotNeeded));
    assert_eq!(test.try_log_in("admin", PASSWORD).await, None);
}

#[tokio::test]
async fn a_change_of_keys_logs_nobody_out_until_the_previous_one_is_removed() {
    let test = console().await;
    test.add("ada", Role::Viewer).await;
    let tokens = test.log_in("ada").await;
    let data = &test.console.config.data_dir;
    let (key, previous) = (data.join("jwt.key"), data.join("jwt.key.previous"));
    fs::rename(&key, &previous).unwrap();

    let rotated = test.console.beside(false).await;
    assert!(key.exists(), "a new key was made");
    let access = tokens.access.expose_secret();
    assert!(rotated.session().authenticate(access, None).await.is_ok());
    let fresh = rotated
        .session()
        .refresh(tokens.refresh.expose_secret(), None)
        .await
        .unwrap();
    rotated.close().await;

    fs::remove_file(&previous).unwrap();
    let later = test.console.beside(false).await;
    assert!(later.session().authenticate(access, None).await.is_err());
    assert!(
        later
            .session()
            .authenticate(fresh.access.expose_secret(), None)
            .await
            .is_ok()
    );
    assert!(
        later
            .session()
            .refresh(fresh.refresh.expose_secret(), None)
            .await
            .is_ok()
    );
    later.close().await;
}

#[tokio::test]
async fn a_configured_key_is_used_instead_of_the_file_and_must_be_strong() {
    let test = console().await;
    test.add("ada", Role::Viewer).await;
    let with = |key: &str| EngineConfig {
        jwt_secret: Some(key.into()),
        ..test.console.config.clone()
    };
    for weak in ["tooshort", "changeme-changeme-changeme-changeme"] {
        let fault = refusal(Engine::open(with(weak)).await).unwrap();
        assert_eq!(fault.code, Code::Internal);
        assert!(!fault.message.contains(weak) && fault.hint.unwrap().contains("openssl rand -hex 32"));
    }
    let key = "5f0c1d3a9b7e4826a1c4d9e3b6f8072d";
    let (one, two) = (
        Engine::open(with(key)).await.unwrap(),
        Engine::open(with(key)).await.unwrap(),
    );
    let tokens = one.session().log_in("ada", PASSWORD, None).await.unwrap();
    assert!(
        two.session()
            .authenticate(tokens.access.expose_secret(), None)
            .await
            .is_ok()
    );
    assert!(test.proven(&tokens).await.is_none(), "the file holds another key");
    one.close().await;
    two.close().await;
}
