//! What people have decided about incidents: these belong together, these do not.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::ids;

/// A merge or a split by hand. It names alerts, not incidents, so that it holds whatever else is joined later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Who decided.
    pub by: String,
    /// Why, in their words.
    pub reason: String,
    /// When, microseconds since 1970.
    pub at_us: i64,
    /// What.
    #[serde(flatten)]
    pub kind: DecisionKind,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum DecisionKind {
    /// The two alerts, and so their incidents, belong together.
    Merge {
        /// An alert of the one.
        a: String,
        /// An alert of the other.
        b: String,
    },
    /// The first alerts are an incident of their own and never one with the others.
    Split {
        /// What was taken out.
        out: BTreeSet<String>,
        /// What it was taken out of.
        rest: BTreeSet<String>,
        /// Which incidents they are; in what was decided before this was kept, nobody says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ids: Option<SplitIds>,
    },
}

/// The ids of the incidents that a split makes of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitIds {
    /// What was taken out: a function of the decision.
    pub out: String,
    /// The rest: the id that the incident had.
    pub rest: String,
}

impl SplitIds {
    /// The id of a side, of what was taken out or of the rest.
    pub fn of(&self, is_out: bool) -> &str {
        if is_out { &self.out } else { &self.rest }
    }
}

impl Decision {
    /// Takes alerts out of the incident `from`.
    pub fn split(
        from: &str,
        out: BTreeSet<String>,
        rest: BTreeSet<String>,
        by: &str,
        reason: &str,
        at_us: i64,
    ) -> Self {
        let ids = SplitIds { out: ids::of_split(from, by, at_us, &out), rest: from.to_owned() };
        let kind = DecisionKind::Split { out, rest, ids: Some(ids) };
        Self { by: by.to_owned(), reason: reason.to_owned(), at_us, kind }
    }

    /// The same of the alerts that go on as others: `heir` gives those. What goes on on both sides of a split stays in
    /// the rest.
    pub(super) fn going_on<E>(self, heir: impl Fn(String) -> Result<String, E>) -> Result<Self, E> {
        let all = |ids: BTreeSet<String>| ids.into_iter().map(&heir).collect::<Result<BTreeSet<_>, E>>();
        let kind = match self.kind {
            DecisionKind::Merge { a, b } => DecisionKind::Merge { a: heir(a)?, b: heir(b)? },
            DecisionKind::Split { out, rest, ids } => {
                let (out, rest) = (all(out)?, all(rest)?);
                DecisionKind::Split { out: out.difference(&rest).cloned().collect(), rest, ids }
            }
        };
        Ok(Self { kind, ..self })
    }

    /// Whether a later decision contradicts this one: what was split is merged again, or the other way round.
    pub fn is_undone_by(&self, later: &DecisionKind, merged: &BTreeSet<String>) -> bool {
        match (&self.kind, later) {
            (DecisionKind::Split { out, rest, .. }, DecisionKind::Merge { .. }) => {
                !out.is_disjoint(merged) && !rest.is_disjoint(merged)
            }
            (DecisionKind::Merge { a, b }, DecisionKind::Split { out, rest, .. }) => {
                (out.contains(a) && rest.contains(b)) || (out.contains(b) && rest.contains(a))
            }
            _ => false,
        }
    }
}
