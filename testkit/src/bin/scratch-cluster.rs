//! Keeps a throw-away cluster up until Ctrl-C or the end of its input, for work by hand and for testkit's own tests.
//!
//! ```text
//! scratch-cluster [14|15|16|17|18] [standby] [pgbouncer]
//! ```
//! Prints for each server the address of an empty database, then the folder that holds it all.

use std::io::{Error, Result, Write, copy, sink, stdin, stdout};

use testkit::{Cluster, ClusterOptions, PgBouncer, PoolMode, Version};

fn main() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let held = runtime.block_on(hold());
    // The thread that reads standard input cannot be interrupted, and dropping the runtime would wait for it.
    runtime.shutdown_background();
    held
}

async fn hold() -> Result<()> {
    let (mut options, mut with_standby, mut with_bouncer) = (ClusterOptions::new(), false, false);
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "standby" => with_standby = true,
            "pgbouncer" => with_bouncer = true,
            other => match Version::ALL
                .into_iter()
                .find(|version| version.to_string() == other)
            {
                Some(version) => options = options.version(version),
                None => {
                    return Err(Error::other(format!(
                        "{other:?} is neither a version nor a neighbour"
                    )));
                }
            },
        }
    }
    let cluster = Cluster::start_with(options).await;
    let database = cluster.database("scratch").await;
    writeln!(stdout(), "{}\n{}", database.url(), cluster.folder().display())?;
    let mut held_too: Vec<Box<dyn std::any::Any>> = Vec::new();
    if with_standby {
        let standby = cluster.standby().await;
        writeln!(
            stdout(),
            "{}\n{}",
            standby.url(database.name()),
            standby.folder().display()
        )?;
        held_too.push(Box::new(standby));
    }
    if with_bouncer {
        let bouncer = PgBouncer::before(&cluster, PoolMode::Transaction).await;
        writeln!(
            stdout(),
            "{}\n{}",
            bouncer.url(database.name()),
            bouncer.folder().display()
        )?;
        held_too.push(Box::new(bouncer));
    }
    let input_ends = tokio::task::spawn_blocking(|| copy(&mut stdin(), &mut sink()));
    tokio::select! {
        ended = input_ends => ended?.map(|_| ()),
        pressed = tokio::signal::ctrl_c() => pressed,
    }
}
