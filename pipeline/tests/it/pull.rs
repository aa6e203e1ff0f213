//! Sources that are pulled, driven by their runner: order, acknowledgement, errors, pauses, stops.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use alerts::AlertFilter;
use async_trait::async_trait;
use event::SourceId;
use ingest::{Collected, Collector, FindingKind, Polled, PositionChange, SourceFinding};
use parking_lot::Mutex;
use pipeline::{HealthBounds, SourceSpec, SourceState, Sources};
use storage::log::{Log, LogConfig};
use storage::source_position;
use storage::state::State;

use crate::books::holds_exactly;
use crate::records::{batch_of, records};
use crate::running::{Running, Settings, hold_the_state, until};

/// Records of one batch.
const TOGETHER: usize = 5;

/// What a source holds, and what it was asked.
#[derive(Default)]
struct Feed {
    batches: usize,
    /// Errors that the next polls give first.
    errors: VecDeque<ingest::Error>,
    /// A part of it has failed and is left alone; nothing is asked.
    rests: bool,
    opened: usize,
    /// Polls that only waited.
    idle: usize,
    polled: usize,
    acked: Vec<u64>,
    /// Acknowledgements of what was not durable and saved.
    early: Vec<u64>,
    ends: bool,
    /// What every other batch comes with.
    findings: Vec<SourceFinding>,
}

struct Scripted {
    feed: Arc<Mutex<Feed>>,
    next: usize,
    log: Log,
    state: State,
}

fn batch_records(number: usize) -> Vec<String> {
    records("pull", number * TOGETHER..(number + 1) * TOGETHER, "2026-03-01")
}

#[async_trait]
impl Collector for Scripted {
    async fn poll(&mut self) -> ingest::Result<Polled> {
        {
            let mut feed = self.feed.lock();
            if let Some(error) = feed.errors.pop_front() {
                return Err(error);
            }
            if self.next < feed.batches {
                feed.polled += 1;
                self.next += 1;
                let batch = batch_of("pull", &batch_records(self.next - 1), 0);
                let position =
                    vec![PositionChange { key: "next".into(), value: Some(self.next.to_string()) }];
                let ticket = self.next as u64;
                let findings = if self.next % 2 == 1 { feed.findings.clone() } else { Vec::new() };
                let batch = Some(batch);
                return Ok(Polled::Collected(Collected { batch, position, findings, ticket }));
            }
            if feed.ends {
                return Ok(Polled::End);
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.feed.lock().idle += 1;
        Ok(Polled::Idle)
    }

    fn is_failing(&self) -> bool {
        self.feed.lock().rests
    }

    async fn ack(&mut self, tickets: &[u64]) -> ingest::Result<()> {
        let saved = self.state.read(|db| source_position::all(db, "pull")).unwrap();
        let saved: u64 = saved.get("next").map_or(0, |text| text.parse().unwrap());
        let mut feed = self.feed.lock();
        for ticket in tickets {
            if *ticket > saved || self.log.head() < ticket * TOGETHER as u64 {
                feed.early.push(*ticket);
            }
        }
        feed.acked.extend(tickets);
        Ok(())
    }
}

fn bounds() -> HealthBounds {
    HealthBounds { silent_after: None, failing_after: Duration::from_secs(1), lagging_after: None }
}

fn now_us() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_micros() as i64
}

fn start(running: &Running, feed: &Arc<Mutex<Feed>>, bounds: HealthBounds) -> Sources {
    let sources = Sources::new(running.pipeline.clone(), running.state.clone(), now_us);
    let (feed, log, state) = (feed.clone(), running.log.clone(), running.state.clone());
    let open = move |positions: &BTreeMap<String, String>| {
        feed.lock().opened += 1;
        let next = positions.get("next").map_or(0, |text| text.parse().unwrap());
        let (feed, log, state) = (feed.clone(), log.clone(), state.clone());
        Ok(Box::new(Scripted { feed, next, log, state }) as Box<dyn Collector>)
    };
    let spec = SourceSpec {
        id: SourceId::new("pull"),
        positions: "pull".into(),
        open: Box::new(open),
        in_flight_bytes: 4 << 10,
        bounds,
        gives_way: false,
    };
    sources.start(spec).unwrap();
    sources
}

fn feed(batches: usize) -> Arc<Mutex<Feed>> {
    Arc::new(Mutex::new(Feed { batches, ..Feed::default() }))
}

fn all(batches: usize) -> Vec<String> {
    (0..batches).flat_map(batch_records).collect()
}

async fn acked(feed: &Arc<Mutex<Feed>>, count: u64) {
    until("all is acknowledged", || feed.lock().acked.last() == Some(&count)).await;
}

fn missing() -> ingest::Error {
    ingest::Error::Missing { path: PathBuf::from("/none") }
}

fn hopeless() -> ingest::Error {
    ingest::Error::BadPattern { pattern: "[".into(), problem: "unclosed".into() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_is_durable_then_saved_then_acknowledged_in_order() {
    let data = tempfile::tempdir().unwrap();
    let running = Running::open(data.path(), &Settings::default()).await;
    let feed = feed(200);
    let sources = start(&running, &feed, bounds());
    acked(&feed, 200).await;
    sources.stop(Duration::from_secs(10)).await;
    {
        let feed = feed.lock();
        assert_eq!(feed.acked, (1..=200).collect::<Vec<_>>());
        assert_eq!(feed.early, Vec::<u64>::new());
        assert_eq!((feed.opened, feed.polled), (1, 200));
    }
    let counts = sources.all()[0].report().counts;
    assert_eq!((counts.batches, counts.records, counts.in_flight_bytes), (200, 1000, 0));
    let sum = holds_exactly(&running, &all(200)).await;
    assert_eq!(sum.duplicates, 0);
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_goes_on_and_a_lost_position_only_repeats() {
    let data = tempfile::tempdir().unwrap();
    let feed = feed(20);
    for lost in [0, 0, 3] {
        let running = Running::open(data.path(), &Settings::default()).await;
        if lost > 0 {
            // As a kill between append and save leaves it.
            let changes = [("next", Some("37"))];
            running.state.write(|txn| source_position::apply(txn, "pull", changes, 0)).unwrap();
        }
        let sources = start(&running, &feed, bounds());
        let batches = feed.lock().batches as u64;
        acked(&feed, batches).await;
        sources.stop(Duration::from_secs(10)).await;
        let sum = holds_exactly(&running, &all(batches as usize)).await;
        assert_eq!(sum.duplicates, lost * TOGETHER as u64);
        running.close().await;
        let more = if batches == 20 { 40 } else { batches as usize };
        feed.lock().batches = more;
        feed.lock().acked.clear();
    }
    assert_eq!(feed.lock().early, Vec::<u64>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_are_waited_out_and_told() {
    let data = tempfile::tempdir().unwrap();
    let running = Running::open(data.path(), &Settings::default()).await;
    let feed = feed(2);
    feed.lock().errors.extend([missing(), missing()]);
    let sources = start(&running, &feed, bounds());
    sources.watch(running.alerts.clone());
    let source = sources.get("pull").unwrap();
    acked(&feed, 2).await;
    let report = source.report();
    assert_eq!((report.counts.retries, report.counts.failures, feed.lock().opened), (2, 0, 1));
    assert!(report.last_error.unwrap().1.contains("`/none`"));
    // What will hardly pass: failing at once, an alert once it lasts, another try when somebody wishes it.
    feed.lock().errors.push_back(hopeless());
    until("it is failing", || source.report().health.state == SourceState::Failing).await;
    until("it says why", || source.report().health.why.contains("is no glob pattern")).await;
    until("there is an alert", || told(&running).len() == 1).await;
    feed.lock().batches = 3;
    source.resume().unwrap();
    acked(&feed, 3).await;
    assert_eq!(feed.lock().opened, 2);
    until("it is well", || source.report().health.state == SourceState::Ok).await;
    until("the alert is closed", || told(&running)[0].status == alerts::AlertStatus::Closed).await;
    assert_eq!(told(&running)[0].alert.rule.id, "stormglass-source-failing");
    sources.stop(Duration::from_secs(10)).await;
    holds_exactly_besides_alerts(&running, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_ends_no_failure() {
    let data = tempfile::tempdir().unwrap();
    let running = Running::open(data.path(), &Settings::default()).await;
    let feed = feed(1);
    // The failure of one list of several, which is asked again after its rest.
    let refused = ingest::Error::Refused {
        call: "list".into(),
        status: 401,
        code: "invalid_token".into(),
        message: "no".into(),
        retry_after: Some(Duration::from_millis(1)),
    };
    {
        let mut feed = feed.lock();
        feed.errors.push_back(refused);
        feed.rests = true;
    }
    let sources = start(&running, &feed, bounds());
    sources.watch(running.alerts.clone());
    let source = sources.get("pull").unwrap();
    acked(&feed, 1).await;
    let asked = |feed: &Feed| feed.idle;
    let before = asked(&feed.lock());
    until("it has only waited for a while", || asked(&feed.lock()) > before + 20).await;
    until("there is an alert", || told(&running).len() == 1).await;
    let report = source.report();
    assert_eq!(report.health.state, SourceState::Failing);
    assert!(report.health.why.contains("401"), "{report:?}");
    feed.lock().rests = false;
    until("the alert is closed", || told(&running)[0].status == alerts::AlertStatus::Closed).await;
    assert_eq!(told(&running)[0].verdict, Some(alerts::Verdict::Benign));
    assert_eq!(source.report().health.state, SourceState::Ok);
    sources.stop(Duration::from_secs(10)).await;
    holds_exactly_besides_alerts(&running, 1).await;
}

/// The alerts about the source.
fn told(running: &Running) -> Vec<alerts::StoredAlert> {
    let filter = AlertFilter { entity: Some("pull".into()), ..AlertFilter::default() };
    running.alerts.list(&filter, None, 10).unwrap().alerts
}

/// The books without the count of alerts, as one is about the source.
async fn holds_exactly_besides_alerts(running: &Running, batches: usize) {
    running.caught_up().await;
    assert_eq!(crate::books::rows(running), (batches * TOGETHER) as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_takes_nothing_and_outlives_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let feed = feed(3);
    {
        let running = Running::open(data.path(), &Settings::default()).await;
        let sources = start(&running, &feed, bounds());
        acked(&feed, 3).await;
        sources.get("pull").unwrap().pause().unwrap();
        sources.stop(Duration::from_secs(10)).await;
        running.close().await;
    }
    feed.lock().batches = 5;
    let running = Running::open(data.path(), &Settings::default()).await;
    let sources = start(&running, &feed, bounds());
    sources.watch(running.alerts.clone());
    let source = sources.get("pull").unwrap();
    until("it is paused", || source.report().health.state == SourceState::Paused).await;
    let asked = |feed: &Feed| (feed.polled, feed.opened);
    assert_eq!(asked(&feed.lock()), (3, 1));
    source.resume().unwrap();
    acked(&feed, 5).await;
    until("it is well", || source.report().health.state == SourceState::Ok).await;
    source.pause().unwrap();
    until("its collector is closed", || Arc::strong_count(&feed) == 2).await;
    feed.lock().batches = 6;
    source.resume().unwrap();
    acked(&feed, 6).await;
    sources.stop(Duration::from_secs(10)).await;
    holds_exactly(&running, &all(6)).await;
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_log_slows_the_source() {
    let data = tempfile::tempdir().unwrap();
    let mut settings = Settings::committing();
    settings.log = LogConfig { segment_bytes: 8 << 10, max_bytes: 64 << 10, queue_bytes: 16 << 10 };
    settings.pipeline.group_bytes = 1 << 10;
    let running = Running::open(data.path(), &settings).await;
    let feed = feed(0);
    let sources = start(&running, &feed, bounds());
    until("it is open", || feed.lock().opened == 1).await;
    let held = hold_the_state(&running.state);
    feed.lock().batches = 400;
    let mut polled = 0;
    until("it takes nothing more", || {
        std::thread::sleep(Duration::from_millis(100));
        std::mem::replace(&mut polled, feed.lock().polled) == polled && polled > 0
    })
    .await;
    assert!(polled < 400, "it stopped after {polled} batches");
    assert!(feed.lock().acked.is_empty(), "nothing could be saved");
    drop(held);
    acked(&feed, 400).await;
    assert_eq!(feed.lock().early, Vec::<u64>::new());
    sources.stop(Duration::from_secs(10)).await;
    holds_exactly(&running, &all(400)).await;
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_is_an_end_and_silence_is_told() {
    let data = tempfile::tempdir().unwrap();
    let running = Running::open(data.path(), &Settings::default()).await;
    let feed = feed(1);
    let quick = HealthBounds { silent_after: Some(Duration::from_secs(1)), ..bounds() };
    let sources = start(&running, &feed, quick);
    sources.watch(running.alerts.clone());
    let source = sources.get("pull").unwrap();
    acked(&feed, 1).await;
    until("it is silent", || source.report().health.state == SourceState::Silent).await;
    until("there is an alert", || told(&running).len() == 1).await;
    assert_eq!(told(&running)[0].alert.rule.id, "stormglass-source-silent");
    feed.lock().batches = 2;
    feed.lock().ends = true;
    until("it is done", || source.report().is_done).await;
    assert_eq!(feed.lock().acked, [1, 2]);
    sources.stop(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finding_is_an_alert_once_with_the_position() {
    let data = tempfile::tempdir().unwrap();
    let feed = feed(4);
    let finding = |kind, subject: &str| SourceFinding {
        kind,
        subject: subject.into(),
        detail: "kept no longer than a week".into(),
        span_us: Some(5..9),
    };
    feed.lock().findings =
        vec![finding(FindingKind::Gap, "partition 3"), finding(FindingKind::Tampered, "s3://logs/a")];
    for _ in 0..2 {
        let running = Running::open(data.path(), &Settings::default()).await;
        let sources = start(&running, &feed, bounds());
        acked(&feed, 4).await;
        let mut alerts = told(&running);
        alerts.sort_by_key(|stored| stored.alert.severity_id);
        let rules: Vec<_> = alerts.iter().map(|stored| stored.alert.rule.id.as_str()).collect();
        assert_eq!(rules, ["stormglass-source-gap", "stormglass-source-tampered"]);
        let entities: Vec<_> = alerts[0].alert.entities.iter().map(|entity| entity.value.as_str()).collect();
        assert_eq!(entities, ["pull", "partition 3"]);
        assert!(alerts[0].alert.rule.description.contains("kept no longer than a week"));
        let report = sources.get("pull").unwrap().report();
        // Each time it is told it counts, and is one alert.
        assert_eq!(report.counts.findings, 4);
        assert!(report.last_finding.unwrap().1.contains("s3://logs/a"));
        sources.stop(Duration::from_secs(10)).await;
        drop(sources);
        running.close().await;
        // As a kill before the position was saved leaves it.
        let running = Running::open(data.path(), &Settings::default()).await;
        running.state.write(|txn| source_position::apply(txn, "pull", [("next", None)], 0)).unwrap();
        running.close().await;
        feed.lock().acked.clear();
    }
}
