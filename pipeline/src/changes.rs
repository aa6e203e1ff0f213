//! What correlations have to write, in the transaction of the alerts and the offset.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use alerts::{AlertId, AlertStore};
use enrich::identity::{Link, LinkKind};
use event::EventKey;
use rules::{Cleared, Finding, Remembered, RuleSet};
use storage::remembered::{self, HitRow, RuleRow, SourceMark};
use storage::state::Txn;

use crate::correlated::{self, HitEvent};
use crate::shortage::Told;
use crate::{Error, Result};

/// What is to be written.
#[derive(Debug)]
pub(crate) struct Changes {
    rules: Arc<RuleSet>,
    pub(crate) hits: Vec<HitRow>,
    /// What alerts will say of the events of the hits.
    pub(crate) events: BTreeMap<u128, HitEvent>,
    /// Links as they are seen now; the store has what was seen before.
    pub(crate) links: Vec<Link>,
    /// Links of temporary credentials last seen before are forgotten.
    pub(crate) sessions_before_us: Option<i64>,
    pub(crate) marks: BTreeMap<String, SourceMark>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) forgotten: Vec<Remembered>,
    /// By correlation: events before are forgotten from now on.
    pub(crate) before_us: BTreeMap<u32, i64>,
    /// Windows before are judged to be over.
    pub(crate) watermark_us: i64,
    /// Nothing was written for these rules yet.
    pub(crate) are_rules_new: bool,
    /// What correlations that are not loaded remember is to be looked through: the time before which events are
    /// not waited for, and how many hits they may have in all.
    pub(crate) tidy: Option<(i64, usize)>,
    /// What is to be told of correlations without room.
    pub(crate) shortages: Vec<Told>,
}

impl Changes {
    /// Nothing yet.
    pub(crate) fn new(rules: Arc<RuleSet>) -> Self {
        Self {
            rules,
            hits: Vec::new(),
            events: BTreeMap::new(),
            links: Vec::new(),
            sessions_before_us: None,
            marks: BTreeMap::new(),
            findings: Vec::new(),
            forgotten: Vec::new(),
            before_us: BTreeMap::new(),
            watermark_us: i64::MIN,
            are_rules_new: false,
            tidy: None,
            shortages: Vec::new(),
        }
    }

    /// Whether nothing is to be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.hits.is_empty()
            && self.links.is_empty()
            && self.marks.is_empty()
            && self.findings.is_empty()
            && self.forgotten.is_empty()
            && self.shortages.is_empty()
    }

    /// Adds what making room came to.
    pub(crate) fn add_cleared(&mut self, cleared: Cleared) {
        self.findings.extend(cleared.findings);
        self.forgotten.extend(cleared.forgotten);
        self.before_us.extend(cleared.before_us);
    }

    /// Writes what has changed; can be called again if the transaction fails. Returns how many alerts are
    /// new.
    ///
    /// # Errors
    /// The database refuses; the transaction must not be committed then.
    pub(crate) fn write(&self, txn: &Txn<'_>, now_us: i64) -> Result<usize> {
        for (event, kept) in &self.events {
            remembered::add_event(txn, *event, kept.evidence.time_us, &kept.to_text())?;
        }
        for hit in &self.hits {
            remembered::add_hit(txn, hit)?;
        }
        for link in &self.links {
            remembered::set_link(txn, &correlated::link_row(link))?;
        }
        if let Some(before_us) = self.sessions_before_us {
            for kind in LinkKind::ALL.iter().filter(|kind| kind.is_of_session()) {
                remembered::forget_links(txn, kind.as_str(), before_us)?;
            }
        }
        for (source, mark) in &self.marks {
            remembered::set_mark(txn, source, *mark)?;
        }
        // What was told by this watermark must be found by it again after a restart.
        remembered::set_watermark(txn, self.watermark_us)?;
        if self.are_rules_new {
            for rule in self.rules.correlations() {
                remembered::set_rule(
                    txn,
                    &RuleRow {
                        correlation: rule.fingerprint().to_owned(),
                        rule: rule.id().to_owned(),
                        definition: rule.definition().to_owned(),
                        keep_us: rule.keep_us(),
                    },
                )?;
            }
        }
        let mut new = 0;
        for finding in &self.findings {
            new += usize::from(self.tell(txn, finding, now_us)?);
        }
        self.take_back(txn, now_us)?;
        for told in &self.shortages {
            new += usize::from(told.write(txn, now_us)?);
        }
        self.write_forgotten(txn)?;
        if let Some((before_us, most)) = self.tidy {
            let loaded: Vec<_> = self.rules.correlations().iter().map(|rule| rule.fingerprint()).collect();
            for (rule, events) in remembered::forget_unloaded(txn, &loaded, before_us, most)? {
                tracing::info!(
                    rule,
                    events,
                    "what a correlation remembered that is not loaded was forgotten"
                );
            }
        }
        Ok(new)
    }

    fn write_forgotten(&self, txn: &Txn<'_>) -> Result<()> {
        let fingerprint =
            |index: u32| self.rules.correlations().get(index as usize).map(|rule| rule.fingerprint());
        for hit in &self.forgotten {
            let Some(fingerprint) = fingerprint(hit.correlation) else { continue };
            let (event, member) = (hit.event.0, hit.member);
            remembered::change_hit(txn, fingerprint, hit.time_us, event, member, hit.value, hit.weight)?;
        }
        for (index, before_us) in &self.before_us {
            let Some(fingerprint) = fingerprint(*index) else { continue };
            remembered::set_forgotten(txn, fingerprint, *before_us)?;
        }
        for hit in self.forgotten.iter().filter(|hit| hit.weight == 0) {
            remembered::forget_event(txn, hit.event.0)?;
        }
        Ok(())
    }

    /// Writes one finding as an alert; `true` if it is new.
    fn tell(&self, txn: &Txn<'_>, finding: &Finding, now_us: i64) -> Result<bool> {
        let Some(rule) = self.rules.correlations().get(finding.correlation as usize) else {
            return Ok(false);
        };
        if !rule.yields_alert() {
            return Ok(false);
        }
        let Ok(episode) = &finding.episode else { return Ok(false) };
        let alert = correlated::alert(rule, &finding.key, episode, |event| {
            let kept = remembered::event(txn, event)?;
            Ok::<_, Error>(kept.as_deref().and_then(HitEvent::from_text))
        })?;
        Ok(AlertStore::record_or_amend(txn, &alert, now_us)?)
    }

    /// Takes the alerts of episodes back that are no more, or lets them go on as those of the episodes that have their
    /// events now. What took their place is written already. Each alert is read once, however many there are.
    fn take_back(&self, txn: &Txn<'_>, now_us: i64) -> Result<()> {
        let mut heirs: BTreeMap<(u32, &[String]), Heirs> = BTreeMap::new();
        for finding in self.findings.iter().filter(|finding| finding.episode.is_err()) {
            heirs.entry((finding.correlation, &finding.key)).or_default();
        }
        let alert_id = |finding: &Finding, episode: &EventKey| {
            let rule = self.rules.correlations().get(finding.correlation as usize)?;
            rule.yields_alert().then(|| AlertId::new(rule.id(), [episode.uid().as_str()]))
        };
        for finding in &self.findings {
            let Some(heirs) = heirs.get_mut(&(finding.correlation, &*finding.key)) else { continue };
            let Ok(episode) = &finding.episode else { continue };
            let Some(id) = alert_id(finding, &episode.id) else { continue };
            heirs.add(txn, id)?;
        }
        for finding in &self.findings {
            let Err(gone) = &finding.episode else { continue };
            let Some(gone) = alert_id(finding, gone) else { continue };
            let heirs = heirs.get_mut(&(finding.correlation, &*finding.key));
            let goes_on = match heirs {
                Some(heirs) => heirs.take(txn, &gone)?,
                None => false,
            };
            if !goes_on {
                AlertStore::refute(txn, &gone, "events that came late show another picture", now_us)?;
            }
        }
        for heirs in heirs.into_values() {
            for (new, old) in heirs.alerts.into_iter().filter(|(_, old)| !old.is_empty()) {
                AlertStore::go_on(txn, &old, &new, now_us)?;
            }
        }
        Ok(())
    }
}

/// The alerts of the episodes of one key, with those that go on as them.
#[derive(Debug, Default)]
struct Heirs {
    alerts: Vec<(AlertId, Vec<AlertId>)>,
    /// By event: the first of `alerts` that rests on it.
    by_event: HashMap<String, usize>,
}

impl Heirs {
    fn add(&mut self, txn: &Txn<'_>, id: AlertId) -> Result<()> {
        for event in AlertStore::events(txn, &id)?.into_iter().flatten() {
            self.by_event.entry(event).or_insert(self.alerts.len());
        }
        self.alerts.push((id, Vec::new()));
        Ok(())
    }

    /// Gives an alert that is no more to the first that shares an event with it; `false`: there is none, or no such
    /// alert.
    fn take(&mut self, txn: &Txn<'_>, gone: &AlertId) -> Result<bool> {
        let events = AlertStore::events(txn, gone)?.into_iter().flatten();
        let Some(first) = events.filter_map(|event| self.by_event.get(&event).copied()).min() else {
            return Ok(false);
        };
        let Some((_, old)) = self.alerts.get_mut(first) else { return Ok(false) };
        old.push(gone.clone());
        Ok(true)
    }
}
