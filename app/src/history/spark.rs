//! A managed database's last hours in one small line.

use crate::prelude::*;

use super::scale::{Axis, HEIGHT, WIDTH, line};

/// Values as a line without axis; nothing where nothing was measured.
#[component]
pub fn Sparkline(
    /// The values, oldest first.
    values: Vec<Option<f64>>,
    /// What it says in words, for who hears the page and on hover.
    label: String,
) -> impl IntoView {
    let most = values
        .iter()
        .flatten()
        .fold(0.0_f64, |most, value| most.max(*value));
    let axis = Axis {
        low: 0.0,
        high: if most > 0.0 { most } else { 1.0 },
    };
    values.iter().any(Option::is_some).then(|| {
        view! {
            <svg class="spark" viewBox=format!("0 0 {WIDTH} {HEIGHT}") preserveAspectRatio="none" role="img" aria-label=label.clone()>
                <title>{label.clone()}</title>
                <path d=line(&values, axis) />
            </svg>
        }
    })
}
