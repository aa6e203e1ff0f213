//! What correlations remember: in memory to judge, in the state database to survive.
//!
//! Everything that a turn changes is gathered as [`Changes`] and written in the one transaction that also
//! holds the alerts and the offset. So memory, alerts and position are always of the same moment, and a crash
//! repeats work, never its effect. What is written are hits and links, never conclusions: those are made
//! again from them, the same in any order.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use enrich::identity::{Link, LinkId};
use event::EventKey;
use rules::{Correlator, CorrelatorLimits, CorrelatorStats, Finding, Hit, Observed, Remembered, RuleSet};
use storage::remembered::{self, HitRow, SourceMark};
use storage::state::State;

use crate::Result;
use crate::changes::Changes;
use crate::correlated::{self, HitEvent};
use crate::shortage::Shortages;
use crate::turn::Raise;
use crate::who::{Renamed, Who};

/// How correlations treat time, and how much they may remember.
#[derive(Debug, Clone)]
pub struct CorrelationConfig {
    /// How much is remembered.
    pub limits: CorrelatorLimits,
    /// How long after its time an event is still waited for, before an absence counts as one.
    pub delay: Duration,
    /// A source not heard of for so long holds nobody up.
    pub idle: Duration,
    /// When room gets scarce, events older than this behind the newest are forgotten.
    pub lateness: Duration,
}

impl Default for CorrelationConfig {
    fn default() -> Self {
        Self {
            limits: CorrelatorLimits::default(),
            delay: Duration::from_secs(600),
            idle: Duration::from_secs(120),
            lateness: Duration::from_secs(86_400),
        }
    }
}

/// The memory of the correlations.
#[derive(Debug)]
pub(crate) struct Memory {
    correlator: Correlator,
    who: Who,
    marks: HashMap<String, SourceMark>,
    config: CorrelationConfig,
    changes: Changes,
    shortages: Shortages,
    /// Windows before are judged to be over; it never goes back, for what was told by it would be withdrawn.
    judged_us: i64,
    /// What was told before the groups were made anew.
    told_before: Option<Vec<(u32, EventKey, Vec<String>)>>,
    /// When it was looked last whether what correlations remember that are not loaded is of use.
    tidied_us: Option<i64>,
    /// What was taken and found since it was last asked, by index of the correlation.
    taken: BTreeMap<u32, Taken>,
}

/// What a correlation has taken and found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Taken {
    /// Matches of its rules.
    pub(crate) matches: u64,
    /// Episodes of which nothing was told before.
    pub(crate) episodes: u64,
}

/// What is recalled from the state database.
#[derive(Debug, Default)]
pub(crate) struct Recalled {
    hits: Vec<HitRow>,
    links: Vec<Link>,
    undone: BTreeSet<LinkId>,
    forgotten: Vec<(String, i64)>,
    marks: Vec<(String, SourceMark)>,
    judged_us: i64,
}

impl Recalled {
    /// Reads it all.
    ///
    /// # Errors
    /// The state cannot be read.
    pub(crate) fn read(state: &State) -> Result<Self> {
        state.read(|db| {
            let mut recalled = Self {
                undone: remembered::undone(db)?.iter().filter_map(|id| LinkId::parse(id)).collect(),
                forgotten: remembered::forgotten(db)?,
                marks: remembered::marks(db)?,
                judged_us: remembered::watermark(db)?.unwrap_or(i64::MIN),
                ..Self::default()
            };
            remembered::links(db, |row| recalled.links.extend(correlated::link(&row)))?;
            remembered::hits(db, |hit| recalled.hits.push(hit))?;
            Ok(recalled)
        })
    }
}

impl Memory {
    /// Recalls what was remembered, for the correlations of `rules`; what others remembered stays for them. What
    /// a correlation finds by a new definition is told with the next changes.
    ///
    /// # Errors
    /// The state cannot be read or written.
    pub(crate) fn recall(
        state: &State,
        rules: Arc<RuleSet>,
        config: CorrelationConfig,
        now_us: i64,
    ) -> Result<Self> {
        state.write(|txn| {
            let mut renamed = rules.correlations().iter();
            renamed.try_for_each(|rule| remembered::rename(txn, rule.definition(), rule.fingerprint()))
        })?;
        let redefined = redefined(state, &rules)?;
        let recalled = Recalled::read(state)?;
        let mut changes = Changes::new(rules.clone());
        changes.are_rules_new = true;
        let shortages = Shortages::adopt(state, &rules, now_us)?;
        let mut memory = Self {
            correlator: Correlator::new(rules, config.limits),
            who: Who::default(),
            marks: recalled.marks.iter().cloned().collect(),
            config,
            changes,
            shortages,
            judged_us: recalled.judged_us,
            told_before: None,
            tidied_us: None,
            taken: BTreeMap::new(),
        };
        memory.regroup(recalled);
        // What is found now was found before and told in the transaction of its last hit.
        let mut found = memory.correlator.settle(memory.judged_us);
        found.retain(|finding| redefined.contains(&finding.correlation));
        memory.changes.findings = found;
        memory.told_before = None;
        Ok(memory)
    }

    /// Makes all groups anew: an identity fell apart, or somebody has undone a link. What was told and is not
    /// found any more will be withdrawn.
    pub(crate) fn regroup(&mut self, recalled: Recalled) {
        let rules = self.rules().clone();
        let index: HashMap<&str, u32> =
            rules.correlations().iter().map(|rule| rule.fingerprint()).zip(0..).collect();
        let told = self.correlator.told();
        self.who = Who::without(recalled.undone);
        for link in recalled.links.iter().chain(&self.changes.links) {
            self.who.add(link);
        }
        self.correlator = Correlator::new(rules.clone(), self.config.limits);
        for (fingerprint, before_us) in &recalled.forgotten {
            if let Some(correlation) = index.get(fingerprint.as_str()) {
                self.correlator.recall_forgotten(*correlation, *before_us);
            }
        }
        for (correlation, before_us) in &self.changes.before_us {
            self.correlator.recall_forgotten(*correlation, *before_us);
        }
        // What was forgotten for want of room and is about to be written as forgotten.
        let hit_key = |hit: &Remembered| (hit.correlation, hit.time_us, hit.event.0, hit.member, hit.value);
        let forgotten: HashMap<_, u32> =
            self.changes.forgotten.iter().map(|hit| (hit_key(hit), hit.weight)).collect();
        for hit in recalled.hits.iter().chain(&self.changes.hits) {
            let Some(correlation) = index.get(hit.correlation.as_str()) else { continue };
            let mut remembered = Remembered {
                correlation: *correlation,
                time_us: hit.time_us,
                event: EventKey(hit.event),
                member: hit.member,
                value: hit.value,
                weight: hit.weight,
            };
            match forgotten.get(&hit_key(&remembered)) {
                Some(0) => continue,
                Some(weight) => remembered.weight = *weight,
                None => {}
            }
            let actor = hit.actor.as_deref().map(|actor| self.who.name(actor));
            self.correlator.recall(&remembered, &correlated::key_parts(&hit.key), actor.as_deref());
        }
        self.told_before = Some(told);
    }

    /// The rules whose correlations it serves.
    pub(crate) fn rules(&self) -> &Arc<RuleSet> {
        self.correlator.rules()
    }

    /// Takes what a turn found. Returns whether an identity fell apart, so that [`regroup`](Self::regroup) must
    /// follow.
    pub(crate) fn take(&mut self, turn: &mut Raise, now_us: i64) -> bool {
        let mut fell_apart = false;
        for link in turn.links.drain(..) {
            for renamed in self.who.add(&link) {
                match renamed {
                    Renamed::Merged(kept, gone) => self.correlator.merge_actors(&kept, &gone),
                    Renamed::Split => fell_apart = true,
                }
            }
            self.changes.links.push(link);
        }
        let mut reached = self.reached(turn, now_us);
        for hit in turn.hits.drain(..) {
            if let Some(reached) = &mut reached {
                let watermark_us = reached.see(hit.time_us, micros(self.config.delay)).max(self.judged_us);
                let horizon_us = reached.newest_us.min(watermark_us);
                self.judged_us = watermark_us;
                self.correlator
                    .advance(horizon_us.saturating_sub(micros(self.config.lateness)), watermark_us);
            }
            self.observe(hit, &mut turn.hit_events, now_us);
        }
        self.changes.add_cleared(self.correlator.cleared());
        for (source, counts) in &turn.counts {
            let (Some(event_us), Some(received_us)) = (counts.last_event_us, counts.last_received_us) else {
                continue;
            };
            // A clock that runs ahead must not hurry the others.
            let mark = SourceMark { event_us: event_us.min(received_us), received_us };
            let known = self.marks.entry(source.as_str().to_owned()).or_insert(mark);
            known.event_us = known.event_us.max(mark.event_us);
            known.received_us = known.received_us.max(mark.received_us);
            self.changes.marks.insert(source.as_str().to_owned(), *known);
        }
        fell_apart
    }

    /// How far time has come with each hit of a turn. `None` if sources share the turn and one of them is new:
    /// whether it is far behind is not known before.
    fn reached(&self, turn: &Raise, now_us: i64) -> Option<Reached> {
        let received_us = turn.counts.values().filter_map(|counts| counts.last_received_us).max()?;
        let only = turn.counts.keys().next().filter(|_| turn.counts.len() == 1);
        if only.is_none() && turn.counts.keys().any(|source| !self.marks.contains_key(source.as_str())) {
            return None;
        }
        let idle_us = micros(self.config.idle);
        let mut reached = Reached {
            newest_us: i64::MIN,
            received_us,
            others_us: i64::MAX,
            own: None,
            is_idle: now_us.saturating_sub(received_us) > idle_us,
            now_us,
        };
        for (source, mark) in &self.marks {
            reached.newest_us = reached.newest_us.max(mark.event_us);
            if only.is_some_and(|only| only.as_str() == source) {
                reached.own = Some(mark.event_us);
            } else {
                reached.others_us = reached.others_us.min(mark.reached_us(idle_us, now_us));
            }
        }
        if only.is_some() {
            reached.own.get_or_insert(i64::MIN);
        }
        Some(reached)
    }

    fn observe(&mut self, hit: Hit, events: &mut BTreeMap<u128, HitEvent>, now_us: i64) {
        let actor = hit.actor.as_deref().map(|actor| self.who.name(actor));
        match self.correlator.observe(&hit, actor.as_deref()) {
            Observed::New => {
                self.taken.entry(hit.correlation).or_default().matches += 1;
                if let Some(event) = events.remove(&hit.event.0) {
                    self.changes.events.insert(hit.event.0, event);
                }
                let correlations = self.correlator.rules().correlations();
                let Some(correlation) = correlations.get(hit.correlation as usize) else { return };
                let row = HitRow {
                    correlation: correlation.fingerprint().to_owned(),
                    time_us: hit.time_us,
                    event: hit.event.0,
                    member: hit.member,
                    value: hit.value.digest(),
                    weight: 1,
                    key: correlated::key_text(&hit.key),
                    actor: hit.actor,
                };
                self.changes.hits.push(row);
            }
            Observed::Full(bound) => {
                let mut key: Vec<_> =
                    hit.key.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
                key.extend(actor.as_deref());
                let key = key.join(", ");
                let rules = self.correlator.rules().clone();
                self.shortages.missed(&rules, hit.correlation, bound, key, now_us);
            }
            Observed::Known | Observed::Late => {}
        }
    }

    /// Judges what has changed and what is due.
    pub(crate) fn settle(&mut self, now_us: i64) {
        let watermark_us = self.watermark_us(now_us).max(self.judged_us);
        self.judged_us = watermark_us;
        self.changes.watermark_us = watermark_us;
        let found = self.correlator.settle(watermark_us);
        self.count(&found);
        if let Some(told) = self.told_before.take() {
            let ids: BTreeSet<_> = found
                .iter()
                .filter_map(|finding| Some((finding.correlation, finding.episode.as_ref().ok()?.id)))
                .collect();
            let gone = told.into_iter().filter(|(correlation, id, _)| !ids.contains(&(*correlation, *id)));
            let withdrawn = gone.map(|(correlation, id, key)| {
                let episode = Err(id);
                Finding { correlation, key, episode, is_new: false }
            });
            self.changes.findings.extend(withdrawn);
        }
        self.changes.findings.extend(found);
        const SESSIONS_US: i64 = 7 * 86_400_000_000;
        let newest_us = self.marks.values().map(|mark| mark.event_us).max().unwrap_or(i64::MIN);
        let ended_us = newest_us.saturating_sub(SESSIONS_US);
        if self.who.forget_sessions(ended_us) {
            self.changes.sessions_before_us = Some(ended_us);
        }
        // Behind the newest event and not behind now: an archive that is read is no younger for it.
        let horizon_us = newest_us.min(watermark_us).saturating_sub(micros(self.config.lateness));
        self.correlator.advance(horizon_us, watermark_us);
        self.correlator.forget_early();
        let (rules, correlator) = (self.correlator.rules().clone(), &mut self.correlator);
        let is_short = |index, bound| correlator.is_short(index, bound);
        self.changes.shortages.extend(self.shortages.tell(&rules, &self.config.limits, is_short, now_us));
        self.changes.add_cleared(self.correlator.cleared());
    }

    /// Lets what correlations remember that are not loaded be forgotten once it is too old for them, now and then.
    /// Only for who takes events: whoever only reads may not know the rules.
    pub(crate) fn tidy(&mut self, now_us: i64) {
        const EVERY_US: i64 = 600_000_000;
        let is_due = self.tidied_us.is_none_or(|tidied_us| now_us.saturating_sub(tidied_us) >= EVERY_US);
        let newest_us = self.marks.values().map(|mark| mark.event_us).max();
        let (Some(newest_us), true) = (newest_us, is_due) else { return };
        self.tidied_us = Some(now_us);
        let before_us = newest_us.min(now_us).saturating_sub(micros(self.config.lateness));
        self.changes.tidy = Some((before_us, self.config.limits.hits));
    }

    /// Counts the episodes that are new. Of groups that are made anew, all would be.
    fn count(&mut self, found: &[Finding]) {
        let is_told = |finding: &Finding, id: EventKey| {
            let told = self.told_before.iter().flatten();
            told.into_iter()
                .any(|(correlation, known, _)| *correlation == finding.correlation && *known == id)
        };
        let is_new = |finding: &&Finding| {
            finding.is_new && finding.episode.as_ref().is_ok_and(|episode| !is_told(finding, episode.id))
        };
        for finding in found.iter().filter(is_new) {
            self.taken.entry(finding.correlation).or_default().episodes += 1;
            let rule = self.correlator.rules().correlations().get(finding.correlation as usize);
            for above in rule.into_iter().flat_map(rules::Correlation::feeds) {
                self.taken.entry(above).or_default().matches += 1;
            }
        }
    }

    /// What was taken and found since this was last asked, by index of the correlation.
    pub(crate) fn taken(&mut self) -> BTreeMap<u32, Taken> {
        std::mem::take(&mut self.taken)
    }

    /// Whether something waits for time to pass, and it has.
    pub(crate) fn is_due(&self, now_us: i64) -> bool {
        self.correlator.next_due_us().is_some_and(|due_us| due_us < self.watermark_us(now_us))
    }

    /// The time below which events are not waited for: that of the source furthest behind, if it is heard
    /// of at all.
    fn watermark_us(&self, now_us: i64) -> i64 {
        let idle_us = micros(self.config.idle);
        let reached = self.marks.values().map(|mark| mark.reached_us(idle_us, now_us));
        reached.min().map_or(i64::MIN, |reached_us| reached_us.saturating_sub(micros(self.config.delay)))
    }

    fn source_reached(&self, mark: &SourceMark) -> SourceReached {
        let idle_from_us = mark.received_us.saturating_add(micros(self.config.idle));
        let lag_us = mark.received_us.saturating_sub(mark.event_us).max(0);
        SourceReached { event_us: mark.event_us, lag_us, idle_from_us }
    }

    /// What is to be written since the last time; `None` if nothing is.
    pub(crate) fn changes(&mut self) -> Option<Changes> {
        let empty = Changes::new(self.rules().clone());
        let changes = std::mem::replace(&mut self.changes, empty);
        (!changes.is_empty()).then_some(changes)
    }

    /// What the correlations remember, for those who ask.
    pub(crate) fn shown(&self, now_us: i64) -> CorrelationState {
        let ids = self.rules().correlations().iter().map(|rule| rule.id().to_owned());
        CorrelationState {
            correlations: ids.zip(self.correlator.stats()).collect(),
            watermark_us: self.watermark_us(now_us),
            sources: self
                .marks
                .iter()
                .map(|(source, mark)| (source.clone(), self.source_reached(mark)))
                .collect(),
        }
    }
}

/// How far time has come within a turn, in microseconds since 1970.
#[derive(Debug)]
struct Reached {
    /// The time of the newest event of all.
    newest_us: i64,
    /// When the turn's records were received: no event is newer.
    received_us: i64,
    /// How far the source furthest behind has come, of those that are not `own`.
    others_us: i64,
    /// How far the only source of the turn has come.
    own: Option<i64>,
    /// The source of the turn holds nobody up.
    is_idle: bool,
    now_us: i64,
}

impl Reached {
    /// A hit comes: the time below which events are not waited for now.
    fn see(&mut self, time_us: i64, delay_us: i64) -> i64 {
        let mut reached_us = self.others_us;
        if let Some(own_us) = &mut self.own {
            *own_us = (*own_us).max(time_us.min(self.received_us));
            self.newest_us = self.newest_us.max(*own_us);
            reached_us = reached_us.min(if self.is_idle { self.now_us } else { *own_us });
        }
        reached_us.saturating_sub(delay_us)
    }
}

/// What correlations remember.
#[derive(Debug, Clone, Default)]
pub struct CorrelationState {
    /// By id of the correlation.
    pub correlations: Vec<(String, CorrelatorStats)>,
    /// Events before this time, microseconds since 1970, are not waited for.
    pub watermark_us: i64,
    /// How far each source has come, sorted by its id.
    pub sources: BTreeMap<String, SourceReached>,
}

impl CorrelationState {
    /// The watermark; `None` before the first event.
    pub fn watermark(&self) -> Option<i64> {
        (!self.sources.is_empty()).then_some(self.watermark_us)
    }
}

/// How far a source has come in the time of its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceReached {
    /// The time of its newest event, microseconds since 1970; never later than it was received.
    pub event_us: i64,
    /// How long after that event's time records last came, in microseconds: the lag of the source itself.
    pub lag_us: i64,
    /// If nothing more comes until then, correlations do not wait for it; microseconds since 1970.
    pub idle_from_us: i64,
}

impl SourceReached {
    /// It was not heard of for so long that correlations do not wait for it.
    pub fn is_idle(&self, now_us: i64) -> bool {
        now_us > self.idle_from_us
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The correlations, by index, that ask something else of what they remember than when it was written. What a
/// correlation cannot use any more is said.
fn redefined(state: &State, rules: &RuleSet) -> Result<BTreeSet<u32>> {
    let noted = state.read(remembered::rules)?;
    let mut redefined = BTreeSet::new();
    for (index, rule) in (0u32..).zip(rules.correlations()) {
        for known in noted.iter().filter(|known| known.rule == rule.id()) {
            if known.correlation == rule.fingerprint() {
                if known.definition != rule.definition() {
                    redefined.insert(index);
                }
                continue;
            }
            let events = state.read(|db| remembered::count(db, &known.correlation))?;
            if events > 0 {
                tracing::warn!(
                    rule = rule.id(),
                    events,
                    "a correlation joins other matches or by another key than before: what it remembers begins anew, \
                     and what it remembered is kept in case it is changed back"
                );
            }
        }
    }
    Ok(redefined)
}
