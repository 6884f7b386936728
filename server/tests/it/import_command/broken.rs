//! The server goes away, a session is ended, the user presses Ctrl-C: what is said then, and how it goes on.

use nix::sys::signal::Signal;
use testkit::Cluster;

use super::{
    sample,
    world::{World, folder},
};

const PLACE: [&str; 2] = ["readings, rows ", "rowid"];

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_is_named_with_the_rows_and_the_same_command_goes_on() {
    let files = folder();
    let file = files.path().join("long.db");
    sample::long(&file);
    let cluster = Cluster::start().await;
    let world = World::on(&cluster, "stopped").await;
    let running = world.copying(&file, "s", &[]).await;
    cluster.stop().await;
    running.end().await.failed_with(&PLACE);
    cluster.start_again().await;
    let done = world.import(&file, "s", &[]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.err.contains("Going on"), "{}", done.err);
    assert!(done.out.contains("Identical"), "{}", done.out);
    whole(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_ended_is_named_with_the_rows_and_the_same_command_goes_on() {
    let files = folder();
    let file = files.path().join("long.db");
    sample::long(&file);
    let world = World::new("ended").await;
    let running = world.copying(&file, "s", &[]).await;
    world
        .execute(
            "select pg_terminate_backend(pid)
               from pg_stat_progress_copy
              where datname = current_database()",
        )
        .await;
    running.end().await.failed_with(&PLACE);
    world.identical(&file, "s", &[]);
    whole(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_leaves_nothing() {
    let files = folder();
    let file = files.path().join("long.db");
    sample::long(&file);
    let world = World::new("cancelled").await;
    let running = world.copying(&file, "s", &[]).await;
    running.signal(Signal::SIGINT);
    let done = running.end().await;
    assert_eq!(done.code, 130, "{}", done.err);
    assert_eq!(world.tables("s").await, [""; 0]);
    let none = world.import(&file, "s", &["--discard"]);
    none.failed_with(&["no interrupted import"]);
    world.identical(&file, "s", &[]);
    whole(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_while_it_looks_leaves_no_import() {
    let files = folder();
    let file = files.path().join("long.db");
    sample::long(&file);
    let world = World::new("looked").await;
    let running = world.looking(&file, "s", &[]).await;
    running.signal(Signal::SIGINT);
    let done = running.end().await;
    assert_eq!(done.code, 130, "{}", done.err);
    assert_eq!(world.in_store("select count(*) from jobs").await, 1);
    assert_eq!(world.in_store("select count(*) from imports").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ctrl_c_keeps_is_gone_on_with_or_discarded() {
    let files = folder();
    let file = files.path().join("long.db");
    sample::long(&file);
    let world = World::new("kept").await;
    let running = world.copying(&file, "s", &["--keep"]).await;
    running.signal(Signal::SIGINT);
    let done = running.end().await;
    assert_eq!(done.code, 130, "{}", done.err);
    assert_eq!(world.tables("s").await, ["pgsteward_import", "readings"]);
    let again = world.import(&file, "s", &["--keep"]);
    assert_eq!(again.code, 0, "{}", again.err);
    assert!(again.err.contains("Going on"), "{}", again.err);
    assert!(again.out.contains("Identical"), "{}", again.out);
    whole(&world).await;

    let running = world.copying(&file, "other", &["--keep"]).await;
    running.signal(Signal::SIGINT);
    assert_eq!(running.end().await.code, 130);
    let discarded = world.import(&file, "other", &["--discard"]);
    assert_eq!(discarded.code, 0, "{}", discarded.err);
    assert_eq!(world.tables("other").await, [""; 0]);
    assert_eq!(world.tables("s").await, ["readings"]);
}

/// Checks that the schema s has all rows of the file once, and its index, and nothing else.
async fn whole(world: &World) {
    let rows = "select count(*) || ' ' || count(distinct id) || ' ' || sum(sensor) from s.readings";
    assert_eq!(world.texts(rows).await, ["900000 900000 44550000"]);
    assert_eq!(world.tables("s").await, ["readings"]);
    let indexes = "select count(*) from pg_indexes where schemaname = 's'";
    assert_eq!(world.number(indexes).await, 2);
}
