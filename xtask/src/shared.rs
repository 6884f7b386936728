//! Where code goes that several areas need: into the main module, or into one of a few shared ones.
//!
//! The splitter knows for each function which areas need it. A file for each such set would be more than a hundred, and a file
//! by itself compresses worse than the main module grows by the same code; all of it in the main module would have each page load
//! what others need. So sets are put together two by two, always those that gain the most, until nothing is gained.

use std::collections::{BTreeMap, BTreeSet};

/// The areas that need some code.
pub type Areas = BTreeSet<String>;

/// What one request less is worth, in thousandths of a byte after brotli.
const REQUEST: i64 = 3_000_000;
/// What a byte of code adds to the main module, in thousandths of a byte after brotli, as measured.
const IN_MAIN: i64 = 140;
/// The same for a module of its own.
const APART: i64 = 250;

/// A page with less code of its own than this has room for what others share.
const LITTLE: i64 = 40_000;

/// Which sets of areas are put together.
pub struct Arrangement {
    all: Areas,
    groups: BTreeMap<Areas, Areas>,
}

impl Arrangement {
    /// Arranges sets with the bytes of their code, beside a main module of that many bytes. `later` says of an area that it
    /// comes after its page, or with some states of it alone.
    pub fn new(sets: &BTreeMap<Areas, i64>, main: i64, later: impl Fn(&str) -> bool) -> Self {
        let all: Areas = sets.keys().flatten().cloned().collect();
        let weight = |area: &String| {
            let own = sets.get(&Areas::from([area.clone()])).copied().unwrap_or(0);
            match () {
                () if later(area) => 2,
                () if own < LITTLE => 3,
                () => 10,
            }
        };
        let weights: Vec<i64> = all.iter().map(weight).collect();
        let mask = |areas: &Areas| {
            let places = all.iter().enumerate().filter(|(_, area)| areas.contains(*area));
            places.fold(0, |mask, (place, _)| mask | 1_u128 << place)
        };
        let mut groups: Vec<Group> = sets
            .iter()
            .filter(|(areas, _)| areas.len() > 1)
            .map(|(areas, size)| Group {
                mask: mask(areas),
                size: *size,
                main: false,
                sets: vec![areas.clone()],
            })
            .collect();
        groups.push(Group {
            mask: mask(&all),
            size: main,
            main: true,
            sets: Vec::new(),
        });
        while let Some((one, other)) = cheapest(&groups, &weights) {
            let taken = groups.swap_remove(one.max(other));
            let group = &mut groups[one.min(other)];
            group.mask |= taken.mask;
            group.size += taken.size;
            group.main |= taken.main;
            group.sets.extend(taken.sets);
        }
        let mut of_set = BTreeMap::new();
        for group in groups {
            let areas = if group.main {
                all.clone()
            } else {
                group.sets.iter().flatten().cloned().collect()
            };
            of_set.extend(group.sets.into_iter().map(|set| (set, areas.clone())));
        }
        Self { all, groups: of_set }
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
    /// Its areas, a bit for each.
    mask: u128,
    size: i64,
    main: bool,
    sets: Vec<Areas>,
}

/// The two groups that are put together next, if any should be.
fn cheapest(groups: &[Group], weights: &[i64]) -> Option<(usize, usize)> {
    let pairs = (0..groups.len()).flat_map(|one| (0..one).map(move |other| (one, other)));
    pairs
        .map(|(one, other)| (cost(&groups[one], &groups[other], weights), (one, other)))
        .min()
        .filter(|(cost, _)| *cost < 0)
        .map(|(_, pair)| pair)
}

/// What all pages load more, less what they save: code in the main module compresses better, and each request has its price.
fn cost(one: &Group, other: &Group, weights: &[i64]) -> i64 {
    let requests = weigh(one.mask & other.mask, weights) * REQUEST;
    let missing = |group: &Group, other: &Group| weigh(other.mask & !group.mask, weights) * group.size;
    let apart = |group: &Group, main: &Group| {
        missing(group, main) * IN_MAIN - weigh(group.mask, weights) * group.size * (APART - IN_MAIN)
    };
    let more = match (one.main, other.main) {
        (true, _) => apart(other, one),
        (_, true) => apart(one, other),
        _ => (missing(one, other) + missing(other, one)) * APART,
    };
    more - requests
}

/// How much some areas count.
fn weigh(mask: u128, weights: &[i64]) -> i64 {
    weights
        .iter()
        .enumerate()
        .filter(|(place, _)| mask >> place & 1 == 1)
        .map(|(_, weight)| weight)
        .sum()
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
            (areas("backup palette"), 300_000),
            (areas("audit"), 50_000),
            (areas("backup"), 50_000),
            (areas("jobs"), 50_000),
            (areas("login"), 4_000),
            (areas("stats"), 50_000),
        ];
        let arranged = Arrangement::new(&sets.into(), 1_000_000, |area| area == "palette");
        assert!(
            arranged.in_main(&areas("audit backup jobs stats")),
            "only little is loaded in vain"
        );
        assert!(
            arranged.in_main(&areas("audit jobs stats")),
            "it is worth no request"
        );
        assert!(
            !arranged.in_main(&areas("backup palette")),
            "three heavy pages do without"
        );
        assert_eq!(arranged.group(&areas("backup palette")), areas("backup palette"));
        assert_eq!(
            arranged.group(&areas("jobs login")),
            areas("jobs login"),
            "one that was not known"
        );
    }
}
