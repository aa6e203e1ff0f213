//! Which fields rules have asked events for, and whether any had them.
//!
//! A rule that asks for a field that its log never has is silent for ever, and nothing else says so. A field
//! counts as asked for when the tests before it hold: for a rule about one call, only on events of that call.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::compile::{Code, Program, RuleSet};

const ASKED: u8 = 1;
const FOUND: u8 = 2;

/// By index of the field. Threads only ever add to it.
#[derive(Debug, Default)]
pub(crate) struct FieldUse(Box<[AtomicU8]>);

impl FieldUse {
    pub(crate) fn new(fields: usize) -> Self {
        Self((0..fields).map(|_| AtomicU8::new(0)).collect())
    }

    /// Notes that a field was asked for, and whether the event had it.
    pub(super) fn note(&self, field: usize, found: bool) {
        let Some(known) = self.0.get(field) else { return };
        let news = if found { ASKED | FOUND } else { ASKED };
        // All but the first few times there is nothing new, and nothing to write.
        if known.load(Ordering::Relaxed) & news != news {
            known.fetch_or(news, Ordering::Relaxed);
        }
    }

    fn is_missing(&self, field: usize) -> bool {
        self.0.get(field).is_some_and(|known| known.load(Ordering::Relaxed) == ASKED)
    }
}

impl RuleSet {
    /// Fields that a rule has asked events for since the set was made and never found, by the names
    /// that it gives them; sorted. `rule` is an index in [`RuleSet::rules`].
    pub fn never_found(&self, rule: usize) -> Vec<String> {
        let mut fields = Vec::new();
        for unit in self.units.iter().filter(|unit| unit.rule as usize == rule) {
            fields_of(&unit.code, &self.program, &mut fields);
        }
        let missing = fields.into_iter().filter(|field| self.program.field_use.is_missing(*field));
        let Some(rule) = self.rules().get(rule) else { return Vec::new() };
        let missing = missing.filter_map(|field| self.program.fields.get(field));
        let mut names: Vec<_> = missing.map(|field| rule.name_of(field)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

fn fields_of(code: &Code, program: &Program, found: &mut Vec<usize>) {
    match code {
        Code::All(parts) | Code::Any(parts) => parts.iter().for_each(|part| fields_of(part, program, found)),
        Code::Not(inner) => fields_of(inner, program, found),
        Code::Test(index) => found.extend(program.predicates.get(*index).and_then(|probe| probe.field)),
    }
}
