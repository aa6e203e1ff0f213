//! How a running query is stopped.
//!
//! DataFusion stops a query by dropping its streams, which a thread can do only between two polls, and
//! one poll of a join may take minutes. So every place where a query spends time asks [`Stop::check`]:
//! the edges between operators ([`watched`](crate::watched)) and the functions that loop
//! ([`metered`](crate::functions)).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use datafusion::common::config::{ConfigEntry, ConfigExtension, ExtensionOptions};
use datafusion::common::{DataFusionError, Result as DfResult, exec_err};
use tokio::sync::OwnedSemaphorePermit;

use crate::Error;

/// Says whether a query shall go on, and if not, why.
#[derive(Debug)]
pub(crate) struct Stop {
    stopped: AtomicBool,
    /// The first reason; the others follow from it.
    reason: Mutex<Option<Error>>,
    deadline: Instant,
    allowed: Duration,
}

impl Stop {
    pub(crate) fn after(allowed: Duration) -> Self {
        let now = Instant::now();
        // A time-out that the clock cannot reach is a year.
        let deadline = now.checked_add(allowed).unwrap_or(now + Duration::from_secs(365 * 86_400));
        Self { stopped: AtomicBool::new(false), reason: Mutex::new(None), deadline, allowed }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(crate) fn timeout(&self) -> Error {
        Error::Timeout { after: self.allowed }
    }

    /// An error as soon as the query shall not go on.
    pub(crate) fn check(&self) -> DfResult<()> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(stopped());
        }
        if Instant::now() >= self.deadline {
            return Err(self.stop(self.timeout()));
        }
        Ok(())
    }

    /// Stops the query; the first reason given counts. The error returned ends the operator that asked:
    /// DataFusion turns errors into text in places, so the reason itself is kept here.
    pub(crate) fn stop(&self, reason: Error) -> DataFusionError {
        let mut first = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.stopped.swap(true, Ordering::Relaxed) {
            *first = Some(reason);
        }
        stopped()
    }

    /// Why the query was stopped; `None` if it was not, or if the reason has been taken before.
    pub(crate) fn take_reason(&self) -> Option<Error> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn stopped() -> DataFusionError {
    DataFusionError::Execution("the query was stopped".to_owned())
}

/// What all parts of a running query hold: the way to stop it, and its place among the queries that may
/// run at once. The place is free when the last part is gone, not when the client is.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    stop: Arc<Stop>,
    _place: Arc<OwnedSemaphorePermit>,
}

impl Watch {
    pub(crate) fn new(stop: Arc<Stop>, place: OwnedSemaphorePermit) -> Self {
        Self { stop, _place: Arc::new(place) }
    }

    pub(crate) fn stop(&self) -> &Arc<Stop> {
        &self.stop
    }

    pub(crate) fn check(&self) -> DfResult<()> {
        self.stop.check()
    }
}

/// Functions get at the watch through the session's options: it is the only way that DataFusion has.
impl ConfigExtension for Watch {
    const PREFIX: &'static str = "stormglass";
}

impl ExtensionOptions for Watch {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn std::any::Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, _value: &str) -> DfResult<()> {
        exec_err!("there is no option `{key}`")
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_counts() {
        let stop = Stop::after(Duration::from_secs(3600));
        assert!(stop.check().is_ok());
        stop.stop(Error::Cancelled);
        stop.stop(stop.timeout());
        assert!(stop.check().is_err());
        assert!(matches!(stop.take_reason(), Some(Error::Cancelled)));
        assert!(stop.take_reason().is_none());
    }

    #[test]
    fn time_runs_out() {
        let stop = Stop::after(Duration::ZERO);
        assert!(stop.check().is_err());
        assert!(matches!(stop.take_reason(), Some(Error::Timeout { .. })));
        assert!(Stop::after(Duration::MAX).check().is_ok());
    }
}
