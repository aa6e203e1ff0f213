//! The stages are dropped where they stand, at random moments under load, with everything small and quick
//! so that this falls between all the steps.
//!
//! `STORMGLASS_KILLS` and `STORMGLASS_SEED` change how often and when.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use storage::log::LogConfig;

use crate::books::holds_exactly;
use crate::records::{batch_of, records};
use crate::running::{Running, Settings};

fn settings() -> Settings {
    let mut settings = Settings::committing();
    settings.log = LogConfig { segment_bytes: 16 << 10, max_bytes: 4 << 20, queue_bytes: 1 << 20 };
    settings.pipeline.group_bytes = 4 << 10;
    settings.pipeline.pending_bytes = 1 << 20;
    settings.pipeline.upkeep_every = Duration::from_millis(40);
    settings.pipeline.keep_removed_files = Duration::ZERO;
    settings
}

/// Sends batches over and over, each until it was acknowledged, as a collector does.
struct Collector {
    name: String,
    /// Acknowledged records.
    acknowledged: Vec<String>,
    next: usize,
}

impl Collector {
    /// The batch that is due, with an event or two of an earlier one and something that is no record.
    fn due(&self) -> Vec<String> {
        let mut due = records(&self.name, self.next..self.next + 10, "2026-03-01");
        due.extend(records(&self.name, self.next + 10..self.next + 14, "2026-02-11"));
        due
    }

    fn sent(&self, due: &[String]) -> Vec<String> {
        let mut sent = due.to_vec();
        sent.extend(self.acknowledged.iter().rev().step_by(9).take(2).cloned());
        sent.push("no record".into());
        sent
    }
}

async fn collect(running: Arc<Running>, collector: Arc<Mutex<Collector>>) {
    loop {
        let (name, due, sent) = {
            let collector = collector.lock();
            let due = collector.due();
            (collector.name.clone(), due.clone(), collector.sent(&due))
        };
        running.pipeline.accept(&batch_of(&name, &sent, 5)).await.unwrap();
        let mut collector = collector.lock();
        collector.next += due.len();
        collector.acknowledged.extend(due);
    }
}

/// One life of the process, which ends after `for_how_long`.
fn live(data: &Path, collectors: &[Arc<Mutex<Collector>>], for_how_long: Duration) {
    let runtime = runtime();
    runtime.block_on(async {
        let running = Arc::new(Running::open(data, &settings()).await);
        for collector in collectors {
            tokio::spawn(collect(running.clone(), collector.clone()));
        }
        tokio::time::sleep(for_how_long).await;
        assert_eq!(running.pipeline.health().failure(), None);
    });
    // All tasks are dropped at the points that they have come to.
    drop(runtime);
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn nothing_is_lost_or_doubled() {
    let (kills, mut random) = (number("STORMGLASS_KILLS", 15), number("STORMGLASS_SEED", 1));
    let data = tempfile::tempdir().unwrap();
    let collectors: Vec<_> = ["one", "two"]
        .map(|name| Collector { name: name.into(), acknowledged: Vec::new(), next: 0 })
        .map(|collector| Arc::new(Mutex::new(collector)))
        .into();
    for kill in 0..kills {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        live(data.path(), &collectors, Duration::from_millis((random >> 33) % 250));
        if kill % 5 == 4 {
            drop(std::fs::remove_dir_all(data.path().join("seen")));
        }
    }
    runtime().block_on(async {
        let running = Running::open(data.path(), &settings()).await;
        let mut all = Vec::new();
        for collector in &collectors {
            // What was on its way at the last kill may have come or not: now it comes.
            let (name, due, acknowledged) = {
                let collector = collector.lock();
                (collector.name.clone(), collector.due(), collector.acknowledged.clone())
            };
            running.pipeline.accept(&batch_of(&name, &due, 5)).await.unwrap();
            all.extend(acknowledged);
            all.extend(due);
        }
        let sum = holds_exactly(&running, &all).await;
        println!("{kills} kills: {sum:?}");
        assert!(sum.rows > 200 && sum.duplicates > 0 && sum.dead_letters > 0, "too little happened: {sum:?}");
        running.close().await;
    });
}
