//! Deployments that people and programs tell of, as marks on the charts.

use chrono::{TimeDelta, Utc};
use contract::{
    Code, Fault, Instant,
    audit::{AuditEntry, AuditQuery, Outcome},
    deployment::{NewDeployment, NewToken},
    history::{HistoryQuery, MarkKind, Range, Span},
    session::Role,
};
use engine::{Caller, Engine, EngineConfig, config::TargetConfig};
use testkit::shared;

use crate::support;

fn new(version: &str) -> NewDeployment {
    NewDeployment {
        version: Some(version.to_owned()),
        ..NewDeployment::default()
    }
}

fn token(name: &str, target: Option<&str>) -> NewToken {
    NewToken {
        name: name.to_owned(),
        target: target.map(str::to_owned),
    }
}

async fn audited(engine: &Engine, caller: &Caller, event: &str) -> Vec<AuditEntry> {
    let query = AuditQuery {
        event_type: Some(event.to_owned()),
        ..AuditQuery::default()
    };
    engine.audit().export(caller, query).await.unwrap()
}

async fn marks(engine: &Engine, caller: &Caller, target: &str) -> Vec<(MarkKind, String, Option<String>)> {
    let query = HistoryQuery {
        target: target.to_owned(),
        table: None,
        charts: None,
        range: Range::Last(Span::Day),
        before: false,
    };
    let view = engine.history().view(caller, query).await.unwrap();
    let marks = view.marks.into_iter();
    marks.map(|mark| (mark.kind, mark.label, mark.page)).collect()
}

fn refused<T>(outcome: engine::Result<T>) -> Fault {
    match outcome {
        Ok(_) => panic!("it was allowed"),
        Err(error) => error.fault(),
    }
}

#[tokio::test]
async fn what_was_deployed_stands_on_the_charts_until_it_is_taken_back() {
    let database = shared().await.database("deployed").await;
    let console = support::engine(&database, false).await;
    let operator = support::caller(&console, Role::Operator).await;
    let viewer = support::caller(&console, Role::Viewer).await;
    let deployments = console.deployment();
    let at: Instant = Utc::now() - TimeDelta::minutes(30);
    let full = NewDeployment {
        note: Some("new check-out\nfor all".into()),
        link: Some("https://ci.example/run/7".into()),
        at: Some(at),
        ..new("shop 1.4.2")
    };
    assert_eq!(
        refused(deployments.tell(&viewer, full.clone()).await).code,
        Code::Forbidden
    );
    let told = deployments.tell(&operator, full.clone()).await.unwrap();
    assert_eq!(
        (told.target.as_str(), told.told_by.as_str()),
        ("main", "operator")
    );
    let again = deployments.tell(&operator, full).await.unwrap();
    assert_eq!(again.id, told.id, "told twice, it was one");
    let later = deployments.tell(&operator, new("shop 1.4.3")).await.unwrap();
    assert_eq!(
        marks(&console, &viewer, "main").await,
        [
            (
                MarkKind::Deployment,
                "Deployment shop 1.4.2: new check-out for all".to_owned(),
                Some("https://ci.example/run/7".to_owned())
            ),
            (MarkKind::Deployment, "Deployment shop 1.4.3".to_owned(), None),
        ]
    );
    let listed = deployments.list(&viewer, "main").await.unwrap();
    let ids: Vec<i64> = listed.iter().map(|told| told.id).collect();
    assert_eq!(ids, [later.id, told.id]);

    for (wrong, field) in [
        (NewDeployment::default(), "version"),
        (
            NewDeployment {
                link: Some("javascript:alert(1)".into()),
                ..new("x")
            },
            "link",
        ),
        (
            NewDeployment {
                at: Some(Utc::now() + TimeDelta::days(1)),
                ..new("x")
            },
            "at",
        ),
    ] {
        let fault = refused(deployments.tell(&operator, wrong).await);
        assert_eq!((fault.code, fault.field.as_deref()), (Code::Invalid, Some(field)));
    }
    let gone = deployments.remove(&operator, "main", told.id).await.unwrap();
    assert_eq!(gone.words(), "Deployment shop 1.4.2: new check-out for all");
    assert_eq!(
        refused(deployments.remove(&operator, "main", told.id).await).code,
        Code::NotFound
    );
    assert_eq!(marks(&console, &viewer, "main").await.len(), 1);
    assert_eq!(audited(&console, &viewer, "deployment.tell").await.len(), 3);
    let removed = audited(&console, &viewer, "deployment.remove").await;
    assert_eq!(removed[0].user.as_deref(), Some("operator"));
    console.close().await;
}

#[tokio::test]
async fn a_token_tells_of_what_it_is_for_and_nothing_once_it_is_revoked() {
    let cluster = shared().await;
    let (one, other) = (
        cluster.database("deployed").await,
        cluster.database("other").await,
    );
    let base = support::engine(&one, false).await;
    let mut config: EngineConfig = base.config.clone();
    config.targets.push(TargetConfig {
        name: "other".to_owned(),
        options: other.socket_options(),
        ..config.targets[0].clone()
    });
    base.close().await;
    let console = Engine::open(config).await.unwrap();
    let administrator = support::caller(&console, Role::Administrator).await;
    let operator = support::caller(&console, Role::Operator).await;
    let deployments = console.deployment();
    assert_eq!(
        refused(deployments.make_token(&operator, token("ci", None)).await).code,
        Code::Forbidden
    );
    assert_eq!(refused(deployments.tokens(&operator).await).code, Code::Forbidden);
    let made = deployments
        .make_token(&administrator, token("ci", Some("main")))
        .await
        .unwrap();
    let taken = refused(deployments.make_token(&administrator, token("CI", None)).await);
    assert_eq!(
        (taken.code, taken.field.as_deref()),
        (Code::Conflict, Some("name"))
    );
    let unknown = refused(
        deployments
            .make_token(&administrator, token("x", Some("nobody")))
            .await,
    );
    assert_eq!(unknown.code, Code::NotFound);

    let prove = |text: &str| deployments.prove(Some(text.to_owned().into()), Some([192, 0, 2, 7].into()));
    let teller = prove(&made.token).await.unwrap();
    let told = deployments.tell_by_token(&teller, new("1.0")).await.unwrap();
    assert_eq!(
        (told.target.as_str(), told.told_by.as_str()),
        ("main", "token ci")
    );
    let elsewhere = NewDeployment {
        target: Some("other".into()),
        ..new("1.0")
    };
    let fault = refused(deployments.tell_by_token(&teller, elsewhere.clone()).await);
    assert_eq!(
        (fault.code, fault.field.as_deref()),
        (Code::Forbidden, Some("target"))
    );
    assert_eq!(marks(&console, &operator, "other").await, []);

    // One for any of several must say which.
    let any = deployments
        .make_token(&administrator, token("any", None))
        .await
        .unwrap();
    let teller = prove(&any.token).await.unwrap();
    let fault = refused(deployments.tell_by_token(&teller, new("1.0")).await);
    assert_eq!(
        (fault.code, fault.field.as_deref()),
        (Code::Invalid, Some("target"))
    );
    let told = deployments.tell_by_token(&teller, elsewhere).await.unwrap();
    assert_eq!(told.target, "other");

    let views = deployments.tokens(&administrator).await.unwrap();
    let used: Vec<(&str, Option<&str>)> = views
        .iter()
        .map(|view| (view.name.as_str(), view.used_from.as_deref()))
        .collect();
    assert_eq!(used, [("any", Some("192.0.2.7")), ("ci", Some("192.0.2.7"))]);

    deployments
        .revoke_token(&administrator, "ci".to_owned())
        .await
        .unwrap();
    let altered = format!("{}A", &any.token[..any.token.len() - 1]);
    let mixed = format!("{}{}", &any.token[..37], &made.token[37..]);
    for wrong in [made.token.as_str(), &mixed, "", "pgsd_x"] {
        assert_eq!(refused(prove(wrong).await).code, Code::Unauthenticated, "{wrong}");
    }
    if altered != any.token {
        assert_eq!(refused(prove(&altered).await).code, Code::Unauthenticated);
    }
    assert_eq!(
        refused(deployments.prove(None, None).await).code,
        Code::Unauthenticated
    );
    let told = audited(&console, &operator, "deployment.tell").await;
    let denied: Vec<&AuditEntry> = told
        .iter()
        .filter(|entry| entry.outcome == Outcome::Denied)
        .collect();
    assert_eq!(
        denied.len(),
        1,
        "refusals in a row are counted as one: {denied:?}"
    );
    let all = console
        .audit()
        .export(&administrator, AuditQuery::default())
        .await
        .unwrap();
    for secret in [&made.token[38..], &any.token[38..]] {
        assert!(
            !format!("{all:?}").contains(secret),
            "a token is in the audit log"
        );
    }
    console.close().await;
}
