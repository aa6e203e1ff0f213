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
mod bulk;
pub mod bundle;
mod edit;
mod error;
mod feed;
mod group;
mod heir;
mod history;
mod hunted;
pub mod incident;
pub mod lifecycle;
mod noise;
mod page;
mod raw_field;
pub mod risk;
mod row;
mod schema;
pub mod silence;
mod sql;
mod store;
#[cfg(test)]
mod tests;
mod trim;
mod version;

pub use alert::{Alert, AlertId, EVIDENCE, Entity, EntityKind, Evidence, Joined, RAW_RECORDS, RuleRef};
pub use bulk::{BULK, BulkOutcome, Selection, Unchanged};
pub use edit::{Edit, Edited, Expected, Overwritten};
pub use error::{Error, Result};
pub use feed::FeedEntry;
pub use group::{GROUP_EVIDENCE, GROUP_MATCHES};
pub use history::{AlertChange, HISTORY};
pub use lifecycle::{AlertStatus, Change, Field, Standing, Verdict};
pub use noise::RuleNoise;
pub use page::{AlertFilter, AlertPage, Cursor};
pub use sql::state_tables;
pub use store::{AlertStore, MAX_LIMIT, StoredAlert};
pub use trim::{Kept, TRIMMED_AT_ONCE};
pub use version::{AlertVersion, VERSION_EVENTS, VERSIONS};
