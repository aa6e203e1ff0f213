//! Matches of rules become alerts.

use alerts::{Alert, AlertId, Entity, EntityKind, Evidence, RuleRef};
use arrow::array::BooleanArray;
use event::{Col, EventBatch};
use rules::{CompiledRule, Match, RuleSet};

/// Where the entities of an alert come from, most telling first.
const ENTITIES: &[(EntityKind, &[Col])] = &[
    (EntityKind::Actor, &[Col::ActorUserUid, Col::ActorUserName, Col::UserUid, Col::UserName]),
    (EntityKind::Credential, &[Col::ActorUserCredentialUid]),
    (EntityKind::User, &[Col::UserUid, Col::UserName]),
    (EntityKind::Account, &[Col::CloudAccountUid, Col::MetadataTenantUid]),
    (EntityKind::Address, &[Col::SrcEndpointIp, Col::SrcEndpointDomain]),
    (EntityKind::Resource, &[Col::ResourceUid, Col::ResourceName]),
];

/// The alerts for `matches` in `events`, leaving out rows that `keep` says are duplicates and rules
/// whose matches are to be seen but not alerted on.
pub(crate) fn alerts(
    rules: &RuleSet,
    events: &EventBatch,
    matches: &[Match],
    keep: &BooleanArray,
) -> Vec<Alert> {
    let kept = |row: u32| keep.values().len() > row as usize && keep.value(row as usize);
    matches
        .iter()
        .filter(|found| kept(found.row))
        .filter_map(|found| Some((found.row as usize, rules.rules().get(found.rule as usize)?)))
        .filter(|(_, rule)| rule.yields_alert())
        .filter_map(|(row, rule)| alert(rule, events, row))
        .collect()
}

fn alert(rule: &CompiledRule, events: &EventBatch, row: usize) -> Option<Alert> {
    let event_uid = events.str_at(Col::EventUid, row)?;
    let time_us = events.int_at(Col::Time, row)?;
    let text = |col| events.str_at(col, row).unwrap_or_default().to_owned();
    Some(Alert {
        id: AlertId::new(rule.id(), [event_uid]),
        rule: RuleRef {
            id: rule.id().to_owned(),
            title: rule.title().to_owned(),
            level: rule.level().as_str().to_owned(),
            tags: rule.tags().to_vec(),
            description: rule.description().to_owned(),
        },
        severity_id: rule.level().severity_id(),
        time_us,
        provider: text(Col::CloudProvider),
        entities: entities(events, row),
        evidence: vec![Evidence {
            event_uid: event_uid.to_owned(),
            time_us,
            operation: text(Col::ApiOperation),
            raw: text(Col::RawData),
        }],
    })
}

fn entities(events: &EventBatch, row: usize) -> Vec<Entity> {
    let mut found: Vec<Entity> = Vec::new();
    for (kind, columns) in ENTITIES {
        let value = columns.iter().find_map(|col| events.str_at(*col, row).filter(|text| !text.is_empty()));
        let Some(value) = value else { continue };
        found.push(Entity { kind: *kind, value: value.to_owned() });
    }
    found
}
