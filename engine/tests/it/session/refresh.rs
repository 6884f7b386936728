//! New tokens for old.

use contract::{Code, session::Role};
use engine::Engine;
use secrecy::ExposeSecret;

use super::{code, console, refusal};

#[tokio::test]
async fn a_refresh_uses_its_token_up() {
    let test = console().await;
    test.add("ada", Role::Viewer).await;
    let first = test.log_in("ada").await;
    let second = test.refreshed(&first).await.unwrap();
    assert_ne!(first.refresh.expose_secret(), second.refresh.expose_secret());
    assert_eq!(
        first.session_expires, second.session_expires,
        "the absolute end stays"
    );
    assert!(test.proven(&second).await.is_some());

    // The other requests of the same tab, still on their way with the token before.
    let parallel = test.refreshed(&first).await.unwrap();
    assert_eq!(parallel.refresh.expose_secret(), second.refresh.expose_secret());
    assert!(test.proven(&parallel).await.is_some());

    let third = test.refreshed(&second).await.unwrap();
    assert!(test.proven(&third).await.is_some());
    assert_eq!(
        test.number("select count(*) from audit_log where outcome = 'denied'")
            .await,
        0
    );
}

#[tokio::test]
async fn requests_that_refresh_at_once_all_get_the_same_new_token() {
    let test = console().await;
    test.add("ada", Role::Viewer).await;
    let second_process = test.console.beside(false).await;
    let tokens = test.log_in("ada").await;
    let old = tokens.refresh.expose_secret();
    let refreshes = futures::future::join_all((0..10).map(|number| {
        let engine: &Engine = if number % 2 == 0 {
            &test.console
        } else {
            &second_process
        };
        async move {
            engine
                .session()
                .refresh(old, None)
                .await
                .unwrap()
                .refresh
                .expose_secret()
                .to_owned()
        }
    }));
    let held = test.hold("select from sessions for update").await;
    let (new, ()) = tokio::join!(refreshes, test.let_go(held, 10));
    assert!(
        new.iter().all(|token| *token == new[0] && token != old),
        "{new:?}"
    );
    second_process.close().await;
}

#[tokio::test]
async fn a_used_up_refresh_token_ends_the_session() {
    let test = console().await;
    test.add("ada", Role::Viewer).await;
    for older in [false, true] {
        let first = test.log_in("ada").await;
        let mut latest = test.refreshed(&first).await.unwrap();
        if older {
            // Two generations back there is no grace.
            latest = test.refreshed(&latest).await.unwrap();
        } else {
            test.sql("update sessions set rotated_at = rotated_at - interval '21 seconds'")
                .await;
        }
        let watcher = test.proven(&latest).await.unwrap();
        assert!(test.refreshed(&first).await.is_none());
        assert!(
            test.proven(&latest).await.is_none(),
            "its access tokens open nothing any more"
        );
        assert!(
            test.refreshed(&latest).await.is_none(),
            "nor does the newest refresh token"
        );
        assert!(!test.console.session().still_live(&watcher).await);
    }
    let logged = "select count(*) from audit_log
                  where event_type = 'session.refresh' and severity = 'warning' and outcome = 'denied' and user_name = 'ada'";
    assert_eq!(test.number(logged).await, 2);
    assert_eq!(
        test.number("select count(*) from sessions where end_reason = 'refresh_reused'")
            .await,
        2
    );
}

#[tokio::test]
async fn a_made_up_refresh_token_does_the_session_no_harm() {
    let test = console().await;
    test.add("ada", Role::Viewer).await;
    let tokens = test.log_in("ada").await;
    let newer = test.refreshed(&tokens).await.unwrap();
    test.sql("update sessions set rotated_at = rotated_at - interval '1 hour'")
        .await;
    let (session, rest) = newer.refresh.expose_secret().split_once('.').unwrap();
    let mac = rest.split_once('.').unwrap().1;
    for made_up in [
        format!("{session}.0.{mac}"),
        format!("{session}.0."),
        format!("{session}.7.{mac}"),
        "x".to_owned(),
    ] {
        let refused = test.console.session().refresh(&made_up, None).await;
        assert_eq!(code(refusal(refused)), Some(Code::Unauthenticated));
    }
    assert!(test.refreshed(&newer).await.is_some());
}
