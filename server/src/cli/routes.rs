//! `pgsteward routes`: what the console answers to, and whom.

use super::{failure::Failure, out::Out, table};
use crate::routes;

pub(super) fn list(out: Out) -> Result<(), Failure> {
    let all = routes::all();
    out.show(&all, || {
        let rows: Vec<Vec<String>> = all
            .iter()
            .map(|route| {
                let asks = match (route.public, route.permission) {
                    (true, _) => "public",
                    (false, Some(permission)) => permission.name(),
                    (false, None) => "a session",
                };
                vec![route.method.clone(), route.path.clone(), asks.to_owned()]
            })
            .collect();
        table::lay_out(&["method", "path", "asks for"], &[], &rows)
    });
    Ok(())
}
