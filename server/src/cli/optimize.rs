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
    if what != What::Analyze {
        let plan = optimizer.plan(&caller, &target).await?;
        if has_all(&plan, what) {
            session.out.show(&plan, || match what {
                What::Indexes => format!("Nothing to do: {target} has all the indexes that are wanted."),
                _ => format!("Nothing to do: {target} has all that is wanted, with good statistics."),
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
fn has_all(plan: &OptimizePlan, what: What) -> bool {
    let mut asked = plan
        .items
        .iter()
        .filter(|item| what == What::All || item.kind == ItemKind::Index);
    asked.all(|item| !item.is_due() && item.state != ItemState::NoTable)
}
