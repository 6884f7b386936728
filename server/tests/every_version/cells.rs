//! What is tried with each version, and the trying, as many at once as there are processors.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use testkit::{ClusterOptions, Version, shared_of};

use crate::neighbours::{behind_pgbouncer, behind_tls, on_a_standby};
use crate::path::walk;
use crate::{imports, restore};

/// One place of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    server: Version,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Tools(Version),
    Tls,
    Standby,
    PgBouncer,
    Imports,
}

/// How a cell ended.
pub struct Outcome {
    /// Which one.
    pub cell: Cell,
    /// Whether all that it checks was so.
    pub passed: bool,
    /// How long it took.
    pub seconds: u64,
}

impl Cell {
    /// A version's whole line, with tools that are too old for the server too.
    pub fn columns(server: Version) -> impl Iterator<Item = Self> {
        let rest = [What::Tls, What::Standby, What::PgBouncer, What::Imports];
        Version::ALL
            .into_iter()
            .map(What::Tools)
            .chain(rest)
            .map(move |what| Self { server, what })
    }

    /// What stands above its column.
    pub fn column(&self) -> String {
        match self.what {
            What::Tools(tools) => format!("tools {tools}"),
            What::Tls => "TLS".to_owned(),
            What::Standby => "standby".to_owned(),
            What::PgBouncer => "PgBouncer".to_owned(),
            What::Imports => "imports".to_owned(),
        }
    }

    /// An older pg_dump refuses a newer server.
    fn can_be(&self) -> bool {
        !matches!(self.what, What::Tools(tools) if tools < self.server)
    }

    async fn run(self) {
        let options = ClusterOptions::new().version(self.server);
        match self.what {
            What::Tools(tools) => restore::comes_back(&walk(self.server, tools).await, tools).await,
            What::Tls => behind_tls(options).await,
            What::Standby => on_a_standby(options).await,
            What::PgBouncer => behind_pgbouncer(shared_of(self.server).await).await,
            What::Imports => imports::end_as_on_15(self.server).await,
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PostgreSQL {}, {}", self.server, self.column())
    }
}

/// All that can be tried. The imports into 15 come first, for the other imports are compared with them, and those last.
pub fn all() -> Vec<Cell> {
    let mut cells: Vec<_> = Version::ALL
        .into_iter()
        .flat_map(Cell::columns)
        .filter(Cell::can_be)
        .collect();
    cells.sort_by_key(|cell| match (cell.what, cell.server) {
        (What::Imports, Version::V15) => 0,
        (What::Imports, _) => 2,
        _ => 1,
    });
    cells
}

/// Runs them and says how each one ended as soon as it has. One that panics has failed; its words are on standard error.
pub fn run(cells: Vec<Cell>) -> Vec<Outcome> {
    let waiting = Mutex::new(VecDeque::from(cells));
    let outcomes = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().unwrap().pop_front();
                    let Some(cell) = next else { break };
                    let outcome = one(cell);
                    let word = if outcome.passed { "ok" } else { "FAILED" };
                    println!("{cell} ... {word} ({} s)", outcome.seconds);
                    outcomes.lock().unwrap().push(outcome);
                }
            });
        }
    });
    outcomes.into_inner().unwrap()
}

fn one(cell: Cell) -> Outcome {
    let begun = Instant::now();
    // A thread of its own, with its name, so that a panic's words say whose they are.
    let thread = thread::Builder::new().name(cell.to_string()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(cell.run());
    });
    Outcome {
        cell,
        passed: thread.unwrap().join().is_ok(),
        seconds: begun.elapsed().as_secs(),
    }
}
