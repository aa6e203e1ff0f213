//! An incident as an Incident Finding (class 2005): its alerts are the findings in it.

use serde_json::{Map, Value, json};

use super::{Class, attacks, envelope, millis, shown};
use crate::channel::message::{Message, value};
use crate::channel::text::{Budget, plain};
use crate::{Notification, NotificationKind};

/// The class implies the profile, which is to be named.
const CLASS: Class = Class { uid: 2_005, name: "Incident Finding", profile: Some("incident") };

pub(super) fn finding(told: &Notification, message: &Message, budget: &mut Budget) -> Map<String, Value> {
    // One that has become part of another is done with, and goes on there.
    let is_merged = told.kind == NotificationKind::Merged;
    let activity_id = match told.kind {
        NotificationKind::Raised | NotificationKind::Test => 1,
        NotificationKind::Closed | NotificationKind::Merged => 3,
        _ => 2,
    };
    let (status_id, status) = match told.status.as_str() {
        _ if is_merged => (5, "Closed"),
        "new" => (1, "New"),
        "acknowledged" | "in_progress" => (2, "In Progress"),
        "closed" => (5, "Closed"),
        _ => (0, "Unknown"),
    };
    let verdict = match told.verdict.as_ref().map(|(verdict, _)| verdict.as_str()) {
        _ if is_merged => Some((10, "Duplicate")),
        Some("false_positive") => Some((1, "False Positive")),
        Some("true_positive") => Some((2, "True Positive")),
        Some("benign") => Some((5, "Benign")),
        Some("duplicate") => Some((10, "Duplicate")),
        Some(_) => Some((0, "Unknown")),
        None => None,
    };
    let mut finding = envelope(told, message, budget, &CLASS, activity_id);
    let mut set = |name: &str, value: Value| {
        finding.insert(name.to_owned(), value);
    };
    set("status_id", json!(status_id));
    set("status", json!(status));
    if let Some((verdict_id, verdict)) = verdict {
        set("verdict_id", json!(verdict_id));
        set("verdict", json!(verdict));
    }
    set("desc", json!(budget.take(&message.description, 2_000, plain)));
    let first_us = told.records.iter().map(|record| record.time_us).min();
    set("start_time", json!(millis(first_us.unwrap_or(told.time_us).min(told.time_us))));
    set("end_time", json!(millis(told.time_us)));
    set("finding_info_list", json!(findings(told, message)));
    // The class wants one of the two.
    match told.owner.as_deref().map(|owner| value(owner, 200)).filter(|owner| !owner.is_empty()) {
        Some(owner) => set("assignee", json!({"name": owner})),
        None => set("assignee_group", json!({"name": "unassigned"})),
    }
    let mut attacks = attacks(&message.tags);
    attacks.extend(message.tags.iter().filter_map(|tag| tactic(tag)));
    if !attacks.is_empty() {
        set("attacks", json!(attacks));
    }
    if let Some(link) = &message.link {
        set("src_url", json!(link));
    }
    set(
        "unmapped",
        json!({
            "incident_uid": value(&told.subject_id, 128),
            "facts": shown(message),
            "response": message.steps,
        }),
    );
    finding
}

/// The alerts that are told of, or the incident itself: there must be one.
fn findings(told: &Notification, message: &Message) -> Vec<Value> {
    let mut findings = Vec::new();
    for record in told.records.iter().take(20) {
        findings.push(json!({
            "uid": value(&record.event_uid, 80),
            "title": value(&record.operation, 120),
            "last_seen_time": millis(record.time_us),
        }));
    }
    if findings.is_empty() {
        findings.push(json!({"uid": value(&told.subject_id, 128), "title": message.title}));
    }
    findings
}

/// A tactic of ATT&CK, from a tag such as `attack.initial-access`.
fn tactic(tag: &str) -> Option<Value> {
    let tag = tag.to_ascii_lowercase();
    let words = tag.strip_prefix("attack.").filter(|words| !words.is_empty())?;
    if !words.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') {
        return None;
    }
    let mut name = String::new();
    for word in words.split('-').filter(|word| !word.is_empty()) {
        if !name.is_empty() {
            name.push(' ');
        }
        // As ATT&CK writes them: Command and Control.
        match word {
            "and" => name.push_str(word),
            _ => name.extend(word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1))),
        }
    }
    (!name.is_empty()).then(|| json!({"tactic": {"name": name}}))
}
