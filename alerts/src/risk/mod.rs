//! Risk: of an alert, and of the people and things that alerts are about.
//!
//! An alert's [`Score`] is a sum of parts that say why: how severe and how sure its rule is, how critical what it
//! is about, whether something known to be bad is in it, how rare it is. The risk of an entity is the sum of its
//! alerts' scores, each halved every half-life. All of it is a function of the alerts, the assets and now; only
//! `now` has a clock, and it is an argument.

mod asset;
mod entity;
mod score;

pub use asset::{Asset, Assets, Criticality, Indicator, MAX_ASSETS, MAX_PATTERN, MAX_PATTERNS};
pub use entity::{Fading, RiskKind, Share, counting, shares_of};
pub use score::{Confidences, Fired, Part, Score, Weight, score, together};

/// The rule of the alerts about entities whose risk has crossed the threshold.
pub const RULE: &str = "stormglass-entity-risk";
