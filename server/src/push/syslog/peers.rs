//! How many messages each address may send.

use std::net::IpAddr;
use std::time::Instant;

use crate::auth::RateLimit;

/// A rate for each address.
#[derive(Debug)]
pub(super) struct Peers(RateLimit);

impl Peers {
    /// One of `per_second` messages for each address.
    pub(super) fn new(per_second: u32) -> Self {
        Self(RateLimit::new(per_second))
    }

    /// Whether a message from `address` is within its rate.
    pub(super) fn admit(&self, address: IpAddr) -> bool {
        self.0.admit(&address.to_string(), Instant::now()).is_ok()
    }
}
