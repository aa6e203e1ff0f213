use std::sync::Arc;

use event::{Col, EventBatch, LogType, RawBatchBuilder, RawRecord, SourceId};

use super::*;
use crate::{Normalized, Normalizer, sample};

const SHOP: &str = r#"
name: shop_orders
sources: [shop]
when:
  has: [orderId]
  equals: {app: [shop, store]}
time: {path: [ts, created], format: epoch_ms}
uid: [orderId, step]
class_uid: 6003
product: {name: Shop, vendor: Example}
activity:
  path: action
  values: {new: Create, show: Read, cancel: Delete}
  default: Other
columns:
  api_operation: action
  actor_user_name: user.login
  src_endpoint_ip: [client.ip, ip]
  privileges: user.role
  status_id: {path: ok, values: {true: 1, false: 2}, default: 0}
  severity_id: {path: level, values: {warn: 3}, default: 1}
  cloud_region: {value: eu-west-1}
  api_response_code: code
  api_request_data: body
tests:
  - name: an order
    record: |
      {"app": "shop", "orderId": 7, "step": 1, "ts": 1777629600000, "action": "new", "user": {"login": "ana", "role": "buyer"},
       "ok": true, "client": {"ip": "192.0.2.1", "port": 1}, "body": {"items": [1]}}
    columns:
      time: 1777629600000000
      actor_user_name: ana
      activity_name: Create
      status: Success
      severity: Informational
      privileges: '["buyer"]'
      api_response_code: null
      unmapped: '{"app":"shop","orderId":7,"step":1,"ok":true,"client.port":1}'
  - name: without a time
    record: '{"app": "shop", "orderId": 7}'
    rejected: missing_time
"#;

fn file(text: &str) -> MappingFile {
    MappingFile { path: "mappings/shop.yaml".into(), text: text.into() }
}

fn shop() -> Arc<CustomMappings> {
    let (set, findings) = CustomMappings::parse(&[file(SHOP)]);
    assert!(findings.is_empty(), "{}", shown(&findings));
    Arc::new(set)
}

fn shown(findings: &[Diagnostic]) -> String {
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

fn map(records: &[&str], source: &str, log_type: Option<LogType>) -> Normalized {
    let mut builder = RawBatchBuilder::with_capacity(0);
    for (number, record) in (0..).zip(records) {
        assert!(builder.push(RawRecord { bytes: record.as_bytes(), number, reject: None }));
    }
    let raw = builder.finish(SourceId::new(source), log_type, "test".into(), 1_777_629_700_000_000);
    Normalizer::with_mappings(shop()).map(&raw, 0)
}

fn text(events: &EventBatch, col: Col, row: usize) -> Option<&str> {
    events.str_at(col, row)
}

#[test]
fn the_tests_beside_a_mapping_run() {
    let results = shop().run_tests();
    assert_eq!((results.passed, results.failed), (2, 0), "{}", shown(&results.findings));
    let wrong = SHOP.replace("severity: Informational", "severity: High").replace("missing_time", "bad_time");
    let (set, findings) = CustomMappings::parse(&[file(&wrong)]);
    assert!(findings.is_empty());
    let results = set.run_tests();
    assert_eq!((results.passed, results.failed), (0, 2));
    let shown = shown(&results.findings);
    assert!(
        shown.contains("mappings/shop.yaml:35:7: error: `severity`: test `an order`: expected `High`, found `Informational`"),
        "{shown}"
    );
    assert!(shown.contains("the record is refused: missing_time"), "{shown}");
}

#[test]
fn a_source_binds_its_mapping() {
    let record = r#"{"ts":1777629600000,"action":"refund","level":"warn","user":{"login":"ana"},"code":"7"}"#;
    for log_type in [None, Some(LogType::Custom)] {
        let events = map(&[record], "shop", log_type).events;
        assert_eq!(text(&events, Col::LogType, 0), Some("custom"));
        assert_eq!(text(&events, Col::MetadataLogName, 0), Some("shop_orders"));
        assert_eq!(text(&events, Col::ActivityName, 0), Some("refund"));
        assert_eq!(text(&events, Col::Severity, 0), Some("Medium"));
        assert_eq!(text(&events, Col::Status, 0), Some("Unknown"));
        assert_eq!(text(&events, Col::CloudProvider, 0), Some("Other"));
        assert_eq!(events.int_at(Col::ApiResponseCode, 0), Some(7));
        assert_eq!(text(&events, Col::SrcEndpointName, 0), Some("Unknown"));
        sample::assert_nothing_lost(&events, 0, "refund");
    }
    // Another source's record of the same look is told by nothing.
    assert_eq!(map(&[record], "other", None).rejects.len(), 1);
    let rejects = map(&[record], "other", Some(LogType::Custom)).rejects;
    assert!(rejects[0].detail.contains("no mapping file"), "{}", rejects[0].detail);
}

#[test]
fn keys_and_values_tell_a_record() {
    let fits = r#"{"app":"store","orderId":1,"ts":1777629600000}"#;
    let wrapped = r#"{"TopicArn":"arn:aws:sns:eu-west-1:111122223333:t","Message":"{\"app\":\"shop\",\"orderId\":2,\"ts\":1777629600000}"}"#;
    let other = r#"{"app":"library","orderId":1,"ts":1777629600000}"#;
    let cloudtrail = r#"{"eventVersion":"1.08","eventTime":"2026-05-01T10:00:00Z","eventName":"A","app":"shop","orderId":1}"#;
    let normalized = map(&[fits, wrapped, other, cloudtrail], "any", None);
    assert_eq!(normalized.rejects.len(), 1);
    assert_eq!(normalized.rejects[0].record, 2);
    assert_eq!(text(&normalized.events, Col::MetadataLogName, 0), Some("shop_orders"));
    assert_eq!(text(&normalized.events, Col::MetadataLogName, 1), Some("shop_orders"));
    assert_eq!(text(&normalized.events, Col::LogType, 2), Some("aws_cloudtrail"));
}

#[test]
fn a_fixed_log_type_comes_before_any_mapping() {
    let cloudtrail = r#"{"eventVersion":"1.08","eventTime":"2026-05-01T10:00:00Z","eventName":"A","ts":1}"#;
    let events = map(&[cloudtrail], "shop", Some(LogType::AwsCloudtrail)).events;
    assert_eq!(text(&events, Col::LogType, 0), Some("aws_cloudtrail"));
}

#[test]
fn identity_is_the_parts_or_the_record() {
    let events = map(
        &[
            r#"{"ts":1777629600000,"orderId":1,"step":1,"x":1}"#,
            r#"{"ts":1777629600000,"orderId":1,"step":1,"x":2}"#,
            r#"{"ts":1777629600000,"orderId":1}"#,
            r#"{"ts":1777629600000,"orderId":1,"x":2}"#,
        ],
        "shop",
        None,
    )
    .events;
    let uid = |row| text(&events, Col::EventUid, row).unwrap();
    assert_eq!(uid(0), uid(1));
    assert_ne!(uid(2), uid(3));
}

/// Each error names line, field and mend.
#[test]
fn errors_say_where_and_what_to_do() {
    for (from, to, expected) in [
        ("name: shop_orders", "name: Shop Orders", "shop.yaml:2:7: error: `name`: the name is not 1 to 64"),
        ("product:", "produkt:", "shop.yaml:10:1: error: `produkt`: unknown key; did you mean `product`?"),
        (
            "class_uid: 6003",
            "class_uid: 6999",
            "shop.yaml:9:12: error: `class_uid`: `6999` is no class known here",
        ),
        (
            "format: epoch_ms",
            "format: epoch_m",
            "shop.yaml:7:37: error: `time.format`: `epoch_m` is no format of times; write",
        ),
        (
            "new: Create",
            "new: Creat",
            "shop.yaml:13:17: error: `activity`: the class has no activity `Creat`; write one of Unknown, Create",
        ),
        (
            "actor_user_name: user.login\n",
            "actor_usr_name: user.login\n",
            "`columns.actor_usr_name`: there is no such column; did you mean `actor_user_",
        ),
        (
            "api_operation: action",
            "log_type: action",
            "`columns.log_type`: the column is set for every event; leave it out",
        ),
        (
            "values: {warn: 3}",
            "values: {warn: hot}",
            "`columns.severity_id.values.warn`: `hot` does not fit the column; write a whole number",
        ),
        (
            "cloud_region: {value: eu-west-1}",
            "cloud_provider: {value: IBM}",
            "`columns.cloud_provider.value`: `IBM` is no provider; write one of AWS",
        ),
        (
            "api_operation: action",
            "api_operation: a..b",
            "`a..b`: a part of the path is empty; write a path such as",
        ),
        ("orderId, step]", "orderId, {a: 1}]", "`uid`: no path"),
        ("    rejected: missing_time\n", "", "`tests`: the test expects nothing"),
        ("sources: [shop]\n", "sources: [shop\n", "shop.yaml:"),
    ] {
        let text = SHOP.replacen(from, to, 1);
        assert_ne!(text, SHOP, "{from}");
        let (set, findings) = CustomMappings::parse(&[file(&text)]);
        let shown = shown(&findings);
        assert!(set.is_empty() && shown.contains(expected), "{to}: {shown}");
    }
    let nothing_told = SHOP
        .replace("sources: [shop]\n", "")
        .replace("when:\n  has: [orderId]\n  equals: {app: [shop, store]}\n", "");
    let (_, findings) = CustomMappings::parse(&[file(&nothing_told)]);
    assert!(shown(&findings).contains("nothing says which records"), "{}", shown(&findings));
}

#[test]
fn names_and_sources_are_one_mapping_each() {
    let other = MappingFile { path: "mappings/b.yaml".into(), ..file(&SHOP.replace("shop_orders", "other")) };
    let (set, findings) = CustomMappings::parse(&[file(SHOP), file(SHOP), other]);
    assert_eq!(set.names().collect::<Vec<_>>(), ["shop_orders"]);
    let shown = shown(&findings);
    assert!(shown.contains("has the name `shop_orders`, too"), "{shown}");
    assert!(shown.contains("source `shop` is read by `mappings/shop.yaml` already"), "{shown}");
}

#[test]
fn hostile_files_are_refused() {
    let deep = format!("a: {}", "[".repeat(100_000));
    let large = "a".repeat(MAX_FILE_BYTES + 1);
    for text in ["", "[]", "a", "{", "\u{0}", "a: *b", "? [a]\n: b", &deep, &large] {
        let (set, findings) = CustomMappings::parse(&[file(text)]);
        assert!(set.is_empty() && !findings.is_empty(), "{:.20}", text);
    }
}

#[test]
fn hostile_records_break_nothing() {
    for record in [
        r#"{"ts":{}}"#,
        r#"{"ts":1e999}"#,
        r#"{"ts":"1777629600000","user":[],"client":"x","code":"many","ok":{},"body":"text"}"#,
        r#"{"ts":1777629600000,"user":{"login":{"a":1}},"action":["new"]}"#,
    ] {
        let normalized = map(&[record], "shop", None);
        assert_eq!(normalized.events.len() + normalized.rejects.len(), 1, "{record}");
        if !normalized.events.is_empty() {
            sample::assert_nothing_lost(&normalized.events, 0, record);
        }
    }
}
