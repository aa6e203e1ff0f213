//! The engine: follows the feed, runs a worker a channel, keeps the outbox in bounds, and answers those who ask.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use alerts::AlertStore;
use alerts::incident::Incidents;
use parking_lot::Mutex;
use storage::state::State;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::follow::{Follower, Links, micros};
use crate::outbox::{ChannelQueue, Outbox};
use crate::preview::Preview;
use crate::route::Routing;
use crate::worker::{Mood, Outcomes, Wake, Worker};
use crate::{Channel, Delivery, Error, Manner, Notification, Outcome, Result, trouble};

/// How often is looked at what becomes due by the clock alone.
const LOOK: Duration = Duration::from_millis(50);

/// How long is waited when the database refuses.
const BREATH: Duration = Duration::from_secs(2);

/// How often old rows are forgotten.
const UPKEEP: Duration = Duration::from_secs(60);

/// The most deliveries that wait for one channel; the oldest beyond are dead.
const MAX_WAITING: u64 = 20_000;

/// What the engine works on.
#[derive(Debug)]
pub struct NotifierParts {
    /// The database.
    pub state: State,
    /// The alerts.
    pub alerts: AlertStore,
    /// The incidents that alerts are told with; `None`: each is told by itself.
    pub incidents: Option<Incidents>,
    /// The channels by name.
    pub channels: BTreeMap<String, Arc<dyn Channel>>,
    /// Who is told what.
    pub routing: Routing,
    /// Where a person reads more.
    pub links: Links,
    /// How long deliveries are kept.
    pub keep: Duration,
    /// The most settled deliveries that are kept.
    pub keep_rows: u64,
    /// The clock, microseconds since 1970.
    pub now_us: fn() -> i64,
}

/// Tells people what happens to alerts.
#[derive(Debug)]
pub struct Notifier {
    outbox: Outbox,
    alerts: AlertStore,
    channels: BTreeMap<String, Arc<dyn Channel>>,
    follower: Arc<Follower>,
    outcomes: Arc<Outcomes>,
    /// There may be something new in the feeds.
    wakes: BTreeMap<String, Arc<Wake>>,
    keep: Duration,
    keep_rows: u64,
    now_us: fn() -> i64,
    stop: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
}

impl Notifier {
    /// Opens the outbox. What happened to alerts before it was first opened is not told.
    ///
    /// # Errors
    /// The state cannot be written, or was written by a newer version.
    pub fn open(parts: NotifierParts) -> Result<Self> {
        let outbox = Outbox::open(parts.state)?;
        if outbox.position()?.is_none() {
            let end = parts.alerts.feed_end()?;
            outbox.state().write(|txn| Outbox::set_position(txn, end))?;
        }
        if let (Some(incidents), None) = (&parts.incidents, outbox.incident_position()?) {
            let end = incidents.feed_end()?;
            outbox.state().write(|txn| Outbox::set_incident_position(txn, end))?;
        }
        let follower = Follower {
            outbox: outbox.clone(),
            alerts: parts.alerts.clone(),
            incidents: parts.incidents,
            routing: parts.routing,
            channels: manners(&parts.channels),
            links: parts.links,
            patience: Mutex::default(),
        };
        Ok(Self {
            outbox,
            alerts: parts.alerts,
            wakes: parts.channels.keys().map(|name| (name.clone(), Arc::default())).collect(),
            channels: parts.channels,
            follower: Arc::new(follower),
            outcomes: Arc::default(),
            keep: parts.keep,
            keep_rows: parts.keep_rows,
            now_us: parts.now_us,
            stop: watch::Sender::new(false),
            tasks: Mutex::default(),
        })
    }

    /// Starts to follow and to send. Call it on a runtime, once.
    ///
    /// # Errors
    /// The database refuses.
    pub fn start(&self) -> Result<()> {
        self.outbox.probe_all()?;
        let mut tasks = self.tasks.lock();
        for (name, channel) in &self.channels {
            let worker = Worker {
                name: name.clone(),
                channel: channel.clone(),
                outbox: self.outbox.clone(),
                alerts: self.alerts.clone(),
                outcomes: self.outcomes.clone(),
                wake: self.wakes.get(name).cloned().unwrap_or_default(),
                now_us: self.now_us,
                mood: Mood::default(),
            };
            tasks.spawn(worker.run(self.stop.subscribe()));
        }
        let wakes = self.wakes.values().cloned().collect();
        let commits = self.outbox.state().commits();
        tasks.spawn(follow(self.follower.clone(), commits, wakes, self.now_us, self.stop.subscribe()));
        let upkeep = Upkeep {
            outbox: self.outbox.clone(),
            channels: self.channels.keys().cloned().collect(),
            keep_us: micros(self.keep),
            keep_rows: self.keep_rows,
            now_us: self.now_us,
        };
        tasks.spawn(upkeep.run(self.stop.subscribe()));
        Ok(())
    }

    /// Stops: what is being sent is sent to its end, for `grace` at most; the rest waits in the outbox.
    pub async fn stop(&self, grace: Duration) {
        self.stop.send_replace(true);
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        let ended = tokio::time::timeout(grace, async { while tasks.join_next().await.is_some() {} }).await;
        if ended.is_err() {
            tracing::warn!("some deliveries did not end and are sent again at the next start");
        }
    }

    /// What is to be told and what was.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The channels, by name, and what kind each is.
    pub fn channels(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.channels.iter().map(|(name, channel)| (name.as_str(), channel.kind()))
    }

    /// How each channel is doing.
    ///
    /// # Errors
    /// The database refuses.
    pub fn queues(&self) -> Result<Vec<(String, ChannelQueue)>> {
        self.channels.keys().map(|name| Ok((name.clone(), self.outbox.queue(name)?))).collect()
    }

    /// How many attempts since the start had which outcome (`delivered`, `retry`, `refused`, `dead`,
    /// `disabled`), by channel.
    pub fn outcomes(&self) -> BTreeMap<(String, &'static str), u64> {
        self.outcomes.read()
    }

    /// The incident that a thread of a channel is about, if it is about one: services name threads when they
    /// call back.
    ///
    /// # Errors
    /// The database refuses.
    pub fn incident_in_thread(&self, channel: &str, thread: &str) -> Result<Option<String>> {
        self.outbox.state().read(|db| Outbox::incident_in(db, channel, thread))
    }

    /// Workers look at the outbox: something in it has changed.
    pub fn wake(&self) {
        for wake in self.wakes.values() {
            wake.look();
        }
    }

    /// Sends a test by a channel, past the outbox and its bounds, as `by`. A channel that was disabled and
    /// delivers is enabled again.
    ///
    /// # Errors
    /// [`Error::ChannelUnknown`], or the database refuses.
    pub async fn test(&self, name: &str, by: &str) -> Result<Outcome> {
        let unknown = || Error::ChannelUnknown { name: name.to_owned() };
        let channel = self.channels.get(name).ok_or_else(unknown)?;
        let now_us = (self.now_us)();
        let notification = Notification::test(name, by, now_us);
        let key = crate::outbox::key(&["test", name, &now_us.to_string()]);
        let delivery =
            Delivery { key: &key, notification: &notification, remembered: None, attempt: 1, now_us };
        let outcome = channel.send(delivery).await;
        if matches!(outcome, Outcome::Delivered { .. }) {
            let (outbox, alerts, named) = (self.outbox.clone(), self.alerts.clone(), name.to_owned());
            let over = tokio::task::spawn_blocking(move || {
                trouble::over(&outbox, &alerts, &named, now_us)?;
                outbox.bring_forward(&named, now_us)
            });
            over.await.map_err(|panic| Error::Worker { reason: panic.to_string() })??;
            if let Some(wake) = self.wakes.get(name) {
                wake.is_well();
            }
        }
        Ok(outcome)
    }

    /// What would be told of an alert or incident if it were raised now.
    ///
    /// # Errors
    /// There is neither of this id, or the database refuses.
    pub fn preview(&self, id: &str) -> Result<Preview> {
        self.follower.preview(id, (self.now_us)())
    }
}

fn manners(channels: &BTreeMap<String, Arc<dyn Channel>>) -> BTreeMap<String, Manner> {
    channels.iter().map(|(name, channel)| (name.clone(), channel.manner())).collect()
}

async fn follow(
    follower: Arc<Follower>,
    mut commits: watch::Receiver<u64>,
    wakes: Vec<Arc<Wake>>,
    now_us: fn() -> i64,
    mut stop: watch::Receiver<bool>,
) {
    while !*stop.borrow() {
        commits.mark_unchanged();
        let turning = follower.clone();
        let turned = tokio::task::spawn_blocking(move || turning.turn(now_us())).await;
        let wait = match turned {
            Ok(Ok(true)) => {
                for wake in &wakes {
                    wake.look();
                }
                continue;
            }
            Ok(Ok(false)) => LOOK,
            Ok(Err(error)) => {
                tracing::error!(%error, "what happens to alerts cannot be followed; it is tried again");
                BREATH
            }
            Err(panic) => {
                tracing::error!(%panic, "following alerts panicked; this is a bug, please report it");
                BREATH
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            // What happens to alerts and incidents is committed.
            _ = commits.changed() => {}
            changed = stop.changed() => if changed.is_err() { return },
        }
    }
}

/// What keeps the outbox in bounds.
#[derive(Debug, Clone)]
struct Upkeep {
    outbox: Outbox,
    channels: Vec<String>,
    keep_us: i64,
    keep_rows: u64,
    now_us: fn() -> i64,
}

impl Upkeep {
    async fn run(self, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(UPKEEP) => {}
                changed = stop.changed() => if changed.is_err() || *stop.borrow() { return },
            }
            let upkeep = self.clone();
            match tokio::task::spawn_blocking(move || upkeep.once()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the upkeep of the outbox is put off"),
                Err(panic) => tracing::error!(%panic, "the upkeep of the outbox panicked"),
            }
        }
    }

    fn once(&self) -> Result<()> {
        let now_us = (self.now_us)();
        let before_us = now_us.saturating_sub(self.keep_us);
        for channel in &self.channels {
            self.outbox.bury_beyond(channel, MAX_WAITING, now_us)?;
        }
        self.outbox.forget(before_us, now_us)?;
        self.outbox.keep_newest(self.keep_rows)?;
        self.outbox.keep_newest_told(self.keep_rows)?;
        Ok(())
    }
}
