//! A notification as a finding of OCSF 1.8.0, and a channel that posts it as JSON: incidents are Incident Findings
//! (class 2005), all else is a Detection Finding (class 2004).

mod detection;
mod incident;
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
use crate::{Notification, SubjectKind};

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
    Value::Object(match told.about {
        SubjectKind::Alert => detection::finding(told, &message, &mut budget),
        SubjectKind::Incident => incident::finding(told, &message, &mut budget),
    })
}

/// A class of findings.
struct Class {
    uid: i64,
    name: &'static str,
    /// The profile that it implies.
    profile: Option<&'static str>,
}

/// What all classes of findings have. Activities are 1 Create, 2 Update and 3 Close in each.
fn envelope(
    told: &Notification,
    message: &Message,
    budget: &mut Budget,
    class: &Class,
    activity_id: i64,
) -> Map<String, Value> {
    let activity = match activity_id {
        1 => "Create",
        2 => "Update",
        _ => "Close",
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
    let mut profiles: Vec<_> = class.profile.into_iter().collect();
    let mut finding = Map::new();
    let mut set = |name: &str, value: Value| {
        finding.insert(name.to_owned(), value);
    };
    if !provider.is_empty() {
        profiles.push("cloud");
        let mut cloud = json!({"provider": provider});
        if let (Some(account), Value::Object(cloud)) =
            (told.entities.iter().find(|entity| entity.kind == EntityKind::Account), &mut cloud)
        {
            cloud.insert("account".into(), named(&account.value, account.name.as_deref()));
        }
        set("cloud", cloud);
    }
    set("category_uid", json!(2));
    set("category_name", json!("Findings"));
    set("class_uid", json!(class.uid));
    set("class_name", json!(class.name));
    set("activity_id", json!(activity_id));
    set("activity_name", json!(activity));
    set("type_uid", json!(class.uid * 100 + activity_id));
    set("type_name", json!(format!("{}: {activity}", class.name)));
    set("severity_id", json!(severity_id));
    set("severity", json!(severity));
    set("time", json!(millis(told.time_us)));
    set("message", json!(budget.take(&message.headline(), 400, plain)));
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
    finding
}

fn entities(told: &Notification, kind: EntityKind) -> impl Iterator<Item = &alerts::Entity> {
    told.entities.iter().take(16).filter(move |entity| entity.kind == kind)
}

/// The facts by their names.
fn shown(message: &Message) -> Vec<Value> {
    message.facts.iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
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
