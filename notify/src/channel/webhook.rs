//! A webhook: JSON, CloudEvents or a template, signed as Standard Webhooks 1.0.0 has it (standardwebhooks.com).
//!
//! `webhook-id` is the delivery's key and the same over all attempts, so that a receiver can tell a repetition.

mod cloud_event;
mod document;
mod handshake;
mod signature;
mod template;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use egress::Client;

use super::deadline::within;
use super::{Channel, Delivery, Manner, Outcome, Secret, SettingProblem, http};
use crate::{Notification, NotificationKind, SubjectKind};
pub use cloud_event::CloudEvents;
pub use document::document;
use handshake::{Handshake, is_dns_name};
use signature::Key;
use template::Template;

/// Where a webhook goes and what it looks like.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// The address; it may hold a secret.
    pub url: Secret,
    /// `POST` or `PUT`.
    pub method: &'static str,
    /// The keys to sign with, `whsec_…` or `whsk_…`: two while one follows the other, none for no signature.
    pub keys: Vec<Secret>,
    /// More headers, by name.
    pub headers: Vec<(String, Secret)>,
    /// Whether it is a CloudEvent.
    pub cloud_events: Option<CloudEvents>,
    /// The source of CloudEvents, a URI reference.
    pub source: String,
    /// The DNS name by which receivers of CloudEvents are asked for permission; empty: they are not asked.
    pub origin: String,
    /// A body of one's own in place of JSON.
    pub template: Option<String>,
    /// What the type of that body is.
    pub content_type: String,
}

/// A webhook.
#[derive(Debug)]
pub struct Webhook {
    client: Client,
    settings: WebhookSettings,
    template: Option<Template>,
    handshake: Option<Handshake>,
}

/// Headers that are ours, or the connection's.
const RESERVED: [&str; 9] = [
    "content-length",
    "content-type",
    "host",
    "connection",
    "transfer-encoding",
    "te",
    "upgrade",
    "expect",
    "trailer",
];

impl WebhookSettings {
    /// What is wrong with them.
    pub fn problems(&self) -> Vec<SettingProblem> {
        let mut problems = Vec::new();
        for (name, _) in &self.headers {
            let name = name.to_ascii_lowercase();
            let is_token = !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
            if !is_token
                || RESERVED.contains(&name.as_str())
                || name.starts_with("webhook-")
                || name.starts_with("ce-")
            {
                problems.push(SettingProblem::new(
                    "headers",
                    "one of these headers cannot be set",
                    "leave out those of the connection, of the body and of the signature",
                ));
            }
        }
        if self.cloud_events.is_some() && self.template.is_some() {
            problems.push(SettingProblem::new(
                "template",
                "a CloudEvent has a form of its own",
                "leave one out",
            ));
        }
        if self.source.is_empty() || self.source.chars().any(|c| c.is_control() || c == ' ') {
            problems.push(SettingProblem::new(
                "event_source",
                "this is no URI reference",
                "write it as in `/stormglass/prod`",
            ));
        }
        if !self.origin.is_empty() && (self.cloud_events.is_none() || !is_dns_name(&self.origin)) {
            problems.push(SettingProblem::new(
                "origin",
                "this is no DNS name, or there are no CloudEvents to ask for",
                "write it as in `siem.example.com`, with `cloudevents`, or leave it out",
            ));
        }
        if let Err(problem) = self.template() {
            problems.push(problem);
        }
        problems
    }

    fn template(&self) -> Result<Option<Template>, SettingProblem> {
        let Some(text) = &self.template else { return Ok(None) };
        let template = Template::parse(text, &self.content_type)
            .map_err(|(problem, mend)| SettingProblem::new("template", problem, mend))?;
        let trial = template.render(&trial(), "key");
        if template.is_json() && serde_json::from_str::<serde_json::Value>(&trial).is_err() {
            return Err(SettingProblem::new(
                "template",
                "what it makes is no JSON",
                "put names of texts in quotes, or set `content_type`",
            ));
        }
        Ok(Some(template))
    }
}

/// A notification to try a template with: every text has what breaks JSON.
fn trial() -> Notification {
    let text = || "\"a\\\n".to_owned();
    Notification {
        kind: NotificationKind::Test,
        about: SubjectKind::Alert,
        subject_id: text(),
        thread: text(),
        is_part: false,
        is_quiet: false,
        takes_over: false,
        note: text(),
        version: 1,
        title: text(),
        description: text(),
        severity_id: 3,
        status: text(),
        owner: None,
        verdict: None,
        by: text(),
        rule_id: text(),
        tags: vec![text()],
        provider: text(),
        entities: Vec::new(),
        joined: None,
        records: Vec::new(),
        events: 1,
        response: vec![text()],
        count: 1,
        time_us: 0,
        created_us: 0,
        link: None,
    }
}

impl Webhook {
    /// A webhook.
    ///
    /// # Errors
    /// The template is wrong.
    pub fn new(client: Client, settings: WebhookSettings) -> Result<Self, SettingProblem> {
        let template = settings.template()?;
        let handshake = (!settings.origin.is_empty()).then(|| Handshake::new(&settings.origin));
        Ok(Self { client, settings, template, handshake })
    }

    /// Headers and body, before the signature.
    fn render(&self, told: &Notification, key: &str) -> (Vec<(String, String)>, Vec<u8>) {
        if let Some(template) = &self.template {
            let headers = vec![("content-type".to_owned(), template.content_type().to_owned())];
            return (headers, template.render(told, key).into_bytes());
        }
        let (headers, body) = match self.settings.cloud_events {
            Some(mode) => cloud_event::request(mode, told, key, &self.settings.source),
            None => (vec![("content-type".to_owned(), "application/json".to_owned())], document(told)),
        };
        (headers, body.to_string().into_bytes())
    }

    async fn attempt(&self, delivery: Delivery<'_>) -> Result<Outcome, Outcome> {
        let (mut headers, body) = self.render(delivery.notification, delivery.key);
        let url = self.settings.url.get().await?;
        let mut own = Vec::new();
        for (name, secret) in &self.settings.headers {
            own.push((name.clone(), secret.get().await?));
        }
        if let Some(handshake) = &self.handshake {
            headers.push(handshake.admit(&self.client, &url, &own, delivery.now_us).await?);
        }
        headers.append(&mut own);
        let timestamp_s = delivery.now_us.div_euclid(1_000_000);
        let mut signatures = Vec::new();
        for secret in &self.settings.keys {
            let key = Key::parse(&secret.get().await?).map_err(|problem| Outcome::Disabled {
                reason: format!("the key to sign with is none: {problem}"),
            })?;
            signatures.push(key.sign(delivery.key, timestamp_s, &body));
        }
        headers.push(("webhook-id".into(), delivery.key.to_owned()));
        headers.push(("webhook-timestamp".into(), timestamp_s.to_string()));
        if !signatures.is_empty() {
            headers.push(("webhook-signature".into(), signatures.join(" ")));
        }
        let answer = http::send(&self.client, self.settings.method, &url, headers, body).await?;
        Ok(http::outcome(&answer))
    }
}

#[async_trait]
impl Channel for Webhook {
    fn kind(&self) -> &'static str {
        "webhook"
    }

    fn manner(&self) -> Manner {
        Manner::Stream
    }

    async fn send(&self, delivery: Delivery<'_>) -> Outcome {
        within(self.attempt(delivery)).await
    }
}
