//! `pgsteward serve` with nothing configured: a PostgreSQL of its own, found, shared, adopted and stopped.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{MetadataExt, PermissionsExt},
    time::Duration,
};

use crate::program::{Home, is_alive, wait_until};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, Uid},
};
use reqwest::StatusCode;

/// Everything has ended within this time, far less than forced ends would add up to on a busy machine.
const END: Duration = Duration::from_secs(60);

fn one_time_password(said: &str) -> Option<String> {
    said.lines()
        .find_map(|line| line.trim().strip_prefix("Password "))
        .map(|rest| rest.trim().to_owned())
}

async fn log_in(url: &str, password: &str) -> reqwest::Response {
    let client = reqwest::Client::new();
    let form = format!("name=admin&password={password}");
    let request = client.post(format!("{url}/rpc/log_in")).header("origin", url);
    request
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn the_first_start_needs_nothing_and_ctrl_c_leaves_nothing() {
    let home = Home::new();
    let mut first = home.serve();
    let said = first.said();
    let password = one_time_password(&said).unwrap_or_else(|| panic!("no password in {said}"));
    assert!(said.contains("admin"), "{said}");
    assert_eq!(log_in(&first.url, &password).await.status(), StatusCode::OK);
    let page = reqwest::get(format!("{}/login", first.url)).await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.text().await.unwrap().contains("<form"));

    let server = home.postmaster().unwrap();
    let secret = fs::metadata(home.data().join("postgres.password")).unwrap();
    assert_eq!(secret.permissions().mode() & 0o777, 0o600);
    if Uid::effective().is_root() {
        assert_ne!(secret.uid(), 0, "root was left behind");
        let status = fs::read_to_string(format!("/proc/{}/status", first.pid())).unwrap();
        let ids = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap()
                .to_owned()
        };
        assert!(!ids("Uid:").split_whitespace().any(|id| id == "0"), "{status}");
        assert!(!ids("Gid:").split_whitespace().any(|id| id == "0"), "{status}");
        assert!(!ids("Groups:").split_whitespace().any(|id| id == "0"), "{status}");
    }
    let port = fs::read_to_string(home.data().join("postgres.port")).unwrap();
    let took = first.stop(Signal::SIGINT);
    assert!(took < END, "{took:?}");
    assert!(
        !is_alive(server) && home.postmaster().is_none(),
        "the server still runs"
    );

    let mut second = home.serve();
    assert_eq!(
        one_time_password(&second.said()),
        None,
        "the password is shown once"
    );
    assert_eq!(
        fs::read_to_string(home.data().join("postgres.port")).unwrap(),
        port,
        "the same port again"
    );
    assert!(second.stop(Signal::SIGTERM) < END);

    let _occupied = TcpListener::bind(("127.0.0.1", port.trim().parse::<u16>().unwrap())).unwrap();
    let third = home.serve();
    assert_ne!(
        fs::read_to_string(home.data().join("postgres.port")).unwrap(),
        port,
        "another port, since it is taken"
    );
    drop(third);
}

#[tokio::test]
async fn commands_and_consoles_share_one_cluster_and_the_last_one_stops_it() {
    let home = Home::new().with("PGSTEWARD_ADMIN_PASSWORD", "nine boats on a lake");
    // A command alone starts the cluster and stops it again.
    let job = home.json(&["migrate", "up"]);
    assert_eq!(job["state"], "succeeded");
    assert_eq!(home.postmaster(), None);

    let mut first = home.serve();
    assert!(!first.said().contains("nine boats"));
    let server = home.postmaster().unwrap();
    let stats = home.json(&["stats"]);
    assert!(stats["all"].as_i64().unwrap() >= 10, "{stats}");
    assert_eq!(home.json(&["backup", "create"])["state"], "succeeded");
    assert_eq!(
        home.postmaster(),
        Some(server),
        "a command beside a console leaves the cluster alone"
    );

    let second = home.serve();
    assert_eq!(home.postmaster(), Some(server));
    assert!(first.stop(Signal::SIGINT) < END);
    assert_eq!(
        home.postmaster(),
        Some(server),
        "the second console still uses it"
    );
    let ready = reqwest::get(format!("{}/readyz", second.url)).await.unwrap();
    assert_eq!(ready.status(), StatusCode::OK);
    assert_eq!(
        log_in(&second.url, "nine+boats+on+a+lake").await.status(),
        StatusCode::OK
    );
    assert!(second.stop(Signal::SIGINT) < END);
    assert!(
        !is_alive(server) && home.postmaster().is_none(),
        "the last one stops it"
    );
}

#[tokio::test]
async fn what_a_killed_console_or_server_left_is_no_obstacle() {
    let home = Home::new();
    let first = home.serve();
    let server = home.postmaster().unwrap();
    first.stop(Signal::SIGKILL);
    assert!(is_alive(server), "the server outlives its console");

    let second = home.serve();
    assert_eq!(home.postmaster(), Some(server), "it was adopted");
    assert!(second.stop(Signal::SIGINT) < END);
    assert!(!is_alive(server), "and stopped at the end");

    let third = home.serve();
    let server = home.postmaster().unwrap();
    third.stop(Signal::SIGKILL);
    kill(Pid::from_raw(server), Signal::SIGKILL).unwrap();
    wait_until("the server is dead", || !is_alive(server));
    assert!(home.postmaster().is_some(), "its lock file is still there");
    let fourth = home.serve();
    assert_ne!(
        home.postmaster(),
        Some(server),
        "a new server recovered what the dead one left"
    );

    // As after a restart of a container: the lock file names a process that is something else now.
    let lock = home.data().join("postgres/postmaster.pid");
    let text = fs::read_to_string(&lock).unwrap();
    assert!(fourth.stop(Signal::SIGINT) < END);
    let other = text.replacen(text.lines().next().unwrap(), &std::process::id().to_string(), 1);
    fs::write(&lock, other).unwrap();
    fs::set_permissions(&lock, fs::Permissions::from_mode(0o644)).unwrap();
    let fifth = home.serve();
    let ready = reqwest::get(format!("{}/readyz", fifth.url)).await.unwrap();
    assert_eq!(ready.status(), StatusCode::OK);
    assert!(fifth.stop(Signal::SIGINT) < END);
}

#[tokio::test]
async fn an_embedded_server_that_dies_is_started_again_where_it_was() {
    let home = Home::new();
    let console = home.serve();
    let server = home.postmaster().unwrap();
    let port = fs::read_to_string(home.data().join("postgres.port")).unwrap();
    kill(Pid::from_raw(server), Signal::SIGKILL).unwrap();
    wait_until("another server runs", || {
        home.postmaster()
            .is_some_and(|pid| pid != server && is_alive(pid))
    });
    assert_eq!(
        fs::read_to_string(home.data().join("postgres.port")).unwrap(),
        port
    );
    // The store is in it.
    let begun = std::time::Instant::now();
    loop {
        let ready = reqwest::get(format!("{}/readyz", console.url)).await.unwrap();
        if ready.status() == StatusCode::OK {
            break;
        }
        assert!(begun.elapsed() < crate::program::PATIENCE, "{}", ready.status());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let server = home.postmaster().unwrap();
    assert!(console.stop(Signal::SIGINT) < END);
    assert!(!is_alive(server) && home.postmaster().is_none());
    let log: String = fs::read_dir(home.data().join("postgres/log"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    let asked = log.find("force wait");
    let stopping = log.find("received fast shutdown request");
    assert!(
        asked.is_some() && asked < stopping,
        "what was in memory was written before the stop: {log}"
    );
}

#[test]
fn a_folder_that_cannot_be_reached_is_named_with_its_setting() {
    let home = Home::new();
    let closed = home.path().join("closed");
    fs::create_dir(&closed).unwrap();
    // Closed to everybody but root, who will not be root when it matters.
    let mode = if Uid::effective().is_root() { 0o700 } else { 0o000 };
    fs::set_permissions(&closed, fs::Permissions::from_mode(mode)).unwrap();
    let data = closed.join("data").display().to_string();
    let home = home.with("PGSTEWARD_DATA_DIR", &data);
    let done = home.run(&["serve"]);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(done.code, 1, "{}", done.err);
    assert!(
        done.err.contains(&data) && done.err.contains("PGSTEWARD_DATA_DIR"),
        "{}",
        done.err
    );
    assert!(
        done.err.contains(&format!("{} is closed", closed.display())),
        "{}",
        done.err
    );
}

#[test]
fn a_folder_of_other_things_is_not_taken_from_root() {
    if !Uid::effective().is_root() {
        // Nothing is given away by who is not root: the folder is used as it is, or refused by the system.
        let home = Home::new();
        let owner = fs::metadata(home.path()).unwrap().uid();
        home.run(&["user", "list"]);
        assert_eq!(fs::metadata(home.path()).unwrap().uid(), owner);
        return;
    }
    let home = Home::new();
    fs::create_dir(home.data()).unwrap();
    fs::write(home.data().join("passwd"), "x").unwrap();
    let done = home.run(&["serve"]);
    assert_eq!(done.code, 1);
    assert!(
        done.err.contains("PGSTEWARD_DATA_DIR") && done.err.contains("other things"),
        "{}",
        done.err
    );
    assert_eq!(fs::metadata(home.data()).unwrap().uid(), 0);
    assert_eq!(fs::metadata(home.data().join("passwd")).unwrap().uid(), 0);
}

#[test]
fn an_address_in_use_and_a_missing_site_are_one_error_with_a_hint() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let done = Home::new().with("PGSTEWARD_ADDR", &address).run(&["serve"]);
    assert!(
        done.code == 1 && done.err.contains(&address) && done.err.contains("hint: "),
        "{}",
        done.err
    );
    let done = Home::new()
        .with("LEPTOS_SITE_ROOT", "/no/such/site")
        .run(&["serve"]);
    assert!(
        done.code == 1 && done.err.contains("/no/such/site") && done.err.contains("make build"),
        "{}",
        done.err
    );
}
