//! The parts, opened and put together as the server does it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alerts::AlertStore;
use event::RawBatch;
use pipeline::{Parts, Pipeline, PipelineConfig};
use rules::RuleSet;
use storage::log::{Log, LogConfig};
use storage::seen::SeenConfig;
use storage::state::State;
use storage::table::{EventTable, TableConfig};

use crate::records::{RECEIVED_US, rule_set};

/// Rhythms and bounds of one run. The default commits only when asked and has no upkeep, so that a test
/// decides what happens.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) log: LogConfig,
    pub(crate) table: TableConfig,
    pub(crate) pipeline: PipelineConfig,
    pub(crate) rules: Arc<RuleSet>,
    pub(crate) now_us: fn() -> i64,
}

impl Default for Settings {
    fn default() -> Self {
        let never = Duration::from_secs(3600);
        Self {
            log: LogConfig::default(),
            table: TableConfig { commit_after: never, ..TableConfig::default() },
            pipeline: PipelineConfig {
                workers: 2,
                commit_tick: Duration::from_millis(5),
                upkeep_every: never,
                ..PipelineConfig::default()
            },
            rules: Arc::new(rule_set()),
            now_us: || RECEIVED_US,
        }
    }
}

impl Settings {
    /// As the default, but rows are committed as soon as they come.
    pub(crate) fn committing() -> Self {
        let mut settings = Self::default();
        settings.table.commit_after = Duration::ZERO;
        settings
    }
}

/// A data folder in use.
pub(crate) struct Running {
    pub(crate) log: Log,
    pub(crate) table: EventTable,
    pub(crate) state: State,
    pub(crate) alerts: AlertStore,
    pub(crate) pipeline: Arc<Pipeline>,
}

impl Running {
    pub(crate) async fn open(data: &Path, settings: &Settings) -> Self {
        let log = Log::open(&data.join("log"), settings.log).unwrap();
        let state = State::open(&data.join("state.db")).unwrap();
        let alerts = AlertStore::open(state.clone()).unwrap();
        let table = EventTable::open(data.join("events"), settings.table.clone()).await.unwrap();
        table.claim().await.unwrap();
        log.raise_head(table.committed()).await.unwrap();
        let parts = Parts {
            log: log.clone(),
            table: table.clone(),
            state: state.clone(),
            seen_folder: data.join("seen"),
            seen: SeenConfig { memory_bytes: 1 << 20 },
            rules: settings.rules.clone(),
            now_us: settings.now_us,
        };
        let pipeline = Arc::new(Pipeline::start(parts, settings.pipeline.clone()).unwrap());
        Self { log, table, state, alerts, pipeline }
    }

    /// Accepts batches and waits until their rows are visible and their alerts durable.
    pub(crate) async fn take(&self, batches: &[RawBatch]) {
        for batch in batches {
            self.pipeline.accept(batch).await.unwrap();
        }
        self.caught_up().await;
    }

    pub(crate) async fn caught_up(&self) {
        let caught_up = self.pipeline.caught_up(self.log.head());
        tokio::time::timeout(Duration::from_secs(60), caught_up).await.expect("it hangs").unwrap();
    }

    pub(crate) async fn flushed(&self) {
        let flushed = self.pipeline.flushed(self.log.head());
        tokio::time::timeout(Duration::from_secs(60), flushed).await.expect("it hangs").unwrap();
    }

    /// Stops in good order.
    pub(crate) async fn close(self) {
        self.flushed().await;
        self.pipeline.stop(Duration::from_secs(30)).await.unwrap();
        assert_eq!(self.pipeline.health().failure(), None);
    }

    /// A running total.
    pub(crate) fn tally(&self, name: &str) -> u64 {
        let all = self.pipeline.tally().read();
        all.into_iter().find(|(counter, ..)| *counter == name).map(|(.., value)| value).unwrap()
    }
}

/// Waits until `done`.
pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("in vain waited for: {what}");
}

/// Holds the state's only writer, and with it `raise`, until dropped.
pub(crate) struct Held {
    release: Option<std::sync::mpsc::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

pub(crate) fn hold_the_state(state: &State) -> Held {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (held, is_held) = std::sync::mpsc::channel();
    let state = state.clone();
    let thread = std::thread::spawn(move || {
        let written: Result<(), storage::Error> = state.write(|_| {
            held.send(()).unwrap();
            released.recv().unwrap_err();
            Ok(())
        });
        written.unwrap();
    });
    is_held.recv().unwrap();
    Held { release: Some(release), thread: Some(thread) }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.release.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// Copies a folder, as a crash would leave it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}
