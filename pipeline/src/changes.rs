//! What correlations have to write, in the transaction of the alerts and the offset.

use std::collections::BTreeMap;
use std::sync::Arc;

use alerts::{Alert, AlertId, AlertStore, EntityKind, Joined, RuleRef};
use enrich::identity::{Link, LinkKind};
use event::EventKey;
use rules::{Bound, CorrelatorLimits, Finding, Remembered, RuleSet};
use storage::remembered::{self, HitRow, SourceMark};
use storage::state::Txn;

use crate::correlated::{self, HitEvent};
use crate::{Error, Result};

/// What is to be written.
#[derive(Debug)]
pub(crate) struct Changes {
    rules: Arc<RuleSet>,
    limits: CorrelatorLimits,
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
    /// Events before are forgotten from now on.
    pub(crate) horizon_us: Option<i64>,
    /// Windows before are judged to be over.
    pub(crate) watermark_us: i64,
    /// Correlations without room, and a key for which there was none.
    pub(crate) full: BTreeMap<(u32, Bound), String>,
}

impl Changes {
    /// Nothing yet.
    pub(crate) fn new(rules: Arc<RuleSet>, limits: CorrelatorLimits) -> Self {
        Self {
            rules,
            limits,
            hits: Vec::new(),
            events: BTreeMap::new(),
            links: Vec::new(),
            sessions_before_us: None,
            marks: BTreeMap::new(),
            findings: Vec::new(),
            forgotten: Vec::new(),
            horizon_us: None,
            watermark_us: i64::MIN,
            full: BTreeMap::new(),
        }
    }

    /// Whether nothing is to be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.hits.is_empty()
            && self.links.is_empty()
            && self.marks.is_empty()
            && self.findings.is_empty()
            && self.forgotten.is_empty()
            && self.full.is_empty()
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
        let mut new = 0;
        for finding in &self.findings {
            new += usize::from(self.tell(txn, finding, now_us)?);
        }
        for finding in &self.findings {
            self.take_back(txn, finding, now_us)?;
        }
        for ((correlation, bound), key) in &self.full {
            let alert = self.full_alert(*correlation, *bound, key, now_us);
            new += AlertStore::record(txn, alert.as_slice(), now_us)?;
        }
        self.write_forgotten(txn)?;
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
        if let Some(horizon_us) = self.horizon_us {
            for correlation in self.rules.correlations() {
                remembered::set_forgotten(txn, correlation.fingerprint(), horizon_us)?;
            }
        }
        if !self.forgotten.is_empty() {
            remembered::forget_events(txn)?;
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

    /// Takes the alert of an episode back that is no more, or lets it go on as that of the episode that has its
    /// events now. What took its place is written already.
    fn take_back(&self, txn: &Txn<'_>, finding: &Finding, now_us: i64) -> Result<()> {
        let Some(rule) = self.rules.correlations().get(finding.correlation as usize) else { return Ok(()) };
        let Err(gone) = &finding.episode else { return Ok(()) };
        if !rule.yields_alert() {
            return Ok(());
        }
        let alert_id = |episode: &EventKey| AlertId::new(rule.id(), [episode.uid().as_str()]);
        let gone = alert_id(gone);
        let same = |other: &&Finding| other.correlation == finding.correlation && other.key == finding.key;
        for episode in self.findings.iter().filter(same).filter_map(|other| other.episode.as_ref().ok()) {
            if AlertStore::go_on(txn, &gone, &alert_id(&episode.id), now_us)? {
                return Ok(());
            }
        }
        Ok(AlertStore::refute(txn, &gone, "events that came late show another picture", now_us)?)
    }

    /// Says that there was no room; once a day for a correlation.
    fn full_alert(&self, correlation: u32, bound: Bound, key: &str, now_us: i64) -> Option<Alert> {
        const DAY_US: i64 = 86_400_000_000;
        const RULE: &str = "stormglass-correlation-full";
        let rule = self.rules.correlations().get(correlation as usize)?;
        let day = now_us.div_euclid(DAY_US).to_string();
        let limits = &self.limits;
        let (what, most) = match bound {
            Bound::Group => ("one key", limits.group_hits),
            Bound::Correlation => ("one correlation", limits.correlation_hits),
            Bound::All => ("all correlations", limits.hits),
        };
        let description = format!(
            "The correlation `{}` has no room: {what} may remember {most} events. Events of the key `{key}` and \
             perhaps others are left out. Narrow its rules, or raise `correlation` limits in the configuration; \
             `stormglass rules backtest` shows what was missed.",
            rule.title()
        );
        Some(Alert {
            id: AlertId::new(RULE, [rule.id(), day.as_str()]),
            rule: RuleRef {
                id: RULE.to_owned(),
                title: format!("Correlation Has No Room: {}", rule.title()),
                level: "medium".to_owned(),
                tags: Vec::new(),
                description,
                response: Vec::new(),
            },
            severity_id: 3,
            time_us: now_us,
            provider: String::new(),
            entities: vec![alerts::Entity { kind: EntityKind::Resource, value: key.to_owned(), name: None }],
            evidence: Vec::new(),
            joined: Some(Joined {
                by: vec![("rule".into(), rule.id().into())],
                begin_us: now_us,
                ..Joined::default()
            }),
        })
    }
}
