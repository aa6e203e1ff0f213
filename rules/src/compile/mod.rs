//! Sound rules become one program: interned predicates, and an index of the labels that can start a rule.

mod anchor;
mod correlation;
mod glob;
mod head;
mod matcher;
mod program;
mod rule;
mod text_set;

use std::collections::BTreeSet;

use event::LogType;

pub(crate) use anchor::ColumnIndex;
pub use correlation::Correlation;
pub(crate) use correlation::{Feed, FeedKey};
pub use head::RuleHead;
pub(crate) use matcher::Matcher;
pub(crate) use program::{Code, Probe, Program, Programmer, Reference};
pub use rule::CompiledRule;

use crate::check::CheckedRule;
use crate::check::correlation::CheckedCorrelation;
use crate::grouping::GroupingFor;

/// Rules that are matched together; `Send` and `Sync`, and never changed.
#[derive(Debug, Default)]
pub struct RuleSet {
    rules: Vec<CompiledRule>,
    correlations: Vec<Correlation>,
    /// By rule: what its matches feed.
    pub(crate) feeds: Vec<Vec<Feed>>,
    pub(crate) units: Vec<Unit>,
    pub(crate) program: Program,
    pub(crate) columns: Vec<ColumnIndex>,
    /// Units without an anchor: they are tried on every event of their log types.
    pub(crate) unanchored: Vec<u32>,
}

/// What a rule or correlation stands upon.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needed {
    /// Indices in [`RuleSet::rules`].
    pub rules: BTreeSet<u32>,
    /// Indices in [`RuleSet::correlations`].
    pub correlations: BTreeSet<u32>,
}

/// A rule as it reads some kinds of log.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) rule: u32,
    pub(crate) log_types: LogTypes,
    pub(crate) code: Code,
}

/// A set of log types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LogTypes(u64);

impl LogTypes {
    pub(crate) const ALL: Self = Self(u64::MAX);

    pub(crate) fn of(log_types: &[LogType]) -> Self {
        const { assert!(LogType::ALL.len() <= 64, "each log type has its bit") };
        let bit = |log_type: &LogType| 1u64.checked_shl(*log_type as u32).unwrap_or(0);
        Self(log_types.iter().map(bit).fold(0, |all, bit| all | bit))
    }

    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl RuleSet {
    /// Compiles rules, each with the file that it comes from.
    pub(crate) fn new(
        checked: Vec<(CheckedRule, String)>,
        correlations: Vec<(CheckedCorrelation, String)>,
    ) -> Self {
        let mut set = Self::default();
        let mut programmer = program::Programmer::default();
        let mut indexer = anchor::Indexer::default();
        for (index, (checked, path)) in (0u32..).zip(&checked) {
            set.rules.push(CompiledRule::new(checked, path));
            for reading in &checked.readings {
                let unit = u32::try_from(set.units.len()).unwrap_or(u32::MAX);
                let code = programmer.code(&reading.expr);
                match anchor::anchors(&code, programmer.program()) {
                    Some(anchors) => indexer.add(unit, anchors),
                    None => set.unanchored.push(unit),
                }
                set.units.push(Unit { rule: index, log_types: LogTypes::of(&reading.log_types), code });
            }
        }
        let (correlations, feeds, silent) =
            correlation::compile(&correlations, set.rules.len(), &mut programmer);
        for rule in silent {
            if let Some(rule) = set.rules.get_mut(rule) {
                rule.only_feeds = true;
            }
        }
        (set.correlations, set.feeds) = (correlations, feeds);
        let (columns, left_over) = indexer.finish();
        set.unanchored.extend(left_over);
        set.columns = columns;
        set.program = programmer.finish();
        set
    }

    /// With the groupings of the configuration.
    #[must_use]
    pub(crate) fn grouped(mut self, wanted: &[GroupingFor]) -> Self {
        for rule in &mut self.rules {
            rule.group(wanted);
        }
        self
    }

    /// The number of rules.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The ids of all rules and correlations.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.heads().map(RuleHead::id)
    }

    /// The id of the rule or correlation of that id or name.
    pub fn id_of(&self, id_or_name: &str) -> Option<&str> {
        self.heads().find(|head| head.is_called(id_or_name)).map(RuleHead::id)
    }

    /// The id of the last rule or correlation in a file.
    pub fn last_in(&self, path: &str) -> Option<&str> {
        self.heads().filter(|head| head.path() == path).max_by_key(|head| head.line()).map(RuleHead::id)
    }

    fn heads(&self) -> impl Iterator<Item = &RuleHead> {
        self.rules.iter().map(|rule| &**rule).chain(self.correlations.iter().map(|rule| &**rule))
    }

    /// The rules and correlations, by index, that a rule or correlation needs, itself included; `None` if
    /// nothing has that id or name.
    pub fn needed_by(&self, id_or_name: &str) -> Option<Needed> {
        if let Some(rule) = self.rules.iter().position(|rule| rule.is_called(id_or_name)) {
            return Some(Needed { rules: [rule as u32].into(), ..Needed::default() });
        }
        let target = self.correlations.iter().position(|rule| rule.is_called(id_or_name))?;
        let mut needed = Needed { correlations: [target as u32].into(), ..Needed::default() };
        // Inner correlations stand before those that take them.
        for (index, correlation) in self.correlations.iter().enumerate().rev() {
            let index = index as u32;
            if correlation.feeds.iter().any(|(above, ..)| needed.correlations.contains(above)) {
                needed.correlations.insert(index);
            }
        }
        for (index, feeds) in (0u32..).zip(&self.feeds) {
            if feeds.iter().any(|feed| needed.correlations.contains(&feed.correlation)) {
                needed.rules.insert(index);
            }
        }
        Some(needed)
    }

    /// The correlations, those first that others refer to.
    pub fn correlations(&self) -> &[Correlation] {
        &self.correlations
    }

    /// The rules over single events, in the order of their sources.
    pub fn rules(&self) -> &[CompiledRule] {
        &self.rules
    }
}
