//! Slack: messages of Block Kit by a bot, which can change them and answer in threads, or by an incoming webhook,
//! which can only send.
//!
//! Limits: docs.slack.dev, "Blocks" and "Rate limits". Besides those of each part there is one for all parts
//! together that is not written down (`msg_blocks_too_long` came at 11,341 characters); 8,000 are kept here.
//! Texts of others stand in `plain_text`, or escaped in `mrkdwn` with `verbatim`: neither mentions anybody nor
//! becomes a link.

mod blocks;
#[cfg(test)]
mod tests;
mod thread;

use async_trait::async_trait;
use egress::{Answer, Client};
use serde_json::{Value, json};

use super::deadline::within;
use super::{Channel, Delivery, Manner, Outcome, Secret, SettingProblem, http};
use crate::{Notification, NotificationKind, SubjectKind};
pub use blocks::{ACKNOWLEDGE, ACKNOWLEDGE_INCIDENT, CLOSE, CLOSE_INCIDENT};
use blocks::{message, news};
use thread::{Place, Thread};

/// How Slack is reached.
#[derive(Debug, Clone)]
pub enum SlackAccess {
    /// A bot's token (`xoxb-…`, scope `chat:write`) and the id of a channel.
    Bot {
        /// The token.
        token: Secret,
        /// The channel's id, such as `C0123456789`.
        channel: String,
    },
    /// The address of an incoming webhook, which is a secret.
    Hook(Secret),
}

/// What there is to set.
#[derive(Debug, Clone)]
pub struct SlackSettings {
    /// How it is reached.
    pub access: SlackAccess,
    /// Slack's API, `https://slack.com/api`.
    pub api: String,
    /// Whether messages have buttons; their clicks come to the callback.
    pub buttons: bool,
}

/// A channel of Slack.
#[derive(Debug)]
pub struct Slack {
    client: Client,
    settings: SlackSettings,
}

impl SlackSettings {
    /// What is wrong with them.
    pub fn problems(&self) -> Vec<SettingProblem> {
        let SlackAccess::Bot { channel, .. } = &self.access else { return Vec::new() };
        let is_id =
            (2..=64).contains(&channel.len()) && channel.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if is_id {
            return Vec::new();
        }
        let mend = "take the id at the end of the channel's details, such as `C0123456789`; names can change";
        vec![SettingProblem::new("channel", "this is no id of a channel", mend)]
    }
}

impl Slack {
    /// A channel of Slack.
    pub fn new(client: Client, settings: SlackSettings) -> Self {
        Self { client, settings }
    }

    async fn by_hook(&self, url: &Secret, delivery: Delivery<'_>) -> Result<Outcome, Outcome> {
        // A message of a hook has no buttons: they are the app's, and its hook may be another's.
        let body = message(delivery.notification, self.settings.buttons);
        let headers = vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
        let answer =
            http::send(&self.client, "POST", &url.get().await?, headers, body.to_string().into_bytes())
                .await?;
        Ok(match answer.status {
            // Its own words for what will not come back (docs.slack.dev, "Sending messages using incoming webhooks").
            403 | 404 | 410 => {
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                let reason = format!("Slack says `{}`; make a new incoming webhook", http::word(text.trim()));
                Outcome::Disabled { reason }
            }
            _ => http::outcome(&answer),
        })
    }

    async fn by_bot(
        &self,
        token: &Secret,
        channel: &str,
        delivery: Delivery<'_>,
    ) -> Result<Outcome, Outcome> {
        let told = delivery.notification;
        let token = token.get().await?;
        let thread = delivery.remembered.and_then(Thread::read).filter(|thread| thread.channel == channel);
        let taken_over = thread.as_ref().and_then(|thread| thread.taken_over(told));
        let mut body = message(told, self.settings.buttons);
        // A change of what was told is shown where it was told: doing that twice does no harm.
        let earlier = taken_over.as_ref().or(thread.as_ref());
        let earlier = earlier.and_then(|thread| thread.message_of(told.place()));
        let mut is_shown = false;
        if let (true, Some(place)) = (changes_message(told), earlier) {
            set(&mut body, "channel", json!(place.channel));
            set(&mut body, "ts", json!(place.ts));
            let answer = self.call("chat.update", &token, &body).await?;
            match error(&answer) {
                None => is_shown = true,
                // Deleted, too old, or another app's: it is told anew.
                Some(error) if GONE.contains(&error.as_str()) => {}
                Some(error) => return Ok(outcome(&answer, &error)),
            }
            if let Value::Object(body) = &mut body {
                body.remove("ts");
            }
        }
        if let (true, Some(thread)) = (is_shown, taken_over) {
            return Ok(Outcome::Delivered { remember: Some(thread.write()) });
        }
        // Of an alert the change says all; an incident is long, so what has changed is said as well.
        if told.is_quiet || (is_shown && told.about == SubjectKind::Alert) {
            return Ok(Outcome::Delivered { remember: None });
        }
        let is_news = is_shown || (thread.is_some() && is_news_alone(told));
        if is_news {
            body = news(told);
        }
        set(&mut body, "channel", json!(channel));
        set(&mut body, "unfurl_links", json!(false));
        set(&mut body, "unfurl_media", json!(false));
        if let Some(thread) = &thread {
            set(&mut body, "thread_ts", json!(thread.root));
            let is_urgent = matches!(
                told.kind,
                NotificationKind::Escalated | NotificationKind::Overdue | NotificationKind::Risen
            );
            set(&mut body, "reply_broadcast", json!(is_urgent));
        }
        let answer = self.call("chat.postMessage", &token, &body).await?;
        if let Some(error) = error(&answer) {
            return Ok(outcome(&answer, &error));
        }
        let answer = http::json(&answer);
        let place = Place::read(&answer).filter(|_| !is_news);
        let remember = place.map(|place| Thread::with(thread, channel, told.place(), place).write());
        Ok(Outcome::Delivered { remember })
    }

    async fn call(&self, method: &str, token: &str, body: &Value) -> Result<Answer, Outcome> {
        let url = format!("{}/{method}", self.settings.api.trim_end_matches('/'));
        let headers = vec![
            ("content-type".to_owned(), "application/json; charset=utf-8".to_owned()),
            ("authorization".to_owned(), format!("Bearer {token}")),
        ];
        http::send(&self.client, "POST", &url, headers, body.to_string().into_bytes()).await
    }
}

/// Whether a notification is shown by the message that told of its subject.
fn changes_message(told: &Notification) -> bool {
    match told.kind {
        NotificationKind::Merged => told.about == SubjectKind::Incident,
        NotificationKind::Amended
        | NotificationKind::Grown
        | NotificationKind::Risen
        | NotificationKind::Overdue
        | NotificationKind::Assigned
        | NotificationKind::Acknowledged
        | NotificationKind::Closed
        | NotificationKind::Reopened => true,
        _ => false,
    }
}

/// Whether nothing but the news is said in a thread.
fn is_news_alone(told: &Notification) -> bool {
    matches!(told.kind, NotificationKind::Commented | NotificationKind::Merged)
}

/// Errors of `chat.update` that say that the message cannot be changed any more.
const GONE: [&str; 4] =
    ["message_not_found", "edit_window_closed", "cant_update_message", "update_not_allowed"];

/// Errors after which nothing is taken until somebody mends it (docs.slack.dev, `chat.postMessage`).
const SHUT: [&str; 19] = [
    "access_denied",
    "account_inactive",
    "channel_not_found",
    "ekm_access_denied",
    "enterprise_is_restricted",
    "invalid_auth",
    "is_archived",
    "missing_scope",
    "no_permission",
    "not_allowed_token_type",
    "not_authed",
    "not_in_channel",
    "org_login_required",
    "restricted_action",
    "team_access_not_granted",
    "team_not_found",
    "token_expired",
    "token_revoked",
    "two_factor_setup_required",
];

/// Errors of the moment.
const MOMENTARY: [&str; 6] = [
    "ratelimited",
    "rate_limited",
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
];

/// The error that an answer with status 200 has in it.
fn error(answer: &Answer) -> Option<String> {
    let body = http::json(answer);
    if answer.status == 200 && body.get("ok") == Some(&Value::Bool(true)) {
        return None;
    }
    Some(http::word(body.get("error").and_then(Value::as_str).unwrap_or_default()).to_owned())
}

fn outcome(answer: &Answer, error: &str) -> Outcome {
    let reason = format!("Slack says `{error}`");
    if MOMENTARY.contains(&error) {
        return Outcome::Retry { after: http::retry_after(answer), reason };
    }
    if SHUT.contains(&error) {
        let mend = match error {
            "not_in_channel" | "channel_not_found" => "invite the bot into the channel",
            "missing_scope" | "no_permission" => "give the bot the scope `chat:write` and install it anew",
            "is_archived" => "take another channel",
            _ => "renew the bot's token",
        };
        return Outcome::Disabled { reason: format!("{reason}; {mend}") };
    }
    match answer.status {
        200 if !answer.whole => Outcome::Retry { after: None, reason: "Slack's answer breaks off".into() },
        200 => Outcome::Refused { reason },
        _ => http::outcome(answer),
    }
}

fn set(body: &mut Value, name: &str, value: Value) {
    if let Value::Object(body) = body {
        body.insert(name.into(), value);
    }
}

#[async_trait]
impl Channel for Slack {
    fn kind(&self) -> &'static str {
        "slack"
    }

    fn manner(&self) -> Manner {
        match self.settings.access {
            SlackAccess::Bot { .. } => Manner::Chat,
            SlackAccess::Hook(_) => Manner::Letter,
        }
    }

    async fn send(&self, delivery: Delivery<'_>) -> Outcome {
        match &self.settings.access {
            SlackAccess::Bot { token, channel } => within(self.by_bot(token, channel, delivery)).await,
            SlackAccess::Hook(url) => within(self.by_hook(url, delivery)).await,
        }
    }
}
