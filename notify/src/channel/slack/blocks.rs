//! A notification as Block Kit.

use serde_json::{Value, json};

use crate::channel::message::Message;
use crate::channel::text::{Budget, Write, plain};
use crate::{Notification, NotificationKind, SubjectKind};

/// The button that takes an alert; its value is the alert's id.
pub const ACKNOWLEDGE: &str = "acknowledge";
/// The menu that closes an alert; its values are the alert's id, a colon and the verdict.
pub const CLOSE: &str = "close";

/// The button that takes an incident; its value is the incident's id.
pub const ACKNOWLEDGE_INCIDENT: &str = "acknowledge_incident";
/// The menu that closes an incident; its values are the incident's id, a colon and the verdict.
pub const CLOSE_INCIDENT: &str = "close_incident";

/// The most characters of all texts together.
const ALL: usize = 7_600;

/// Slack's escaping: these three and no more (docs.slack.dev, "Formatting message text").
fn mrkdwn(character: char, out: &mut String) {
    match character {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        _ => out.push(character),
    }
}

/// The message without its address.
pub(super) fn message(told: &Notification, buttons: bool) -> Value {
    let message = Message::of(told);
    let mut budget = Budget(ALL);
    // What is shown where blocks are not: notifications, old clients. It is read as mrkdwn.
    let fallback = budget.take(&message.headline(), 300, mrkdwn as Write);
    let mut blocks = Vec::new();
    let title = format!("[{}] {}", message.severity.to_uppercase(), message.title);
    blocks.push(json!({"type": "header", "text": plain_text(budget.take(&title, 150, plain))}));
    blocks.push(json!({
        "type": "context",
        "elements": [{"type": "mrkdwn", "verbatim": true, "text": budget.take(&message.what, 300, mrkdwn)}],
    }));
    let mut fields = Vec::new();
    for (name, value) in message.facts.iter().take(10) {
        let value = budget.take(value, 500, mrkdwn);
        if !value.is_empty() {
            fields.push(json!({"type": "mrkdwn", "verbatim": true, "text": format!("*{name}*\n{value}")}));
        }
    }
    let link = message.link.as_ref().map(|link| budget.take(link, 3_000, plain));
    if !message.description.is_empty() {
        section(&mut blocks, budget.take(&message.description, 2_500, plain));
    }
    if !fields.is_empty() {
        blocks.push(json!({"type": "section", "fields": fields}));
    }
    for (heading, lines) in [(message.records_name, &message.records), ("What to do", &message.steps)] {
        if !lines.is_empty() {
            let text = format!("{heading}\n• {}", lines.join("\n• "));
            section(&mut blocks, budget.take(&text, 2_500, plain));
        }
    }
    let elements =
        actions(told, link.as_deref().filter(|cut| Some(*cut) == message.link.as_deref()), buttons);
    if !elements.is_empty() {
        blocks.push(json!({"type": "actions", "elements": elements}));
    }
    // `mrkdwn` is of the text, not of the blocks.
    json!({"text": fallback, "mrkdwn": false, "link_names": false, "parse": "none", "blocks": blocks})
}

/// What has changed, in the thread of what it is about.
pub(super) fn news(told: &Notification) -> Value {
    let news = Message::news(told);
    let fallback = Budget(ALL).take(&news, 300, mrkdwn as Write);
    let mut blocks = Vec::new();
    section(&mut blocks, Budget(ALL).take(&news, 2_500, plain));
    json!({"text": fallback, "mrkdwn": false, "link_names": false, "parse": "none", "blocks": blocks})
}

fn plain_text(text: String) -> Value {
    // A text must not be empty.
    let text = if text.trim().is_empty() { "–".to_owned() } else { text };
    json!({"type": "plain_text", "text": text, "emoji": false})
}

fn section(blocks: &mut Vec<Value>, text: String) {
    if !text.trim().is_empty() {
        blocks.push(json!({"type": "section", "text": plain_text(text)}));
    }
}

fn actions(told: &Notification, link: Option<&str>, buttons: bool) -> Vec<Value> {
    let mut elements = Vec::new();
    let id = &told.subject_id;
    let is_one = !matches!(
        told.kind,
        NotificationKind::Digest
            | NotificationKind::Flood
            | NotificationKind::Test
            | NotificationKind::Merged
    );
    let (acknowledge, close) = match told.about {
        SubjectKind::Alert => (ACKNOWLEDGE, CLOSE),
        SubjectKind::Incident => (ACKNOWLEDGE_INCIDENT, CLOSE_INCIDENT),
    };
    let is_id =
        (1..=48).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if buttons && is_one && is_id && told.status != "closed" {
        if told.status == "new" {
            elements.push(json!({
                "type": "button", "action_id": acknowledge, "value": id,
                "text": {"type": "plain_text", "text": "Acknowledge"},
            }));
        }
        let verdicts = [
            ("true_positive", "True positive"),
            ("false_positive", "False positive"),
            ("benign", "Benign"),
            ("duplicate", "Duplicate"),
        ];
        let options: Vec<_> = verdicts
            .iter()
            .map(|(verdict, shown)| {
                json!({"text": {"type": "plain_text", "text": shown}, "value": format!("{id}:{verdict}")})
            })
            .collect();
        elements.push(json!({
            "type": "static_select", "action_id": close, "options": options,
            "placeholder": {"type": "plain_text", "text": "Close as…"},
        }));
    }
    if let Some(link) = link {
        elements.push(json!({
            "type": "button", "action_id": "open", "url": link,
            "text": {"type": "plain_text", "text": "Open"},
        }));
    }
    elements
}
