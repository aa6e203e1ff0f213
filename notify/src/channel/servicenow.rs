//! Incidents of ServiceNow by the Table API: one a thread, found again by its `correlation_id`.
//!
//! Source: ServiceNow's REST API reference, "Table API". `short_description` has 160 characters and
//! `correlation_id` 100. Work notes are a journal field, in which `[code]` begins HTML: brackets of others are
//! written apart from that word.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use egress::{Answer, Client};
use serde_json::{Value, json};

use super::deadline::within;
use super::message::{Message, value};
use super::text::{cut, plain};
use super::{Channel, Delivery, Manner, Outcome, Secret, SettingProblem, http};
use crate::{Notification, NotificationKind};

/// An instance of ServiceNow.
#[derive(Debug, Clone)]
pub struct ServiceNowSettings {
    /// The instance, `https://example.service-now.com`.
    pub instance: String,
    /// The user.
    pub user: String,
    /// That user's password.
    pub password: Secret,
    /// The table, such as `incident`.
    pub table: String,
    /// The state that a closed one gets, such as `6` for resolved; empty for none.
    pub close_state: String,
    /// Its `close_code`, which many instances demand.
    pub close_code: String,
}

/// Incidents of ServiceNow.
#[derive(Debug)]
pub struct ServiceNow {
    client: Client,
    settings: ServiceNowSettings,
}

impl ServiceNowSettings {
    /// What is wrong with them.
    pub fn problems(&self) -> Vec<SettingProblem> {
        let mut problems = Vec::new();
        let is_name = (1..=80).contains(&self.table.len())
            && self.table.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name {
            problems.push(SettingProblem::new(
                "table",
                "this is no name of a table",
                "write it as in `incident`",
            ));
        }
        if self.user.is_empty() || self.user.contains(':') {
            problems.push(SettingProblem::new("user", "this is no user", "write its name"));
        }
        problems
    }
}

impl ServiceNow {
    /// Incidents of an instance.
    pub fn new(client: Client, settings: ServiceNowSettings) -> Self {
        Self { client, settings }
    }

    async fn attempt(&self, delivery: Delivery<'_>) -> Result<Outcome, Outcome> {
        let told = delivery.notification;
        let password = self.settings.password.get().await?;
        let basic = STANDARD.encode(format!("{}:{password}", self.settings.user));
        let authorization = format!("Basic {basic}");
        let found = match delivery.remembered.filter(|id| is_sys_id(id)) {
            Some(id) => Some(id.to_owned()),
            // Made by an attempt whose answer was lost, perhaps.
            None => {
                let query = format!(
                    "?sysparm_query=correlation_id%3D{}&sysparm_limit=1&sysparm_fields=sys_id",
                    correlation_id(told)
                );
                let answer = self.call("GET", &query, &authorization, None).await?;
                let answer = http::whole_json(&answer)?;
                let id = answer.pointer("/result/0/sys_id").and_then(Value::as_str).map(str::to_owned);
                id.filter(|id| is_sys_id(id))
            }
        };
        let Some(id) = found else {
            return self.create(told, &authorization).await;
        };
        if delivery.attempt > 1 && told.kind == NotificationKind::Raised {
            // The attempt before this made it, and it says all that there is to say.
            return Ok(Outcome::Delivered { remember: Some(id) });
        }
        let answer = self.ask("PATCH", &format!("/{id}"), &authorization, Some(&self.change(told))).await?;
        if answer.status == 404 {
            // Somebody has deleted it; what is told is still true.
            return self.create(told, &authorization).await;
        }
        http::taken(answer).map(|_| Outcome::Delivered { remember: Some(id) })
    }

    /// What a notification changes of an incident that is there.
    fn change(&self, told: &Notification) -> Value {
        let mut change = json!({"work_notes": text(&Message::of(told).text(), 8_000)});
        self.close(told, &mut change);
        change
    }

    /// Adds what closes an incident, if the end of its thread is told.
    fn close(&self, told: &Notification, change: &mut Value) {
        let is_end = told.ends_thread();
        if let (true, false, Value::Object(change)) = (is_end, self.settings.close_state.is_empty(), change) {
            let notes = match &told.verdict {
                Some((verdict, reason)) => value(&format!("{verdict}: {reason}"), 1_000),
                None => value(&told.note, 1_000),
            };
            change.insert("state".into(), json!(self.settings.close_state));
            change.insert("close_code".into(), json!(self.settings.close_code));
            change.insert("close_notes".into(), json!(text(&notes, 1_000)));
        }
    }

    async fn create(&self, told: &Notification, authorization: &str) -> Result<Outcome, Outcome> {
        let mut body = incident(told);
        self.close(told, &mut body);
        let answer = self.call("POST", "", authorization, Some(&body)).await?;
        let answer = http::json(&answer);
        let id = answer.pointer("/result/sys_id").and_then(Value::as_str).filter(|id| is_sys_id(id));
        Ok(Outcome::Delivered { remember: id.map(str::to_owned) })
    }

    /// The answer, if it is a good one.
    async fn call(
        &self,
        method: &'static str,
        path: &str,
        authorization: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Outcome> {
        http::taken(self.ask(method, path, authorization, body).await?)
    }

    async fn ask(
        &self,
        method: &'static str,
        path: &str,
        authorization: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Outcome> {
        let instance = self.settings.instance.trim_end_matches('/');
        let url = format!("{instance}/api/now/table/{}{path}", self.settings.table);
        let headers = vec![
            ("accept".to_owned(), "application/json".to_owned()),
            ("content-type".to_owned(), "application/json".to_owned()),
            ("authorization".to_owned(), authorization.to_owned()),
        ];
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        http::send(&self.client, method, &url, headers, body).await
    }
}

#[async_trait]
impl Channel for ServiceNow {
    fn kind(&self) -> &'static str {
        "servicenow"
    }

    fn manner(&self) -> Manner {
        Manner::Ticket
    }

    async fn send(&self, delivery: Delivery<'_>) -> Outcome {
        within(self.attempt(delivery)).await
    }
}

fn is_sys_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A hash, because `^` and other marks mean something in a query.
fn correlation_id(told: &Notification) -> String {
    let hash = blake3::hash(told.thread.as_bytes()).to_hex();
    format!("stormglass-{}", hash.chars().take(32).collect::<String>())
}

/// A text that begins no HTML in a journal field.
fn text(text: &str, max: usize) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        out.push_str(before);
        out.push('[');
        let word: String = after.trim_start_matches('/').chars().take(4).collect();
        if word.eq_ignore_ascii_case("code") {
            out.push(' ');
        }
        rest = after;
    }
    out.push_str(rest);
    cut(&out, max, plain)
}

/// The incident to make.
fn incident(told: &Notification) -> Value {
    let message = Message::of(told);
    let (impact, urgency) = match told.severity_id {
        5 => ("1", "1"),
        4 => ("2", "1"),
        3 => ("2", "2"),
        _ => ("3", "3"),
    };
    json!({
        "short_description": text(&message.headline(), 160),
        "description": text(&message.text(), 4_000),
        "correlation_id": correlation_id(told),
        "correlation_display": "Stormglass",
        "impact": impact,
        "urgency": urgency,
    })
}
