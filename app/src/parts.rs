//! The frontend's WebAssembly in parts: each area's pages come when they are first needed, not with the first page.
//!
//! On the server the pages are plain calls. In the browser a part that has come is ready at the first poll, so that a page can
//! be hydrated at once: [`load_for`] must have ended before.

use leptos_router::LazyRoute;
use wasm_split_helpers::wasm_split;

use crate::{
    backup::parts as backup_parts, history::parts as history_parts, import::parts as import_parts,
    prelude::*, ui::PartMissing,
};

/// One line per area: the part's name, what loads and shows it, and its pages with a number each.
macro_rules! parts {
    ($($part:ident, $load:ident, $show:ident: $($number:literal $page:ident = $view:path),+;)+) => {
        /// A part of the WebAssembly, by the name of its area.
        #[expect(non_camel_case_types, reason = "the name of the file")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Part {
            $(
                #[doc = concat!("The pages of `", stringify!($part), "`.")]
                $part,
            )+
        }

        impl Part {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$part),+];

            /// Its name in the list of files.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$part => stringify!($part),)+
                }
            }

            /// Fetches it, unless it is there.
            ///
            /// # Errors
            /// When it does not come. The next call tries again.
            pub async fn load(self) -> Result<(), Missing> {
                match self {
                    $(Self::$part => $load().await,)+
                }
            }
        }

        $(
            #[wasm_split($part, fallible, preload($load))]
            fn $show(page: u8) -> Result<AnyView, Missing> {
                Ok(match page {
                    $($number => $view().into_any(),)+
                    _ => ().into_any(),
                })
            }

            $(
                #[doc = concat!("The route of [`", stringify!($view), "`].")]
                pub struct $page;

                impl LazyRoute for $page {
                    fn data() -> Self {
                        Self
                    }

                    async fn view(_: Self) -> AnyView {
                        $show($number).await.unwrap_or_else(|_| view! { <PartMissing whole=true /> })
                    }

                    async fn preload() {
                        // The page itself says so when it has not come.
                        let _ = $load().await;
                    }
                }
            )+
        )+
    };
}

parts! {
    activity, load_activity, show_activity: 0 ActivityPage = crate::activity::ActivityPage;
    audit, load_audit, show_audit: 0 AuditPage = crate::audit::AuditPage;
    added, load_added, show_added: 0 AddPage = crate::backup::AddPage;
    backup, load_backup, show_backup: 0 BackupsPage = crate::backup::BackupsPage, 1 BackupPage = crate::backup::BackupPage;
    choose, load_choose, show_choose: 0 ChoosePage = crate::backup::ChoosePage;
    console, load_console, show_console: 0 ConsolePage = crate::console::ConsolePage;
    explain, load_explain, show_explain: 0 ExplainPage = crate::explain::ExplainPage, 1 PlanPage = crate::explain::PlanPage;
    history, load_history, show_history: 0 HistoryPage = crate::history::HistoryPage;
    import, load_import, show_import: 0 ImportPage = crate::import::ImportPage;
    imports, load_imports, show_imports: 0 ImportsPage = crate::import::ImportsPage;
    jobs, load_jobs, show_jobs: 0 JobsPage = crate::jobs::JobsPage, 1 JobPage = crate::jobs::JobPage;
    login, load_login, show_login: 0 LoginPage = crate::session::LoginPage;
    migration, load_migration, show_migration: 0 MigrationsPage = crate::migration::MigrationsPage;
    optimize, load_optimize, show_optimize: 0 OptimizePage = crate::optimize::OptimizePage;
    schedule, load_schedule, show_schedule: 0 SchedulePage = crate::schedule::SchedulePage;
    query, load_query, show_query: 0 QueriesPage = crate::query::QueriesPage, 1 QueryPage = crate::query::QueryPage;
    restore, load_restore, show_restore: 0 RestorePage = crate::backup::RestorePage;
    settings, load_settings, show_settings: 0 SettingsPage = crate::session::SettingsPage;
    stats, load_stats, show_stats: 0 TablesPage = crate::stats::TablesPage, 1 TablePage = crate::stats::TablePage;
    fleet, load_fleet, show_fleet: 0 FleetPage = crate::target::FleetPage;
    overview, load_overview, show_overview: 0 OverviewPage = crate::target::OverviewPage;
}

/// Why a part is not there; the browser's log has the rest.
pub use wasm_split_helpers::SplitLoaderError as Missing;

impl Part {
    /// The part that the page of a path needs; the same areas as the routes.
    pub fn of(path: &str) -> Option<Self> {
        let steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty()).collect();
        Some(match steps.as_slice() {
            ["login"] => Self::login,
            [] => Self::fleet,
            ["db", _] => Self::overview,
            ["db", _, "history"] => Self::history,
            ["db", _, "tables"] | ["db", _, "tables", _, _] => Self::stats,
            ["db", _, "activity"] => Self::activity,
            ["db", _, "explain"] | ["db", _, "explain", _] => Self::explain,
            ["db", _, "queries"] | ["db", _, "queries", _] => Self::query,
            ["db", _, "migrations"] => Self::migration,
            ["db", _, "optimize"] => Self::optimize,
            ["db", _, "backups", "add"] => Self::added,
            ["db", _, "backups", "new"] => Self::choose,
            ["db", _, "backups", "schedule"] => Self::schedule,
            ["db", _, "backups"] | ["db", _, "backups", _] => Self::backup,
            ["db", _, "backups", _, "restore"] => Self::restore,
            ["db", _, "import"] => Self::imports,
            ["db", _, "import", _] => Self::import,
            ["audit"] => Self::audit,
            ["jobs"] | ["jobs", _] => Self::jobs,
            ["settings", "console"] => Self::console,
            ["settings"] => Self::settings,
            _ => return None,
        })
    }
}

/// Parts of cards that a page shows in some of its states only. Their elements say so in the HTML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Card {
    /// The databases beside a live one.
    BackupSpares,
    /// Charts over a stretch of time.
    Charts,
    /// What is decided of an import, and its rehearsal.
    ImportDecide,
    /// What came out of an import.
    ImportProof,
    /// A newer upload of an imported file.
    ImportNewer,
}

impl Card {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::BackupSpares,
        Self::Charts,
        Self::ImportDecide,
        Self::ImportProof,
        Self::ImportNewer,
    ];

    /// Its name in the list of files, and the value of `data-part`.
    pub fn name(self) -> &'static str {
        match self {
            Self::BackupSpares => "backup_spares",
            Self::Charts => "charts",
            Self::ImportDecide => "import_decide",
            Self::ImportProof => "import_proof",
            Self::ImportNewer => "import_newer",
        }
    }

    /// Fetches it, unless it is there.
    ///
    /// # Errors
    /// When it does not come. The next call tries again.
    pub async fn load(self) -> Result<(), Missing> {
        match self {
            Self::BackupSpares => backup_parts::load_spares().await,
            Self::Charts => history_parts::load_charts().await,
            Self::ImportDecide => import_parts::load_before().await,
            Self::ImportProof => import_parts::load_proven().await,
            Self::ImportNewer => import_parts::load_newer().await,
        }
    }

    #[cfg(feature = "hydrate")]
    fn is_shown(self) -> bool {
        let element = document().query_selector(&format!("[data-part={}]", self.name()));
        matches!(element, Ok(Some(_)))
    }
}

/// Fetches what the page that the server wrote needs: the part of its path, and those of the cards it shows.
///
/// # Errors
/// When one does not come; the page must not be hydrated then.
#[cfg(feature = "hydrate")]
pub async fn load_for_page() -> Result<(), Missing> {
    let path = window().location().pathname().unwrap_or_default();
    let cards = Card::ALL.into_iter().filter(|card| card.is_shown());
    for card in cards.clone() {
        wasm_bindgen_futures::spawn_local(async move {
            // Asked for at the same time as the page's own; whether it comes is told below.
            let _ = card.load().await;
        });
    }
    if let Some(part) = Part::of(&path) {
        part.load().await?;
    }
    for card in cards {
        card.load().await?;
    }
    Ok(())
}

/// Fetches the part of a page as soon as the pointer or the focus is on a link to it. Called once, by the browser's entry.
#[cfg(feature = "hydrate")]
pub fn fetch_ahead() {
    use wasm_bindgen::JsCast;

    let fetch = |target: Option<web_sys::EventTarget>| {
        let link = target
            .and_then(|target| target.dyn_into::<web_sys::Element>().ok())
            .and_then(|element| element.closest("a[href]").ok().flatten())
            .and_then(|link| link.dyn_into::<web_sys::HtmlAnchorElement>().ok());
        if let Some(link) = link
            && link.host() == window().location().host().unwrap_or_default()
            && let Some(part) = Part::of(&link.pathname())
        {
            leptos::task::spawn_local(async move {
                // What does not come now is asked for again, and told of, by the click.
                let _ = part.load().await;
            });
        }
    };
    // Both listen for as long as there is a page.
    let _ = window_event_listener(leptos::ev::pointerover, move |event| fetch(event.target()));
    let _ = window_event_listener(leptos::ev::focusin, move |event| fetch(event.target()));
}

#[cfg(test)]
mod tests {
    use super::Part;

    #[test]
    fn every_part_is_the_part_of_some_page() {
        let pages = [
            "/login",
            "/",
            "/db/a",
            "/db/a/",
            "/db/a/history",
            "/db/a/tables",
            "/db/a/tables/public/users",
            "/db/a/activity",
            "/db/a/explain",
            "/db/a/explain/0190",
            "/db/a/queries",
            "/db/a/queries/-4711",
            "/db/a/migrations",
            "/db/a/optimize",
            "/db/a/backups",
            "/db/a/backups/add",
            "/db/a/backups/new",
            "/db/a/backups/schedule",
            "/db/a/backups/0190",
            "/db/a/backups/0190/restore",
            "/db/a/import",
            "/db/a/import/0190",
            "/audit",
            "/jobs",
            "/jobs/0190",
            "/settings",
            "/settings/console",
        ];
        let found: Vec<Part> = pages
            .into_iter()
            .map(|page| Part::of(page).expect(page))
            .collect();
        for part in Part::ALL {
            assert!(found.contains(part), "{}", part.name());
        }
        for none in ["/no/such/page", "/db", "/db/a/none", "/pkg/pgsteward.js"] {
            assert_eq!(Part::of(none), None, "{none}");
        }
    }
}
