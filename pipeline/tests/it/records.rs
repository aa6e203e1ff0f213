//! CloudTrail records, batches of them, and the rules that they trip.

use event::{RawBatch, RawBatchBuilder, RawRecord, SourceId};
use rules::{RuleSet, RuleSource};

/// 2026-03-02T00:00:00Z, when the records of the tests are received if nothing else is said.
pub(crate) const RECEIVED_US: i64 = 20_514 * DAY_US;
/// A day in microseconds.
pub(crate) const DAY_US: i64 = 86_400_000_000;

/// The name of an event that trips the rule.
pub(crate) const ALARM: &str = "StopLogging";
/// One that does not.
pub(crate) const QUIET: &str = "DescribeTrails";

/// Two rules: one that raises alerts and one that only tags.
pub(crate) fn rule_set() -> RuleSet {
    let rule = |id: &str, level: &str, name: &str| {
        let text = format!(
            "title: {name} was called\nid: {id}\nstatus: test\nlevel: {level}\nlogsource:\n    product: aws\n    \
             service: cloudtrail\ndetection:\n    selection:\n        eventName: {name}\n    condition: selection\n"
        );
        RuleSource { path: format!("{id}.yml"), text }
    };
    let loaded = rules::load(&[
        rule("6f1c9c52-3f0e-4a57-9a38-0d7f7f1a2b3c", "high", ALARM),
        rule("00000000-3f0e-4a57-9a38-0d7f7f1a2b3c", "informational", QUIET),
    ]);
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
    loaded.rules
}

/// A record of the event `id`, which happened on `day` (such as `2026-03-01`).
pub(crate) fn record(id: &str, day: &str, name: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.10","userIdentity":{{"type":"IAMUser","userName":"dana","accountId":"111122223333"}},"eventTime":"{day}T10:00:00Z","eventSource":"cloudtrail.amazonaws.com","eventName":"{name}","awsRegion":"eu-central-1","sourceIPAddress":"192.0.2.7","userAgent":"aws-cli/2","eventID":"{id}","eventType":"AwsApiCall","recipientAccountId":"111122223333"}}"#
    )
}

/// Records `<prefix>-<n>` for each `n`; every fifth trips the rule.
pub(crate) fn records(prefix: &str, numbers: std::ops::Range<usize>, day: &str) -> Vec<String> {
    numbers.map(|n| record(&format!("{prefix}-{n}"), day, if n % 5 == 0 { ALARM } else { QUIET })).collect()
}

/// Whether a record of these trips the rule.
pub(crate) fn is_alarming(record: &str) -> bool {
    record.contains(ALARM)
}

/// A batch of the source `cli`, received at [`RECEIVED_US`].
pub(crate) fn batch<T: AsRef<[u8]>>(records: &[T]) -> RawBatch {
    batch_of("cli", records, RECEIVED_US)
}

/// A batch.
pub(crate) fn batch_of<T: AsRef<[u8]>>(source: &str, records: &[T], received_us: i64) -> RawBatch {
    let mut builder = RawBatchBuilder::with_capacity(0);
    for (number, record) in (0..).zip(records) {
        assert!(builder.push(RawRecord { bytes: record.as_ref(), number, reject: None }));
    }
    builder.finish(SourceId::new(source), None, format!("{source}.json"), received_us)
}
