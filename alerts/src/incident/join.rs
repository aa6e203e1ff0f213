//! Which alerts belong together: a function of the alerts and of what people decided, in whatever order they
//! come.
//!
//! Alerts that share a [`Key`] within the window form a chain: each is at most a window away from the next. A
//! chain joins its alerts if its key is one that means something (the table at [`Key`]); what chains join, over
//! several keys, is one incident. What many share means nothing: an address behind which many act, an identity
//! that acts from everywhere. What grows beyond all bounds is joined anew by its strongest keys alone, and if
//! that does not help, day by day.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::decision::{Decision, DecisionKind};
use super::ids;
use super::subject::Subject;
use super::tactic::steps;

/// When alerts belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joining {
    /// How long after one alert another may come and still belong to it, in microseconds.
    pub window_us: i64,
    /// An address or a target that more identities than this share within a window joins nothing.
    pub sharing: usize,
    /// An identity or credential that is used from more addresses than this within a window joins only what also
    /// has address or resource in common.
    pub addresses: usize,
    /// An incident of more alerts than this is joined by its strongest keys alone.
    pub alerts: usize,
}

impl Default for Joining {
    fn default() -> Self {
        Self { window_us: 24 * 3_600_000_000, sharing: 3, addresses: 25, alerts: 500 }
    }
}

/// What alerts have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key<'a> {
    /// Who acted, where that is one person.
    Identity(&'a str),
    /// The credential used, of an owner that nothing tells.
    Credential(&'a str),
    /// Who acted, also where many may, and on what.
    IdentityResource(&'a str, &'a str),
    /// Who acted, also where many may, and from where.
    IdentityAddress(&'a str, &'a str),
    /// To whom something was done, and who then acts: the user that was made is used. Only if tactics go on.
    Turned(&'a str),
    /// From one address on one thing, if few act from there.
    AddressResource(&'a str, &'a str),
    /// From one address, if few act from there and at least three tactics follow in order.
    Address(&'a str),
}

/// Keys of at least this strength hold what is too large together.
const STRONG: u8 = 90;
const BY_HAND: u8 = 100;
/// How many tactics in order it takes for an address alone to join.
const TACTICS_OF_ADDRESS: usize = 3;
const DAY_US: i64 = 86_400_000_000;

impl Key<'_> {
    /// A short name that no other key has.
    pub(super) fn hash(self) -> u128 {
        let (kind, one, other) = match self {
            Self::Identity(who) => (0, who, ""),
            Self::Credential(key) => (1, key, ""),
            Self::IdentityResource(who, what) => (2, who, what),
            Self::IdentityAddress(who, from) => (3, who, from),
            Self::Turned(who) => (4, who, ""),
            Self::AddressResource(from, what) => (5, from, what),
            Self::Address(from) => (6, from, ""),
        };
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[kind]);
        hasher.update(&(one.len() as u64).to_le_bytes());
        hasher.update(one.as_bytes());
        hasher.update(other.as_bytes());
        let mut short = [0; 16];
        hasher.finalize_xof().fill(&mut short);
        u128::from_le_bytes(short)
    }

    /// How surely it joins, in percent.
    fn strength(self) -> u8 {
        match self {
            Self::Identity(_) | Self::Credential(_) => STRONG,
            Self::IdentityResource(..) => 80,
            Self::IdentityAddress(..) => 75,
            Self::Turned(_) => 70,
            Self::AddressResource(..) => 60,
            Self::Address(_) => 50,
        }
    }

    fn describe(self) -> String {
        match self {
            Self::Identity(who) => format!("the same actor `{who}`"),
            Self::Credential(key) => format!("the same credential `{key}`"),
            Self::IdentityResource(who, what) => {
                format!("the same actor `{who}` on the same resource `{what}`")
            }
            Self::IdentityAddress(who, from) => {
                format!("the same actor `{who}` from the same address `{from}`")
            }
            Self::Turned(who) => format!("`{who}`, to whom something was done, acts, and the tactics go on"),
            Self::AddressResource(from, what) => {
                format!("the same address `{from}` on the same resource `{what}`")
            }
            Self::Address(from) => format!("the same address `{from}`, and three tactics follow in order"),
        }
    }
}

/// Alerts that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The id of the incident that they are, if they are one: 32 hexadecimal digits.
    pub id: String,
    /// The alerts in order of time, then id: their places among the subjects given.
    pub members: Vec<Joined>,
    /// How sure the weakest thing is that holds it together, in percent.
    pub strength: u8,
}

/// An alert in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Its place among the subjects given.
    pub at: usize,
    /// What joins it to another, in words.
    pub why: String,
}

/// What tells whether the chain of a key that a subject begins joins its alerts.
pub(super) type Known<'k> = &'k dyn Fn(Key<'_>, &Subject) -> bool;

/// Groups the subjects; each is in exactly one group. Repeated ones count once.
pub fn join(subjects: &[Subject], decisions: &[Decision], joining: &Joining) -> Vec<Group> {
    let all: Vec<&Subject> = subjects.iter().collect();
    join_known(&all, decisions, joining, None)
}

/// [`join()`]s some of all alerts: all that anything joins to one of them. What a chain means is `known`, as those
/// that are part of chains that join nothing are not all among them.
pub(super) fn join_known(
    subjects: &[&Subject],
    decisions: &[Decision],
    joining: &Joining,
    known: Option<Known<'_>>,
) -> Vec<Group> {
    let mut order: Vec<usize> = (0..subjects.len()).collect();
    let place =
        |at: &usize| subjects.get(*at).map(|subject| (subject.seed.time_us, subject.seed.id.as_str()));
    order.sort_by(|a, b| place(a).cmp(&place(b)));
    order.dedup_by(|a, b| place(a) == place(b));
    let sorted: Vec<&Subject> = order.iter().filter_map(|at| subjects.get(*at).copied()).collect();
    let all: Vec<u32> = (0..sorted.len() as u32).collect();
    let mut union = Union { subjects: &sorted, decisions: Decided::new(&sorted, decisions), joining, known };
    let mut groups = Vec::new();
    let parts = union.parts(&all, 0, None);
    // What is joined anew is looked at alone.
    union.known = None;
    for part in parts {
        if part.members.len() <= joining.alerts {
            groups.push(part);
            continue;
        }
        for part in union.parts(&part.places(), STRONG, None) {
            if part.members.len() <= joining.alerts {
                groups.push(part);
            } else {
                groups.extend(union.parts(&part.places(), STRONG, Some(DAY_US)));
            }
        }
    }
    groups.sort_by_key(Part::first);
    let ids = union.ids(&groups);
    let in_input = |(part, id): (Part, String)| Group {
        id,
        strength: part.strength,
        members: part
            .members
            .into_iter()
            .filter_map(|(at, why)| Some(Joined { at: *order.get(at as usize)?, why }))
            .collect(),
    };
    groups.into_iter().zip(ids).map(in_input).collect()
}

/// Decisions by the places of the alerts that they name.
#[derive(Default)]
struct Decided<'a> {
    /// By alert, on which side of which splits it is.
    sides: HashMap<u32, Vec<(usize, bool)>>,
    /// What belongs together because somebody said so, and what stayed together where somebody parted it from others.
    pairs: Vec<(u32, u32, Why<'a>)>,
    /// By alert, the incident that the last split that names it says it is of.
    claims: HashMap<u32, &'a str>,
    /// The ids that splits leave to what they name.
    left: HashSet<&'a str>,
}

impl<'a> Decided<'a> {
    fn new(subjects: &[&Subject], decisions: &'a [Decision]) -> Self {
        let mut decided = Self::default();
        if decisions.is_empty() {
            return decided;
        }
        let places: HashMap<&str, u32> =
            subjects.iter().zip(0..).map(|(subject, at)| (subject.seed.id.as_str(), at)).collect();
        let at = |id: &String| places.get(id.as_str()).copied();
        for (number, decision) in decisions.iter().enumerate() {
            match &decision.kind {
                DecisionKind::Merge { a, b } => {
                    if let (Some(a), Some(b)) = (at(a), at(b)) {
                        decided.pairs.push((a.min(b), a.max(b), Why::Merge(decision)));
                    }
                }
                DecisionKind::Split { out, rest, ids: of } => {
                    decided.left.extend(of.as_ref().map(|of| of.rest.as_str()));
                    for (ids, side) in [(out, true), (rest, false)] {
                        let mut places: Vec<u32> = ids.iter().filter_map(at).collect();
                        places.sort_unstable();
                        for place in &places {
                            decided.sides.entry(*place).or_default().push((number, side));
                            if let Some(of) = of {
                                decided.claims.insert(*place, of.of(side));
                            }
                        }
                        // What stood between them may be on the other side now.
                        for (a, b) in places.iter().zip(places.iter().skip(1)) {
                            decided.pairs.push((*a, *b, Why::Side(decision, side)));
                        }
                    }
                }
            }
        }
        decided
    }

    fn sides(&self, at: u32) -> &[(usize, bool)] {
        self.sides.get(&at).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Two alerts that belong together, the earlier one first.
struct Edge<'a> {
    a: u32,
    b: u32,
    strength: u8,
    gap_us: i64,
    why: Why<'a>,
}

#[derive(Clone, Copy)]
enum Why<'a> {
    Key(Key<'a>),
    Merge(&'a Decision),
    /// They are on one side of a split, of what was taken out or of the rest.
    Side(&'a Decision, bool),
}

impl Why<'_> {
    fn is_key(self) -> bool {
        matches!(self, Self::Key(_))
    }

    fn is_side(self) -> bool {
        matches!(self, Self::Side(..))
    }
}

/// A group in the making.
struct Part {
    members: Vec<(u32, String)>,
    strength: u8,
}

impl Part {
    /// The place of its earliest alert.
    fn first(&self) -> u32 {
        self.members.first().map_or(0, |(at, _)| *at)
    }

    fn places(&self) -> Vec<u32> {
        self.members.iter().map(|(at, _)| *at).collect()
    }
}

struct Union<'a> {
    /// In order of time, then id.
    subjects: &'a [&'a Subject],
    decisions: Decided<'a>,
    joining: &'a Joining,
    known: Option<Known<'a>>,
}

impl<'a> Union<'a> {
    fn subject(&self, at: u32) -> Option<&'a Subject> {
        self.subjects.get(at as usize).copied()
    }

    fn time_us(&self, at: u32) -> i64 {
        self.subject(at).map_or(0, |subject| subject.seed.time_us)
    }

    /// The ids of parts, in order of time; no two have the same one.
    fn ids(&self, parts: &[Part]) -> Vec<String> {
        let Decided { claims, left, .. } = &self.decisions;
        let mut taken: HashSet<&str> = HashSet::new();
        // Of those whose first alerts claim the same one the first has it.
        let claimed = |part: &Part| claims.get(&part.first()).copied().filter(|claim| taken.insert(claim));
        let claimed: Vec<Option<&str>> = parts.iter().map(claimed).collect();
        let mut found = Vec::with_capacity(parts.len());
        for (part, claim) in parts.iter().zip(claimed) {
            let alert = self.subject(part.first()).map_or("", |subject| subject.seed.id.as_str());
            let own = ids::of_alert(alert);
            let mut others = part.members.iter().filter_map(|(at, _)| claims.get(at).copied());
            found.push(match claim {
                Some(claim) => claim.to_owned(),
                None if !left.contains(own.as_str()) => own,
                None => match others.find(|claim| taken.insert(claim)) {
                    Some(claim) => claim.to_owned(),
                    None => ids::of_alert_apart(alert),
                },
            });
        }
        found
    }

    /// Unites what keys of at least the strength `least` join among `places` (in order); with `cut_us`, nothing
    /// is joined across its multiples.
    fn parts(&self, places: &[u32], least: u8, cut_us: Option<i64>) -> Vec<Part> {
        let mut edges = self.edges(places, least, cut_us);
        // The surest and nearest first: where a split keeps two sides apart, an alert goes to the nearer one.
        edges.sort_by_key(|edge| (std::cmp::Reverse(edge.strength), edge.gap_us, edge.a, edge.b));
        let mut sets = Sets::new(places, &self.decisions);
        for edge in &edges {
            sets.unite(edge.a, edge.b);
        }
        edges.retain(|edge| sets.root(edge.a) == sets.root(edge.b));
        edges.sort_by_key(|edge| edge.why.is_side());
        // What people decided is a reason only where keys do not hold together what it does.
        let mut alike = Sets::default();
        let mut weakest: HashMap<u32, u8> = HashMap::new();
        for edge in &edges {
            if edge.why.is_key() && alike.unite(edge.a, edge.b) {
                // Sorted by strength: the last word is the weakest.
                weakest.insert(sets.root(edge.a), edge.strength);
            }
        }
        edges.retain(|edge| edge.why.is_key() || alike.unite(edge.a, edge.b));
        let mut reasons: HashMap<u32, String> = HashMap::new();
        let mut fallback: HashMap<u32, String> = HashMap::new();
        for edge in &edges {
            // Any other reason says more.
            let is_last = edge.why.is_side();
            if !(is_last && fallback.contains_key(&edge.b)) {
                reasons.entry(edge.b).or_insert_with(|| self.reason(edge, edge.a));
            }
            if !(is_last && reasons.contains_key(&edge.a)) {
                fallback.entry(edge.a).or_insert_with(|| self.reason(edge, edge.b));
            }
        }
        let mut parts: BTreeMap<u32, Part> = BTreeMap::new();
        let mut first_of: HashMap<u32, u32> = HashMap::new();
        for at in places {
            let root = sets.root(*at);
            let first = *first_of.entry(root).or_insert(*at);
            let why = match reasons.remove(at).or_else(|| fallback.remove(at)) {
                Some(why) if first != *at => why,
                _ => "it is the first".to_owned(),
            };
            let strength = weakest.get(&root).copied().unwrap_or(BY_HAND);
            let part = parts.entry(first).or_insert(Part { members: Vec::new(), strength });
            part.members.push((*at, why));
        }
        parts.into_values().collect()
    }

    fn edges(&self, places: &[u32], least: u8, cut_us: Option<i64>) -> Vec<Edge<'a>> {
        let mut by_key: BTreeMap<Key<'a>, Vec<u32>> = BTreeMap::new();
        for at in places {
            let Some(subject) = self.subject(*at) else { continue };
            for key in keys(subject).into_iter().filter(|key| key.strength() >= least) {
                by_key.entry(key).or_default().push(*at);
            }
        }
        let mut edges = Vec::new();
        let cut = |at: u32| cut_us.map(|cut_us| self.time_us(at).div_euclid(cut_us));
        for (key, members) in &by_key {
            let mut chain: Vec<u32> = Vec::new();
            for at in members {
                let goes_on = chain.last().is_some_and(|last| {
                    self.time_us(*at) - self.time_us(*last) <= self.joining.window_us
                        && cut(*last) == cut(*at)
                });
                if !goes_on {
                    self.link(*key, &chain, &mut edges);
                    chain.clear();
                }
                chain.push(*at);
            }
            self.link(*key, &chain, &mut edges);
        }
        let within: BTreeSet<u32> = places.iter().copied().collect();
        for (a, b, why) in &self.decisions.pairs {
            if within.contains(a) && within.contains(b) {
                let gap_us = self.time_us(*b) - self.time_us(*a);
                edges.push(Edge { a: *a, b: *b, strength: BY_HAND, gap_us, why: *why });
            }
        }
        edges
    }

    /// Links the alerts of a chain one to the next, if its key means something there.
    fn link(&self, key: Key<'a>, chain: &[u32], edges: &mut Vec<Edge<'a>>) {
        let Some(first) = chain.first().and_then(|first| self.subject(*first)) else { return };
        if chain.len() < 2 {
            return;
        }
        let joins = match self.known {
            Some(known) => known(key, first),
            None => {
                let subjects: Vec<&Subject> = chain.iter().filter_map(|at| self.subject(*at)).collect();
                !is_crowded(key, &subjects, self.joining) && goes_on(key, &subjects)
            }
        };
        if !joins {
            return;
        }
        let mut before: Option<u32> = None;
        let mut before_on_side: HashMap<&[(usize, bool)], u32> = HashMap::new();
        for at in chain {
            let sides = self.decisions.sides(*at);
            let on_side = if sides.is_empty() { None } else { before_on_side.insert(sides, *at) };
            for other in before.into_iter().chain(on_side.filter(|other| Some(*other) != before)) {
                let gap_us = self.time_us(*at) - self.time_us(other);
                edges.push(Edge { a: other, b: *at, strength: key.strength(), gap_us, why: Why::Key(key) });
            }
            before = Some(*at);
        }
    }

    fn reason(&self, edge: &Edge<'a>, other: u32) -> String {
        let id = self.subject(other).map(|subject| subject.seed.id.as_str()).unwrap_or_default();
        let id: String = id.chars().take(12).collect();
        match edge.why {
            Why::Merge(decision) => {
                format!("joined by hand to alert {id} by {}: {}", decision.by, decision.reason)
            }
            Why::Side(decision, true) => {
                format!("taken out with alert {id} by {}: {}", decision.by, decision.reason)
            }
            Why::Side(decision, false) => {
                format!("kept with alert {id} when {} took others out: {}", decision.by, decision.reason)
            }
            Why::Key(key) => {
                let (gap, side) = (span(edge.gap_us), if other == edge.a { "before" } else { "after" });
                format!("{} as alert {id}, {gap} {side}", key.describe())
            }
        }
    }
}

/// Whether too many share a key at once for it to mean anything. More alerts never make it fewer.
pub(super) fn is_crowded(key: Key<'_>, chain: &[&Subject], joining: &Joining) -> bool {
    match key {
        Key::IdentityResource(..) | Key::IdentityAddress(..) => false,
        Key::Identity(_) | Key::Credential(_) => {
            let addresses = |subject: &Subject, each: &mut dyn FnMut(&str)| {
                subject.addresses.iter().for_each(|address| each(address));
            };
            most_at_once(chain, joining.window_us, addresses) > joining.addresses
        }
        Key::AddressResource(..) | Key::Address(_) | Key::Turned(_) => {
            let actors = |subject: &Subject, each: &mut dyn FnMut(&str)| subject.actors().for_each(each);
            most_at_once(chain, joining.window_us, actors) > joining.sharing
        }
    }
}

/// Whether a chain shows what its key demands. More alerts never show less.
pub(super) fn goes_on(key: Key<'_>, chain: &[&Subject]) -> bool {
    match key {
        Key::Address(_) => {
            steps(chain.iter().map(|subject| subject.seed.tactics.as_slice())) >= TACTICS_OF_ADDRESS
        }
        Key::Turned(who) => is_turned(who, chain.iter().copied()),
        _ => true,
    }
}

/// How many different names there are within one window at most: over months everybody has many.
fn most_at_once(chain: &[&Subject], window_us: i64, names: impl Fn(&Subject, &mut dyn FnMut(&str))) -> usize {
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut most = 0;
    let mut leaving = chain.iter().peekable();
    for subject in chain {
        let is_over = |old: &&&Subject| subject.seed.time_us - old.seed.time_us > window_us;
        while let Some(old) = leaving.next_if(is_over) {
            names(old, &mut |name| {
                if let Some(count) = counts.get_mut(name) {
                    *count -= 1;
                    if *count == 0 {
                        counts.remove(name);
                    }
                }
            });
        }
        names(subject, &mut |name| match counts.get_mut(name) {
            Some(count) => *count += 1,
            None => drop(counts.insert(name.to_owned(), 1)),
        });
        most = most.max(counts.len());
    }
    most
}

/// Whether something was done to `who`, who then acts with a later tactic.
fn is_turned<'a>(who: &str, chain: impl Iterator<Item = &'a Subject>) -> bool {
    let mut done = None;
    for subject in chain {
        let (first, last) = (subject.seed.tactics.first(), subject.seed.tactics.last());
        if subject.actors().any(|actor| actor == who) && done.is_some() && last > done {
            return true;
        }
        if first.is_some() && subject.targets.iter().any(|target| target == who) {
            done = if done.is_none() { first } else { done.min(first) };
        }
    }
    false
}

/// A span of time in words.
fn span(us: i64) -> String {
    let seconds = us / 1_000_000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// What may join an alert to others.
pub(super) fn keys(subject: &Subject) -> Vec<Key<'_>> {
    let mut keys = Vec::new();
    keys.extend(subject.people.iter().map(|who| Key::Identity(who)));
    keys.extend(subject.credentials.iter().map(|key| Key::Credential(key)));
    for who in subject.actors() {
        keys.extend(subject.resources.iter().map(|what| Key::IdentityResource(who, what)));
        keys.extend(subject.addresses.iter().map(|from| Key::IdentityAddress(who, from)));
        keys.push(Key::Turned(who));
    }
    keys.extend(subject.targets.iter().map(|who| Key::Turned(who)));
    for from in &subject.addresses {
        keys.extend(subject.resources.iter().map(|what| Key::AddressResource(from, what)));
        keys.push(Key::Address(from));
    }
    keys
}

/// Sets that know which of them must stay apart.
#[derive(Default)]
struct Sets {
    parent: HashMap<u32, u32>,
    /// By root, the side on which each split has put it.
    sides: HashMap<u32, BTreeMap<usize, bool>>,
}

impl Sets {
    fn new(places: &[u32], decisions: &Decided<'_>) -> Self {
        let sides = places
            .iter()
            .map(|at| (*at, decisions.sides(*at).iter().copied().collect::<BTreeMap<_, _>>()))
            .filter(|(_, sides)| !sides.is_empty())
            .collect();
        Self { parent: HashMap::with_capacity(places.len()), sides }
    }

    fn root(&mut self, at: u32) -> u32 {
        let mut root = at;
        while let Some(parent) = self.parent.get(&root) {
            root = *parent;
        }
        let mut at = at;
        while at != root {
            at = self.parent.insert(at, root).unwrap_or(root);
        }
        root
    }

    /// Makes one set of two; `false` if they are one already, or must stay apart.
    fn unite(&mut self, a: u32, b: u32) -> bool {
        let (a, b) = (self.root(a), self.root(b));
        if a == b {
            return false;
        }
        if let (Some(one), Some(other)) = (self.sides.get(&a), self.sides.get(&b))
            && one.iter().any(|(split, side)| other.get(split).is_some_and(|other| other != side))
        {
            return false;
        }
        let (root, child) = (a.min(b), a.max(b));
        self.parent.insert(child, root);
        if let Some(gone) = self.sides.remove(&child) {
            self.sides.entry(root).or_default().extend(gone);
        }
        true
    }
}

#[cfg(test)]
pub(super) mod tests;
