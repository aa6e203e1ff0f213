//! Okta: the System Log of an organisation.

pub(crate) mod system;

mod event_type;
mod fields;
