//! The same rules over events that are already there: tests of rules, backtests, retro-hunts and files.
//!
//! One rule, one answer: matches, hits and judgement are those of the stream; only time does not pass but is
//! known to the end, and so is who is who.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use alerts::{Alert, AlertId};
use arrow::array::BooleanArray;
use enrich::identity::{self, IdentityConfig};
use event::{Col, EventBatch, EventKey, LogType};
use rules::{Correlator, CorrelatorLimits, Episode, Finding, Hit, Match, Needed, RuleSet, Scratch};

use crate::correlated::{self, HitEvent};
use crate::detect;
use crate::who::{self, Who};

/// Rules at work on events that are given to it, in any order.
#[derive(Debug)]
pub struct Rehearsal {
    rules: Arc<RuleSet>,
    scratch: Scratch,
    limits: CorrelatorLimits,
    identity: IdentityConfig,
    who: Who,
    hits: Vec<Hit>,
    events: BTreeMap<u128, HitEvent>,
    seen: HashSet<u128>,
    alerts: BTreeMap<AlertId, Alert>,
    /// Groups of matches that were met.
    groups: HashSet<AlertId>,
    max_alerts: usize,
    /// The rule or correlation asked for, and what it needs.
    only: Option<(String, Needed)>,
    counts: Rehearsed,
}

/// What a rehearsal came to.
#[derive(Debug, Clone, Default)]
pub struct Rehearsed {
    /// Events looked at; each counts once, however often it was given.
    pub events: u64,
    /// Matches, by index in [`RuleSet::rules`].
    pub matches: Vec<u64>,
    /// Alerts that would have been raised, by time; no more than asked for.
    pub alerts: Vec<Alert>,
    /// Matches of rules that are grouped, each as the alert of its group; as many as alerts were asked for.
    pub grouped: Vec<Alert>,
    /// How many there would have been in all.
    pub alert_count: u64,
    /// Hits that found no room, see [`CorrelatorLimits`].
    pub full: u64,
}

impl Rehearsal {
    /// One that keeps at most `max_alerts` alerts of single events.
    pub fn new(
        rules: Arc<RuleSet>,
        limits: CorrelatorLimits,
        identity: IdentityConfig,
        max_alerts: usize,
    ) -> Self {
        let counts = Rehearsed { matches: vec![0; rules.len()], ..Rehearsed::default() };
        Self {
            rules,
            limits,
            identity,
            who: Who::default(),
            hits: Vec::new(),
            scratch: Scratch::default(),
            events: BTreeMap::new(),
            seen: HashSet::new(),
            alerts: BTreeMap::new(),
            groups: HashSet::new(),
            max_alerts,
            only: None,
            counts,
        }
    }

    /// Only for one rule or correlation, by id or name; `None` if there is none of that name.
    #[must_use]
    pub fn only(mut self, id_or_name: &str) -> Option<Self> {
        let needed = self.rules.needed_by(id_or_name)?;
        let id = self.rules.id_of(id_or_name)?.to_owned();
        self.only = Some((id, needed));
        Some(self)
    }

    /// The kinds of log that are looked at.
    pub fn log_types(&self) -> BTreeSet<LogType> {
        let needed = |index: u32| self.only.as_ref().is_none_or(|(_, needed)| needed.rules.contains(&index));
        let rules = (0u32..).zip(self.rules.rules()).filter(|(index, _)| needed(*index));
        rules.flat_map(|(_, rule)| rule.log_types().iter().copied()).collect()
    }

    /// Looks at events; those given before are left out. Returns the matches in the batch.
    pub fn observe(&mut self, events: &EventBatch) -> Vec<Match> {
        let key = |row| events.str_at(Col::EventUid, row).and_then(EventKey::parse);
        let keep: Vec<bool> =
            (0..events.len()).map(|row| key(row).is_some_and(|key| self.seen.insert(key.0))).collect();
        let kept = |row: usize| keep.get(row).copied().unwrap_or_default();
        self.counts.events += keep.iter().filter(|keep| **keep).count() as u64;
        let mut matches = self.rules.matches(events, &mut self.scratch);
        let is_needed = |rule| self.only.as_ref().is_none_or(|(_, needed)| needed.rules.contains(&rule));
        matches.retain(|found| kept(found.row as usize) && is_needed(found.rule));
        for found in &matches {
            if let Some(count) = self.counts.matches.get_mut(found.rule as usize) {
                *count += 1;
            }
        }
        let all = BooleanArray::from(keep.clone());
        let is_asked = |id: &str| self.only.as_ref().is_none_or(|(only, _)| only == id);
        let found = detect::alerts(&self.rules, events, &matches, &all, &mut Vec::new());
        let grouped: Vec<_> = found.grouped.into_iter().filter(|found| is_asked(&found.rule.id)).collect();
        for alert in found.alerts {
            if !is_asked(&alert.rule.id) {
                continue;
            }
            self.counts.alert_count += 1;
            if self.alerts.len() < self.max_alerts {
                self.alerts.insert(alert.id.clone(), alert);
            }
        }
        for found in grouped {
            self.count_match(found);
        }
        for link in identity::links(events, 0..events.len(), &self.identity) {
            // Groups are made in the end, when all links are known.
            self.who.add(&link);
        }
        for hit in self.rules.hits(events, &matches, &kept, &|row| who::actor(events, row)).hits {
            let only = self.only.as_ref();
            if only.is_some_and(|(_, needed)| !needed.correlations.contains(&hit.correlation)) {
                continue;
            }
            if let Some(event) = HitEvent::new(events, hit.row as usize) {
                self.events.entry(hit.event.0).or_insert(event);
            }
            self.hits.push(hit);
        }
        matches
    }

    /// Counts a match to the alert of its group.
    fn count_match(&mut self, found: Alert) {
        let has_room = self.alerts.len() < self.max_alerts;
        let is_new = self.groups.insert(found.id.clone());
        self.counts.alert_count += u64::from(is_new);
        if is_new && !has_room {
            return;
        }
        if self.counts.grouped.len() < self.max_alerts {
            self.counts.grouped.push(found.clone());
        }
        match self.alerts.entry(found.id.clone()) {
            Entry::Vacant(slot) if is_new => {
                slot.insert(found);
            }
            Entry::Vacant(_) => {}
            Entry::Occupied(mut slot) => {
                let alert = slot.get_mut();
                alert.absorb(&found);
                if let Some(joined) = &mut alert.joined {
                    joined.events += 1;
                }
            }
        }
    }

    /// What stands in the end, when nothing more will come.
    pub fn finish(mut self) -> Rehearsed {
        let rules = self.rules.clone();
        let mut correlator = Correlator::new(rules.clone(), self.limits);
        let mut hits = std::mem::take(&mut self.hits);
        // In order of time, nothing comes late: where room is short, what is behind can be forgotten.
        hits.sort_by_key(|hit| hit.time_us);
        for hit in hits {
            let actor = hit.actor.as_deref().map(|actor| self.who.name(actor));
            correlator.advance(hit.time_us, hit.time_us);
            correlator.observe(&hit, actor.as_deref());
        }
        let mut findings = correlator.cleared().findings;
        findings.extend(correlator.settle(i64::MAX));
        let mut standing: BTreeMap<(u32, EventKey), Finding> = BTreeMap::new();
        for finding in findings {
            match &finding.episode {
                Ok(episode) => {
                    let id = episode.id;
                    standing.insert((finding.correlation, id), finding);
                }
                Err(id) => {
                    standing.remove(&(finding.correlation, *id));
                }
            }
        }
        for finding in standing.into_values() {
            let rule = rules.correlations().get(finding.correlation as usize);
            let (Some(rule), Ok(episode)) = (rule, &finding.episode) else { continue };
            // What is asked for by name is told although it only feeds another.
            let is_told = match &self.only {
                Some((only, _)) => only == rule.id(),
                None => rule.yields_alert(),
            };
            if !is_told {
                continue;
            }
            let alert = self.alert(rule, &finding.key, episode);
            self.counts.alert_count += 1;
            self.alerts.insert(alert.id.clone(), alert);
        }
        self.counts.full = correlator.stats().iter().map(|stats| stats.full).sum();
        self.counts.alerts = self.alerts.into_values().collect();
        self.counts.alerts.sort_by(|a, b| (a.time_us, &a.id).cmp(&(b.time_us, &b.id)));
        self.counts
    }

    fn alert(&self, rule: &rules::Correlation, key: &[String], episode: &Episode) -> Alert {
        let kept = |event| Ok::<_, std::convert::Infallible>(self.events.get(&event).cloned());
        match correlated::alert(rule, key, episode, kept) {
            Ok(alert) => alert,
            Err(never) => match never {},
        }
    }
}
