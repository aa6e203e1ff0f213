//! The groups of all correlations, and what is new about them.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use event::EventKey;

use super::hit::Hit;
use super::prune;
use super::window::{self, Kept, Span, Why};
use crate::compile::{Correlation, RuleSet};

mod scarce;

pub use scarce::Cleared;
use scarce::Scarce;

/// What stands between the parts of a key; it cannot be typed into a log's name by accident.
const SEPARATOR: char = '\u{1f}';

/// A map by key or actor, of which there may be a million. The hasher is faster than the standard one and
/// seeded anew in each process, against names that are chosen to collide.
type ByName<V> = HashMap<Box<str>, V, foldhash::quality::RandomState>;

/// How much a correlator may remember.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CorrelatorLimits {
    /// Hits with one key.
    pub group_hits: usize,
    /// Hits of one correlation.
    pub correlation_hits: usize,
    /// Hits in all; a hit takes about 40 bytes and a key about 150.
    pub hits: usize,
}

impl Default for CorrelatorLimits {
    fn default() -> Self {
        Self { group_hits: 10_000, correlation_hits: 500_000, hits: 2_000_000 }
    }
}

/// Which of the [`CorrelatorLimits`] was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bound {
    /// [`CorrelatorLimits::group_hits`]
    Group,
    /// [`CorrelatorLimits::correlation_hits`]
    Correlation,
    /// [`CorrelatorLimits::hits`]
    All,
}

/// What became of a hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// It is remembered.
    New,
    /// It was there already.
    Known,
    /// It happened before the time that is still remembered.
    Late,
    /// There was no room.
    Full(Bound),
}

/// What a correlation remembers and what it had to leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CorrelatorStats {
    /// Keys at present.
    pub groups: u64,
    /// Hits at present.
    pub hits: u64,
    /// Hits that came too late to take part.
    pub late: u64,
    /// Hits for which there was no room.
    pub full: u64,
}

/// Hits that belong together and are worth telling.
#[derive(Debug, Clone, PartialEq)]
pub struct Episode {
    /// The same for the same correlation, key and first event.
    pub id: EventKey,
    /// The time of the first hit, microseconds since 1970.
    pub begin_us: i64,
    /// The time of the last hit.
    pub end_us: i64,
    /// The time at which it was decided: of the deciding event, or the end of its window.
    pub decided_us: i64,
    /// Time, event and member (the index in the correlation's rules) of every hit, in order. Hits of
    /// correlations are those of the events beneath.
    pub hits: Vec<(i64, EventKey, u16)>,
    /// What was counted or computed, in words; may be empty.
    pub why: String,
}

/// A difference to what was told before.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The index of the correlation in [`RuleSet::correlations`].
    pub correlation: u32,
    /// The values of `group-by`.
    pub key: Vec<String>,
    /// The episode, new or changed; `Err` with its id if it is refuted.
    pub episode: Result<Episode, EventKey>,
    /// Nothing was told of the episode before.
    pub is_new: bool,
}

/// A hit that need not be remembered any more, or that stands for others now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Remembered {
    /// The index of the correlation.
    pub correlation: u32,
    /// The hit's time, microseconds since 1970.
    pub time_us: i64,
    /// Its event.
    pub event: EventKey,
    /// Its member.
    pub member: u16,
    /// The digest of its value.
    pub value: u64,
    /// How many hits it stands for; 0 if it is forgotten.
    pub weight: u32,
}

/// Remembers hits and judges them.
#[derive(Debug)]
pub struct Correlator {
    set: Arc<RuleSet>,
    limits: CorrelatorLimits,
    /// By correlation.
    rooms: Vec<Room>,
    /// Groups by whoever acted, for correlations by actor and more; the key of those by actor alone is the
    /// actor.
    by_actor: ByName<Vec<(u32, Box<str>)>>,
    /// Actors with groups that were found to be others, and who they are.
    merged: ByName<Box<str>>,
    hits: usize,
    scarce: Scarce,
}

/// The groups of one correlation.
#[derive(Debug, Default)]
struct Room {
    groups: ByName<Group>,
    hits: usize,
    /// Groups to be judged; each is marked so, too.
    dirty: Vec<Box<str>>,
    /// Groups to be judged when the watermark has passed.
    due: BTreeSet<(i64, Box<str>)>,
    /// Hits before are forgotten.
    forgotten_before_us: Option<i64>,
    late: u64,
    full: u64,
    /// The hits beneath each episode, for the correlations above.
    beneath: HashMap<EventKey, Vec<(i64, EventKey, u16)>>,
}

/// The hits with one key. There may be a million, most with one hit: what only some need is in a box.
#[derive(Debug, Default)]
struct Group {
    /// In order.
    hits: Vec<Kept>,
    /// What was told, and when it is to be judged again.
    told: Option<Box<Past>>,
    is_dirty: bool,
}

#[derive(Debug, Default)]
struct Past {
    told: Vec<Told>,
    due_us: Option<i64>,
}

/// An episode as it was told last.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    id: EventKey,
    digest: u64,
    /// The time of its last hit.
    last_us: i64,
}

impl Correlator {
    /// One that remembers nothing yet.
    pub fn new(set: Arc<RuleSet>, limits: CorrelatorLimits) -> Self {
        let rooms = std::iter::repeat_with(Room::default).take(set.correlations().len()).collect();
        let scarce = Scarce::new(&set);
        Self { set, limits, rooms, by_actor: ByName::default(), merged: ByName::default(), hits: 0, scarce }
    }

    /// The rules whose correlations it knows.
    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.set
    }

    /// Remembers a hit. `actor` is who the hit's actor is known to be, of all their names the one that
    /// counts.
    pub fn observe(&mut self, hit: &Hit, actor: Option<&str>) -> Observed {
        let kept = Kept {
            time_us: hit.time_us,
            event: halves(hit.event),
            value: hit.value.digest(),
            member: hit.member,
            weight: 1,
        };
        let key = self.key(hit.correlation, &hit.key, actor);
        // There are three bounds, and room for one may be met by the next.
        const TRIES: usize = 3;
        let mut observed = self.insert(hit.correlation, &key, kept, true);
        for _ in 0..TRIES {
            let Observed::Full(bound) = observed else { return observed };
            if !self.make_room(hit.correlation, &key, bound) {
                break;
            }
            observed = self.insert(hit.correlation, &key, kept, true);
        }
        if let (Observed::Full(_), Some(room)) = (observed, self.rooms.get_mut(hit.correlation as usize)) {
            room.full += 1;
        }
        observed
    }

    /// The key, with the actor in its place.
    fn key<'k>(&self, correlation: u32, parts: &[String], actor: Option<&'k str>) -> Cow<'k, str> {
        let rule = self.set.correlations().get(correlation as usize);
        if let (Some(actor), true) = (actor, rule.is_some_and(Correlation::is_by_actor_alone)) {
            return Cow::Borrowed(actor);
        }
        let part = rule.and_then(Correlation::actor_part);
        let with_actor = parts.iter().enumerate().map(|(index, value)| match actor {
            Some(actor) if part == Some(index) => actor.to_owned(),
            _ => value.clone(),
        });
        Cow::Owned(join(&with_actor.collect::<Vec<_>>()))
    }

    /// Remembers a hit that was remembered before a restart; `key` and `actor` as for
    /// [`observe`](Self::observe).
    pub fn recall(&mut self, hit: &Remembered, key: &[String], actor: Option<&str>) -> Observed {
        let kept = Kept {
            time_us: hit.time_us,
            event: halves(hit.event),
            value: hit.value,
            member: hit.member,
            weight: hit.weight,
        };
        let key = self.key(hit.correlation, key, actor);
        self.insert(hit.correlation, &key, kept, false)
    }

    /// Takes up what was forgotten before a restart.
    pub fn recall_forgotten(&mut self, correlation: u32, before_us: i64) {
        if let Some(room) = self.rooms.get_mut(correlation as usize) {
            room.forgotten_before_us = Some(before_us);
        }
    }

    fn insert(&mut self, correlation: u32, key: &str, kept: Kept, is_new: bool) -> Observed {
        let Some(room) = self.rooms.get_mut(correlation as usize) else { return Observed::Known };
        if is_new && room.forgotten_before_us.is_some_and(|before_us| kept.time_us < before_us) {
            room.late += 1;
            return Observed::Late;
        }
        let known = room.groups.get_mut(key);
        let hits = known.as_ref().map_or(&[][..], |group| group.hits.as_slice());
        // Hits mostly come in order.
        let at = match hits.last() {
            Some(last) if last.key() >= kept.key() => hits.binary_search_by_key(&kept.key(), Kept::key),
            _ => Err(hits.len()),
        };
        let Err(at) = at else { return Observed::Known };
        let bound = if !is_new {
            None
        } else if hits.len() >= self.limits.group_hits {
            Some(Bound::Group)
        } else if room.hits >= self.limits.correlation_hits {
            Some(Bound::Correlation)
        } else {
            (self.hits >= self.limits.hits).then_some(Bound::All)
        };
        if let Some(bound) = bound {
            return Observed::Full(bound);
        }
        let rule = self.set.correlations().get(correlation as usize);
        let group = match known {
            Some(group) => group,
            None => {
                if let Some(actor) = rule.and_then(|rule| indexed_actor(rule, key)) {
                    self.by_actor.entry(actor.into()).or_default().push((correlation, key.into()));
                }
                room.groups.entry(key.into()).or_default()
            }
        };
        if group.hits.capacity() == 0 {
            group.hits.reserve_exact(1);
        }
        group.hits.insert(at, kept);
        room.hits += 1;
        self.hits += 1;
        if !is_new && group.hits.len() >= self.limits.group_hits {
            self.scarce.watch(correlation, key);
        }
        // Too few hits can amount to nothing, and need not be looked at.
        let is_enough = rule.is_none_or(|rule| group.hits.len() >= rule.judge.least_hits());
        if (is_enough || group.told.is_some()) && !group.is_dirty {
            group.is_dirty = true;
            room.dirty.push(key.into());
        }
        Observed::New
    }

    /// Two names were found to be one actor: what was `gone` is `kept` from now on.
    pub fn merge_actors(&mut self, kept: &str, gone: &str) {
        let mut groups = self.by_actor.remove(gone).unwrap_or_default();
        let by_actor_alone =
            (0u32..).zip(self.set.correlations()).filter(|(_, rule)| rule.is_by_actor_alone());
        groups.extend(by_actor_alone.map(|(index, _)| (index, gone.into())));
        let set = self.set.clone();
        for (correlation, key) in groups {
            let part = set.correlations().get(correlation as usize).and_then(Correlation::actor_part);
            let Some(room) = self.rooms.get_mut(correlation as usize) else { continue };
            let Some(group) = room.groups.get_mut(&key) else { continue };
            self.merged.insert(gone.into(), kept.into());
            let hits = std::mem::take(&mut group.hits);
            if !std::mem::replace(&mut group.is_dirty, true) {
                room.dirty.push(key.clone());
            }
            room.hits -= hits.len();
            self.hits -= hits.len();
            let mut parts = split(&key);
            if let Some(slot) = part.and_then(|part| parts.get_mut(part)) {
                kept.clone_into(slot);
            }
            let key = join(&parts);
            for hit in hits {
                self.insert(correlation, &key, hit, false);
            }
        }
    }

    /// Judges what has changed, and what was waiting for `watermark_us`: what is new since the last time.
    pub fn settle(&mut self, watermark_us: i64) -> Vec<Finding> {
        let mut findings = Vec::new();
        let all: Vec<u32> = (0u32..).take(self.rooms.len()).collect();
        self.settle_rooms(&all, watermark_us, &mut findings);
        findings
    }

    /// Judges the groups of some correlations, given in order.
    fn settle_rooms(&mut self, indices: &[u32], watermark_us: i64, findings: &mut Vec<Finding>) {
        for index in indices {
            let Some(room) = self.rooms.get_mut(*index as usize) else { continue };
            while let Some((due_us, key)) =
                room.due.first().filter(|(due_us, _)| *due_us < watermark_us).cloned()
            {
                room.due.remove(&(due_us, key.clone()));
                room.mark(&key);
            }
            for key in std::mem::take(&mut room.dirty) {
                self.settle_group(*index, &key, watermark_us, findings);
            }
        }
    }

    /// Judges a group, and lets the correlations above take what is found.
    fn settle_group(&mut self, index: u32, key: &str, watermark_us: i64, findings: &mut Vec<Finding>) {
        let set = self.set.clone();
        let (Some(correlation), Some(room)) =
            (set.correlations().get(index as usize), self.rooms.get_mut(index as usize))
        else {
            return;
        };
        let from = findings.len();
        if room.settle(index, correlation, key, watermark_us, findings) {
            forget_group(&mut self.by_actor, correlation, index, key);
        }
        for finding in findings.get_mut(from..).unwrap_or_default() {
            if !correlation.feeds.is_empty() {
                self.feed(correlation, finding);
            }
            // The words of an alert name events, and not the correlations between.
            self.spell_out(finding);
        }
    }

    /// An episode is a hit of the correlations above.
    fn feed(&mut self, correlation: &Correlation, finding: &Finding) {
        let mut inner = finding.key.clone();
        if let Some(actor) = correlation.actor_part().and_then(|part| inner.get_mut(part)) {
            // What is withdrawn from a former name lies under the present one above.
            while let Some(present) = self.merged.get(actor.as_str()) {
                present.to_string().clone_into(actor);
            }
        }
        for (above, member, parts) in &correlation.feeds {
            let key = parts.iter().map(|part| inner.get(*part).cloned().unwrap_or_default());
            let key = join(&key.collect::<Vec<_>>());
            let id = match &finding.episode {
                Ok(episode) => episode.id,
                Err(id) => *id,
            };
            let Some(room) = self.rooms.get_mut(*above as usize) else { continue };
            if let Some(group) = room.groups.get_mut(&*key) {
                let before = group.hits.len();
                group.hits.retain(|hit| hit.event != halves(id) || hit.member != *member);
                let gone = before - group.hits.len();
                room.hits -= gone;
                self.hits -= gone;
                room.mark(&key);
            }
            if let Ok(episode) = &finding.episode {
                room.beneath.insert(id, episode.hits.clone());
                let (time_us, event) = (episode.decided_us, halves(id));
                // An episode that has grown is another hit, so that the words above it change, too.
                let value =
                    fnv(episode.hits.iter().flat_map(|(_, event, _)| <[u64; 2]>::from(halves(*event))));
                let kept = Kept { time_us, event, value, member: *member, weight: 1 };
                self.insert(*above, &key, kept, false);
            } else {
                room.beneath.remove(&id);
            }
        }
    }

    fn spell_out(&self, finding: &mut Finding) {
        let Some(room) = self.rooms.get(finding.correlation as usize) else { return };
        let Ok(episode) = &mut finding.episode else { return };
        if room.beneath.is_empty() {
            return;
        }
        let mut hits = Vec::with_capacity(episode.hits.len());
        for hit in &episode.hits {
            match room.beneath.get(&hit.1) {
                Some(beneath) => {
                    hits.extend(beneath.iter().map(|(time_us, event, _)| (*time_us, *event, hit.2)))
                }
                None => hits.push(*hit),
            }
        }
        hits.sort_unstable();
        hits.dedup_by_key(|(_, event, _)| *event);
        episode.hits = hits;
    }

    /// Forgets what no event from `horizon_us` on can touch any more; events before it come too late from
    /// now on. Returns what storage need not keep.
    pub fn forget(&mut self, horizon_us: i64) -> Vec<Remembered> {
        let mut changed = Vec::new();
        for index in (0u32..).take(self.rooms.len()) {
            if let Some(room) = self.rooms.get_mut(index as usize) {
                room.forgotten_before_us = room.forgotten_before_us.max(Some(horizon_us));
            }
            self.forget_in(index, None, horizon_us, &mut changed);
        }
        changed
    }

    /// Forgets in one correlation, or in one of its groups; what is still to be judged stays.
    fn forget_in(&mut self, index: u32, only: Option<&str>, horizon_us: i64, changed: &mut Vec<Remembered>) {
        let set = self.set.clone();
        let (Some(correlation), Some(room)) =
            (set.correlations().get(index as usize), self.rooms.get_mut(index as usize))
        else {
            return;
        };
        let mut empty: Vec<Box<str>> = Vec::new();
        let one = only.and_then(|key| room.groups.get_key_value(key)).map(|(key, _)| key.clone());
        let mut prune = |key: &str, group: &mut Group| {
            if group.is_dirty {
                return;
            }
            let before = group.hits.len();
            let beneath = &mut room.beneath;
            prune::prune(correlation, horizon_us, &mut group.hits, &mut |kept, weight| {
                if weight == 0 {
                    beneath.remove(&whole(kept.event));
                }
                changed.push(Remembered {
                    correlation: index,
                    time_us: kept.time_us,
                    event: whole(kept.event),
                    member: kept.member,
                    value: kept.value,
                    weight,
                });
            });
            let gone = before - group.hits.len();
            room.hits -= gone;
            self.hits -= gone;
            if group.hits.is_empty() {
                empty.push(Box::from(key));
            }
        };
        match (only, one) {
            (None, _) => room.groups.iter_mut().for_each(|(key, group)| prune(key, group)),
            (_, Some(key)) => room.groups.get_mut(&key).into_iter().for_each(|group| prune(&key, group)),
            _ => {}
        }
        for key in empty {
            if let Some(due_us) = room.groups.remove(&key).and_then(|group| group.told?.due_us) {
                room.due.remove(&(due_us, key.clone()));
            }
            forget_group(&mut self.by_actor, correlation, index, &key);
        }
    }

    /// What was told and stands: correlation, id of the episode, key.
    pub fn told(&self) -> Vec<(u32, EventKey, Vec<String>)> {
        let mut all = Vec::new();
        for (index, room) in (0u32..).zip(&self.rooms) {
            for (key, group) in &room.groups {
                let told = group.told.iter().flat_map(|past| &past.told);
                all.extend(told.map(|told| (index, told.id, split(key))));
            }
        }
        all
    }

    /// How many hits are remembered.
    pub fn len(&self) -> usize {
        self.hits
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.hits == 0
    }

    /// What each correlation remembers, in the order of [`RuleSet::correlations`].
    pub fn stats(&self) -> Vec<CorrelatorStats> {
        let stats = |room: &Room| CorrelatorStats {
            groups: room.groups.len() as u64,
            hits: room.hits as u64,
            late: room.late,
            full: room.full,
        };
        self.rooms.iter().map(stats).collect()
    }

    /// The time at which the next group is to be judged although nothing comes.
    pub fn next_due_us(&self) -> Option<i64> {
        self.rooms.iter().filter_map(|room| room.due.first().map(|(due_us, _)| *due_us)).min()
    }
}

impl Room {
    /// Judges one group; `true` if nothing is left of it.
    fn settle(
        &mut self,
        index: u32,
        correlation: &Correlation,
        key: &str,
        watermark_us: i64,
        findings: &mut Vec<Finding>,
    ) -> bool {
        let Some(group) = self.groups.get_mut(key) else { return false };
        group.is_dirty = false;
        let judged = window::judge(&correlation.judge, correlation.timespan_us(), &group.hits, watermark_us);
        let mut past = group.told.take().unwrap_or_default();
        if let Some(due_us) = past.due_us.take() {
            self.due.remove(&(due_us, key.into()));
        }
        if let Some(due_us) = judged.due_us {
            past.due_us = Some(due_us);
            self.due.insert((due_us, key.into()));
        }
        // Nothing that comes can touch what lies before; some of its hits may be forgotten already.
        let frozen_before = self.forgotten_before_us.map(|us| us.saturating_sub(correlation.reach_us));
        let is_frozen = |span: &Span| {
            let last = span.hits.last().and_then(|last| group.hits.get(*last));
            last.map(|hit| hit.time_us) < frozen_before
        };
        let mut told = Vec::with_capacity(judged.spans.len());
        for span in judged.spans.iter().filter(|span| !is_frozen(span)) {
            let hits: Vec<_> = span.hits.iter().filter_map(|hit| group.hits.get(*hit)).copied().collect();
            let (Some(first), Some(last)) = (hits.first(), hits.last()) else { continue };
            let id = episode_id(correlation, key, first);
            let now = Told { id, digest: digest(&hits, span), last_us: last.time_us };
            if !past.told.contains(&now) {
                let episode = Episode {
                    id,
                    begin_us: first.time_us,
                    end_us: last.time_us,
                    decided_us: span.decided_us,
                    hits: hits.iter().map(|hit| (hit.time_us, whole(hit.event), hit.member)).collect(),
                    why: words(correlation, span.why),
                };
                let is_new = !past.told.iter().any(|before| before.id == id);
                findings.push(Finding { correlation: index, key: split(key), episode: Ok(episode), is_new });
            }
            told.push(now);
        }
        let before = std::mem::replace(&mut past.told, told);
        for gone in before.iter().filter(|old| !past.told.iter().any(|now| now.id == old.id)) {
            // What is frozen is not refuted: it is only not looked at any more.
            if Some(gone.last_us) >= frozen_before {
                let episode = Err(gone.id);
                findings.push(Finding { correlation: index, key: split(key), episode, is_new: false });
            }
        }
        if !past.told.is_empty() || past.due_us.is_some() {
            group.told = Some(past);
        }
        if group.hits.is_empty() {
            self.groups.remove(key);
            return true;
        }
        false
    }

    /// The group is to be judged.
    fn mark(&mut self, key: &str) {
        if let Some(group) = self.groups.get_mut(key)
            && !std::mem::replace(&mut group.is_dirty, true)
        {
            self.dirty.push(key.into());
        }
    }
}

/// The actor in a key, where groups are also found by it.
fn indexed_actor<'k>(correlation: &Correlation, key: &'k str) -> Option<&'k str> {
    let part = correlation.actor_part().filter(|_| !correlation.is_by_actor_alone())?;
    key.split(SEPARATOR).nth(part)
}

fn forget_group(
    by_actor: &mut ByName<Vec<(u32, Box<str>)>>,
    correlation: &Correlation,
    index: u32,
    key: &str,
) {
    let Some(actor) = indexed_actor(correlation, key) else { return };
    if let Some(groups) = by_actor.get_mut(actor) {
        groups.retain(|(of, known)| *of != index || &**known != key);
        if groups.is_empty() {
            by_actor.remove(actor);
        }
    }
}

fn episode_id(correlation: &Correlation, key: &str, first: &Kept) -> EventKey {
    let event = whole(first.event).0.to_be_bytes();
    EventKey::of("episode", &[correlation.id().as_bytes(), key.as_bytes(), &event])
}

/// Tells whether an episode has changed. The same hits may be decided by another one: events that came late, before
/// the first of them, can keep the first windows from what the condition asks.
fn digest(hits: &[Kept], span: &Span) -> u64 {
    let hits = hits.iter().flat_map(|hit| [hit.event.0, hit.event.1, hit.member.into(), hit.value]);
    let numbers = match span.why {
        Why::Plain => [0.0; 3],
        Why::Number(number) => [number, 0.0, 0.0],
        Why::Travel { km, hours, .. } => [km, hours, 0.0],
        Why::Volume(count, median, deviation) => [count, median, deviation],
    };
    fnv(hits.chain(numbers.map(f64::to_bits)).chain([span.decided_us.cast_unsigned()]))
}

/// FNV-1a over words: enough to see a change, for nobody gains by two episodes that look alike.
fn fnv(words: impl Iterator<Item = u64>) -> u64 {
    words.fold(0xcbf2_9ce4_8422_2325, |hash, word| (hash ^ word).wrapping_mul(0x0100_0000_01b3))
}

fn words(correlation: &Correlation, why: Why) -> String {
    let of = correlation.fields().join(", ");
    match why {
        Why::Plain => String::new(),
        Why::Number(number) => match correlation.kind() {
            "event_count" => format!("{number} events"),
            "value_count" => format!("{number} distinct values of {of}"),
            "x-rare" => format!("seen {number} times: {of}"),
            "temporal" => format!("{number} of {} rules", correlation.members().len()),
            kind => format!("{} of {of} is {number}", kind.trim_start_matches("value_")),
        },
        Why::Travel { km, hours, from, to } => {
            // Within one second there is no speed to tell.
            let speed =
                if hours >= 1.0 / 3600.0 { format!(", {:.0} km/h", km / hours) } else { String::new() };
            let [from, to] = [from, to].map(|(lat, long)| format!("{lat:.2},{long:.2}"));
            format!("{km:.0} km in {hours:.2} hours{speed}, from {from} to {to}")
        }
        Why::Volume(count, median, deviation) => {
            format!(
                "{count:.0} events; the median of this group's past is {median:.0}, its deviation {deviation:.1}"
            )
        }
    }
}

fn halves(event: EventKey) -> (u64, u64) {
    ((event.0 >> 64) as u64, event.0 as u64)
}

fn whole((high, low): (u64, u64)) -> EventKey {
    EventKey((u128::from(high) << 64) | u128::from(low))
}

fn join(parts: &[String]) -> String {
    parts.join(&SEPARATOR.to_string())
}

fn split(key: &str) -> Vec<String> {
    key.split(SEPARATOR).map(str::to_owned).collect()
}
