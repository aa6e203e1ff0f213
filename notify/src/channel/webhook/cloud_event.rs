//! CloudEvents 1.0.2 over HTTP: structured (all in the body) or binary (attributes in headers).

use serde_json::{Value, json};

use super::document::{document, event_type};
use crate::Notification;
use crate::channel::message::{stamp, value};

/// How an event is put into a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudEvents {
    /// `application/cloudevents+json`.
    Structured,
    /// `ce-…` headers, and the data as the body.
    Binary,
}

/// The attributes of an event with the id `key`. Source and id together are unique.
fn attributes(told: &Notification, key: &str, source: &str) -> Vec<(&'static str, String)> {
    vec![
        ("specversion", "1.0".to_owned()),
        ("id", key.to_owned()),
        ("source", source.to_owned()),
        ("type", format!("stormglass.{}", event_type(told))),
        ("subject", value(&told.subject_id, 128)),
        ("time", stamp(told.created_us)),
    ]
}

/// Headers and body.
pub(super) fn request(
    mode: CloudEvents,
    told: &Notification,
    key: &str,
    source: &str,
) -> (Vec<(String, String)>, Value) {
    let mut data = match document(told) {
        Value::Object(mut whole) => whole.remove("data").unwrap_or_default(),
        other => other,
    };
    // An attribute must not be empty.
    let attributes = attributes(told, key, source).into_iter().filter(|(_, value)| !value.is_empty());
    match mode {
        CloudEvents::Structured => {
            let mut event = json!({"datacontenttype": "application/json", "data": data.take()});
            if let Value::Object(event) = &mut event {
                event.extend(attributes.map(|(name, value)| (name.to_owned(), json!(value))));
            }
            (vec![("content-type".into(), "application/cloudevents+json; charset=UTF-8".into())], event)
        }
        CloudEvents::Binary => {
            let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
            headers.extend(attributes.map(|(name, value)| (format!("ce-{name}"), header(&value))));
            (headers, data)
        }
    }
}

/// A value as a header: HTTP protocol binding 1.0.2, 3.1.3.2.
fn header(value: &str) -> String {
    let mut out = String::new();
    let mut bytes = [0; 4];
    for character in value.chars() {
        if ('!'..='~').contains(&character) && !matches!(character, '"' | '%') {
            out.push(character);
            continue;
        }
        for byte in character.encode_utf8(&mut bytes).bytes() {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_percent_encoded() {
        assert_eq!(header("a b\"%€\r\n"), "a%20b%22%25%E2%82%AC%0D%0A");
    }
}
