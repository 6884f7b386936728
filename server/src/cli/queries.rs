//! `pgsteward queries`: what statements cost.

use contract::{
    format::{self, milliseconds as time},
    history::Range,
    query::{Coverage, QueriesQuery, QueriesView, QueryDetail, QueryQuery, QueryStat},
};

use super::{Session, arguments::Queries, failure::Failure, table};
use crate::console::Console;

pub(super) async fn run(session: &Session<'_>, console: &Console, what: Queries) -> Result<(), Failure> {
    let caller = session.caller(console);
    let target = session.target(console).await?;
    let range = Range::Last(what.range);
    if let Some(queryid) = what.id {
        let query = QueryQuery {
            target,
            queryid,
            range,
        };
        let detail = console.engine.query().view(&caller, query).await?;
        session.out.show(&detail, || whole(&detail));
        return Ok(());
    }
    let query = QueriesQuery {
        target,
        range,
        sort: what.by,
        ascending: false,
        search: what.search,
        role: what.role,
        tag: what.tag,
        min_mean_ms: what.min_mean,
        limit: what.limit,
    };
    let view = console.engine.query().list(&caller, query).await?;
    session.out.show(&view, || words(&view));
    Ok(())
}

fn words(view: &QueriesView) -> String {
    let mut parts: Vec<String> = view
        .hints
        .iter()
        .map(|hint| match &hint.statement {
            Some(statement) => format!("{} To change it: {statement}", hint.words),
            None => hint.words.clone(),
        })
        .collect();
    parts.extend(
        view.trouble
            .clone()
            .map(|trouble| format!("The last look failed: {trouble}")),
    );
    parts.push(covers(&view.coverage));
    if !view.statements.is_empty() {
        let rows: Vec<Vec<String>> = view.statements.iter().map(row).collect();
        parts.push(table::lay_out(
            &[
                "id", "total", "share", "mean", "calls", "rows", "blocks", "wal", "roles", "text",
            ],
            &["id", "total", "share", "mean", "calls", "rows", "blocks", "wal"],
            &rows,
        ));
    }
    parts.push(format!(
        "{} of {} statements; all together took {} in {} calls",
        format::exact(i64::try_from(view.statements.len()).unwrap_or(i64::MAX)),
        format::exact(view.all),
        time(view.whole.total_ms),
        format::exact(view.whole.calls),
    ));
    if view.others.calls > 0 {
        parts.push(format!(
            "{} calls of {} were of statements too small to be kept one by one",
            format::exact(view.others.calls),
            time(view.others.total_ms),
        ));
    }
    parts.join("\n\n")
}

/// What the numbers cover, and what is missing in them.
fn covers(coverage: &Coverage) -> String {
    let mut words = match (coverage.from, coverage.to) {
        (from, Some(to)) if coverage.cumulative => format!(
            "Since the server began to count{} until {}; the next look begins to measure.",
            from.map(|from| format!(" ({})", format::absolute(from)))
                .unwrap_or_default(),
            format::absolute(to)
        ),
        (Some(from), Some(to)) => format!("From {} to {}.", format::absolute(from), format::absolute(to)),
        _ => "Nothing was measured in this time.".to_owned(),
    };
    if coverage.incomplete {
        words.push_str(
            " Counters began anew meanwhile (a reset, a crash), so that some of what ran is missing.",
        );
    }
    if let Some(evictions) = coverage.evictions.filter(|evictions| *evictions > 0) {
        words.push_str(&format!(
            " The server dropped its least used statements {} times; raise pg_stat_statements.max to keep more.",
            format::exact(evictions)
        ));
    }
    if coverage.gap_s() >= 60.0 {
        words.push_str(&format!(
            " {:.0} min of it were not measured.",
            coverage.gap_s() / 60.0
        ));
    }
    words
}

fn row(stat: &QueryStat) -> Vec<String> {
    vec![
        stat.queryid.clone(),
        time(stat.sums.total_ms),
        format::percent(stat.share),
        stat.sums.mean_ms().map(time).unwrap_or_default(),
        format::exact(stat.sums.calls),
        format::exact(stat.sums.rows),
        format::exact(stat.sums.io()),
        format::bytes(stat.sums.wal_bytes),
        stat.roles.join(" "),
        one_line(stat.text.as_deref().unwrap_or("(its text is not known)")),
    ]
}

fn whole(detail: &QueryDetail) -> String {
    let stat = &detail.statement;
    let sums = &stat.sums;
    let mut parts = vec![
        stat.text
            .clone()
            .unwrap_or_else(|| "(its text is not known)".to_owned()),
        covers(&detail.coverage),
    ];
    match &detail.absence {
        // Where nothing was measured, that is said already.
        Some(_) if detail.coverage.to.is_none() => {}
        Some(absence) => parts.push(absence.words.clone()),
        None => parts.push(format!(
            "{} calls took {}, {} of all time; {} in the mean; {} rows; {} blocks hit, {} read, {} written, {} temporary; {} of WAL",
            format::exact(sums.calls),
            time(sums.total_ms),
            format::percent(stat.share),
            sums.mean_ms().map(time).unwrap_or_default(),
            format::exact(sums.rows),
            format::exact(sums.hit),
            format::exact(sums.read),
            format::exact(sums.written),
            format::exact(sums.temp),
            format::bytes(sums.wal_bytes),
        )),
    }
    if let Some((_, until)) = detail.absence.as_ref().and_then(|absence| absence.last) {
        parts.push(format!(
            "It ran last before {}: a longer --range shows it.",
            format::absolute(until)
        ));
    }
    let by_role: Vec<Vec<String>> = detail
        .by_role
        .iter()
        .map(|one| {
            vec![
                one.role.clone(),
                if one.nested { "inside functions" } else { "" }.to_owned(),
                format::exact(one.sums.calls),
                time(one.sums.total_ms),
                one.sums.mean_ms().map(time).unwrap_or_default(),
            ]
        })
        .collect();
    if !by_role.is_empty() {
        parts.push(table::lay_out(
            &["role", "where", "calls", "total", "mean"],
            &["calls", "total", "mean"],
            &by_role,
        ));
    }
    parts.extend(detail.since.iter().map(|since| {
        format!(
            "Since {}, called by {}: {} calls of {} ± {}, from {} to {}",
            since
                .since
                .map_or_else(|| "the server began to count".to_owned(), format::absolute),
            since.role,
            format::exact(since.calls),
            time(since.mean_ms),
            time(since.stddev_ms),
            time(since.min_ms),
            time(since.max_ms),
        )
    }));
    parts.join("\n\n")
}

/// The beginning of a statement.
fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
