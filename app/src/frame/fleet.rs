//! The managed databases, loaded once for all parts of the frame.

use contract::target::TargetView;
use leptos::prelude::*;

use crate::rpc::ApiError;

/// The managed databases, for the navigation, the top bar and the palette.
#[derive(Clone, Copy)]
pub struct Fleet(pub Resource<Result<Vec<TargetView>, ApiError>>);

/// The managed databases as the frame loaded them; none before that. To be read below a `Transition`.
pub fn use_fleet() -> Signal<Vec<TargetView>> {
    let fleet = use_context::<Fleet>();
    Signal::derive(move || {
        fleet
            .and_then(|Fleet(fleet)| fleet.get())
            .and_then(Result::ok)
            .unwrap_or_default()
    })
}
