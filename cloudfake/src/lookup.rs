//! CloudTrail's `LookupEvents`, which moto has not.
//!
//! After <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html>: AWS JSON 1.1;
//! events from `StartTime` to `EndTime`, both included, the newest first; at most 50 a page; a token is good
//! with the identical question alone; two requests a second, more are throttled.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use parking_lot::Mutex;
use serde_json::{Value, json};

const ACTION: &str = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents";
const MAX_RESULTS: u64 = 50;
/// Two requests a second are allowed.
const REQUESTS: usize = 2;

/// An event that is listed.
#[derive(Debug, Clone)]
pub struct TrailEvent {
    /// Its id.
    pub id: String,
    /// When it happened, in seconds since 1970.
    pub time_s: i64,
    /// The event as CloudTrail wrote it: JSON.
    pub text: String,
}

/// The events of one region of an account. Clones are handles to the same ones.
#[derive(Debug, Clone, Default)]
pub struct LookupEvents {
    state: Arc<Mutex<Listed>>,
}

#[derive(Debug, Default)]
struct Listed {
    events: Vec<TrailEvent>,
    /// When the last requests came that were not throttled.
    requests: Vec<Instant>,
    pages: usize,
    throttled: usize,
}

impl LookupEvents {
    /// Lists an event from now on.
    pub fn add(&self, event: TrailEvent) {
        self.state.lock().events.push(event);
    }

    /// Pages that were answered, and requests that were throttled.
    pub fn counts(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.pages, state.throttled)
    }

    /// The routes of the service.
    pub fn routes(&self) -> Router {
        Router::new().route("/", post(look_up)).with_state(self.state.clone())
    }
}

async fn look_up(State(state): State<Arc<Mutex<Listed>>>, headers: HeaderMap, body: String) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    if target != Some(ACTION) {
        return refused("UnknownOperationException", "no such action");
    }
    let Ok(question) = serde_json::from_str::<Value>(&body) else {
        return refused("SerializationException", "the body is no JSON");
    };
    let mut state = state.lock();
    state.requests.retain(|at| at.elapsed() < Duration::from_secs(1));
    if state.requests.len() >= REQUESTS {
        state.throttled += 1;
        return refused("ThrottlingException", "Rate exceeded");
    }
    state.requests.push(Instant::now());
    match page(&state.events, &question) {
        Ok(answer) => {
            state.pages += 1;
            ([(header::CONTENT_TYPE, "application/x-amz-json-1.1")], answer.to_string()).into_response()
        }
        Err((code, message)) => refused(code, message),
    }
}

/// A page, or the code and words of the refusal.
fn page(events: &[TrailEvent], question: &Value) -> Result<Value, (&'static str, &'static str)> {
    let time = |name: &str| question.get(name).and_then(Value::as_i64);
    let (start_s, end_s) = (time("StartTime").unwrap_or(0), time("EndTime").unwrap_or(i64::MAX));
    if start_s > end_s {
        return Err(("InvalidTimeRangeException", "the start is after the end"));
    }
    let limit = question.get("MaxResults").map_or(Some(MAX_RESULTS), Value::as_u64);
    let Some(limit) = limit.filter(|limit| (1..=MAX_RESULTS).contains(limit)) else {
        return Err(("InvalidMaxResultsException", "from 1 to 50"));
    };
    let mut found: Vec<&TrailEvent> =
        events.iter().filter(|event| (start_s..=end_s).contains(&event.time_s)).collect();
    found.sort_by(|a, b| (b.time_s, &b.id).cmp(&(a.time_s, &a.id)));
    // A token names its question and the last event of the page before.
    let asked = format!("{start_s}/{end_s}/{limit}/");
    if let Some(token) = question.get("NextToken") {
        let last = token.as_str().and_then(|token| token.strip_prefix(&asked));
        let place = last.and_then(|id| found.iter().position(|event| event.id == id));
        let Some(place) = place else {
            return Err(("InvalidNextTokenException", "the token is not of this question"));
        };
        found.drain(..=place);
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let next = found.get(limit).and(found.get(limit - 1)).map(|last| format!("{asked}{}", last.id));
    found.truncate(limit);
    let items: Vec<Value> = found
        .iter()
        .map(|event| json!({"EventId": event.id, "EventTime": event.time_s, "CloudTrailEvent": event.text}))
        .collect();
    let mut answer = json!({"Events": items});
    if let (Some(next), Some(members)) = (next, answer.as_object_mut()) {
        members.insert("NextToken".into(), next.into());
    }
    Ok(answer)
}

fn refused(code: &str, message: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({"__type": code, "message": message}))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(count: i64) -> Vec<TrailEvent> {
        (0..count)
            .map(|n| TrailEvent { id: format!("e-{n:03}"), time_s: 1000 + n / 2, text: "{}".into() })
            .collect()
    }

    #[test]
    fn pages_are_of_one_question_and_the_newest_comes_first() {
        let events = events(120);
        let ask = |token: Option<&str>, end_s: i64| {
            let mut question = json!({"StartTime": 1000, "EndTime": end_s, "MaxResults": 50});
            if let Some(token) = token {
                question["NextToken"] = token.into();
            }
            page(&events, &question)
        };
        let (mut ids, mut token) = (Vec::new(), None);
        loop {
            let answer = ask(token.as_deref(), 1059).unwrap();
            ids.extend(answer["Events"].as_array().unwrap().iter().map(|event| event["EventId"].clone()));
            match answer.get("NextToken") {
                Some(next) => token = next.as_str().map(str::to_owned),
                None => break,
            }
        }
        assert_eq!(ids.len(), 120);
        assert_eq!((&ids[0], &ids[119]), (&json!("e-119"), &json!("e-000")));
        assert_eq!(ask(token.as_deref(), 1058).unwrap_err().0, "InvalidNextTokenException");
        assert_eq!(ask(None, 1000).unwrap()["Events"].as_array().unwrap().len(), 2);
        assert_eq!(ask(None, 999).unwrap_err().0, "InvalidTimeRangeException");
        let many = json!({"MaxResults": 51});
        assert_eq!(page(&events, &many).unwrap_err().0, "InvalidMaxResultsException");
    }
}
