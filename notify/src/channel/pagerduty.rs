//! PagerDuty, Events API v2: an alert, or an incident with all its alerts, is triggered, acknowledged and resolved
//! under one `dedup_key`, its thread.
//!
//! Source: developer.pagerduty.com, "Send an alert event". An event has at most 512 KB, a summary 1,024
//! characters, a `dedup_key` 255. 202 is success; 400 is never taken; 429 and 5xx are for later.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use egress::Client;
use serde_json::{Map, Value, json};

use super::deadline::within;
use super::message::{Message, stamp, value};
use super::page::{PageAction, page_action};
use super::text::{cut, plain};
use super::{Channel, Delivery, Manner, Outcome, Secret, http};
use crate::Notification;

/// A service of PagerDuty.
#[derive(Debug)]
pub struct PagerDuty {
    client: Client,
    routing_key: Secret,
    url: String,
}

impl PagerDuty {
    /// The service whose integration has `routing_key`; `url` is `https://events.pagerduty.com/v2/enqueue`, or
    /// that of the region `eu`.
    pub fn new(client: Client, routing_key: Secret, url: String) -> Self {
        Self { client, routing_key, url }
    }

    async fn attempt(&self, delivery: Delivery<'_>) -> Result<Outcome, Outcome> {
        let Some(mut body) = event(delivery.notification) else {
            return Ok(Outcome::Delivered { remember: None });
        };
        let key = self.routing_key.get().await?;
        if let Value::Object(body) = &mut body {
            body.insert("routing_key".into(), json!(key));
        }
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        let body = body.to_string().into_bytes();
        let answer = http::send(&self.client, "POST", &self.url, headers, body).await?;
        Ok(match answer.status {
            202 => Outcome::Delivered { remember: None },
            // The key is in the body: what is wrong with it is told by the same status as any other fault.
            400 if names_routing_key(&http::json(&answer)) => Outcome::Disabled {
                reason:
                    "PagerDuty does not know the routing key; take it from the integration of Events API v2"
                        .into(),
            },
            _ => http::outcome(&answer),
        })
    }
}

fn names_routing_key(answer: &Value) -> bool {
    let errors = answer.get("errors").and_then(Value::as_array);
    errors.is_some_and(|errors| {
        errors.iter().filter_map(Value::as_str).any(|error| error.to_ascii_lowercase().contains("routing"))
    })
}

#[async_trait]
impl Channel for PagerDuty {
    fn kind(&self) -> &'static str {
        "pagerduty"
    }

    fn manner(&self) -> Manner {
        Manner::Page
    }

    async fn send(&self, delivery: Delivery<'_>) -> Outcome {
        within(self.attempt(delivery)).await
    }
}

/// The event without its routing key; `None` where there is nothing to tell.
fn event(told: &Notification) -> Option<Value> {
    let action = match page_action(told)? {
        PageAction::Open => "trigger",
        PageAction::Acknowledge => "acknowledge",
        PageAction::Close => "resolve",
    };
    let mut event = json!({"event_action": action, "dedup_key": value(&told.thread, 255)});
    if action != "trigger" {
        return Some(event);
    }
    let message = Message::of(told);
    let severity = match told.severity_id {
        5 => "critical",
        4 => "error",
        3 => "warning",
        _ => "info",
    };
    let mut details = Map::new();
    for (name, value) in &message.facts {
        let earlier = details.get(*name).and_then(Value::as_str);
        let joined = earlier.map_or_else(|| value.clone(), |earlier| format!("{earlier}, {value}"));
        details.insert((*name).to_owned(), json!(joined));
    }
    details.insert("Description".into(), json!(message.description));
    details.insert("Tags".into(), json!(message.tags));
    details.insert("Record".into(), json!(message.records));
    details.insert("What to do".into(), json!(message.steps));
    let source = message.facts.iter().find(|(name, _)| matches!(*name, "Account" | "Provider"));
    let payload = json!({
        "summary": cut(&message.headline(), 1_024, plain),
        "severity": severity,
        "source": source.map_or("stormglass", |(_, value)| value.as_str()),
        "timestamp": stamp(told.time_us),
        "component": value(&told.provider, 40),
        "group": value(&told.thread, 255),
        "class": value(&told.rule_id, 120),
        "custom_details": details,
    });
    if let Value::Object(event) = &mut event {
        event.insert("payload".into(), payload);
        event.insert("client".into(), json!("Stormglass"));
        if let Some(link) = &message.link {
            event.insert("client_url".into(), json!(link));
            event.insert("links".into(), json!([{"href": link, "text": "Open in Stormglass"}]));
        }
    }
    Some(event)
}
