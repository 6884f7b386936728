//! The chain over the console's own log: checking it, and handing it out with the entries.
//!
//! The store links an entry as its transaction commits (migration 0007): the link's hash is SHA-256 over the hash before
//! it and [`text`]. Checking reads both and computes it anew.

use contract::{
    Instant,
    audit::{AuditCheck, AuditEntry, BrokenAudit, ChainHead, ChainedEntry},
    session::Permission,
};
use futures::TryStreamExt;
use sha2::{Digest, Sha256};

use super::{Audit, store};
use crate::{Caller, Error, Result};

/// Links that one check looks at: about a second's work, so that a page can show how far it is.
const LINKS: i64 = 50_000;
/// Entries in one part of an export.
const ENTRIES: i64 = 2_000;

impl Audit<'_> {
    /// Checks the chain after the link `after` (0 for all), as far as it gets in about a second; `AuditCheck::next` says
    /// where to go on. The last part also looks for entries without a link. With `known`, the chain must still go
    /// through that head, which was noted earlier: who can change the store as its owner can compute a whole new chain,
    /// and cannot change what was noted elsewhere.
    ///
    /// # Errors
    /// `Forbidden`; `Invalid` for a link that is none; the store's failures. A broken chain is no error: it is the answer.
    #[crate::boxed]
    pub async fn verify(&self, caller: &Caller, after: i64, known: Option<ChainHead>) -> Result<AuditCheck> {
        caller.permit(Permission::ViewAudit)?;
        let pool = self.0.store();
        let Some(begin) = store::chain_begin(pool).await? else {
            return Ok(AuditCheck {
                broken: Some(no_beginning()),
                ..AuditCheck::default()
            });
        };
        let last = store::last_link(pool).await?;
        let mut check = AuditCheck {
            begun: Some(begin.at),
            before: begin.entries,
            last: last.unwrap_or_default(),
            ..AuditCheck::default()
        };
        if let Some(known) = &known
            && let Some(broken) = against(known, store::hash_of(pool, known.link).await?, check.last)
        {
            check.broken = Some(broken);
            return Ok(check);
        }
        let Some(mut hash) = store::hash_of(pool, after).await? else {
            if after == 0 {
                check.broken = Some(no_beginning());
                return Ok(check);
            }
            return Err(Error::invalid(
                "after",
                format!("The chain has no link {after}."),
                "Begin at 0.",
            ));
        };
        if after == 0 && hash != beginning(begin.at, begin.entries, begin.last) {
            check.broken = Some(no_beginning());
            return Ok(check);
        }
        let mut at = after;
        let mut links = store::links(pool, after, LINKS);
        while let Some(link) = links.try_next().await? {
            if let Some(broken) = link.fault(at, &hash) {
                check.broken = Some(broken);
                check.checked = at - after;
                return Ok(check);
            }
            at = link.link;
            hash = link.hash;
        }
        drop(links);
        check.checked = at - after;
        if at < check.last {
            check.next = Some(at);
            return Ok(check);
        }
        check.head = Some(ChainHead {
            link: at,
            hash: hex::encode(&hash),
        });
        check.broken = self.beside_the_chain(begin.last, begin.entries).await?;
        Ok(check)
    }

    /// What the links cannot tell: entries that have none, and older ones that are gone.
    async fn beside_the_chain(&self, last_before: i64, entries_before: i64) -> Result<Option<BrokenAudit>> {
        let pool = self.0.store();
        if let Some(entry) = store::unlinked(pool, last_before).await? {
            return Ok(Some(BrokenAudit {
                link: None,
                entry: Some(entry),
                what: format!("Entry {entry} has no link."),
                means: "It was not written by the console, or it was moved: somebody added it with the log's protection \
                        turned off."
                    .to_owned(),
            }));
        }
        let there = store::entries_until(pool, last_before).await?;
        Ok((there != entries_before).then(|| BrokenAudit {
            link: None,
            entry: None,
            what: format!(
                "Of the {} entries from before the chain, {} are there.",
                contract::format::exact(entries_before),
                contract::format::exact(there)
            ),
            means: "Entries were removed, or added, with the log's protection turned off.".to_owned(),
        }))
    }

    /// The entries after the number `after`, oldest first, with their links; a part at a time, empty at the end.
    ///
    /// # Errors
    /// `Forbidden`; the store's failures.
    #[crate::boxed]
    pub async fn export_chained(&self, caller: &Caller, after: i64) -> Result<Vec<ChainedEntry>> {
        caller.permit(Permission::ViewAudit)?;
        Ok(store::chained(self.0.store(), after, ENTRIES).await?)
    }
}

/// A link with its entry, as both are stored.
pub(super) struct Link {
    pub(super) link: i64,
    pub(super) number: Option<i64>,
    pub(super) hash: Vec<u8>,
    /// Missing when it was removed.
    pub(super) entry: Option<AuditEntry>,
}

impl Link {
    /// What is wrong with it after a link and its hash.
    fn fault(&self, before: i64, hash: &[u8]) -> Option<BrokenAudit> {
        let number = self.number.unwrap_or_default();
        let broken = |what: String, means: &str| {
            Some(BrokenAudit {
                link: Some(self.link),
                entry: self.number,
                what,
                means: means.to_owned(),
            })
        };
        if self.link != before + 1 {
            return Some(BrokenAudit {
                link: Some(before + 1),
                entry: None,
                what: format!("Link {} is gone; the next one is {}.", before + 1, self.link),
                means:
                    "Entries were removed together with their links, with the log's protection turned off."
                        .to_owned(),
            });
        }
        let Some(entry) = &self.entry else {
            return broken(
                format!("Entry {number} is gone; its link {} is there.", self.link),
                "The entry was removed with the log's protection turned off.",
            );
        };
        if linked(hash, entry) != self.hash {
            return broken(
                format!("Entry {number} is not what its link {} says.", self.link),
                "The entry, or the order of entries here, was changed after it was written.",
            );
        }
        None
    }
}

/// The hash of an entry's link after the one before.
fn linked(before: &[u8], entry: &AuditEntry) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(text(entry).as_bytes());
    hash.finalize().to_vec()
}

/// The hash of link 0.
fn beginning(at: Instant, entries: i64, last: i64) -> Vec<u8> {
    let text = format!(
        "pgsteward audit chain 1,{},{entries},{last}",
        at.timestamp_micros()
    );
    Sha256::digest(text.as_bytes()).to_vec()
}

/// An entry as the store's function `audit_entry_text` writes it: each value as `length:value` in characters, or `-` for
/// none, with commas between.
fn text(entry: &AuditEntry) -> String {
    let job = entry.job.map(|job| job.0.to_string());
    let values = [
        Some(entry.id.to_string()),
        Some(entry.at.timestamp_micros().to_string()),
        Some(entry.severity.name().to_owned()),
        Some(entry.event_type.clone()),
        entry.user.clone(),
        entry.address.clone(),
        entry.target.clone(),
        entry.object.clone(),
        Some(entry.outcome.name().to_owned()),
        entry.detail.clone(),
        job,
    ];
    let texts = values.map(|value| match value {
        Some(value) => format!("{}:{value}", value.chars().count()),
        None => "-".to_owned(),
    });
    texts.join(",")
}

/// Whether the chain still goes through a head that was noted earlier.
fn against(known: &ChainHead, found: Option<Vec<u8>>, last: i64) -> Option<BrokenAudit> {
    let found = found.map(hex::encode);
    if found.as_deref() == Some(known.hash.as_str()) {
        return None;
    }
    let (what, means) = match found {
        None => (
            format!(
                "The chain ends at link {last}, and had a link {} when its head was noted.",
                known.link
            ),
            "The newest entries were removed together with their links, or this is another console's log.",
        ),
        Some(_) => (
            format!("Link {} is not the one whose hash was noted.", known.link),
            "The log was written anew from some entry on, or this is another console's log.",
        ),
    };
    Some(BrokenAudit {
        link: Some(known.link),
        entry: None,
        what,
        means: means.to_owned(),
    })
}

fn no_beginning() -> BrokenAudit {
    BrokenAudit {
        link: Some(0),
        entry: None,
        what: "The beginning of the chain is not what it was.".to_owned(),
        means: "The chain, or the count of entries from before it, was removed or changed with its protection turned off."
            .to_owned(),
    }
}
