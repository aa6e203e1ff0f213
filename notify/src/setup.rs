//! Who is told what, and by what: all that can be exchanged while people are told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::{Channel, Links, Manner, Routing};

/// Channels, routes and rotas that go together: a route names no channel that is not there.
#[derive(Debug, Clone)]
pub struct Setup {
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
}

impl Setup {
    /// How each channel is read.
    pub(crate) fn manners(&self) -> BTreeMap<String, Manner> {
        self.channels.iter().map(|(name, channel)| (name.clone(), channel.manner())).collect()
    }
}
