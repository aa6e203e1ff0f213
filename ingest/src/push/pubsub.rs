//! The bodies of Pub/Sub's push subscriptions
//! (<https://cloud.google.com/pubsub/docs/push#receive_push>): `{"message": {"data": "base64", …},
//! "subscription": "…"}`. With payload unwrapping the body is the data itself.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

#[derive(Deserialize)]
struct Body {
    message: Message,
    subscription: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    #[serde(default)]
    data: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    message_id: String,
}

/// A message that was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Where it comes from, the same whenever it is sent: `pubsub://project/subscription/messageId`.
    pub origin: String,
    /// What it carries, or why that is no record.
    pub data: Result<Vec<u8>, &'static str>,
}

/// Opens a body; `None` if it is not that of a push subscription.
pub fn open(body: &[u8]) -> Option<Pushed> {
    let Body { message, subscription } = serde_json::from_slice(body).ok()?;
    let name = subscription.strip_prefix("projects/").unwrap_or(&subscription);
    let name = name.replacen("/subscriptions/", "/", 1);
    let origin = format!("pubsub://{name}/{}", message.message_id);
    let is_notification =
        ["eventType", "bucketId", "objectId"].iter().all(|name| message.attributes.contains_key(*name));
    let data = match STANDARD.decode(&message.data) {
        _ if is_notification => Err(
            "announced_object: objects are read for subscriptions that are pulled; use a `gcp_pubsub` source",
        ),
        Ok(data) if data.is_empty() => Err("empty: the message has no data"),
        Ok(data) => Ok(data),
        Err(_) => Err("bad_base64: the message's data is none"),
    };
    Some(Pushed { origin, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_is_taken_out() {
        let pushed = |message: &str| {
            let body = format!(r#"{{"message":{message},"subscription":"projects/p/subscriptions/s"}}"#);
            open(body.as_bytes()).map(|pushed| (pushed.origin, pushed.data))
        };
        let origin = "pubsub://p/s/7".to_owned();
        let good =
            r#"{"data":"e30=","messageId":"7","message_id":"7","publishTime":"t","attributes":{"a":"b"}}"#;
        assert_eq!(pushed(good), Some((origin.clone(), Ok(b"{}".to_vec()))));
        let announced = r#"{"messageId":"7","attributes":{"eventType":"x","bucketId":"b","objectId":"o"}}"#;
        for (message, reason) in [
            (r#"{"messageId":"7"}"#, "empty"),
            (r#"{"messageId":"7","data":"%"}"#, "bad_base64"),
            (announced, "announced_object"),
        ] {
            let (of, data) = pushed(message).unwrap();
            assert_eq!(of, origin);
            assert!(data.unwrap_err().starts_with(reason), "{message}");
        }
        for body in [&b""[..], b"{}", b"\xff", br#"{"message":{"data":"e30="}}"#] {
            assert_eq!(open(body), None);
        }
    }
}
