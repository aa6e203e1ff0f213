//! Bounds that correlations have met: one alert for each correlation and bound, as long as it lasts.
//!
//! It is raised with the first event that is left out, follows the count (each time it has doubled, so that a
//! long shortage is a handful of versions) and is closed when there is room again.

use std::collections::{BTreeMap, BTreeSet};

use alerts::{
    Alert, AlertFilter, AlertId, AlertStatus, AlertStore, Change, Edit, Entity, EntityKind, Joined, RuleRef,
    Verdict,
};
use rules::{Bound, Correlation, CorrelatorLimits, RuleSet};
use storage::state::{State, Txn};

use crate::Result;

/// The rule that the alerts name.
const RULE: &str = "stormglass-correlation-full";

/// Keys that an alert names.
const KEYS: usize = 10;

/// What `joined` names its correlation and its bound.
const BY_RULE: &str = "rule";
const BY_BOUND: &str = "bound";

/// A correlation and a bound that it has met.
#[derive(Debug, Clone)]
struct Shortage {
    id: AlertId,
    since_us: i64,
    /// Events left out.
    missed: u64,
    /// Some of the keys of which there were.
    keys: BTreeSet<String>,
    /// `missed` and the number of keys as they were told last.
    told: (u64, usize),
    /// Something was left out since the last look.
    is_fresh: bool,
}

/// Those that last.
#[derive(Debug, Default)]
pub(crate) struct Shortages {
    open: BTreeMap<(u32, Bound), Shortage>,
}

/// What is to be written of a shortage.
#[derive(Debug)]
pub(crate) enum Told {
    /// It has begun or grown.
    Lasts(Box<Alert>),
    /// There is room again.
    Over(Box<Alert>),
}

impl Shortages {
    /// Takes over what an earlier run, or the same with other rules, left open. Alerts of earlier versions do not
    /// say their bound: nothing would ever close them, so this does.
    ///
    /// # Errors
    /// The state cannot be read or written.
    pub(crate) fn adopt(state: &State, rules: &RuleSet, now_us: i64) -> Result<Self> {
        let filter = AlertFilter { rule_id: Some(RULE.to_owned()), ..AlertFilter::default() };
        let mut open = BTreeMap::new();
        let all = AlertStore::open(state.clone())?.list(&filter, None, alerts::MAX_LIMIT)?.alerts;
        for stored in all.into_iter().filter(|stored| stored.status != AlertStatus::Closed) {
            let joined = stored.alert.joined.clone().unwrap_or_default();
            let named = |name: &str| {
                joined.by.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
            };
            let (Some(rule), Some(bound)) = (named(BY_RULE), named(BY_BOUND).and_then(bound_of)) else {
                let reason = "it is of an earlier version; what lasts is told anew";
                state.write(|txn| close(txn, &stored.alert.id, reason, now_us))?;
                continue;
            };
            let index = (0u32..).zip(rules.correlations()).find(|(_, known)| known.id() == rule);
            let Some((index, _)) = index else { continue };
            let keys: BTreeSet<_> = stored.alert.entities.iter().map(|entity| entity.value.clone()).collect();
            open.entry((index, bound)).or_insert_with(|| Shortage {
                id: stored.alert.id.clone(),
                since_us: joined.begin_us,
                missed: joined.events,
                told: (joined.events, keys.len()),
                keys,
                is_fresh: false,
            });
        }
        Ok(Self { open })
    }

    /// An event of `key` was left out.
    pub(crate) fn missed(&mut self, rules: &RuleSet, index: u32, bound: Bound, key: String, now_us: i64) {
        let Some(rule) = rules.correlations().get(index as usize) else { return };
        let shortage = self.open.entry((index, bound)).or_insert_with(|| Shortage {
            id: AlertId::new(RULE, [rule.id(), name(bound), now_us.to_string().as_str()]),
            since_us: now_us,
            missed: 0,
            keys: BTreeSet::new(),
            told: (0, 0),
            is_fresh: false,
        });
        shortage.missed += 1;
        shortage.is_fresh = true;
        if shortage.keys.len() < KEYS {
            shortage.keys.insert(key);
        }
    }

    /// What is to be told by now; `is_short` says of a correlation and a bound whether there is still no room.
    pub(crate) fn tell(
        &mut self,
        rules: &RuleSet,
        limits: &CorrelatorLimits,
        mut is_short: impl FnMut(u32, Bound) -> bool,
        now_us: i64,
    ) -> Vec<Told> {
        let mut told = Vec::new();
        self.open.retain(|(index, bound), shortage| {
            let Some(rule) = rules.correlations().get(*index as usize) else { return false };
            let is_over = !std::mem::take(&mut shortage.is_fresh) && !is_short(*index, *bound);
            let (missed, keys) = shortage.told;
            if is_over {
                told.push(Told::Over(Box::new(alert(rule, *bound, limits, shortage, now_us))));
            } else if shortage.missed >= missed.saturating_mul(2).max(1)
                || shortage.keys.len() > keys.saturating_mul(2)
            {
                shortage.told = (shortage.missed, shortage.keys.len());
                told.push(Told::Lasts(Box::new(alert(rule, *bound, limits, shortage, now_us))));
            }
            !is_over
        });
        told
    }
}

impl Told {
    /// Writes it; `true` if an alert is new.
    ///
    /// # Errors
    /// The database refuses; the transaction must not be committed then.
    pub(crate) fn write(&self, txn: &Txn<'_>, now_us: i64) -> Result<bool> {
        match self {
            Self::Lasts(alert) => Ok(AlertStore::record_or_amend(txn, alert, now_us)?),
            Self::Over(alert) => {
                let is_new = AlertStore::record_or_amend(txn, alert, now_us)?;
                close(txn, &alert.id, "there is room again", now_us)?;
                Ok(is_new)
            }
        }
    }
}

fn close(txn: &Txn<'_>, id: &AlertId, reason: &str, now_us: i64) -> Result<()> {
    let edit = Edit {
        change: Change::Close(Verdict::TruePositive),
        by: "stormglass".to_owned(),
        reason: reason.to_owned(),
        at_us: now_us,
    };
    match AlertStore::edit_within(txn, id.as_str(), &edit) {
        // Somebody was faster, or the retention was.
        Ok(_) | Err(alerts::Error::ChangeRefused { .. } | alerts::Error::AlertUnknown { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn name(bound: Bound) -> &'static str {
    match bound {
        Bound::Group => "key_events",
        Bound::Correlation => "rule_events",
        Bound::All => "events",
    }
}

fn bound_of(text: &str) -> Option<Bound> {
    [Bound::Group, Bound::Correlation, Bound::All].into_iter().find(|bound| name(*bound) == text)
}

fn alert(
    rule: &Correlation,
    bound: Bound,
    limits: &CorrelatorLimits,
    shortage: &Shortage,
    now_us: i64,
) -> Alert {
    let (what, most) = match bound {
        Bound::Group => ("one key", limits.group_hits),
        Bound::Correlation => ("one correlation", limits.correlation_hits),
        Bound::All => ("all correlations", limits.hits),
    };
    let setting = name(bound);
    let description = format!(
        "The correlation `{}` has no room: {what} may remember {most} events (`correlation.{setting}`), and that \
         many may still count. Further ones are left out; how many, and of which keys, is told with this alert. \
         Narrow its rules, or raise the bound; `stormglass rules backtest {}` shows what was missed. This alert is \
         closed when there is room again.",
        rule.title(),
        rule.id()
    );
    let (missed, keys) = (shortage.missed, shortage.keys.len());
    let more = if keys < KEYS { "" } else { " or more" };
    let why = format!("{missed} events of {keys}{more} keys are left out");
    let entity = |key: &String| Entity { kind: EntityKind::Resource, value: key.clone(), name: None };
    Alert {
        id: shortage.id.clone(),
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
        entities: shortage.keys.iter().map(entity).collect(),
        evidence: Vec::new(),
        joined: Some(Joined {
            by: vec![(BY_RULE.into(), rule.id().into()), (BY_BOUND.into(), setting.into())],
            why,
            begin_us: shortage.since_us,
            events: missed,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_version_would_close_is_closed_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("state.db")).unwrap();
        let store = AlertStore::open(state.clone()).unwrap();
        let text = "title: a\nid: a\nname: a\nlogsource: {product: aws}\ndetection: {s: {eventName: a}, condition: s}\n---\n\
                    title: many\nid: many\ncorrelation: {type: event_count, rules: [a], timespan: 1h, condition: {gte: 9}}\n";
        let source = rules::RuleSource { path: "x.yml".into(), text: text.into() };
        let rules = rules::load(&[source]).rules;
        let shortage = Shortage {
            id: AlertId::new(RULE, ["many"]),
            since_us: 1,
            missed: 7,
            keys: BTreeSet::from(["ana".to_owned()]),
            told: (0, 0),
            is_fresh: false,
        };
        let now = alert(&rules.correlations()[0], Bound::All, &CorrelatorLimits::default(), &shortage, 1);
        let old = |name: &str, joined| Alert { id: AlertId::new(RULE, [name]), joined, ..now.clone() };
        let alerts = [now.clone(), old("without", None), old("of no bound", Some(Joined::default()))];
        state.write(|txn| AlertStore::record(txn, &alerts, 1)).unwrap();
        let status = |alert: &Alert| store.get(alert.id.as_str()).unwrap().0.status;
        for _ in 0..2 {
            let adopted = Shortages::adopt(&state, &rules, 2).unwrap();
            let found: Vec<_> = adopted.open.values().map(|known| (known.id.clone(), known.missed)).collect();
            assert_eq!(found, [(now.id.clone(), 7)]);
            let is_open = alerts.each_ref().map(|alert| status(alert) != AlertStatus::Closed);
            assert_eq!(is_open, [true, false, false]);
        }
    }
}
