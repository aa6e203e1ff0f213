//! Slack, Microsoft Teams and Discord.

use serde_json::{Value, json};

use super::{Reply, Service, units};

fn refused(error: &str) -> Reply {
    Reply::new(200, json!({"ok": false, "error": error}))
}

/// What Slack has against blocks (docs.slack.dev, "Blocks").
fn blocks_problem(body: &Value) -> Option<&'static str> {
    let blocks = body.get("blocks").and_then(Value::as_array)?;
    if blocks.is_empty() || blocks.len() > 50 {
        return Some("invalid_blocks");
    }
    let mut all = 0;
    for block in blocks {
        let text = block.pointer("/text/text").unwrap_or(&Value::Null);
        let fields = block.get("fields").and_then(Value::as_array);
        let elements = block.get("elements").and_then(Value::as_array);
        let kind = block.get("type").and_then(Value::as_str).unwrap_or_default();
        let good = match kind {
            "header" => (1..=150).contains(&units(text)),
            "section" => match fields {
                Some(fields) => {
                    (1..=10).contains(&fields.len())
                        && fields.iter().all(|field| {
                            field.get("text").is_some_and(|text| (1..=2_000).contains(&units(text)))
                        })
                }
                None => (1..=3_000).contains(&units(text)),
            },
            "context" => elements.is_some_and(|elements| (1..=10).contains(&elements.len())),
            "actions" => elements.is_some_and(|elements| (1..=25).contains(&elements.len())),
            _ => false,
        };
        if !good {
            return Some("invalid_blocks");
        }
        all += block.to_string().len();
    }
    (all > 40_000).then_some("msg_blocks_too_long")
}

/// Slack's API for a bot with this token.
pub fn slack(token: &str) -> Service {
    let token = format!("Bearer {token}");
    let mut count = 0;
    Box::new(move |request| {
        if request.header("authorization") != token {
            return refused("invalid_auth");
        }
        if !request.header("content-type").starts_with("application/json") {
            return refused("invalid_post_type");
        }
        let body = request.json();
        if units(body.get("channel").unwrap_or(&Value::Null)) == 0 {
            return refused("channel_not_found");
        }
        if let Some(problem) = blocks_problem(&body) {
            return refused(problem);
        }
        let channel = body.get("channel").cloned().unwrap_or_default();
        match request.path.as_str() {
            "/api/chat.postMessage" => {
                count += 1;
                Reply::new(200, json!({"ok": true, "channel": channel, "ts": format!("1.{count:06}")}))
            }
            "/api/chat.update" => {
                let ts = body.get("ts").and_then(Value::as_str).unwrap_or_default();
                let known = (1..=count).any(|number| ts == format!("1.{number:06}"));
                match known {
                    true => Reply::new(200, json!({"ok": true, "channel": channel, "ts": ts})),
                    false => refused("message_not_found"),
                }
            }
            _ => refused("unknown_method"),
        }
    })
}

/// An incoming webhook of Slack.
pub fn slack_hook() -> Service {
    Box::new(|request| {
        let body = request.json();
        if body.is_null() || body.get("text").is_none() {
            return Reply::new(400, "invalid_payload");
        }
        match blocks_problem(&body) {
            Some(problem) => Reply::new(400, problem),
            None => Reply::new(200, "ok"),
        }
    })
}

/// The webhook of a workflow that posts a card into Teams, with this `sig`.
pub fn teams(signature: &str) -> Service {
    let wanted = format!("sig={signature}");
    Box::new(move |request| {
        let query = request.path.split_once('?').map_or("", |(_, query)| query);
        if !query.split('&').any(|pair| pair == wanted) {
            return Reply::new(401, json!({"error": {"code": "DirectApiAuthorizationRequired"}}));
        }
        if request.body.len() > 28 * 1_024 {
            return Reply::new(413, json!({"error": {"code": "RequestEntityTooLarge"}}));
        }
        let body = request.json();
        let card = body.pointer("/attachments/0");
        let is_card = card.and_then(|card| card.get("contentType"))
            == Some(&json!("application/vnd.microsoft.card.adaptive"))
            && card.and_then(|card| card.pointer("/content/type")) == Some(&json!("AdaptiveCard"));
        if body.get("type") != Some(&json!("message")) || !is_card {
            return Reply::new(400, json!({"error": {"code": "TriggerInputSchemaMismatch"}}));
        }
        Reply::new(202, "")
    })
}

/// A webhook of Discord (discord.com/developers/docs, "Webhook", "Message").
pub fn discord() -> Service {
    let mut messages = Vec::new();
    Box::new(move |request| {
        let body = request.json();
        let embeds = body.get("embeds").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut all = 0;
        let mut good = (1..=10).contains(&embeds.len());
        for embed in &embeds {
            let at = |path: &str| embed.pointer(path).map_or(0, units);
            let fields = embed.get("fields").and_then(Value::as_array).cloned().unwrap_or_default();
            all += at("/title") + at("/description") + at("/footer/text");
            good &= at("/title") <= 256
                && at("/description") <= 4_096
                && at("/footer/text") <= 2_048
                && fields.len() <= 25;
            for field in &fields {
                let (name, value) = (field.get("name").map_or(0, units), field.get("value").map_or(0, units));
                all += name + value;
                good &= (1..=256).contains(&name) && (1..=1_024).contains(&value);
            }
        }
        if !good || all > 6_000 {
            return Reply::new(400, json!({"code": 50_035, "message": "Invalid Form Body"}));
        }
        if body.pointer("/allowed_mentions/parse") != Some(&json!([])) {
            return Reply::new(400, json!({"code": 50_035, "message": "somebody would be mentioned"}));
        }
        if request.method == "PATCH" {
            let id = request.path.rsplit('/').next().unwrap_or_default().to_owned();
            return match messages.contains(&id) {
                true => Reply::new(200, json!({"id": id})),
                false => Reply::new(404, json!({"code": 10_008, "message": "Unknown Message"})),
            };
        }
        let id = (1_000 + messages.len()).to_string();
        messages.push(id.clone());
        match request.path.ends_with("?wait=true") {
            true => Reply::new(200, json!({"id": id})),
            false => Reply::new(204, ""),
        }
    })
}
