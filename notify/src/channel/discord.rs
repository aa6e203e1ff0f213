//! Discord: an embed by a channel's webhook, changed in place when the subject changes.
//!
//! Limits: discord.com/developers/docs, "Message": an embed has a title of 256 characters, a description of 4,096,
//! 25 fields of 256 and 1,024, and 6,000 in all. Nobody is mentioned: `allowed_mentions` names nobody.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use egress::Client;
use serde_json::{Value, json};

use super::deadline::within;
use super::message::{Message, stamp};
use super::text::{Budget, defanged};
use super::{Channel, Delivery, Manner, Outcome, Secret, http};
use crate::{Notification, NotificationKind};

/// Units for all texts of an embed.
const ALL: usize = 5_600;

/// A channel of Discord.
#[derive(Debug)]
pub struct Discord {
    client: Client,
    url: Secret,
}

impl Discord {
    /// A channel behind the address of its webhook, which is a secret.
    pub fn new(client: Client, url: Secret) -> Self {
        Self { client, url }
    }

    async fn attempt(&self, delivery: Delivery<'_>) -> Result<Outcome, Outcome> {
        let told = delivery.notification;
        let url = self.url.get().await?;
        let url = url.trim().split('?').next().unwrap_or_default();
        let headers = || vec![("content-type".to_owned(), "application/json".to_owned())];
        let place = told.place();
        let earlier = delivery.remembered.and_then(|text| text.split_once(' '));
        let earlier =
            earlier.filter(|(id, subject)| is_id(id) && (*subject == place || told.takes_over_from(subject)));
        if let Some((id, subject)) = earlier {
            let mut is_deleted = false;
            if changes_message(told) {
                let body = change(told).to_string().into_bytes();
                let url = format!("{url}/messages/{id}");
                let answer = http::send(&self.client, "PATCH", &url, headers(), body).await?;
                // 404 with the code of an unknown message: it was deleted, so it is told anew.
                is_deleted = answer.status == 404 && http::json(&answer).get("code") == Some(&json!(10_008));
                if !is_deleted && (answer.status >= 300 || !is_worth_a_message(told)) {
                    return Ok(match http::outcome(&answer) {
                        Outcome::Delivered { .. } if subject != place => {
                            Outcome::Delivered { remember: Some(format!("{id} {place}")) }
                        }
                        outcome => outcome,
                    });
                }
            }
            if is_worth_a_message(told) && !is_deleted {
                let url = format!("{url}?wait=true");
                let body = news(told).to_string().into_bytes();
                let answer = http::send(&self.client, "POST", &url, headers(), body).await?;
                return Ok(http::outcome(&answer));
            }
        }
        if told.is_quiet {
            return Ok(Outcome::Delivered { remember: None });
        }
        let body = message(told).to_string().into_bytes();
        let answer = http::send(&self.client, "POST", &format!("{url}?wait=true"), headers(), body).await?;
        Ok(match http::outcome(&answer) {
            Outcome::Delivered { .. } => {
                let answer = http::json(&answer);
                let id = answer.get("id").and_then(Value::as_str).filter(|id| is_id(id));
                Outcome::Delivered { remember: id.map(|id| format!("{id} {place}")) }
            }
            outcome => outcome,
        })
    }
}

/// Whether the message that told of a subject shows what is told now.
fn changes_message(told: &Notification) -> bool {
    told.kind != NotificationKind::Commented
}

/// Whether a changed message, which nobody is notified of, is not enough.
fn is_worth_a_message(told: &Notification) -> bool {
    !told.is_quiet
        && matches!(
            told.kind,
            NotificationKind::Commented
                | NotificationKind::Risen
                | NotificationKind::Overdue
                | NotificationKind::Merged
                | NotificationKind::Escalated
        )
}

/// A message that was sent, as it is now. Who sent it cannot be changed.
fn change(told: &Notification) -> Value {
    let mut change = message(told);
    if let Value::Object(change) = &mut change {
        change.remove("username");
    }
    change
}

/// What has changed, in few words.
fn news(told: &Notification) -> Value {
    let news = Budget(ALL).take(&defanged(&Message::news(told)), 1_900, markdown);
    json!({"username": "Stormglass", "content": news, "allowed_mentions": {"parse": []}})
}

/// Whether a text is an id of Discord's.
fn is_id(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[async_trait]
impl Channel for Discord {
    fn kind(&self) -> &'static str {
        "discord"
    }

    fn manner(&self) -> Manner {
        Manner::Chat
    }

    async fn send(&self, delivery: Delivery<'_>) -> Outcome {
        within(self.attempt(delivery)).await
    }
}

/// Discord's Markdown, escaped.
fn markdown(character: char, out: &mut String) {
    if matches!(
        character,
        '\\' | '*' | '_' | '~' | '`' | '|' | '>' | '<' | '#' | '[' | ']' | '(' | ')' | '-' | '+' | '@'
    ) {
        out.push('\\');
    }
    out.push(character);
}

fn message(told: &Notification) -> Value {
    let message = Message::of(told);
    let mut budget = Budget(ALL);
    let mut text = |text: &str, max: usize| budget.take(&defanged(text), max, markdown);
    let colour = match told.severity_id {
        5 => 0x99_1b_1b,
        4 => 0xdc_26_26,
        3 => 0xf5_9e_0b,
        2 => 0x25_63_eb,
        _ => 0x6b_72_80,
    };
    let mut fields = Vec::new();
    let title = text(&format!("{}: {}", message.severity.to_uppercase(), message.title), 256);
    let what = text(&message.what, 256);
    for (name, value) in &message.facts {
        let value = text(value, 300);
        if !value.is_empty() {
            fields.push(json!({"name": name, "value": value, "inline": value.len() <= 40}));
        }
    }
    let mut description = text(&message.description, 1_500);
    for (heading, lines) in [(message.records_name, &message.records), ("What to do", &message.steps)] {
        if !lines.is_empty() {
            let lines: Vec<_> =
                lines.iter().map(|line| text(line, 200)).filter(|line| !line.is_empty()).collect();
            description.push_str(&format!("\n**{heading}**\n{}", lines.join("\n")));
        }
    }
    let mut embed = json!({
        "title": title,
        "description": description,
        "color": colour,
        "fields": fields,
        "footer": {"text": what},
        "timestamp": stamp(told.time_us),
    });
    if let (Some(link), Value::Object(embed)) = (&message.link, &mut embed) {
        embed.insert("url".into(), json!(link));
    }
    json!({
        "username": "Stormglass",
        "embeds": [embed],
        "allowed_mentions": {"parse": []},
    })
}
