//! `/callbacks/…`: what is done with an alert where it was told comes back here, signed by the service.
//!
//! The signature is of the body as it was sent, so nothing of it is read before that is right. What a call asks for
//! is done in the name of the person that the service names, and by that one's right: who is a user of Stormglass
//! (by a handle such as `slack:U0123456789`) may no more there than here.

use std::sync::Arc;
use std::time::Duration;

use alerts::incident::{IncidentStatus, Step};
use alerts::{AlertChange, Change, Edit, Expected, Verdict};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use notify::SubjectKind;
use notify::channel::{SLACK_ACKNOWLEDGE, SLACK_ACKNOWLEDGE_INCIDENT, SLACK_CLOSE, SLACK_CLOSE_INCIDENT};
use serde_json::Value;
use storage::accounts::{TENANT, UserRow};
use url::Url;

use super::alerts::{blocking, tell_step};
use super::problem::Problem;
use super::problems::ProblemKind;
use crate::app::{App, now_us};
use crate::audit::{act_as, announce, tell};
use crate::auth::{Auth, Right};
use crate::config::{BadSecret, ChannelConfig};
use crate::push::{Keys, Scheme};

/// Where callbacks lie; they have keys of their own, so the gate asks for no token there.
pub(crate) const PREFIX: &str = "/callbacks/";

/// How far the time of a signature may lie from ours, in seconds: Slack's own advice.
const TOLERANCE_S: i64 = 300;

/// The largest body; Slack's and PagerDuty's have some kilobytes.
const MAX_BODY: usize = 256 << 10;

/// The most actions of one call.
const MAX_ACTIONS: usize = 4;

/// The keys of what services call back with, by the names of their channels.
#[derive(Debug)]
pub(crate) struct Callbacks(Vec<(ChannelConfig, Result<Keys, Vec<BadSecret>>)>);

impl Callbacks {
    /// Reads the keys of the channels that have one.
    pub(crate) fn open(channels: &[ChannelConfig]) -> Self {
        let mut keys = Vec::new();
        for channel in channels {
            let scheme = match channel.kind.name {
                "slack" => Scheme::Slack,
                "pagerduty" => Scheme::PagerDuty,
                _ => continue,
            };
            let Some(secret) = channel.callback_secret() else { continue };
            keys.push((channel.clone(), Keys::read(scheme, &[secret])));
        }
        Self(keys)
    }

    /// Why channels are not called back, as of hooks: each a [`BadSecret`].
    pub(crate) fn problems(&self) -> impl Iterator<Item = anyhow::Error> {
        self.0.iter().flat_map(|(channel, keys)| {
            let bad = keys.as_ref().err().into_iter().flatten().cloned();
            bad.map(|bad| {
                anyhow::Error::new(bad)
                    .context(format!("the callback secret of the channel `{}`", channel.name))
            })
        })
    }

    /// The channel, after its service has shown that it knows the secret.
    fn admit(
        &self,
        kind: &str,
        name: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<&ChannelConfig, Problem> {
        let found = self.0.iter().find(|(channel, _)| channel.name == name && channel.kind.name == kind);
        let (channel, keys) =
            found.ok_or_else(|| Problem::not_found("no channel of this name and kind is called back"))?;
        if body.len() > MAX_BODY {
            return Err(Problem::new(ProblemKind::TooLarge, "a callback has at most 256 KiB"));
        }
        let keys = keys
            .as_ref()
            .map_err(|_| Problem::unauthorized("the channel has no key; the server's log says why"))?;
        keys.admit(None, headers, body, now_us() / 1_000_000, TOLERANCE_S).map_err(|refusal| {
            tracing::warn!(channel = name, %refusal, "a callback is refused");
            Problem::unauthorized(&refusal.to_string())
        })?;
        Ok(channel)
    }
}

/// A change that somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wish {
    /// Of what: an alert or an incident.
    about: SubjectKind,
    id: String,
    asked: Asked,
    /// The service's id of who asks, and what that one is called there.
    user: (String, String),
}

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Acknowledge,
    Close(Verdict),
}

/// What the field `payload` of Slack's form holds.
const SLACK_EXAMPLE: &str = r#"{"type":"block_actions","user":{"id":"U0123456789","username":"dana"},
    "actions":[{"action_id":"acknowledge","value":"0a1b"}]}"#;

/// What somebody clicked in Slack.
#[utoipa::path(post, path = "/callbacks/slack/{channel}", tag = "callbacks",
    params(("channel" = String, Path, description = "the channel's name")),
    request_body(content = inline(std::collections::BTreeMap<String, String>),
        content_type = "application/x-www-form-urlencoded", example = json!({"payload": SLACK_EXAMPLE})),
    responses((status = 200, description = "done"), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn slack(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let channel = app.reloadable.outward().callbacks.admit("slack", &name, &headers, &body)?.clone();
    let payload = url::form_urlencoded::parse(&body).find(|(field, _)| field == "payload");
    let payload: Value = payload
        .and_then(|(_, text)| serde_json::from_str(&text).ok())
        .ok_or_else(|| Problem::bad_request("`payload` is missing or no JSON"))?;
    for wish in slack_wishes(&payload) {
        let Err(problem) = grant(&app, &channel, wish, "Slack", None).await else { continue };
        let Ok(url) = text(&payload, "/response_url").parse::<Url>() else { return Err(problem) };
        // Slack wants its answer within three seconds, and shows no more of a refusal than that it is one.
        drop(tokio::spawn(explain(app.clone(), name, url, problem)));
        break;
    }
    Ok(StatusCode::OK)
}

/// Tells whoever clicked, and nobody else, why nothing has happened (docs.slack.dev, "Handling user interaction").
async fn explain(app: Arc<App>, channel: String, url: Url, problem: Problem) {
    let reason: String = problem.detail.chars().filter(|c| !c.is_control()).take(500).collect();
    let reason = reason.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let body = serde_json::json!({
        "response_type": "ephemeral",
        "replace_original": false,
        "text": format!("Nothing was changed: {reason}."),
    });
    let mut request = egress::Request::post_json(url, body.to_string());
    request.timeout = Duration::from_secs(10);
    match app.reloadable.outward().egress.send(request).await {
        Ok(answer) if answer.is_success() => {}
        Ok(answer) => tracing::warn!(channel, status = answer.status, "Slack takes no word for who clicked"),
        Err(error) => tracing::warn!(channel, %error, "whoever clicked is not told why it was refused"),
    }
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// What `block_actions` ask for (docs.slack.dev, "block_actions payload"); other interactions ask for nothing.
fn slack_wishes(payload: &Value) -> Vec<Wish> {
    let mut wishes = Vec::new();
    if text(payload, "/type") != "block_actions" {
        return wishes;
    }
    let shown = [text(payload, "/user/username"), text(payload, "/user/name"), text(payload, "/user/id")];
    let shown = shown.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
    let user = (text(payload, "/user/id").to_owned(), shown.to_owned());
    let actions = payload.get("actions").and_then(Value::as_array);
    for action in actions.into_iter().flatten().take(MAX_ACTIONS) {
        let (about, is_closing) = match text(action, "/action_id") {
            SLACK_ACKNOWLEDGE => (SubjectKind::Alert, false),
            SLACK_CLOSE => (SubjectKind::Alert, true),
            SLACK_ACKNOWLEDGE_INCIDENT => (SubjectKind::Incident, false),
            SLACK_CLOSE_INCIDENT => (SubjectKind::Incident, true),
            _ => continue,
        };
        let asked = match is_closing {
            false => Some((text(action, "/value"), Asked::Acknowledge)),
            true => text(action, "/selected_option/value").split_once(':').and_then(|(id, verdict)| {
                let verdict = verdict.parse::<Verdict>().ok();
                let verdict = verdict.filter(|verdict| *verdict != Verdict::Refuted)?;
                Some((id, Asked::Close(verdict)))
            }),
        };
        if let Some((id, asked)) = asked {
            wishes.push(Wish { about, id: id.to_owned(), asked, user: user.clone() });
        }
    }
    wishes
}

/// What somebody did in PagerDuty (Webhooks v3).
#[utoipa::path(post, path = "/callbacks/pagerduty/{channel}", tag = "callbacks",
    params(("channel" = String, Path, description = "the channel's name")),
    request_body(content = serde_json::Value, content_type = "application/json", example = json!({"event": {
        "event_type": "incident.acknowledged", "occurred_at": "2026-03-02T10:00:00Z",
        "agent": {"id": "PABC", "type": "user_reference", "summary": "Dana"}, "data": {"incident_key": "0a1b"}}})),
    responses((status = 200, description = "done, or nothing to do"), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn pagerduty(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let channel = app.reloadable.outward().callbacks.admit("pagerduty", &name, &headers, &body)?.clone();
    let payload: Value =
        serde_json::from_slice(&body).map_err(|_| Problem::bad_request("the body is no JSON"))?;
    let Some(mut wish) = pagerduty_wish(&payload) else { return Ok(StatusCode::OK) };
    // The signature has no time: what was sent long ago, or is sent again, must not undo what came after it.
    let at_us = chrono::DateTime::parse_from_rfc3339(text(&payload, "/event/occurred_at"))
        .map_err(|_| Problem::bad_request("`event.occurred_at` is missing or no time"))?
        .timestamp_micros();
    // A page has the name of its thread.
    let (asking, thread) = (app.clone(), wish.id.clone());
    let incident = blocking(move || asking.notifier.incident_in_thread(&name, &thread)).await??;
    if let Some(incident) = incident {
        (wish.about, wish.id) = (SubjectKind::Incident, incident);
    }
    match grant(&app, &channel, wish, "PagerDuty", Some(at_us)).await {
        // Incidents of others come by the same subscription, and answers of theirs to what was told from here:
        // a refusal would only be sent again.
        Err(problem) if matches!(problem.status, 404 | 409) => Ok(StatusCode::OK),
        Err(problem) => Err(problem),
        Ok(()) => Ok(StatusCode::OK),
    }
}

fn pagerduty_wish(payload: &Value) -> Option<Wish> {
    let asked = match text(payload, "/event/event_type") {
        "incident.acknowledged" => Asked::Acknowledge,
        // PagerDuty has no verdict. Who resolves there has dealt with it.
        "incident.resolved" => Asked::Close(Verdict::TruePositive),
        _ => return None,
    };
    // The service itself resolves what is told from here; only what people do is taken over.
    if text(payload, "/event/agent/type") != "user_reference" {
        return None;
    }
    let key = text(payload, "/event/data/incident_key");
    let user = text(payload, "/event/agent/id");
    let shown = text(payload, "/event/agent/summary");
    let shown = if shown.is_empty() { user } else { shown };
    let is_named = !key.is_empty() && !user.is_empty();
    is_named.then(|| Wish {
        about: SubjectKind::Alert,
        id: key.to_owned(),
        asked,
        user: (user.to_owned(), shown.to_owned()),
    })
}

/// Does what was asked for, if that one may; `at_us`: unless what it is about has changed since then.
async fn grant(
    app: &Arc<App>,
    channel: &ChannelConfig,
    wish: Wish,
    service: &'static str,
    at_us: Option<i64>,
) -> Result<(), Problem> {
    tell(wish.about.as_str(), wish.id.as_str());
    let (by, role) = person(&app.auth, channel, &wish.user).inspect_err(|problem| {
        act_as(&format!("{}:{}", channel.kind.name, plain(&wish.user.0)), "");
        tell("problem", problem.detail.as_str());
    })?;
    announce(&by, &role).await?;
    let reason = match wish.asked {
        Asked::Acknowledge => format!("acknowledged in {service}"),
        Asked::Close(_) => format!("closed in {service}"),
    };
    let app = app.clone();
    let (about, subject) = (wish.about, wish.id.clone());
    if let (SubjectKind::Incident, Asked::Close(verdict)) = (wish.about, &wish.asked) {
        tell("verdict", verdict.as_str());
        tell("reason", reason.as_str());
    }
    let done = blocking(move || match wish.about {
        SubjectKind::Alert => change_alert(&app, &wish, &by, &reason, at_us),
        SubjectKind::Incident => change_incident(&app, &wish, &by, &reason, at_us),
    })
    .await??;
    if let Some(steps) = done {
        steps.iter().for_each(tell_step);
        let about = about.as_str();
        tracing::info!(channel = channel.name, about, subject, "a callback has changed something");
    }
    Ok(())
}

/// Changes an alert; returns how. `None`: it has changed after `at_us`.
fn change_alert(
    app: &App,
    wish: &Wish,
    by: &str,
    reason: &str,
    at_us: Option<i64>,
) -> Result<Option<Vec<AlertChange>>, alerts::Error> {
    if let Some(at_us) = at_us
        && app.alerts.get(&wish.id)?.0.updated_us > at_us
    {
        return Ok(None);
    }
    let change = match wish.asked {
        Asked::Acknowledge => Change::Acknowledge,
        Asked::Close(verdict) => Change::Close(verdict),
    };
    let edit = Edit { change, by: by.to_owned(), reason: reason.to_owned(), at_us: now_us() };
    let edited = app.alerts.edit(&wish.id, &edit, &Expected::Any)?;
    Ok(Some(edited.step.into_iter().collect()))
}

/// Changes an incident; returns how, as far as the audit log is told of it. `None`: it has changed after `at_us`, or somebody has taken it already.
fn change_incident(
    app: &App,
    wish: &Wish,
    by: &str,
    reason: &str,
    at_us: Option<i64>,
) -> Result<Option<Vec<AlertChange>>, alerts::Error> {
    let incident = app.incidents.get(&wish.id)?;
    // New alerts change an incident as well; only what people do is not to be undone.
    if let Some(at_us) = at_us
        && app.incidents.history(&incident.id)?.iter().any(|step| {
            step.at_us > at_us
                && matches!(step.change.as_str(), "acknowledged" | "started" | "closed" | "reopened")
        })
    {
        return Ok(None);
    }
    let step = match wish.asked {
        Asked::Acknowledge if is_taken(incident.status) => return Ok(None),
        Asked::Acknowledge => Step::Acknowledge,
        Asked::Close(verdict) => Step::Close { verdict, reason: reason.to_owned(), keeps_alerts: false },
    };
    app.incidents.step(&incident.id, &step, by, now_us())?;
    Ok(Some(Vec::new()))
}

fn is_taken(status: IncidentStatus) -> bool {
    matches!(status, IncidentStatus::Acknowledged | IncidentStatus::InProgress)
}

/// Text that goes into histories, and from there to every channel.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

/// Name and role of who asks: the user with this handle, or whom the channel's `users` names. Where there are
/// users, nobody else changes anything; where there are none, whoever the channel lets, under a name of its own.
fn person(
    auth: &Auth,
    channel: &ChannelConfig,
    (id, shown): &(String, String),
) -> Result<(String, String), Problem> {
    let kind = channel.kind.name;
    let handle = format!("{kind}:{id}");
    let listed = channel.user(id, &plain(shown));
    let by = |is_it: &dyn Fn(&UserRow) -> bool| {
        auth.directory.find_user(|user| user.tenant == TENANT && is_it(user))
    };
    let user = by(&|user| user.handles.contains(&handle))
        .or_else(|| by(&|user| channel.has_user(id) && Some(&user.name) == listed.as_ref()));
    let Some(user) = user else {
        if by(&|_| true).is_some() {
            return Err(Problem::forbidden(&format!(
                "no user of Stormglass is `{}`; an admin joins them with `stormglass users handle NAME {}`",
                plain(&handle),
                plain(&handle)
            )));
        }
        let name = listed.ok_or_else(|| {
            Problem::forbidden("this user may not change alerts; add it to `users` of the channel")
        })?;
        return Ok((name, String::new()));
    };
    let name = &user.name;
    if !user.is_active {
        return Err(Problem::forbidden(&format!("the user `{name}` is disabled")));
    }
    let role = auth.roles.named(&user.role).map_err(|error| Problem::forbidden(&error))?;
    if !role.may(Right::Triage) {
        let (role, right) = (role.as_str(), Right::Triage.as_str());
        return Err(Problem::forbidden(&format!(
            "`{name}` may not do this: it needs the right `{right}`, which the role `{role}` has not"
        )));
    }
    Ok((user.name, user.role))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn clicks_are_wishes() {
        let payload = json!({
            "type": "block_actions",
            "user": {"id": "U1", "username": "ann"},
            "actions": [
                {"action_id": "acknowledge", "value": "abc"},
                {"action_id": "close", "selected_option": {"value": "abc:benign"}},
                {"action_id": "close", "selected_option": {"value": "abc:refuted"}},
                {"action_id": "close", "selected_option": {"value": "abc"}},
                {"action_id": "acknowledge", "value": "beyond the bound"},
            ],
        });
        let user = ("U1".to_owned(), "ann".to_owned());
        let wish = |asked| Wish { about: SubjectKind::Alert, id: "abc".into(), asked, user: user.clone() };
        let benign = wish(Asked::Close(Verdict::Benign));
        assert_eq!(slack_wishes(&payload), [wish(Asked::Acknowledge), benign.clone()]);
        let payload = json!({
            "type": "block_actions",
            "user": {"id": "U1", "username": "ann"},
            "actions": [{"action_id": "close_incident", "selected_option": {"value": "abc:benign"}}],
        });
        assert_eq!(slack_wishes(&payload), [Wish { about: SubjectKind::Incident, ..benign }]);
        for other in [
            json!({}),
            json!([]),
            json!({"type": "view_submission"}),
            json!({"type": "block_actions", "actions": 7}),
        ] {
            assert_eq!(slack_wishes(&other), []);
        }
    }

    #[test]
    fn only_what_people_do_comes_from_pagerduty() {
        let payload = |event_type: &str, agent: &str| {
            json!({"event": {"event_type": event_type, "agent": {"id": "P1", "type": agent, "summary": "Ann"},
                "data": {"incident_key": "abc"}}})
        };
        let wish = pagerduty_wish(&payload("incident.acknowledged", "user_reference")).unwrap();
        assert_eq!((wish.asked, wish.user.1.as_str()), (Asked::Acknowledge, "Ann"));
        assert!(pagerduty_wish(&payload("incident.resolved", "user_reference")).is_some());
        assert_eq!(pagerduty_wish(&payload("incident.resolved", "service_reference")), None);
        assert_eq!(pagerduty_wish(&payload("incident.triggered", "user_reference")), None);
        assert_eq!(pagerduty_wish(&json!({})), None);
    }
}
