//! What keeps dead rows of a database from being removed.

use contract::activity::{HolderKind, HorizonHolder, SessionStat};

use super::catalog::Snapshot;
use crate::quote;

/// The most that are shown.
const MOST: usize = 20;

/// Everything that holds the horizon of this database, the worst first: its own sessions and prepared transactions,
/// replication slots, and standbys. Sessions in other databases hold that of theirs.
pub(super) fn of(snapshot: &Snapshot, sessions: &[SessionStat]) -> Vec<HorizonHolder> {
    let of_session = |session: &SessionStat| {
        let xids = session.horizon_xids?;
        let sender = session.kind.as_deref() == Some("walsender");
        let pid = session.key.pid;
        let (kind, remedy) = match (sender, session.is_active()) {
            (false, _) if !session.blocked_by.is_empty() => (
                HolderKind::Session,
                format!(
                    "It waits for others ({}): end what these do first.",
                    session
                        .blocked_by
                        .iter()
                        .map(|pid| format!("pid {pid}"))
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            ),
            (true, _) => (
                HolderKind::Standby,
                "A query on that standby holds it: end it there, or set hot_standby_feedback to off there, after which such \
                 queries may be cancelled."
                    .to_owned(),
            ),
            (false, true) => (
                HolderKind::Session,
                "Wait for its statement, or cancel it.".to_owned(),
            ),
            (false, false) => (
                HolderKind::Session,
                "Let its application commit or roll back, or terminate the session.".to_owned(),
            ),
        };
        (session.here || sender).then(|| HorizonHolder {
            kind,
            who: match sender {
                true => format!("a standby or client that streams: pid {pid} ({})", session.who()),
                false => format!("pid {pid} ({})", session.who()),
            },
            xids,
            age_s: session.transaction_s,
            remedy,
        })
    };
    let prepared = snapshot
        .prepared
        .iter()
        .filter(|row| row.database == snapshot.facts.database)
        .map(|row| HorizonHolder {
            kind: HolderKind::Prepared,
            who: format!("the prepared transaction “{}” (role {})", row.name, row.owner),
            xids: row.xids,
            age_s: Some(row.age_s),
            remedy: format!(
                "Ask its application; then: rollback prepared {};",
                quote::literal(&row.name)
            ),
        });
    let slots = snapshot.slots.iter().map(|slot| HorizonHolder {
        kind: HolderKind::Slot,
        who: match (slot.active, slot.active_pid) {
            (true, Some(pid)) => format!("the replication slot {}, used by pid {pid}", slot.name),
            (true, None) => format!("the replication slot {}, in use", slot.name),
            _ => format!("the replication slot {}, which nobody uses", slot.name),
        },
        xids: slot.xids,
        age_s: slot.inactive_s,
        remedy: match (slot.active, slot.physical) {
            (true, true) => {
                "A query on its standby holds it: end it there, or set hot_standby_feedback to off there."
                    .to_owned()
            }
            (true, false) => "Its consumer is behind: see what holds it up.".to_owned(),
            (false, _) => format!(
                "Start its consumer; when there is none any more: select pg_drop_replication_slot({});",
                quote::literal(&slot.name)
            ),
        },
    });
    // Of those that hold as much, the ones that nobody holds up are the cause.
    let mut holders: Vec<(HorizonHolder, bool)> = sessions
        .iter()
        .filter_map(|session| Some((of_session(session)?, !session.blocked_by.is_empty())))
        .chain(prepared.chain(slots).map(|holder| (holder, false)))
        .collect();
    holders.sort_by_key(|(holder, waits)| {
        (
            std::cmp::Reverse(holder.xids),
            *waits,
            std::cmp::Reverse(holder.age_s),
        )
    });
    holders.truncate(MOST);
    holders.into_iter().map(|(holder, _)| holder).collect()
}
