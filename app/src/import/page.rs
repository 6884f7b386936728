//! The imports into one managed database, and a new one.

use contract::{
    import::ImportView,
    jobs::{JobQuery, JobView},
    session::Permission,
};

use super::{api::list_imports, choose::Choose, list::Imports};
use crate::{
    address::use_target,
    jobs::api::list_jobs,
    prelude::*,
    rpc::ApiError,
    session::use_may,
    ui::{EmptyState, Load, PageHead, load_by},
};

/// What imports there were; choosing a file for a new one.
#[component]
pub fn ImportsPage() -> impl IntoView {
    let target = use_target();
    let may = use_may(Permission::Import);
    let list = load_by(target, move |target| async move {
        match may {
            true => both(target).await.map(Some),
            false => Ok(None),
        }
    });
    view! {
        <PageHead
            title="Import"
            tab=Signal::derive(move || format!("Import into {}", target.get()))
            facts=|| "SQLite files, looked at whole, rehearsed, loaded, and compared value by value."
        />
        {may.then(|| view! { <Choose target /> })}
        <Load resource=list main=true let:both>
            {match both {
                Some((imports, jobs)) => {
                    view! { <Imports imports jobs reload=Callback::new(move |()| list.refetch()) /> }
                }
                None => view! { <NotForViewers /> },
            }}
        </Load>
    }
}

/// What a file holds is data, and a viewer sees none.
#[component]
fn NotForViewers() -> impl IntoView {
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Imports"</h2>
            </div>
            <EmptyState
                title="Imports are for operators"
                hint="They show what is stored in a file, and change the database. The jobs page shows which ones ran."
            />
        </section>
    }
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
