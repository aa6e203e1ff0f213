//! The engine: follows the feed, runs a worker a channel, keeps the outbox in bounds, and answers those who ask.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use alerts::AlertStore;
use alerts::incident::Incidents;
use parking_lot::Mutex;
use storage::state::{State, Watched};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::follow::{Follower, Patience, micros};
use crate::outbox::{ChannelQueue, Outbox};
use crate::preview::Preview;
use crate::worker::{Mood, Outcomes, Worker};
use crate::workers::Workers;
use crate::{Delivery, Error, Notification, Outcome, Result, Setup, trouble};

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
    /// Who is told what, and by what, to begin with.
    pub setup: Setup,
    /// The clock, microseconds since 1970.
    pub now_us: fn() -> i64,
}

/// Tells people what happens to alerts.
#[derive(Debug)]
pub struct Notifier {
    outbox: Outbox,
    alerts: AlertStore,
    incidents: Option<Incidents>,
    in_use: watch::Sender<Arc<InUse>>,
    patience: Arc<Mutex<Patience>>,
    outcomes: Arc<Outcomes>,
    workers: Arc<Workers>,
    now_us: fn() -> i64,
    stop: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
}

/// A setup, and the follower by it.
#[derive(Debug)]
pub(crate) struct InUse {
    setup: Setup,
    pub(crate) follower: Follower,
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
        let patience = Arc::<Mutex<Patience>>::default();
        let follower =
            follower(&outbox, &parts.alerts, parts.incidents.as_ref(), &parts.setup, patience.clone());
        let in_use = InUse { setup: parts.setup, follower };
        Ok(Self {
            outbox,
            alerts: parts.alerts,
            incidents: parts.incidents,
            in_use: watch::Sender::new(Arc::new(in_use)),
            patience,
            outcomes: Arc::default(),
            workers: Arc::default(),
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
        self.man(&self.in_use.borrow().setup, &mut tasks);
        let following = Following {
            in_use: self.in_use.subscribe(),
            news: News::of(&self.alerts, self.incidents.as_ref())?,
            workers: self.workers.clone(),
            now_us: self.now_us,
            stop: self.stop.subscribe(),
        };
        tasks.spawn(following.run());
        let upkeep =
            Upkeep { outbox: self.outbox.clone(), in_use: self.in_use.subscribe(), now_us: self.now_us };
        tasks.spawn(upkeep.run(self.stop.subscribe()));
        Ok(())
    }

    /// Puts another setup in the place of the one in use: an entry of the feeds is told by the one or the other. What
    /// is gathered, counted and waited for stays; what waits for a channel that is gone is dead, and a channel that
    /// was disabled is tried at once. Call it on a runtime; blocks.
    ///
    /// # Errors
    /// The database refuses; the old setup is in use then.
    pub fn exchange(&self, setup: Setup) -> Result<()> {
        let mut tasks = self.tasks.lock();
        self.outbox.probe_all()?;
        let follower =
            follower(&self.outbox, &self.alerts, self.incidents.as_ref(), &setup, self.patience.clone());
        // Not started, or stopped: then there is nobody to send.
        if !tasks.is_empty() {
            self.man(&setup, &mut tasks);
        }
        self.in_use.send_replace(Arc::new(InUse { setup, follower }));
        self.workers.look();
        Ok(())
    }

    /// Gives each channel a worker.
    fn man(&self, setup: &Setup, tasks: &mut JoinSet<()>) {
        self.workers.exchange(&setup.channels, |name, line, wake| {
            let worker = Worker {
                name: name.to_owned(),
                line,
                outbox: self.outbox.clone(),
                alerts: self.alerts.clone(),
                outcomes: self.outcomes.clone(),
                wake,
                now_us: self.now_us,
                mood: Mood::default(),
            };
            tasks.spawn(worker.run(self.stop.subscribe()));
        });
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

    /// The setup in use.
    pub(crate) fn in_use(&self) -> Arc<InUse> {
        self.in_use.borrow().clone()
    }

    /// How many channels there are.
    pub fn channels(&self) -> usize {
        self.in_use().setup.channels.len()
    }

    /// How each channel is doing: name, kind, queue.
    ///
    /// # Errors
    /// The database refuses.
    pub fn queues(&self) -> Result<Vec<(String, &'static str, ChannelQueue)>> {
        let in_use = self.in_use();
        let queue = |(name, channel): (&String, &Arc<dyn crate::Channel>)| {
            Ok((name.clone(), channel.kind(), self.outbox.queue(name)?))
        };
        in_use.setup.channels.iter().map(queue).collect()
    }

    /// Sends a dead delivery again, under its old key, with all attempts before it.
    ///
    /// # Errors
    /// [`Error::DeliveryUnknown`], [`Error::ChannelUnknown`] where its channel is gone, or the database refuses.
    pub fn resend(&self, id: i64) -> Result<()> {
        let name = self.outbox.channel_of(id)?;
        if !self.in_use().setup.channels.contains_key(&name) {
            return Err(Error::ChannelUnknown { name });
        }
        self.outbox.resend(id, (self.now_us)())?;
        self.workers.look();
        Ok(())
    }

    /// Sends all dead deliveries again, of one channel or of all that there are; returns how many.
    ///
    /// # Errors
    /// [`Error::ChannelUnknown`], or the database refuses.
    pub fn resend_all(&self, channel: Option<&str>) -> Result<usize> {
        let in_use = self.in_use();
        let names: Vec<&str> = match channel {
            Some(name) if !in_use.setup.channels.contains_key(name) => {
                return Err(Error::ChannelUnknown { name: name.to_owned() });
            }
            Some(name) => vec![name],
            None => in_use.setup.channels.keys().map(String::as_str).collect(),
        };
        let mut resent = 0;
        for name in names {
            resent += self.outbox.resend_all(Some(name), (self.now_us)())?;
        }
        self.workers.look();
        Ok(resent)
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
        self.workers.look();
    }

    /// Sends a test by a channel, past the outbox and its bounds, as `by`. A channel that was disabled and
    /// delivers is enabled again.
    ///
    /// # Errors
    /// [`Error::ChannelUnknown`], or the database refuses.
    pub async fn test(&self, name: &str, by: &str) -> Result<Outcome> {
        let unknown = || Error::ChannelUnknown { name: name.to_owned() };
        let channel = self.in_use().setup.channels.get(name).cloned().ok_or_else(unknown)?;
        let now_us = (self.now_us)();
        let notification = Notification::test(name, by, now_us);
        let key = crate::outbox::key(&["test", name, &now_us.to_string()]);
        let delivery =
            Delivery { key: &key, notification: &notification, remembered: None, attempt: 1, now_us };
        let outcome = channel.send(delivery).await;
        if matches!(outcome, Outcome::Delivered { .. }) {
            let (outbox, alerts, named) = (self.outbox.clone(), self.alerts.clone(), name.to_owned());
            let over = tokio::task::spawn_blocking(move || {
                trouble::over(&outbox, &alerts, &named, trouble::DELIVERS, now_us)?;
                outbox.bring_forward(&named, now_us)
            });
            over.await.map_err(|panic| Error::Worker { reason: panic.to_string() })??;
            self.workers.is_well(name);
        }
        Ok(outcome)
    }

    /// What would be told of an alert or incident if it were raised now.
    ///
    /// # Errors
    /// There is neither of this id, or the database refuses.
    pub fn preview(&self, id: &str) -> Result<Preview> {
        self.in_use().follower.preview(id, (self.now_us)())
    }
}

fn follower(
    outbox: &Outbox,
    alerts: &AlertStore,
    incidents: Option<&Incidents>,
    setup: &Setup,
    patience: Arc<Mutex<Patience>>,
) -> Follower {
    Follower {
        outbox: outbox.clone(),
        alerts: alerts.clone(),
        incidents: incidents.cloned(),
        routing: setup.routing.clone(),
        channels: setup.manners(),
        links: setup.links.clone(),
        patience,
    }
}

/// What follows the feeds, by whatever setup is in use.
#[derive(Debug)]
struct Following {
    in_use: watch::Receiver<Arc<InUse>>,
    news: News,
    workers: Arc<Workers>,
    now_us: fn() -> i64,
    stop: watch::Receiver<bool>,
}

/// What a follower waits for: something happens to alerts or incidents, or incidents have looked at alerts.
#[derive(Debug)]
struct News {
    alerts: Watched,
    incidents: Option<(Watched, Watched)>,
}

impl News {
    fn of(alerts: &AlertStore, incidents: Option<&Incidents>) -> Result<Self> {
        let of_incidents =
            |incidents: &Incidents| Ok::<_, Error>((incidents.watch_feed()?, incidents.watch_position()?));
        Ok(Self { alerts: alerts.watch_feed()?, incidents: incidents.map(of_incidents).transpose()? })
    }

    fn mark_known(&mut self) {
        self.alerts.mark_known();
        if let Some((feed, position)) = &mut self.incidents {
            feed.mark_known();
            position.mark_known();
        }
    }

    /// Waits until there is something new.
    async fn changed(&mut self) {
        let Some((feed, position)) = &mut self.incidents else { return self.alerts.changed().await };
        tokio::select! {
            () = self.alerts.changed() => {}
            () = feed.changed() => {}
            () = position.changed() => {}
        }
    }
}

impl Following {
    async fn run(mut self) {
        // At the start, too: channels may have gone while nobody ran.
        self.in_use.mark_changed();
        while !*self.stop.borrow() {
            self.news.mark_known();
            let is_new = self.in_use.has_changed().unwrap_or(false);
            let (in_use, now_us) = (self.in_use.borrow_and_update().clone(), (self.now_us)());
            let latest = self.in_use.clone();
            let turned = tokio::task::spawn_blocking(move || {
                if is_new {
                    in_use.leave_gone(&latest, now_us)?;
                }
                in_use.follower.turn(now_us)
            });
            let wait = match turned.await {
                Ok(Ok(true)) => {
                    self.workers.look();
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
                () = self.news.changed() => {}
                changed = self.in_use.changed() => match changed {
                    // The next round sees it.
                    Ok(()) => self.in_use.mark_changed(),
                    Err(_) => return,
                },
                changed = self.stop.changed() => if changed.is_err() { return },
            }
        }
    }
}

impl InUse {
    /// What waits for channels that are gone is dead, and none of them fails any more.
    fn leave_gone(&self, latest: &watch::Receiver<Arc<Self>>, now_us: i64) -> Result<()> {
        let is_there = |channel: &str| latest.borrow().setup.channels.contains_key(channel);
        let (outbox, alerts) = (&self.follower.outbox, &self.follower.alerts);
        outbox.bury_gone(&is_there, now_us)?;
        for channel in outbox.failing_and_gone(&is_there)? {
            trouble::over(
                outbox,
                alerts,
                &channel,
                "the channel is not in the configuration any more",
                now_us,
            )?;
        }
        Ok(())
    }
}

/// What keeps the outbox in bounds.
#[derive(Debug, Clone)]
struct Upkeep {
    outbox: Outbox,
    in_use: watch::Receiver<Arc<InUse>>,
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
        let (now_us, in_use) = ((self.now_us)(), self.in_use.borrow().clone());
        let setup = &in_use.setup;
        let before_us = now_us.saturating_sub(micros(setup.keep));
        in_use.leave_gone(&self.in_use, now_us)?;
        for channel in setup.channels.keys() {
            self.outbox.bury_beyond(channel, MAX_WAITING, now_us)?;
        }
        self.outbox.forget(before_us, now_us)?;
        self.outbox.keep_newest(setup.keep_rows)?;
        self.outbox.keep_newest_told(setup.keep_rows)?;
        Ok(())
    }
}
