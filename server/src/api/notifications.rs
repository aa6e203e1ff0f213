//! `/api/v1/notifications`

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use notify::{DeliveryFilter, DeliveryRecord, DeliveryState, Outcome, Silenced, SubjectKind, Taken, Target};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::alerts::blocking;
use super::json::Json;
use super::page::{number, size};
use super::problem::Problem;
use super::time::format_us;
use crate::app::App;
use crate::auth::{Caller, Right};

/// Which deliveries to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeliveryParameters {
    /// `waiting`, `delivered` or `dead`.
    state: Option<String>,
    /// Only of this channel.
    channel: Option<String>,
    /// Only about this alert: told by itself, with its incident, in a digest or a flood. Or about this incident and its
    /// alerts. The first six digits of an id suffice.
    alert: Option<String>,
    /// How many; 50 if not given, 500 at most.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// A page of deliveries, newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct DeliveryList {
    pub(crate) deliveries: Vec<DeliveryBody>,
    /// Pass as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) next: Option<String>,
}

/// A notification on its way to a channel.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct DeliveryBody {
    pub(crate) id: i64,
    /// The idempotency key that the receiver sees.
    pub(crate) key: String,
    pub(crate) channel: String,
    /// The route that chose the channel.
    pub(crate) route: String,
    /// The alert or incident; of a digest its own id.
    pub(crate) subject: String,
    /// `raised`, `escalated`, `closed` and so on.
    pub(crate) kind: String,
    pub(crate) title: String,
    /// `waiting`, `delivered` or `dead`.
    pub(crate) state: String,
    pub(crate) attempts: u32,
    pub(crate) created: String,
    /// When it is sent next, while it waits.
    #[serde(rename = "next", skip_serializing_if = "Option::is_none", default)]
    pub(crate) next_attempt: Option<String>,
    pub(crate) updated: String,
    /// What went wrong last; may be empty.
    pub(crate) last_error: String,
}

/// The channels.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ChannelList {
    pub(crate) channels: Vec<ChannelBody>,
}

/// How a channel is doing.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ChannelBody {
    pub(crate) name: String,
    pub(crate) kind: String,
    /// `ok`, `failing`, or `disabled`: nothing is sent until it is mended.
    pub(crate) state: String,
    /// Why it is not ok.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) reason: Option<String>,
    /// Since when it is not ok.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) since: Option<String>,
    pub(crate) waiting: u64,
    pub(crate) dead: u64,
    /// When the oldest that waits was put into the queue.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) oldest: Option<String>,
}

/// What came of a test.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct TestResult {
    /// `delivered`, `retry`, `refused` or `disabled`.
    pub(crate) outcome: String,
    /// Why it was not delivered; may be empty.
    pub(crate) reason: String,
}

/// Which dead deliveries to send again; with neither field all of them.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResendBody {
    /// One, by its number.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) id: Option<i64>,
    /// All of this channel.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) channel: Option<String>,
}

/// What a resend did.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ResendResult {
    /// How many are sent again.
    pub(crate) resent: u64,
}

/// What became of a reload of channels, routes and rotas.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ReloadBody {
    /// Whether the configuration was another than the one read before. Secrets are read anew in any case.
    pub(crate) changed: bool,
    /// Channels in use.
    pub(crate) channels: usize,
    /// What is wrong with the configuration, each with file, field and mend; then nothing of it is in use, and what
    /// was good last is.
    pub(crate) findings: Vec<String>,
    /// Settings that have changed and are used from the next start on.
    pub(crate) waiting: Vec<String>,
}

/// Who would be told of an alert or incident if it were raised now, what, and why.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct PreviewBody {
    /// What is told of: `alert` or `incident`.
    pub(crate) about: String,
    /// Its id.
    pub(crate) subject: String,
    /// The incident that the alert asked for is told with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) incident: Option<String>,
    /// The silences that hide it: nobody is told.
    #[serde(default)]
    pub(crate) silences: Vec<SilencedBody>,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) severity_id: u8,
    /// Every route that is asked, in its order.
    pub(crate) considered: Vec<ConsideredBody>,
    /// The routes that take it.
    pub(crate) taken: Vec<TakenBody>,
}

/// A silence that hides an alert.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SilencedBody {
    pub(crate) id: String,
    pub(crate) reason: String,
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) owner: Option<String>,
    /// Until when it hides what happens.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) until: Option<String>,
}

/// A route that is asked.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ConsideredBody {
    pub(crate) route: String,
    /// Why it does not take the alert; absent: it matches.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) refusal: Option<String>,
    /// What it matches by; absent where it does not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) because: Option<String>,
}

/// A route that takes an alert.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct TakenBody {
    pub(crate) route: String,
    /// The channels that are told now, rotas resolved.
    pub(crate) channels: Vec<String>,
    /// Who is told when nobody acknowledges it: seconds after the raising, and targets.
    pub(crate) escalation: Vec<StepBody>,
    /// The seconds that alerts are gathered for, if they are.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) digest_seconds: Option<u64>,
    /// Who is on call of the rotas that it names.
    #[serde(default)]
    pub(crate) on_call: Vec<OnCallBody>,
    /// Until when an alert of this rule is only counted, as there are many.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) counted_until: Option<String>,
    /// Whether the alert is told by itself besides its incident.
    #[serde(default)]
    pub(crate) by_itself: bool,
}

/// Who is on call.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct OnCallBody {
    pub(crate) rota: String,
    /// Their channel; absent: nobody.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) channel: Option<String>,
}

/// A step of an escalation.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct StepBody {
    pub(crate) after_seconds: u64,
    pub(crate) targets: Vec<String>,
}

/// Lists deliveries, newest first.
#[utoipa::path(get, path = "/api/v1/notifications", tag = "notifications", params(DeliveryParameters),
    responses((status = 200, body = DeliveryList), (status = 400, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(wanted): Query<DeliveryParameters>,
) -> Result<Json<DeliveryList>, Problem> {
    caller.needs(Right::ReadAlerts)?;
    let state: Option<DeliveryState> = wanted
        .state
        .map(|name| name.parse())
        .transpose()
        .map_err(|error: String| Problem::bad_request(&error))?;
    let before = number(wanted.cursor.as_deref())?.and_then(|number| i64::try_from(number).ok());
    let limit = size(wanted.limit);
    let read = move || {
        let subjects = wanted.alert.map(|start| app.notifier.subjects(&start)).transpose()?;
        let filter = DeliveryFilter { state, channel: wanted.channel, subjects, before };
        app.notifier.outbox().list(&filter, limit + 1)
    };
    let mut found = blocking(read).await??;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| has_more).map(|last| last.id.to_string());
    Ok(Json(DeliveryList { deliveries: found.into_iter().map(delivery).collect(), next }))
}

/// Lists the channels and how they are doing.
#[utoipa::path(get, path = "/api/v1/notifications/channels", tag = "notifications",
    responses((status = 200, body = ChannelList)))]
pub(crate) async fn channels(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<ChannelList>, Problem> {
    caller.needs(Right::Read)?;
    let channels = blocking(move || {
        let queues = app.notifier.queues()?;
        let bodies = queues.into_iter().map(|(name, kind, queue)| ChannelBody {
            name,
            kind: kind.into(),
            state: match (&queue.failing, queue.disabled) {
                (None, _) => "ok".into(),
                (Some(_), false) => "failing".into(),
                (Some(_), true) => "disabled".into(),
            },
            reason: queue.failing.as_ref().map(|(_, reason)| reason.clone()),
            since: queue.failing.as_ref().map(|(since_us, _)| format_us(*since_us)),
            waiting: queue.waiting,
            dead: queue.dead,
            oldest: queue.oldest_us.map(format_us),
        });
        Ok::<_, notify::Error>(bodies.collect())
    });
    Ok(Json(ChannelList { channels: channels.await?? }))
}

/// Sends a test by a channel, at once and once.
#[utoipa::path(post, path = "/api/v1/notifications/channels/{name}/test", tag = "notifications",
    params(("name" = String, Path)),
    responses((status = 200, body = TestResult), (status = 404, body = Problem)))]
pub(crate) async fn test(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<TestResult>, Problem> {
    caller.needs(Right::Manage)?;
    let (outcome, reason) = match app.notifier.test(&name, &caller.name).await? {
        Outcome::Delivered { .. } => ("delivered", String::new()),
        Outcome::Retry { reason, .. } => ("retry", reason),
        Outcome::Refused { reason } => ("refused", reason),
        Outcome::Disabled { reason } => ("disabled", reason),
    };
    Ok(Json(TestResult { outcome: outcome.into(), reason }))
}

/// Sends dead deliveries again, under their old keys.
#[utoipa::path(post, path = "/api/v1/notifications/resend", tag = "notifications", request_body = ResendBody,
    responses((status = 200, body = ResendResult), (status = 404, body = Problem)))]
pub(crate) async fn resend(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Json(wanted): Json<ResendBody>,
) -> Result<Json<ResendResult>, Problem> {
    caller.needs(Right::Manage)?;
    let resent = blocking(move || {
        let resent = match wanted.id {
            Some(id) => app.notifier.resend(id).map(|()| 1)?,
            None => app.notifier.resend_all(wanted.channel.as_deref())?,
        };
        Ok::<_, notify::Error>(resent as u64)
    });
    Ok(Json(ResendResult { resent: resent.await?? }))
}

/// Reads the configuration and its secrets again, and puts channels, routes and rotas to use.
#[utoipa::path(post, path = "/api/v1/notifications/reload", tag = "notifications",
    responses((status = 200, body = ReloadBody), (status = 503, body = Problem)))]
pub(crate) async fn reload(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<ReloadBody>, Problem> {
    caller.needs(Right::Manage)?;
    let reading = crate::notify_reload::reload(&app).await;
    // Nothing of it comes from whoever asks.
    let reading = reading.map_err(|error| Problem::internal(&format!("{error:#}"), event::Fate::Stop))?;
    let (findings, waiting) = (reading.status.findings, reading.status.waiting);
    Ok(Json(ReloadBody { changed: reading.is_other, channels: app.notifier.channels(), findings, waiting }))
}

/// Shows who would be told of an alert or incident if it were raised now, what, and why; tells nobody.
#[utoipa::path(get, path = "/api/v1/notifications/preview/{id}", tag = "notifications",
    params(("id" = String, Path, description = "The id of an alert or incident, or its first six digits or more.")),
    responses((status = 200, body = PreviewBody), (status = 400, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn preview(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<PreviewBody>, Problem> {
    caller.needs(Right::ReadAlerts)?;
    let preview = blocking(move || {
        app.follow_alerts()?;
        app.notifier.preview(&id)
    });
    let preview = preview.await??;
    let considered = preview.considered.into_iter().map(|one| ConsideredBody {
        because: one.refusal.is_none().then_some(one.because),
        route: one.path,
        refusal: one.refusal,
    });
    let told = preview.notification;
    Ok(Json(PreviewBody {
        about: match told.about {
            SubjectKind::Alert => "alert".into(),
            SubjectKind::Incident => "incident".into(),
        },
        subject: told.subject_id,
        incident: preview.incident,
        silences: preview.silences.into_iter().map(silenced).collect(),
        title: told.title,
        description: told.description,
        severity_id: told.severity_id,
        considered: considered.collect(),
        taken: preview.taken.into_iter().map(taken).collect(),
    }))
}

fn silenced(silence: Silenced) -> SilencedBody {
    SilencedBody {
        id: silence.id,
        reason: silence.reason,
        owner: silence.owner,
        until: silence.until_us.map(format_us),
    }
}

fn taken(taken: Taken) -> TakenBody {
    let steps = taken.route.escalate.iter().map(|step| StepBody {
        after_seconds: step.after.as_secs(),
        targets: step.targets.iter().map(target).collect(),
    });
    TakenBody {
        escalation: steps.collect(),
        digest_seconds: taken.route.digest.map(|span| span.as_secs()),
        route: taken.route.path,
        channels: taken.channels,
        on_call: taken.on_call.into_iter().map(|(rota, channel)| OnCallBody { rota, channel }).collect(),
        counted_until: taken.counted_until_us.map(format_us),
        by_itself: taken.by_itself,
    }
}

fn target(target: &Target) -> String {
    match target {
        Target::Channel(name) => name.clone(),
        Target::Rota(name) => format!("rota:{name}"),
    }
}

pub(super) fn delivery(record: DeliveryRecord) -> DeliveryBody {
    DeliveryBody {
        id: record.id,
        key: record.key,
        channel: record.channel,
        route: record.route,
        subject: record.subject,
        kind: record.kind,
        title: record.title,
        state: record.state.as_str().into(),
        attempts: record.attempts,
        created: format_us(record.created_us),
        next_attempt: record.next_us.map(format_us),
        updated: format_us(record.updated_us),
        last_error: record.last_error,
    }
}
