//! Statements that are slower than they should be.

use contract::{
    finding::{Finding, Level},
    format,
    history::{Range, Span},
};

use super::{
    page::{self, Stretch},
    store, text,
};
use crate::{Engine, Result, target::Target};

/// How often one ran in the last hour before it counts: a report that is slow once a day is no ailment.
const CALLS: i64 = 10;

/// What is to be said of the statements of a managed database.
///
/// # Errors
/// The store's failures.
pub(crate) async fn look(engine: &Engine, target: &Target) -> Result<Vec<Finding>> {
    let pool = engine.store();
    let series = target.series_id(true).await?;
    let stretch = Stretch::new(Range::Last(Span::Hour), store::now(pool).await?)?;
    let numbers = page::measured(engine, series, stretch).await?;
    let whole = page::whole(&numbers.deltas);
    let mut slow = page::statements(engine, series, &numbers, None, &whole).await?;
    // Commands such as CREATE INDEX or VACUUM take as long as they take.
    slow.retain(|it| it.slow && it.sums.calls >= CALLS && it.text.as_deref().is_some_and(text::is_planned));
    slow.sort_by(|a, b| b.sums.total_ms.total_cmp(&a.sums.total_ms));
    let Some(worst) = slow.first() else {
        return Ok(Vec::new());
    };
    let threshold = page::threshold(engine);
    let (words, page) = match slow.len() {
        1 => (
            format!(
                "A statement takes more than {} ms in the mean.",
                format::exact(threshold)
            ),
            format!("queries/{}", worst.queryid),
        ),
        many => (
            format!(
                "{many} statements take more than {} ms in the mean.",
                format::exact(threshold)
            ),
            "queries".to_owned(),
        ),
    };
    let remedy = "Look at its plan: an index may be missing, or it reads more than it returns.";
    let evidence = format!(
        "{} calls of {:.0} ms in the last hour, {} of all time: {}",
        format::exact(worst.sums.calls),
        worst.sums.mean_ms().unwrap_or_default(),
        format::percent(worst.share),
        beginning(worst.text.as_deref().unwrap_or_default()),
    );
    let finding = Finding::new("query.slow", Level::Warning, words, remedy);
    Ok(vec![finding.because(evidence).on(&page).of(slow.len())])
}

fn beginning(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
