//! Keeps a throw-away cluster up until Ctrl-C or the end of its input, for work by hand and for testkit's own tests.
//! Prints the address of an empty database, then the folder that holds it all.

use std::io::{Write, sink, stdin, stdout};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let cluster = testkit::Cluster::start().await;
    let database = cluster.database("scratch").await;
    writeln!(stdout(), "{}\n{}", database.url(), cluster.folder().display())?;
    let input_ends = tokio::task::spawn_blocking(|| std::io::copy(&mut stdin(), &mut sink()));
    tokio::select! {
        ended = input_ends => { ended??; }
        pressed = tokio::signal::ctrl_c() => pressed?,
    }
    drop(cluster);
    // A thread that reads standard input cannot be interrupted, and the runtime would wait for it.
    std::process::exit(0)
}
