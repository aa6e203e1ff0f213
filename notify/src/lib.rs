//! Alerts that reach people.
//!
//! What happens to alerts is a feed ([`alerts::AlertStore::feed`]), written in the transaction of the change
//! itself. Routes ([`Routing`]) turn it into deliveries, which are rows again ([`Outbox`]); a [`Channel`]
//! carries one delivery, and its [`Outcome`] is written back. A crash repeats a delivery under the same key,
//! never loses one.
//!
//! [`Notifier`] runs it all: one task follows the feed, and each channel has a worker of its own, so that one
//! that is dead delays no other.

pub mod channel;
mod error;
mod find;
mod follow;
mod hours;
mod incident;
mod notification;
mod notifier;
mod outbox;
mod preview;
mod rota;
mod route;
mod schedule;
mod setup;
mod standing;
mod subject;
#[cfg(test)]
mod tests;
mod trouble;
mod worker;
mod workers;

pub use channel::{Channel, Delivery, Manner, Outcome};
pub use chrono_tz::Tz as TimeZone;
pub use error::{Error, Result};
pub use follow::{Links, PATIENCE_US};
pub use hours::Hours;
pub use notification::{Notification, NotificationKind, Record, SubjectKind};
pub use notifier::{Notifier, NotifierParts};
pub use outbox::{
    ChannelQueue, DeliveryFilter, DeliveryRecord, DeliveryState, Outbox, Subjects, state_tables,
};
pub use preview::{Preview, Silenced, Taken};
pub use rota::{Override, Rota, wall_time};
pub use route::{Considered, DEFAULT_TELL, Escalation, Fold, Route, Routing, Target, Wanted};
pub use setup::Setup;
pub use standing::{Reason, Standing, StandingState, ToldAs};
pub use subject::LinkTemplate;
