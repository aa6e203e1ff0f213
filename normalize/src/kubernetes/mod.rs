//! Kubernetes: the audit log of a cluster's API server.

pub(crate) mod audit;

mod fields;
mod user;
