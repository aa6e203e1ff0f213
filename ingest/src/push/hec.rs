//! The bodies of Splunk's HTTP Event Collector.
//!
//! The format is Splunk's ("Format events for HTTP Event Collector"): JSON objects written one after
//! another, with or without white space between them, each `{"time": …, "host": …, "source": …,
//! "sourcetype": …, "index": …, "fields": {…}, "event": …}`. What a former object says of `host`, `source`,
//! `sourcetype`, `index` and `time` does not hold for the next.

use event::{JsonText, OuterKey, outline};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::flat::Flat;
use super::records::Pushed;
use super::{Reception, Records};
use crate::{Limits, split_body};

/// What is wrong with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadBody {
    /// There is no event in it.
    #[error("the body holds no event")]
    Empty,
    /// The object with this number, from 0, is no JSON object, or a member has the wrong type.
    #[error("event {0} is no JSON object of HEC")]
    Format(usize),
    /// It has no member `event`.
    #[error("event {0} has no member `event`")]
    NoEvent(usize),
    /// Its member `event` is empty.
    #[error("the member `event` of event {0} is blank")]
    BlankEvent(usize),
    /// Its member `fields` is no flat object.
    #[error("the member `fields` of event {0} is no flat object")]
    Fields(usize),
    /// It is larger than a record may be.
    #[error("event {0} is larger than `ingest.record` allows")]
    TooLarge(usize),
}

/// What a request says of all events of a raw body; an empty one says nothing.
#[derive(Debug, Clone, Default)]
pub struct RawMetadata {
    /// The machine that the lines are from.
    pub host: Option<String>,
    /// The file or stream that they are from.
    pub source: Option<String>,
    /// Their format.
    pub sourcetype: Option<String>,
    /// The index that the sender wants.
    pub index: Option<String>,
}

/// The members of an object that count, each as it stands there; `null` is none.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Envelope<'a> {
    #[serde(borrow, deserialize_with = "as_it_stands")]
    time: Option<&'a str>,
    #[serde(borrow, deserialize_with = "as_it_stands")]
    host: Option<&'a str>,
    #[serde(borrow, deserialize_with = "as_it_stands")]
    source: Option<&'a str>,
    #[serde(borrow, deserialize_with = "as_it_stands")]
    sourcetype: Option<&'a str>,
    #[serde(borrow, deserialize_with = "as_it_stands")]
    index: Option<&'a str>,
    #[serde(borrow, deserialize_with = "as_it_stands")]
    fields: Option<&'a str>,
    #[serde(borrow, deserialize_with = "as_it_stands")]
    event: Option<&'a str>,
}

fn as_it_stands<'a, D: Deserializer<'a>>(value: D) -> Result<Option<&'a str>, D::Error> {
    Ok(Option::<&RawValue>::deserialize(value)?.map(RawValue::get))
}

/// What no member is called: of an event's own objects no keys are asked for.
const NO_MEMBER: &[u8] = b"\0";

impl<'a> Envelope<'a> {
    /// That of the object with which `text` begins, and its length; `None` if it is no good one. `keys` lends
    /// its memory.
    fn read(text: &'a str, keys: &mut Vec<OuterKey>) -> Option<(Self, usize)> {
        // A list would be read as well, its elements as the members in their order.
        if !text.starts_with('{') {
            return None;
        }
        keys.clear();
        if let Some(length) = outline(text.as_bytes(), NO_MEMBER, keys, |_| false) {
            return Some((Self::of_members(text.get(..length)?, keys)?, length));
        }
        // It has blanks between its tokens, escapes in keys, too many bytes, or is none.
        let mut objects = serde_json::Deserializer::from_str(text).into_iter();
        let envelope = objects.next()?.ok()?;
        Some((envelope, objects.byte_offset()))
    }

    /// That of a sound object without blanks between tokens; `None` if a member is there twice.
    fn of_members(object: &'a str, keys: &[OuterKey]) -> Option<Self> {
        let mut envelope = Self::default();
        let mut seen = 0_u8;
        for (index, key) in keys.iter().enumerate() {
            // `,"` stands before the next key, `}` behind the last value.
            let end = keys.get(index + 1).map_or(object.len() - 1, |next| next.at().saturating_sub(2));
            let (name, value) = object.get(key.at()..end)?.split_once("\":")?;
            let (bit, member) = match name {
                "time" => (1, &mut envelope.time),
                "host" => (2, &mut envelope.host),
                "source" => (4, &mut envelope.source),
                "sourcetype" => (8, &mut envelope.sourcetype),
                "index" => (16, &mut envelope.index),
                "fields" => (32, &mut envelope.fields),
                "event" => (64, &mut envelope.event),
                _ => continue,
            };
            if seen & bit != 0 {
                return None;
            }
            seen |= bit;
            *member = Some(value).filter(|value| *value != "null");
        }
        Some(envelope)
    }
}

/// The records of a body of `/services/collector/event`.
///
/// # Errors
/// The first event that is none: then nothing of the body is to be taken, as the sender sends it again.
pub fn events(body: &[u8], reception: &mut Reception, limits: &Limits) -> Result<Records, BadBody> {
    let text = simdutf8::basic::from_utf8(body).map_err(|_| BadBody::Format(0))?;
    let mut rest = text.trim_start_matches('\u{feff}').trim_ascii_start();
    let mut records = Records::of_body(body.len(), limits);
    let (mut keys, mut said) = (Vec::new(), String::new());
    let mut number = 0;
    while !rest.is_empty() {
        let (envelope, length) = Envelope::read(rest, &mut keys).ok_or(BadBody::Format(number))?;
        said.clear();
        let event = say(&envelope, number, &mut said)?;
        let id = match envelope.time {
            Some(_) => reception.id_of("hec", &[said.as_bytes(), b"\n", event.as_bytes()]),
            None => reception.next_id(),
        };
        let event = Pushed {
            protocol: "hec",
            id: &id,
            received: reception.received(),
            said: said.as_bytes(),
            carries: "event",
            payload: event.as_bytes(),
        };
        if event.byte_len() > limits.record_bytes {
            return Err(BadBody::TooLarge(number));
        }
        records.push_event(event);
        rest = rest.get(length..).unwrap_or_default().trim_ascii_start();
        number += 1;
    }
    if number == 0 { Err(BadBody::Empty) } else { Ok(records) }
}

/// Checks an object; writes what it says of its event as members without braces, and gives the event.
fn say<'a>(envelope: &Envelope<'a>, number: usize, said: &mut String) -> Result<&'a str, BadBody> {
    let event = envelope.event.ok_or(BadBody::NoEvent(number))?;
    if event == "\"\"" {
        return Err(BadBody::BlankEvent(number));
    }
    if envelope.fields.is_some_and(|fields| serde_json::from_str::<Flat>(fields).is_err()) {
        return Err(BadBody::Fields(number));
    }
    if envelope.time.is_some_and(|time| !is_time(time)) {
        return Err(BadBody::Format(number));
    }
    let mut json = JsonText::new(said);
    for (name, raw) in [
        ("time", envelope.time),
        ("host", envelope.host),
        ("source", envelope.source),
        ("sourcetype", envelope.sourcetype),
        ("index", envelope.index),
        ("fields", envelope.fields),
    ] {
        if let Some(raw) = raw {
            json.raw_member(name, raw);
        }
    }
    Ok(event)
}

/// A number, or a text of one.
fn is_time(raw: &str) -> bool {
    raw.trim_matches('"').parse::<f64>().is_ok_and(f64::is_finite)
}

/// The records of a body of `/services/collector/raw`: one a line, or, where the body begins with `{` or
/// `[`, one for each record in it, as everywhere else. A line longer than an eighth of a record is cut.
///
/// # Errors
/// There is none.
pub fn raw(
    body: &[u8],
    metadata: &RawMetadata,
    reception: &mut Reception,
    limits: &Limits,
) -> Result<Records, BadBody> {
    let mut said = String::new();
    let mut json = JsonText::new(&mut said);
    let members = [
        ("host", &metadata.host),
        ("source", &metadata.source),
        ("sourcetype", &metadata.sourcetype),
        ("index", &metadata.index),
    ];
    for (name, value) in members {
        if let Some(value) = value {
            json.text_member(name, value);
        }
    }
    let mut records = Records::of_body(body.len(), limits);
    let mut payload = Vec::new();
    let mut add = |bytes: &[u8]| {
        // What is no text is still worth keeping: it is no fault of the line that it was cut amiss.
        let line = String::from_utf8_lossy(bytes);
        payload.clear();
        JsonText::new(&mut payload).text(&line);
        let id = reception.next_id();
        records.push_event(Pushed {
            protocol: "hec",
            id: &id,
            received: reception.received(),
            said: said.as_bytes(),
            carries: "event",
            payload: &payload,
        });
    };
    if matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) {
        let split = split_body(body, limits).finish(event::SourceId::new("hec"), None, String::new(), 0);
        for record in split.records() {
            add(record.bytes);
        }
    } else {
        for line in body.split(|byte| *byte == b'\n') {
            let line = line.trim_ascii();
            for piece in line.chunks(limits.record_bytes.max(64) / 8) {
                add(piece);
            }
        }
    }
    if records.is_empty() { Err(BadBody::Empty) } else { Ok(records) }
}

#[cfg(test)]
mod tests;
