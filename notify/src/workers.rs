//! The workers of all channels, by name.
//!
//! A worker lives as long as the process: where its channel is gone it rests, and goes on where the channel comes
//! back. So there is never a second one that sends what the first is still sending.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::Channel;
use crate::worker::Wake;

/// What a worker sends by; `None`: its channel is gone.
pub(crate) type Line = Option<Arc<dyn Channel>>;

/// How workers are reached.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    by_channel: Mutex<BTreeMap<String, Reach>>,
}

#[derive(Debug)]
struct Reach {
    line: watch::Sender<Line>,
    wake: Arc<Wake>,
}

impl Workers {
    /// Each worker sends by the channel of its name from its next delivery on; `start` is called for each channel
    /// that has no worker yet.
    pub(crate) fn exchange(
        &self,
        channels: &BTreeMap<String, Arc<dyn Channel>>,
        mut start: impl FnMut(&str, watch::Receiver<Line>, Arc<Wake>),
    ) {
        let mut workers = self.by_channel.lock();
        for (name, reach) in workers.iter() {
            reach.line.send_replace(channels.get(name).cloned());
        }
        for (name, channel) in channels {
            if workers.contains_key(name) {
                continue;
            }
            let (line, lines) = watch::channel(Some(channel.clone()));
            let wake = Arc::<Wake>::default();
            start(name, lines, wake.clone());
            workers.insert(name.clone(), Reach { line, wake });
        }
    }

    /// There may be something to send.
    pub(crate) fn look(&self) {
        for reach in self.by_channel.lock().values() {
            reach.wake.look();
        }
    }

    /// A channel was tried by somebody and works.
    pub(crate) fn is_well(&self, channel: &str) {
        if let Some(reach) = self.by_channel.lock().get(channel) {
            reach.wake.is_well();
        }
    }
}
