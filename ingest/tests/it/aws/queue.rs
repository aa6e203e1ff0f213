//! Objects that a queue announces.

use std::time::Duration;

use event::SourceId;
use ingest::aws::{Environment, S3QueueCollector, S3QueueConfig};
use ingest::{Collector, Limits, Polled, ReadOptions};
use serde_json::{Value, json};

use super::moto::{Moto, environment, python};
use super::{Records, add, gzip, take_until, trail};
use crate::options;
use cloudfake::{Fault, Proxy, answer};

fn open(queue: &str, environment: &Environment) -> S3QueueCollector {
    let config = S3QueueConfig {
        queue_url: queue.to_owned(),
        wait: Duration::from_secs(1),
        visibility: Duration::from_secs(60),
        ..S3QueueConfig::default()
    };
    S3QueueCollector::open(config, environment, options(4)).unwrap()
}

/// Takes and acknowledges until the queue is empty.
async fn drain(collector: &mut S3QueueCollector, moto: &Moto, queue: &str) -> Records {
    let mut records = Records::new();
    for _ in 0..500 {
        if moto.messages(queue).await == 0 {
            return records;
        }
        match collector.poll().await {
            Ok(Polled::Collected(collected)) => {
                add(&mut records, &collected.batch.unwrap());
                collector.ack(&[collected.ticket]).await.ok();
            }
            Ok(_) => {}
            Err(error) => assert!(matches!(error.fate(), event::Fate::Retry { .. }), "{error}"),
        }
    }
    panic!("the queue is not empty: {:?}, {records:?}", collector.counts());
}

fn origins(records: &Records) -> Vec<&str> {
    let mut origins: Vec<&str> = records.keys().map(|(origin, _)| origin.as_str()).collect();
    origins.dedup();
    origins
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_that_are_announced_are_read() {
    let Some(python) = python("moto.server") else { return };
    let moto = Moto::start(&python);
    tokio::join!(plain(&moto), wrapped(&moto), large(&moto), ten_times(&moto));
    messages_that_are_events(&moto).await;
    tokio::join!(poison(&moto), crash(&moto), elsewhere(&moto), impatient(&moto));
}

/// S3 tells SQS; odd keys, several objects, a digest; the queue is empty afterwards.
async fn plain(moto: &Moto) {
    let queue = moto.queue("plain").await;
    moto.bucket("plain").await;
    let arn = "arn:aws:sqs:us-east-1:123456789012:plain";
    let target =
        "<QueueConfiguration><Queue>ARN</Queue><Event>s3:ObjectCreated:*</Event></QueueConfiguration>";
    moto.notify("plain", &target.replace("ARN", arn)).await;
    moto.put("plain", "AWSLogs/1/CloudTrail/x%20%2B%C3%A9.json.gz", gzip(&trail("a", 3))).await;
    moto.put("plain", "AWSLogs/1/CloudTrail-Digest/d.json.gz", gzip("{}")).await;
    moto.put("plain", "odd%2520//key", trail("b", 2)).await;
    moto.put("plain", "empty", "").await;

    let mut collector = open(&queue, &moto.environment());
    let records = take_until(&mut collector, |records| records.len() == 5).await;
    assert_eq!(origins(&records), ["s3://plain/AWSLogs/1/CloudTrail/x +é.json.gz", "s3://plain/odd%20//key"]);
    assert_eq!(records[&("s3://plain/odd%20//key".into(), 1)], "{\"eventID\":\"b-1\"}");
    assert!(drain(&mut collector, moto, &queue).await.is_empty());
    let counts = collector.counts();
    // Four objects and S3's test event.
    assert_eq!((counts.received, counts.deleted, counts.objects), (5, 5, 3));
    assert_eq!((counts.without_events, counts.dead, counts.failed_reads), (1, 0, 0));
}

/// Rules of EventBridge that send findings and calls to the queue, one of them through SNS.
async fn messages_that_are_events(moto: &Moto) {
    let queue = moto.queue("events").await;
    let arn = "arn:aws:sqs:us-east-1:123456789012:events";
    for source in ["example.guardduty", "example.securityhub"] {
        let pattern = json!({"source": [source]}).to_string();
        moto.events("PutRule", json!({"Name": source, "EventPattern": pattern})).await;
        let targets = json!([{"Id": "1", "Arn": arn}]);
        moto.events("PutTargets", json!({"Rule": source, "Targets": targets})).await;
    }
    let finding = json!({"id": "f-1", "type": "Recon:EC2/PortProbeUnprotectedPort"});
    let imported = json!({"findings": [{"Id": "h-1"}]});
    let entries = json!([
        {"Source": "example.guardduty", "DetailType": "GuardDuty Finding", "Detail": finding.to_string()},
        {"Source": "example.securityhub", "DetailType": "Security Hub Findings - Imported",
         "Detail": imported.to_string()},
    ]);
    moto.events("PutEvents", json!({"Entries": entries})).await;
    let call = json!({
        "source": "aws.iam", "detail-type": "AWS API Call via CloudTrail", "detail": {"eventName": "CreateUser"},
    });
    moto.message(&queue, &json!({"Type": "Notification", "Message": call.to_string()}).to_string()).await;

    let mut collector = open(&queue, &moto.environment());
    let records = take_until(&mut collector, |records| records.len() == 3).await;
    let mut details: Vec<Value> =
        records.values().map(|text| serde_json::from_str::<Value>(text).unwrap()["detail"].take()).collect();
    details.sort_by_key(Value::to_string);
    assert_eq!(details, [json!({"eventName": "CreateUser"}), imported, finding]);
    assert!(records.keys().all(|(origin, number)| origin.starts_with(&queue) && *number == 0));
    drain(&mut collector, moto, &queue).await;
    assert_eq!((collector.counts().records, collector.counts().dead, collector.counts().deleted), (3, 0, 3));
}

/// The same through SNS and through EventBridge.
async fn wrapped(moto: &Moto) {
    let queue = moto.queue("wrapped").await;
    let queue_arn = "arn:aws:sqs:us-east-1:123456789012:wrapped";
    moto.query("sns", &[("Action", "CreateTopic"), ("Version", "2010-03-31"), ("Name", "told")]).await;
    let topic = "arn:aws:sns:us-east-1:123456789012:told";
    let subscribe = [
        ("Action", "Subscribe"),
        ("Version", "2010-03-31"),
        ("TopicArn", topic),
        ("Protocol", "sqs"),
        ("Endpoint", queue_arn),
    ];
    moto.query("sns", &subscribe).await;
    moto.bucket("by-sns").await;
    let target =
        "<TopicConfiguration><Topic>ARN</Topic><Event>s3:ObjectCreated:*</Event></TopicConfiguration>";
    moto.notify("by-sns", &target.replace("ARN", topic)).await;
    moto.put("by-sns", "a/b+c", trail("sns", 2)).await;

    let pattern = json!({"source": ["aws.s3"]}).to_string();
    moto.events("PutRule", json!({"Name": "objects", "EventPattern": pattern})).await;
    let targets = json!({"Rule": "objects", "Targets": [{"Id": "1", "Arn": queue_arn}]});
    moto.events("PutTargets", targets).await;
    moto.bucket("by-bridge").await;
    moto.notify("by-bridge", "<EventBridgeConfiguration/>").await;
    moto.put("by-bridge", "a/b+c", trail("bridge", 2)).await;

    let own = json!({"s3Bucket": "by-bridge", "s3ObjectKey": ["a/b+c"]}).to_string();
    let own = json!({"Type": "Notification", "Message": own});
    let mut collector = open(&queue, &moto.environment());
    let records = take_until(&mut collector, |records| records.len() == 4).await;
    assert_eq!(origins(&records), ["s3://by-bridge/a/b+c", "s3://by-sns/a/b+c"]);
    assert_eq!(collector.counts().dead, 0);

    moto.message(&queue, &own.to_string()).await;
    let records = take_until(&mut collector, |records| records.len() == 2).await;
    assert_eq!(origins(&records), ["s3://by-bridge/a/b+c"]);
}

/// An object of several parts is several batches, and its message goes with the last.
async fn large(moto: &Moto) {
    let queue = moto.queue("large").await;
    moto.bucket("large").await;
    let padding = "x".repeat(1_000);
    let record = |n| format!("{{\"n\":{n},\"p\":\"{padding}\"}}\n");
    let count = 20_000;
    let text: String = (0..count).map(record).collect();
    assert!(text.len() > 16 << 20);
    moto.put("large", "lines", text).await;
    moto.announce(&queue, "large", "lines", "").await;
    let mut collector = open(&queue, &moto.environment());
    let (mut records, mut tickets) = (Records::new(), Vec::new());
    while records.len() < count {
        if let Polled::Collected(collected) = collector.poll().await.unwrap() {
            add(&mut records, &collected.batch.unwrap());
            tickets.push(collected.ticket);
        }
    }
    assert!(tickets.len() > 3, "{tickets:?}");
    for n in [0, 8_000, count - 1] {
        assert_eq!(records[&("s3://large/lines".into(), n as u64)], record(n).trim_end());
    }
    let last = tickets.pop().unwrap();
    collector.ack(&tickets).await.unwrap();
    assert_eq!(moto.messages(&queue).await, 1);
    collector.ack(&[last]).await.unwrap();
    assert!(drain(&mut collector, moto, &queue).await.is_empty());
}

/// The same object ten times: read as often as it is not yet durable, and never lost.
async fn ten_times(moto: &Moto) {
    let queue = moto.queue("ten").await;
    moto.bucket("ten").await;
    moto.put("ten", "one", trail("one", 2)).await;
    let mut collector = open(&queue, &moto.environment());
    // The entity tag of what was read is remembered, not that of the message.
    moto.announce(&queue, "ten", "one", "").await;
    let first = take_until(&mut collector, |records| records.len() == 2).await;
    drain(&mut collector, moto, &queue).await;
    let e_tag = moto.e_tag("ten", "one").await;
    for _ in 0..9 {
        moto.announce(&queue, "ten", "one", &e_tag).await;
    }
    moto.announce(&queue, "ten", "one", "another").await;
    let again = take_until(&mut collector, |records| records.len() == 2).await;
    assert_eq!(first, again);
    assert!(drain(&mut collector, moto, &queue).await.is_empty());
    let counts = collector.counts();
    assert_eq!((counts.received, counts.objects, counts.known), (11, 2, 9));
}

/// One in ten is poison: none of it holds up the others, and all of it is told.
async fn poison(moto: &Moto) {
    let queue = moto.queue("poison").await;
    moto.bucket("poison").await;
    let mut torn = gzip(&trail("torn", 50));
    torn.truncate(torn.len() - 12);
    for n in 0..40 {
        match n {
            5 => moto.put("poison", "torn.gz", torn.clone()).await,
            15 => {}
            25 | 35 => {}
            _ => moto.put("poison", &format!("good-{n}"), trail(&n.to_string(), 1)).await,
        }
        match n {
            5 => moto.announce(&queue, "poison", "torn.gz", "").await,
            15 => moto.announce(&queue, "poison", "gone", "").await,
            25 => moto.message(&queue, "{\"no\":\"notification\"}").await,
            35 => moto.announce(&queue, "poison", "a/../b", "").await,
            _ => moto.announce(&queue, "poison", &format!("good-{n}"), "").await,
        }
    }
    let config = S3QueueConfig {
        queue_url: queue.clone(),
        wait: Duration::from_secs(1),
        visibility: Duration::from_secs(4),
        ..S3QueueConfig::default()
    };
    let mut collector = S3QueueCollector::open(config, &moto.environment(), options(4)).unwrap();
    let is_good = |(origin, _): &&(String, u64)| origin.contains("/good-");
    let has = |records: &Records, word: &str| records.values().any(|text| text.starts_with(word));
    let records = take_until(&mut collector, |records| {
        let all = ["torn_input", "missing_object", "unknown_message", "unreadable_object"];
        records.keys().filter(is_good).count() == 36 && all.iter().all(|word| has(records, word))
    })
    .await;
    let gone = &records[&("s3://poison/gone".into(), 0)];
    assert!(
        gone.starts_with("missing_object: received ") && gone.contains("refused with 404 `NoSuchKey`"),
        "{gone}"
    );
    let dots = &records[&("s3://poison/a/../b".into(), 0)];
    assert!(dots.starts_with("unreadable_object: received "), "{dots}");
    drain(&mut collector, moto, &queue).await;
    let counts = collector.counts();
    assert!(counts.dead >= 3 && counts.failed_reads >= 4, "{counts:?}");
}

/// A process that ends between durable and acknowledged: everything comes again, in the same words.
async fn crash(moto: &Moto) {
    let queue = moto.queue("crash").await;
    moto.bucket("crash").await;
    for n in 0..12 {
        moto.put("crash", &format!("o{n}"), trail(&n.to_string(), 3)).await;
        moto.announce(&queue, "crash", &format!("o{n}"), "").await;
    }
    let config = || S3QueueConfig {
        queue_url: queue.clone(),
        wait: Duration::from_secs(1),
        visibility: Duration::from_secs(4),
        ..S3QueueConfig::default()
    };
    let small = || ReadOptions { limits: Limits { batch_records: 2, ..Limits::default() }, ..options(2) };
    let mut first = S3QueueCollector::open(config(), &moto.environment(), small()).unwrap();
    let (mut before, mut acknowledged) = (Records::new(), Records::new());
    let mut turns = 0;
    while before.len() < 36 {
        let Polled::Collected(collected) = first.poll().await.unwrap() else { continue };
        let batch = collected.batch.unwrap();
        add(&mut before, &batch);
        turns += 1;
        if turns % 3 == 0 {
            add(&mut acknowledged, &batch);
            first.ack(&[collected.ticket]).await.unwrap();
        }
    }
    drop(first);
    let mut second = S3QueueCollector::open(config(), &moto.environment(), small()).unwrap();
    let missing = |records: &Records| {
        before.keys().filter(|key| !acknowledged.contains_key(*key) && !records.contains_key(*key)).count()
    };
    let after = take_until(&mut second, |records| missing(records) == 0).await;
    for (key, text) in &after {
        assert_eq!(before.get(key), Some(text), "{key:?}");
    }
    drain(&mut second, moto, &queue).await;
}

/// A bucket in another region than the queue, found by what S3 answers; and an object that is refused.
async fn elsewhere(moto: &Moto) {
    let queue = moto.queue("elsewhere").await;
    moto.bucket("elsewhere").await;
    for key in ["a", "b"] {
        moto.put("elsewhere", key, trail(key, 1)).await;
    }
    for key in ["a", "b", "denied"] {
        moto.announce(&queue, "elsewhere", key, "").await;
    }
    let proxy = Proxy::start(&moto.url, |seen| match () {
        () if seen.head.starts_with("GET /elsewhere/denied") => {
            answer("403 Forbidden", "", "<Error><Code>AccessDenied</Code><Message>no</Message></Error>")
        }
        () if seen.head.starts_with("GET ") && !seen.head.contains("/eu-west-1/s3/aws4_request") => answer(
            "301 Moved Permanently",
            "x-amz-bucket-region: eu-west-1\r\nlocation: http://192.0.2.1/\r\n",
            "<Error><Code>PermanentRedirect</Code></Error>",
        ),
        () => Fault::Pass,
    })
    .await;
    let config = S3QueueConfig {
        queue_url: queue.clone(),
        wait: Duration::from_secs(1),
        visibility: Duration::from_secs(4),
        max_receives: 2,
        ..S3QueueConfig::default()
    };
    let mut collector = S3QueueCollector::open(config, &environment(&proxy.url), options(1)).unwrap();
    let records = take_until(&mut collector, |records| records.len() == 3).await;
    assert_eq!(origins(&records), ["s3://elsewhere/a", "s3://elsewhere/b", "s3://elsewhere/denied"]);
    let denied = &records[&("s3://elsewhere/denied".into(), 0)];
    assert!(denied.starts_with("unreadable_object: received "), "{denied}");
    assert!(denied.ends_with("times: `s3:GetObject` was refused with 403 `AccessDenied`: no"), "{denied}");
    drain(&mut collector, moto, &queue).await;
    // The first: refused, asked why, read. The second: read.
    let asked = proxy.count("GET /elsewhere/a") + proxy.count("GET /elsewhere/b");
    assert_eq!(asked as u64, collector.counts().objects + 2);
}

/// Whoever polls may stop waiting whenever it likes.
async fn impatient(moto: &Moto) {
    let queue = moto.queue("impatient").await;
    moto.bucket("impatient").await;
    for n in 0..20 {
        moto.put("impatient", &format!("o{n}"), trail(&n.to_string(), 3)).await;
        moto.announce(&queue, "impatient", &format!("o{n}"), "").await;
    }
    let mut collector = open(&queue, &moto.environment());
    let (mut records, mut turns) = (Records::new(), 0);
    while records.len() < 60 {
        turns += 1;
        assert!(turns < 100_000, "{records:?}");
        let patience = Duration::from_millis(turns % 7);
        let Ok(polled) = tokio::time::timeout(patience, collector.poll()).await else { continue };
        let Polled::Collected(collected) = polled.unwrap() else { continue };
        add(&mut records, &collected.batch.unwrap());
        collector.ack(&[collected.ticket]).await.unwrap();
    }
    drain(&mut collector, moto, &queue).await;
    assert_eq!(collector.counts().received, 20);
}

/// Busy services, cut answers, a batch that fails in part: nothing is lost, the queue is empty at the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trouble_that_passes_is_passed() {
    let Some(python) = python("moto.server") else { return };
    let moto = Moto::start(&python);
    let queue = moto.queue("trouble").await;
    moto.bucket("trouble").await;
    for n in 0..10 {
        let key = format!("o{n}");
        moto.put("trouble", &key, trail(&"n".repeat(400), 5)).await;
        moto.announce(&queue, "trouble", &key, "").await;
    }
    let (mut receives, mut gets, mut deletes) = (0, 0, 0);
    let proxy = Proxy::start(&moto.url, move |seen| {
        let turn = |count: &mut i32| {
            *count += 1;
            *count
        };
        if seen.head.contains("AmazonSQS.ReceiveMessage") {
            return match turn(&mut receives) {
                1 => answer("503 Service Unavailable", "", ""),
                2 => Fault::Cut,
                _ => Fault::Pass,
            };
        }
        if seen.head.contains("AmazonSQS.DeleteMessageBatch") {
            let mut body: Value = serde_json::from_str(&seen.body).unwrap();
            return match turn(&mut deletes) {
                // One entry is not deleted; as moto is not told of it, the answer is made up.
                1 => {
                    let id = body["Entries"].as_array_mut().unwrap().remove(0)["Id"].clone();
                    let failed = json!({"Id": id, "SenderFault": false, "Code": "InternalError"});
                    let told = json!({"Successful": [], "Failed": [failed]}).to_string();
                    answer("200 OK", "", &told)
                }
                2 => answer("429 Too Many Requests", "retry-after: 1\r\n", ""),
                _ => Fault::Pass,
            };
        }
        if seen.head.starts_with("GET ") {
            return match turn(&mut gets) % 4 {
                1 => answer("503 Slow Down", "", "<Error><Code>SlowDown</Code></Error>"),
                2 => Fault::Cut,
                _ => Fault::Pass,
            };
        }
        Fault::Pass
    })
    .await;
    let config = S3QueueConfig {
        queue_url: queue.clone(),
        wait: Duration::from_secs(1),
        visibility: Duration::from_secs(4),
        ..S3QueueConfig::default()
    };
    let mut collector = S3QueueCollector::open(config, &environment(&proxy.url), options(4)).unwrap();
    let records = take_until(&mut collector, |records| records.len() == 50).await;
    assert!(records.values().all(|text| text.starts_with("{\"eventID\"")), "{records:?}");
    drain(&mut collector, &moto, &queue).await;
    assert_eq!(collector.counts().dead, 0);
    assert!(proxy.count("AmazonSQS.DeleteMessageBatch") >= 3);
    assert!(proxy.count("GET /trouble/") > 10);
}

/// A message in work stays ours for longer than its lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_extended_while_a_message_is_in_work() {
    let Some(python) = python("moto.server") else { return };
    let moto = Moto::start(&python);
    let queue = moto.queue("lease").await;
    moto.bucket("lease").await;
    moto.put("lease", "o", trail("o", 1)).await;
    moto.announce(&queue, "lease", "o", "").await;
    let mut part = 0;
    let proxy = Proxy::start(&moto.url, move |seen| {
        if !seen.head.contains("ChangeMessageVisibilityBatch") {
            return Fault::Pass;
        }
        part += 1;
        // The first try fails for now, the second goes through.
        match part {
            1 => {
                let failed = json!({"Id": "0", "SenderFault": false, "Code": "InternalError"});
                answer("200 OK", "", &json!({"Successful": [], "Failed": [failed]}).to_string())
            }
            _ => Fault::Body(seen.body.clone()),
        }
    })
    .await;
    let config = || S3QueueConfig {
        queue_url: queue.clone(),
        wait: Duration::from_secs(1),
        visibility: Duration::from_secs(8),
        ..S3QueueConfig::default()
    };
    let mut first = S3QueueCollector::open(config(), &environment(&proxy.url), options(1)).unwrap();
    let ticket = loop {
        if let Polled::Collected(collected) = first.poll().await.unwrap() {
            break collected.ticket;
        }
    };
    let mut second = S3QueueCollector::open(config(), &moto.environment(), options(1)).unwrap();
    while proxy.count("ChangeMessageVisibilityBatch") < 3 {
        assert!(matches!(second.poll().await.unwrap(), Polled::Idle));
    }
    // The first lease has ended by now.
    assert!(matches!(second.poll().await.unwrap(), Polled::Idle));
    first.ack(&[ticket]).await.unwrap();
    drain(&mut first, &moto, &queue).await;
    assert_eq!(second.counts().received, 0);
    // Once it is done nothing is extended any more.
    drop(first);
    let extended = proxy.count("ChangeMessageVisibilityBatch");
    second.poll().await.unwrap();
    second.poll().await.unwrap();
    assert_eq!(proxy.count("ChangeMessageVisibilityBatch"), extended);
}

#[tokio::test]
async fn a_setting_that_cannot_be_is_told() {
    let good = S3QueueConfig {
        queue_url: "https://sqs.eu-west-1.amazonaws.com/111122223333/logs".into(),
        ..S3QueueConfig::default()
    };
    let open = |config| S3QueueCollector::open(config, &Environment::default(), options(1));
    assert!(open(good.clone()).is_ok());
    for (config, field) in [
        (S3QueueConfig { queue_url: "logs".into(), ..good.clone() }, "`queue_url`"),
        (S3QueueConfig { queue_url: "https://example.com/q".into(), ..good.clone() }, "`region`"),
        (S3QueueConfig { visibility: Duration::ZERO, ..good.clone() }, "`visibility`"),
        (S3QueueConfig { wait: Duration::from_secs(21), ..good.clone() }, "`wait`"),
        (S3QueueConfig { max_receives: 0, ..good.clone() }, "`max_receives`"),
        (S3QueueConfig { messages_in_work: 1, ..good }, "`messages_in_work`"),
    ] {
        let error = open(config).unwrap_err();
        assert!(error.to_string().starts_with(field), "{error}");
        assert_eq!(error.fate(), event::Fate::Reject);
    }
    let source = SourceId::new("test");
    assert_eq!(options(1).source, source);
}
