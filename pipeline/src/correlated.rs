//! What correlations find becomes alerts.

use alerts::{Alert, AlertId, EVIDENCE, Entity, EntityKind, Evidence, Joined, RAW_RECORDS, RuleRef};
use enrich::identity::{Link, LinkKind};
use event::{Col, EventBatch};
use rules::{Correlation, Episode};
use serde::{Deserialize, Serialize};
use storage::remembered::LinkRow;

use crate::detect;

/// The most entities that an alert names.
const ENTITIES: usize = 100;

/// The kind of correlation whose alerts name the places.
const TRAVEL: &str = "x-impossible-travel";

/// The most places that an alert names.
const PLACES: usize = 6;

/// What an alert will say of an event, kept for as long as a correlation remembers it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct HitEvent {
    pub(crate) evidence: Evidence,
    pub(crate) entities: Vec<Entity>,
    pub(crate) provider: String,
    /// Where the source was, in words: city and country; empty where that is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) place: String,
}

impl HitEvent {
    /// Of a row of a batch; `None` for a row without id or time, which no match names.
    pub(crate) fn new(events: &EventBatch, row: usize) -> Option<Self> {
        Some(Self {
            evidence: detect::evidence(events, row)?,
            entities: detect::entities(events, row),
            provider: events.str_at(Col::CloudProvider, row).unwrap_or_default().to_owned(),
            place: place(events, row),
        })
    }

    /// Where it was, and which address and cloud show it.
    fn seen_at(&self) -> String {
        let address = self.entities.iter().find(|entity| entity.kind == EntityKind::Address);
        let by = [address.map_or("", |entity| entity.value.as_str()), self.provider.as_str()];
        let by = by.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
        let place = if self.place.is_empty() { "a place without a name" } else { &self.place };
        if by.is_empty() { place.to_owned() } else { format!("{place} ({by})") }
    }

    /// From its stored text; `None` if that is damaged.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// As it is stored.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// City and country of a row, as far as they are known.
fn place(events: &EventBatch, row: usize) -> String {
    let columns = [Col::SrcEndpointLocationCity, Col::SrcEndpointLocationCountry];
    let parts = columns.into_iter().filter_map(|col| events.str_at(col, row)).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(", ")
}

/// The alert for an episode. `load` gives what was kept of an event.
pub(crate) fn alert<E>(
    rule: &Correlation,
    key: &[String],
    episode: &Episode,
    mut load: impl FnMut(u128) -> Result<Option<HitEvent>, E>,
) -> Result<Alert, E> {
    let mut events: Vec<_> = episode.hits.iter().map(|(time_us, event, _)| (*time_us, *event)).collect();
    events.dedup();
    let total = events.len();
    let mut evidence = Vec::with_capacity(total.min(EVIDENCE));
    let mut entities: Vec<Entity> = Vec::new();
    let mut providers: Vec<String> = Vec::new();
    let mut seen_at: Vec<String> = Vec::new();
    for (index, (time_us, event)) in
        events.into_iter().enumerate().filter(|(index, _)| is_named(*index, total))
    {
        let Some(mut kept) = load(event.0)? else {
            let event_uid = event.uid().to_string();
            evidence.push(Evidence { event_uid, time_us, operation: String::new(), raw: String::new() });
            continue;
        };
        if rule.kind() == TRAVEL && seen_at.len() <= PLACES {
            let place = kept.seen_at();
            if seen_at.last() != Some(&place) {
                seen_at.push(place);
            }
        }
        if index >= RAW_RECORDS && index + RAW_RECORDS < total {
            kept.evidence.raw = String::new();
        }
        evidence.push(kept.evidence);
        for entity in kept.entities {
            if entities.len() < ENTITIES && !entities.contains(&entity) {
                entities.push(entity);
            }
        }
        if !kept.provider.is_empty() && !providers.contains(&kept.provider) {
            providers.push(kept.provider);
        }
    }
    entities.sort_by_key(|entity| entity.kind);
    providers.sort();
    Ok(Alert {
        id: AlertId::new(rule.id(), [episode.id.uid().as_str()]),
        rule: rule_ref(rule),
        severity_id: rule.level().severity_id(),
        time_us: episode.end_us,
        provider: providers.join(", "),
        entities,
        evidence,
        joined: Some(Joined {
            by: rule.group_by().iter().cloned().zip(key.iter().cloned()).collect(),
            why: in_words(&episode.why, &seen_at),
            begin_us: episode.begin_us,
            events: total as u64,
        }),
    })
}

/// What was computed, and where somebody was seen, in order of time.
fn in_words(why: &str, seen_at: &[String]) -> String {
    let named = seen_at.get(..PLACES).unwrap_or(seen_at);
    if named.is_empty() {
        return why.to_owned();
    }
    let more = if seen_at.len() > PLACES { ", and further" } else { "" };
    format!("{why}: {}{more}", named.join(", then "))
}

/// Of very many events the first and the last are named.
fn is_named(index: usize, total: usize) -> bool {
    index < EVIDENCE / 2 || index + EVIDENCE / 2 >= total
}

/// What an alert says of its rule.
pub(crate) fn rule_ref(rule: &rules::RuleHead) -> RuleRef {
    RuleRef {
        id: rule.id().to_owned(),
        title: rule.title().to_owned(),
        level: rule.level().as_str().to_owned(),
        tags: rule.tags().to_vec(),
        description: rule.description().to_owned(),
        response: rule.response().to_vec(),
    }
}

/// A link as it is stored.
pub(crate) fn link_row(link: &Link) -> LinkRow {
    LinkRow {
        id: link.id().to_string(),
        a: link.a().to_string(),
        b: link.b().to_string(),
        kind: link.kind().to_string(),
        confidence: link.confidence().into(),
        from_us: link.from_us(),
        until_us: link.until_us(),
        proof: link.proof().uid().to_string(),
    }
}

/// A link from its row; `None` if the row is of another version's kind.
pub(crate) fn link(row: &LinkRow) -> Option<Link> {
    let (kind, a, b) = (LinkKind::by_name(&row.kind)?, row.a.parse().ok()?, row.b.parse().ok()?);
    let proof = event::EventKey::parse(&row.proof)?;
    let link = Link::new(kind, a, b, (row.from_us, row.until_us), proof)?;
    Some(link.with_confidence(row.confidence.into()))
}

/// The parts of a key as text; the actor's place is empty.
pub(crate) fn key_text(parts: &[String]) -> String {
    serde_json::to_string(parts).unwrap_or_default()
}

/// The parts of a key from text.
pub(crate) fn key_parts(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_default()
}
