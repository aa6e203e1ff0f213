//! `/api/v1/alerts/live`: what happens to alerts, as server-sent events (HTML, 9.2).
//!
//! An event's id is its number in the feed of alerts, so a client that was cut off goes on where it was, over
//! restarts as well. Entries are read when the client has taken those before: one that is slow lags, and takes
//! no memory. A stream ends after a minute and the client asks again, as `EventSource` does by itself; and at once
//! when the token or session ends, or its right.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use utoipa::{IntoParams, ToSchema};

use super::alerts::{AlertSummary, summary};
use super::time::format_us;
use super::{Problem, alerts::blocking};
use crate::app::App;
use crate::auth::{Caller, Right};

/// Streams at once.
const CLIENTS: usize = 64;
/// How often the feed is looked at while it has nothing new.
const LOOK: Duration = Duration::from_millis(250);
/// How long a stream lasts.
const LASTS: Duration = Duration::from_secs(60);
/// After so long without an event, a comment shows that the stream lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a client waits before it asks again.
const RETRY: Duration = Duration::from_secs(1);
/// Entries read at once.
const ENTRIES: usize = 100;

/// What the streams of a server share.
#[derive(Debug)]
pub(crate) struct Live {
    places: Arc<Semaphore>,
    stop: watch::Sender<bool>,
}

impl Default for Live {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(CLIENTS)), stop: watch::Sender::new(false) }
    }
}

impl Live {
    /// Ends all streams: the server stops.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }
}

/// Where to begin.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct LiveParameters {
    /// Begin after the event with this id, as `Last-Event-ID` asks for; 0 is the first that is kept. Without
    /// either, what happens from now on.
    after: Option<u64>,
}

/// The data of an event.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct LiveEntry {
    /// Its number, also the event's id.
    pub(crate) seq: u64,
    pub(crate) time: String,
    /// The alert's id.
    pub(crate) id: String,
    /// What happened: `raised`, or the change as a past participle.
    pub(crate) change: String,
    /// Who; `stormglass` where nobody did.
    pub(crate) by: String,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub(crate) reason: String,
    /// The alert as it is when the event is sent, not as it was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) alert: Option<AlertSummary>,
}

/// Streams what happens to alerts. Events are called `alert` and hold a `LiveEntry`; one called `gap` says
/// that entries before its id are no longer kept: read the list of alerts again.
#[utoipa::path(get, path = "/api/v1/alerts/live", tag = "alerts",
    params(LiveParameters, ("Last-Event-ID" = Option<u64>, Header, description = "the id of the last event that was seen")),
    responses((status = 200, body = String, content_type = "text/event-stream")))]
pub(crate) async fn stream(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(wanted): Query<LiveParameters>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    caller.needs(Right::ReadAlerts)?;
    let last = headers.get("last-event-id").map(|value| {
        let number = value.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok());
        number.ok_or_else(|| Problem::bad_request("`Last-Event-ID` is no id of an event of this stream"))
    });
    let after = last.transpose()?.or(wanted.after);
    let place = app.live.places.clone().try_acquire_owned();
    let place = place.map_err(|_| Problem::too_many("too many live streams are open", 5))?;
    let alerts = app.alerts.clone();
    let (seq, gap) = blocking(move || begin(&alerts, after)).await??;
    let stopped = app.live.stop.subscribe();
    let follower = Follower { app, caller, seq, until: Instant::now() + LASTS, stopped, _place: place };
    let first = Event::default().comment("stormglass").retry(RETRY);
    let first = std::iter::once(first)
        .chain(gap.map(|seq| Event::default().id(seq.to_string()).event("gap").data("{}")));
    let entries = stream::unfold(follower, |mut follower| async move {
        let events = follower.next().await?;
        Some((stream::iter(events), follower))
    });
    let events = stream::iter(first).chain(entries.flatten()).map(Ok);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("")))
}

/// The number after which to begin, and the same again if entries between are gone.
fn begin(alerts: &alerts::AlertStore, after: Option<u64>) -> alerts::Result<(u64, Option<u64>)> {
    let end = alerts.feed_end()?;
    let Some(after) = after else { return Ok((end, None)) };
    // A number that was never given comes from another store, or one that was restored.
    if after > end {
        return Ok((end, Some(end)));
    }
    let first = alerts.feed(0, 1)?.first().map_or(end + 1, |entry| entry.seq);
    let is_gap = after > 0 && first > after + 1;
    Ok(if is_gap { (first - 1, Some(first - 1)) } else { (after, None) })
}

/// A client's place in the feed.
struct Follower {
    app: Arc<App>,
    caller: Caller,
    seq: u64,
    until: Instant,
    stopped: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    /// The next events; `None` ends the stream.
    async fn next(&mut self) -> Option<Vec<Event>> {
        loop {
            if Instant::now() >= self.until || *self.stopped.borrow() {
                return None;
            }
            if !self.app.auth.still_may(&self.caller, Right::ReadAlerts) {
                return None;
            }
            let (app, seq) = (self.app.clone(), self.seq);
            let read = blocking(move || entries(&app, seq)).await.ok()?;
            match read {
                Ok(entries) if entries.is_empty() => {
                    // A dropped sender means the same as the word.
                    drop(tokio::time::timeout(LOOK, self.stopped.changed()).await);
                }
                Ok(entries) => {
                    self.seq = entries.last().map_or(self.seq, |entry| entry.seq);
                    return Some(entries.iter().map(event).collect());
                }
                Err(error) => {
                    tracing::warn!(%error, "a live stream ends");
                    return None;
                }
            }
        }
    }
}

fn entries(app: &App, seq: u64) -> alerts::Result<Vec<LiveEntry>> {
    let feed = app.alerts.feed(seq, ENTRIES)?;
    Ok(feed
        .into_iter()
        .map(|entry| LiveEntry {
            seq: entry.seq,
            time: format_us(entry.at_us),
            alert: app.alerts.get(&entry.alert_id).ok().map(|(alert, _)| summary(alert)),
            id: entry.alert_id,
            change: entry.change,
            by: entry.by,
            reason: entry.reason,
        })
        .collect())
}

fn event(entry: &LiveEntry) -> Event {
    // JSON has no line ends of its own.
    let data = serde_json::to_string(entry).unwrap_or_default();
    Event::default().id(entry.seq.to_string()).event("alert").data(data)
}
