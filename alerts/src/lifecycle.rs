//! The life of an alert, without clock or store.
//!
//! ```text
//! new ──► acknowledged ──► in_progress ──► closed ──► (reopened) new
//! ```
//!
//! Steps may be left out on the way to `closed`, and none leads back but reopening. What belongs to an alert
//! beside its status (owner, labels, whether a silence hides it) changes by the same [`Change`]s, so that
//! there is one way in which an alert is changed and one form in which its history says so.

use std::collections::BTreeSet;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name of an owner, in bytes.
pub const OWNER_BYTES: usize = 200;
/// The longest reason or comment, in bytes.
pub const REASON_BYTES: usize = 16 << 10;
/// The longest label, in bytes.
pub const LABEL_BYTES: usize = 100;
/// The most labels that an alert or incident has.
pub const LABELS: usize = 50;

/// Where an alert or incident stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertStatus {
    /// Nobody has looked at it.
    #[default]
    New,
    /// Somebody has seen it.
    Acknowledged,
    /// Somebody works on it.
    InProgress,
    /// Done with; the verdict says how.
    Closed,
}

/// What a closed alert turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// What the rule looks for, and bad.
    TruePositive,
    /// Not what the rule looks for.
    FalsePositive,
    /// What the rule looks for, and harmless.
    Benign,
    /// Told already by another alert.
    Duplicate,
    /// Events that came late show that it never was; Stormglass itself says so.
    Refuted,
}

/// A step in the life of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Somebody has seen it and takes care.
    Acknowledge,
    /// Somebody works on it.
    Start,
    /// It is done with. [`Verdict::Duplicate`] has a change of its own.
    Close(Verdict),
    /// It is done with: the alert of this id tells the same.
    Duplicate(String),
    /// It was closed too early.
    Reopen,
    /// From now on it is this person's.
    Assign(String),
    /// It is nobody's.
    Unassign,
    /// Somebody has something to say about it; the reason of the change.
    Comment,
    /// Labels of the team's own, to find it by; the rule's tags are not touched.
    Label {
        /// Labels to put on it.
        add: Vec<String>,
        /// Labels to take off.
        remove: Vec<String>,
    },
    /// A silence hid it that should not have.
    Release,
}

/// All that changes about an alert in its life.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Where it stands.
    pub status: AlertStatus,
    /// What it turned out to be, once closed.
    pub verdict: Option<Verdict>,
    /// Why it was closed, in somebody's words.
    pub reason: Option<String>,
    /// The alert that it repeats, if it was closed as a duplicate.
    pub duplicate_of: Option<String>,
    /// Whose it is.
    pub owner: Option<String>,
    /// The team's own labels, sorted.
    pub labels: Vec<String>,
    /// The silence that hides it.
    pub suppressed_by: Option<String>,
}

/// Why a change cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Not from where the alert stands, in a word.
    Standing(&'static str),
    /// It demands a reason.
    ReasonMissing,
    /// The change itself makes no sense; the text says why, and the mend.
    Senseless(String),
}

impl Standing {
    /// What `change` makes of it. Of a change that is in force already nothing changes: acknowledging twice is
    /// harmless. Closing twice is not: the second would put its verdict and reason in the place of somebody
    /// else's. Reopen first.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn after(&self, change: &Change, reason: &str) -> Result<Self, Refusal> {
        change.check(reason)?;
        let mut after = self.clone();
        match change {
            Change::Acknowledge | Change::Start => {
                after.status = self.status.after(change).ok_or(Refusal::Standing(self.status.words()))?;
            }
            Change::Close(_) | Change::Duplicate(_) => {
                after.status = self.status.after(change).ok_or(Refusal::Standing(self.status.words()))?;
                after.verdict = change.verdict();
                after.reason = Some(reason.to_owned());
                after.duplicate_of = match change {
                    Change::Duplicate(of) => Some(of.clone()),
                    _ => None,
                };
            }
            Change::Reopen => {
                after.status = self.status.after(change).ok_or(Refusal::Standing(self.status.words()))?;
                (after.verdict, after.reason, after.duplicate_of) = (None, None, None);
            }
            Change::Assign(owner) => after.owner = Some(owner.trim().to_owned()),
            Change::Unassign => after.owner = None,
            Change::Comment => {}
            Change::Label { add, remove } => {
                after.labels = relabelled(&self.labels, add, remove).map_err(Refusal::Senseless)?;
            }
            Change::Release => {
                if after.suppressed_by.take().is_none() {
                    return Err(Refusal::Standing("not suppressed"));
                }
            }
        }
        Ok(after)
    }

    /// What a field says, as the history tells it; `None` where there is nothing.
    pub fn field(&self, field: Field) -> Option<String> {
        match field {
            Field::Status => Some(self.status.as_str().to_owned()),
            Field::Owner => self.owner.clone(),
            Field::Labels => (!self.labels.is_empty()).then(|| self.labels.join(", ")),
            Field::SuppressedBy => self.suppressed_by.clone(),
            Field::Comment => None,
        }
    }
}

/// What of an alert a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Its status, with the verdict.
    Status,
    /// Its owner.
    Owner,
    /// Its labels.
    Labels,
    /// What is said about it.
    Comment,
    /// The silence that hides it.
    SuppressedBy,
}

impl Field {
    /// The name in the API and in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Owner => "owner",
            Self::Labels => "labels",
            Self::Comment => "comment",
            Self::SuppressedBy => "suppressed_by",
        }
    }
}

impl AlertStatus {
    /// All, in the order of a life.
    pub const ALL: [Self; 4] = [Self::New, Self::Acknowledged, Self::InProgress, Self::Closed];

    /// The name in the API and in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Acknowledged => "acknowledged",
            Self::InProgress => "in_progress",
            Self::Closed => "closed",
        }
    }

    /// The name in a sentence.
    fn words(self) -> &'static str {
        match self {
            Self::InProgress => "in progress",
            other => other.as_str(),
        }
    }

    /// The status after `change`; `None` where the change makes no sense. Work in progress stays that when it
    /// is acknowledged.
    pub fn after(self, change: &Change) -> Option<Self> {
        match (change, self) {
            (Change::Acknowledge, Self::New | Self::Acknowledged) => Some(Self::Acknowledged),
            (Change::Acknowledge, Self::InProgress) => Some(Self::InProgress),
            (Change::Start, Self::New | Self::Acknowledged | Self::InProgress) => Some(Self::InProgress),
            (Change::Acknowledge | Change::Start, Self::Closed) => None,
            (Change::Close(_) | Change::Duplicate(_), Self::Closed) => None,
            (Change::Close(_) | Change::Duplicate(_), _) => Some(Self::Closed),
            (Change::Reopen, Self::Closed) => Some(Self::New),
            (Change::Reopen, _) => None,
            (_, same) => Some(same),
        }
    }
}

impl FromStr for AlertStatus {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|status| status.as_str() == name).ok_or_else(|| {
            format!("unknown status `{name}`; choose new, acknowledged, in_progress or closed")
        })
    }
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::TruePositive, Self::FalsePositive, Self::Benign, Self::Duplicate, Self::Refuted];

    /// The name in the API and in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TruePositive => "true_positive",
            Self::FalsePositive => "false_positive",
            Self::Benign => "benign",
            Self::Duplicate => "duplicate",
            Self::Refuted => "refuted",
        }
    }
}

impl FromStr for Verdict {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == name).ok_or_else(|| {
            format!("unknown verdict `{name}`; choose true_positive, false_positive, benign or duplicate")
        })
    }
}

impl Change {
    /// The change as a past participle, for messages and for the history.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledged",
            Self::Start => "started",
            Self::Close(_) | Self::Duplicate(_) => "closed",
            Self::Reopen => "reopened",
            Self::Assign(_) => "assigned",
            Self::Unassign => "unassigned",
            Self::Comment => "commented",
            Self::Label { .. } => "labelled",
            Self::Release => "released",
        }
    }

    /// What it is about.
    pub fn field(&self) -> Field {
        match self {
            Self::Acknowledge | Self::Start | Self::Close(_) | Self::Duplicate(_) | Self::Reopen => {
                Field::Status
            }
            Self::Assign(_) | Self::Unassign => Field::Owner,
            Self::Comment => Field::Comment,
            Self::Label { .. } => Field::Labels,
            Self::Release => Field::SuppressedBy,
        }
    }

    /// The verdict of a closing.
    pub fn verdict(&self) -> Option<Verdict> {
        match self {
            Self::Close(verdict) => Some(*verdict),
            Self::Duplicate(_) => Some(Verdict::Duplicate),
            _ => None,
        }
    }

    /// Whether the change makes sense, whatever alert it is for.
    ///
    /// # Errors
    /// [`Refusal::ReasonMissing`] or [`Refusal::Senseless`].
    pub fn check(&self, reason: &str) -> Result<(), Refusal> {
        let senseless = |problem: String| Err(Refusal::Senseless(problem));
        if reason.len() > REASON_BYTES {
            return senseless(format!("a reason or comment has at most {REASON_BYTES} bytes; shorten it"));
        }
        match self {
            Self::Close(Verdict::Duplicate) => {
                senseless("a duplicate names the alert that it repeats; give its id".to_owned())
            }
            Self::Close(_) | Self::Duplicate(_) if reason.trim().is_empty() => Err(Refusal::ReasonMissing),
            Self::Comment if reason.trim().is_empty() => {
                senseless("the comment is empty; write something".to_owned())
            }
            Self::Assign(owner) if owner.trim().is_empty() || owner.len() > OWNER_BYTES => {
                senseless(format!("an owner is a name of 1 to {OWNER_BYTES} bytes; to take it off, unassign"))
            }
            Self::Label { add, remove } => check_labels(add, remove).map_err(Refusal::Senseless),
            _ => Ok(()),
        }
    }
}

/// Whether these can be labels.
///
/// # Errors
/// What is wrong, and the mend.
pub(crate) fn check_labels(add: &[String], remove: &[String]) -> Result<(), String> {
    if add.is_empty() && remove.is_empty() {
        return Err("no label is given; name some to add or to remove".to_owned());
    }
    if add.len() > LABELS || remove.len() > LABELS {
        return Err(format!("more than {LABELS} labels at once; do it in parts"));
    }
    let is_bad = |label: &&String| {
        label.trim().is_empty()
            || label.len() > LABEL_BYTES
            || label.contains(',')
            || label.chars().any(char::is_control)
    };
    match add.iter().chain(remove).find(is_bad) {
        Some(bad) => Err(format!(
            "`{}` is no label; write 1 to {LABEL_BYTES} bytes without comma",
            bad.chars().take(LABEL_BYTES).collect::<String>()
        )),
        None => Ok(()),
    }
}

/// Labels after some were put on and others taken off, sorted.
///
/// # Errors
/// There would be more than [`LABELS`], and not fewer than before: what was merged may have more.
pub(crate) fn relabelled(
    labels: &[String],
    add: &[String],
    remove: &[String],
) -> Result<Vec<String>, String> {
    let mut after: BTreeSet<_> = labels.iter().map(String::as_str).collect();
    after.extend(add.iter().map(|label| label.trim()));
    for label in remove {
        after.remove(label.trim());
    }
    if after.len() > LABELS && after.len() >= labels.len() {
        return Err(format!("it would have more than {LABELS} labels; remove some"));
    }
    Ok(after.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_status_and_change() {
        use AlertStatus::*;
        let duplicate = || Change::Duplicate("b".into());
        let close = || Change::Close(Verdict::Benign);
        // From: new, acknowledged, in progress, closed.
        for (change, to) in [
            (Change::Acknowledge, [Some(Acknowledged), Some(Acknowledged), Some(InProgress), None]),
            (Change::Start, [Some(InProgress), Some(InProgress), Some(InProgress), None]),
            (close(), [Some(Closed), Some(Closed), Some(Closed), None]),
            (duplicate(), [Some(Closed), Some(Closed), Some(Closed), None]),
            (Change::Reopen, [None, None, None, Some(New)]),
            (Change::Assign("ann".into()), AlertStatus::ALL.map(Some)),
            (Change::Unassign, AlertStatus::ALL.map(Some)),
            (Change::Comment, AlertStatus::ALL.map(Some)),
        ] {
            for (from, to) in AlertStatus::ALL.into_iter().zip(to) {
                assert_eq!(from.after(&change), to, "{from:?} {change:?}");
                let after = Standing { status: from, ..Standing::default() }.after(&change, "why");
                assert_eq!(after.map(|after| after.status).ok(), to, "{from:?} {change:?}");
            }
        }
    }

    #[test]
    fn names_read_back() {
        for status in AlertStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        for verdict in Verdict::ALL {
            assert_eq!(verdict.as_str().parse(), Ok(verdict));
        }
        assert!("done".parse::<AlertStatus>().is_err());
        assert!("".parse::<Verdict>().is_err());
    }

    #[test]
    fn labels_and_owners_are_bounded() {
        let refused = |change: Change| Standing::default().after(&change, "").unwrap_err();
        let add = |labels: &[&str]| Change::Label {
            add: labels.iter().map(|label| (*label).to_owned()).collect(),
            remove: vec![],
        };
        for bad in ["", "  ", "a,b", "a\nb", &"x".repeat(LABEL_BYTES + 1)] {
            assert!(matches!(refused(add(&[bad])), Refusal::Senseless(_)), "{bad:?}");
        }
        assert!(matches!(refused(add(&[])), Refusal::Senseless(_)));
        let many: Vec<_> = (0..=LABELS).map(|n| n.to_string()).collect();
        assert!(matches!(
            refused(Change::Label { add: many.clone(), remove: vec![] }),
            Refusal::Senseless(_)
        ));
        // What has more because it was merged can lose some.
        assert_eq!(relabelled(&many, &[], &many[..1]).unwrap().len(), LABELS);
        assert!(relabelled(&many, &["x".into()], &many[..1]).is_err());
        assert!(matches!(refused(Change::Assign(" ".into())), Refusal::Senseless(_)));
        assert!(matches!(refused(Change::Assign("x".repeat(OWNER_BYTES + 1))), Refusal::Senseless(_)));
        assert!(matches!(refused(Change::Comment), Refusal::Senseless(_)));
        assert!(matches!(refused(Change::Close(Verdict::Duplicate)), Refusal::Senseless(_)));
        assert_eq!(refused(Change::Duplicate("x".into())), Refusal::ReasonMissing);
        assert_eq!(refused(Change::Release), Refusal::Standing("not suppressed"));
    }

    fn any_change() -> impl Strategy<Value = Change> {
        let label = || proptest::collection::vec("[a-c]", 0..3);
        prop_oneof![
            Just(Change::Acknowledge),
            Just(Change::Start),
            Just(Change::Close(Verdict::Benign)),
            Just(Change::Duplicate("other".into())),
            Just(Change::Reopen),
            "[a-c ]{0,3}".prop_map(Change::Assign),
            Just(Change::Unassign),
            Just(Change::Comment),
            (label(), label()).prop_map(|(add, remove)| Change::Label { add, remove }),
            Just(Change::Release),
        ]
    }

    proptest! {
        /// Whatever is done to an alert: a verdict and its reason are there exactly while it is closed, and a
        /// change is about its own field alone.
        #[test]
        fn any_life_keeps_its_promises(changes in proptest::collection::vec((any_change(), "[a-b]{0,1}"), 0..30)) {
            let mut standing = Standing { suppressed_by: Some("s".into()), ..Standing::default() };
            for (change, reason) in changes {
                let Ok(after) = standing.after(&change, &reason) else { continue };
                prop_assert_eq!(after.verdict.is_some(), after.status == AlertStatus::Closed);
                prop_assert_eq!(after.reason.is_some(), after.verdict.is_some());
                prop_assert_eq!(after.duplicate_of.is_some(), after.verdict == Some(Verdict::Duplicate));
                prop_assert!(after.labels.is_sorted());
                for field in [Field::Status, Field::Owner, Field::Labels, Field::SuppressedBy] {
                    if field != change.field() {
                        prop_assert_eq!(after.field(field), standing.field(field));
                    }
                }
                standing = after;
            }
        }
    }
}
