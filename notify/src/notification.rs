//! What is told, before any service's form is put on it.

use alerts::{Entity, Joined};
use serde::{Deserialize, Serialize};
use url::Url;

/// Why something is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationKind {
    /// An alert or incident is new.
    Raised,
    /// What is known of an alert changed by late events.
    Amended,
    /// More alerts belong to an incident.
    Grown,
    /// An incident is more severe than was told.
    Risen,
    /// Nobody took or closed an incident in time.
    Overdue,
    /// It is part of another, where all that follows is told.
    Merged,
    /// It was given to somebody.
    Assigned,
    /// Somebody says something about it.
    Commented,
    /// Somebody takes it.
    Acknowledged,
    /// It is done with, or late events refuted it.
    Closed,
    /// It was closed too early.
    Reopened,
    /// Nobody acknowledged it in time; the next in line is told.
    Escalated,
    /// Many of low severity, gathered.
    Digest,
    /// Many at once, folded into one.
    Flood,
    /// A test by somebody who sets the channel up.
    Test,
}

/// What something is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// An alert; of a digest or a flood several.
    #[default]
    Alert,
    /// An incident.
    Incident,
}

/// One event that the subject rests on, as much of it as is told; of an incident one alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The event's id in the table, or the alert's.
    pub event_uid: String,
    /// When it happened, microseconds since 1970.
    pub time_us: i64,
    /// The call, as the cloud names it; of an alert its severity and title.
    pub operation: String,
}

/// What is told about an alert, an incident or several of them. Every text in it may be hostile: a log line's
/// author has chosen it. A channel escapes for its own target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Why it is told.
    pub kind: NotificationKind,
    /// What it is told of.
    #[serde(default)]
    pub about: SubjectKind,
    /// The id of the alert or incident.
    pub subject_id: String,
    /// What belongs together in one thread: the id of the alert or incident that was told first. It stays when
    /// incidents become one.
    pub thread: String,
    /// Whether it is an alert in the thread of its incident: what becomes of it is not what becomes of the thread.
    #[serde(default)]
    pub is_part: bool,
    /// Whether it only changes what was told, where that can be changed: nobody is told anew.
    #[serde(default)]
    pub is_quiet: bool,
    /// Whether it is an incident of which its alerts have told all: their message becomes its own.
    #[serde(default)]
    pub takes_over: bool,
    /// What exactly has changed, or the comment; may be empty.
    #[serde(default)]
    pub note: String,
    /// The subject's version; a later notification of the same subject has at least the same.
    pub version: u32,
    /// In one line what happened.
    pub title: String,
    /// What the rule looks for, or a digest's lines.
    pub description: String,
    /// 1 informational, 2 low, 3 medium, 4 high, 5 critical (OCSF `severity_id`).
    pub severity_id: u8,
    /// Where it stands: `new`, `acknowledged`, `in_progress`, `closed`.
    pub status: String,
    /// Whose it is, where it is somebody's.
    #[serde(default)]
    pub owner: Option<String>,
    /// The verdict and reason of a closing.
    pub verdict: Option<(String, String)>,
    /// Who made the change that is told; `stormglass` where nobody did.
    pub by: String,
    /// The rule's id; empty where there are several.
    pub rule_id: String,
    /// The tags as written, ATT&CK techniques among them.
    pub tags: Vec<String>,
    /// AWS, Azure or GCP; empty where there are several.
    pub provider: String,
    /// Who and what it is about.
    pub entities: Vec<Entity>,
    /// What joins the events of a correlation.
    pub joined: Option<Joined>,
    /// The events it rests on: the first ones and the deciding last, at most twenty.
    pub records: Vec<Record>,
    /// How many events it rests on in all.
    pub events: u64,
    /// What to do, a step each.
    pub response: Vec<String>,
    /// How many alerts are meant; 1 for an alert.
    pub count: u64,
    /// When the deciding event happened, microseconds since 1970.
    pub time_us: i64,
    /// When the subject was raised, microseconds since 1970.
    pub created_us: i64,
    /// Where a person reads more; `None` where no public address of the server is configured.
    #[serde(with = "link")]
    pub link: Option<Url>,
}

impl SubjectKind {
    /// The name in payloads: `alert` or `incident`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Incident => "incident",
        }
    }
}

impl Notification {
    /// Whether it says what becomes of its whole thread, and not only of an alert in it.
    pub fn is_of_thread(&self) -> bool {
        !self.is_part
    }

    /// Whether its thread ends with it: what it is about is closed, or goes on elsewhere.
    pub fn ends_thread(&self) -> bool {
        self.is_of_thread() && matches!(self.kind, NotificationKind::Closed | NotificationKind::Merged)
    }

    /// Whether what the message of an alert in its thread is remembered by becomes its own: the incident has this alert.
    pub(crate) fn takes_over_from(&self, place: &str) -> bool {
        let has_alert = || self.records.iter().any(|record| record.event_uid == place);
        self.takes_over && self.about == SubjectKind::Incident && (self.thread == place || has_alert())
    }

    /// What the message of its subject is remembered by in a thread. A thread has one incident at a time, whose
    /// id may change.
    pub(crate) fn place(&self) -> &str {
        match self.about {
            SubjectKind::Alert => &self.subject_id,
            SubjectKind::Incident => "incident",
        }
    }
}

impl NotificationKind {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Raised,
        Self::Amended,
        Self::Grown,
        Self::Risen,
        Self::Overdue,
        Self::Merged,
        Self::Assigned,
        Self::Commented,
        Self::Acknowledged,
        Self::Closed,
        Self::Reopened,
        Self::Escalated,
        Self::Digest,
        Self::Flood,
        Self::Test,
    ];

    /// The name in the configuration, the API and SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Amended => "amended",
            Self::Grown => "grown",
            Self::Risen => "risen",
            Self::Overdue => "overdue",
            Self::Merged => "merged",
            Self::Assigned => "assigned",
            Self::Commented => "commented",
            Self::Acknowledged => "acknowledged",
            Self::Closed => "closed",
            Self::Reopened => "reopened",
            Self::Escalated => "escalated",
            Self::Digest => "digest",
            Self::Flood => "flood",
            Self::Test => "test",
        }
    }

    /// What a change of an alert is told as; `None`: it is nobody's news.
    pub(crate) fn of_alert_change(change: &str) -> Option<Self> {
        Some(match change {
            "raised" => Self::Raised,
            "amended" => Self::Amended,
            // Whoever works on it has taken it.
            "acknowledged" | "started" => Self::Acknowledged,
            "closed" | "refuted" => Self::Closed,
            "reopened" => Self::Reopened,
            "assigned" | "unassigned" => Self::Assigned,
            "commented" => Self::Commented,
            _ => return None,
        })
    }

    /// What a change of an incident is told as, where it is told as it is; `None`: it is nobody's news, or it
    /// depends on what was told.
    pub(crate) fn of_incident_change(change: &str) -> Option<Self> {
        Some(match change {
            "acknowledge_overdue" | "close_overdue" => Self::Overdue,
            "acknowledged" | "started" => Self::Acknowledged,
            "assigned" | "unassigned" => Self::Assigned,
            "commented" => Self::Commented,
            "closed" | "refuted" => Self::Closed,
            "reopened" => Self::Reopened,
            _ => return None,
        })
    }
}

/// A link as text.
mod link {
    use serde::{Deserialize, Deserializer, Serializer};
    use url::Url;

    pub(super) fn serialize<S: Serializer>(link: &Option<Url>, serializer: S) -> Result<S::Ok, S::Error> {
        match link {
            Some(link) => serializer.serialize_some(link.as_str()),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(text.and_then(|text| text.parse().ok()))
    }
}
