//! Logging in: what it gives, what it tells, and what it leaves behind.

use contract::{
    Code,
    session::{Role, UserChange},
};
use secrecy::ExposeSecret;

use super::{HERE, console, root, support::PASSWORD, to};

#[tokio::test]
async fn a_log_in_gives_a_caller_with_the_users_role() {
    let test = console().await;
    test.add("Ada", Role::Operator).await;
    let tokens = test.log_in(" aDA ").await;
    let session = test.console.session();
    let caller = session
        .authenticate(tokens.access.expose_secret(), Some(HERE.parse().unwrap()))
        .await
        .unwrap();
    assert_eq!(
        (caller.name(), caller.role(), caller.address()),
        ("Ada", Role::Operator, Some(HERE))
    );
    assert!(!session.me(&caller).await.unwrap().must_change_password);
    let minutes = |until: contract::Instant| (until - chrono::Utc::now()).num_seconds().div_euclid(60) + 1;
    assert_eq!(
        (minutes(tokens.access_expires), minutes(tokens.session_expires)),
        (15, 12 * 60)
    );
    let view = session.users(&root(&test.console)).await.unwrap().remove(0);
    assert_eq!((view.sessions, view.last_login_at.is_some()), (1, true));
    assert_eq!(
        session
            .authenticate(tokens.refresh.expose_secret(), None)
            .await
            .unwrap_err()
            .fault()
            .code
            .status(),
        401
    );
}

#[tokio::test]
async fn who_does_not_exist_gets_the_same_answer_for_the_same_work() {
    let test = console().await;
    test.add("ada", Role::Viewer).await;
    test.add("gone", Role::Viewer).await;
    assert_eq!(
        test.change(UserChange {
            disabled: Some(true),
            ..to("gone")
        })
        .await,
        None
    );
    let mut answers = Vec::new();
    for (name, password) in [
        ("ada", "not her password"),
        ("nobody", PASSWORD),
        ("gone", PASSWORD),
        ("no such\0name", PASSWORD),
        ("", ""),
    ] {
        let before = test.hashes();
        answers.push(test.try_log_in(name, password).await.unwrap());
        assert_eq!(test.hashes() - before, 1, "{name:?}");
    }
    assert_eq!(answers[0].code, Code::Unauthenticated);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
}

#[tokio::test]
async fn the_audit_log_tells_log_ins_apart_and_floods_nobody() {
    let test = console().await;
    test.add("ada", Role::Viewer).await;
    let session = test.console.session();
    let here = Some(HERE.parse().unwrap());
    session.log_in("ADA", PASSWORD, here).await.unwrap();
    for _ in 0..5 {
        session.log_in("ada", "guess", here).await.unwrap_err();
    }
    for _ in 0..10 {
        session.log_in("ada", PASSWORD, here).await.unwrap_err();
    }
    session
        .log_in("my password by mistake", "guess", here)
        .await
        .unwrap_err();
    let summary =
        "select string_agg(format('%s %s %s %s %s', count, outcome, severity, user_name, address), E'\n')
                   from (
                       select count(*), outcome, severity, user_name, address
                       from audit_log
                       where event_type = 'session.log_in'
                       group by outcome, severity, user_name, address
                       order by min(id)
                   ) as entries";
    assert_eq!(
        test.text(summary).await,
        "1 success info ada 203.0.113.7\n5 failure warning ada 203.0.113.7\n\
         1 denied warning ada 203.0.113.7\n1 failure warning  203.0.113.7"
    );
    assert_eq!(
        test.number("select count(*) from audit_log where audit_log::text like '%mistake%'")
            .await,
        0
    );
}

#[tokio::test]
async fn the_store_holds_nothing_that_opens_a_session() {
    let test = console().await;
    test.add("ada", Role::Viewer).await;
    let tokens = test.log_in("ada").await;
    let rows = test
        .text("select concat((select string_agg(users::text, ' ') from users), (select string_agg(sessions::text, ' ') from sessions))")
        .await;
    let mac = tokens.refresh.expose_secret().rsplit('.').next().unwrap();
    assert!(!rows.contains(PASSWORD) && !rows.contains(mac) && !rows.contains(tokens.access.expose_secret()));
    assert!(
        !format!("{tokens:?}").contains(mac),
        "nor does a log that prints the tokens"
    );
}
