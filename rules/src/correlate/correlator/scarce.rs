//! Room is made when a bound is met: what no window and no lateness can reach any more goes first.
//!
//! Looking through what is remembered costs as much as there is of it. So it is done when a sixteenth has
//! been added since the last time, or when time has come so far that it may help; then a hit costs the same
//! however much is remembered.

use std::collections::{BTreeMap, HashMap};

use super::{Bound, Correlator, Finding, Remembered};
use crate::check::judge::Judge;
use crate::compile::{Correlation, RuleSet};

/// Of what fits, so much must be new (one part of so many) before it is looked through again.
const PARTS: usize = 16;

/// So much of a bound, one part of so many, must be free for its shortage to be over.
const FREE: usize = 8;

/// Groups that are kept an eye on; beyond, those that have become small are let go.
const WATCHED: usize = 4096;

/// What making room came to.
#[derive(Debug, Default)]
pub struct Cleared {
    /// What the groups amounted to before they lost hits, if it is new; comes before what
    /// [`Correlator::settle`] finds.
    pub findings: Vec<Finding>,
    /// What storage need not keep.
    pub forgotten: Vec<Remembered>,
    /// By index of the correlation: events before this time, microseconds since 1970, come too late from now on.
    pub before_us: BTreeMap<u32, i64>,
}

/// What is short of room.
#[derive(Debug)]
pub(super) struct Scarce {
    /// No event before is waited for; `None`: any may come.
    horizon_us: Option<i64>,
    watermark_us: i64,
    /// By correlation, which hang together: they must forget by the same time.
    families: Vec<u32>,
    all: Look,
    rooms: HashMap<u32, Look>,
    groups: HashMap<(u32, Box<str>), Look>,
    cleared: Cleared,
}

/// The last look for what can be forgotten.
#[derive(Debug, Clone, Copy)]
struct Look {
    /// What it left.
    left: usize,
    /// Before the horizon is here, another will not help.
    again_us: i64,
}

impl Default for Look {
    fn default() -> Self {
        Self { left: 0, again_us: i64::MIN }
    }
}

impl Look {
    /// Whether enough is new since the last look.
    fn has_grown(&self, hits: usize, most: usize) -> bool {
        hits.saturating_sub(self.left) >= (most / PARTS).max(1)
    }
}

impl Scarce {
    pub(super) fn new(set: &RuleSet) -> Self {
        Self {
            horizon_us: None,
            watermark_us: i64::MIN,
            families: families(set.correlations()),
            all: Look::default(),
            rooms: HashMap::new(),
            groups: HashMap::new(),
            cleared: Cleared::default(),
        }
    }

    /// A group is as full as it may be without having been asked for room.
    pub(super) fn watch(&mut self, correlation: u32, key: &str) {
        self.groups.entry((correlation, key.into())).or_default();
    }

    fn look(&mut self, correlation: u32, key: &str, bound: Bound) -> &mut Look {
        match bound {
            Bound::Group => self.groups.entry((correlation, key.into())).or_default(),
            Bound::Correlation => self.rooms.entry(correlation).or_default(),
            Bound::All => &mut self.all,
        }
    }
}

/// For each correlation a number that it shares with those it feeds and is fed by.
fn families(correlations: &[Correlation]) -> Vec<u32> {
    let mut families: Vec<u32> = (0u32..).take(correlations.len()).collect();
    for (index, correlation) in correlations.iter().enumerate() {
        for (above, ..) in &correlation.feeds {
            let (Some(one), Some(other)) =
                (families.get(index).copied(), families.get(*above as usize).copied())
            else {
                continue;
            };
            families.iter_mut().filter(|family| **family == other).for_each(|family| *family = one);
        }
    }
    families
}

impl Correlator {
    /// No event before `horizon_us` is waited for any more, and windows before `watermark_us` are over. From now
    /// on a hit that meets a bound is left out only if it finds no room after all that no event from the horizon
    /// on can touch was forgotten; [`cleared`](Self::cleared) tells what was. Neither time goes back.
    pub fn advance(&mut self, horizon_us: i64, watermark_us: i64) {
        let scarce = &mut self.scarce;
        scarce.watermark_us = scarce.watermark_us.max(watermark_us);
        // What is forgotten must have been judged.
        scarce.horizon_us = scarce.horizon_us.max(Some(horizon_us.min(scarce.watermark_us)));
    }

    /// What making room came to since the last call.
    pub fn cleared(&mut self) -> Cleared {
        std::mem::take(&mut self.scarce.cleared)
    }

    /// Forgets where more than half of the room is used, so that bounds are not met in the first place.
    pub fn forget_early(&mut self) {
        let Some(horizon_us) = self.scarce.horizon_us else { return };
        let most = self.limits.hits;
        if self.hits > most / 2 && self.scarce.all.has_grown(self.hits, most) {
            self.clear(0, "", Bound::All, horizon_us);
        }
        let most = self.limits.correlation_hits;
        for index in 0..self.rooms.len() as u32 {
            let hits = self.used(index, "", Bound::Correlation);
            let look = self.scarce.rooms.get(&index).copied().unwrap_or_default();
            if hits > most / 2 && look.has_grown(hits, most) {
                self.clear(index, "", Bound::Correlation, horizon_us);
            }
        }
    }

    /// Whether a bound that a correlation has met is still short of room; for keys, whether one of them is. Forgets
    /// what can be forgotten first.
    pub fn is_short(&mut self, correlation: u32, bound: Bound) -> bool {
        let most = self.most(bound);
        let enough = most.saturating_sub((most / FREE).max(1));
        if bound != Bound::Group {
            self.make_room(correlation, "", bound);
            return self.used(correlation, "", bound) > enough;
        }
        let watched = self.scarce.groups.keys().filter(|(of, _)| *of == correlation);
        let keys: Vec<_> = watched.map(|(_, key)| key.clone()).collect();
        let mut is_short = false;
        for key in keys {
            self.make_room(correlation, &key, bound);
            if self.used(correlation, &key, bound) > enough {
                is_short = true;
            } else {
                self.scarce.groups.remove(&(correlation, key));
            }
        }
        is_short
    }

    /// Looks for what can be forgotten, if that may help; whether there is room now.
    pub(super) fn make_room(&mut self, correlation: u32, key: &str, bound: Bound) -> bool {
        let (hits, most) = (self.used(correlation, key, bound), self.most(bound));
        let look = *self.scarce.look(correlation, key, bound);
        let Some(horizon_us) = self.scarce.horizon_us else { return hits < most };
        if look.has_grown(hits, most) || horizon_us >= look.again_us {
            self.clear(correlation, key, bound, horizon_us);
        }
        self.used(correlation, key, bound) < most
    }

    /// The limits that what is remembered now just fits into.
    #[cfg(test)]
    pub(crate) fn fits(&self) -> super::CorrelatorLimits {
        let groups = self.rooms.iter().flat_map(|room| room.groups.values());
        super::CorrelatorLimits {
            group_hits: groups.map(|group| group.hits.len()).max().unwrap_or(0),
            correlation_hits: self.rooms.iter().map(|room| room.hits).max().unwrap_or(0),
            hits: self.hits,
        }
    }

    fn most(&self, bound: Bound) -> usize {
        match bound {
            Bound::Group => self.limits.group_hits,
            Bound::Correlation => self.limits.correlation_hits,
            Bound::All => self.limits.hits,
        }
    }

    fn used(&self, correlation: u32, key: &str, bound: Bound) -> usize {
        let room = self.rooms.get(correlation as usize);
        match bound {
            Bound::Group => room.and_then(|room| room.groups.get(key)).map_or(0, |group| group.hits.len()),
            Bound::Correlation => room.map_or(0, |room| room.hits),
            Bound::All => self.hits,
        }
    }

    /// Judges what is to be judged and forgets what can be forgotten, as far as a bound goes.
    fn clear(&mut self, correlation: u32, key: &str, bound: Bound, horizon_us: i64) {
        let watermark_us = self.scarce.watermark_us;
        let families = &self.scarce.families;
        let family = families.get(correlation as usize).copied();
        let related: Vec<u32> = (0u32..)
            .zip(families)
            .filter(|(_, of)| bound == Bound::All || Some(**of) == family)
            .map(|(index, _)| index)
            .collect();
        let mut findings = Vec::new();
        if let (Bound::Group, [_], Some(room)) =
            (bound, related.as_slice(), self.rooms.get_mut(correlation as usize))
        {
            room.mark(key);
            self.settle_group(correlation, key, watermark_us, &mut findings);
        } else {
            self.settle_rooms(&related, watermark_us, &mut findings);
        }
        self.scarce.cleared.findings.append(&mut findings);
        let only = (bound == Bound::Group).then_some(key);
        let mut changed = Vec::new();
        match bound {
            Bound::All => {
                related.iter().for_each(|index| self.forget_in(*index, None, horizon_us, &mut changed))
            }
            _ => self.forget_in(correlation, only, horizon_us, &mut changed),
        }
        if !changed.is_empty() {
            for index in related {
                let Some(room) = self.rooms.get_mut(index as usize) else { continue };
                room.forgotten_before_us = room.forgotten_before_us.max(Some(horizon_us));
                self.scarce.cleared.before_us.insert(index, horizon_us);
            }
            self.scarce.cleared.forgotten.append(&mut changed);
        }
        let again_us = self.again_us(correlation, key, bound, horizon_us);
        let left = self.used(correlation, key, bound);
        *self.scarce.look(correlation, key, bound) = Look { left, again_us };
        if self.scarce.groups.len() > WATCHED {
            let (rooms, least) = (&self.rooms, self.limits.group_hits / 2);
            self.scarce.groups.retain(|(index, key), _| {
                let group = rooms.get(*index as usize).and_then(|room| room.groups.get(key));
                group.is_some_and(|group| group.hits.len() > least)
            });
        }
    }

    /// The horizon from which on another look may help.
    fn again_us(&self, correlation: u32, key: &str, bound: Bound, horizon_us: i64) -> i64 {
        let set = &self.set;
        let of_room = |index: u32| {
            let (room, rule) = (self.rooms.get(index as usize)?, set.correlations().get(index as usize)?);
            let first_us = |group: &super::Group| group.hits.first().map(|first| first.time_us);
            let first_us = match bound {
                Bound::Group => room.groups.get(key).and_then(first_us),
                _ => room.groups.values().filter_map(first_us).min(),
            };
            Some((first_us?.saturating_add(rule.reach_us), pace_us(rule)))
        };
        let rooms = match bound {
            Bound::All => 0..self.rooms.len() as u32,
            _ => correlation..correlation.saturating_add(1),
        };
        let (mut free_us, mut pace) = (i64::MAX, i64::MAX);
        for (first_us, of_rule) in rooms.filter_map(of_room) {
            (free_us, pace) = (free_us.min(first_us), pace.min(of_rule));
        }
        if free_us == i64::MAX {
            return i64::MIN;
        }
        free_us.max(horizon_us.saturating_add((pace / PARTS as i64).max(1)))
    }
}

/// How far time must go for what is remembered to become another.
fn pace_us(rule: &Correlation) -> i64 {
    const DAY_US: i64 = 86_400_000_000;
    match rule.judge {
        Judge::FirstSeen { .. } => DAY_US,
        _ => rule.timespan_us(),
    }
}
