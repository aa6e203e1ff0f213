//! How far a change reaches: what alerts hang together by, by key, so that only what hangs together with what has
//! changed is joined anew.
//!
//! A chain ([`join`](super::join)) joins all of its alerts or none, so alerts fall apart into islands that no
//! chain and no decision connects, and what [`join()`](super::join()) makes of an island depends on nothing outside
//! but on which of the chains that touch it join nothing, because too many share them. That is kept here for every
//! chain. What splits make the same incident is of one island, too, so that its id is given once. A change is a change of chains; whatever island has lost or gained an edge holds an alert of one of them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::decision::{Decision, DecisionKind};
use super::ids;
use super::join::{Joining, Key, goes_on, is_crowded, keys};
use super::subject::{Place, Subject};

/// Finds the subject of a place.
pub(super) type Find<'f> = &'f dyn Fn(&Place) -> Option<&'f Subject>;

/// What a chain of several alerts does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// It joins them.
    Joins,
    /// Its tactics do not go on, or not yet.
    Idle,
    /// Too many share its key.
    Crowded,
}

/// A chain of at least two alerts, from the first to the last.
#[derive(Debug, Clone)]
struct Chain {
    first: Place,
    last: Place,
    meaning: Meaning,
}

/// All alerts that share a key.
#[derive(Debug, Default)]
struct Sharers {
    /// In order.
    members: Vec<Place>,
    /// In order.
    chains: Vec<Chain>,
}

impl Sharers {
    /// The members of a span of places.
    fn span(&self, first: &Place, last: &Place) -> &[Place] {
        let from = self.members.partition_point(|place| place < first);
        let until = self.members.partition_point(|place| place <= last);
        self.members.get(from..until).unwrap_or_default()
    }

    fn chain_at(&self, place: &Place) -> Option<usize> {
        let at = self.chains.partition_point(|chain| chain.last < *place);
        self.chains.get(at).filter(|chain| chain.first <= *place).map(|_| at)
    }

    fn chain_of(&self, place: &Place) -> Option<&Chain> {
        self.chains.get(self.chain_at(place)?)
    }

    fn put(&mut self, chain: Chain) {
        let at = self.chains.partition_point(|other| other.first < chain.first);
        self.chains.insert(at, chain);
    }
}

/// What alerts hang together by.
#[derive(Debug)]
pub(super) struct Reach {
    joining: Joining,
    keys: HashMap<u128, Sharers>,
    /// By alert, the decisions that name it, and on which side of a split.
    decided: HashMap<String, Vec<(usize, bool)>>,
    /// By id of an incident, the sides of splits that are it: of groups that would be the same one, one is.
    sides: HashMap<String, Vec<(usize, bool)>>,
    decisions: Vec<Decision>,
}

impl Reach {
    pub(super) fn new(joining: Joining, decisions: Vec<Decision>) -> Self {
        let mut reach = Self {
            joining,
            keys: HashMap::new(),
            decided: HashMap::new(),
            sides: HashMap::new(),
            decisions: Vec::new(),
        };
        reach.set_decisions(decisions, std::iter::empty());
        reach
    }

    pub(super) fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    /// Puts other decisions in the place of those known; returns those of the `alerts` that are known, and of others,
    /// that it may matter to.
    pub(super) fn set_decisions<'a>(
        &mut self,
        decisions: Vec<Decision>,
        alerts: impl Iterator<Item = &'a str>,
    ) -> BTreeSet<String> {
        let (mut changed, mut left) = self.differing(&decisions);
        let old = std::mem::replace(&mut self.decisions, decisions);
        self.decided.clear();
        self.sides.clear();
        for (number, decision) in self.decisions.iter().enumerate() {
            for (id, side) in named(&decision.kind) {
                self.decided.entry(id.clone()).or_default().push((number, side));
            }
            if let DecisionKind::Split { ids: Some(ids), .. } = &decision.kind {
                for side in [true, false] {
                    self.sides.entry(ids.of(side).to_owned()).or_default().push((number, side));
                }
            }
        }
        let (also_changed, also_left) = self.differing(&old);
        changed.extend(also_changed);
        left.extend(also_left);
        if !left.is_empty() {
            // What would be an incident that is left to others is another, also where no decision names it.
            changed.extend(alerts.filter(|id| left.contains(&ids::of_alert(id))).map(str::to_owned));
        }
        changed
    }

    /// The alerts that decisions are about which `others` are not among, and the ids that they leave to the rest.
    fn differing(&self, others: &[Decision]) -> (BTreeSet<String>, HashSet<String>) {
        let (mut changed, mut left) = (BTreeSet::new(), HashSet::new());
        for (number, decision) in self.decisions.iter().enumerate() {
            if others.contains(decision) {
                continue;
            }
            for side in [true, false] {
                for (number, side) in self.alike(number, side) {
                    changed.extend(self.on_side(number, side).cloned());
                }
            }
            if let DecisionKind::Split { ids: Some(ids), .. } = &decision.kind {
                left.insert(ids.rest.clone());
            }
        }
        (changed, left)
    }

    /// The side of a decision, and those that are the same incident.
    fn alike(&self, number: usize, side: bool) -> impl Iterator<Item = (usize, bool)> {
        let ids = match self.decisions.get(number).map(|decision| &decision.kind) {
            Some(DecisionKind::Split { ids, .. }) => ids.as_ref(),
            _ => None,
        };
        let others = ids.and_then(|ids| self.sides.get(ids.of(side)));
        std::iter::once((number, side)).chain(others.into_iter().flatten().copied())
    }

    /// The alerts that a decision names on a side.
    fn on_side(&self, number: usize, side: bool) -> impl Iterator<Item = &String> {
        let named = self.decisions.get(number).map(|decision| named(&decision.kind));
        named.into_iter().flatten().filter(move |(_, other)| *other == side).map(|(id, _)| id)
    }

    /// Takes in the alert at `place`, which `find` finds already; what it may change the incidents of goes into
    /// `touched`.
    pub(super) fn add(&mut self, place: &Place, find: Find<'_>, touched: &mut BTreeSet<Place>) {
        touched.insert(place.clone());
        let Some(subject) = find(place) else { return };
        for key in keys(subject).into_iter().collect::<BTreeSet<_>>() {
            let sharers = self.keys.entry(key.hash()).or_default();
            let at = sharers.members.partition_point(|other| other < place);
            sharers.members.insert(at, place.clone());
            grow(key, sharers, at, &self.joining, find, touched);
        }
    }

    /// Forgets an alert, whose `subject` it is.
    pub(super) fn remove(
        &mut self,
        subject: &Subject,
        place: &Place,
        find: Find<'_>,
        touched: &mut BTreeSet<Place>,
    ) {
        for key in keys(subject).into_iter().collect::<BTreeSet<_>>() {
            let hash = key.hash();
            let Some(sharers) = self.keys.get_mut(&hash) else { continue };
            sharers.members.retain(|other| other != place);
            if let Some(at) = sharers.chain_at(place) {
                let chain = sharers.chains.remove(at);
                let rest = sharers.span(&chain.first, &chain.last).to_vec();
                if chain.meaning == Meaning::Joins {
                    touched.extend(rest.iter().cloned());
                }
                let mut from = 0;
                for until in 1..=rest.len() {
                    let is_end = match (rest.get(until - 1), rest.get(until)) {
                        (Some(one), Some(next)) => next.0 - one.0 > self.joining.window_us,
                        _ => true,
                    };
                    if is_end {
                        let part = rest.get(from..until).unwrap_or_default();
                        judge(key, part, sharers, &self.joining, find, touched);
                        from = until;
                    }
                }
            }
            if sharers.members.is_empty() {
                self.keys.remove(&hash);
            }
        }
    }

    /// Whether somebody has decided about an alert.
    pub(super) fn is_decided(&self, alert: &str) -> bool {
        self.decided.contains_key(alert)
    }

    /// The other alerts that decisions hold together with one, or make the same incident.
    pub(super) fn decided_with(&self, alert: &str) -> impl Iterator<Item = &str> {
        let decided = self.decided.get(alert).into_iter().flatten();
        decided
            .flat_map(|(number, side)| self.alike(*number, *side))
            .flat_map(|(number, side)| self.on_side(number, side))
            .map(String::as_str)
    }

    /// Whether the chain of a key that `subject` is part of joins its alerts.
    pub(super) fn joins(&self, key: Key<'_>, subject: &Subject) -> bool {
        let place = (subject.seed.time_us, Arc::from(subject.seed.id.as_str()));
        let chain = self.keys.get(&key.hash()).and_then(|sharers| sharers.chain_of(&place));
        chain.is_some_and(|chain| chain.meaning == Meaning::Joins)
    }

    /// All that hangs together with the alerts `from`, those among them. `place_of` finds the place of an id.
    pub(super) fn islands(
        &self,
        from: BTreeSet<Place>,
        find: Find<'_>,
        place_of: &dyn Fn(&str) -> Option<Place>,
    ) -> BTreeSet<Place> {
        let mut waiting: Vec<Place> = from.into_iter().collect();
        let mut found = BTreeSet::new();
        let mut chains: HashSet<(u128, Place)> = HashSet::new();
        let mut sides: HashSet<(usize, bool)> = HashSet::new();
        while let Some(place) = waiting.pop() {
            let Some(subject) = find(&place).filter(|_| !found.contains(&place)) else { continue };
            for key in keys(subject) {
                let hash = key.hash();
                let Some(sharers) = self.keys.get(&hash) else { continue };
                let Some(chain) = sharers.chain_of(&place) else { continue };
                if chain.meaning == Meaning::Joins && chains.insert((hash, chain.first.clone())) {
                    waiting.extend(sharers.span(&chain.first, &chain.last).iter().cloned());
                }
            }
            let decided = self.decided.get(&*place.1).into_iter().flatten();
            for (number, side) in decided.flat_map(|(number, side)| self.alike(*number, *side)) {
                if sides.insert((number, side)) {
                    waiting.extend(self.on_side(number, side).filter_map(|id| place_of(id)));
                }
            }
            found.insert(place);
        }
        found
    }
}

/// The alerts that a decision names; the two of a merge are on one side.
fn named(kind: &DecisionKind) -> Box<dyn Iterator<Item = (&String, bool)> + '_> {
    match kind {
        DecisionKind::Merge { a, b } => Box::new([(a, true), (b, true)].into_iter()),
        DecisionKind::Split { out, rest, .. } => {
            Box::new(out.iter().map(|id| (id, true)).chain(rest.iter().map(|id| (id, false))))
        }
    }
}

/// The member at `at` is new: it makes a chain longer, makes one of two, or begins one.
fn grow(
    key: Key<'_>,
    sharers: &mut Sharers,
    at: usize,
    joining: &Joining,
    find: Find<'_>,
    touched: &mut BTreeSet<Place>,
) {
    let Some(place) = sharers.members.get(at).cloned() else { return };
    let near =
        |other: Option<&Place>| other.filter(|other| (other.0 - place.0).abs() <= joining.window_us).cloned();
    let before = at.checked_sub(1).and_then(|at| near(sharers.members.get(at)));
    let after = near(sharers.members.get(at + 1));
    let (mut first, mut last) = (place.clone(), place.clone());
    let mut old = Vec::new();
    for neighbour in [&before, &after].into_iter().flatten() {
        first = first.min(neighbour.clone());
        last = last.max(neighbour.clone());
        if let Some(at) = sharers.chain_at(neighbour) {
            let chain = sharers.chains.remove(at);
            first = first.min(chain.first.clone());
            last = last.max(chain.last.clone());
            old.push(chain);
        }
    }
    if before.is_none() && after.is_none() {
        return;
    }
    let had = |meaning| old.iter().any(|chain| chain.meaning == meaning);
    let subjects = |first: &Place, last: &Place| -> Vec<&Subject> {
        sharers.span(first, last).iter().filter_map(find).collect()
    };
    // Only windows that hold the new one can be fuller than before.
    let near_first = (place.0.saturating_sub(joining.window_us), Arc::from("")).max(first.clone());
    let near_last = (place.0.saturating_add(joining.window_us + 1), Arc::from("")).min(last.clone());
    let meaning = if had(Meaning::Crowded) || is_crowded(key, &subjects(&near_first, &near_last), joining) {
        Meaning::Crowded
    } else if had(Meaning::Joins) || goes_on(key, &subjects(&first, &last)) {
        Meaning::Joins
    } else {
        Meaning::Idle
    };
    if meaning != Meaning::Joins {
        for chain in old.iter().filter(|chain| chain.meaning == Meaning::Joins) {
            touched.extend(sharers.span(&chain.first, &chain.last).iter().cloned());
        }
    }
    sharers.put(Chain { first, last, meaning });
}

/// Finds out anew what a chain means.
fn judge(
    key: Key<'_>,
    members: &[Place],
    sharers: &mut Sharers,
    joining: &Joining,
    find: Find<'_>,
    touched: &mut BTreeSet<Place>,
) {
    let ([first, .., last], subjects) = (members, members.iter().filter_map(find).collect::<Vec<_>>()) else {
        return;
    };
    let meaning = if is_crowded(key, &subjects, joining) {
        Meaning::Crowded
    } else if goes_on(key, &subjects) {
        // It may have been crowded before.
        touched.extend(members.iter().cloned());
        Meaning::Joins
    } else {
        Meaning::Idle
    };
    sharers.put(Chain { first: first.clone(), last: last.clone(), meaning });
}

#[cfg(test)]
mod tests;
