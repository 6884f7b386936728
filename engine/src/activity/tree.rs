//! Who holds up whom.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use contract::activity::{BlockNode, PreparedView, SessionStat};

/// The most places that are shown; those that are left out are still counted.
const MOST: usize = 200;

/// Who holds up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Holder {
    Process(i32),
    /// By its number; none where nothing tells which one.
    Prepared(Option<String>),
}

/// The tree, each root before those below it, the root that holds up most first. Each waiter stands once, below the one of
/// its holders that is nearest to a root; the others are named. `prepared_of` has the prepared transactions that hold what a
/// process waits for.
pub(super) fn of(
    sessions: &[SessionStat],
    prepared: &[PreparedView],
    prepared_of: &HashMap<i32, Vec<String>>,
) -> Vec<BlockNode> {
    let holders = |session: &SessionStat| -> Vec<Holder> {
        let mut holders = BTreeSet::new();
        for pid in &session.blocked_by {
            if *pid != 0 {
                holders.insert(Holder::Process(*pid));
                continue;
            }
            match prepared_of
                .get(&session.key.pid)
                .filter(|found| !found.is_empty())
            {
                Some(found) => holders.extend(found.iter().cloned().map(|it| Holder::Prepared(Some(it)))),
                None => drop(holders.insert(Holder::Prepared(None))),
            }
        }
        // A parallel worker that waits counts as its leader.
        holders.remove(&Holder::Process(session.key.pid));
        holders.into_iter().collect()
    };
    let waiters: BTreeMap<i32, Vec<Holder>> = sessions
        .iter()
        .filter(|session| !session.blocked_by.is_empty())
        .map(|session| (session.key.pid, holders(session)))
        .filter(|(_, holders)| !holders.is_empty())
        .collect();
    let mut held: BTreeMap<Holder, Vec<i32>> = BTreeMap::new();
    for (pid, holders) in &waiters {
        for holder in holders {
            held.entry(holder.clone()).or_default().push(*pid);
        }
    }
    let waits = |holder: &Holder| matches!(holder, Holder::Process(pid) if waiters.contains_key(pid));
    let mut roots: Vec<Holder> = held.keys().filter(|holder| !waits(holder)).cloned().collect();
    let mut queue: VecDeque<Holder> = roots.iter().cloned().collect();
    let mut seen: HashSet<Holder> = queue.iter().cloned().collect();
    let mut parent: HashMap<Holder, Holder> = HashMap::new();
    let mut order = Vec::new();
    loop {
        while let Some(holder) = queue.pop_front() {
            for pid in held.get(&holder).into_iter().flatten() {
                let waiter = Holder::Process(*pid);
                if seen.insert(waiter.clone()) {
                    parent.insert(waiter.clone(), holder.clone());
                    queue.push_back(waiter);
                }
            }
            order.push(holder);
        }
        // What no root leads to waits in a ring: a deadlock that the server has not broken yet. One of it stands on top.
        let Some(pid) = waiters.keys().find(|pid| !seen.contains(&Holder::Process(**pid))) else {
            break;
        };
        let ring = Holder::Process(*pid);
        seen.insert(ring.clone());
        roots.push(ring.clone());
        queue.push_back(ring);
    }

    let of_pid: HashMap<i32, &SessionStat> = sessions
        .iter()
        .map(|session| (session.key.pid, session))
        .collect();
    let waited = |holder: &Holder| match holder {
        Holder::Process(pid) => of_pid
            .get(pid)
            .and_then(|session| session.waits_for.as_ref())
            .and_then(|lock| lock.seconds)
            .unwrap_or(0),
        Holder::Prepared(_) => 0,
    };
    let mut below: HashMap<&Holder, (i64, i64)> = HashMap::new();
    let mut children: HashMap<&Holder, Vec<&Holder>> = HashMap::new();
    // The last found are the deepest, so that what is below one is known before it is counted itself.
    for holder in order.iter().rev() {
        let Some(above) = parent.get(holder) else { continue };
        let (count, longest) = below.get(holder).copied().unwrap_or_default();
        let sum = below.entry(above).or_default();
        sum.0 += count + 1;
        sum.1 = sum.1.max(longest).max(waited(holder));
        children.entry(above).or_default().push(holder);
    }
    let weight = |holder: &Holder| std::cmp::Reverse(below.get(holder).copied().unwrap_or_default());
    roots.sort_by_key(|root| weight(root));
    let mut stack: Vec<(&Holder, u32)> = roots.iter().rev().map(|root| (root, 0)).collect();
    let mut nodes = Vec::new();
    while let Some((holder, depth)) = stack.pop() {
        if nodes.len() == MOST {
            break;
        }
        let (count, longest_s) = below.get(holder).copied().unwrap_or_default();
        let pid = match holder {
            Holder::Process(pid) => *pid,
            Holder::Prepared(_) => 0,
        };
        let above = parent.get(holder);
        let also = waiters
            .get(&pid)
            .into_iter()
            .flatten()
            .filter(|other| Some(*other) != above)
            .map(|other| match other {
                Holder::Process(pid) => *pid,
                Holder::Prepared(_) => 0,
            })
            .collect();
        nodes.push(BlockNode {
            depth,
            below: count,
            longest_s,
            session: of_pid.get(&pid).map(|session| (*session).clone()),
            prepared: match holder {
                Holder::Prepared(Some(number)) => {
                    prepared.iter().find(|it| it.transaction == *number).cloned()
                }
                _ => None,
            },
            pid,
            also,
        });
        let mut next = children.get(holder).cloned().unwrap_or_default();
        next.sort_by_key(|child| weight(child));
        stack.extend(next.into_iter().rev().map(|child| (child, depth + 1)));
    }
    nodes
}

#[cfg(test)]
mod tests {
    use contract::activity::{LockWait, SessionKey};

    use super::*;

    fn session(pid: i32, blocked_by: &[i32], seconds: i64) -> SessionStat {
        SessionStat {
            key: SessionKey { pid, started: None },
            kind: Some("client backend".into()),
            role: None,
            database: None,
            here: true,
            application: String::new(),
            client: None,
            state: None,
            state_s: None,
            transaction_s: None,
            query_s: None,
            wait: None,
            waits_for: (!blocked_by.is_empty()).then(|| LockWait {
                on: "table public.t".into(),
                mode: "ShareLock".into(),
                seconds: Some(seconds),
            }),
            blocked_by: blocked_by.to_vec(),
            query: None,
            horizon_xids: None,
            protected: None,
        }
    }

    fn shape(nodes: &[BlockNode]) -> Vec<(u32, i32, i64, i64)> {
        nodes
            .iter()
            .map(|node| (node.depth, node.pid, node.below, node.longest_s))
            .collect()
    }

    #[test]
    fn the_first_cause_stands_above_all_that_it_holds_up() {
        let sessions = [
            session(1, &[], 0),
            session(2, &[1], 60),
            session(3, &[2], 50),
            // Behind 2 in the queue for what 1 holds.
            session(4, &[1, 2], 20),
            session(5, &[], 0),
            session(6, &[5], 900),
            session(7, &[], 0),
        ];
        let tree = of(&sessions, &[], &HashMap::new());
        assert_eq!(
            shape(&tree),
            [
                (0, 1, 3, 60),
                (1, 2, 1, 50),
                (2, 3, 0, 0),
                (1, 4, 0, 0),
                (0, 5, 1, 900),
                (1, 6, 0, 0)
            ]
        );
        assert_eq!(tree[3].also, [2]);
    }

    #[test]
    fn a_ring_has_an_end_and_a_long_chain_is_no_trouble() {
        let ring = [
            session(1, &[3], 5),
            session(2, &[1], 5),
            session(3, &[2], 5),
            session(4, &[4], 1),
        ];
        assert_eq!(
            shape(&of(&ring, &[], &HashMap::new())),
            [(0, 1, 2, 5), (1, 2, 1, 5), (2, 3, 0, 0)]
        );
        let mut chain: Vec<SessionStat> = (1..=1000).map(|pid| session(pid, &[pid - 1], 1)).collect();
        chain[0].blocked_by.clear();
        let tree = of(&chain, &[], &HashMap::new());
        assert_eq!((tree.len(), tree[0].below), (MOST, 999));
    }

    #[test]
    fn a_prepared_transaction_is_a_root_by_its_name_or_without_one() {
        let prepared = [PreparedView {
            name: "two-phase".into(),
            transaction: "777".into(),
            owner: "ann".into(),
            database: "shop".into(),
            here: true,
            age_s: 60,
            xids: 3,
            remedy: String::new(),
        }];
        let sessions = [session(2, &[0], 10), session(3, &[0], 10)];
        let known = HashMap::from([(2, vec!["777".to_owned()])]);
        let tree = of(&sessions, &prepared, &known);
        assert_eq!(tree.len(), 4);
        let roots: Vec<String> = tree
            .iter()
            .filter(|node| node.depth == 0)
            .map(BlockNode::who)
            .collect();
        assert!(
            roots.contains(&"the prepared transaction “two-phase” (role ann)".to_owned()),
            "{roots:?}"
        );
        assert!(roots.contains(&"a prepared transaction".to_owned()), "{roots:?}");
    }
}
