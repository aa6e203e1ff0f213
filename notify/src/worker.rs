//! The worker of one channel: what is due is sent, one after the other, and what became of it is written down.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alerts::AlertStore;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::follow::micros;
use crate::outbox::{DISABLED_PROBE_US, Next, Outbox, Waiting};
use crate::schedule::delay;
use crate::subject::bounded;
use crate::trouble::{self, Times};
use crate::workers::Line;
use crate::{Channel, Delivery, Error, Outcome, Result};

/// A channel ends by itself within 30 seconds; one that does not is left alone.
const PATIENCE: Duration = Duration::from_secs(35);

/// The worker looks at the outbox at least so often.
const LOOK: Duration = Duration::from_secs(30);

/// How long is waited when the database refuses.
const BREATH: Duration = Duration::from_secs(2);

/// So many failures in a row, and the channel is asked less often.
const STREAK: u32 = 3;

/// The longest pause between two attempts of a channel that fails.
const MAX_PAUSE_S: u64 = 60;

/// The most bytes of a reason that are kept.
const REASON_BYTES: usize = 500;

/// How many attempts had which outcome, by channel.
#[derive(Debug, Default)]
pub(crate) struct Outcomes(Mutex<BTreeMap<(String, &'static str), u64>>);

impl Outcomes {
    fn add(&self, channel: &str, outcome: &'static str) {
        *self.0.lock().entry((channel.to_owned(), outcome)).or_default() += 1;
    }

    pub(crate) fn read(&self) -> BTreeMap<(String, &'static str), u64> {
        self.0.lock().clone()
    }
}

/// What sends to a channel.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) name: String,
    pub(crate) line: watch::Receiver<Line>,
    pub(crate) outbox: Outbox,
    pub(crate) alerts: AlertStore,
    pub(crate) outcomes: Arc<Outcomes>,
    /// There may be something new.
    pub(crate) wake: Arc<Wake>,
    pub(crate) now_us: fn() -> i64,
    pub(crate) mood: Mood,
}

/// Wakes a worker.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    change: Notify,
    is_well: AtomicBool,
}

impl Wake {
    /// There may be something to send.
    pub(crate) fn look(&self) {
        self.change.notify_one();
    }

    /// The channel was tried by somebody and works: a pause is over.
    pub(crate) fn is_well(&self) {
        self.is_well.store(true, Ordering::Relaxed);
        self.change.notify_one();
    }
}

/// How the channel has answered lately.
#[derive(Debug, Default)]
pub(crate) struct Mood {
    /// Failures in a row.
    streak: u32,
    /// When the first of them was.
    since_us: i64,
    /// Nothing is sent before.
    pause_until_us: i64,
}

impl Worker {
    /// Sends until `stop` turns true; what is being sent then is sent to its end.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            // Another channel of the same name may be a mended one.
            let is_new = self.line.has_changed().unwrap_or(false);
            self.line.mark_unchanged();
            if self.wake.is_well.swap(false, Ordering::Relaxed) || is_new {
                self.mood = Mood::default();
            }
            // What the old one was still sending may have disabled it since.
            if is_new {
                let name = self.name.clone();
                if let Err(error) = self.blocking(move |outbox, _| outbox.probe(&name)).await {
                    tracing::warn!(channel = self.name, %error, "a channel that is new is not tried at once");
                }
            }
            let wait = match self.step().await {
                Ok(None) => continue,
                Ok(Some(wait)) => wait,
                Err(error) => {
                    tracing::error!(channel = self.name, %error, "the outbox cannot be worked on");
                    BREATH
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.wake.change.notified() => {}
                changed = self.line.changed() => match changed {
                    // The next round sees it.
                    Ok(()) => self.line.mark_changed(),
                    Err(_) => return,
                },
                changed = stop.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Sends what is due; else how long nothing will be.
    pub(crate) async fn step(&mut self) -> Result<Option<Duration>> {
        let now_us = (self.now_us)();
        let Some(channel) = self.line.borrow().clone() else { return Ok(Some(LOOK)) };
        if self.mood.pause_until_us > now_us {
            return Ok(Some(until(self.mood.pause_until_us, now_us)));
        }
        let name = self.name.clone();
        let (failing, next) = self
            .blocking(move |outbox, _| {
                let failing = outbox.failing(&name)?;
                Ok((failing, outbox.next(&name, now_us)?))
            })
            .await?;
        let probe_us = failing.and_then(|failing| failing.probe_us).filter(|probe_us| *probe_us > now_us);
        match (next, probe_us) {
            (_, Some(probe_us)) => Ok(Some(until(probe_us, now_us))),
            (Next::Due(waiting), None) => self.attempt(&channel, *waiting).await.map(|()| None),
            (Next::At(next_us), None) => Ok(Some(until(next_us, now_us))),
            (Next::Nothing, None) => Ok(Some(LOOK)),
        }
    }

    async fn attempt(&mut self, channel: &Arc<dyn Channel>, waiting: Waiting) -> Result<()> {
        let made = waiting.attempts + 1;
        let outcome = self.send(channel, &waiting).await;
        let now_us = (self.now_us)();
        let (name, key) = (self.name.clone(), waiting.key.clone());
        match outcome {
            Outcome::Delivered { remember } => {
                self.outcomes.add(&self.name, "delivered");
                let was_failing = self.mood.streak >= STREAK;
                self.mood = Mood::default();
                self.blocking(move |outbox, alerts| {
                    outbox.delivered(&name, &waiting, remember.as_deref(), now_us)?;
                    if trouble::over(outbox, alerts, &name, trouble::DELIVERS, now_us)? || was_failing {
                        outbox.bring_forward(&name, now_us)?;
                    }
                    Ok(())
                })
                .await
            }
            Outcome::Retry { after, reason } => {
                self.outcomes.add(&self.name, "retry");
                let reason = bounded(&reason, REASON_BYTES);
                tracing::warn!(channel = self.name, key, attempt = made, reason, "a delivery failed");
                // One that was called is often one that the channel will not take: that says nothing of others.
                if waiting.planned_us.is_some_and(|planned_us| planned_us > now_us) {
                    // Who asks for a pause takes the others after it.
                    let are_others_called = after.is_some();
                    self.mood.rest(after.unwrap_or_default(), now_us);
                    let put_back = move |outbox: &Outbox, _: &AlertStore| {
                        outbox.put_back(&name, waiting.id, &reason, are_others_called, now_us)
                    };
                    return self.blocking(put_back).await;
                }
                self.mood.failed(after, now_us);
                let (streak, since_us) = (self.mood.streak, self.mood.since_us);
                let next = delay(made, &key, after);
                if next.is_none() {
                    self.outcomes.add(&self.name, "dead");
                }
                self.blocking(move |outbox, _| {
                    match next {
                        Some(wait) => {
                            let next_us = now_us.saturating_add(micros(wait));
                            outbox.put_off(waiting.id, made, &reason, next_us, now_us)?;
                        }
                        None => outbox.bury(waiting.id, made, &reason, now_us)?,
                    }
                    if streak < STREAK && next.is_some() {
                        return Ok(());
                    }
                    let times = Times { since_us, probe_us: None, now_us };
                    trouble::note(outbox, &name, &reason, times, next.is_none())
                })
                .await
            }
            Outcome::Refused { reason } => {
                self.outcomes.add(&self.name, "refused");
                let reason = bounded(&reason, REASON_BYTES);
                tracing::warn!(channel = self.name, key, reason, "a delivery is refused for good");
                self.blocking(move |outbox, _| outbox.bury(waiting.id, made, &reason, now_us)).await
            }
            Outcome::Disabled { reason } => {
                self.outcomes.add(&self.name, "disabled");
                let reason = bounded(&reason, REASON_BYTES);
                tracing::error!(channel = self.name, reason, "the channel is disabled until it is mended");
                self.blocking(move |outbox, _| {
                    // It is not the delivery's fault: the attempt does not count.
                    outbox.put_off(waiting.id, waiting.attempts, &reason, now_us, now_us)?;
                    let probe_us = Some(now_us.saturating_add(DISABLED_PROBE_US));
                    trouble::note(outbox, &name, &reason, Times { since_us: now_us, probe_us, now_us }, true)
                })
                .await
            }
        }
    }

    /// One attempt. A channel that panics or does not end spoils its delivery alone.
    async fn send(&self, channel: &Arc<dyn Channel>, waiting: &Waiting) -> Outcome {
        let Some(notification) = waiting.notification.clone() else {
            return Outcome::Refused { reason: "its row in the outbox is damaged".into() };
        };
        let (channel, key, remembered) = (channel.clone(), waiting.key.clone(), waiting.remembered.clone());
        let (attempt, now_us) = (waiting.attempts + 1, (self.now_us)());
        let sending = tokio::spawn(async move {
            let remembered = remembered.as_deref();
            let delivery = Delivery { key: &key, notification: &notification, remembered, attempt, now_us };
            tokio::time::timeout(PATIENCE, channel.send(delivery)).await
        });
        match sending.await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Outcome::Retry {
                after: None,
                reason: format!("it did not end within {} s", PATIENCE.as_secs()),
            },
            Err(_) => {
                Outcome::Refused { reason: "the channel panicked; this is a bug, please report it".into() }
            }
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Outbox, &AlertStore) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (outbox, alerts) = (self.outbox.clone(), self.alerts.clone());
        let done = tokio::task::spawn_blocking(move || work(&outbox, &alerts)).await;
        done.unwrap_or_else(|panic| Err(Error::Worker { reason: panic.to_string() }))
    }
}

impl Mood {
    fn failed(&mut self, after: Option<Duration>, now_us: i64) {
        if self.streak == 0 {
            self.since_us = now_us;
        }
        self.streak = self.streak.saturating_add(1);
        let backoff = match self.streak.checked_sub(STREAK) {
            Some(more) => 1_u64.checked_shl(more).unwrap_or(MAX_PAUSE_S).min(MAX_PAUSE_S),
            None => 0,
        };
        self.rest(Duration::from_secs(backoff).max(after.unwrap_or_default()), now_us);
    }

    /// Who asks for a pause asks for all that would come.
    fn rest(&mut self, pause: Duration, now_us: i64) {
        self.pause_until_us = now_us.saturating_add(micros(pause.min(MAX_THROTTLE)));
    }
}

/// The longest that a service can keep a whole channel silent.
const MAX_THROTTLE: Duration = Duration::from_secs(15 * 60);

fn until(then_us: i64, now_us: i64) -> Duration {
    let wait = u64::try_from(then_us.saturating_sub(now_us)).unwrap_or(0);
    Duration::from_micros(wait).clamp(Duration::from_millis(1), LOOK)
}
