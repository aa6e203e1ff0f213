//! What people have decided about incidents: these belong together, these do not.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

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
    },
}

impl Decision {
    /// Whether a later decision contradicts this one: what was split is merged again, or the other way round.
    pub fn is_undone_by(&self, later: &DecisionKind, merged: &BTreeSet<String>) -> bool {
        match (&self.kind, later) {
            (DecisionKind::Split { out, rest }, DecisionKind::Merge { .. }) => {
                !out.is_disjoint(merged) && !rest.is_disjoint(merged)
            }
            (DecisionKind::Merge { a, b }, DecisionKind::Split { out, rest }) => {
                (out.contains(a) && rest.contains(b)) || (out.contains(b) && rest.contains(a))
            }
            _ => false,
        }
    }
}
