//! `stormglass alerts watch`

use std::time::Duration;

use anyhow::Context;

use crate::api::LiveEntry;
use crate::client::Client;
use crate::output::{print, say};

/// How long to wait before a server that went away is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// The longest event.
const EVENT_BYTES: usize = 4 << 20;

/// Prints what happens to alerts, until it is interrupted. A server that goes away is asked again, and
/// nothing is missed in between.
///
/// # Errors
/// The server refuses, or was never reached.
pub(super) async fn run(client: &Client, after: Option<u64>, json: bool) -> anyhow::Result<()> {
    let mut last = after;
    let mut was_reached = false;
    loop {
        let path = match last {
            Some(last) => format!("/api/v1/alerts/live?after={last}"),
            None => "/api/v1/alerts/live".to_owned(),
        };
        match client.get_for(&path, "text/event-stream").await {
            Ok(mut answer) => {
                was_reached = true;
                let mut events = Events::default();
                while let Some(Ok(piece)) = answer.next().await {
                    for event in events.feed(&piece)? {
                        last = event.id.or(last);
                        show(&event, json)?;
                    }
                }
            }
            // Where it once answered, it is starting again.
            Err(error) if was_reached => say(&format!("{error:#}; asked again")),
            Err(error) => return Err(error),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn show(event: &Event, json: bool) -> anyhow::Result<()> {
    if event.name == "gap" {
        say("earlier entries are no longer kept; `stormglass alerts list` shows the alerts as they are");
        return Ok(());
    }
    if json {
        return print(&event.data);
    }
    let entry: LiveEntry = serde_json::from_str(&event.data)
        .context("the answer is not what this version of the program expects")?;
    let id: String = entry.id.chars().take(12).collect();
    let (severity, title) = entry.alert.map(|alert| (alert.severity, alert.title)).unwrap_or_default();
    let reason = if entry.reason.is_empty() { String::new() } else { format!(": {}", entry.reason) };
    print(&format!("{} {id} {severity:<8} {} by {} {title}{reason}", entry.time, entry.change, entry.by))
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Event {
    id: Option<u64>,
    name: String,
    data: String,
}

/// Reads a stream of events (HTML, 9.2.6) as it comes in pieces.
#[derive(Debug, Default)]
struct Events {
    rest: Vec<u8>,
}

impl Events {
    fn feed(&mut self, piece: &[u8]) -> anyhow::Result<Vec<Event>> {
        self.rest.extend_from_slice(piece);
        let mut events = Vec::new();
        while let Some(end) = self.rest.windows(2).position(|pair| pair == b"\n\n") {
            let block: Vec<u8> = self.rest.drain(..end + 2).collect();
            let mut event = Event::default();
            for line in String::from_utf8_lossy(&block).lines() {
                let Some((name, value)) = line.split_once(':') else { continue };
                let value = value.strip_prefix(' ').unwrap_or(value);
                match name {
                    "id" => event.id = value.parse().ok(),
                    "event" => event.name = value.to_owned(),
                    "data" => event.data.push_str(value),
                    _ => {}
                }
            }
            if !event.data.is_empty() {
                events.push(event);
            }
        }
        anyhow::ensure!(self.rest.len() <= EVENT_BYTES, "an event of the server is longer than 4 MiB");
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_in_any_pieces() {
        let text = b": stormglass\nretry: 1000\n\nid: 7\nevent: alert\ndata: {\"seq\":7}\n\n:\n\nid: 8\nevent: gap\ndata: {}\n\nid: 9";
        for size in 1..text.len() {
            let mut events = Events::default();
            let found: Vec<_> = text.chunks(size).flat_map(|piece| events.feed(piece).unwrap()).collect();
            assert_eq!(found.len(), 2, "{size}");
            assert_eq!(found[0], Event { id: Some(7), name: "alert".into(), data: "{\"seq\":7}".into() });
            assert_eq!((found[1].id, found[1].name.as_str()), (Some(8), "gap"));
        }
    }
}
