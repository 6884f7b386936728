//! What administrators do with users.

use contract::{
    Code,
    session::{NewUser, Role, UserChange},
};

use super::{
    code, console, refusal, root,
    support::{PASSWORD, caller},
    to,
};

#[tokio::test]
async fn an_administrators_change_acts_at_once() {
    let test = console().await;
    test.add("ada", Role::Operator).await;
    let session = test.console.session();
    let new_password = "seven foxes in a box";
    for (password, change) in [
        (
            PASSWORD,
            UserChange {
                role: Some(Role::Viewer),
                ..to("ADA")
            },
        ),
        (
            PASSWORD,
            UserChange {
                password: Some(new_password.to_owned()),
                ..to("ada")
            },
        ),
        (
            new_password,
            UserChange {
                disabled: Some(true),
                ..to("ada")
            },
        ),
    ] {
        let tokens = session.log_in("ada", password, None).await.unwrap();
        assert!(test.proven(&tokens).await.is_some());
        assert_eq!(test.change(change).await, None);
        assert!(test.proven(&tokens).await.is_none() && test.refreshed(&tokens).await.is_none());
    }
    let view = session.users(&root(&test.console)).await.unwrap().remove(0);
    assert_eq!((view.role, view.disabled, view.sessions), (Role::Viewer, true, 0));
    assert_eq!(
        test.text("select must_change_password::text from users").await,
        "true",
        "after a password set by another"
    );
    assert_eq!(
        code(test.change(to("ada")).await),
        Some(Code::Invalid),
        "nothing to change"
    );
    let missing = test
        .change(UserChange {
            disabled: Some(true),
            ..to("eve")
        })
        .await;
    assert_eq!(code(missing), Some(Code::NotFound));
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let test = console().await;
    test.add("ada", Role::Administrator).await;
    test.add("bob", Role::Administrator).await;
    assert_eq!(
        test.change(UserChange {
            disabled: Some(true),
            ..to("bob")
        })
        .await,
        None
    );
    for change in [
        UserChange {
            role: Some(Role::Operator),
            ..to("ada")
        },
        UserChange {
            disabled: Some(true),
            ..to("ada")
        },
        UserChange {
            role: Some(Role::Viewer),
            disabled: Some(true),
            ..to("ada")
        },
    ] {
        assert_eq!(
            code(test.change(change).await),
            Some(Code::Conflict),
            "a disabled one does not count"
        );
    }
    assert_eq!(
        test.change(UserChange {
            disabled: Some(false),
            ..to("bob")
        })
        .await,
        None
    );

    // Two administrators who remove each other at the same moment: one is too late.
    for _ in 0..5 {
        let demote = |name| {
            test.change(UserChange {
                role: Some(Role::Viewer),
                ..to(name)
            })
        };
        let (ada, bob) = tokio::join!(demote("ada"), demote("bob"));
        assert_eq!(
            [&ada, &bob].into_iter().filter(|fault| fault.is_none()).count(),
            1,
            "{ada:?} {bob:?}"
        );
        test.sql("update users set role = 'administrator'").await;
    }
}

#[tokio::test]
async fn nobody_disables_themselves_or_sets_their_own_password_unproven() {
    let test = console().await;
    test.add("ada", Role::Administrator).await;
    test.add("bob", Role::Administrator).await;
    let ada = test.proven(&test.log_in("ada").await).await.unwrap();
    for change in [
        UserChange {
            disabled: Some(true),
            ..to("ADA")
        },
        UserChange {
            password: Some("seven foxes in a box".to_owned()),
            ..to("ada")
        },
    ] {
        let refused = test.console.session().change_user(&ada, change).await;
        assert_eq!(code(refusal(refused)), Some(Code::Conflict));
    }
    assert!(test.console.session().still_live(&ada).await);
}

#[tokio::test]
async fn only_administrators_keep_the_users() {
    let test = console().await;
    for role in [Role::Viewer, Role::Operator] {
        let someone = caller(&test.console, role).await;
        let session = test.console.session();
        let new = NewUser {
            name: "eve".to_owned(),
            role: Role::Administrator,
            password: PASSWORD.to_owned(),
            must_change_password: false,
        };
        assert_eq!(
            code(refusal(session.users(&someone).await)),
            Some(Code::Forbidden)
        );
        assert_eq!(
            code(refusal(session.add_user(&someone, new).await)),
            Some(Code::Forbidden)
        );
        let change = UserChange {
            role: Some(Role::Administrator),
            ..to(role.name())
        };
        assert_eq!(
            code(refusal(session.change_user(&someone, change).await)),
            Some(Code::Forbidden)
        );
    }
    assert_eq!(test.number("select count(*) from users").await, 2);
    assert_eq!(
        caller(&test.console, Role::Administrator).await.name(),
        "cli:test"
    );
}

#[tokio::test]
async fn a_new_user_needs_a_free_name_and_a_good_password() {
    let test = console().await;
    test.add("Ada", Role::Viewer).await;
    for (name, password, expected, field) in [
        ("aDa", PASSWORD, Code::Conflict, "name"),
        ("cli:root", PASSWORD, Code::Invalid, "name"),
        ("", PASSWORD, Code::Invalid, "name"),
        ("bob", "password1", Code::Invalid, "password"),
        ("bob.builder", "Bob.Builder1", Code::Invalid, "password"),
    ] {
        let new = NewUser {
            name: name.to_owned(),
            role: Role::Viewer,
            password: password.to_owned(),
            must_change_password: false,
        };
        let fault = refusal(test.console.session().add_user(&root(&test.console), new).await).unwrap();
        assert_eq!(
            (fault.code, fault.field.as_deref()),
            (expected, Some(field)),
            "{}",
            fault.message
        );
        assert!(fault.hint.is_some());
    }
    assert_eq!(test.number("select count(*) from users").await, 1);
}
