//! Fakes of cloud services that have no server of their own to test with, and the faults of all of them.
//!
//! A service is a file: a [`Fake`] with its routes, its state, and the limits that its documentation names.
//! Where the vendor has a machine-readable model (botocore's service models, Google's discovery documents),
//! a test holds the fake's answers to it. A [`Proxy`] in front, of a fake or of a real server, is the fault
//! layer. For tests alone: nothing here ships.

pub mod aws;
mod fake;
mod proxy;

pub use fake::Fake;
pub use proxy::{Fault, Proxy, Seen, answer};
