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
    /// Windows before are judged to be over; it never goes back, for what was told by it would be withdrawn.
    judged_us: i64,
    /// What was told before the groups were made anew.
    told_before: Option<Vec<(u32, EventKey, Vec<String>)>>,
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
    /// Recalls what was remembered, for the correlations of `rules`; what others remembered is forgotten.
    ///
    /// # Errors
    /// The state cannot be read or written.
    pub(crate) fn recall(state: &State, rules: Arc<RuleSet>, config: CorrelationConfig) -> Result<Self> {
        let fingerprints: Vec<_> = rules.correlations().iter().map(|rule| rule.fingerprint()).collect();
        state.write(|txn| remembered::keep_correlations(txn, &fingerprints))?;
        let recalled = Recalled::read(state)?;
        let changes = Changes::new(rules.clone(), config.limits);
        let mut memory = Self {
            correlator: Correlator::new(rules, config.limits),
            who: Who::default(),
            marks: recalled.marks.iter().cloned().collect(),
            config,
            changes,
            judged_us: recalled.judged_us,
            told_before: None,
            taken: BTreeMap::new(),
        };
        memory.regroup(recalled);
        // What is found now was found before and told in the transaction of its last hit.
        memory.correlator.settle(memory.judged_us);
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
        for hit in recalled.hits.iter().chain(&self.changes.hits) {
            recall_hit(&mut self.correlator, &mut self.who, &index, hit);
        }
        self.told_before = Some(told);
    }

    /// The rules whose correlations it serves.
    pub(crate) fn rules(&self) -> &Arc<RuleSet> {
        self.correlator.rules()
    }

    /// Takes what a turn found. Returns whether an identity fell apart, so that [`regroup`](Self::regroup) must
    /// follow.
    pub(crate) fn take(&mut self, turn: &mut Raise) -> bool {
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
        for hit in turn.hits.drain(..) {
            self.observe(hit, &mut turn.hit_events);
        }
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

    fn observe(&mut self, hit: Hit, events: &mut BTreeMap<u128, HitEvent>) {
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
                self.changes.full.entry((hit.correlation, bound)).or_insert_with(|| hit.key.join(", "));
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
        if self.correlator.len() > self.config.limits.hits / 2 {
            // Behind the newest event and not behind now: an archive that is read is no younger for it.
            let horizon_us = newest_us.min(watermark_us).saturating_sub(micros(self.config.lateness));
            self.changes.forgotten.extend(self.correlator.forget(horizon_us));
            self.changes.horizon_us = self.changes.horizon_us.max(Some(horizon_us));
        }
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
        let reached = self.marks.values().map(|mark| {
            let reached = self.reached(mark);
            if reached.is_idle(now_us) { now_us } else { reached.event_us }
        });
        reached.min().map_or(i64::MIN, |reached_us| reached_us.saturating_sub(micros(self.config.delay)))
    }

    fn reached(&self, mark: &SourceMark) -> SourceReached {
        let idle_from_us = mark.received_us.saturating_add(micros(self.config.idle));
        let lag_us = mark.received_us.saturating_sub(mark.event_us).max(0);
        SourceReached { event_us: mark.event_us, lag_us, idle_from_us }
    }

    /// What is to be written since the last time; `None` if nothing is.
    pub(crate) fn changes(&mut self) -> Option<Changes> {
        let empty = Changes::new(self.rules().clone(), self.config.limits);
        let changes = std::mem::replace(&mut self.changes, empty);
        (!changes.is_empty()).then_some(changes)
    }

    /// What the correlations remember, for those who ask.
    pub(crate) fn shown(&self, now_us: i64) -> CorrelationState {
        let ids = self.rules().correlations().iter().map(|rule| rule.id().to_owned());
        CorrelationState {
            correlations: ids.zip(self.correlator.stats()).collect(),
            watermark_us: self.watermark_us(now_us),
            sources: self.marks.iter().map(|(source, mark)| (source.clone(), self.reached(mark))).collect(),
        }
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

fn recall_hit(correlator: &mut Correlator, who: &mut Who, index: &HashMap<&str, u32>, hit: &HitRow) {
    let Some(correlation) = index.get(hit.correlation.as_str()) else { return };
    let remembered = Remembered {
        correlation: *correlation,
        time_us: hit.time_us,
        event: EventKey(hit.event),
        member: hit.member,
        value: hit.value,
        weight: hit.weight,
    };
    let actor = hit.actor.as_deref().map(|actor| who.name(actor));
    correlator.recall(&remembered, &correlated::key_parts(&hit.key), actor.as_deref());
}
