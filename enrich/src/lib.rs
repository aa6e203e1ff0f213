//! What events tell about one another, beyond what one record says of itself.
//!
//! [`identity`] finds who is behind a role session, a service principal or a workload, across accounts and
//! clouds: [`links`](identity::links) takes the evidence out of a batch of events, an
//! [`IdentityGraph`](identity::IdentityGraph) holds it and answers, [`actor`](identity::actor) names who did
//! an event. [`place`] tells where an address is, from files that the operator gives.
//!
//! This crate is pure: no clock, no file, no socket, no thread. Its input is hostile: names of any length and
//! content become nodes of bounded length, JSON of any shape is read or ignored, and the graph has a limit.
//! Files of places are given as bytes, which are bounded and checked.

pub mod identity;
pub mod place;
