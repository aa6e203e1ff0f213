//! Incidents: alerts that belong together, and what people do about them.
//!
//! Which alerts belong together ([`join()`]) and what they amount to ([`assess()`]) are functions of the alerts, of what
//! is known of names and of what people have decided. So is an incident's id: its earliest alert gives it, or the last
//! split that named this alert: what somebody takes alerts out of keeps its id.
//! Whatever order the alerts came in, and however often work was repeated after a crash, the incidents are the
//! same. What people add (status, owner, comments, decisions) is kept beside it and follows the alerts: where
//! incidents turn out to be one, the older id lives on, and the others point to it.
//!
//! [`Incidents`] follows the feed of alerts. It does not share the transaction that records an alert: alerts come
//! from five places, are amended and taken back, and the feed has all of that in the order of its commits; and the
//! one writer of the state is not held up by joining. Its position is written in the transaction of the incidents,
//! so a kill between the two delays an incident until the next start and never loses or doubles one.

mod assess;
mod bulk;
mod by_name;
mod change;
mod decision;
mod export;
mod follow;
mod ids;
mod join;
mod memory;
mod names;
mod page;
mod reach;
mod seed;
mod store;
mod subject;
mod tables;
mod tactic;
#[cfg(test)]
mod tests;
mod timeline;
mod wanted;
mod write;

pub use assess::{Assessment, assess};
pub use bulk::CLOSED_AT_ONCE;
pub use change::{Deciding, IncidentChange, Step};
pub use decision::{Decision, DecisionKind, SplitIds};
pub use follow::{Context, Incidents, ServiceLevel, Settings};
pub use join::{Group, Joined, Joining, join};
pub use names::{Names, Renamed};
pub use page::{IncidentFilter, IncidentPage};
pub use store::{Headline, Incident, IncidentAlert, IncidentFeedEntry, RankedEntity};
pub use subject::{Place, Seed, Subject};
pub use tables::state_tables;
pub use tactic::{Tactic, progress};
pub use timeline::{TimelineEntry, timeline};

/// Where an incident stands: as an alert does.
pub use crate::AlertStatus as IncidentStatus;
