//! Bodies of the collector, good and bad.

use event::{EventKey, RawBatchBuilder};
use proptest::prelude::*;
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

/// An object as a sender may write it, its members in any order.
#[derive(Debug, Clone)]
struct Sent {
    /// Names of members that are said of the event, with what they hold as JSON.
    said: Vec<(&'static str, String)>,
    event: String,
    /// Whether another stands first, and one that means nothing.
    event_first: bool,
    blank: &'static str,
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,80}|[\"\\\\\n a]{0,80}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z\"]{0,9}", inner, 0..4)
                .prop_map(|members| Value::from(members.into_iter().collect::<serde_json::Map<_, _>>())),
        ]
    })
}

fn sent() -> impl Strategy<Value = Sent> {
    let given = |name: &'static str, value: BoxedStrategy<String>| {
        proptest::option::of(value).prop_map(move |value| value.map(|value| (name, value)))
    };
    let text = || "\\PC{0,20}|[\"\\\\]{0,4}".prop_map(|text| Value::from(text).to_string()).boxed();
    let time = prop_oneof!["[0-9]{1,10}", "[0-9]{1,10}\\.[0-9]{3}", "\"[0-9]{1,10}\""].boxed();
    let fields = proptest::collection::btree_map("[a-c]", "[a-z\"]{0,9}", 0..3);
    let time = time.prop_filter("JSON has no leading zeros", |time| {
        !(time.len() > 1 && time.starts_with('0') && !time.starts_with("0."))
    });
    (
        given("time", time.boxed()),
        given("host", text()),
        given("sourcetype", text()),
        given("index", text()),
        given("fields", fields.prop_map(|fields| json!(fields).to_string()).boxed()),
        json_value().prop_filter("it must hold something", |event| !event.is_null() && event != ""),
        any::<bool>(),
        prop_oneof![Just(""), Just(" "), Just("\n\t")],
    )
        .prop_map(|(time, host, sourcetype, index, fields, event, event_first, blank)| Sent {
            said: [time, host, sourcetype, index, fields].into_iter().flatten().collect(),
            event: event.to_string(),
            event_first,
            blank,
        })
}

impl Sent {
    fn text(&self) -> String {
        let blank = self.blank;
        let mut members: Vec<_> = self
            .said
            .iter()
            .rev()
            .map(|(name, value)| format!("{blank}\"{name}\"{blank}:{blank}{value}"))
            .collect();
        let event = format!("\"event\":{blank}{}{blank}", self.event);
        members.insert(if self.event_first { 0 } else { members.len() }, event);
        format!("{{{}}}", members.join(","))
    }

    /// Its record, written and hashed the plain way; `before` are equal ones in the request.
    fn record(&self, before: u64, number: u64) -> String {
        let said: Vec<_> = self.said.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let said = said.join(",");
        let id = if said.starts_with("\"time\"") {
            let content = format!("{said}\n{}", self.event);
            EventKey::of("hec", &[content.as_bytes(), &before.to_le_bytes()]).uid().to_string()
        } else {
            format!("r-{number}")
        };
        let comma = if said.is_empty() { "" } else { "," };
        let received = "2026-01-01T00:00:00.000000Z";
        format!(r#"{{"hec":{{"id":"{id}","received":"{received}"{comma}{said}}},"event":{}}}"#, self.event)
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(events(&body, &mut reception(), &Limits::default()));
        if let Ok(records) = raw(&body, &RawMetadata::default(), &mut reception(), &Limits::default()) {
            texts(records);
        }
    }

    /// To the byte, whether or not there are blanks between tokens, and whoever reads it.
    #[test]
    fn records_are_what_was_sent(sent in sent(), other in sent()) {
        let body = [sent.text(), other.text(), sent.text()].concat();
        let records = events(body.as_bytes(), &mut reception(), &Limits::default()).unwrap();
        let mut found = Vec::new();
        for batch in records.into_batches() {
            let batch = batch.finish(event::SourceId::new("hec"), None, "hec".into(), 0);
            found.extend(batch.records().map(|record| String::from_utf8(record.bytes.to_vec()).unwrap()));
        }
        let has_time = |sent: &Sent| sent.said.first().is_some_and(|(name, _)| *name == "time");
        let is_equal = sent.record(0, 0) == other.record(0, 0);
        prop_assume!(!is_equal);
        let numbers = [0, u64::from(!has_time(&sent)), u64::from(!has_time(&sent)) + u64::from(!has_time(&other))];
        prop_assert_eq!(found, [sent.record(0, numbers[0]), other.record(0, numbers[1]), sent.record(1, numbers[2])]);
    }
}
