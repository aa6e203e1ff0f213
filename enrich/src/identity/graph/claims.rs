//! What belongs to one owner alone, and how many claim it.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::rows::Row;
use crate::identity::link::LinkKind;
use crate::identity::node::NodeKind;

/// That a node has an owner: links of one claim contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Claim {
    /// What is owned: a key, a session, a service principal.
    pub(super) node: u32,
    kind: LinkKind,
    /// The kind of the owner. A key may well belong to a user's ARN and to the same user's unique id.
    owner: NodeKind,
}

impl Claim {
    /// The claim that decides whether a link holds; `b` is the kind of its end. `None` for links that stand for
    /// themselves.
    pub(super) fn of(row: &Row, b: NodeKind) -> Option<Self> {
        match row.kind {
            // The owner of a session is the key that began it.
            LinkKind::SessionOf | LinkKind::SeenInSession => {
                Some(Self { node: row.b, kind: LinkKind::SessionOf, owner: NodeKind::AccessKey })
            }
            // People have several addresses.
            LinkKind::SameMail => None,
            kind if kind.joins() => Some(Self { node: row.a, kind, owner: b }),
            _ => None,
        }
    }

    /// Whether a link makes this claim, rather than only to depend on it.
    pub(super) fn is_made_by(row: &Row) -> bool {
        row.kind != LinkKind::SeenInSession
    }
}

/// The number of owners of each claim.
#[derive(Debug, Default)]
pub(super) struct Claims {
    owners: HashMap<Claim, u32, RandomState>,
}

impl Claims {
    /// Whether there is exactly one owner.
    pub(super) fn hold(&self, claim: Claim) -> bool {
        self.owners.get(&claim) == Some(&1)
    }

    /// One owner more; returns their number.
    pub(super) fn more(&mut self, claim: Claim) -> u32 {
        let owners = self.owners.entry(claim).or_insert(0);
        *owners += 1;
        *owners
    }

    /// One owner less; returns their number.
    pub(super) fn less(&mut self, claim: Claim) -> u32 {
        let Some(owners) = self.owners.get_mut(&claim) else { return 0 };
        *owners = owners.saturating_sub(1);
        let owners = *owners;
        if owners == 0 {
            self.owners.remove(&claim);
        }
        owners
    }
}
