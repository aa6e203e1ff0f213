//! Google Cloud.

pub(crate) mod audit;
