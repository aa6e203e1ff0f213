//! Stormglass's own audit log: who did what to it.
//!
//! Nobody has to think of it: [`gate::record`] stands in front of every route and judges a request by its
//! method and path ([`routes`]). A change is announced durably before its handler runs and its outcome is
//! durable before the answer goes out; a change that cannot be announced is refused. Handlers may add what
//! only they know ([`tell`], [`Facts`]), and may write the outcome in the transaction of the change itself.
//!
//! What reads is written in groups, and what comes in floods (refused requests, reads of one kind, pushes of
//! records) is folded: the first at once, the rest as one entry with a count.

mod facts;
mod fold;
pub(crate) mod gate;
mod keeping;
mod query;
mod recorder;
mod routes;

pub(crate) use facts::{Facts, act_as, announce, tell};
pub(crate) use keeping::anchor;
pub(crate) use query::QueryRecord;
pub(crate) use recorder::Recorder;
