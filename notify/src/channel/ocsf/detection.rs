//! An alert, or several, as a Detection Finding (class 2004).

use alerts::EntityKind;
use serde_json::{Map, Value, json};

use super::{Class, attacks, entities, envelope, millis, named, shown};
use crate::Notification;
use crate::NotificationKind;
use crate::channel::message::{Message, records, value};
use crate::channel::text::{Budget, plain};

const CLASS: Class = Class { uid: 2_004, name: "Detection Finding", profile: None };

pub(super) fn finding(told: &Notification, message: &Message, budget: &mut Budget) -> Map<String, Value> {
    let activity_id = match told.kind {
        NotificationKind::Closed => 3,
        NotificationKind::Raised
        | NotificationKind::Digest
        | NotificationKind::Flood
        | NotificationKind::Test => 1,
        _ => 2,
    };
    let (status_id, status) = match told.status.as_str() {
        "new" => (1, "New"),
        "acknowledged" | "in_progress" => (2, "In Progress"),
        "closed" => (4, "Resolved"),
        _ => (0, "Unknown"),
    };
    let mut finding = envelope(told, message, budget, &CLASS, activity_id);
    let mut set = |name: &str, value: Value| {
        finding.insert(name.to_owned(), value);
    };
    set("status_id", json!(status_id));
    set("status", json!(status));
    set("is_alert", json!(true));
    set("finding_info", Value::Object(info(told, message, budget)));
    let resources: Vec<_> =
        entities(told, EntityKind::Resource).map(|one| named(&one.value, one.name.as_deref())).collect();
    if !resources.is_empty() {
        set("resources", json!(resources));
    }
    set("evidences", json!([evidence(told, message)]));
    finding
}

fn info(told: &Notification, message: &Message, budget: &mut Budget) -> Map<String, Value> {
    let mut info = Map::new();
    let mut set = |name: &str, value: Value| {
        info.insert(name.to_owned(), value);
    };
    set("uid", json!(value(&told.subject_id, 128)));
    set("title", json!(message.title));
    set("desc", json!(budget.take(&message.description, 2_000, plain)));
    set("created_time", json!(millis(told.created_us)));
    set("last_seen_time", json!(millis(told.time_us)));
    set("types", json!(message.tags));
    let rule = value(&told.rule_id, 128);
    if !rule.is_empty() {
        set("analytic", json!({"type_id": 1, "type": "Rule", "uid": rule, "name": message.title}));
    }
    let attacks = attacks(&message.tags);
    if !attacks.is_empty() {
        set("attacks", json!(attacks));
    }
    if let Some(link) = &message.link {
        set("src_url", json!(link));
    }
    if let Some(joined) = &told.joined {
        set("first_seen_time", json!(millis(joined.begin_us)));
    }
    info
}

/// What the finding rests on. `data` is there always, and something has to be.
fn evidence(told: &Notification, message: &Message) -> Value {
    let mut evidence = Map::new();
    let records = records(told, value, |time_us| json!(millis(time_us)));
    evidence.insert(
        "data".into(),
        json!({"facts": shown(message), "records": records, "response": message.steps}),
    );
    if let Some(actor) = entities(told, EntityKind::Actor).next() {
        evidence.insert("actor".into(), json!({"user": named(&actor.value, actor.name.as_deref())}));
    }
    if let Some(user) = entities(told, EntityKind::User).next() {
        evidence.insert("user".into(), named(&user.value, user.name.as_deref()));
    }
    let address =
        entities(told, EntityKind::Address).find_map(|one| one.value.parse::<std::net::IpAddr>().ok());
    if let Some(address) = address {
        evidence.insert("src_endpoint".into(), json!({"ip": address.to_string()}));
    }
    Value::Object(evidence)
}
