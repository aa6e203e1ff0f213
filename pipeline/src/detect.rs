//! Matches of rules become alerts.

use alerts::{Alert, AlertId, Entity, EntityKind, Evidence};
use arrow::array::BooleanArray;
use event::{Col, EventBatch};
use rules::{CompiledRule, Match, RuleSet};

use crate::correlated::rule_ref;

/// A column that identifies, and the one that has the name, if there is one.
type Source = (Col, Option<Col>);

/// Where the entities of an alert come from; of several sources, the first that is filled.
const ENTITIES: &[(EntityKind, &[Source])] = &[
    (
        EntityKind::Actor,
        &[
            (Col::ActorUserUid, Some(Col::ActorUserName)),
            (Col::ActorUserName, None),
            // Sign-ins have no actor but the user.
            (Col::UserUid, Some(Col::UserName)),
            (Col::UserName, None),
        ],
    ),
    (EntityKind::Credential, &[(Col::ActorUserCredentialUid, None)]),
    (EntityKind::User, &[(Col::UserUid, Some(Col::UserName)), (Col::UserName, None)]),
    (
        EntityKind::Account,
        &[(Col::CloudAccountUid, Some(Col::CloudAccountName)), (Col::MetadataTenantUid, None)],
    ),
    (EntityKind::Address, &[(Col::SrcEndpointIp, None), (Col::SrcEndpointDomain, None)]),
    (EntityKind::Resource, &[(Col::ResourceUid, Some(Col::ResourceName)), (Col::ResourceName, None)]),
];

/// What the matches of a batch become.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Alerts, one a match.
    pub(crate) alerts: Vec<Alert>,
    /// Matches of rules that are grouped, each as the alert of its group.
    pub(crate) grouped: Vec<Alert>,
}

/// The alerts for `matches` in `events`, leaving out rows that `keep` says are duplicates and rules
/// whose matches are to be seen but not alerted on. `failed` gets the rules, by index, whose match could not
/// become an alert.
pub(crate) fn alerts(
    rules: &RuleSet,
    events: &EventBatch,
    matches: &[Match],
    keep: &BooleanArray,
    failed: &mut Vec<u32>,
) -> Found {
    let kept = |row: u32| keep.values().len() > row as usize && keep.value(row as usize);
    let mut all = Found::default();
    for found in matches.iter().filter(|found| kept(found.row)) {
        let rule = rules.rules().get(found.rule as usize).filter(|rule| rule.yields_alert());
        let Some(rule) = rule else { continue };
        match (alert(rule, events, found.row as usize), rule.grouping()) {
            (Some(alert), Some(grouping)) => {
                all.grouped.push(alert.grouped(grouping.by(), grouping.within_us()));
            }
            (Some(alert), None) => all.alerts.push(alert),
            (None, _) => failed.push(found.rule),
        }
    }
    all
}

fn alert(rule: &CompiledRule, events: &EventBatch, row: usize) -> Option<Alert> {
    let evidence = evidence(events, row)?;
    Some(Alert {
        id: AlertId::new(rule.id(), [evidence.event_uid.as_str()]),
        rule: rule_ref(rule),
        severity_id: rule.level().severity_id(),
        time_us: evidence.time_us,
        provider: events.str_at(Col::CloudProvider, row).unwrap_or_default().to_owned(),
        entities: entities(events, row),
        evidence: vec![evidence],
        joined: None,
    })
}

/// A row as evidence.
pub(crate) fn evidence(events: &EventBatch, row: usize) -> Option<Evidence> {
    let text = |col| events.str_at(col, row).unwrap_or_default().to_owned();
    Some(Evidence {
        event_uid: events.str_at(Col::EventUid, row)?.to_owned(),
        time_us: events.int_at(Col::Time, row)?,
        operation: text(Col::ApiOperation),
        raw: text(Col::RawData),
    })
}

/// Who and what a row is about.
pub(crate) fn entities(events: &EventBatch, row: usize) -> Vec<Entity> {
    let filled = |col: Col| events.str_at(col, row).filter(|text| !text.is_empty());
    let entity = |(kind, sources): &(EntityKind, &[Source])| {
        let (value, name) = sources.iter().find_map(|(col, name)| Some((filled(*col)?, *name)))?;
        let name = name.and_then(filled).filter(|name| *name != value).map(str::to_owned);
        Some(Entity { kind: *kind, value: value.to_owned(), name })
    };
    ENTITIES.iter().filter_map(entity).collect()
}
