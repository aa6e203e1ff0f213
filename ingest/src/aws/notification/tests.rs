use proptest::prelude::*;
use serde_json::json;

use super::*;

fn s3_event(key: &str) -> Value {
    json!({"Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-west-1",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "trail-logs"}, "object": {"key": key, "size": 10, "eTag": "d41d8", "sequencer": "00A"}},
    }]})
}

fn event_bridge_event(key: &str) -> Value {
    json!({
        "version": "0", "source": "aws.s3", "detail-type": "Object Created", "region": "eu-west-1",
        "detail": {"bucket": {"name": "trail-logs"}, "object": {"key": key, "size": 10, "etag": "d41d8"}},
    })
}

fn sns(inner: &Value) -> Value {
    json!({"Type": "Notification", "MessageId": "m", "TopicArn": "t", "Message": inner.to_string()})
}

fn told(value: &Value) -> Notification {
    decode_notification(value.to_string().as_bytes())
}

fn one(key: &str) -> Notification {
    Notification {
        objects: vec![Announced {
            object: ObjectAddress { bucket: "trail-logs".into(), key: key.into() },
            e_tag: Some("d41d8".into()),
            region: Some("eu-west-1".into()),
        }],
        ..Notification::default()
    }
}

#[test]
fn six_envelopes_are_read() {
    assert_eq!(told(&s3_event("AWSLogs%2Fa+b%C3%A9%2B.json.gz")), one("AWSLogs/a bé+.json.gz"));
    assert_eq!(told(&sns(&s3_event("a/b+c"))), one("a/b c"));
    assert_eq!(told(&event_bridge_event("a/b+c%20")), one("a/b+c%20"));
    assert_eq!(told(&sns(&event_bridge_event("a"))), one("a"));
    let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "trail-logs"});
    assert_eq!(told(&test), Notification::default());
    assert_eq!(told(&sns(&test)), Notification::default());
    let own = told(&sns(&json!({"s3Bucket": "trail-logs", "s3ObjectKey": ["a/b+c", "d"]})));
    let keys: Vec<_> = own.objects.iter().map(|announced| announced.object.to_string()).collect();
    assert_eq!(keys, ["s3://trail-logs/a/b+c", "s3://trail-logs/d"]);
}

#[test]
fn other_events_of_event_bridge_are_records() {
    let finding = json!({
        "version": "0", "id": "e-1", "source": "aws.guardduty", "detail-type": "GuardDuty Finding",
        "account": "111122223333", "detail": {"id": "f-1", "type": "Recon:EC2/PortProbeUnprotectedPort"},
    });
    let call = json!({
        "source": "aws.s3", "detail-type": "AWS API Call via CloudTrail", "detail": {"eventName": "PutBucketAcl"},
    });
    for event in [finding, call] {
        // As it was written, blanks and all.
        let text = serde_json::to_string_pretty(&event).unwrap();
        let record = Notification { records: vec![text.clone()], ..Notification::default() };
        assert_eq!(decode_notification(text.as_bytes()), record);
        let wrapped = json!({"Type": "Notification", "TopicArn": "t", "Message": text});
        assert_eq!(told(&wrapped), record);
    }
}

#[test]
fn what_was_not_written_is_nothing() {
    let mut removed = s3_event("a");
    removed["Records"][0]["eventName"] = "ObjectRemoved:Delete".into();
    assert_eq!(told(&removed), Notification::default());
    let mut deleted = event_bridge_event("a");
    deleted["detail-type"] = "Object Deleted".into();
    assert_eq!(told(&deleted), Notification::default());
}

#[test]
fn what_means_nothing_is_a_reject() {
    let mut mixed = s3_event("good");
    let records = mixed["Records"].as_array_mut().unwrap();
    records.push(json!({"eventSource": "aws:ses", "eventName": "x"}));
    records.push(json!(7));
    records.push(s3_event("%ff%fe")["Records"][0].clone());
    let mixed = told(&mixed);
    assert_eq!(mixed.objects, one("good").objects);
    assert_eq!(mixed.rejects.len(), 3, "{:?}", mixed.rejects);

    let mut ring = s3_event("a");
    for _ in 0..5 {
        ring = sns(&ring);
    }
    for (value, word) in [
        (json!({"hello": "world"}), "unknown_message"),
        (json!([]), "unknown_message"),
        (ring, "too_deep"),
        (json!({"s3Bucket": "../x", "s3ObjectKey": "a"}), "wrong_type"),
        (json!({"s3Bucket": "b", "s3ObjectKey": [1]}), "wrong_type"),
        (json!({"Type": "Notification", "Message": "hello"}), "not_json"),
        (s3_event(""), "wrong_type"),
    ] {
        let told = told(&value);
        assert!(told.objects.is_empty() && told.rejects.len() == 1, "{told:?}");
        assert!(told.rejects[0].starts_with(word), "{told:?}");
    }
    assert_eq!(decode_notification(b"\xff{").rejects.len(), 1);
    assert_eq!(decode_notification(b"").rejects.len(), 1);
}

#[test]
fn keys_tell_what_they_hold() {
    let key = |kind: &str| format!("p/AWSLogs/o-1/111122223333/{kind}/eu-west-1/2026/11/01/x.json.gz");
    for (key, kind) in [
        (key("CloudTrail"), ObjectKind::TrailEvents),
        (key("CloudTrail-Digest"), ObjectKind::TrailDigest),
        (key("CloudTrail-Insight"), ObjectKind::TrailInsight),
        (key("GuardDuty"), ObjectKind::Other),
        ("CloudTrail-Digest/x".into(), ObjectKind::Other),
        ("AWSLogs/".into(), ObjectKind::Folder),
    ] {
        assert_eq!(ObjectKind::of_key(&key), kind, "{key}");
    }
}

/// Any JSON, often with the names that the decoder looks for.
fn any_json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just("Records"),
        Just("Event"),
        Just("Type"),
        Just("Message"),
        Just("source"),
        Just("detail-type"),
        Just("detail"),
        Just("s3Bucket"),
        Just("s3ObjectKey"),
        Just("eventSource"),
        Just("eventName"),
        Just("s3"),
        Just("bucket"),
        Just("object"),
        Just("name"),
        Just("key"),
        Just("eTag"),
    ];
    let text = prop_oneof![
        Just("Notification".to_owned()),
        Just("s3:TestEvent".into()),
        Just("aws:s3".into()),
        Just("ObjectCreated:Put".into()),
        Just("Object Created".into()),
        "[%+a-f0-9/]{0,8}",
        any::<String>(),
    ];
    let leaf = prop_oneof![Just(Value::Null), any::<i32>().prop_map(Value::from), text.prop_map(Value::from)];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..6).prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    /// Any key comes through every envelope as it is.
    #[test]
    fn keys_survive_their_encoding(key in "\\PC{1,60}") {
        let encoded: String = url::form_urlencoded::byte_serialize(key.as_bytes()).collect();
        prop_assert_eq!(told(&s3_event(&encoded)), one(&key));
        prop_assert_eq!(told(&sns(&s3_event(&encoded))), one(&key));
        prop_assert_eq!(told(&event_bridge_event(&key)), one(&key));
        prop_assert_eq!(told(&sns(&event_bridge_event(&key))), one(&key));
    }

    /// Hostile bodies give objects that S3 could have, and rejects that begin with a word.
    #[test]
    fn any_body_is_survived(value in any_json(), cut in any::<prop::sample::Index>()) {
        let body = value.to_string();
        let body = body.as_bytes();
        for body in [body, &body[..cut.index(body.len())]] {
            let told = decode_notification(body);
            for announced in told.objects {
                prop_assert!(!announced.object.key.is_empty() && !announced.object.bucket.contains('/'));
            }
            for reject in told.rejects {
                let (word, _) = reject.split_once(": ").unwrap();
                prop_assert!(word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte == b'8'));
            }
        }
    }
}
