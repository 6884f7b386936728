//! One page out of all tables: search, order, cut.

use std::cmp::Ordering;

use contract::{
    format,
    stats::{RelationKind, TABLES_PER_PAGE, TablePage, TableQuery, TableSort, TableStat},
};

use super::sample::Sample;

/// The page that a query asks for.
pub(super) fn of(sample: &Sample, query: TableQuery) -> TablePage {
    cut(sample, query, TABLES_PER_PAGE)
}

/// All that a query asks for, on one page.
pub(super) fn whole(sample: &Sample, query: TableQuery) -> TablePage {
    cut(sample, TableQuery { page: 1, ..query }, i64::MAX)
}

fn cut(sample: &Sample, query: TableQuery, per_page: i64) -> TablePage {
    let wanted = query
        .search
        .as_deref()
        .map(|text| text.trim().to_lowercase())
        .filter(|text| !text.is_empty());
    let stats = &sample.tree.stats;
    // A name that is searched for is found whatever it belongs to.
    let everything = query.all || wanted.is_some();
    let listed: Vec<bool> = stats.iter().map(|table| everything || is_listed(table)).collect();
    let chosen: Vec<bool> = stats
        .iter()
        .zip(&listed)
        .map(|(table, listed)| *listed && matches(table, wanted.as_deref()))
        .collect();
    let mut tables: Vec<&TableStat> = stats
        .iter()
        .zip(&chosen)
        .filter(|(_, chosen)| **chosen)
        .map(|(table, _)| table)
        .collect();
    let direction = |ordering: Ordering| {
        if query.descending {
            ordering.reverse()
        } else {
            ordering
        }
    };
    tables.sort_unstable_by(|a, b| direction(by(query.sort, a, b)).then_with(|| name(a).cmp(&name(b))));

    let all = listed.iter().filter(|listed| **listed).count() as i64;
    let matching = tables.len() as i64;
    let last = (matching - 1).max(0) / per_page + 1;
    let skipped = (query.page.clamp(1, last) - 1) * per_page;
    let counts =
        |at: &usize| stats[*at].kind != RelationKind::Partitioned && sample.tree.is_within(*at, &chosen);
    TablePage {
        target: query.target,
        matching,
        all,
        hidden: stats.len() as i64 - all,
        total_bytes: (0..stats.len())
            .filter(counts)
            .map(|at| stats[at].total_bytes)
            .sum(),
        largest_bytes: tables.iter().map(|table| table.total_bytes).max().unwrap_or(0),
        stats_reset: sample.stats_reset,
        sampled_at: sample.at,
        look: sample.id,
        settling: !sample.exact,
        sizes_from: sample.sizes_from.clone(),
        note: note(sample),
        tables: tables
            .into_iter()
            .skip(skipped as usize)
            .take(usize::try_from(per_page).unwrap_or(usize::MAX))
            .cloned()
            .collect(),
    }
}

/// Whether a relation is listed without being asked for: partitions are seen through their table, the console's own
/// tables are nobody's work, and views have no size.
fn is_listed(table: &TableStat) -> bool {
    table.partition_of.is_none() && !table.own && table.kind != RelationKind::View
}

/// Why sizes are not exact.
fn note(sample: &Sample) -> Option<String> {
    if !sample.exact {
        return Some(
            "The sizes of so many files are being read now. Until then, those marked ≈ are of the last look, vacuum or \
             analyze, and so is their order."
                .to_owned(),
        );
    }
    let stats = sample.tree.stats.iter();
    let locked = stats
        .filter(|table| table.estimated && table.kind != RelationKind::Partitioned)
        .count();
    (locked > 0).then(|| {
        format!(
            "{} locked exclusively by another session; the size marked ≈ is of the last look, vacuum or analyze.",
            format::counted(locked, "table is", "tables are")
        )
    })
}

/// Whether `schema.name` contains the text, which is in lower case.
fn matches(table: &TableStat, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| {
        format!("{}.{}", table.schema, table.name)
            .to_lowercase()
            .contains(wanted)
    })
}

fn name(table: &TableStat) -> (&str, &str) {
    (&table.schema, &table.name)
}

fn by(sort: TableSort, a: &TableStat, b: &TableStat) -> Ordering {
    match sort {
        TableSort::Name => name(a).cmp(&name(b)),
        TableSort::Rows => a.rows.cmp(&b.rows),
        TableSort::Dead => a.dead_rows.cmp(&b.dead_rows),
        TableSort::Heap => a.heap_bytes.cmp(&b.heap_bytes),
        TableSort::Toast => a.toast_bytes.cmp(&b.toast_bytes),
        TableSort::Indexes => a.index_bytes.cmp(&b.index_bytes),
        TableSort::Total => a.total_bytes.cmp(&b.total_bytes),
        TableSort::Vacuum => a.last_vacuum.cmp(&b.last_vacuum),
        TableSort::Analyze => a.last_analyze.cmp(&b.last_analyze),
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, Utc};

    use super::{
        super::tree::{Row, Tree, tests::row},
        *,
    };

    fn table(name: &str, number: i64) -> TableStat {
        TableStat {
            schema: "public".into(),
            name: name.into(),
            kind: RelationKind::Table,
            partition_of: None,
            partitions: 0,
            own: false,
            rows: (number > 0).then_some(number),
            dead_rows: number,
            heap_bytes: number,
            toast_bytes: -number,
            index_bytes: number,
            total_bytes: number,
            estimated: false,
            last_vacuum: (number > 0).then(|| Utc::now() + TimeDelta::days(number)),
            last_analyze: None,
            sequential_scans: 0,
            index_scans: 0,
            indexes: 0,
        }
    }

    fn sample(tables: Vec<TableStat>) -> Sample {
        let rows = (1..).zip(tables).map(|(oid, stat)| Row {
            oid,
            parent: None,
            stat,
        });
        of_rows(rows.collect())
    }

    fn of_rows(rows: Vec<Row>) -> Sample {
        Sample {
            id: 1,
            tree: Tree::of(rows),
            stats_reset: None,
            at: Utc::now(),
            exact: true,
            sizes_from: None,
        }
    }

    fn query(search: &str, sort: TableSort, descending: bool, page: i64) -> TableQuery {
        TableQuery {
            target: "t".into(),
            search: Some(search.into()),
            sort,
            descending,
            page,
            all: false,
            look: None,
        }
    }

    fn names(page: &TablePage) -> Vec<&str> {
        page.tables.iter().map(|table| table.name.as_str()).collect()
    }

    #[test]
    fn never_vacuumed_and_never_counted_tables_come_last_when_the_latest_come_first() {
        let sample = sample(vec![table("never", 0), table("a", 1), table("b", 2)]);
        for sort in [TableSort::Rows, TableSort::Vacuum, TableSort::Total] {
            assert_eq!(names(&of(&sample, query("", sort, true, 1))), ["b", "a", "never"]);
            assert_eq!(
                names(&of(&sample, query("", sort, false, 1))),
                ["never", "a", "b"]
            );
        }
        assert_eq!(
            names(&of(&sample, query("", TableSort::Toast, true, 1))),
            ["never", "a", "b"]
        );
    }

    #[test]
    fn equal_tables_are_in_the_order_of_their_names_either_way() {
        let sample = sample(vec![table("c", 1), table("a", 1), table("b", 1)]);
        for descending in [true, false] {
            assert_eq!(
                names(&of(&sample, query("", TableSort::Total, descending, 1))),
                ["a", "b", "c"]
            );
        }
    }

    #[test]
    fn a_page_beyond_the_end_is_the_last_one() {
        let sample = sample(
            (0..120)
                .map(|number| table(&format!("t{number:03}"), number))
                .collect(),
        );
        let names_of = |page| {
            let page = of(&sample, query("", TableSort::Name, false, page));
            (
                page.tables.first().map(|table| table.name.clone()),
                page.tables.len(),
            )
        };
        assert_eq!(names_of(1), (Some("t000".into()), 50));
        assert_eq!(names_of(3), (Some("t100".into()), 20));
        assert_eq!(names_of(9_000), names_of(3));
        assert_eq!(names_of(i64::MAX), names_of(3));
        assert_eq!(names_of(i64::MIN), names_of(1));
    }

    #[test]
    fn totals_are_over_all_that_match_and_nothing_matches_without_harm() {
        let sample = sample(vec![
            table("orders", 30),
            table("Orders_old", 12),
            table("users", 100),
        ]);
        let page = of(&sample, query(" ORDERS ", TableSort::Total, true, 1));
        assert_eq!(
            (page.matching, page.all, page.total_bytes, page.largest_bytes),
            (2, 3, 42, 30)
        );
        assert_eq!(
            names(&of(&sample, query("public.us", TableSort::Total, true, 1))),
            ["users"]
        );
        let none = of(&sample, query("%", TableSort::Total, true, 7));
        assert_eq!((none.matching, none.total_bytes, none.largest_bytes), (0, 0, 0));
    }

    #[test]
    fn what_is_in_partitions_counts_once_and_partitions_are_listed_when_asked_for() {
        use RelationKind::{Foreign, Partitioned, Table, View};
        let mut ledger = row(7, None, Table, 1000);
        ledger.stat.own = true;
        let sample = of_rows(vec![
            row(1, None, Partitioned, 0),
            row(2, Some(1), Table, 10),
            row(3, Some(1), Table, 20),
            row(4, None, Table, 5),
            row(5, None, Foreign, 0),
            row(6, None, View, 0),
            ledger,
        ]);
        let listed = of(&sample, query("", TableSort::Total, true, 1));
        assert_eq!(names(&listed), ["t1", "t4", "t5"]);
        assert_eq!((listed.all, listed.hidden, listed.total_bytes), (3, 4, 70));
        assert_eq!(listed.largest_bytes, 60);
        let all = TableQuery {
            all: true,
            ..query("", TableSort::Total, true, 1)
        };
        let all = whole(&sample, all);
        assert_eq!(names(&all), ["t7", "t1", "t3", "t2", "t4", "t5", "t6"]);
        assert_eq!((all.all, all.hidden, all.total_bytes), (7, 0, 2070));
        // Two partitions of three, without their table.
        let found = of(&sample, query("t2", TableSort::Total, true, 1));
        assert_eq!((names(&found), found.total_bytes), (vec!["t2"], 20));
    }
}
