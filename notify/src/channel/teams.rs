//! Microsoft Teams: an Adaptive Card 1.4 to the webhook of a workflow.
//!
//! The flow answers 202 before the card is posted: that is no proof that anybody sees it. A message has at most
//! 28 KB (learn.microsoft.com, "Create Incoming Webhooks", "Limits and specifications for Microsoft Teams").
//! Texts of others stand in `TextRun`s, which know no Markdown, and what looks like an address is written so
//! that it becomes no link.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use egress::Client;
use serde_json::{Value, json};

use super::deadline::within;
use super::message::Message;
use super::text::{Budget, defanged, plain};
use super::{Channel, Delivery, Manner, Outcome, Secret, http};
use crate::Notification;

/// Bytes for texts of others; the structure takes less than the other half of 28 KB.
const TEXTS: usize = 12_000;

/// A channel or chat of Teams.
#[derive(Debug)]
pub struct Teams {
    client: Client,
    url: Secret,
}

impl Teams {
    /// A channel behind the address of a workflow, which is a secret (`sig=…`).
    pub fn new(client: Client, url: Secret) -> Self {
        Self { client, url }
    }

    async fn attempt(&self, delivery: Delivery<'_>) -> Result<Outcome, Outcome> {
        let body = message(delivery.notification).to_string().into_bytes();
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        let answer = http::send(&self.client, "POST", &self.url.get().await?, headers, body).await?;
        Ok(match answer.status {
            // The trigger's own words for a wrong `sig` are of 401; a flow that is off or gone answers 400 or 404.
            404 => Outcome::Disabled {
                reason: "it answers 404: the workflow is gone or off; turn it on or make a new one".into(),
            },
            _ => http::outcome(&answer),
        })
    }
}

#[async_trait]
impl Channel for Teams {
    fn kind(&self) -> &'static str {
        "teams"
    }

    fn manner(&self) -> Manner {
        Manner::Letter
    }

    async fn send(&self, delivery: Delivery<'_>) -> Outcome {
        within(self.attempt(delivery)).await
    }
}

/// The message with its card.
fn message(told: &Notification) -> Value {
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card(told),
        }],
    })
}

fn card(told: &Notification) -> Value {
    let message = Message::of(told);
    let mut budget = Budget(TEXTS);
    let mut run = |text: &str, max: usize| budget.take(&defanged(text), max, plain);
    let colour = match told.severity_id {
        4 | 5 => "attention",
        3 => "warning",
        _ => "default",
    };
    let mut body = vec![
        rich(vec![json!({
            "type": "TextRun", "weight": "bolder", "size": "large", "color": colour,
            "text": run(&format!("[{}] {}", message.severity.to_uppercase(), message.title), 300),
        })]),
        rich(vec![json!({"type": "TextRun", "isSubtle": true, "text": run(&message.what, 300)})]),
    ];
    if !message.description.is_empty() {
        for line in message.description.lines().take(12) {
            let text = run(line, 1_600);
            if !text.is_empty() {
                body.push(rich(vec![json!({"type": "TextRun", "text": text})]));
            }
        }
    }
    for (name, value) in &message.facts {
        let value = run(value, 300);
        body.push(rich(vec![
            json!({"type": "TextRun", "weight": "bolder", "text": format!("{name}: ")}),
            json!({"type": "TextRun", "text": value}),
        ]));
    }
    for (heading, lines) in [(message.records_name, &message.records), ("What to do", &message.steps)] {
        if lines.is_empty() {
            continue;
        }
        body.push(rich(vec![json!({"type": "TextRun", "weight": "bolder", "text": heading})]));
        for line in lines {
            body.push(rich(vec![json!({"type": "TextRun", "text": format!("• {}", run(line, 300))})]));
        }
    }
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        // What is shown where there is no room for the card, and read out.
        "fallbackText": run(&message.headline(), 300),
        "body": body,
        "msteams": {"width": "Full"},
    });
    if let (Some(link), Value::Object(card)) = (&message.link, &mut card) {
        card.insert("actions".into(), json!([{"type": "Action.OpenUrl", "title": "Open", "url": link}]));
    }
    card
}

fn rich(runs: Vec<Value>) -> Value {
    json!({"type": "RichTextBlock", "inlines": runs})
}
