//! The bodies of Okta's event hooks: `{"eventType": …, "data": {"events": [{…}, …]}}`, where each event is as
//! in the System Log (Okta, "Event hooks").

use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Hook<'a> {
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
}

/// The events of a body, each as it stands there; `None` if it is no body of an event hook.
pub fn events(body: &[u8]) -> Option<Vec<&str>> {
    let text = std::str::from_utf8(body).ok()?;
    let hook: Hook<'_> = serde_json::from_str(text).ok()?;
    Some(hook.data.events.into_iter().map(RawValue::get).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_taken_out() {
        let body = br#"{"eventId":"x","data":{"events":[{"uuid":"a"}, {"uuid":"b", "n":[1]}]},"source":"s"}"#;
        assert_eq!(events(body), Some(vec![r#"{"uuid":"a"}"#, r#"{"uuid":"b", "n":[1]}"#]));
        for body in [&b""[..], b"{}", b"[]", br#"{"data":{"events":{}}}"#, b"\xff"] {
            assert_eq!(events(body), None);
        }
    }
}
