//! The parts every page is made of. One file each; the looks are the classes in `style/README.md`.
//!
//! A page is [`PageHead`], then cards. A list is [`Load`] around its resource, which writes the states loading and
//! fault; the page writes [`EmptyState`] and the rows, with [`SortHead`] in the table's head, [`SearchBox`] and
//! [`CsvButton`] above and [`Pager`] below. An act that destroys goes through [`ConfirmDialog`].

mod acts;
mod badge;
mod command;
mod confirm;
mod copy;
mod csv;
mod dialog;
mod empty;
mod fault;
mod field;
mod head;
mod icon;
mod job;
mod load;
mod menu;
mod pager;
mod part;
mod progress;
mod search;
mod sort;
mod tabs;
mod toast;
mod value;

#[cfg(feature = "ssr")]
pub use acts::{KEEP, WITHOUT_SCRIPT};
pub use acts::{NeedsScript, needs_script, provide_acts, tell_ready};
pub use badge::{Badge, JobBadge, Tone};
pub use command::CopyCommand;
pub use confirm::ConfirmDialog;
pub use copy::{CopyButton, copy_text};
pub use csv::{CsvButton, CsvLoadButton, Rows as CsvRows, csv_text, save_file};
pub use dialog::Dialog;
pub use empty::EmptyState;
pub use fault::{FaultNote, FaultView, LoginLink};
pub use field::Field;
pub use head::PageHead;
pub use icon::{Icon, icons};
pub use job::{JobBrief, JobLine, JobProgress, StepLine};
pub use load::{Keep, Load, Skeleton, again_while_seen, at_hand, load_by, retry_on_reconnect};
#[cfg(feature = "ssr")]
pub use menu::MENUS;
pub use menu::Menu;
pub use pager::{Pager, cut};
pub use part::{PartMissing, in_part};
pub use progress::{ProgressBar, SizeBar};
pub use search::{FilterSelect, SearchBox};
pub use sort::{Sort, SortHead, use_sort};
pub use tabs::{Tab, Tabs};
pub use toast::{ToastList, Toasts, use_toasts};
pub use value::{Ago, At, Bytes, Count, Duration, whole_seconds};

use leptos::prelude::*;

/// Whether the browser has taken over the page. False on the server and in the first render. For what JavaScript takes the
/// place of; an act that needs it is there before, and kept ([`needs_script`]).
pub fn use_hydrated() -> ReadSignal<bool> {
    let (hydrated, set_hydrated) = signal(false);
    Effect::new(move || set_hydrated.set(true));
    hydrated
}
