//! Sigma rules over batches of events: parse, check, compile, match.

mod nearest;
mod report;
mod sigma;

use event::{Diagnostic, EventBatch};

/// A file of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSource {
    /// The file's name.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// What loading gave.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The rules.
    pub rules: RuleSet,
    /// The findings.
    pub diagnostics: Vec<Diagnostic>,
}

/// Loads rules.
pub fn load(_sources: &[RuleSource]) -> Loaded {
    Loaded::default()
}

/// The rules that come with Stormglass.
pub fn shipped() -> Vec<RuleSource> {
    Vec::new()
}

/// Rules, ready to match.
#[derive(Debug, Default)]
pub struct RuleSet {
    rules: Vec<CompiledRule>,
}

impl RuleSet {
    /// The number of rules.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rules.
    pub fn rules(&self) -> &[CompiledRule] {
        &self.rules
    }

    /// The matches in a batch.
    pub fn matches(&self, _batch: &EventBatch, _scratch: &mut Scratch) -> Vec<Match> {
        Vec::new()
    }
}

/// Buffers of one thread.
#[derive(Debug, Default)]
pub struct Scratch {}

/// A rule matched a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// The row.
    pub row: u32,
    /// The rule.
    pub rule: u32,
}

/// A Sigma level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Informational.
    Informational,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

impl Level {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        "medium"
    }

    /// OCSF severity.
    pub fn severity_id(self) -> u8 {
        3
    }
}

/// A rule.
#[derive(Debug)]
pub struct CompiledRule {
    text: String,
    tags: Vec<String>,
}

impl CompiledRule {
    /// Id.
    pub fn id(&self) -> &str {
        &self.text
    }
    /// Title.
    pub fn title(&self) -> &str {
        &self.text
    }
    /// Description.
    pub fn description(&self) -> &str {
        &self.text
    }
    /// File.
    pub fn path(&self) -> &str {
        &self.text
    }
    /// Level.
    pub fn level(&self) -> Level {
        Level::Medium
    }
    /// Tags.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }
    /// Whether a match is an alert.
    pub fn yields_alert(&self) -> bool {
        true
    }
}
