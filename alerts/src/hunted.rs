//! What a hunt over the past finds of correlations, beside what was raised before.
//!
//! A hunt knows events that the stream did not: late ones, and those for which there was no room. So it may find
//! the same episode with another beginning, which makes another id. It is the same alert all the same.

use std::collections::{BTreeSet, HashMap};

use storage::state::{Txn, rusqlite};

use crate::row::from_json;
use crate::{Alert, AlertId, AlertStore, Evidence, Joined, Result, Verdict};

/// An alert that stands.
struct Known {
    id: AlertId,
    end_us: i64,
    joined: Joined,
}

/// The alerts of a rule that stand.
#[derive(Default)]
struct Standing {
    all: Vec<Known>,
    by_key: HashMap<Vec<(String, String)>, Vec<usize>>,
    by_event: HashMap<String, Vec<usize>>,
}

impl AlertStore {
    /// Records what a hunt found. A correlation's alert that shares events with one that stands (the same rule,
    /// overlapping in time, and the same key or an event in common) opens no second one: the earliest of those
    /// is brought up to date if what was found holds all of it, and else stays as it is. Returns how many
    /// alerts are new.
    ///
    /// # Errors
    /// The database refuses or holds a damaged alert; the caller's transaction must not be committed then.
    pub fn record_hunted(txn: &Txn<'_>, found: &[Alert], now_us: i64) -> Result<usize> {
        let mut rules: HashMap<&str, Standing> = HashMap::new();
        for alert in found.iter().filter(|alert| alert.joined.is_some()) {
            if !rules.contains_key(alert.rule.id.as_str()) {
                let of_rule = found.iter().filter(|other| other.rule.id == alert.rule.id);
                let begin_us = of_rule.filter_map(|alert| Some(alert.joined.as_ref()?.begin_us)).min();
                let standing = Standing::read(txn, &alert.rule.id, begin_us.unwrap_or(i64::MIN))?;
                rules.insert(&alert.rule.id, standing);
            }
        }
        let mut new = 0;
        for alert in found {
            let known = rules.get(alert.rule.id.as_str()).and_then(|standing| standing.same(alert));
            match (known, &alert.joined) {
                (Some(known), Some(joined)) => {
                    let holds_it = joined.begin_us <= known.joined.begin_us
                        && alert.time_us >= known.end_us
                        && joined.events >= known.joined.events;
                    if holds_it {
                        let alert = Alert { id: known.id.clone(), ..alert.clone() };
                        Self::record_or_amend(txn, &alert, now_us)?;
                    }
                }
                _ => new += usize::from(Self::record_or_amend(txn, alert, now_us)?),
            }
        }
        Ok(new)
    }
}

impl Standing {
    /// Those that end at `begin_us` or later.
    fn read(txn: &Txn<'_>, rule_id: &str, begin_us: i64) -> Result<Self> {
        let mut standing = Self::default();
        let mut select = txn.prepare_cached(
            "SELECT id, time_us, joined, evidence FROM alerts
             WHERE rule_id = ?1 AND time_us >= ?2 AND joined IS NOT NULL AND verdict IS NOT ?3",
        )?;
        let mut rows = select.query(rusqlite::params![rule_id, begin_us, Verdict::Refuted.as_str()])?;
        while let Some(row) = rows.next()? {
            let id = AlertId::stored(row.get(0)?);
            let joined: Joined = from_json(&id, &row.get::<_, String>(2)?)?;
            let evidence: Vec<Evidence> = from_json(&id, &row.get::<_, String>(3)?)?;
            let at = standing.all.len();
            standing.by_key.entry(joined.by.clone()).or_default().push(at);
            for event in evidence {
                standing.by_event.entry(event.event_uid).or_default().push(at);
            }
            standing.all.push(Known { id, end_us: row.get(1)?, joined });
        }
        Ok(standing)
    }

    /// The one that `alert` is another view of; of several, its own namesake or the earliest.
    fn same(&self, alert: &Alert) -> Option<&Known> {
        let joined = alert.joined.as_ref()?;
        // Who acted may be known by another name by now, so the events count as well as the key.
        let mut places: BTreeSet<usize> =
            self.by_key.get(&joined.by).into_iter().flatten().copied().collect();
        let of_events = alert.evidence.iter().filter_map(|event| self.by_event.get(&event.event_uid));
        places.extend(of_events.flatten());
        let known = places.iter().filter_map(|at| self.all.get(*at));
        let shared =
            known.filter(|known| known.joined.begin_us <= alert.time_us && joined.begin_us <= known.end_us);
        shared.min_by_key(|known| (known.id != alert.id, known.joined.begin_us, known.id.as_str()))
    }
}
