//! Transports that wrap one record each: what carries it is opened, the rest is kept in `unmapped`
//! under `envelope`.
//!
//! - EventBridge: `{"detail-type": …, "detail": {…}}`
//! - SNS: `{"Type": "Notification", "TopicArn": …, "Message": "…"}`
//! - one event of CloudWatch Logs: `{"id": …, "timestamp": …, "message": "…"}`
//! - OpenTelemetry, as JSON: `{"body": "…", "attributes": …}`, with a line of a log in it
//! - one item of CloudTrail's `LookupEvents`: `{"EventId": …, "CloudTrailEvent": "…"}`
//! - Pub/Sub, pushed or pulled: `{"message": {"data": "base64", …}, …}`
//!
//! Transports of many records (`{"Records": […]}` and the like) are taken apart before records get here.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use event::{JsonText, LogType, Provider};

use crate::detect;
use crate::json::{Embedded, Object, Value};
use crate::mapping::Mapping;
use crate::reason::{MapError, Reason};
use crate::row::Row;

/// What an envelope holds.
#[derive(Debug)]
pub(crate) enum Content<'a> {
    /// A record within the same text.
    Object(Object<'a>),
    /// A record's own text.
    Text(Cow<'a, str>),
    /// A record rebuilt from what the envelope itself says; its raw text is the envelope.
    Rebuilt(String),
}

/// An envelope that was recognised.
#[derive(Debug)]
pub(crate) struct Envelope<'a> {
    pub(crate) content: Content<'a>,
    /// The member that carries the content.
    carrier: &'static str,
    /// The cloud whose log service carried it, where that says something of the record: of the logs of a
    /// cluster, not of what EventBridge or a queue forwards.
    pub(crate) cloud: Option<Provider>,
}

impl<'a> Envelope<'a> {
    /// An envelope whose member `carrier` holds `content`.
    pub(crate) fn new(content: Content<'a>, carrier: &'static str) -> Self {
        Self { content, carrier, cloud: None }
    }

    /// Keeps every member but the carrier.
    pub(crate) fn keep_rest(&self, object: &Object<'_>, row: &mut Row<'_>) {
        if matches!(self.content, Content::Rebuilt(_)) {
            return;
        }
        for member in object.members() {
            if member.key != self.carrier {
                row.keep("envelope", &member);
            }
        }
    }
}

/// Opens `object`; `None` if it is no envelope.
///
/// # Errors
/// It is one, but what it carries cannot be decoded.
pub(crate) fn open<'a>(
    object: &Object<'a>,
    fixed: Option<LogType>,
) -> Result<Option<Envelope<'a>>, MapError> {
    if object.get("detail-type").is_some()
        && let Some(detail) = object.get("detail").and_then(|value| value.as_object())
    {
        return Ok(Some(Envelope { content: Content::Object(detail), carrier: "detail", cloud: None }));
    }
    if object.get("EventId").is_some() || object.get("CloudTrailEvent").is_some() {
        return Ok(Some(lookup_item(object)));
    }
    if object.get("TopicArn").is_some()
        && let Some(text) = json_text(object, "Message")
    {
        return Ok(Some(Envelope { content: Content::Text(text), carrier: "Message", cloud: None }));
    }
    if object.get("timestamp").is_some()
        && let Some(text) = json_text(object, "message").or_else(|| line_text(object, "message", fixed))
    {
        return Ok(Some(Envelope {
            content: Content::Text(text),
            carrier: "message",
            cloud: cloudwatch(object),
        }));
    }
    if let Some(text) = line_text(object, "body", None) {
        return Ok(Some(Envelope { content: Content::Text(text), carrier: "body", cloud: None }));
    }
    if let Some(data) = object.at(&["message", "data"]) {
        return Ok(Some(Envelope {
            content: Content::Text(decode(&data)?.into()),
            carrier: "message",
            cloud: None,
        }));
    }
    Ok(None)
}

/// An event of CloudWatch Logs has an id, unlike what other forwarders write.
fn cloudwatch(object: &Object<'_>) -> Option<Provider> {
    object.get("id").map(|_| Provider::Aws)
}

/// The text of a member that holds a JSON object.
fn json_text<'a>(object: &Object<'a>, key: &str) -> Option<Cow<'a, str>> {
    object.get(key)?.as_str().filter(|text| text.trim_start().starts_with('{'))
}

/// The text of a member that holds a line of a log.
fn line_text<'a>(object: &Object<'a>, key: &str, fixed: Option<LogType>) -> Option<Cow<'a, str>> {
    let has_lines = fixed.is_some_and(|log_type| Mapping::of(log_type).line.is_some());
    object.get(key)?.as_str().filter(|text| has_lines || detect::line(text).is_some())
}

fn decode(data: &Value<'_>) -> Result<String, MapError> {
    let text = data.as_str().ok_or_else(|| MapError::new(Reason::BadBase64, "`message.data` is no text"))?;
    let bytes = STANDARD.decode(text.as_bytes()).map_err(|error| {
        MapError::new(Reason::BadBase64, format!("`message.data`: {error}").to_lowercase())
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        MapError::new(Reason::NotUtf8, format!("byte {at} of the decoded `message.data`"))
    })
}

/// The event in `CloudTrailEvent`; without a readable one, what the item itself says.
fn lookup_item<'a>(item: &Object<'a>) -> Envelope<'a> {
    let content = match json_text(item, "CloudTrailEvent").filter(|text| Embedded::parse(text).is_some()) {
        Some(text) => Content::Text(text),
        None => Content::Rebuilt(rebuilt(item)),
    };
    Envelope { content, carrier: "CloudTrailEvent", cloud: None }
}

/// A CloudTrail record made of the members of a `LookupEvents` item.
fn rebuilt(item: &Object<'_>) -> String {
    let mut text = String::new();
    let mut json = JsonText::new(&mut text);
    json.begin_object();
    let mut identity = Vec::new();
    for member in item.members() {
        let name = match member.key.as_ref() {
            "EventId" => "eventID",
            "EventName" => "eventName",
            "EventSource" => "eventSource",
            "EventTime" => "eventTime",
            "ReadOnly" => "readOnly",
            "Username" | "AccessKeyId" => {
                identity.push(member);
                continue;
            }
            other => other,
        };
        json.key(name);
        member.value.write(&mut json);
    }
    json.key("userIdentity");
    json.begin_object();
    for member in identity {
        json.key(if member.key == "Username" { "userName" } else { "accessKeyId" });
        member.value.write(&mut json);
    }
    json.end_object();
    json.end_object();
    text
}
