//! Services that people sign in to: the address by which each knows a person.

use event::{Col, EventBatch};

use super::labels::Labels;
use super::sightings::What;
use super::{Found, succeeded};
use crate::identity::IdentityConfig;

pub(super) struct Evidence<'b> {
    batch: &'b EventBatch,
    config: &'b IdentityConfig,
    is_trusted: Labels<'b, bool>,
}

impl<'b> Evidence<'b> {
    pub(super) fn new(batch: &'b EventBatch, config: &'b IdentityConfig) -> Self {
        Self { batch, config, is_trusted: Labels::new(batch, Col::ActorUserEmailAddr) }
    }

    /// Whoever fails to sign in only claims the address.
    pub(super) fn look(&mut self, row: usize, found: &mut Found<'_>) {
        let Self { batch, config, .. } = *self;
        if !config.mail_domains.is_empty()
            && self.is_trusted.of(row, |address| config.trusts_address(address)) == Some(true)
            && succeeded(batch, row)
        {
            found.sightings.see(batch, row, What::ServiceMail);
        }
    }
}
