//! The console's own pool for a managed database.

use crate::prelude::*;
use contract::target::PoolView;

use super::api::view_pool;
use crate::ui::{Load, again_while_seen};

/// How often the panel asks again.
const EVERY: std::time::Duration = std::time::Duration::from_secs(5);

/// The pool's panel on the console's page.
#[component]
pub fn PoolCard(
    /// The managed database.
    target: String,
) -> impl IntoView {
    let title = format!("Pool of {target}");
    let pool = Resource::new(move || target.clone(), view_pool);
    again_while_seen(EVERY, move || pool.refetch());
    view! {
        <section class="card">
            <div class="ch">
                <h2>{title}</h2>
            </div>
            <Load resource=pool let:pool>
                <Panel pool />
            </Load>
        </section>
    }
}

#[component]
fn Panel(pool: PoolView) -> impl IntoView {
    let used = format!("{} of {} in use", pool.in_use, pool.max);
    let waits = pool.waiting > 0;
    let profile = format!(
        "{} ({} kept, {} more under load)",
        pool.profile,
        pool.keep,
        pool.max.saturating_sub(pool.keep)
    );
    view! {
        <div class="cb">
            <dl class="kv">
                <dt>"In use"</dt>
                <dd>
                    {used.clone()} " " <progress class="sizebar" max=pool.max.to_string() value=pool.in_use.to_string() aria-label=used></progress>
                </dd>
                <dt>"Open"</dt>
                <dd>{format!("{}, {} idle", pool.open, pool.idle)}</dd>
                <dt>"Waiting"</dt>
                <dd class=if waits { "warn-text" } else { "" }>{pool.waiting}</dd>
                <dt>"Time to get one"</dt>
                <dd title="mean and longest over the last minute">
                    {format!("{:.1} ms, at most {:.1} ms", pool.acquire_mean_ms, pool.acquire_max_ms)}
                </dd>
                <dt>"Replaced after"</dt>
                <dd>{contract::format::duration(i64::try_from(pool.recycle_s).unwrap_or(i64::MAX / 1000) * 1000)}</dd>
                <dt>"Profile"</dt>
                <dd>{profile}</dd>
            </dl>
        </div>
    }
}
