//! Pushed messages, with and without a record of a known log in them.

use event::{Col, LogType};

use crate::sample::{self, map};

const TRAIL: &str = r#"{"eventVersion":"1.11","eventTime":"2026-03-02T10:00:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateUser","awsRegion":"us-east-1","eventID":"e-1","userIdentity":{"type":"Root"}}"#;

#[test]
fn samples() {
    sample::check(LogType::Syslog, "syslog");
    sample::check(LogType::Otlp, "otlp");
    sample::check(LogType::Hec, "hec");
}

#[test]
fn a_known_record_inside_is_the_record() {
    let text = serde_json::to_string(TRAIL).unwrap();
    let cee = serde_json::to_string(&format!("@cee: {TRAIL}")).unwrap();
    let notification = serde_json::json!({
        "Type": "Notification", "TopicArn": "arn:aws:sns:us-east-1:111122223333:t", "Message": TRAIL
    });
    let records = [
        TRAIL.to_owned(),
        format!(
            r#"{{"syslog":{{"id":"a-0","received":"2026-03-02T10:00:05Z","host":"web-1"}},"message":{text}}}"#
        ),
        format!(r#"{{"syslog":{{"id":"a-1","received":"2026-03-02T10:00:05Z"}},"message":{cee}}}"#),
        format!(r#"{{"otlp":{{"id":"a-2","received":"2026-03-02T10:00:05Z"}},"body":{TRAIL}}}"#),
        format!(r#"{{"hec":{{"id":"a-3","received":"2026-03-02T10:00:05Z"}},"event":{text}}}"#),
        format!(r#"{{"hec":{{"id":"a-4","received":"2026-03-02T10:00:05Z"}},"event":{notification}}}"#),
    ];
    let mapped = map(&records);
    assert!(mapped.rejects.is_empty(), "{:?}", mapped.rejects);
    for (row, record) in records.iter().enumerate() {
        let text = |col| mapped.events.str_at(col, row);
        assert_eq!(text(Col::LogType), Some("aws_cloudtrail"), "{record}");
        assert_eq!(text(Col::EventUid), mapped.events.str_at(Col::EventUid, 0));
        assert_eq!(text(Col::RawData), Some(TRAIL));
    }
    let kept = mapped.events.str_at(Col::Unmapped, 1).unwrap();
    assert!(kept.contains(r#""envelope.syslog":{"id":"a-0""#) && kept.contains("web-1"), "{kept}");
}

#[test]
fn other_json_inside_is_a_message() {
    let mapped = map(&[
        r#"{"hec":{"id":"a","received":"2026-03-02T10:00:05Z"},"event":{"user":"dana","n":[1, 2]}}"#,
        r#"{"syslog":{"id":"b","received":"2026-03-02T10:00:05Z"},"message":"{\"user\":\"dana\"}"}"#,
        r#"{"otlp":{"id":"c","received":"2026-03-02T10:00:05Z"},"body":null}"#,
    ]);
    assert!(mapped.rejects.is_empty(), "{:?}", mapped.rejects);
    let messages: Vec<_> = (0..3).map(|row| mapped.events.str_at(Col::Message, row)).collect();
    assert_eq!(messages, [Some(r#"{"user":"dana","n":[1,2]}"#), Some(r#"{"user":"dana"}"#), None]);
}

#[test]
fn equal_lines_are_two_events_and_a_replay_is_none() {
    let line = |id: &str| {
        format!(
            r#"{{"syslog":{{"id":"{id}","received":"2026-03-02T10:00:05Z","raw":"<13>x"}},"message":"x"}}"#
        )
    };
    let uids = || {
        let mapped = map(&[line("f-0"), line("f-1")]);
        [0, 1].map(|row| mapped.events.str_at(Col::EventUid, row).unwrap().to_owned())
    };
    let [one, two] = uids();
    assert_ne!(one, two);
    assert_eq!([one, two], uids());
    let mapped = map(&[line("f-0")]);
    assert!(mapped.events.str_at(Col::RawData, 0).unwrap().contains(r#""raw":"<13>x""#));
}

#[test]
fn a_member_of_that_name_alone_is_no_pushed_record() {
    let mapped = map(&[r#"{"syslog":{"facility":1},"message":"x"}"#, r#"{"hec":"id received","event":1}"#]);
    assert_eq!(mapped.rejects.len(), 2);
    let found = map(&[format!(r#"{{"syslog":{{"facility":1}},{}"#, TRAIL.trim_start_matches('{'))]);
    assert_eq!(found.events.str_at(Col::LogType, 0), Some("aws_cloudtrail"));
}
