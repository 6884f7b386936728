//! Keeps a throw-away cluster up until Ctrl-C or the end of its input, for work by hand and for testkit's own tests.
//! Prints the address of an empty database, then the folder that holds it all.

use std::io::{Result, Write, copy, sink, stdin, stdout};

fn main() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let held = runtime.block_on(hold());
    // The thread that reads standard input cannot be interrupted, and dropping the runtime would wait for it.
    runtime.shutdown_background();
    held
}

async fn hold() -> Result<()> {
    let cluster = testkit::Cluster::start().await;
    let database = cluster.database("scratch").await;
    writeln!(stdout(), "{}\n{}", database.url(), cluster.folder().display())?;
    let input_ends = tokio::task::spawn_blocking(|| copy(&mut stdin(), &mut sink()));
    tokio::select! {
        ended = input_ends => ended?.map(|_| ()),
        pressed = tokio::signal::ctrl_c() => pressed,
    }
}
