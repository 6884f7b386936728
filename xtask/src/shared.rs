//! Where code goes that several areas need: into the main module, or into one of a few shared ones.
//!
//! The splitter knows for each function which areas need it. A file for each such set would be more than a hundred, and a file
//! by itself compresses worse than the main module grows by the same code; all of it in the main module would have each page load
//! what others need. So sets are put together two by two, always those that gain the most, until nothing is gained.

use std::collections::{BTreeMap, BTreeSet};

/// The areas that need some code.
pub type Areas = BTreeSet<String>;

/// What one request less is worth, in thousandths of a byte after brotli.
const REQUEST: i64 = 1_500_000;
/// What a byte of code adds to the main module, in thousandths of a byte after brotli, as measured.
const IN_MAIN: i64 = 140;
/// The same for a module of its own.
const APART: i64 = 300;

/// Which sets of areas are put together.
pub struct Arrangement {
    all: Areas,
    groups: BTreeMap<Areas, Areas>,
}

impl Arrangement {
    /// Arranges sets with the bytes of their code, beside a main module of that many bytes.
    pub fn new(sets: &BTreeMap<Areas, i64>, main: i64) -> Self {
        let all: Areas = sets.keys().flatten().cloned().collect();
        let mut groups: Vec<Group> = sets
            .iter()
            .filter(|(areas, _)| areas.len() > 1)
            .map(|(areas, size)| Group {
                areas: areas.clone(),
                size: *size,
                main: false,
                sets: vec![areas.clone()],
            })
            .collect();
        groups.push(Group {
            areas: all.clone(),
            size: main,
            main: true,
            sets: Vec::new(),
        });
        while let Some((one, other)) = cheapest(&groups) {
            let taken = groups.swap_remove(one.max(other));
            let group = &mut groups[one.min(other)];
            group.areas.extend(taken.areas);
            group.size += taken.size;
            group.main |= taken.main;
            group.sets.extend(taken.sets);
        }
        let groups = groups
            .into_iter()
            .flat_map(|group| group.sets.into_iter().map(move |set| (set, group.areas.clone())))
            .collect();
        Self { all, groups }
    }

    /// Whether what these areas share is in the main module.
    pub fn in_main(&self, areas: &Areas) -> bool {
        self.groups.get(areas) == Some(&self.all)
    }

    /// The areas that load what these share.
    pub fn group(&self, areas: &Areas) -> Areas {
        match self.groups.get(areas) {
            Some(group) if *group != self.all => group.clone(),
            // A set that came up only when much was in the main module already.
            _ => areas.clone(),
        }
    }
}

struct Group {
    areas: Areas,
    size: i64,
    main: bool,
    sets: Vec<Areas>,
}

/// The two groups that are put together next, if any should be.
fn cheapest(groups: &[Group]) -> Option<(usize, usize)> {
    let pairs = (0..groups.len()).flat_map(|one| (0..one).map(move |other| (one, other)));
    pairs
        .map(|(one, other)| (cost(&groups[one], &groups[other]), (one, other)))
        .min()
        .filter(|(cost, _)| *cost < 0)
        .map(|(_, pair)| pair)
}

/// What all pages load more, less what they save: code in the main module compresses better, and each request has its price.
fn cost(one: &Group, other: &Group) -> i64 {
    let count = |areas: usize| i64::try_from(areas).unwrap_or(i64::MAX);
    let missing =
        |group: &Group, other: &Group| count(other.areas.difference(&group.areas).count()) * group.size;
    let requests = count(one.areas.intersection(&other.areas).count()) * REQUEST;
    let apart = |group: &Group, main: &Group| {
        missing(group, main) * IN_MAIN - count(group.areas.len()) * group.size * (APART - IN_MAIN)
    };
    let more = match (one.main, other.main) {
        (true, _) => apart(other, one),
        (_, true) => apart(one, other),
        _ => (missing(one, other) + missing(other, one)) * APART,
    };
    more - requests
}

#[cfg(test)]
mod tests {
    use super::*;

    fn areas(names: &str) -> Areas {
        names.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn little_joins_its_like_and_much_stays_by_itself() {
        let sets = [
            (areas("audit jobs"), 90_000),
            (areas("audit jobs stats"), 100),
            (areas("audit backup jobs stats"), 80_000),
            (areas("backup login"), 300_000),
            (areas("login"), 4_000),
        ];
        let arranged = Arrangement::new(&sets.into(), 1_000_000);
        assert!(
            arranged.in_main(&areas("audit backup jobs stats")),
            "one page alone does without"
        );
        assert!(
            arranged.in_main(&areas("audit jobs stats")),
            "it is worth no request"
        );
        assert!(
            !arranged.in_main(&areas("backup login")),
            "three pages do without"
        );
        assert_eq!(arranged.group(&areas("backup login")), areas("backup login"));
        assert_eq!(arranged.group(&areas("audit jobs")), areas("audit jobs"));
        assert_eq!(
            arranged.group(&areas("jobs login")),
            areas("jobs login"),
            "one that was not known"
        );
    }
}
