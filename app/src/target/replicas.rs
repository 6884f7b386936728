//! The replicas of a managed database, for its overview.

use crate::prelude::*;
use contract::{
    format,
    target::{ReplicaView, TargetView},
};

/// The card on the overview: which one is asked for sizes, and which is not and why. Nothing where there is none.
#[component]
pub fn Replicas(
    /// The managed database.
    target: Memo<TargetView>,
) -> impl IntoView {
    let replicas = Memo::new(move |_| target.with(|target| target.replicas.clone()));
    move || {
        let replicas = replicas.get();
        (!replicas.is_empty()).then(|| {
            let rows = replicas.into_iter().map(row).collect_view();
            view! {
                <section class="card">
                    <div class="ch">
                        <h2>"Replicas"</h2>
                        <p>"Asked for the sizes of tables. All else on these pages is from the database itself."</p>
                    </div>
                    <div class="cb">
                        <dl class="kv">{rows}</dl>
                    </div>
                </section>
            }
        })
    }
}

fn row(replica: ReplicaView) -> impl IntoView {
    let state = match (replica.lag_s, replica.fault) {
        (Some(lag), _) => format!("{} behind", format::milliseconds(lag * 1000.0)),
        (None, Some(fault)) => format!("not asked: {}", fault.message),
        (None, None) => "not looked at yet".to_owned(),
    };
    view! {
        <dt class="mono">{replica.address}</dt>
        <dd>{state}</dd>
    }
}
