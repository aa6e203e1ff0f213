//! Anchors: labels that an event must have for a rule to match.
//!
//! A batch has few distinct labels. Looking them up finds the rows that a rule can match at all; rules
//! whose labels do not occur cost nothing.

use std::collections::HashMap;

use aho_corasick::AhoCorasick;
use event::Col;

use super::program::{Code, Probe, Program, is_label};
use crate::mapping::Field;

/// A label that makes an event a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Anchor {
    col: Col,
    need: Need,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Need {
    /// The label without case.
    Equals(String),
    /// A piece of it, without case.
    Contains(String),
    /// A predicate that must be asked about every label.
    Passes(usize),
}

impl Anchor {
    /// How many events may have such a label: a guess, by which the best of several anchors is chosen.
    fn weight(&self) -> u32 {
        let column = match self.col {
            Col::ApiOperation => 1,
            Col::ApiServiceName => 40,
            Col::LogType | Col::CloudProvider | Col::ClassName | Col::CategoryName => 1000,
            Col::Status | Col::ActorUserType | Col::CloudRegion | Col::MetadataEventCode => 200,
            _ => 10,
        };
        column
            * match self.need {
                Need::Equals(_) => 1,
                Need::Contains(_) => 3,
                Need::Passes(_) => 10,
            }
    }
}

/// Anchors of which every match has one; `None` if a match need not have any label.
pub(crate) fn anchors(code: &Code, program: &Program) -> Option<Vec<Anchor>> {
    match code {
        Code::All(parts) => {
            let found = parts.iter().filter_map(|part| anchors(part, program));
            found.min_by_key(|anchors| weight(anchors))
        }
        Code::Any(parts) => {
            let found = parts.iter().map(|part| anchors(part, program)).collect::<Option<Vec<_>>>()?;
            Some(found.into_iter().flatten().collect())
        }
        Code::Not(_) => None,
        Code::Test(index) => {
            let probe = program.predicates.get(*index)?;
            probe_anchors(*index, probe, program.fields.get(probe.field?)?)
        }
    }
}

/// The worst anchor decides; of equals the fewest.
fn weight(anchors: &[Anchor]) -> (u32, usize) {
    (anchors.iter().map(Anchor::weight).max().unwrap_or(0), anchors.len())
}

fn probe_anchors(index: usize, probe: &Probe, field: &Field) -> Option<Vec<Anchor>> {
    if probe.absent || !probe.references.is_empty() || !field.places.iter().all(is_label) {
        return None;
    }
    let needs = match probe.matcher.needs() {
        Some(needs) => {
            let equals = needs.equals.into_iter().map(Need::Equals);
            equals.chain(needs.contains.into_iter().map(Need::Contains)).collect()
        }
        None => vec![Need::Passes(index)],
    };
    let anchor = |col: Col| needs.iter().map(move |need| Anchor { col, need: need.clone() });
    Some(field.places.iter().flat_map(|place| anchor(place.col)).collect())
}

/// The anchors of all rules in one column.
#[derive(Debug)]
pub(crate) struct ColumnIndex {
    pub(crate) col: Col,
    equals: HashMap<String, Vec<u32>>,
    /// Finds every piece; the lists are in its order.
    pieces: Option<AhoCorasick>,
    piece_units: Vec<Vec<u32>>,
    /// Predicates to ask about each label.
    pub(crate) passes: Vec<(usize, Vec<u32>)>,
}

impl ColumnIndex {
    /// All units that have an anchor in this column; some more than once.
    pub(crate) fn units(&self) -> impl Iterator<Item = u32> {
        let passes = self.passes.iter().map(|(_, units)| units);
        self.equals.values().chain(&self.piece_units).chain(passes).flatten().copied()
    }

    /// The units whose anchors in this column a label meets, but for [`passes`](Self::passes). A unit may
    /// come more than once.
    pub(crate) fn candidates(&self, folded: &str, found: &mut Vec<u32>) {
        if let Some(units) = self.equals.get(folded) {
            found.extend(units);
        }
        let Some(pieces) = &self.pieces else { return };
        for piece in pieces.find_overlapping_iter(folded) {
            if let Some(units) = self.piece_units.get(piece.pattern().as_usize()) {
                found.extend(units);
            }
        }
    }
}

/// Gathers anchors into one index for each column.
#[derive(Debug, Default)]
pub(crate) struct Indexer {
    columns: HashMap<Col, HashMap<Need, Vec<u32>>>,
}

impl Indexer {
    /// A unit is a candidate where an event meets one of the anchors.
    pub(crate) fn add(&mut self, unit: u32, anchors: Vec<Anchor>) {
        for anchor in anchors {
            let units = self.columns.entry(anchor.col).or_default().entry(anchor.need).or_default();
            if units.last() != Some(&unit) {
                units.push(unit);
            }
        }
    }

    /// The indexes; `Err` gives back units whose pieces no automaton could take, to be tried on every
    /// event.
    pub(crate) fn finish(self) -> (Vec<ColumnIndex>, Vec<u32>) {
        let mut left_over = Vec::new();
        let mut columns: Vec<_> =
            self.columns.into_iter().map(|(col, needs)| column_index(col, needs, &mut left_over)).collect();
        columns.sort_by_key(|column| column.col);
        left_over.sort_unstable();
        left_over.dedup();
        (columns, left_over)
    }
}

fn column_index(col: Col, needs: HashMap<Need, Vec<u32>>, left_over: &mut Vec<u32>) -> ColumnIndex {
    let mut equals = HashMap::new();
    let mut texts = Vec::new();
    let mut piece_units = Vec::new();
    let mut passes = Vec::new();
    for (need, units) in needs {
        match need {
            Need::Equals(text) => {
                equals.insert(text, units);
            }
            Need::Contains(text) => {
                texts.push(text);
                piece_units.push(units);
            }
            Need::Passes(predicate) => passes.push((predicate, units)),
        }
    }
    let pieces = if texts.is_empty() { None } else { AhoCorasick::new(&texts).ok() };
    if pieces.is_none() {
        left_over.extend(piece_units.drain(..).flatten());
    }
    ColumnIndex { col, equals, pieces, piece_units, passes }
}
