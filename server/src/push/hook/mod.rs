//! Webhooks: `POST /hooks/{name}`, each with a secret of its own that signs the request or stands in it.
//!
//! A body is split into records as `/api/v1/ingest` does it: NDJSON, lists, the containers of the clouds,
//! `EventList` of Kubernetes. Okta's event hooks and Pub/Sub's push subscriptions wrap theirs once more.

mod identity;
mod scheme;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use event::{LogType, RawBatchBuilder, SourceId};
use ingest::Limits;
use ingest::push::{Records, okta, pubsub};

use super::SecretReference;
use super::body::BadBody;
use super::count;
use crate::api::{Accepted, Problem, ProblemKind};
use crate::app::{App, now_us};
use crate::config::BadSecret;

use identity::Verifier;
pub(crate) use identity::{GOOGLE_KEYS, IdentityRules};
pub(crate) use scheme::{Keys, Scheme};

/// Where the hooks lie; they have keys of their own, so the gate asks for no token there.
pub(crate) const PREFIX: &str = "/hooks/";

/// A hook as the configuration has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HookConfig {
    /// Its name in the path, and that of its source.
    pub(crate) name: String,
    /// How a request shows that it knows the secret.
    pub(crate) scheme: Scheme,
    /// Where the secrets lie; any of them is good, so that one can follow another.
    pub(crate) secrets: Vec<SecretReference>,
    /// The header that holds the signature or secret, in lower case, where the scheme's own is not it.
    pub(crate) header: Option<String>,
    /// The source that is charged with the records.
    pub(crate) source: SourceId,
    /// The log type, where the records do not show it.
    pub(crate) log_type: Option<LogType>,
    /// How far the time of a signature may lie from ours, where the scheme has one.
    pub(crate) tolerance: Duration,
    /// Of the scheme `pubsub`: whose tokens are taken, in place of secrets.
    pub(crate) identity: Option<IdentityRules>,
}

/// A hook in use.
#[derive(Debug)]
pub(crate) struct Hook {
    config: HookConfig,
    /// The keys, or why there are none.
    keys: Result<Shown, Vec<BadSecret>>,
}

/// What a request to a hook is held against.
#[derive(Debug)]
enum Shown {
    Secret(Keys),
    Token(Box<Verifier>),
}

impl Hook {
    pub(super) fn open(config: &HookConfig) -> Self {
        let keys = match &config.identity {
            Some(rules) => match Verifier::new(rules.clone()) {
                Ok(verifier) => Ok(Shown::Token(Box::new(verifier))),
                Err(error) => Err(vec![BadSecret::Unfit(format!("{error:#}"))]),
            },
            None => Keys::read(config.scheme, &config.secrets).map(Shown::Secret),
        };
        Self { config: config.clone(), keys }
    }

    pub(super) fn name(&self) -> &str {
        &self.config.name
    }

    /// Each [`BadSecret`], with the hook's name.
    pub(super) fn problems(&self) -> impl Iterator<Item = anyhow::Error> {
        let bad = self.keys.as_ref().err().into_iter().flatten().cloned();
        bad.map(|bad| anyhow::Error::new(bad).context(format!("a secret of the hook `{}`", self.config.name)))
    }

    /// Whether the request shows that it knows a secret, at `now_s` seconds since 1970.
    async fn admits(&self, headers: &HeaderMap, body: &[u8], now_s: i64) -> Result<(), scheme::Refusal> {
        let keys = self.keys.as_ref().map_err(|_| scheme::Refusal::NoKey)?;
        let tolerance = i64::try_from(self.config.tolerance.as_secs()).unwrap_or(i64::MAX);
        match keys {
            Shown::Secret(keys) => keys.admit(self.config.header.as_deref(), headers, body, now_s, tolerance),
            Shown::Token(verifier) => {
                let name = axum::http::header::AUTHORIZATION;
                let shown = headers.get(&name).and_then(|value| value.to_str().ok());
                let shown = shown.ok_or_else(|| scheme::Refusal::Header(name.to_string()))?;
                match shown.split_once(' ') {
                    Some((word, token)) if word.eq_ignore_ascii_case("bearer") => {
                        verifier.admit(token.trim(), now_s, tolerance).await
                    }
                    _ => Err(scheme::Refusal::Signature),
                }
            }
        }
    }
}

/// Takes records from a hook. Answers 200 only after they are durable, 429 while the log is full.
#[utoipa::path(post, path = "/hooks/{name}", tag = "push", params(("name" = String, Path, description = "the hook")),
    request_body(content = serde_json::Value, content_type = "application/json"),
    responses((status = 200, body = Accepted), (status = 401, body = Problem), (status = 404, body = Problem),
        (status = 413, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn receive(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Accepted>, Problem> {
    let tally = &app.push.tally;
    let hook = app.push.hook(&name).ok_or_else(|| Problem::not_found("there is no such hook"))?;
    let bad_body = |problem: BadBody| {
        count(&tally.bad_bodies);
        Problem::new(ProblemKind::of(problem.status()), &problem.detail())
    };
    // What is signed is the body as it was sent.
    let sent = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => bad_body(BadBody::TooLarge),
        _ => bad_body(BadBody::Damaged),
    })?;
    hook.admits(&headers, &sent, now_us() / 1_000_000).await.map_err(|refusal| {
        count(&tally.bad_signatures);
        tracing::debug!(hook = name, %refusal, "a request to a hook is refused");
        Problem::unauthorized(&refusal.to_string())
    })?;
    let _turn = app.push.turn().await;
    let max = app.config.max_body;
    let body = super::body::decoded(&headers, Ok(sent), max).await.map_err(bad_body)?;
    let (scheme, limits) = (hook.config.scheme, app.config.limits.clone());
    let (batches, origin) = tokio::task::spawn_blocking(move || batches(scheme, body, limits, max))
        .await
        .map_err(|error| Problem::internal(&error, event::Fate::Stop))?
        .map_err(bad_body)?;
    let accepted = batches.iter().map(|batch| batch.len() as u64).sum();
    let origin = origin.unwrap_or_else(|| format!("{PREFIX}{name}"));
    match super::accept(&app, batches, &hook.config.source, hook.config.log_type, &origin).await {
        Ok(next_offset) => Ok(Json(Accepted { accepted, next_offset })),
        Err(error) => {
            if matches!(error.fate(), event::Fate::Retry { .. }) {
                count(&tally.full);
            }
            Err(error.into())
        }
    }
}

/// The records of a body, and where they come from, if it says that.
fn batches(
    scheme: Scheme,
    mut body: Bytes,
    limits: Limits,
    max: usize,
) -> Result<(Vec<RawBatchBuilder>, Option<String>), BadBody> {
    let mut origin = None;
    if scheme == Scheme::PubSub
        && let Some(pushed) = pubsub::open(&body)
    {
        origin = Some(pushed.origin);
        match pushed.data {
            Ok(data) => body = data.into(),
            Err(reason) => {
                // Refused, it would be sent again for days.
                let mut records = Records::new(&limits);
                records.reject(&body, reason);
                return Ok((records.into_batches(), origin));
            }
        }
    }
    if scheme == Scheme::Okta
        && let Some(events) = okta::events(&body)
    {
        let mut records = Records::new(&limits);
        events.iter().for_each(|event| records.push(event));
        return Ok((records.into_batches(), None));
    }
    Ok((super::body::records(body, limits, max)?, origin))
}

/// Answers Okta's one-time verification, if the hook is Okta's and the secret is right.
#[utoipa::path(get, path = "/hooks/{name}", tag = "push", params(("name" = String, Path, description = "the hook")),
    responses((status = 200, description = "the challenge of `x-okta-verification-challenge`"),
        (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn verify(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let hook = app.push.hook(&name).filter(|hook| hook.config.scheme == Scheme::Okta);
    let hook = hook.ok_or_else(|| Problem::not_found("there is no such hook of Okta"))?;
    hook.admits(&headers, b"", now_us() / 1_000_000).await.map_err(|refusal| {
        count(&app.push.tally.bad_signatures);
        Problem::unauthorized(&refusal.to_string())
    })?;
    let challenge = headers.get("x-okta-verification-challenge").and_then(|value| value.to_str().ok());
    let challenge =
        challenge.ok_or_else(|| Problem::bad_request("`x-okta-verification-challenge` is missing"))?;
    Ok(Json(serde_json::json!({ "verification": challenge })).into_response())
}
