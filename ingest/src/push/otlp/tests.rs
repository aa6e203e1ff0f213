//! Requests in both encodings.

use serde_json::json;

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

proptest::proptest! {
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
