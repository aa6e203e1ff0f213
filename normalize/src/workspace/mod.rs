//! Google Workspace: activities of the Reports API of the Admin SDK.
//!
//! What Workspace writes into Cloud Audit Logs is mapped with those, in [`crate::gcp`].

pub(crate) mod activity;

mod fields;
mod report;
