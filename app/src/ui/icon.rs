//! Icons, from the Lucide set.

use crate::prelude::*;

/// The icons in use, by what they mean here.
pub mod icons {
    pub use icondata_lu::{
        LuActivity as Activity, LuArrowDownToLine as Migrations, LuArrowUpFromLine as Import,
        LuBell as Toast, LuChartLine as Charts, LuCheck as Done, LuChevronsUpDown as Switch,
        LuCircleX as Failed, LuDatabase as Database, LuDownload as Download, LuEllipsis as More,
        LuHouse as Fleet, LuKeyboard as Keys, LuLayoutDashboard as Overview, LuList as Jobs,
        LuListTree as Explain, LuLogOut as LogOut, LuMenu as Menu, LuMinus as Skipped,
        LuMonitor as SystemTheme, LuMoon as Dark, LuPin as Pin, LuPlus as Add, LuRefreshCw as Again,
        LuScrollText as Audit, LuSearch as Search, LuSettings as Settings, LuShield as Backups,
        LuSun as Light, LuTable as Tables, LuTag as Tag, LuTerminal as Command, LuTimer as Queries,
        LuTriangleAlert as Warning, LuUser as User, LuX as Close, LuZap as Optimize,
    };
}

/// A picture beside a word, hidden from screen readers: the word says it. It draws no `style` attribute and has no
/// role of its own, which is why it is not the component of `leptos_icons`.
#[component]
pub fn Icon(
    /// One of [`icons`].
    icon: icondata_core::Icon,
) -> impl IntoView {
    view! {
        <svg
            class="ico"
            viewBox=icon.view_box.unwrap_or("0 0 24 24")
            fill="none"
            stroke="currentColor"
            stroke-width="1.8"
            stroke-linecap="round"
            stroke-linejoin="round"
            aria-hidden="true"
            inner_html=icon.data
        ></svg>
    }
}
