//! Which rules cost attention and find little.

use std::collections::HashMap;

use storage::state::rusqlite;

use crate::{AlertStore, Result};

/// What became of the alerts of a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleNoise {
    /// The rule's id.
    pub rule_id: String,
    /// Its title, as its newest alert has it.
    pub title: String,
    /// Its level, likewise.
    pub level: String,
    /// How many alerts it raised, suppressed ones among them.
    pub alerts: u64,
    /// How many of them a silence hides.
    pub suppressed: u64,
    /// How many are not closed and not hidden.
    pub open: u64,
    /// Closed as what the rule looks for, and bad.
    pub true_positive: u64,
    /// Closed as not what the rule looks for.
    pub false_positive: u64,
    /// Closed as harmless.
    pub benign: u64,
    /// Closed as told already.
    pub duplicate: u64,
    /// Closed by Stormglass, because late events showed that they never were.
    pub refuted: u64,
    /// How long it took until a person took one up, in microseconds: half of them sooner.
    pub acknowledge_us: Option<i64>,
    /// How long it took until a person closed one.
    pub close_us: Option<i64>,
}

impl RuleNoise {
    /// The alerts that people had before them.
    pub fn shown(&self) -> u64 {
        self.alerts.saturating_sub(self.suppressed)
    }

    /// How many alerts people had before them for each true one; one more true one is granted, so that a rule
    /// that found nothing yet comes by how much it showed.
    pub fn attention(&self) -> f64 {
        self.shown() as f64 / (self.true_positive as f64 + 1.0)
    }
}

impl AlertStore {
    /// Every rule that has raised alerts since `since_us`, those first that took most attention for least truth.
    ///
    /// # Errors
    /// The database refuses.
    pub fn noise(&self, since_us: i64) -> Result<Vec<RuleNoise>> {
        self.state().read(|db| {
            let mut acknowledge = medians(db, "acknowledged_us - created_us", since_us)?;
            // What Stormglass closes itself takes nobody's time.
            let mut close = medians(
                db,
                "CASE WHEN acknowledged_us IS NULL THEN NULL ELSE closed_us - created_us END",
                since_us,
            )?;
            // Of the bare columns, SQLite gives those of the row that has the maximum.
            let mut select = db.prepare_cached(
                "SELECT rule_id, title, level, max(created_us), count(*),
                    count(*) FILTER (WHERE suppressed_by IS NOT NULL),
                    count(*) FILTER (WHERE suppressed_by IS NULL AND status <> 'closed'),
                    count(*) FILTER (WHERE verdict = 'true_positive'),
                    count(*) FILTER (WHERE verdict = 'false_positive'),
                    count(*) FILTER (WHERE verdict = 'benign'),
                    count(*) FILTER (WHERE verdict = 'duplicate'),
                    count(*) FILTER (WHERE verdict = 'refuted')
                 FROM alerts WHERE created_us >= ?1 GROUP BY rule_id",
            )?;
            let mut rules = select
                .query_map([since_us], |row| {
                    Ok(RuleNoise {
                        rule_id: row.get(0)?,
                        title: row.get(1)?,
                        level: row.get(2)?,
                        alerts: row.get(4)?,
                        suppressed: row.get(5)?,
                        open: row.get(6)?,
                        true_positive: row.get(7)?,
                        false_positive: row.get(8)?,
                        benign: row.get(9)?,
                        duplicate: row.get(10)?,
                        refuted: row.get(11)?,
                        ..RuleNoise::default()
                    })
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            for rule in &mut rules {
                rule.acknowledge_us = acknowledge.remove(&rule.rule_id);
                rule.close_us = close.remove(&rule.rule_id);
            }
            rules.sort_by(|a, b| {
                let by_attention = b.attention().total_cmp(&a.attention());
                by_attention.then(b.alerts.cmp(&a.alerts)).then_with(|| a.rule_id.cmp(&b.rule_id))
            });
            Ok(rules)
        })
    }
}

/// The median of an expression, by rule; of an even number the mean of the two in the middle.
fn medians(db: &rusqlite::Connection, what: &str, since_us: i64) -> Result<HashMap<String, i64>> {
    let mut select = db.prepare_cached(&format!(
        "SELECT rule_id, CAST(avg(took) AS INTEGER) FROM (
            SELECT rule_id, took, row_number() OVER (PARTITION BY rule_id ORDER BY took) AS place,
                count(*) OVER (PARTITION BY rule_id) AS number
            FROM (SELECT rule_id, {what} AS took FROM alerts WHERE created_us >= ?1) WHERE took IS NOT NULL
         ) WHERE place IN ((number + 1) / 2, (number + 2) / 2) GROUP BY rule_id"
    ))?;
    let medians = select.query_map([since_us], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(medians.collect::<rusqlite::Result<_>>()?)
}
