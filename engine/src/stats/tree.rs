//! Relations with what belongs together: partitions below their tables, and the sums over them.

use std::collections::HashMap;

use contract::stats::{RelationKind, RelationName, TableStat};

/// One relation as the catalogs have it.
#[derive(Clone)]
pub(super) struct Row {
    /// Its number in the catalogs.
    pub oid: u32,
    /// The partitioned table above it.
    pub parent: Option<u32>,
    /// What it has itself.
    pub stat: TableStat,
}

/// Relations with sums.
pub(crate) struct Tree {
    /// In the order of the rows.
    pub stats: Vec<TableStat>,
    oids: Vec<u32>,
    parents: Vec<Option<usize>>,
}

impl Tree {
    /// Adds up what partitions have, over all levels.
    pub(super) fn of(rows: Vec<Row>) -> Self {
        let places: HashMap<u32, usize> = rows.iter().enumerate().map(|(at, row)| (row.oid, at)).collect();
        let parents: Vec<Option<usize>> = rows
            .iter()
            .map(|row| row.parent.and_then(|parent| places.get(&parent).copied()))
            .collect();
        let oids = rows.iter().map(|row| row.oid).collect();
        let mut stats: Vec<TableStat> = rows.into_iter().map(|row| row.stat).collect();
        // What a partitioned table's own ANALYZE counted, for where a partition was never counted.
        let own_rows: Vec<Option<i64>> = stats.iter().map(|stat| stat.rows).collect();
        let mut uncounted = vec![false; stats.len()];
        for stat in stats
            .iter_mut()
            .filter(|stat| stat.kind == RelationKind::Partitioned)
        {
            stat.rows = Some(0);
        }
        for at in 0..stats.len() {
            if let Some(parent) = parents[at] {
                let (schema, name) = (stats[parent].schema.clone(), stats[parent].name.clone());
                stats[at].partition_of = Some(RelationName { schema, name });
                stats[parent].partitions += 1;
            }
            if stats[at].kind == RelationKind::Partitioned {
                continue;
            }
            let leaf = stats[at].clone();
            let mut above = parents[at];
            while let Some(parent) = above {
                uncounted[parent] |= leaf.rows.is_none();
                add(&mut stats[parent], &leaf);
                above = parents[parent];
            }
        }
        for (at, stat) in stats.iter_mut().enumerate() {
            if uncounted[at] {
                stat.rows = own_rows[at];
            }
        }
        Self { stats, oids, parents }
    }

    /// The relation of this number.
    pub(super) fn find(&self, oid: u32) -> Option<usize> {
        self.oids.iter().position(|other| *other == oid)
    }

    /// The number of a relation.
    pub(super) fn oid(&self, at: usize) -> u32 {
        self.oids[at]
    }

    /// The partitioned table directly above a relation.
    pub(super) fn parent(&self, at: usize) -> Option<usize> {
        self.parents[at]
    }

    /// Whether a relation or one above it is among the chosen.
    pub(super) fn is_within(&self, at: usize, chosen: &[bool]) -> bool {
        let mut here = Some(at);
        while let Some(place) = here {
            if chosen[place] {
                return true;
            }
            here = self.parents[place];
        }
        false
    }
}

fn add(sum: &mut TableStat, leaf: &TableStat) {
    sum.rows = match (sum.rows, leaf.rows) {
        (Some(sum), Some(leaf)) => Some(sum + leaf),
        (sum, None) => sum,
        (None, leaf) => leaf,
    };
    sum.dead_rows += leaf.dead_rows;
    sum.heap_bytes += leaf.heap_bytes;
    sum.toast_bytes += leaf.toast_bytes;
    sum.index_bytes += leaf.index_bytes;
    sum.total_bytes += leaf.total_bytes;
    sum.estimated |= leaf.estimated;
    sum.sequential_scans += leaf.sequential_scans;
    sum.index_scans += leaf.index_scans;
    sum.last_vacuum = sum.last_vacuum.max(leaf.last_vacuum);
}

#[cfg(test)]
pub(super) mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// A table of this size with nothing else.
    pub fn row(oid: u32, parent: Option<u32>, kind: RelationKind, bytes: i64) -> Row {
        Row {
            oid,
            parent,
            stat: TableStat {
                schema: "public".into(),
                name: format!("t{oid}"),
                kind,
                partition_of: None,
                partitions: 0,
                own: false,
                rows: (kind != RelationKind::Partitioned).then_some(bytes),
                dead_rows: 1,
                heap_bytes: bytes,
                toast_bytes: 0,
                index_bytes: bytes,
                total_bytes: 2 * bytes,
                estimated: false,
                last_vacuum: None,
                last_analyze: None,
                sequential_scans: 1,
                index_scans: 1,
                indexes: 1,
            },
        }
    }

    #[test]
    fn a_partitioned_table_has_the_sum_of_all_levels_below_it() {
        use RelationKind::{Partitioned, Table};
        let rows = vec![
            row(5, Some(2), Table, 4),
            row(1, None, Partitioned, 0),
            row(2, Some(1), Partitioned, 0),
            row(3, Some(1), Table, 10),
            row(4, Some(2), Table, 100),
            row(9, None, Table, 7),
        ];
        let tree = Tree::of(rows);
        let stat = |oid| &tree.stats[tree.find(oid).unwrap()];
        let all = stat(1);
        assert_eq!((all.total_bytes, all.rows, all.dead_rows), (228, Some(114), 4));
        assert_eq!((all.partitions, all.indexes), (2, 1));
        assert_eq!((stat(2).total_bytes, stat(2).partitions), (208, 2));
        assert_eq!(stat(4).partition_of.as_ref().unwrap().name, "t2");
        assert_eq!((stat(9).total_bytes, stat(9).partition_of.is_none()), (14, true));
    }

    #[test]
    fn one_partition_that_nobody_counted_leaves_the_tables_own_count() {
        use RelationKind::{Partitioned, Table};
        let mut parent = row(1, None, Partitioned, 0);
        parent.stat.rows = Some(50);
        let mut new = row(2, Some(1), Table, 10);
        new.stat.rows = None;
        let tree = Tree::of(vec![parent.clone(), new.clone(), row(3, Some(1), Table, 40)]);
        assert_eq!(tree.stats[0].rows, Some(50));
        parent.stat.rows = None;
        assert_eq!(Tree::of(vec![parent, new]).stats[0].rows, None);
    }
}
