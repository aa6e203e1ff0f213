//! What an alert is.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The identity of an alert: a hash over its rule and its events, as 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AlertId(String);

impl AlertId {
    /// The id of the alert that rule `rule_id` raises for the events `event_uids`. Their order and
    /// repetitions do not matter: a second delivery may bring them in another order.
    pub fn new<'a>(rule_id: &str, event_uids: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"alert\0");
        hasher.update(rule_id.as_bytes());
        for uid in event_uids.into_iter().collect::<BTreeSet<_>>() {
            hasher.update(b"\0");
            hasher.update(uid.as_bytes());
        }
        Self(hasher.finalize().to_hex().chars().take(32).collect())
    }

    /// An id read back from the store.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The rule behind an alert, as it was when it matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleRef {
    /// The rule's id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its level as Sigma names it: informational, low, medium, high, critical.
    pub level: String,
    /// Its tags as written, ATT&CK techniques among them.
    pub tags: Vec<String>,
    /// Its description.
    pub description: String,
    /// What to do, a step each.
    #[serde(default)]
    pub response: Vec<String>,
}

/// The kind of thing that an [`Entity`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    /// Who did it.
    Actor,
    /// The credential used.
    Credential,
    /// The user it was done to.
    User,
    /// The account, subscription or project.
    Account,
    /// The address it came from.
    Address,
    /// What it was done to.
    Resource,
}

/// Someone or something that an alert is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entity {
    /// Its kind.
    pub kind: EntityKind,
    /// Its id, or its name where there is no id.
    pub value: String,
    /// Its name, where that is not the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// One event that an alert rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The event's id in the table.
    pub event_uid: String,
    /// When it happened, in microseconds since 1970.
    pub time_us: i64,
    /// The call, as the cloud names it.
    pub operation: String,
    /// The record as the cloud wrote it; empty beyond the first and the last of many, see [`RAW_RECORDS`].
    pub raw: String,
}

/// An alert carries the raw records of so many of its first events, and of as many of its last; of those
/// between it names time, operation and id, up to [`EVIDENCE`] in all.
pub const RAW_RECORDS: usize = 50;

/// The most events that an alert names.
pub const EVIDENCE: usize = 1000;

/// What joins the events of a correlation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Joined {
    /// The names and values of `group-by`.
    pub by: Vec<(String, String)>,
    /// What was counted or computed, in words; may be empty.
    pub why: String,
    /// When the first of the events happened, in microseconds since 1970.
    pub begin_us: i64,
    /// How many events there are; more than the evidence names, if there are very many.
    pub events: u64,
}

/// A rule's match, with all that is needed to judge it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Its identity.
    pub id: AlertId,
    /// The rule.
    pub rule: RuleRef,
    /// 1 informational, 2 low, 3 medium, 4 high, 5 critical (OCSF `severity_id`).
    pub severity_id: u8,
    /// When the deciding event happened, in microseconds since 1970.
    pub time_us: i64,
    /// AWS, Azure or GCP.
    pub provider: String,
    /// Who and what it is about.
    pub entities: Vec<Entity>,
    /// The events it rests on, in order of time.
    pub evidence: Vec<Evidence>,
    /// What joins them, if the rule is a correlation.
    pub joined: Option<Joined>,
}

impl Alert {
    /// The first entity of `kind`.
    pub fn entity(&self, kind: EntityKind) -> Option<&str> {
        self.entities.iter().find(|entity| entity.kind == kind).map(|entity| entity.value.as_str())
    }
}

/// The severity that a Sigma level has.
pub(crate) fn severity_name(severity_id: u8) -> &'static str {
    match severity_id {
        1 => "informational",
        2 => "low",
        3 => "medium",
        4 => "high",
        5 => "critical",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_id_depends_on_rule_and_events_alone() {
        let one = AlertId::new("r1", ["a", "b"]);
        assert_eq!(one, AlertId::new("r1", ["a", "b"]));
        assert_ne!(one, AlertId::new("r2", ["a", "b"]));
        assert_ne!(one, AlertId::new("r1", ["ab"]));
        assert_ne!(one, AlertId::new("r1", ["a"]));
        assert_eq!(one.as_str().len(), 32);
    }

    /// Ids stand in tickets and in databases: they must be the same in every version.
    #[test]
    fn ids_of_old_alerts_do_not_change() {
        assert_eq!(AlertId::new("r1", ["a"]).as_str(), "bb133e42ad2d3984aaa5a8fe196d050d");
        assert_eq!(AlertId::new("r1", ["a", "b"]).as_str(), "a1af29b9bcd22738b9feea8e276a0061");
    }

    proptest! {
        #[test]
        fn any_order_and_any_replay_give_the_same_id(
            uids in proptest::collection::vec("[0-9a-f]{4}", 1..20).prop_shuffle(),
            cut in 0_usize..20,
        ) {
            let id = AlertId::new("r1", uids.iter().map(String::as_str));
            let mut replayed = uids.clone();
            replayed.rotate_left(cut % uids.len());
            replayed.extend_from_slice(&uids[..cut % uids.len()]);
            prop_assert_eq!(AlertId::new("r1", replayed.iter().map(String::as_str)), id.clone());
            replayed.push("not one of them".into());
            prop_assert_ne!(AlertId::new("r1", replayed.iter().map(String::as_str)), id);
        }
    }
}
