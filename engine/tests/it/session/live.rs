//! Until when a session is good.

use contract::{
    Code,
    session::{PasswordChange, Permission, Role},
};

use super::{code, console, refusal, root, support::PASSWORD};

#[tokio::test]
async fn every_request_sees_the_row_as_it_is_now() {
    let test = console().await;
    test.add("ada", Role::Administrator).await;
    let tokens = test.log_in("ada").await;
    assert_eq!(test.proven(&tokens).await.unwrap().role(), Role::Administrator);
    test.sql("update users set role = 'viewer', must_change_password = true")
        .await;
    let caller = test.proven(&tokens).await.unwrap();
    assert_eq!(caller.role(), Role::Viewer);
    assert!(
        caller.permit(Permission::ViewTarget).is_err(),
        "the password must be changed first"
    );
    assert!(caller.permit(Permission::OwnAccount).is_ok());
    assert!(test.console.session().still_live(&caller).await);
    test.sql("update users set disabled = true").await;
    assert!(test.proven(&tokens).await.is_none());
    assert!(test.refreshed(&tokens).await.is_none());
    assert!(!test.console.session().still_live(&caller).await);
    test.sql("update users set disabled = false").await;
    assert!(test.proven(&tokens).await.is_some());
    test.sql("delete from users").await;
    assert!(test.proven(&tokens).await.is_none());
}

#[tokio::test]
async fn a_session_ends_when_idle_and_when_old() {
    let test = console().await;
    test.add("ada", Role::Viewer).await;
    let tokens = test.log_in("ada").await;
    test.sql("update sessions set last_seen_at = now() - interval '29 minutes'")
        .await;
    assert!(test.proven(&tokens).await.is_some());
    let seen = "select (now() - last_seen_at < interval '1 minute')::text from sessions";
    assert_eq!(
        test.text(seen).await,
        "true",
        "the visit began the idle time anew"
    );
    test.sql("update sessions set last_seen_at = now() - interval '31 minutes'")
        .await;
    assert!(test.proven(&tokens).await.is_none());
    assert!(test.refreshed(&tokens).await.is_none());
    assert_eq!(test.text(seen).await, "false", "a dead session is not revived");

    let tokens = test.log_in("ada").await;
    test.sql("update sessions set absolute_expires_at = now()").await;
    assert!(test.proven(&tokens).await.is_none());
    assert!(test.refreshed(&tokens).await.is_none());
}

#[tokio::test]
async fn a_visit_is_noted_at_most_once_a_minute() {
    let test = console().await;
    test.add("ada", Role::Viewer).await;
    let tokens = test.log_in("ada").await;
    let seen = "select last_seen_at::text from sessions";
    test.sql("update sessions set last_seen_at = now() - interval '50 seconds'")
        .await;
    let before = test.text(seen).await;
    assert!(test.proven(&tokens).await.is_some());
    assert_eq!(test.text(seen).await, before);
    test.sql("update sessions set last_seen_at = now() - interval '70 seconds'")
        .await;
    let before = test.text(seen).await;
    assert!(test.proven(&tokens).await.is_some());
    assert_ne!(test.text(seen).await, before);
}

#[tokio::test]
async fn log_out_ends_one_session_and_end_sessions_all_the_others() {
    let test = console().await;
    test.add("ada", Role::Viewer).await;
    let session = test.console.session();
    let (one, two, three) = (
        test.log_in("ada").await,
        test.log_in("ada").await,
        test.log_in("ada").await,
    );
    let caller = test.proven(&one).await.unwrap();
    let views = session.sessions(&caller).await.unwrap();
    assert_eq!(
        (views.len(), views.iter().filter(|view| view.current).count()),
        (3, 1)
    );
    session.log_out(&caller).await.unwrap();
    assert!(test.proven(&one).await.is_none() && test.refreshed(&one).await.is_none());
    session.log_out(&caller).await.unwrap();
    assert_eq!(
        test.number("select count(*) from audit_log where event_type = 'session.log_out'")
            .await,
        1
    );
    assert_eq!(
        session
            .end_sessions(&test.proven(&two).await.unwrap())
            .await
            .unwrap(),
        1
    );
    assert!(test.proven(&two).await.is_some());
    assert!(test.proven(&three).await.is_none());
    let refused = session.log_out(&root(&test.console)).await;
    assert_eq!(
        code(refusal(refused)),
        Some(Code::Conflict),
        "the command line has no session"
    );
}

#[tokio::test]
async fn one_s_own_sessions_are_told_apart_and_end_one_by_one() {
    let test = console().await;
    test.add("ada", Role::Viewer).await;
    test.add("bob", Role::Administrator).await;
    let session = test.console.session();
    let (here, there) = (test.log_in("ada").await, test.log_in("ada").await);
    let long = format!("Firefox 140 on Linux\n{}", "x".repeat(200));
    session.note_browser(&there, Some(&long)).await;
    let caller = test.proven(&here).await.unwrap();
    let views = session.sessions(&caller).await.unwrap();
    let other = views.iter().find(|view| !view.current).unwrap();
    let browser = other.browser.as_deref().unwrap();
    assert!(browser.starts_with("Firefox 140 on Linuxx"), "{browser}");
    assert_eq!(browser.chars().count(), 80);
    let own = views.iter().find(|view| view.current).unwrap();
    assert_eq!(own.browser, None, "nothing is made up");

    let bob = test.proven(&test.log_in("bob").await).await.unwrap();
    let not_his = session.end_session(&bob, other.id).await;
    assert_eq!(
        code(refusal(not_his)),
        Some(Code::NotFound),
        "not even an administrator"
    );
    session.end_session(&caller, other.id).await.unwrap();
    assert!(test.proven(&there).await.is_none() && test.refreshed(&there).await.is_none());
    assert!(test.proven(&here).await.is_some());
    let again = session.end_session(&caller, other.id).await;
    assert_eq!(code(refusal(again)), Some(Code::NotFound), "a session ends once");
    assert_eq!(
        test.number("select count(*) from audit_log where event_type = 'session.end_session'")
            .await,
        1
    );
}

#[tokio::test]
async fn a_password_change_ends_every_session_and_begins_one() {
    let test = console().await;
    test.add("ada", Role::Viewer).await;
    let session = test.console.session();
    let (other, own) = (test.log_in("ada").await, test.log_in("ada").await);
    test.sql("update users set must_change_password = true").await;
    let caller = test.proven(&own).await.unwrap();
    let change = |current: &str, new: &str| PasswordChange {
        current: current.to_owned(),
        new: new.to_owned(),
    };

    for (current, new, field) in [
        (PASSWORD, "short", "new"),
        (PASSWORD, "pgsteward2026", "new"),
        (PASSWORD, PASSWORD, "new"),
        ("not the current one", "seven foxes in a box", "current"),
    ] {
        let fault = refusal(session.change_password(&caller, change(current, new)).await).unwrap();
        assert_eq!(
            (fault.code, fault.field.as_deref()),
            (Code::Invalid, Some(field)),
            "{}",
            fault.message
        );
    }
    assert!(test.proven(&other).await.is_some(), "nothing has happened yet");

    let fresh = session
        .change_password(&caller, change(PASSWORD, "seven foxes in a box"))
        .await
        .unwrap();
    for old in [&own, &other] {
        assert!(test.proven(old).await.is_none() && test.refreshed(old).await.is_none());
    }
    let caller = test.proven(&fresh).await.unwrap();
    assert!(!caller.identity().must_change_password);
    assert!(test.refreshed(&fresh).await.is_some());
    assert_eq!(
        code(test.try_log_in("ada", PASSWORD).await),
        Some(Code::Unauthenticated)
    );
    assert_eq!(test.try_log_in("ada", "seven foxes in a box").await, None);

    // Two failures so far; a stolen session is no way to guess on.
    for _ in 0..3 {
        let fault = refusal(
            session
                .change_password(&caller, change("guess", "eight geese at sea"))
                .await,
        );
        assert_eq!(code(fault), Some(Code::Invalid));
    }
    let fault = refusal(
        session
            .change_password(&caller, change("seven foxes in a box", "eight geese at sea"))
            .await,
    );
    assert_eq!(code(fault), Some(Code::Busy));
}
