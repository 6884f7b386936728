//! What pgsteward shows: pages, the components they are made of, and the server functions they call.
//!
//! Invariants: markup is written only in this crate; `engine` is touched only inside server-function bodies, through
//! [`rpc`], under the feature `ssr`; a page is whole without JavaScript (every route renders `Async`) and right after a
//! restart (its first values come by `Resource`, live ones from [`live`] override them when newer); the browser's first
//! render is the server's (no clock, no random number, no `localStorage` before hydration); nothing here can panic in
//! the browser; no inline `style`, which the content security policy forbids; a button that needs JavaScript is there before
//! it can act, its click is kept, and it is named where JavaScript is off ([`ui::needs_script`]).
//!
//! To add an area:
//! 1. `app/src/<area>/api.rs`: one server function per operation, which only forwards:
//!    ```ignore
//!    #[server(prefix = "/rpc", endpoint = "start_backup", protocol = Rpc)]
//!    pub async fn start_backup(spec: BackupSpec) -> Result<JobId, ApiError> {
//!        crate::rpc::call(|engine, caller| async move { engine.backup().start(&caller, spec).await }).await
//!    }
//!    ```
//! 2. `app/src/<area>/<page>.rs`: the page, made of [`ui`]: [`ui::PageHead`], then [`ui::Load`] around a `Resource`,
//!    which writes the states loading and fault; the page writes the states empty and rows. The managed database of the
//!    URL is [`address::use_target`], filters and sort are [`address::use_query`].
//! 3. Its line in [`parts`] and its path in [`parts::Part::of`]: so its code is a part of its own, which comes with its first page.
//!    Its route in [`App`] shows the page of that line; its link is in `frame/nav.rs` (and so in the palette and the `g` keys).
//! 4. What it starts is a job: [`ui::JobProgress`] on [`live::Live::job`] shows it.

#![recursion_limit = "512"]

pub mod activity;
pub mod address;
pub mod audit;
pub mod backup;
pub mod clock;
pub mod console;
pub mod deployment;
#[cfg(feature = "ssr")]
pub mod document;
pub mod explain;
pub mod frame;
pub mod history;
pub mod import;
pub mod jobs;
pub mod live;
pub mod migration;
pub mod optimize;
pub mod parts;
mod prelude;
pub mod query;
pub mod rpc;
pub mod schedule;
pub mod session;
pub mod stats;
pub mod target;
pub mod ui;
pub mod zone;

use crate::prelude::*;
use leptos_meta::{Title, provide_meta_context};
use leptos_router::{
    Lazy, SsrMode,
    components::{ParentRoute, Route, Router, Routes},
    path,
};

#[cfg(feature = "ssr")]
pub use document::{Assets, shell};

/// What the browser's tab says on a page. leptos writes it into the document as it is, so that on the server, and there
/// alone, it becomes HTML here: names in it are any text.
fn tab_title(page: String) -> String {
    let title = match page.as_str() {
        "" => "pgsteward".to_owned(),
        page => format!("{page} · pgsteward"),
    };
    if cfg!(feature = "ssr") {
        title
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
    } else {
        title
    }
}

/// The whole application: every route. It also runs without a request, when the routes are listed.
///
/// Every page lies below [`frame::Gate`], which lets nobody through without a session; `/login` alone does not.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    clock::provide();
    zone::provide();
    ui::tell_ready();
    view! {
        <Title formatter=tab_title />
        <Router>
            <Routes fallback=frame::NotFound>
                <Route path=path!("/login") view={Lazy::<parts::LoginPage>::new()} ssr=SsrMode::Async />
                <ParentRoute path=path!("") view=frame::Gate ssr=SsrMode::Async>
                    <Route path=path!("") view={Lazy::<parts::FleetPage>::new()} />
                    <Route path=path!("db/:target") view={Lazy::<parts::OverviewPage>::new()} />
                    <Route path=path!("db/:target/history") view={Lazy::<parts::HistoryPage>::new()} />
                    <Route path=path!("db/:target/tables") view={Lazy::<parts::TablesPage>::new()} />
                    <Route path=path!("db/:target/tables/:schema/:name") view={Lazy::<parts::TablePage>::new()} />
                    <Route path=path!("db/:target/activity") view={Lazy::<parts::ActivityPage>::new()} />
                    <Route path=path!("db/:target/explain") view={Lazy::<parts::ExplainPage>::new()} />
                    <Route path=path!("db/:target/explain/:id") view={Lazy::<parts::PlanPage>::new()} />
                    <Route path=path!("db/:target/queries") view={Lazy::<parts::QueriesPage>::new()} />
                    <Route path=path!("db/:target/queries/:queryid") view={Lazy::<parts::QueryPage>::new()} />
                    <Route path=path!("db/:target/migrations") view={Lazy::<parts::MigrationsPage>::new()} />
                    <Route path=path!("db/:target/optimize") view={Lazy::<parts::OptimizePage>::new()} />
                    <Route path=path!("db/:target/backups") view={Lazy::<parts::BackupsPage>::new()} />
                    <Route path=path!("db/:target/backups/add") view={Lazy::<parts::AddPage>::new()} />
                    <Route path=path!("db/:target/backups/new") view={Lazy::<parts::ChoosePage>::new()} />
                    <Route path=path!("db/:target/backups/schedule") view={Lazy::<parts::SchedulePage>::new()} />
                    <Route path=path!("db/:target/backups/:id") view={Lazy::<parts::BackupPage>::new()} />
                    <Route path=path!("db/:target/backups/:id/restore") view={Lazy::<parts::RestorePage>::new()} />
                    <Route path=path!("db/:target/import") view={Lazy::<parts::ImportsPage>::new()} />
                    <Route path=path!("db/:target/import/:id") view={Lazy::<parts::ImportPage>::new()} />
                    <Route path=path!("audit") view={Lazy::<parts::AuditPage>::new()} />
                    <Route path=path!("jobs") view={Lazy::<parts::JobsPage>::new()} />
                    <Route path=path!("jobs/:id") view={Lazy::<parts::JobPage>::new()} />
                    <Route path=path!("settings/console") view={Lazy::<parts::ConsolePage>::new()} />
                    <Route path=path!("settings") view={Lazy::<parts::SettingsPage>::new()} />
                    <Route path=path!("*any") view=frame::NotFound />
                </ParentRoute>
            </Routes>
        </Router>
    }
}
