//! Alerts of Jira Service Management, and of Opsgenie, whose API it took over: created, acknowledged and closed by
//! alias.
//!
//! Sources: developer.atlassian.com, "Jira Service Management ops, Integration events API"; docs.opsgenie.com,
//! "Alert API". A message has 130 characters, an alias 512, a description 15,000, a note 25,000, 20 tags of 50,
//! details 8,000 in all. 202 is success; what becomes of it is decided later.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use egress::Client;
use serde_json::{Map, Value, json};

use super::deadline::within;
use super::message::{Message, value};
use super::page::{PageAction, page_action};
use super::text::{Budget, cut, plain};
use super::{Channel, Delivery, Manner, Outcome, Secret, http};
use crate::Notification;

/// An integration of Jira Service Management or Opsgenie.
#[derive(Debug)]
pub struct Jsm {
    client: Client,
    key: Secret,
    api: String,
}

impl Jsm {
    /// The integration with the key `key`; `api` is `https://api.atlassian.com/jsm/ops/integration/v2`, or
    /// `https://api.opsgenie.com/v2`.
    pub fn new(client: Client, key: Secret, api: String) -> Self {
        Self { client, key, api }
    }

    async fn attempt(&self, delivery: Delivery<'_>) -> Result<Outcome, Outcome> {
        let Some((path, body)) = request(delivery.notification, self.api.contains("opsgenie")) else {
            return Ok(Outcome::Delivered { remember: None });
        };
        let url = format!("{}/{path}", self.api.trim_end_matches('/'));
        let headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("authorization".to_owned(), format!("GenieKey {}", self.key.get().await?)),
        ];
        let answer = http::send(&self.client, "POST", &url, headers, body.to_string().into_bytes()).await?;
        // An alert that is not there, or is closed there, has nothing to be acknowledged or closed.
        if answer.status == 404 && path != "alerts" {
            return Ok(Outcome::Delivered { remember: None });
        }
        Ok(http::outcome(&answer))
    }
}

#[async_trait]
impl Channel for Jsm {
    fn kind(&self) -> &'static str {
        "jsm"
    }

    fn manner(&self) -> Manner {
        Manner::Page
    }

    async fn send(&self, delivery: Delivery<'_>) -> Outcome {
        within(self.attempt(delivery)).await
    }
}

/// The path below the API and the body; `None` where a change to what is closed would open it again.
fn request(told: &Notification, is_opsgenie: bool) -> Option<(String, Value)> {
    let message = Message::of(told);
    let alias = value(&told.thread, 512);
    let by = match value(&told.by, 100) {
        by if by.is_empty() => "stormglass".to_owned(),
        by => by,
    };
    let action = match page_action(told)? {
        PageAction::Open => "",
        PageAction::Acknowledge => "acknowledge",
        PageAction::Close => "close",
    };
    if !action.is_empty() {
        let note = cut(&message.text(), 20_000, plain);
        let body = json!({"source": "Stormglass", "user": by, "note": note});
        let alias: String = url::form_urlencoded::byte_serialize(alias.as_bytes()).collect();
        // A blank in a path is `%20`, not the plus sign of forms.
        return Some((format!("alerts/{}/{action}?identifierType=alias", alias.replace('+', "%20")), body));
    }
    let priority = match told.severity_id {
        5 => "P1",
        4 => "P2",
        3 => "P3",
        2 => "P4",
        _ => "P5",
    };
    let mut budget = Budget(7_000);
    let mut details = Map::new();
    for (name, value) in &message.facts {
        let earlier = details.get(*name).and_then(Value::as_str);
        let joined = earlier.map_or_else(|| value.clone(), |earlier| format!("{earlier}, {value}"));
        details.insert((*name).to_owned(), json!(budget.take(&joined, 1_000, plain)));
    }
    let tags: Vec<_> = message.tags.iter().take(20).map(|tag| cut(tag, 50, plain)).collect();
    let entity = told.entities.first().map(|entity| value(&entity.value, 512));
    let details_name = if is_opsgenie { "details" } else { "extraProperties" };
    let body = json!({
        "message": cut(&message.headline(), 130, plain),
        "alias": alias,
        "description": cut(&message.text(), 15_000, plain),
        "tags": tags,
        details_name: details,
        "entity": entity.unwrap_or_default(),
        "source": "Stormglass",
        "priority": priority,
        "user": by,
    });
    Some(("alerts".into(), body))
}
