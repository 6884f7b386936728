#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};

use super::*;
use crate::session::hash::Hasher;

const KEY: &str = "5f0c1d3a9b7e4826a1c4d9e3b6f8072d";
const OTHER: &str = "0d82c6a17be94f35b8e0715fd3a9c264";

fn key(text: &str) -> Key {
    Key::new(&text.into(), "the test's key").unwrap()
}

fn keys(current: &str, previous: Option<&str>) -> Keys {
    Keys {
        current: key(current),
        previous: previous.map(key),
        hasher: Hasher::new(),
    }
}

fn proof() -> Proof {
    Proof {
        user: Uuid::now_v7(),
        session: Uuid::now_v7(),
    }
}

/// The claims of a good token, to be spoiled one by one.
fn claims() -> Value {
    let now = Utc::now().timestamp();
    json!({
        "iss": "pgsteward", "aud": "pgsteward", "purpose": "access", "sub": Uuid::now_v7(), "jti": Uuid::now_v7(),
        "iat": now, "nbf": now, "exp": now + 60,
    })
}

fn signed(algorithm: Algorithm, claims: &Value) -> String {
    jsonwebtoken::encode(
        &Header::new(algorithm),
        claims,
        &EncodingKey::from_secret(KEY.as_bytes()),
    )
    .unwrap()
}

fn accepted(claims: &Value) -> bool {
    keys(KEY, None).proof(&signed(Algorithm::HS256, claims)).is_some()
}

#[test]
fn a_token_proves_its_user_and_session() {
    let (keys, proof, now) = (keys(KEY, None), proof(), Utc::now());
    let token = keys.access(proof, now, now + ACCESS).unwrap();
    assert_eq!(keys.proof(token.expose_secret()), Some(proof));
    assert!(
        accepted(&claims()),
        "the claims that the other tests spoil are good"
    );
}

#[test]
fn every_claim_is_asked_for() {
    for name in ["iss", "aud", "purpose", "sub", "jti", "nbf", "exp"] {
        let mut without = claims();
        without.as_object_mut().unwrap().remove(name).unwrap();
        assert!(!accepted(&without), "{name} is missing");
    }
}

#[test]
fn a_wrong_claim_is_refused() {
    let now = Utc::now().timestamp();
    for (name, value) in [
        ("iss", json!("elsewhere")),
        ("aud", json!("another console")),
        ("purpose", json!("refresh")),
        ("sub", json!("admin")),
        ("exp", json!(now - 10)),
        ("exp", json!("tomorrow")),
        ("nbf", json!(now + 30)),
    ] {
        let mut wrong = claims();
        wrong[name] = value;
        assert!(!accepted(&wrong), "{name} = {}", wrong[name]);
    }
}

#[test]
fn a_token_is_good_for_no_longer_than_the_console_makes_them() {
    let (now, ten_years) = (Utc::now().timestamp(), 10 * 365 * 86_400);
    let longest = ACCESS.num_seconds();
    for (iat, exp, good) in [
        (now, now + longest, true),
        (now, now + longest + 1, false),
        (now, now + ten_years, false),
        // Nor by saying that it is made later.
        (now + ten_years - 60, now + ten_years, false),
        (i64::MAX, i64::MAX, false),
    ] {
        let mut claims = claims();
        claims["iat"] = json!(iat);
        claims["exp"] = json!(exp);
        assert_eq!(accepted(&claims), good, "iat {iat}, exp {exp}");
    }
}

#[test]
fn clocks_may_differ_by_a_few_seconds_only() {
    let now = Utc::now().timestamp();
    for (name, value, good) in [
        ("exp", now - 2, true),
        ("exp", now - 8, false),
        ("nbf", now + 3, true),
        ("nbf", now + 9, false),
    ] {
        let mut claims = claims();
        claims[name] = json!(value);
        assert_eq!(accepted(&claims), good, "{name} {}", value - now);
    }
}

#[test]
fn only_hs256_is_accepted() {
    let keys = keys(KEY, None);
    let good = signed(Algorithm::HS256, &claims());
    assert!(keys.proof(&good).is_some());
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        assert_eq!(keys.proof(&signed(algorithm, &claims())), None, "{algorithm:?}");
    }
    let parts: Vec<&str> = good.split('.').collect();
    // {"alg":"none","typ":"JWT"}
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    assert_eq!(keys.proof(&format!("{none}.{}.", parts[1])), None);
    assert_eq!(keys.proof(&format!("{none}.{}.{}", parts[1], parts[2])), None);
    assert_eq!(
        keys.proof(&format!("{}.{}.", parts[0], parts[1])),
        None,
        "no signature"
    );
}

#[test]
fn a_changed_or_foreign_token_is_refused() {
    let (mine, now) = (keys(KEY, None), Utc::now());
    let token = mine.access(proof(), now, now + ACCESS).unwrap();
    assert_eq!(
        keys(OTHER, None).proof(token.expose_secret()),
        None,
        "another key signed it"
    );
    let parts: Vec<&str> = token.expose_secret().split('.').collect();
    let other = mine.access(proof(), now, now + ACCESS).unwrap();
    let payload = other.expose_secret().split('.').nth(1).unwrap();
    assert_eq!(mine.proof(&format!("{}.{payload}.{}", parts[0], parts[2])), None);
    for text in ["", ".", "..", "a.b.c", &"x".repeat(100_000)] {
        assert_eq!(mine.proof(text), None);
    }
}

#[test]
fn tokens_of_the_previous_key_stay_good_and_new_ones_use_the_key_in_force() {
    let (old, now, proof) = (keys(OTHER, None), Utc::now(), proof());
    let (access, seed) = (old.access(proof, now, now + ACCESS).unwrap(), [7; 32]);
    let refresh = old.refresh(proof.session, 3, &seed).unwrap();
    let both = keys(KEY, Some(OTHER));
    assert_eq!(both.proof(access.expose_secret()), Some(proof));
    assert!(both.is_ours(&Refresh::parse(refresh.expose_secret()).unwrap(), &seed));

    let fresh = both.access(proof, now, now + ACCESS).unwrap();
    assert_eq!(keys(KEY, None).proof(fresh.expose_secret()), Some(proof));
    let gone = keys(KEY, None);
    assert_eq!(gone.proof(access.expose_secret()), None);
    assert!(!gone.is_ours(&Refresh::parse(refresh.expose_secret()).unwrap(), &seed));
}

#[test]
fn a_refresh_token_belongs_to_one_generation_of_one_session() {
    let (keys, session, seed) = (keys(KEY, None), Uuid::now_v7(), [1; 32]);
    let token = keys.refresh(session, 1, &seed).unwrap();
    let ours = |text: &str, seed: &[u8]| Refresh::parse(text).is_some_and(|token| keys.is_ours(&token, seed));
    assert!(ours(token.expose_secret(), &seed));
    assert!(!ours(token.expose_secret(), &[2; 32]), "another seed");
    assert!(
        !ours(&token.expose_secret().replace(".1.", ".2."), &seed),
        "another generation"
    );
    let foreign = token.expose_secret().replace(
        &session.simple().to_string(),
        &Uuid::now_v7().simple().to_string(),
    );
    assert!(!ours(&foreign, &seed), "another session");
    for text in [
        "",
        "..",
        "x.1.00",
        &format!("{}.-1.00", session.simple()),
        &format!("{}.1.zz", session.simple()),
    ] {
        assert!(Refresh::parse(text).is_none(), "{text}");
    }
    assert!(!ours(&format!("{}.1.", session.simple()), &seed), "no hash");
}
