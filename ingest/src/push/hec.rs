//! The bodies of Splunk's HTTP Event Collector.
//!
//! The format is Splunk's ("Format events for HTTP Event Collector"): JSON objects written one after
//! another, with or without white space between them, each `{"time": …, "host": …, "source": …,
//! "sourcetype": …, "index": …, "fields": {…}, "event": …}`. What a former object says of `host`, `source`,
//! `sourcetype`, `index` and `time` does not hold for the next.

use event::JsonText;
use serde::Deserialize;
use serde_json::value::RawValue;

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

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    time: Option<&'a RawValue>,
    #[serde(borrow, default)]
    host: Option<&'a RawValue>,
    #[serde(borrow, default)]
    source: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sourcetype: Option<&'a RawValue>,
    #[serde(borrow, default)]
    index: Option<&'a RawValue>,
    #[serde(borrow, default)]
    fields: Option<&'a RawValue>,
    #[serde(borrow, default)]
    event: Option<&'a RawValue>,
}

/// The records of a body of `/services/collector/event`.
///
/// # Errors
/// The first event that is none: then nothing of the body is to be taken, as the sender sends it again.
pub fn events(body: &[u8], reception: &mut Reception, limits: &Limits) -> Result<Records, BadBody> {
    let text = std::str::from_utf8(body).map_err(|_| BadBody::Format(0))?;
    let text = text.trim_start_matches('\u{feff}');
    let mut records = Records::new(limits);
    let mut number = 0;
    let mut envelopes = serde_json::Deserializer::from_str(text).into_iter::<Envelope<'_>>();
    loop {
        let rest = text.get(envelopes.byte_offset()..).unwrap_or_default().trim_ascii_start();
        if rest.is_empty() {
            break;
        }
        // A list would be read as well, its elements as the members in their order.
        let envelope = if rest.starts_with('{') { envelopes.next() } else { None };
        let envelope = envelope.and_then(|envelope| envelope.ok()).ok_or(BadBody::Format(number))?;
        let record = record(&envelope, number, reception)?;
        if record.len() > limits.record_bytes {
            return Err(BadBody::TooLarge(number));
        }
        records.push(&record);
        number += 1;
    }
    if number == 0 { Err(BadBody::Empty) } else { Ok(records) }
}

fn record(envelope: &Envelope<'_>, number: usize, reception: &mut Reception) -> Result<String, BadBody> {
    let event = envelope.event.ok_or(BadBody::NoEvent(number))?.get();
    match event {
        "null" => return Err(BadBody::NoEvent(number)),
        "\"\"" => return Err(BadBody::BlankEvent(number)),
        _ => {}
    }
    if envelope.fields.is_some_and(|fields| fields.get() != "null" && !is_flat(fields.get())) {
        return Err(BadBody::Fields(number));
    }
    let members = [
        ("time", envelope.time),
        ("host", envelope.host),
        ("source", envelope.source),
        ("sourcetype", envelope.sourcetype),
        ("index", envelope.index),
        ("fields", envelope.fields),
    ];
    let members = members.map(|(name, value)| (name, value.map(RawValue::get).filter(|raw| *raw != "null")));
    let time = envelope.time.map(RawValue::get);
    if time.is_some_and(|time| !is_time(time)) {
        return Err(BadBody::Format(number));
    }
    let mut said = String::new();
    {
        let mut json = JsonText::new(&mut said);
        for (name, raw) in members {
            if let Some(raw) = raw {
                json.raw_member(name, raw);
            }
        }
    }
    let id = match time {
        Some(_) => reception.id_of("hec", format!("{said}\n{event}").as_bytes()),
        None => reception.next_id(),
    };
    Ok(written(&id, reception.received(), &said, event))
}

/// A number, or a text of one.
fn is_time(raw: &str) -> bool {
    raw.trim_matches('"').parse::<f64>().is_ok_and(f64::is_finite)
}

/// `fields` are names with text, numbers, truth values or lists of them; objects are refused, as Splunk does.
fn is_flat(fields: &str) -> bool {
    let Ok(fields) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(fields) else {
        return false;
    };
    fields.values().all(|value| match value {
        serde_json::Value::Object(_) => false,
        serde_json::Value::Array(list) => !list.iter().any(|item| item.is_object() || item.is_array()),
        _ => true,
    })
}

/// `said` are members without braces.
fn written(id: &str, received: &str, said: &str, event: &str) -> String {
    let mut out = String::with_capacity(said.len() + event.len() + 96);
    let mut json = JsonText::new(&mut out);
    json.begin_object();
    json.key("hec");
    json.begin_object();
    json.text_member("id", id);
    json.text_member("received", received);
    if !said.is_empty() {
        out.push(',');
        out.push_str(said);
    }
    out.push('}');
    let mut json = JsonText::new(&mut out);
    json.raw_member("event", event);
    json.end_object();
    out
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
    let mut records = Records::new(limits);
    let mut add = |bytes: &[u8]| {
        // What is no text is still worth keeping: it is no fault of the line that it was cut amiss.
        let line = String::from_utf8_lossy(bytes);
        let mut event = String::with_capacity(line.len() + 2);
        JsonText::new(&mut event).text(&line);
        let id = reception.next_id();
        records.push(&written(&id, reception.received(), &said, &event));
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
mod tests {
    use event::RawBatchBuilder;
    use serde_json::{Value, json};

    use super::*;

    fn reception() -> Reception {
        Reception::new(1_767_225_600_000_000, "r".into())
    }

    fn texts(records: Records) -> Vec<Value> {
        let mut found = Vec::new();
        for batch in records.into_batches() {
            let batch = batch.finish(event::SourceId::new("hec"), None, "hec".into(), 0);
            found.extend(batch.records().map(|record| serde_json::from_slice(record.bytes).unwrap()));
        }
        found
    }

    fn read(body: &str) -> Result<Vec<Value>, BadBody> {
        events(body.as_bytes(), &mut reception(), &Limits::default()).map(texts)
    }

    #[test]
    fn objects_stand_one_after_another() {
        let found = read(
            r#"{"event":"a","time":1767225600.125,"host":"web-1"}{"event":{"b":1},"fields":{"x":["1",2]}}

            {"event":7,"time":"1767225600"}"#,
        )
        .unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!(found[0]["event"], "a");
        assert_eq!(found[0]["hec"]["time"], 1_767_225_600.125);
        assert_eq!(found[0]["hec"]["host"], "web-1");
        assert_eq!(found[1]["event"], json!({"b": 1}));
        assert_eq!(found[1]["hec"]["id"], "r-0");
        assert_eq!(found[1]["hec"]["fields"]["x"], json!(["1", 2]));
        assert_eq!(found[2]["hec"]["received"], "2026-01-01T00:00:00.000000Z");
    }

    #[test]
    fn a_request_sent_again_has_the_same_ids_and_equal_events_have_different_ones() {
        let body = r#"{"event":"a","time":1}{"event":"a","time":1}{"event":"a","time":2}"#;
        let ids = |body| read(body).unwrap().iter().map(|r| r["hec"]["id"].to_string()).collect::<Vec<_>>();
        let (first, again) = (ids(body), ids(body));
        assert_eq!(first, again);
        assert!(first[0] != first[1] && first[1] != first[2]);
    }

    #[test]
    fn the_first_bad_event_is_named() {
        for (body, problem) in [
            ("", BadBody::Empty),
            ("  \n", BadBody::Empty),
            (r#"{"event":"a"}{"time":1}"#, BadBody::NoEvent(1)),
            (r#"{"event":null}"#, BadBody::NoEvent(0)),
            (r#"{"event":"a"}{"event":""}"#, BadBody::BlankEvent(1)),
            (r#"{"event":"a"} x"#, BadBody::Format(1)),
            (r#"["event"]"#, BadBody::Format(0)),
            (r#"{"event":"a""#, BadBody::Format(0)),
            (r#"{"event":"a","time":"soon"}"#, BadBody::Format(0)),
            (r#"{"event":"a","fields":{"a":{"b":1}}}"#, BadBody::Fields(0)),
            (r#"{"event":"a","fields":[1]}"#, BadBody::Fields(0)),
        ] {
            assert_eq!(read(body).err(), Some(problem), "{body}");
        }
        assert_eq!(
            events(b"{\"event\":\"\xff\"}", &mut reception(), &Limits::default()).err(),
            Some(BadBody::Format(0))
        );
        let limits = Limits { record_bytes: 200, ..Limits::default() };
        let large = format!(r#"{{"event":"{}"}}"#, "x".repeat(300));
        assert_eq!(events(large.as_bytes(), &mut reception(), &limits).err(), Some(BadBody::TooLarge(0)));
    }

    #[test]
    fn raw_bodies_are_lines_or_records() {
        let metadata = RawMetadata { sourcetype: Some("syslog".into()), ..RawMetadata::default() };
        let read = |body: &[u8]| raw(body, &metadata, &mut reception(), &Limits::default()).map(texts);
        let lines = read(b"one\r\n\ntwo \"x\"\n\xff").unwrap();
        assert_eq!(
            lines.iter().map(|r| r["event"].as_str().unwrap()).collect::<Vec<_>>(),
            ["one", "two \"x\"", "\u{fffd}"]
        );
        assert_eq!(
            lines[1]["hec"],
            json!({
                "id": "r-1", "received": "2026-01-01T00:00:00.000000Z", "sourcetype": "syslog"
            })
        );
        let records = read(b"{\"Records\":[{\"a\":1},\n{\"a\":2}]}").unwrap();
        assert_eq!(records[1]["event"], "{\"a\":2}");
        assert_eq!(read(b" \n").err(), Some(BadBody::Empty));
    }

    #[test]
    fn batches_keep_to_their_limits() {
        let limits = Limits { batch_records: 2, ..Limits::default() };
        let records = events("{\"event\":1}".repeat(5).as_bytes(), &mut reception(), &limits).unwrap();
        assert_eq!(records.len(), 5);
        let sizes: Vec<_> = records.into_batches().iter().map(RawBatchBuilder::len).collect();
        assert_eq!(sizes, [2, 2, 1]);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            drop(events(&body, &mut reception(), &Limits::default()));
            if let Ok(records) = raw(&body, &RawMetadata::default(), &mut reception(), &Limits::default()) {
                texts(records);
            }
        }
    }
}
