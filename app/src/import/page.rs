//! The imports into one managed database, and a new one.

use contract::{
    import::ImportView,
    jobs::{JobQuery, JobView},
    session::Permission,
};
use leptos::prelude::*;

use super::{api::list_imports, choose::Choose, list::Imports};
use crate::{address::use_target, jobs::api::list_jobs, rpc::ApiError, session::use_may, ui::{Load, PageHead}};

/// What imports there were; choosing a file for a new one.
#[component]
pub fn ImportsPage() -> impl IntoView {
    let target = use_target();
    let list = Resource::new(move || target.get(), both);
    let may = use_may(Permission::Import);
    view! {
        <PageHead
            title="Import"
            tab=Signal::derive(move || format!("Import into {}", target.get()))
            facts=|| "SQLite files, looked at whole, rehearsed, loaded, and compared value by value."
        />
        {may.then(|| view! { <Choose target /> })}
        <Load resource=list main=true let:both>
            <Imports imports=both.0 jobs=both.1 may reload=Callback::new(move |()| list.refetch()) />
        </Load>
    }
    .into_any()
}

/// The imports, and the newest jobs on the same database: any that goes on is among them.
async fn both(target: String) -> Result<(Vec<ImportView>, Vec<JobView>), ApiError> {
    let imports = list_imports(target.clone()).await?;
    let page = list_jobs(JobQuery {
        target: Some(target),
        ..JobQuery::default()
    })
    .await?;
    Ok((imports, page.jobs))
}
