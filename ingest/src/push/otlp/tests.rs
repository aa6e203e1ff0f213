//! Requests in both encodings.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use event::EventKey;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::wire::{put_bytes, put_number};
use super::*;

fn reception() -> Reception {
    Reception::new(1_767_225_600_000_000, "r".into())
}

fn texts(logs: Logs) -> Vec<Value> {
    let mut found = Vec::new();
    for batch in logs.records.into_batches() {
        let batch = batch.finish(event::SourceId::new("otlp"), None, "otlp".into(), 0);
        found.extend(batch.records().map(|r| serde_json::from_slice::<Value>(r.bytes).unwrap()));
    }
    found
}

fn message(fields: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, bytes) in fields {
        put_bytes(&mut out, *number, bytes);
    }
    out
}

fn number(field: u8, number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_number(&mut out, field, number);
    out
}

fn pair(key: &str, value: &[u8]) -> Vec<u8> {
    message(&[(1, key.as_bytes()), (2, value)])
}

fn fixed64(field: u8, number: u64) -> Vec<u8> {
    [&[field << 3 | 1][..], &number.to_le_bytes()].concat()
}

/// Two records of one scope, one of them as full as can be.
fn protobuf() -> Vec<u8> {
    let list = message(&[(1, &message(&[(1, b"a")])), (1, &number(3, 7))]);
    let map = message(&[(1, &pair("ok", &number(2, 1))), (1, &pair("none", b""))]);
    let mut full = fixed64(1, 1_767_225_600_123_456_789);
    full.extend(number(2, 9));
    full.extend(message(&[
        (3, b"INFO"),
        (5, &message(&[(1, b"hello")])),
        (6, &pair("list", &message(&[(5, &list)]))),
        (6, &pair("map", &message(&[(6, &map)]))),
        (6, &pair("half", &fixed64(4, 0.5_f64.to_bits()))),
        (6, &pair("minus", &number(3, (-3_i64).cast_unsigned()))),
        (6, &pair("bytes", &message(&[(7, b"\xff\x00")]))),
    ]));
    full.extend([8 << 3 | 5, 1, 0, 0, 0]);
    full.extend(message(&[(9, &[0xab; 16]), (10, &[1; 8]), (12, b"login")]));
    full.extend(fixed64(11, 1_767_225_600_200_000_000));
    let empty = message(&[(5, &message(&[(1, b"bare")]))]);
    let scope = message(&[(1, b"lib"), (2, b"1.0")]);
    // The scope stands behind its records, which protobuf allows.
    let scope_logs = message(&[(2, &full), (2, &empty), (1, &scope)]);
    let resource = message(&[(1, &pair("service.name", &message(&[(1, b"shop")])))]);
    message(&[(1, &message(&[(2, &scope_logs), (1, &resource), (3, b"https://example.com/schema")]))])
}

fn as_json() -> Value {
    json!({"resourceLogs": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
        "schemaUrl": "https://example.com/schema",
        "scopeLogs": [{
            "scope": {"name": "lib", "version": "1.0"},
            "logRecords": [
                {
                    "timeUnixNano": "1767225600123456789", "observedTimeUnixNano": 1_767_225_600_200_000_000_u64,
                    "severityNumber": 9, "severityText": "INFO", "body": {"stringValue": "hello"},
                    "attributes": [
                        {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "a"}, {"intValue": "7"}]}}},
                        {"key": "map", "value": {"kvlistValue": {"values": [
                            {"key": "ok", "value": {"boolValue": true}}, {"key": "none", "value": {}}]}}},
                        {"key": "half", "value": {"doubleValue": 0.5}},
                        {"key": "minus", "value": {"intValue": -3}},
                        {"key": "bytes", "value": {"bytesValue": "/wA="}},
                    ],
                    "flags": 1, "traceId": "AB".repeat(16), "spanId": "01".repeat(8), "eventName": "login",
                },
                {"body": {"stringValue": "bare"}},
            ],
        }],
    }]})
}

#[test]
fn both_encodings_say_the_same() {
    let read = |body: &[u8], encoding| {
        let logs = logs(body, encoding, &mut reception(), &Limits::default()).unwrap();
        assert_eq!((logs.rejected, logs.reason.as_str()), (0, ""));
        texts(logs)
    };
    let records = read(&protobuf(), Encoding::Protobuf);
    assert_eq!(records, read(as_json().to_string().as_bytes(), Encoding::Json));
    let id = records[0]["otlp"]["id"].clone();
    assert_eq!(id.as_str().map(str::len), Some(32));
    assert_eq!(
        records[0],
        json!({
            "otlp": {
                "id": id, "received": "2026-01-01T00:00:00.000000Z",
                "timeUnixNano": "1767225600123456789", "observedTimeUnixNano": "1767225600200000000",
                "severityNumber": 9, "severityText": "INFO", "eventName": "login", "flags": 1,
                "traceId": "ab".repeat(16), "spanId": "01".repeat(8),
                "attributes": {"list": ["a", 7], "map": {"ok": true, "none": null}, "half": 0.5, "minus": -3, "bytes": "/wA="},
                "resource": {"service.name": "shop"}, "resourceSchemaUrl": "https://example.com/schema",
                "scope": {"name": "lib", "version": "1.0"},
            },
            "body": "hello",
        })
    );
    assert_eq!(records[1]["otlp"]["id"], "r-0");
    assert_eq!(records[1]["body"], "bare");
}

#[test]
fn bad_requests_are_refused() {
    let json =
        |body: &str| logs(body.as_bytes(), Encoding::Json, &mut reception(), &Limits::default()).is_err();
    for body in [
        "",
        "[]",
        "{",
        r#"{"resourceLogs":{}}"#,
        r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":-1}]}]}]}"#,
        r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityText":5}]}]}]}"#,
        r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"intValue":"x"}}]}]}]}"#,
        r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"other":"x"}}]}]}]}"#,
    ] {
        assert!(json(body), "{body}");
    }
    assert!(!json("{}"));
    let torn = protobuf();
    for length in 1..torn.len() {
        let read = logs(&torn[..length], Encoding::Protobuf, &mut reception(), &Limits::default());
        assert!(read.is_err(), "{length} bytes of it");
    }
    let mut deep = message(&[(1, b"x")]);
    for _ in 0..200 {
        deep = message(&[(5, &message(&[(1, &deep)]))]);
    }
    let deep = message(&[(1, &message(&[(2, &message(&[(2, &message(&[(5, &deep)]))]))]))]);
    assert!(logs(&deep, Encoding::Protobuf, &mut reception(), &Limits::default()).is_err());
}

#[test]
fn what_is_too_large_is_rejected_alone() {
    let limits = Limits { record_bytes: 300, ..Limits::default() };
    let logs = logs(&protobuf(), Encoding::Protobuf, &mut reception(), &limits).unwrap();
    assert_eq!((logs.rejected, logs.records.len()), (1, 1));
    let told = answer(logs.rejected, &logs.reason, Encoding::Json);
    let told: Value = serde_json::from_slice(&told).unwrap();
    assert_eq!(told["partialSuccess"]["rejectedLogRecords"], "1");
    let told = answer(1, "no", Encoding::Protobuf);
    assert_eq!(told, [0x0a, 6, 0x08, 1, 0x12, 2, b'n', b'o']);
    assert!(answer(0, "", Encoding::Protobuf).is_empty());
}

#[test]
fn what_is_said_once_is_not_written_without_end() {
    let attributes = pair("a", &message(&[(1, &[b'x'; 1 << 20])]));
    let read = |records: usize| {
        let records = message(&[(2, &number(2, 9))]).repeat(records);
        let resource = [message(&[(1, &message(&[(1, &attributes)]))]), message(&[(2, &records)])].concat();
        let body = message(&[(1, &resource)]);
        logs(&body, Encoding::Protobuf, &mut reception(), &Limits::default())
    };
    assert_eq!(read(60).unwrap().records.len(), 60);
    assert!(read(70).is_err());
}

#[test]
fn what_no_record_says_costs_nothing() {
    let shared = message(&[(1, &message(&[(1, &pair("a", &message(&[(1, &[b'x'; 5 << 20])])))]))]);
    let one = message(&[(2, &number(2, 9))]);
    let large = |scopes: Vec<u8>| message(&[(1, &[shared.clone(), scopes].concat())]);
    let small = message(&[(1, &message(&[(2, &one.repeat(1000))]))]);
    let read = |body: &[u8]| logs(body, Encoding::Protobuf, &mut reception(), &Limits::default()).unwrap();
    // Many scopes without a record, and with one that is too large for what it shares.
    let empty = read(&large(message(&[(2, &[])]).repeat(1_000_000)));
    assert_eq!((empty.records.len(), empty.rejected), (0, 0));
    let refused = read(&[large(message(&[(2, &one)]).repeat(100_000)), small].concat());
    assert_eq!((refused.records.len(), refused.rejected), (1000, 100_000));
}

/// A value of OTLP, as both encodings have it.
#[derive(Debug, Clone)]
enum Any {
    Nothing,
    Text(String),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(Vec<u8>),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

impl Any {
    fn protobuf(&self) -> Vec<u8> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Text(text) => message(&[(1, text.as_bytes())]),
            Self::Bool(is) => vec![2 << 3, u8::from(*is)],
            // 0 is said, too: it is one of several kinds.
            Self::Int(0) => vec![3 << 3, 0],
            Self::Int(int) => number(3, int.cast_unsigned()),
            Self::Double(double) => fixed64(4, double.to_bits()),
            Self::Bytes(bytes) => message(&[(7, bytes)]),
            Self::List(list) => {
                let list: Vec<u8> = list.iter().flat_map(|item| message(&[(1, &item.protobuf())])).collect();
                message(&[(5, &list)])
            }
            Self::Map(map) => message(&[(6, &pairs(1, map))]),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Nothing => json!({}),
            Self::Text(text) => json!({"stringValue": text}),
            Self::Bool(is) => json!({"boolValue": is}),
            Self::Int(int) => json!({"intValue": int.to_string()}),
            Self::Double(double) => json!({"doubleValue": double}),
            Self::Bytes(bytes) => json!({"bytesValue": STANDARD.encode(bytes)}),
            Self::List(list) => {
                json!({"arrayValue": {"values": list.iter().map(Self::json).collect::<Vec<_>>()}})
            }
            Self::Map(map) => json!({"kvlistValue": {"values": json_pairs(map)}}),
        }
    }

    /// What is to be in the record.
    fn plain(&self) -> Value {
        match self {
            Self::Nothing => Value::Null,
            Self::Text(text) => text.as_str().into(),
            Self::Bool(is) => (*is).into(),
            Self::Int(int) => (*int).into(),
            Self::Double(double) => (*double).into(),
            Self::Bytes(bytes) => STANDARD.encode(bytes).into(),
            Self::List(list) => list.iter().map(Self::plain).collect(),
            Self::Map(map) => object(map),
        }
    }
}

fn pairs(field: u8, map: &[(String, Any)]) -> Vec<u8> {
    map.iter().flat_map(|(key, value)| message(&[(field, &pair(key, &value.protobuf()))])).collect()
}

fn json_pairs(map: &[(String, Any)]) -> Vec<Value> {
    map.iter().map(|(key, value)| json!({"key": key, "value": value.json()})).collect()
}

fn object(map: &[(String, Any)]) -> Value {
    map.iter().map(|(key, value)| (key.clone(), value.plain())).collect::<Map<_, _>>().into()
}

fn any_value() -> impl Strategy<Value = Any> {
    let leaf = prop_oneof![
        Just(Any::Nothing),
        any_text().prop_map(Any::Text),
        any::<bool>().prop_map(Any::Bool),
        any::<i64>().prop_map(Any::Int),
        // Of what can be written with few digits: JSON is read to within the last bit.
        any::<i32>().prop_map(|eighths| Any::Double(f64::from(eighths) / 8.0)),
        proptest::collection::vec(any::<u8>(), 0..9).prop_map(Any::Bytes),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Any::List),
            proptest::collection::vec(("[a-c\"]{0,2}", inner), 0..4).prop_map(Any::Map),
        ]
    })
}

fn any_text() -> impl Strategy<Value = String> {
    "\\PC{0,40}|[\\x00-\\x7f]{0,40}|[\"\\\\a]{0,200}"
}

fn any_map() -> impl Strategy<Value = Vec<(String, Any)>> {
    proptest::collection::vec(("[a-c\"]{0,2}", any_value()), 0..4)
}

proptest! {
    /// To the byte, from either encoding; the expectation is a tree, written and hashed the plain way.
    #[test]
    fn records_are_what_was_sent(
        time: u64, severity in any_text(), body in any_value(), attributes in any_map(), resource in any_map(),
        scope in any_map(), name in any_text(), trace in proptest::collection::vec(any::<u8>(), 0..17),
    ) {
        let record = [
            fixed64(1, time), message(&[(3, severity.as_bytes()), (5, &body.protobuf())]),
            pairs(6, &attributes), message(&[(9, &trace)]),
        ].concat();
        let in_scope = [message(&[(1, name.as_bytes())]), pairs(3, &scope)].concat();
        let logs_of_scope = message(&[(1, &in_scope), (2, &record), (2, &record)]);
        let of_resource = message(&[(1, &pairs(1, &resource)), (2, &logs_of_scope)]);
        let protobuf = message(&[(1, &of_resource)]);
        let hex: String = trace.iter().map(|byte| format!("{byte:02x}")).collect();
        let record = json!({
            "timeUnixNano": time.to_string(), "severityText": severity, "body": body.json(),
            "attributes": json_pairs(&attributes), "traceId": hex.to_uppercase(),
        });
        let json = json!({"resourceLogs": [{
            "resource": {"attributes": json_pairs(&resource)},
            "scopeLogs": [{
                "scope": {"name": name, "attributes": json_pairs(&scope)}, "logRecords": [record, record],
            }],
        }]});

        let mut said = Vec::new();
        let mut say = |name: &str, is_said: bool, value: Value| {
            if is_said {
                said.push(format!("\"{name}\":{value}"));
            }
        };
        say("timeUnixNano", time > 0, time.to_string().into());
        say("severityText", !severity.is_empty(), severity.as_str().into());
        say("traceId", !hex.is_empty(), hex.as_str().into());
        say("attributes", !attributes.is_empty(), object(&attributes));
        say("resource", !resource.is_empty(), object(&resource));
        if !name.is_empty() || !scope.is_empty() {
            let mut members = Vec::new();
            if !name.is_empty() {
                members.push(format!("\"name\":{}", Value::from(name.as_str())));
            }
            if !scope.is_empty() {
                members.push(format!("\"attributes\":{}", object(&scope)));
            }
            said.push(format!("\"scope\":{{{}}}", members.join(",")));
        }
        let (said, body) = (said.join(","), body.plain().to_string());
        let expected = |before: u64| {
            let content = format!("{said}\n{body}");
            let id = match time {
                0 => format!("r-{before}"),
                _ => EventKey::of("otlp", &[content.as_bytes(), &before.to_le_bytes()]).uid().to_string(),
            };
            let comma = if said.is_empty() { "" } else { "," };
            let received = "2026-01-01T00:00:00.000000Z";
            format!(r#"{{"otlp":{{"id":"{id}","received":"{received}"{comma}{said}}},"body":{body}}}"#)
        };
        for (request, encoding) in [(protobuf, Encoding::Protobuf), (json.to_string().into(), Encoding::Json)] {
            let read = logs(&request, encoding, &mut reception(), &Limits::default()).unwrap();
            let mut found = Vec::new();
            for batch in read.records.into_batches() {
                let batch = batch.finish(event::SourceId::new("otlp"), None, "otlp".into(), 0);
                found.extend(batch.records().map(|r| String::from_utf8(r.bytes.to_vec()).unwrap()));
            }
            prop_assert_eq!(found, [expected(0), expected(1)]);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        drop(logs(&body, Encoding::Protobuf, &mut reception(), &Limits::default()));
        drop(logs(&body, Encoding::Json, &mut reception(), &Limits::default()));
    }

    /// Damage is found or read as something else, and nothing panics.
    #[test]
    fn damage_is_survived(at in 0_usize..300, byte: u8) {
        let mut body = protobuf();
        let at = at % body.len();
        body[at] = byte;
        if let Ok(read) = logs(&body, Encoding::Protobuf, &mut reception(), &Limits::default()) {
            texts(read);
        }
    }
}
