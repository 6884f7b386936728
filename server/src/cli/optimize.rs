//! `pgsteward optimize`, `create-indexes` and `analyze`.

use contract::optimize::{ItemKind, ItemState, OptimizePlan, OptimizeSpec};

use super::{Session, failure::Failure, job};
use crate::console::Console;

/// Which part of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Constraints, indexes and statistics.
    All,
    /// Indexes.
    Indexes,
    /// Statistics.
    Analyze,
}

pub(super) async fn run(session: &Session<'_>, console: &Console, what: What) -> Result<(), Failure> {
    let target = session.target(console).await?;
    let caller = session.caller(console);
    let optimizer = console.engine.optimize();
    if what == What::Indexes {
        let plan = optimizer.plan(&caller, &target).await?;
        if has_all_indexes(&plan) {
            session.out.show(&plan, || {
                format!("Nothing to do: {target} has all the indexes that are wanted.")
            });
            return Ok(());
        }
    }
    let spec = match what {
        What::All => OptimizeSpec::all(target),
        What::Indexes => OptimizeSpec {
            target,
            constraints: false,
            indexes: true,
            analyze: false,
        },
        What::Analyze => OptimizeSpec {
            target,
            constraints: false,
            indexes: false,
            analyze: true,
        },
    };
    let id = optimizer.start(&caller, spec).await?;
    job::wait(session, console, id).await?;
    Ok(())
}

/// A second run is no mistake; one without the tables is.
fn has_all_indexes(plan: &OptimizePlan) -> bool {
    let mut indexes = plan.items.iter().filter(|item| item.kind == ItemKind::Index);
    indexes.all(|item| !item.is_due() && item.state != ItemState::NoTable)
}
