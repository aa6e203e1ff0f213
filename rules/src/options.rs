//! How rules are loaded: what fields mean, what placeholders stand for, and how much is said.

use crate::grouping::GroupingFor;
use crate::mapping::Mappings;
use crate::placeholder::Placeholders;

/// What rules are read by.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// What the names of fields mean.
    pub mappings: Mappings,
    /// The values of `%name%` under `expand`.
    pub placeholders: Placeholders,
    /// Whether to look for what is sound and can hardly be meant, such as a rule that can never match. It
    /// takes longer than loading.
    pub lint: bool,
    /// How matches of rules become one alert, beside what the rules themselves say; what names a rule goes before
    /// that, what names a level after it.
    pub groupings: Vec<GroupingFor>,
}

impl Default for LoadOptions {
    /// The mappings that come with Stormglass, no placeholders, no lints, no groupings.
    fn default() -> Self {
        Self {
            mappings: Mappings::shipped(),
            placeholders: Placeholders::default(),
            lint: false,
            groupings: Vec::new(),
        }
    }
}
