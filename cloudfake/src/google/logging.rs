//! Cloud Logging's `entries.list`
//! (<https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list>).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::refuse;

/// Entries of a list by their time, RFC 3339 in UTC without fractions.
#[derive(Debug)]
pub struct Entries {
    /// Time, parent and entry.
    pub all: Vec<(String, String, Value)>,
    /// Entries on a page at most.
    pub page: usize,
    /// Page tokens that were given out: the question and where it goes on.
    tokens: BTreeMap<String, (String, usize)>,
    /// The questions that were asked.
    pub asked: Vec<Value>,
}

impl Default for Entries {
    fn default() -> Self {
        Self { all: Vec::new(), page: 1_000, tokens: BTreeMap::new(), asked: Vec::new() }
    }
}

impl Entries {
    /// Ends every page token, as a day does.
    pub fn end_tokens(&mut self) {
        self.tokens.clear();
    }

    /// A page of those of `parent` from `start`, inclusive, to `end`; `None`: the token is none of this
    /// question.
    pub(super) fn list(
        &mut self,
        parent: &str,
        (start, end): (&str, &str),
        question: &str,
        size: usize,
        token: Option<&str>,
    ) -> Option<(Vec<Value>, Option<String>)> {
        let from = match token {
            None => 0,
            Some(token) => {
                let (asked, from) = self.tokens.get(token)?;
                (asked == question).then_some(*from)?
            }
        };
        let is_within =
            |(time, of, _): &&(String, String, Value)| of == parent && &**time >= start && &**time < end;
        let mut found: Vec<_> = self.all.iter().filter(is_within).collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let size = size.min(self.page);
        let page: Vec<Value> =
            found.iter().skip(from).take(size).map(|(_, _, entry)| entry.clone()).collect();
        let next =
            (from + size < found.len()).then(|| format!("token-{}-{}", self.tokens.len(), from + size));
        if let Some(next) = &next {
            self.tokens.insert(next.clone(), (question.to_owned(), from + size));
        }
        Some((page, next))
    }
}

/// What stands in quotes after `word`.
pub(super) fn quoted<'a>(filter: &'a str, word: &str) -> Option<&'a str> {
    filter.split_once(word)?.1.split('"').nth(1)
}

type Shared = Arc<Mutex<Entries>>;

pub(super) fn routes(state: Shared) -> Router {
    Router::new().route("/v2/entries:list", post(list)).with_state(state)
}

async fn list(State(state): State<Shared>, Json(body): Json<Value>) -> Response {
    let bad = |message: &str| refuse(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", message);
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let Some([Value::String(resource)]) =
        body.get("resourceNames").and_then(Value::as_array).map(Vec::as_slice)
    else {
        return bad("resourceNames is needed");
    };
    let filter = text("filter").unwrap_or_default();
    if filter.len() > 20_000 {
        return bad("filter is too long");
    }
    let (Some(start), Some(end)) = (quoted(filter, "timestamp>="), quoted(filter, " AND timestamp<")) else {
        return bad("this fake wants a time from and to");
    };
    let size = body.get("pageSize").and_then(Value::as_u64).unwrap_or(50);
    let mut question = body.clone();
    if let Some(members) = question.as_object_mut() {
        members.remove("pageToken");
    }
    let mut state = state.lock();
    state.asked.push(body.clone());
    let size = usize::try_from(size).unwrap_or(50);
    if resource == "projects/forbidden" {
        let message = "Permission 'logging.logEntries.list' denied on resource";
        return refuse(StatusCode::FORBIDDEN, "PERMISSION_DENIED", message);
    }
    match state.list(resource, (start, end), &question.to_string(), size, text("pageToken")) {
        None => bad("page_token doesn't match arguments from the request"),
        Some((entries, next)) => {
            let mut answer = json!({});
            if let Some(members) = answer.as_object_mut() {
                if !entries.is_empty() {
                    members.insert("entries".into(), entries.into());
                }
                if let Some(next) = next {
                    members.insert("nextPageToken".into(), next.into());
                }
            }
            Json(answer).into_response()
        }
    }
}
