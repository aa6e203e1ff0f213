//! The collectors of Azure and Microsoft 365 against fakes of their services, which Microsoft's own clients
//! check (`peers.rs`), with and without faults.

mod azurite;
mod checks;
mod identity;
mod lists;
mod peers;
mod storage;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cloudfake::azure::{Event, TENANT};
use ingest::azure::{AzureAccess, AzureTimes};
use ingest::{Collector, Polled, SecretReference};
use serde_json::{Value, json};

/// The clock of tests that do not move it.
const NOW_S: i64 = 1_700_000_000;

type Positions = BTreeMap<String, String>;

/// The fake's application, by a secret in a file below `folder`.
fn access(folder: &tempfile::TempDir, authority: &str) -> AzureAccess {
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "s3cret\n").unwrap();
    AzureAccess {
        tenant: Some(TENANT.into()),
        client_id: Some("app".into()),
        client_secret: Some(SecretReference::File(secret)),
        certificate: None,
        authority: Some(authority.into()),
    }
}

fn times() -> AzureTimes {
    AzureTimes {
        lookback: Duration::from_secs(3_600),
        every: Duration::from_secs(300),
        settle: Duration::from_secs(900),
        overlap: Duration::from_secs(1_800),
    }
}

fn event(id: &str, time_s: i64, late_s: i64) -> Event {
    Event { time_s, visible_s: time_s + late_s, id: id.into(), record: json!({"id": id, "n": time_s}) }
}

/// What a collector gave, by the records' ids: each with the one text that it always must have.
#[derive(Debug, Default)]
struct Taken {
    positions: Positions,
    texts: BTreeMap<String, String>,
    errors: Vec<String>,
}

impl Taken {
    /// Polls once. What it gives is saved, unless the process `is_killed` before that is durable.
    async fn poll(&mut self, collector: &mut impl Collector, is_killed: bool) {
        match collector.poll().await {
            Ok(Polled::Collected(collected)) if !is_killed => {
                for record in collected.batch.iter().flat_map(|batch| batch.records()) {
                    let text = String::from_utf8(record.bytes.into()).unwrap();
                    let value: Value = serde_json::from_str(&text).unwrap();
                    let id = value["id"].as_str().or(value["contentId"].as_str()).unwrap().to_owned();
                    let before = self.texts.insert(id, text.clone());
                    assert!(before.is_none_or(|before| before == text));
                }
                for change in collected.position {
                    self.positions.insert(change.key, change.value.unwrap());
                }
            }
            Ok(Polled::Collected(_) | Polled::Idle | Polled::End) => {}
            Err(error) => {
                assert!(matches!(error.fate(), event::Fate::Retry { .. }), "{error}");
                assert!(!format!("{error:?}").contains("s3cret"));
                self.errors.push(error.to_string());
            }
        }
    }

    fn ids(&self) -> BTreeSet<&str> {
        self.texts.keys().map(String::as_str).collect()
    }

    /// Whether one of `names` has something to ask at `now_s`; without, a poll would wait.
    fn is_due(&self, names: &[&str], times: &AzureTimes, now_s: i64) -> bool {
        let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap();
        names.iter().any(|name| {
            let Some(text) = self.positions.get(*name) else { return true };
            let position: Value = serde_json::from_str(text).unwrap();
            let end_s = now_s - seconds(times.settle);
            !position["window"].is_null()
                || end_s >= position["watermark"].as_i64().unwrap() + seconds(times.every)
        })
    }
}

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.0 >> 33).unwrap() % limit
    }
}
