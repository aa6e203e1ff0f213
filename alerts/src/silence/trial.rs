//! What a silence would have hidden.

use std::collections::BTreeMap;

use storage::state::rusqlite;

use super::{SilenceSpec, Target};
use crate::row::from_json;
use crate::{Alert, AlertId, AlertStore, Evidence, Result, RuleRef};

/// The most alerts that a trial looks at, the newest.
const LOOKED_AT: usize = 100_000;
/// The most rules that a trial names, and the most alerts.
const NAMED: usize = 20;

/// What a silence would have hidden of the alerts since some time, whatever its own beginning and end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trial {
    /// How many alerts there were.
    pub alerts: u64,
    /// How many of them it would have hidden.
    pub hidden: u64,
    /// How many of those somebody has found to be true.
    pub hidden_true: u64,
    /// The rules of those, most first; at most twenty.
    pub rules: Vec<TrialRule>,
    /// The newest of those; at most twenty.
    pub newest: Vec<String>,
    /// Whether there were more alerts than a trial looks at.
    pub is_partial: bool,
}

/// A rule, and how many of its alerts a silence would have hidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialRule {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// How many.
    pub hidden: u64,
}

impl AlertStore {
    /// Tries a silence on the alerts whose events happened since `since_us`, those among them that are
    /// suppressed already.
    ///
    /// # Errors
    /// [`Error::SilenceRefused`](crate::Error::SilenceRefused) if it names nothing, or the database refuses.
    pub fn try_silence(&self, spec: &SilenceSpec, since_us: i64) -> Result<Trial> {
        spec.check_matchers()?;
        self.state().read(|db| {
            // Without the evidence, which may be long, unless it is asked for; the operation of the deciding event
            // stands for it.
            let reads_records = spec.matchers.iter().any(|matcher| matches!(matcher.target, Target::Field(_)));
            let evidence = if reads_records { "evidence" } else { "NULL" };
            let mut select = db.prepare_cached(&format!(
                "SELECT id, rule_id, title, level, tags, severity_id, time_us, provider, operation, entities, joined,
                    verdict, {evidence}
                 FROM alerts WHERE time_us >= ?1 ORDER BY time_us DESC, id DESC LIMIT ?2",
            ))?;
            let mut rows = select.query(rusqlite::params![since_us, LOOKED_AT])?;
            let mut trial = Trial::default();
            let mut rules: BTreeMap<String, TrialRule> = BTreeMap::new();
            while let Some(row) = rows.next()? {
                trial.alerts += 1;
                let alert = alert(row)?;
                if !spec.would_cover(&alert) {
                    continue;
                }
                trial.hidden += 1;
                trial.hidden_true += u64::from(row.get::<_, Option<String>>(11)?.as_deref() == Some("true_positive"));
                if trial.newest.len() < NAMED {
                    trial.newest.push(alert.id.to_string());
                }
                let rule = alert.rule;
                rules
                    .entry(rule.id.clone())
                    .or_insert(TrialRule { id: rule.id, title: rule.title, hidden: 0 })
                    .hidden += 1;
            }
            trial.is_partial = trial.alerts >= LOOKED_AT as u64;
            trial.rules = rules.into_values().collect();
            trial.rules.sort_by(|a, b| b.hidden.cmp(&a.hidden).then_with(|| a.id.cmp(&b.id)));
            trial.rules.truncate(NAMED);
            Ok(trial)
        })
    }
}

fn alert(row: &rusqlite::Row<'_>) -> Result<Alert> {
    let id = AlertId::stored(row.get(0)?);
    let operation: Option<String> = row.get(8)?;
    let time_us = row.get(6)?;
    let deciding = operation.map(|operation| Evidence {
        event_uid: String::new(),
        time_us,
        operation,
        raw: String::new(),
    });
    let evidence = match row.get::<_, Option<String>>(12)? {
        Some(text) => from_json(&id, &text)?,
        None => deciding.into_iter().collect(),
    };
    Ok(Alert {
        rule: RuleRef {
            id: row.get(1)?,
            title: row.get(2)?,
            level: row.get(3)?,
            tags: from_json(&id, &row.get::<_, String>(4)?)?,
            description: String::new(),
            response: Vec::new(),
        },
        severity_id: row.get(5)?,
        time_us,
        provider: row.get(7)?,
        entities: from_json(&id, &row.get::<_, String>(9)?)?,
        evidence,
        joined: row.get::<_, Option<String>>(10)?.map(|text| from_json(&id, &text)).transpose()?,
        id,
    })
}
