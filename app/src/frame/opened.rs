//! Which dialogs of the frame are open: opened by a key or a button of the bar, shown by others.

use leptos::prelude::*;

/// Whether the dialogs of the frame are open.
#[derive(Clone, Copy)]
pub struct Opened {
    /// The command palette.
    pub palette: RwSignal<bool>,
    /// The list of keys.
    pub keys: RwSignal<bool>,
}
