//! Sound rules become one program: interned predicates, and an index of the labels that can start a rule.

mod anchor;
mod glob;
mod matcher;
mod program;
mod rule;
mod text_set;

use event::LogType;

pub(crate) use anchor::ColumnIndex;
pub(crate) use matcher::Matcher;
pub(crate) use program::{Code, Probe, Program, Reference};
pub use rule::CompiledRule;
pub(crate) use rule::id;

use crate::check::CheckedRule;

/// Rules that are matched together; `Send` and `Sync`, and never changed.
#[derive(Debug, Default)]
pub struct RuleSet {
    rules: Vec<CompiledRule>,
    pub(crate) units: Vec<Unit>,
    pub(crate) program: Program,
    pub(crate) columns: Vec<ColumnIndex>,
    /// Units without an anchor: they are tried on every event of their log types.
    pub(crate) unanchored: Vec<u32>,
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
pub(crate) struct LogTypes(u32);

impl LogTypes {
    pub(crate) fn of(log_types: &[LogType]) -> Self {
        let bit = |log_type: &LogType| 1u32.checked_shl(*log_type as u32).unwrap_or(0);
        Self(log_types.iter().map(bit).fold(0, |all, bit| all | bit))
    }

    pub(crate) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl RuleSet {
    /// Compiles rules, each with the file that it comes from.
    pub(crate) fn new(checked: Vec<(CheckedRule, String)>) -> Self {
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
        let (columns, left_over) = indexer.finish();
        set.unanchored.extend(left_over);
        set.columns = columns;
        set.program = programmer.finish();
        set
    }

    /// The number of rules.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rules, in the order of their sources.
    pub fn rules(&self) -> &[CompiledRule] {
        &self.rules
    }
}
