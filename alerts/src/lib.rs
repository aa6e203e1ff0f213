//! Alerts: what a rule's match becomes, how it lives, where it is kept.
//!
//! An [`Alert`]'s id is a function of its rule and its events, so the same events raise the same
//! alert after a crash, a replay or a second delivery, and recording it again changes nothing. It
//! carries its evidence with it: the raw records, so that it can be judged when the table is gone.
//!
//! [`lifecycle`] is pure; [`AlertStore`] writes through [`storage::state::Txn`], in the same
//! transaction as the position of the log that the alert was found at.

mod alert;
mod amend;
pub mod bundle;
mod error;
mod feed;
pub mod incident;
pub mod lifecycle;
mod page;
pub mod risk;
mod store;
#[cfg(test)]
mod tests;

pub use alert::{Alert, AlertId, EVIDENCE, Entity, EntityKind, Evidence, Joined, RAW_RECORDS, RuleRef};
pub use error::{Error, Result};
pub use feed::FeedEntry;
pub use lifecycle::{AlertStatus, Change, Verdict};
pub use page::{AlertFilter, AlertPage, Cursor};
pub use store::{AlertChange, AlertStore, MAX_LIMIT, StoredAlert, state_table};
