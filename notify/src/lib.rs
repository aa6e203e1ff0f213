//! Alerts that reach people.
//!
//! What happens to alerts is a feed ([`alerts::AlertStore::feed`]), written in the transaction of the change
//! itself. Routes turn it into deliveries, which are rows again; a [`Channel`] carries one delivery, and its
//! [`Outcome`] is written back. A crash repeats a delivery under the same key, never loses one.

pub mod channel;
mod notification;

pub use channel::{Channel, Delivery, Outcome};
pub use notification::{Notification, NotificationKind, Record};
