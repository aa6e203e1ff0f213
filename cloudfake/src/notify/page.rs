//! PagerDuty's Events API v2, and the alerts of Jira Service Management and Opsgenie.

use serde_json::{Value, json};

use super::{Reply, Service, units};

fn text<'a>(body: &'a Value, path: &str) -> &'a str {
    body.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// What the published schema has against an event (PagerDuty/api-schema, `reference/events-v2/openapiv3.json`). What
/// it has no name for would be lost, and is refused here.
fn event_problem(event: &Value) -> Option<String> {
    type Check = fn(&Value) -> bool;
    let is_time: Check =
        |value| value.as_str().is_some_and(|text| chrono::DateTime::parse_from_rfc3339(text).is_ok());
    let is_url: Check = |value| value.as_str().is_some_and(|text| url::Url::parse(text).is_ok());
    let has = |object: &Value, known: &[(&str, Check)]| {
        let Some(members) = object.as_object() else { return Some("no object".to_owned()) };
        members.iter().find_map(|(name, value)| match known.iter().find(|(known, _)| known == name) {
            Some((_, check)) => (!check(value)).then(|| format!("'{name}' is invalid")),
            None => Some(format!("'{name}' is unknown")),
        })
    };
    let problem = has(
        event,
        &[
            ("routing_key", Value::is_string),
            ("event_action", Value::is_string),
            ("dedup_key", Value::is_string),
            ("payload", Value::is_object),
            ("client", Value::is_string),
            ("client_url", is_url),
            ("links", Value::is_array),
            ("images", Value::is_array),
        ],
    );
    let payload = event.get("payload").and_then(|payload| {
        has(
            payload,
            &[
                ("summary", Value::is_string),
                ("timestamp", is_time),
                ("severity", Value::is_string),
                ("source", Value::is_string),
                ("component", Value::is_string),
                ("group", Value::is_string),
                ("class", Value::is_string),
                ("custom_details", Value::is_object),
            ],
        )
    });
    let links = event.get("links").and_then(Value::as_array).into_iter().flatten();
    let mut links = links.filter_map(|link| match link.get("href") {
        Some(_) => has(link, &[("href", is_url), ("text", Value::is_string)]),
        None => Some("'href' is missing".into()),
    });
    problem.or(payload).or_else(|| links.next())
}

/// Events API v2 for this routing key (developer.pagerduty.com, "Send an alert event").
pub fn pagerduty(routing_key: &str) -> Service {
    let routing_key = routing_key.to_owned();
    Box::new(move |request| {
        let body = request.json();
        let invalid = |error: &str| {
            Reply::new(
                400,
                json!({"status": "invalid event", "message": "Event object is invalid", "errors": [error]}),
            )
        };
        if request.body.len() > 512 * 1_024 {
            return Reply::new(413, "");
        }
        if text(&body, "/routing_key") != routing_key {
            return invalid("'routing_key' is invalid");
        }
        if let Some(problem) = event_problem(&body) {
            return invalid(&problem);
        }
        let key = text(&body, "/dedup_key");
        if key.len() > 255 {
            return invalid("'dedup_key' is too long");
        }
        match text(&body, "/event_action") {
            "trigger" => {
                let summary = body.pointer("/payload/summary").map_or(0, units);
                if !(1..=1_024).contains(&summary) {
                    return invalid("'payload.summary' is missing or too long");
                }
                if !["critical", "error", "warning", "info"].contains(&text(&body, "/payload/severity")) {
                    return invalid("'payload.severity' is invalid");
                }
                if text(&body, "/payload/source").is_empty() {
                    return invalid("'payload.source' is missing or blank");
                }
            }
            "acknowledge" | "resolve" if !key.is_empty() => {}
            _ => return invalid("'event_action' or 'dedup_key' is invalid"),
        }
        Reply::new(202, json!({"status": "success", "message": "Event processed", "dedup_key": key}))
    })
}

/// The alert API with this key.
pub fn jsm(key: &str) -> Service {
    let key = format!("GenieKey {key}");
    Box::new(move |request| {
        if request.header("authorization") != key {
            return Reply::new(401, json!({"message": "Could not authenticate"}));
        }
        let body = request.json();
        let unprocessable = |what: &str| Reply::new(422, json!({"message": what}));
        let taken = || Reply::new(202, json!({"result": "Request will be processed", "requestId": "r-1"}));
        let length = |name: &str| body.get(name).map_or(0, units);
        if request.path.ends_with("/alerts") {
            if !(1..=130).contains(&length("message")) || !(1..=512).contains(&length("alias")) {
                return unprocessable("message or alias");
            }
            if length("description") > 15_000 || length("entity") > 512 || length("source") > 100 {
                return unprocessable("too long");
            }
            let tags = body.get("tags").and_then(Value::as_array).cloned().unwrap_or_default();
            if tags.len() > 20 || tags.iter().any(|tag| units(tag) > 50) {
                return unprocessable("tags");
            }
            if !["P1", "P2", "P3", "P4", "P5"].contains(&text(&body, "/priority")) {
                return unprocessable("priority");
            }
            let details = body
                .get("extraProperties")
                .or_else(|| body.get("details"))
                .map_or(0, |details| details.to_string().len());
            return if details > 8_000 { unprocessable("details") } else { taken() };
        }
        let is_action = ["/close?identifierType=alias", "/acknowledge?identifierType=alias"]
            .iter()
            .any(|end| request.path.ends_with(end));
        if !is_action || length("note") > 25_000 || length("user") > 100 {
            return unprocessable("action");
        }
        taken()
    })
}
