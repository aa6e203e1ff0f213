//! One HTTP request of a channel, and what its answer means.

use std::time::Duration;

use egress::{Answer, Client, Error, Method, Request};

use super::Outcome;

/// How long a request may take in all. Tests wait for its end.
pub(super) const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 10 } else { 20 });

/// The longest wait that a service may ask for.
const MAX_WAIT: Duration = Duration::from_secs(24 * 3_600);

/// The most of the answer to a question that is read: fifty comments of the longest, say.
const LIST_BYTES: usize = 4 * 1024 * 1024;

/// Sends a request.
///
/// # Errors
/// The outcome where no answer came.
pub(super) async fn send(
    client: &Client,
    method: &'static str,
    url: &str,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
) -> Result<Answer, Outcome> {
    let url = url::Url::parse(url.trim()).map_err(|_| Outcome::Disabled {
        reason: "the address is no URL; copy it anew from the service".into(),
    })?;
    let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::POST);
    let bare = Request::new(method, url);
    // Lists hold what others have written as well.
    let answer_bytes = if bare.method == Method::GET { LIST_BYTES } else { bare.answer_bytes };
    let request = Request { headers, body: body.into(), timeout: PATIENCE, answer_bytes, ..bare };
    client.send(request).await.map_err(|error| failed(&error))
}

/// The outcome of a request that got no answer.
pub(super) fn failed(error: &Error) -> Outcome {
    let reason = error.to_string();
    match error {
        Error::Unreachable { .. } | Error::TimedOut { .. } => Outcome::Retry { after: None, reason },
        // The settings or the policy are at fault; nothing was sent.
        _ => Outcome::Disabled { reason },
    }
}

/// What the status of an answer means where a service says nothing more. Bodies are not repeated: they are the
/// receiver's, and may hold what was sent.
pub(super) fn outcome(answer: &Answer) -> Outcome {
    let status = answer.status;
    match status {
        200..=299 => Outcome::Delivered { remember: None },
        300..=399 => Outcome::Disabled {
            reason: format!(
                "it answers {status}, a redirection, and none is followed; set the address that it points to"
            ),
        },
        401 | 403 => Outcome::Disabled {
            reason: format!("it answers {status}: the credentials are refused; renew them"),
        },
        404 => Outcome::Disabled { reason: "it answers 404: nothing is at this address; correct it".into() },
        410 => Outcome::Disabled { reason: "it answers 410: the address is gone; make a new one".into() },
        408 | 423 | 425 | 429 | 500..=599 => {
            Outcome::Retry { after: retry_after(answer), reason: format!("it answers {status}") }
        }
        _ => Outcome::Refused { reason: format!("it answers {status}: this message is not taken") },
    }
}

/// The answer, if it is a good one.
///
/// # Errors
/// What it means otherwise.
pub(super) fn taken(answer: Answer) -> Result<Answer, Outcome> {
    match outcome(&answer) {
        Outcome::Delivered { .. } => Ok(answer),
        outcome => Err(outcome),
    }
}

/// What `Retry-After` asks for, in seconds; a date is left to the schedule.
pub(super) fn retry_after(answer: &Answer) -> Option<Duration> {
    let seconds: f64 = answer.header("retry-after")?.trim().parse().ok()?;
    // A little longer, so that the first try after it is not too early by the service's clock.
    let wait = Duration::try_from_secs_f64(seconds).ok()? + Duration::from_millis(500);
    Some(wait.min(MAX_WAIT))
}

/// The body of an answer on which it depends what is done next.
///
/// # Errors
/// It breaks off or is no JSON: what it would have said is not known.
pub(super) fn whole_json(answer: &Answer) -> Result<serde_json::Value, Outcome> {
    let read = serde_json::from_slice(&answer.body).ok().filter(|_| answer.whole);
    read.ok_or_else(|| Outcome::Retry { after: None, reason: "its answer breaks off or is no JSON".into() })
}

/// The body of an answer as JSON; null where it is none.
pub(super) fn json(answer: &Answer) -> serde_json::Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// A word of a service's own, such as `channel_not_found`: short, and only letters, digits and marks.
pub(super) fn word(text: &str) -> &str {
    let is_word = !text.is_empty()
        && text.len() <= 64
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if is_word { text } else { "an unknown error" }
}
