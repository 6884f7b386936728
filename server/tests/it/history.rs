//! `pgsteward history` and `pgsteward deployment` beside the pages that show the same.

use contract::deployment::HOOK;
use reqwest::{StatusCode, redirect::Policy};
use serde_json::Value;
use sqlx::PgPool;

use crate::program::Home;

/// Three minutes of 5, 4 and 3 commits a second, with a rollback each ten seconds.
async fn measure(store: &PgPool, target: &str) {
    let kept = sqlx::query(
        "insert into history (series_id, subject, step_s, at, sums, weights, peaks)
         select id, '', 60, date_trunc('minute', now()) - make_interval(mins => step),
                array[step * 60, 6]::float8[], array[60, 60]::real[], array[null, null]::real[]
           from series, generate_series(3, 5) as step
          where name = $1",
    )
    .bind(target)
    .execute(store)
    .await
    .unwrap();
    assert_eq!(kept.rows_affected(), 3);
}

#[tokio::test]
async fn commands_show_the_numbers_of_the_charts_and_tell_of_deployments() {
    let cluster = testkit::shared().await;
    let (store, database) = (cluster.database("store").await, cluster.database("charted").await);
    let target = database.name();
    let home = Home::new()
        .with("DATABASE_URL", &database.url())
        .with("PGSTEWARD_STORE_URL", &store.url())
        .with("PGSTEWARD_ADMIN_PASSWORD", "nine boats on a lake");
    let told = home.json(&[
        "deployment",
        "add",
        "--version",
        "shop 1.4.2",
        "--note",
        "new check-out",
    ]);
    assert_eq!(told["target"], target);
    measure(&store.pool().await, target).await;

    let whole = home.json(&["history", target, "--range", "1h"]);
    let charts = whole["charts"].as_array().unwrap();
    let chart = |key: &str| charts.iter().find(|chart| chart["key"] == key).unwrap();
    let values: Vec<f64> = chart("transactions")["series"][0]["values"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_f64)
        .collect();
    assert_eq!(values, [5.0, 4.0, 3.0]);
    let csv = home.run(&["history", "--csv", "--metric", "transactions"]);
    let lines: Vec<&str> = csv.out.lines().collect();
    assert_eq!(lines[0], "time,chart,series,value,week_before");
    assert_eq!(lines.len(), 7, "{}", csv.out);
    assert!(lines[1].ends_with("Z,transactions,commits,5,"), "{}", csv.out);
    assert!(lines[6].ends_with("Z,transactions,rollbacks,0.1,"), "{}", csv.out);
    let words = home.run(&["history", "--metric", "transactions"]).out;
    assert!(words.contains("5/s") && words.contains("0.1/s"), "{words}");
    assert!(
        words.contains("Meanwhile:") && words.contains("Deployment shop 1.4.2: new check-out"),
        "{words}"
    );
    let short = home.run(&["history", "--range", "15m"]).out;
    let line = short
        .lines()
        .find(|line| line.starts_with("transactions"))
        .unwrap();
    let cells: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(cells, ["transactions", "commits", "3/s", "3/s", "5/s"]);
    for (wrong, said) in [
        (&["history", "--metric", "nothing"][..], "transactions"),
        (&["history", "--csv", "--json"], "--csv"),
        (&["history", "one", "--target", "two"], "two databases"),
        (&["history", "--range", "2h"], "15m, 1h"),
        (&["history", "--from", "2026-11-30T05:00:00Z"], "--to"),
    ] {
        let done = home.run(wrong);
        assert!(
            done.code == 2 && done.err.contains(said),
            "{wrong:?}: {} {}",
            done.code,
            done.err
        );
    }
    let unknown = home.run(&["history", "--table", "public.nosuch"]);
    assert!(
        unknown.code == 1 && unknown.err.contains("There is no table public.nosuch in"),
        "{} {}",
        unknown.code,
        unknown.err
    );
    let nothing = home.run(&["deployment", "add"]);
    assert!(
        nothing.code == 1 && nothing.err.contains("what was deployed") && nothing.err.contains("hint: "),
        "{}",
        nothing.err
    );

    // The page says the same, the log-in leads to it, and the command's token opens the webhook.
    let token = home.run(&["deployment", "token", "add", "ci"]);
    let token = token.out.trim();
    assert!(token.starts_with("pgsd_"), "{token}");
    let console = home.serve();
    let client = reqwest::Client::builder()
        .redirect(Policy::none())
        .build()
        .unwrap();
    let form = async |next: &str| {
        let request = client
            .post(format!("{}/rpc/log_in", console.url))
            .header("origin", &console.url)
            .header("accept", "text/html")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("name=admin&password=nine+boats+on+a+lake{next}"));
        request.send().await.unwrap()
    };
    let led = async |next: &str| {
        form(next).await.headers()["location"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    let home_of_one = format!("/db/{target}/");
    assert_eq!(led("").await, home_of_one);
    assert_eq!(led("&next=").await, home_of_one);
    assert_eq!(led("&next=%2F").await, "/");
    assert_eq!(led("&next=%2Fjobs").await, "/jobs");
    let cookies: Vec<String> = form("")
        .await
        .headers()
        .get_all("set-cookie")
        .iter()
        .map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned())
        .collect();
    let get = async |path: &str| {
        let request = client
            .get(format!("{}{path}", console.url))
            .header("cookie", cookies.join("; "));
        request.send().await.unwrap().text().await.unwrap()
    };
    let page = get(&format!("/db/{target}/history?range=1h&chart=transactions")).await;
    for shown in [
        "5/s",
        "4/s",
        "3/s",
        "0.1/s",
        "Deployment shop 1.4.2: new check-out",
    ] {
        assert!(page.contains(shown), "{shown} is not on {page}");
    }
    let overview = get(&home_of_one).await;
    assert!(overview.contains(r#"href="/""#), "the fleet is one click away");

    let tell = async |token: &str| {
        let request = client.post(format!("{}{HOOK}", console.url)).bearer_auth(token);
        request
            .body(r#"{"version": "shop 1.4.3"}"#)
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(tell(token).await, StatusCode::OK);
    let listed = home.json(&["deployment", "list"]);
    let versions: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|told| told["version"].as_str().unwrap())
        .collect();
    assert_eq!(versions, ["shop 1.4.3", "shop 1.4.2"]);
    assert!(home.run(&["deployment", "token", "list"]).out.contains("ci"));
    assert_eq!(
        home.run(&["deployment", "token", "revoke", "ci", "--yes"]).code,
        0
    );
    assert_eq!(tell(token).await, StatusCode::UNAUTHORIZED);
    let id = told["id"].to_string();
    let gone = home.run(&["deployment", "remove", &id]);
    assert!(
        gone.code == 0 && gone.out.contains("shop 1.4.2"),
        "{} {}",
        gone.out,
        gone.err
    );
    let again = home.run(&["deployment", "remove", &id]);
    assert!(
        again.code == 1 && again.err.contains("deployment list"),
        "{}",
        again.err
    );
}
