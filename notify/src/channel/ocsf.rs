//! A notification as an OCSF 1.8.0 Detection Finding (class 2004), and a channel that posts it as JSON.

#[cfg(test)]
mod tests;

use alerts::EntityKind;
use async_trait::async_trait;
use egress::Client;
use serde_json::{Map, Value, json};

use super::deadline::within;
use super::message::{Message, severity, value};
use super::text::{Budget, plain};
use super::{Channel, Delivery, Manner, Outcome, Secret, http};
use crate::{Notification, NotificationKind};

/// Bytes for the longer texts of others.
const TEXTS: usize = 12_000;

/// The collector of another product.
#[derive(Debug)]
pub struct Ocsf {
    client: Client,
    url: Secret,
    headers: Vec<(String, Secret)>,
}

impl Ocsf {
    /// A collector at `url` that wants these headers.
    pub fn new(client: Client, url: Secret, headers: Vec<(String, Secret)>) -> Self {
        Self { client, url, headers }
    }

    async fn attempt(&self, delivery: Delivery<'_>) -> Result<Outcome, Outcome> {
        let mut headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("idempotency-key".to_owned(), delivery.key.to_owned()),
        ];
        for (name, secret) in &self.headers {
            headers.push((name.clone(), secret.get().await?));
        }
        let body = finding(delivery.notification).to_string().into_bytes();
        let answer = http::send(&self.client, "POST", &self.url.get().await?, headers, body).await?;
        Ok(http::outcome(&answer))
    }
}

#[async_trait]
impl Channel for Ocsf {
    fn kind(&self) -> &'static str {
        "ocsf"
    }

    fn manner(&self) -> Manner {
        Manner::Stream
    }

    async fn send(&self, delivery: Delivery<'_>) -> Outcome {
        within(self.attempt(delivery)).await
    }
}

/// The finding. The schema is that of schema.ocsf.io, 1.8.0; without a provider it has no `cloud` profile.
pub fn finding(told: &Notification) -> Value {
    let message = Message::of(told);
    let mut budget = Budget(TEXTS);
    let mut take = |text: &str, max: usize| budget.take(text, max, plain);
    let (activity_id, activity) = match told.kind {
        NotificationKind::Closed => (3, "Close"),
        NotificationKind::Raised
        | NotificationKind::Digest
        | NotificationKind::Flood
        | NotificationKind::Test => (1, "Create"),
        _ => (2, "Update"),
    };
    let (status_id, status) = match told.status.as_str() {
        "new" => (1, "New"),
        "acknowledged" | "in_progress" => (2, "In Progress"),
        "closed" => (4, "Resolved"),
        _ => (0, "Unknown"),
    };
    let (severity_id, severity) = match told.severity_id {
        id @ 1..=5 => {
            let name = severity(id);
            let capital = name.chars().take(1).flat_map(char::to_uppercase);
            (id, capital.chain(name.chars().skip(1)).collect())
        }
        _ => (0, "Unknown".to_owned()),
    };
    let provider = value(&told.provider, 40);
    let mut profiles = Vec::new();
    let mut finding = Map::new();
    let mut set = |name: &str, value: Value| {
        finding.insert(name.to_owned(), value);
    };
    if !provider.is_empty() {
        profiles.push("cloud");
        let account = told.entities.iter().find(|entity| entity.kind == EntityKind::Account);
        let mut cloud = json!({"provider": provider});
        if let (Some(account), Value::Object(cloud)) = (account, &mut cloud) {
            cloud.insert("account".into(), named(&account.value, account.name.as_deref()));
        }
        set("cloud", cloud);
    }
    set("category_uid", json!(2));
    set("category_name", json!("Findings"));
    set("class_uid", json!(2004));
    set("class_name", json!("Detection Finding"));
    set("activity_id", json!(activity_id));
    set("activity_name", json!(activity));
    set("type_uid", json!(200_400 + activity_id));
    set("type_name", json!(format!("Detection Finding: {activity}")));
    set("severity_id", json!(severity_id));
    set("severity", json!(severity));
    set("status_id", json!(status_id));
    set("status", json!(status));
    set("is_alert", json!(true));
    set("time", json!(millis(told.time_us)));
    set("message", json!(take(&message.headline(), 400)));
    if let Some((verdict, reason)) = &told.verdict {
        set("comment", json!(value(&format!("{verdict}: {reason}"), 500)));
    } else if !told.note.is_empty() {
        set("comment", json!(value(&told.note, 500)));
    }
    set("count", json!(told.count.clamp(1, i32::MAX as u64)));
    set(
        "metadata",
        json!({
            "version": "1.8.0",
            "profiles": profiles,
            "product": {"name": "Stormglass", "vendor_name": "Stormglass", "version": env!("CARGO_PKG_VERSION")},
            "correlation_uid": value(&told.thread, 128),
            "event_code": told.kind.as_str(),
        }),
    );
    let mut info = json!({
        "uid": value(&told.subject_id, 128),
        "title": message.title,
        "desc": take(&message.description, 2_000),
        "created_time": millis(told.created_us),
        "last_seen_time": millis(told.time_us),
        "types": message.tags,
    });
    if let Value::Object(info) = &mut info {
        let rule = value(&told.rule_id, 128);
        if !rule.is_empty() {
            info.insert(
                "analytic".into(),
                json!({"type_id": 1, "type": "Rule", "uid": rule, "name": message.title}),
            );
        }
        let attacks = attacks(&message.tags);
        if !attacks.is_empty() {
            info.insert("attacks".into(), json!(attacks));
        }
        if let Some(link) = &message.link {
            info.insert("src_url".into(), json!(link));
        }
        if let Some(joined) = &told.joined {
            info.insert("first_seen_time".into(), json!(millis(joined.begin_us)));
        }
    }
    set("finding_info", info);
    let resources: Vec<_> =
        entities(told, EntityKind::Resource).map(|one| named(&one.value, one.name.as_deref())).collect();
    if !resources.is_empty() {
        set("resources", json!(resources));
    }
    set("evidences", json!([evidence(told, &message)]));
    Value::Object(finding)
}

fn entities(told: &Notification, kind: EntityKind) -> impl Iterator<Item = &alerts::Entity> {
    told.entities.iter().take(16).filter(move |entity| entity.kind == kind)
}

/// What the finding rests on. `data` is there always, and something has to be.
fn evidence(told: &Notification, message: &Message) -> Value {
    let facts: Vec<_> =
        message.facts.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    let records: Vec<_> = told
        .records
        .iter()
        .take(20)
        .map(|record| {
            json!({
                "event_uid": value(&record.event_uid, 80),
                "time": millis(record.time_us),
                "operation": value(&record.operation, 120),
            })
        })
        .collect();
    let mut evidence = json!({"data": {"facts": facts, "records": records, "response": message.steps}});
    if let Value::Object(evidence) = &mut evidence {
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
    }
    evidence
}

/// An object of an id and perhaps a name.
fn named(uid: &str, name: Option<&str>) -> Value {
    let mut object = Map::new();
    object.insert("uid".into(), json!(value(uid, 240)));
    if let Some(name) = name {
        object.insert("name".into(), json!(value(name, 240)));
    }
    Value::Object(object)
}

/// Techniques of ATT&CK, from tags such as `attack.t1078.004`.
fn attacks(tags: &[String]) -> Vec<Value> {
    let mut attacks = Vec::new();
    for tag in tags {
        let Some(technique) = tag.to_ascii_uppercase().strip_prefix("ATTACK.").map(str::to_owned) else {
            continue;
        };
        let mut parts = technique.splitn(2, '.');
        let (main, sub) = (parts.next().unwrap_or_default(), parts.next());
        let digits =
            |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
        if !main.strip_prefix('T').is_some_and(|number| digits(number, 4)) {
            continue;
        }
        match sub {
            None => attacks.push(json!({"technique": {"uid": main}})),
            Some(sub) if digits(sub, 3) => {
                attacks.push(json!({"technique": {"uid": main}, "sub_technique": {"uid": technique}}));
            }
            Some(_) => {}
        }
    }
    attacks
}

/// OCSF's times are milliseconds since 1970.
fn millis(time_us: i64) -> i64 {
    time_us.div_euclid(1_000)
}
