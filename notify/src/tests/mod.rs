//! The outbox over a real database, with channels that answer by a script.

mod deliver;
mod exchange;
mod flood;
mod incidents;
mod kill;
mod model;
mod routing;
mod standing;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use alerts::incident::{Context, Incidents, Settings};
use alerts::{Alert, AlertId, AlertStore, Entity, EntityKind, Evidence, RuleRef, StoredAlert};
use async_trait::async_trait;
use parking_lot::Mutex;
use storage::state::State;
use tempfile::TempDir;

use crate::follow::Follower;
use crate::worker::{Mood, Outcomes, Worker};
use crate::{
    Channel, Delivery, Links, Manner, NotificationKind, Outbox, Outcome, Route, Routing, SubjectKind, Target,
    Wanted,
};

/// An alert of rule `rule` for the event `event`.
pub(crate) fn alert(rule: &str, event: &str) -> Alert {
    Alert {
        id: AlertId::new(rule, [event]),
        rule: RuleRef {
            id: rule.into(),
            title: format!("Title of {rule}"),
            level: "high".into(),
            tags: vec!["attack.t1562.008".into()],
            description: "Somebody stopped a trail.".into(),
            response: vec!["Ask the actor.".into()],
        },
        severity_id: 4,
        time_us: 5,
        provider: "AWS".into(),
        entities: vec![
            Entity { kind: EntityKind::Actor, value: "dana".into(), name: None },
            Entity { kind: EntityKind::Account, value: "111122223333".into(), name: None },
        ],
        evidence: vec![Evidence {
            event_uid: event.into(),
            time_us: 5,
            operation: "StopLogging".into(),
            raw: "{}".into(),
        }],
        joined: None,
    }
}

pub(crate) fn stored(rule: &str, event: &str) -> StoredAlert {
    StoredAlert::untouched(alert(rule, event), 5)
}

/// A route that takes everything and tells these channels.
pub(crate) fn route(path: &str, channels: &[&str]) -> Route {
    Route {
        path: path.into(),
        wanted: Wanted::default(),
        targets: channels.iter().copied().map(Target::from).collect(),
        tell: vec![NotificationKind::Acknowledged, NotificationKind::Closed, NotificationKind::Reopened],
        escalate: Vec::new(),
        digest: None,
        fold: None,
        tells_all: false,
        goes_on: false,
        routes: Vec::new(),
    }
}

/// What a channel was told: key, kind, title, attempt, what was remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    key: String,
    kind: NotificationKind,
    about: SubjectKind,
    subject: String,
    thread: String,
    is_quiet: bool,
    takes_over: bool,
    note: String,
    title: String,
    count: u64,
    attempt: u32,
    remembered: Option<String>,
}

/// A channel that answers by a script and remembers what it was told.
#[derive(Debug)]
struct Scripted {
    manner: Manner,
    told: Mutex<Vec<Told>>,
    /// What it took, and what it refused for good.
    taken: Mutex<Vec<Told>>,
    refused: Mutex<Vec<Told>>,
    /// Answers to come; without any it delivers.
    answers: Mutex<Vec<Outcome>>,
    /// What is told of these it never takes.
    spurned: Mutex<BTreeSet<String>>,
}

#[async_trait]
impl Channel for Scripted {
    fn kind(&self) -> &'static str {
        "scripted"
    }

    fn manner(&self) -> Manner {
        self.manner
    }

    async fn send(&self, delivery: Delivery<'_>) -> Outcome {
        let told = delivery.notification;
        let told = Told {
            key: delivery.key.to_owned(),
            kind: told.kind,
            about: told.about,
            subject: told.subject_id.clone(),
            thread: told.thread.clone(),
            is_quiet: told.is_quiet,
            takes_over: told.takes_over,
            note: told.note.clone(),
            title: told.title.clone(),
            count: told.count,
            attempt: delivery.attempt,
            remembered: delivery.remembered.map(str::to_owned),
        };
        self.told.lock().push(told.clone());
        let mut answers = self.answers.lock();
        let outcome = match answers.is_empty() {
            _ if self.spurned.lock().contains(&told.subject) => retry(None),
            true => Outcome::Delivered { remember: None },
            false => answers.remove(0),
        };
        match outcome {
            Outcome::Delivered { .. } => self.taken.lock().push(told),
            Outcome::Refused { .. } => self.refused.lock().push(told),
            Outcome::Retry { .. } | Outcome::Disabled { .. } => {}
        }
        outcome
    }
}

/// The clock of a test: it stands until it is moved.
static CLOCKS: Mutex<Option<HashMap<std::thread::ThreadId, Arc<AtomicI64>>>> = Mutex::new(None);

fn clock() -> Arc<AtomicI64> {
    let mut clocks = CLOCKS.lock();
    let clocks = clocks.get_or_insert_default();
    clocks.entry(std::thread::current().id()).or_insert_with(|| Arc::new(AtomicI64::new(1_000_000))).clone()
}

fn now_us() -> i64 {
    clock().load(Ordering::SeqCst)
}

/// A database, a follower and workers that a test drives step by step. Everything but what blocks runs on the
/// thread of the test, so the clock is its own.
struct Fixture {
    _folder: TempDir,
    state: State,
    alerts: AlertStore,
    incidents: Option<Incidents>,
    outbox: Outbox,
    follower: Follower,
    channels: BTreeMap<String, Arc<Scripted>>,
    workers: BTreeMap<String, Worker>,
}

/// One in which alerts belong to no incidents.
fn fixture(channels: &[&str], routes: Vec<Route>) -> Fixture {
    let channels: Vec<_> = channels.iter().map(|&name| (name, Manner::Letter)).collect();
    fixture_of(&channels, routes, None)
}

fn fixture_of(channels: &[(&str, Manner)], routes: Vec<Route>, settings: Option<Settings>) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let state = State::open(&folder.path().join("state.db")).unwrap();
    let alerts = AlertStore::open(state.clone()).unwrap();
    let incidents = settings.map(|settings| Incidents::open(state.clone(), settings).unwrap());
    let outbox = Outbox::open(state.clone()).unwrap();
    let follower = Follower {
        outbox: outbox.clone(),
        alerts: alerts.clone(),
        incidents: incidents.clone(),
        routing: Routing { routes, rotas: Vec::new() },
        channels: channels.iter().map(|&(name, manner)| (name.to_owned(), manner)).collect(),
        links: Links::default(),
        patience: Arc::default(),
    };
    let mut made = BTreeMap::new();
    let mut workers = BTreeMap::new();
    for &(name, manner) in channels {
        let channel = Arc::new(Scripted {
            manner,
            told: Mutex::default(),
            taken: Mutex::default(),
            refused: Mutex::default(),
            answers: Mutex::default(),
            spurned: Mutex::default(),
        });
        let worker = Worker {
            name: name.into(),
            line: tokio::sync::watch::channel(Some(channel.clone() as Arc<dyn Channel>)).1,
            outbox: outbox.clone(),
            alerts: alerts.clone(),
            outcomes: Arc::new(Outcomes::default()),
            wake: Arc::default(),
            now_us,
            mood: Mood::default(),
        };
        made.insert(name.to_owned(), channel);
        workers.insert(name.to_owned(), worker);
    }
    Fixture { _folder: folder, state, alerts, incidents, outbox, follower, channels: made, workers }
}

impl Fixture {
    fn record(&self, alerts: &[Alert]) {
        self.state.write(|txn| AlertStore::record(txn, alerts, now_us())).unwrap();
    }

    fn advance(&self, span: Duration) {
        clock().fetch_add(span.as_micros() as i64, Ordering::SeqCst);
    }

    /// Follows until there is nothing more.
    fn follow(&self) {
        loop {
            if let Some(incidents) = &self.incidents {
                incidents.follow(&Context::default(), now_us()).unwrap();
            }
            if !self.follower.turn(now_us()).unwrap() {
                return;
            }
        }
    }

    /// Follows, and lets each channel send all that is due.
    async fn settle(&mut self) {
        self.follow();
        for worker in self.workers.values_mut() {
            while worker.step().await.unwrap().is_none() {}
        }
    }

    fn answers(&self, channel: &str, answers: &[Outcome]) {
        self.channels[channel].answers.lock().extend_from_slice(answers);
    }

    fn told(&self, channel: &str) -> Vec<Told> {
        self.channels[channel].told.lock().clone()
    }

    fn kinds(&self, channel: &str) -> Vec<NotificationKind> {
        self.told(channel).iter().map(|told| told.kind).collect()
    }
}

fn retry(after: Option<u64>) -> Outcome {
    Outcome::Retry { after: after.map(Duration::from_secs), reason: "busy".into() }
}
