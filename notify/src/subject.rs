//! What is told of an alert, and of a test: as much of it as a person reads, and no more than a message holds.

use alerts::{Alert, AlertChange, StoredAlert};
use url::Url;

use crate::{Notification, NotificationKind, Record, SubjectKind};

/// Who does what nobody does.
pub(crate) const STORMGLASS: &str = "stormglass";

/// The most bytes of a text.
pub(crate) const TEXT_BYTES: usize = 4096;
/// The most bytes of a title.
pub(crate) const TITLE_BYTES: usize = 512;
/// The most entries of a list.
pub(crate) const ENTRIES: usize = 50;
/// The most events.
pub(crate) const RECORDS: usize = 20;

/// Where a person reads more: an address in which `{id}` stands for the id of the alert or incident.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkTemplate(Option<String>);

impl LinkTemplate {
    /// A template; an empty one makes no links.
    ///
    /// # Errors
    /// It does not become an address.
    pub fn new(text: &str) -> Result<Self, url::ParseError> {
        let template = Self(Some(text.trim().to_owned()).filter(|text| !text.is_empty()));
        match &template.0 {
            Some(text) => text.replace("{id}", "0").parse::<Url>().map(|_| template),
            None => Ok(template),
        }
    }

    pub(crate) fn link(&self, id: &str) -> Option<Url> {
        self.0.as_ref().and_then(|text| text.replace("{id}", id).parse().ok())
    }
}

impl Notification {
    /// What is told of an alert: `by` made the change that is told, `reason` is theirs.
    pub(crate) fn of_alert(
        kind: NotificationKind,
        stored: &StoredAlert,
        by: &str,
        links: &LinkTemplate,
    ) -> Self {
        let alert = &stored.alert;
        let id = alert.id.to_string();
        let verdict = stored.verdict.map(|verdict| {
            (verdict.as_str().to_owned(), bounded(stored.reason.as_deref().unwrap_or_default(), TEXT_BYTES))
        });
        Self {
            kind,
            about: SubjectKind::Alert,
            link: links.link(&id),
            thread: id.clone(),
            subject_id: id,
            is_part: false,
            is_quiet: false,
            takes_over: false,
            note: String::new(),
            version: stored.version,
            title: bounded(&alert.rule.title, TITLE_BYTES),
            description: bounded(&alert.rule.description, TEXT_BYTES),
            severity_id: alert.severity_id,
            status: stored.status.as_str().to_owned(),
            owner: stored.owner.as_deref().map(|owner| bounded(owner, TITLE_BYTES)),
            verdict,
            by: by.to_owned(),
            rule_id: alert.rule.id.clone(),
            tags: alert.rule.tags.iter().take(ENTRIES).map(|tag| bounded(tag, TITLE_BYTES)).collect(),
            provider: alert.provider.clone(),
            entities: entities(alert),
            joined: joined(alert),
            records: records(alert),
            events: alert.joined.as_ref().map_or(alert.evidence.len() as u64, |joined| joined.events),
            response: alert
                .rule
                .response
                .iter()
                .take(ENTRIES)
                .map(|step| bounded(step, TEXT_BYTES))
                .collect(),
            count: 1,
            time_us: alert.time_us,
            created_us: stored.created_us,
        }
    }

    /// A test of a channel.
    pub(crate) fn test(channel: &str, by: &str, now_us: i64) -> Self {
        Self {
            kind: NotificationKind::Test,
            about: SubjectKind::Alert,
            is_part: false,
            is_quiet: false,
            takes_over: false,
            note: String::new(),
            subject_id: format!("test-{now_us}"),
            thread: format!("test-{now_us}"),
            version: 1,
            title: format!("A test of the channel {channel}"),
            description: "Somebody tries whether this channel works. Nothing has happened.".into(),
            severity_id: 1,
            status: "new".into(),
            owner: None,
            verdict: None,
            by: by.to_owned(),
            rule_id: String::new(),
            tags: Vec::new(),
            provider: String::new(),
            entities: Vec::new(),
            joined: None,
            records: Vec::new(),
            events: 0,
            response: Vec::new(),
            count: 1,
            time_us: now_us,
            created_us: now_us,
            link: None,
        }
    }
}

fn entities(alert: &Alert) -> Vec<alerts::Entity> {
    let cut = |entity: &alerts::Entity| alerts::Entity {
        kind: entity.kind,
        value: bounded(&entity.value, TITLE_BYTES),
        name: entity.name.as_deref().map(|name| bounded(name, TITLE_BYTES)),
    };
    alert.entities.iter().take(ENTRIES).map(cut).collect()
}

fn joined(alert: &Alert) -> Option<alerts::Joined> {
    let mut joined = alert.joined.clone()?;
    joined.by.truncate(ENTRIES);
    for (_, value) in &mut joined.by {
        *value = bounded(value, TITLE_BYTES);
    }
    joined.why = bounded(&joined.why, TEXT_BYTES);
    Some(joined)
}

/// The first ones and the deciding last.
fn records(alert: &Alert) -> Vec<Record> {
    let left_out = alert.evidence.len().saturating_sub(RECORDS);
    let last = alert.evidence.len().saturating_sub(1);
    let told = alert
        .evidence
        .iter()
        .enumerate()
        .filter(|(place, _)| left_out == 0 || *place < RECORDS - 1 || *place == last);
    told.map(|(_, event)| Record {
        event_uid: bounded(&event.event_uid, TITLE_BYTES),
        time_us: event.time_us,
        operation: bounded(&event.operation, TITLE_BYTES),
    })
    .collect()
}

/// The beginning of a text, whole characters.
pub(crate) fn bounded(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let end = (0..=bytes.saturating_sub('…'.len_utf8())).rev().find(|end| text.is_char_boundary(*end));
    format!("{}…", text.get(..end.unwrap_or(0)).unwrap_or_default())
}

/// Who closed, reopened or took it, as its history says; for those who ask what would be told now.
pub(crate) fn last_by(history: &[AlertChange]) -> &str {
    history.last().map_or(STORMGLASS, |change| change.by.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::stored;

    #[test]
    fn what_is_told_is_bounded_and_reads_back() {
        let mut stored = stored("r1", "e1");
        let event = stored.alert.evidence[0].clone();
        stored.alert.evidence =
            (0..1000).map(|n| alerts::Evidence { event_uid: format!("e{n}"), ..event.clone() }).collect();
        stored.alert.rule.description = "ü".repeat(100_000);
        stored.alert.entities = vec![stored.alert.entities[0].clone(); 5000];
        let links = LinkTemplate::new("https://siem.example.com/alerts/{id}").unwrap();
        let told = Notification::of_alert(NotificationKind::Raised, &stored, "dana", &links);
        let uids: Vec<_> = told.records.iter().map(|record| record.event_uid.as_str()).collect();
        assert_eq!((uids.len(), uids[0], uids[18], uids[19]), (20, "e0", "e18", "e999"));
        assert!(told.description.ends_with('…') && told.description.len() <= TEXT_BYTES);
        let json = serde_json::to_string(&told).unwrap();
        assert!(json.len() < 20_000, "{}", json.len());
        assert_eq!(serde_json::from_str::<Notification>(&json).unwrap(), told);
        assert_eq!(told.link.unwrap().path(), format!("/alerts/{}", stored.alert.id));
    }

    #[test]
    fn links_are_addresses_or_none() {
        assert_eq!(LinkTemplate::new("  ").unwrap().link("a"), None);
        assert!(LinkTemplate::new("siem/{id}").is_err());
    }

    #[test]
    fn texts_are_cut_between_characters() {
        for bytes in 0..20 {
            let cut = bounded("aüä€𝟏bcdefghijklmnopqrst", bytes);
            assert!(cut.len() <= bytes.max('…'.len_utf8()), "{bytes} {cut}");
        }
        assert_eq!(bounded("abc", 3), "abc");
    }
}
