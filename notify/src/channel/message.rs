//! A notification in words: what every channel tells, cleaned and bounded, before a service's form and escaping.

use alerts::EntityKind;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::text::{cut, line, lines, plain};
use crate::{Notification, NotificationKind, Record, SubjectKind};

/// The most units of a title.
const TITLE: usize = 240;
/// The most units of a description.
const DESCRIPTION: usize = 1_600;
/// The most units of a value.
const VALUE: usize = 240;
/// The most units of a step of the response.
const STEP: usize = 300;
/// The most facts.
const FACTS: usize = 16;
/// The most events that are listed.
const RECORDS: usize = 10;
/// The most steps.
const STEPS: usize = 10;
/// The most tags.
const TAGS: usize = 20;

/// A notification in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// Why it is told, such as `New alert` or `Acknowledged by ann`.
    pub(super) what: String,
    /// `informational` to `critical`, or `unknown`.
    pub(super) severity: &'static str,
    /// What happened, on one line.
    pub(super) title: String,
    /// More of it; may be empty, may have lines.
    pub(super) description: String,
    /// Names of ours and values of others, in the order of weight.
    pub(super) facts: Vec<(&'static str, String)>,
    /// What the lines of `records` are.
    pub(super) records_name: &'static str,
    /// Events, or the alerts of an incident, a line each.
    pub(super) records: Vec<String>,
    /// What to do, a line each.
    pub(super) steps: Vec<String>,
    /// The tags.
    pub(super) tags: Vec<String>,
    /// Where to read more.
    pub(super) link: Option<String>,
}

impl Message {
    /// The words for `told`.
    pub(super) fn of(told: &Notification) -> Self {
        let mut message = Self {
            what: what(told),
            severity: severity(told.severity_id),
            title: value(&told.title, TITLE),
            description: cut(&lines(&told.description), DESCRIPTION, plain),
            facts: facts(told),
            records_name: match told.about {
                SubjectKind::Alert => "Events",
                SubjectKind::Incident => "Alerts",
            },
            records: Vec::new(),
            steps: told.response.iter().take(STEPS).map(|step| value(step, STEP)).collect(),
            tags: told.tags.iter().take(TAGS).map(|tag| value(tag, 80)).collect(),
            link: told.link.as_ref().map(ToString::to_string).filter(|link| link.len() <= MAX_LINK),
        };
        if message.title.is_empty() {
            message.title = "(no title)".into();
        }
        // What somebody says is short, and what it is about is known.
        if told.kind == NotificationKind::Commented {
            message.description = cut(&lines(&told.note), DESCRIPTION, plain);
            message.steps.clear();
            message.tags.clear();
            return message;
        }
        for record in told.records.iter().take(RECORDS) {
            message.records.push(format!("{} {}", stamp(record.time_us), value(&record.operation, 120)));
        }
        message
    }

    /// Severity, reason and title on one line. It begins with a bracket: no spreadsheet takes it for a formula.
    pub(super) fn headline(&self) -> String {
        format!("[{}] {}: {}", self.severity.to_uppercase(), self.what, self.title)
    }

    /// What has changed, on few lines, for those who have the rest before them. Other alerts may stand there, so
    /// that an alert is named.
    pub(super) fn news(told: &Notification) -> String {
        let mut news = what(told);
        if told.about == SubjectKind::Alert {
            news.push_str(&format!(" · {}", value(&told.title, TITLE)));
        }
        let note = cut(&lines(&told.note), DESCRIPTION, plain);
        if !note.is_empty() {
            news.push_str(&format!(": {note}"));
        }
        if let (NotificationKind::Closed, Some((verdict, reason))) = (told.kind, &told.verdict) {
            news.push_str(&format!(": {}, {}", value(verdict, 40), value(reason, VALUE)));
        }
        news
    }

    /// All of it as text, for services that know no form.
    pub(super) fn text(&self) -> String {
        let mut out = format!("{}\n", self.headline());
        if !self.description.is_empty() {
            out.push_str(&format!("\n{}\n", self.description));
        }
        out.push('\n');
        for (name, value) in &self.facts {
            out.push_str(&format!("{name}: {value}\n"));
        }
        for (heading, lines) in [(self.records_name, &self.records), ("What to do", &self.steps)] {
            if !lines.is_empty() {
                out.push_str(&format!("\n{heading}:\n"));
            }
            for line in lines {
                out.push_str(&format!("- {line}\n"));
            }
        }
        if let Some(link) = &self.link {
            out.push_str(&format!("\n{link}\n"));
        }
        out
    }
}

/// The events or alerts that are told of as programs read them, with texts and times in the form of their target.
pub(super) fn records(
    told: &Notification,
    mut text: impl FnMut(&str, usize) -> String,
    time: impl Fn(i64) -> Value,
) -> Vec<Value> {
    let record = |record: &Record| {
        json!({
            "event_uid": text(&record.event_uid, 80),
            "time": time(record.time_us),
            "operation": text(&record.operation, 120),
        })
    };
    told.records.iter().take(20).map(record).collect()
}

/// A longer link is none that a service would take.
const MAX_LINK: usize = 2_000;

/// A value on one line, in at most `max` units.
pub(super) fn value(text: &str, max: usize) -> String {
    cut(&line(text), max, plain)
}

/// The name of a severity.
pub(super) fn severity(severity_id: u8) -> &'static str {
    match severity_id {
        1 => "informational",
        2 => "low",
        3 => "medium",
        4 => "high",
        5 => "critical",
        _ => "unknown",
    }
}

/// The name of a kind of entity, in payloads.
pub(super) fn entity_kind(kind: EntityKind) -> &'static str {
    match kind {
        EntityKind::Actor => "actor",
        EntityKind::Credential => "credential",
        EntityKind::User => "user",
        EntityKind::Account => "account",
        EntityKind::Address => "address",
        EntityKind::Resource => "resource",
    }
}

/// A time as RFC 3339 in UTC, within the years that it can write.
pub(super) fn stamp(time_us: i64) -> String {
    let within = time_us.clamp(0, LAST_US);
    let time = DateTime::<Utc>::from_timestamp_micros(within).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The last second of the year 9999.
const LAST_US: i64 = 253_402_300_799_000_000;

fn what(told: &Notification) -> String {
    let by = value(&told.by, 80);
    let done = |what: &str| match by.as_str() {
        "" | "stormglass" => what.to_owned(),
        by => format!("{what} by {by}"),
    };
    match told.kind {
        NotificationKind::Raised => match (told.about, told.count) {
            (SubjectKind::Alert, _) => "New alert".into(),
            (SubjectKind::Incident, ..=1) => "New incident".into(),
            (SubjectKind::Incident, count) => format!("New incident of {count} alerts"),
        },
        NotificationKind::Amended => done("Changed"),
        NotificationKind::Grown => "More alerts".into(),
        NotificationKind::Risen => "More severe".into(),
        NotificationKind::Overdue => "Overdue".into(),
        NotificationKind::Merged => "Part of another incident".into(),
        NotificationKind::Assigned => done("Assigned"),
        NotificationKind::Commented => done("Comment"),
        NotificationKind::Acknowledged => done("Acknowledged"),
        NotificationKind::Closed => done("Closed"),
        NotificationKind::Reopened => done("Reopened"),
        NotificationKind::Escalated => "Escalated, nobody has taken it".into(),
        NotificationKind::Digest => format!("{} alerts", told.count),
        NotificationKind::Flood => format!("{} alerts at once", told.count),
        NotificationKind::Test => done("Test"),
    }
}

fn facts(told: &Notification) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Status", value(&told.status, 40))];
    if told.kind != NotificationKind::Commented {
        facts.push(("News", value(&told.note, VALUE)));
    }
    if let Some((verdict, reason)) = &told.verdict {
        facts.push(("Verdict", value(verdict, 40)));
        facts.push(("Reason", value(reason, VALUE)));
    }
    facts.push(("Time", stamp(told.time_us)));
    facts.push(("Provider", value(&told.provider, 40)));
    for entity in &told.entities {
        let label = match entity.kind {
            EntityKind::Actor => "Actor",
            EntityKind::Credential => "Credential",
            EntityKind::User => "User",
            EntityKind::Account => "Account",
            EntityKind::Address => "Address",
            EntityKind::Resource => "Resource",
        };
        let shown = match &entity.name {
            Some(name) => format!("{name} ({})", entity.value),
            None => entity.value.clone(),
        };
        facts.push((label, value(&shown, VALUE)));
    }
    if let Some(joined) = &told.joined {
        for (field, by) in joined.by.iter().take(4) {
            facts.push(("Joined by", value(&format!("{field} = {by}"), VALUE)));
        }
        facts.push(("Why", value(&joined.why, VALUE)));
    }
    if told.about == SubjectKind::Incident {
        facts.push(("Alerts", told.count.to_string()));
    }
    if told.events > 0 {
        facts.push(("Events", told.events.to_string()));
    }
    facts.push(("Rule", value(&told.rule_id, 120)));
    facts.retain(|(_, value)| !value.is_empty());
    facts.truncate(FACTS);
    facts
}
