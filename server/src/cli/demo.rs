//! `serve --demo`: the AI-PAL schema with invented rows, so that every page has something to show.

use contract::{Code, migration::MigrateSpec};
use engine::{
    demo::{DEFAULT_ROWS, Filled},
    embedded::MANAGED,
};
use tokio_util::sync::CancellationToken;

use super::Session;
use crate::console::Console;

/// Migrates and fills the AI-PAL database while the console already serves. What goes wrong is said in the log; it does
/// not end the console.
pub(super) async fn fill(session: &Session<'_>, console: &Console, stop: CancellationToken) {
    let filling = try_fill(session, console);
    tokio::select! {
        () = stop.cancelled() => {}
        filled = filling => match filled {
            Ok(Filled::Now) => tracing::info!("the demonstration data is complete"),
            Ok(Filled::Before) => tracing::info!("the demonstration data is there already"),
            Err(error) => {
                let fault = error.fault();
                tracing::warn!(hint = fault.hint, "no demonstration data: {}", fault.message);
            }
        }
    }
}

async fn try_fill(session: &Session<'_>, console: &Console) -> engine::Result<Filled> {
    let caller = session.caller(console);
    let targets = console.engine.targets().list(&caller).await?;
    // The AI-PAL database by its usual name, or the only one.
    let target = match targets.as_slice() {
        [only] => only.name.clone(),
        _ => session.target.clone().unwrap_or_else(|| MANAGED.to_owned()),
    };
    let migrations = console.engine.migration();
    let plan = migrations
        .plan(
            &caller,
            MigrateSpec {
                target: target.clone(),
                ..MigrateSpec::default()
            },
        )
        .await?;
    if plan.pending > 0 {
        tracing::info!(
            pending = plan.pending,
            "applying migrations for the demonstration"
        );
        let id = migrations
            .start(
                &caller,
                MigrateSpec {
                    target: target.clone(),
                    ..MigrateSpec::default()
                },
            )
            .await?;
        loop {
            let job = console.engine.jobs().detail(&caller, id).await?.job;
            if job.state == contract::jobs::JobState::Succeeded {
                break;
            }
            if job.state.is_final() {
                let message = format!("The migration job {} {}.", job.id, job.state.name());
                return Err(job.fault.map_or_else(
                    || engine::Error::refused(Code::Conflict, message),
                    engine::Error::Refused,
                ));
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    }
    let mut tenth = 0;
    let progress = move |there: u64, all: u64| {
        let now = there * 10 / all.max(1);
        if now > tenth {
            tenth = now;
            tracing::info!(
                rows = there,
                of = all,
                "filling the demonstration database: {} %",
                now * 10
            );
        }
    };
    console
        .engine
        .fill_demo(&caller, &target, DEFAULT_ROWS, progress)
        .await
}
