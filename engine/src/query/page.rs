//! Statements as a page shows them: of a range of time with the stretch before, sought, sorted and cut.

use std::collections::{BTreeSet, HashMap};

use chrono::TimeDelta;
use contract::{
    Instant,
    history::{Range, Span},
    query::{Coverage, MOST_QUERIES, QueriesQuery, QueriesView, QuerySort, QueryStat, Sums},
};

use super::{
    difference::{self, Delta},
    look, store,
};
use crate::{Engine, Error, Result, target::Target};

/// The most tags that are offered.
const TAGS: usize = 100;

/// A stretch of time in whole steps.
#[derive(Clone, Copy)]
pub(super) struct Stretch {
    /// The beginning of the first step.
    pub from: Instant,
    /// The end of the last step.
    pub to: Instant,
    /// Seconds of a step.
    pub step: i32,
}

impl Stretch {
    /// A range in steps of which there are not too many, and that are kept long enough for it and the stretch before.
    ///
    /// # Errors
    /// `Invalid` when it ends before it begins.
    pub fn new(range: Range, now: Instant) -> Result<Self> {
        let (from, to) = match range {
            Range::Last(span) => (now - span.length(), now),
            Range::Between(from, to) => (from.max(now - Span::Year.length() * 2), to.min(now)),
        };
        if from >= to {
            return Err(Error::invalid(
                "range",
                "There is no time between that beginning and that end.",
                "Choose an end after the beginning, and a beginning before now and within the last two years.",
            ));
        }
        let (length, age) = (to - from, now - from);
        let step = if length <= TimeDelta::hours(6) && age <= TimeDelta::hours(36) {
            store::STEPS[0]
        } else if length <= TimeDelta::days(7) && age <= TimeDelta::days(22) {
            store::STEPS[1]
        } else {
            store::STEPS[2]
        };
        let end = store::floor(to, step);
        Ok(Self {
            from: store::floor(from, step),
            to: if end < to {
                end + TimeDelta::seconds(step.into())
            } else {
                end
            },
            step,
        })
    }

    /// As many steps before it.
    pub fn before(self) -> Self {
        Self {
            from: self.from - (self.to - self.from),
            to: self.from,
            step: self.step,
        }
    }
}

/// What statements did in a stretch and in the one before.
pub(super) struct Numbers {
    pub deltas: Vec<Delta>,
    pub before: Option<Vec<Delta>>,
    pub coverage: Coverage,
    pub trouble: Option<String>,
}

/// What was measured in a range; where nothing was measured between two looks yet, what
/// the server had counted until the last look.
pub(super) async fn numbers(
    engine: &Engine,
    series: i64,
    stretch: Stretch,
    is_up_to_now: bool,
) -> Result<Numbers> {
    let numbers = measured(engine, series, stretch).await?;
    match numbers.coverage.from {
        None if is_up_to_now => until_now(engine, series, numbers).await,
        _ => Ok(numbers),
    }
}

/// What was measured between two looks.
pub(super) async fn measured(engine: &Engine, series: i64, stretch: Stretch) -> Result<Numbers> {
    let pool = engine.store();
    let (looked_at, trouble) = store::last_turn(pool, series).await?;
    let covered = store::covered(pool, series, stretch).await?;
    let earlier = store::covered(pool, series, stretch.before()).await?;
    let before = match earlier.since {
        Some(_) => Some(store::deltas(pool, series, stretch.before()).await?),
        None => None,
    };
    Ok(Numbers {
        deltas: store::deltas(pool, series, stretch).await?,
        coverage: Coverage {
            from: covered.since,
            to: covered.until,
            seconds: covered.seconds,
            before_seconds: before.is_some().then_some(earlier.seconds),
            cumulative: false,
            evictions: covered.evictions,
            incomplete: covered.incomplete,
            looked_at,
        },
        before,
        trouble,
    })
}

async fn until_now(engine: &Engine, series: i64, mut numbers: Numbers) -> Result<Numbers> {
    if let Some(last) = store::last(engine.store(), series).await? {
        numbers.deltas = difference::greatest(last.deltas(), look::AT_FIRST);
        numbers.coverage = Coverage {
            from: last.reset_at,
            to: Some(last.taken_at),
            cumulative: true,
            evictions: last.evictions,
            incomplete: last.cut,
            looked_at: numbers.coverage.looked_at,
            ..Coverage::default()
        };
    }
    Ok(numbers)
}

/// The number of its series in the store, after a look when one is due: while somebody reads, numbers are no older than
/// half a minute. What is known is shown while the database is down.
pub(super) async fn fresh(engine: &Engine, target: &Target) -> Result<i64> {
    let series = target.series_id(true).await?;
    #[cfg(feature = "test-jobs")]
    if super::test_clock::nobody_looks_by_reading() {
        return Ok(series);
    }
    if let Err(error) = look::turn(engine, target, look::WHILE_READ, None).await {
        tracing::info!(
            target.name = target.name(),
            error = error.chain(),
            "no look at the statements"
        );
    }
    Ok(series)
}

pub(super) async fn list(engine: &Engine, target: &Target, query: QueriesQuery) -> Result<QueriesView> {
    let series = fresh(engine, target).await?;
    let stretch = Stretch::new(query.range, store::now(engine.store()).await?)?;
    let numbers = numbers(engine, series, stretch, matches!(query.range, Range::Last(_))).await?;
    // Asked for now, so that a page right after the remedy is right.
    let (hints, away) = match look::setup(target).await {
        Ok(setup) => (setup.hints(), None),
        Err(error) => (Vec::new(), Some(error.fault().message)),
    };
    let threshold_ms = threshold(engine);
    let whole = whole(&numbers.deltas);
    let roles: BTreeSet<String> = numbers
        .deltas
        .iter()
        .filter(|delta| delta.queryid != 0)
        .map(|delta| delta.role.clone())
        .collect();
    let mut others = Sums::default();
    for delta in numbers
        .deltas
        .iter()
        .filter(|delta| delta.queryid == 0 && !delta.nested)
    {
        others.add(&delta.sums);
    }
    let known = statements(engine, series, &numbers, query.role.as_deref(), &whole).await?;
    let tags: BTreeSet<&String> = known.iter().flat_map(|statement| &statement.tags).collect();
    let tags: Vec<String> = tags.into_iter().take(TAGS).cloned().collect();
    let all = length(known.len());
    let search = query.search.unwrap_or_default().trim().to_lowercase();
    let mut found: Vec<QueryStat> = known
        .into_iter()
        .filter(|statement| {
            let text = statement.text.as_deref().unwrap_or_default();
            (search.is_empty() || text.to_lowercase().contains(&search) || statement.queryid == search)
                && query.tag.as_ref().is_none_or(|tag| statement.tags.contains(tag))
                && query
                    .min_mean_ms
                    .is_none_or(|least| takes(&statement.sums, least))
        })
        .collect();
    found.sort_by(|a, b| {
        let by = by(query.sort, &b.sums).total_cmp(&by(query.sort, &a.sums));
        let by = if query.ascending { by.reverse() } else { by };
        by.then_with(|| a.queryid.cmp(&b.queryid))
    });
    let matching = length(found.len());
    found.truncate(usize::try_from(query.limit.clamp(1, MOST_QUERIES)).unwrap_or_default());
    Ok(QueriesView {
        target: target.name().to_owned(),
        coverage: numbers.coverage,
        whole,
        others,
        statements: found,
        matching,
        all,
        roles: roles.into_iter().collect(),
        tags,
        threshold_ms,
        hints,
        trouble: away.or(numbers.trouble),
    })
}

/// Whether a call takes at least so many milliseconds in the mean.
pub(super) fn takes(sums: &Sums, least_ms: i64) -> bool {
    sums.mean_ms().is_some_and(|mean| mean >= least_ms as f64)
}

pub(super) fn threshold(engine: &Engine) -> i64 {
    i64::try_from(engine.config().query_log.slow.as_millis()).unwrap_or(i64::MAX)
}

fn length(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What all statements did. The time of those inside functions is in their callers' already.
pub(super) fn whole(deltas: &[Delta]) -> Sums {
    let mut whole = Sums::default();
    for delta in deltas.iter().filter(|delta| !delta.nested) {
        whole.add(&delta.sums);
    }
    whole
}

/// The statements, each with all its roles or one of them.
pub(super) async fn statements(
    engine: &Engine,
    series: i64,
    numbers: &Numbers,
    role: Option<&str>,
    whole: &Sums,
) -> Result<Vec<QueryStat>> {
    let mut stats: HashMap<i64, QueryStat> = HashMap::new();
    let asked = |delta: &&Delta| delta.queryid != 0 && role.is_none_or(|role| delta.role == role);
    for delta in numbers.deltas.iter().filter(asked) {
        let stat = stats.entry(delta.queryid).or_insert_with(|| QueryStat {
            queryid: delta.queryid.to_string(),
            text: None,
            whole_text: false,
            tags: Vec::new(),
            roles: Vec::new(),
            nested: true,
            sums: Sums::default(),
            before: numbers.before.as_ref().map(|_| Sums::default()),
            share: 0.0,
            slow: false,
        });
        stat.sums.add(&delta.sums);
        stat.nested &= delta.nested;
        if !stat.roles.contains(&delta.role) {
            stat.roles.push(delta.role.clone());
        }
    }
    for delta in numbers.before.iter().flatten().filter(asked) {
        if let Some(before) = stats
            .get_mut(&delta.queryid)
            .and_then(|stat| stat.before.as_mut())
        {
            before.add(&delta.sums);
        }
    }
    let ids: Vec<i64> = stats.keys().copied().collect();
    for kept in store::texts(engine.store(), series, &ids).await? {
        if let Some(stat) = stats.get_mut(&kept.queryid) {
            stat.text = Some(kept.text);
            stat.whole_text = kept.whole;
            stat.tags = kept.tags;
        }
    }
    let threshold = threshold(engine);
    Ok(stats
        .into_values()
        .map(|mut stat| {
            if whole.total_ms > 0.0 {
                stat.share = stat.sums.total_ms / whole.total_ms;
            }
            stat.slow = takes(&stat.sums, threshold);
            stat.roles.sort();
            stat
        })
        .collect())
}

fn by(sort: QuerySort, sums: &Sums) -> f64 {
    match sort {
        QuerySort::Total => sums.total_ms,
        QuerySort::Mean => sums.mean_ms().unwrap_or_default(),
        QuerySort::Calls => sums.calls as f64,
        QuerySort::Rows => sums.rows as f64,
        QuerySort::Io => sums.io() as f64,
        QuerySort::Wal => sums.wal_bytes as f64,
        QuerySort::Temp => sums.temp as f64,
    }
}
