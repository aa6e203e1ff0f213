//! Blobs that grow, against Azurite: each record comes once, whenever the process ends and whatever fails.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cloudfake::azure::Azure;
use cloudfake::{Fault, Proxy, answer};
use event::SourceId;
use ingest::azure::{StorageConfig, mend};
use ingest::{Collector, Environment, Limits, ObjectsConfig, Polled, SecretReference};

use super::azurite::{ACCOUNT, Azurite, KEY};
use super::{NOW_S, Positions, access};

fn objects() -> ObjectsConfig {
    ObjectsConfig {
        source: SourceId::new("azure"),
        log_type: None,
        addresses: Vec::new(),
        aws: None,
        google: ingest::google::Environment::default(),
        every: Duration::ZERO,
        overlap: Duration::from_secs(86_400),
        torn_after: Duration::from_secs(3 * 3_600),
        existing: true,
        max_objects: 1_000,
        limits: Limits::default(),
        now_us: || chrono::Utc::now().timestamp_micros(),
    }
}

/// Reads until there is nothing more, opening anew after each batch; what came, and how often.
async fn read(config: &StorageConfig, positions: &mut Positions, counts: &mut BTreeMap<String, usize>) {
    for _ in 0..200 {
        let mut collector = config.open(&Environment::default(), objects(), positions).unwrap();
        match collector.poll().await {
            Ok(Polled::Collected(collected)) => {
                let has_records = collected.batch.is_some();
                for record in collected.batch.iter().flat_map(|batch| batch.records()) {
                    assert_eq!(record.reject, None);
                    let text = String::from_utf8(record.bytes.into()).unwrap();
                    *counts.entry(text).or_default() += 1;
                }
                for change in collected.position {
                    match change.value {
                        Some(value) => positions.insert(change.key, value),
                        None => positions.remove(&change.key),
                    };
                }
                if !has_records {
                    return;
                }
            }
            Ok(_) => return,
            Err(error) => assert!(matches!(error.fate(), event::Fate::Retry { .. }), "{error}"),
        }
    }
    panic!("it does not come to an end: {positions:?}");
}

fn hour(name: &str) -> String {
    format!(
        "resourceId=/SUBSCRIPTIONS/11111111-0000-4000-8000-000000000001/{name}/y=2026/m=03/d=01/h=10/m=00/PT1H.json"
    )
}

fn record(name: &str, n: usize) -> String {
    format!("{{\"name\":\"{name}\",\"n\":{n}}}")
}

fn flow(n: usize) -> String {
    let flow = |tuple: &str| format!("{{\"rule\":\"r\",\"flowTuples\":[\"{n}-{tuple}\"]}}");
    format!(
        "{{\"time\":\"{n}\",\"flowRecords\":{{\"flows\":[{{\"aclID\":\"a\",\"flowGroups\":[{}]}}]}}}}",
        flow("a")
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blobs_are_read_once_as_they_grow() {
    let Some(azurite) = Azurite::start().await else { return };
    let containers = ["insights-activity-logs", "insights-logs-flowlogflowevent"];
    for container in containers {
        azurite.container(container).await;
    }
    // One in four requests fails, each time otherwise.
    let count = AtomicUsize::new(0);
    let target = azurite.url.trim_end_matches(&format!("/{ACCOUNT}")).to_owned();
    let proxy = Proxy::start(&target, move |_| match count.fetch_add(1, Ordering::Relaxed) % 8 {
        3 => Fault::Cut,
        7 => answer("503 Server Busy", "", ""),
        _ => Fault::Pass,
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), KEY).unwrap();
    let key = Some(SecretReference::File(folder.path().join("key")));
    let config = StorageConfig {
        account: ACCOUNT.into(),
        containers: containers.map(Into::into).to_vec(),
        account_key: key,
        endpoint: Some(format!("{}/{ACCOUNT}", proxy.url)),
        ..StorageConfig::default()
    };

    let (appended, blocks) =
        (format!("{}/{}", containers[0], hour("A")), format!("{}/{}", containers[1], hour("F")));
    let (mut positions, mut counts) = (Positions::new(), BTreeMap::new());
    let mut expected = Vec::new();
    let mut flows = vec!["{\"records\":[".to_owned()];
    azurite.append_blob(&appended).await;
    let mut torn = String::new();
    for turn in 0..6 {
        // The writer's appends do not end where records do.
        let text: String = std::mem::take(&mut torn)
            + &(0..3).map(|n| record("A", turn * 3 + n) + "\r\n").collect::<String>();
        let (now, later) = text.split_at(text.len() - turn);
        azurite.append(&appended, now).await;
        torn = later.to_owned();
        if turn > 0 {
            flows.push(",".to_owned());
        }
        flows.push(flow(turn));
        azurite.blocks(&blocks, &[flows.clone(), vec!["]}".into()]].concat()).await;
        expected.push(flow(turn));
        read(&config, &mut positions, &mut counts).await;
        for flow in &expected {
            assert_eq!(counts.get(flow), Some(&1), "turn {turn}: {counts:?}");
        }
    }
    azurite.append(&appended, &torn).await;
    read(&config, &mut positions, &mut counts).await;
    expected.extend((0..18).map(|n| record("A", n)));
    assert_eq!(counts.keys().collect::<Vec<_>>().len(), expected.len(), "{counts:?}");
    for text in &expected {
        assert_eq!(counts.get(text), Some(&1), "{text}");
    }

    // One that is replaced is read as a whole; the next hour is another blob.
    azurite.block_blob(&blocks, "{\"records\":[{\"other\":1},{\"other\":2}]}").await;
    let next = format!("{}/{}", containers[0], hour("B"));
    azurite.append_blob(&next).await;
    azurite.append(&next, &(record("B", 0) + "\n")).await;
    read(&config, &mut positions, &mut counts).await;
    for text in ["{\"other\":1}", "{\"other\":2}", &record("B", 0)] {
        assert_eq!(counts.get(text), Some(&1), "{text}");
    }
    assert_eq!(counts.values().sum::<usize>(), expected.len() + 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_signatures_and_tokens_open_an_account() {
    let Some(azurite) = Azurite::start().await else { return };
    azurite.container("logs").await;
    azurite.append_blob("logs/a/x.json").await;
    azurite.append("logs/a/x.json", "{\"a\":1}\n").await;
    azurite.append_blob("logs/b/y.json").await;
    azurite.append("logs/b/y.json", "{\"b\":1}\n").await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        Some(SecretReference::File(folder.path().join(name)))
    };
    let config = StorageConfig {
        account: ACCOUNT.into(),
        containers: vec!["logs/a/".into()],
        endpoint: Some(azurite.url.clone()),
        ..StorageConfig::default()
    };
    let first = async |config: &StorageConfig| {
        let mut collector = config.open(&Environment::default(), objects(), &Positions::new())?;
        match collector.poll().await? {
            Polled::Collected(collected) => {
                let batch = collected.batch.unwrap();
                assert_eq!(batch.origin, "az://devstoreaccount1/logs/a/x.json");
                Ok(batch.len())
            }
            polled => panic!("{polled:?}"),
        }
    };
    let by_signature = |permissions: &str| StorageConfig {
        signature: at(permissions, &format!("?{}\n", azurite.signature(permissions))),
        ..config.clone()
    };
    assert_eq!(first(&by_signature("rl")).await.unwrap(), 1);
    let error = first(&by_signature("c")).await.unwrap_err();
    assert!(mend(&error).is_some(), "{error:?}");
    assert!(!format!("{error:?}").contains("sig="), "{error:?}");
    let by_key = |key: &str| StorageConfig { account_key: at("key", key), ..config.clone() };
    assert_eq!(first(&by_key(KEY)).await.unwrap(), 1);
    let error = first(&by_key("bm90IHRoZSBrZXk=")).await.unwrap_err();
    assert!(mend(&error).unwrap().contains("key"), "{error:?}");
    let error = first(&by_key("hunter2!")).await.unwrap_err();
    assert!(error.to_string().contains("is no key of a storage account"), "{error}");
    assert!(!format!("{error:?}").contains("hunter2"));

    // Azurite takes tokens over TLS alone; what is sent is seen at the proxy.
    let azure = Azure::start(NOW_S).await;
    azure.state().audiences.insert("https://storage.azure.com".into());
    let proxy = Proxy::start("http://127.0.0.1:1", |_| {
        answer(
            "403 Forbidden",
            "",
            "<?xml version=\"1.0\"?><Error><Code>AuthorizationPermissionMismatch</Code></Error>",
        )
    })
    .await;
    let by_token = StorageConfig {
        access: access(&folder, &azure.url),
        endpoint: Some(format!("{}/{ACCOUNT}", proxy.url)),
        ..config.clone()
    };
    let error = first(&by_token).await.unwrap_err();
    assert!(mend(&error).unwrap().contains("Storage Blob Data Reader"), "{error:?}");
    assert_eq!(proxy.count("authorization: Bearer token-1-of-app"), proxy.seen.lock().len());
    assert!(!format!("{error:?}").contains("token-1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_with_empty_parts_are_read() {
    let Some(azurite) = Azurite::start().await else { return };
    azurite.container("odd").await;
    let keys =
        ["a/1.json", "b/2.json", "b/c/3.json", "b/c//4.json", "b/d/5.json", "z/6 é+%2F.json", "z//x//7.json"];
    for key in keys {
        azurite.block_blob(&format!("odd/{key}"), &record(key, 0)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, KEY).unwrap();
    let config = StorageConfig {
        account: ACCOUNT.into(),
        containers: vec!["odd".into(), "odd/b/c".into()],
        account_key: Some(SecretReference::File(key)),
        endpoint: Some(azurite.url.clone()),
        ..StorageConfig::default()
    };
    let mut collector = config.open(&Environment::default(), objects(), &Positions::new()).unwrap();
    let (mut texts, mut findings) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        let Polled::Collected(collected) = collector.poll().await.unwrap() else { break };
        for record in collected.batch.iter().flat_map(|batch| batch.records()) {
            texts.push(String::from_utf8(record.bytes.into()).unwrap());
        }
        findings.extend(collected.findings);
    }
    texts.sort();
    let mut read = keys.map(|key| record(key, 0)).to_vec();
    // Those of the second prefix are the first's as well, and known.
    read.sort();
    assert_eq!(texts, read);
    assert!(findings.is_empty(), "{findings:?}");
}
