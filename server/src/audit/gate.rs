//! In front of every route: what comes in is recorded, whatever its handler thinks of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use storage::audit::{Fact, Outcome};

use super::routes::{Class, action, class};
use super::{Facts, Recorder};
use crate::api::Problem;
use crate::auth::{Caller, Client, InProcess};

/// How long refused requests of one address, and reads or pushes of one caller, are gathered.
const REFUSED: Duration = Duration::from_secs(300);
const GATHERED: Duration = Duration::from_secs(600);

/// Marks an answer whose request was recorded behind the gate of tokens.
#[derive(Debug, Clone, Copy)]
struct Recorded;

/// In front of the gate of tokens: records what it refuses.
pub(crate) async fn refusals(
    State(recorder): State<Arc<Recorder>>,
    request: Request,
    next: Next,
) -> Response {
    let mut fact = fact(&request, "request.refused".into(), String::new());
    let template = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let named = action(request.method(), &template.unwrap_or_default());
    let answer = next.run(request).await;
    if answer.extensions().get::<Recorded>().is_none() && answer.status().as_u16() >= 400 {
        let status = answer.status().as_u16();
        if let Some(caller) = answer.extensions().get::<Caller>() {
            (fact.action, fact.actor) = (named, caller.name.clone());
            fact.role = caller.role.as_str().to_owned();
        }
        if let Some(Client(Some(address))) = answer.extensions().get::<Client>() {
            fact.address = address.to_string();
        }
        recorder.fold(Fact { outcome: Outcome::Refused, status, ..fact }, REFUSED);
    }
    answer
}

/// Behind the gate of tokens: records what it lets through.
pub(crate) async fn record(State(recorder): State<Arc<Recorder>>, request: Request, next: Next) -> Response {
    let is_in_process = request.extensions().get::<InProcess>().is_some();
    let mut answer = match recorder.admit() {
        Ok(()) => recorded(recorder.clone(), request, next).await,
        Err(problem) => problem.into_response(),
    };
    // A command that fails ends the process at once.
    if is_in_process && !answer.status().is_success() {
        recorder.settle().await;
    }
    answer.extensions_mut().insert(Recorded);
    answer
}

async fn recorded(recorder: Arc<Recorder>, mut request: Request, next: Next) -> Response {
    let template = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let template = template.unwrap_or_default();
    let class = class(request.method(), &template);
    let caller = request.extensions().get::<Caller>().cloned();
    let mut fact = fact(&request, action(request.method(), &template), template);
    if let Some(caller) = &caller {
        (fact.actor, fact.role) = (caller.name.clone(), caller.role.as_str().to_owned());
    }
    let facts = Facts::new(recorder.clone(), fact);
    request.extensions_mut().insert(facts.clone());
    facts.during(judged(&recorder, class, caller, &facts, request, next)).await
}

/// Lets the request through as its class asks.
async fn judged(
    recorder: &Arc<Recorder>,
    class: Class,
    caller: Option<Caller>,
    facts: &Facts,
    request: Request,
    next: Next,
) -> Response {
    match (class, caller) {
        // Whoever is not known yet cannot be made to wait for an entry of each attempt.
        (Class::Change, Some(caller)) => change(recorder, facts, &caller, request, next).await,
        (Class::Change, None) => first(recorder, facts, next.run(request).await).await,
        (Class::Query, _) => {
            let answer = next.run(request).await;
            if !facts.is_taken() {
                told(recorder, facts, answer.status(), None);
            }
            answer
        }
        (Class::Read | Class::Push, _) => {
            let answer = next.run(request).await;
            told(recorder, facts, answer.status(), Some(GATHERED));
            answer
        }
        (Class::Probe, _) => {
            let answer = next.run(request).await;
            if matches!(answer.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                told(recorder, facts, answer.status(), Some(REFUSED));
            }
            answer
        }
    }
}

/// A change: announced, done, told.
async fn change(
    recorder: &Arc<Recorder>,
    facts: &Facts,
    caller: &Caller,
    request: Request,
    next: Next,
) -> Response {
    if let Some(seconds) = recorder.held(&caller.name) {
        told(recorder, facts, StatusCode::TOO_MANY_REQUESTS, Some(REFUSED));
        return Problem::too_many("too many changes that failed", seconds).into_response();
    }
    match recorder.now(Fact { outcome: Outcome::Intended, ..facts.fact() }).await {
        Ok(seq) => facts.answers(seq),
        Err(problem) => return problem.into_response(),
    }
    let mut unfinished = Unfinished { recorder: recorder.clone(), facts: Some(facts.clone()) };
    let answer = next.run(request).await;
    unfinished.facts = None;
    if answer.status().is_client_error() {
        recorder.failed(&caller.name);
    }
    if answer.status().is_success() && facts.is_within() {
        return answer;
    }
    match recorder.now(outcome(facts, answer.status())).await {
        Ok(_) => answer,
        // The announcement stands, and says that nobody knows.
        Err(problem) => problem.into_response(),
    }
}

/// The first thing that somebody does, such as a login: told before the answer where it succeeds, or where the
/// handler has announced it.
async fn first(recorder: &Arc<Recorder>, facts: &Facts, answer: Response) -> Response {
    if !answer.status().is_success() && facts.fact().of.is_none() {
        told(recorder, facts, answer.status(), Some(REFUSED));
        return answer;
    }
    match recorder.now(outcome(facts, answer.status())).await {
        Ok(_) => answer,
        Err(problem) => problem.into_response(),
    }
}

/// Told after, with others; refused ones folded however they came.
fn told(recorder: &Recorder, facts: &Facts, status: StatusCode, window: Option<Duration>) {
    let fact = outcome(facts, status);
    let window = if fact.outcome == Outcome::Refused { Some(REFUSED) } else { window };
    match window {
        Some(window) => recorder.fold(fact, window),
        None => recorder.later(fact),
    }
}

fn outcome(facts: &Facts, status: StatusCode) -> Fact {
    let outcome = match status.as_u16() {
        401 | 403 | 429 => Outcome::Refused,
        400.. => Outcome::Failed,
        _ => Outcome::Done,
    };
    Fact { outcome, status: status.as_u16(), ..facts.fact() }
}

/// An announced change whose caller may go, or whose handler may panic, before it is told how it went.
struct Unfinished {
    recorder: Arc<Recorder>,
    facts: Option<Facts>,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(facts) = self.facts.take().filter(|facts| !facts.is_within()) {
            let fact = Fact { outcome: Outcome::Unknown, ..facts.fact() };
            self.recorder.later(fact.with("problem", "the request was broken off"));
        }
    }
}

/// What the request itself says.
fn fact(request: &Request, action: String, template: String) -> Fact {
    let mut fact = Fact::new(action, String::new());
    // Behind the gate of tokens it is known whom a trusted proxy speaks for.
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let client = request.extensions().get::<Client>().map_or(peer, |client| client.0);
    fact.address = client.map(|address| address.to_string()).unwrap_or_default();
    fact.request =
        request.headers().get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    // The query may hold what somebody has put there by mistake; the path says what is meant.
    fact.object = format!("{} {}", request.method(), request.uri().path());
    if template.is_empty() {
        fact.object = fact.object.chars().take(128).collect();
    }
    fact
}
