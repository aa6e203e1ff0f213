//! The rules of the stream over the stored history: backtests and retro-hunts.

use std::collections::HashSet;
use std::sync::Arc;

use ::alerts::AlertStore;
use ::rules::{CorrelatorLimits, RuleSet, RuleSource};
use anyhow::bail;
use event::{Diagnostic, EventBatch, Level};
use pipeline::{Rehearsal, Rehearsed};
use query::QueryRequest;

use crate::api::format_us;
use crate::app::{App, load_options, now_us, rule_sources};
use crate::config::Config;

/// What is looked for, and where.
#[derive(Debug, Clone)]
pub(crate) struct Hunt {
    /// The rule or correlation, by id or name.
    pub(crate) rule: String,
    /// From this time on, microseconds since 1970.
    pub(crate) since_us: i64,
    /// Before this time.
    pub(crate) until_us: i64,
    /// Whether what is found becomes alerts.
    pub(crate) raise: bool,
}

/// What was asked for cannot be done; all else that a hunt fails with is no fault of who asks.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct HuntRefused(String);

/// What a hunt came to.
#[derive(Debug)]
pub(crate) struct Hunted {
    pub(crate) rehearsed: Rehearsed,
    /// How many alerts are new in the store.
    pub(crate) raised: u64,
    /// The id of the rule.
    pub(crate) rule_id: String,
}

/// Alerts that a hunt keeps to be shown; all are counted.
const SHOWN: usize = 10_000;

/// Runs a rule over the events of a time, a day after the other.
///
/// # Errors
/// [`HuntRefused`]: there is no such rule, or too much to look at. Or the events cannot be read, or the alerts cannot be written.
pub(crate) async fn hunt(app: &Arc<App>, rules: Arc<RuleSet>, hunt: &Hunt) -> anyhow::Result<Hunted> {
    let Some(rule_id) = rules.id_of(&hunt.rule).map(str::to_owned) else {
        let problem =
            format!("there is no rule `{}`; `stormglass rules list` shows those there are", hunt.rule);
        return Err(HuntRefused(problem).into());
    };
    // A hunt that raises must keep all that it finds.
    let most = if hunt.raise { usize::MAX } else { SHOWN };
    let rehearsal =
        Rehearsal::new(rules, CorrelatorLimits::default(), app.config.identity(), most).only(&hunt.rule);
    let mut rehearsal = rehearsal.ok_or_else(|| HuntRefused("there is no such rule".into()))?;
    let log_types = rehearsal.log_types();
    if log_types.is_empty() {
        let problem = format!("the rule `{}` waits for a log that Stormglass does not read yet", hunt.rule);
        return Err(HuntRefused(problem).into());
    }
    let names: Vec<_> = log_types.iter().map(|log_type| format!("'{}'", log_type.as_str())).collect();
    let wanted = format!(
        "time >= TIMESTAMP '{}' AND time < TIMESTAMP '{}' AND log_type IN ({})",
        format_us(hunt.since_us),
        format_us(hunt.until_us),
        names.join(", ")
    );
    for day in days(app, &wanted).await? {
        // One query a day keeps each within the limits of a query.
        let sql = format!("SELECT * FROM events WHERE event_day = DATE '{day}' AND {wanted}");
        let request = QueryRequest { max_rows: Some(usize::MAX), ..QueryRequest::new(sql) };
        let mut answer = app.engine.run(request).await?;
        while let Some(batch) = answer.next().await {
            let events = EventBatch::from_stored(&batch?)?;
            rehearsal = tokio::task::spawn_blocking(move || {
                rehearsal.observe(&events);
                rehearsal
            })
            .await?;
        }
        if answer.truncated() {
            let problem = format!("{day} has more events than a query may answer; choose a shorter time");
            return Err(HuntRefused(problem).into());
        }
    }
    let rehearsed = tokio::task::spawn_blocking(move || rehearsal.finish()).await?;
    let raised = if hunt.raise { raise(app, &rehearsed).await? } else { 0 };
    Ok(Hunted { rehearsed, raised, rule_id })
}

/// The rules of the configuration, and others beside them: of two rules of one id those count.
///
/// # Errors
/// A file cannot be read, or one of `own` is refused.
pub(crate) fn with_own(config: &Config, own: Vec<RuleSource>) -> anyhow::Result<Arc<RuleSet>> {
    let mut sources = rule_sources(config)?;
    sources.retain(|source| !own.iter().any(|own| own.path == source.path));
    let names: HashSet<_> = own.iter().map(|source| source.path.clone()).collect();
    let loaded = ::rules::load_with(&[own, sources].concat(), &load_options(config)?);
    let is_refused = |found: &&Diagnostic| found.level == Level::Error && names.contains(&found.file);
    if let Some(refused) = loaded.diagnostics.iter().find(is_refused) {
        bail!("{refused}");
    }
    Ok(Arc::new(loaded.rules))
}

/// The days on which there is anything.
async fn days(app: &App, wanted: &str) -> anyhow::Result<Vec<String>> {
    let sql =
        format!("SELECT DISTINCT CAST(event_day AS VARCHAR) AS day FROM events WHERE {wanted} ORDER BY 1");
    let mut answer = app.engine.run(QueryRequest::new(sql)).await?;
    let mut days = Vec::new();
    while let Some(batch) = answer.next().await {
        let batch = batch?;
        let column = arrow::compute::cast(batch.column(0), &arrow::datatypes::DataType::Utf8)?;
        let texts = arrow::array::AsArray::as_string::<i32>(&column);
        days.extend(texts.iter().flatten().map(str::to_owned));
    }
    Ok(days)
}

/// Writes what was found in one transaction; what was raised before is brought up to date and not doubled.
async fn raise(app: &Arc<App>, rehearsed: &Rehearsed) -> anyhow::Result<u64> {
    let grouped = rehearsed.grouped.clone();
    let of_groups: HashSet<_> = grouped.iter().map(|found| found.id.clone()).collect();
    let mut alerts = rehearsed.alerts.clone();
    // A hunt may see a part of a group only: its matches are counted one by one.
    alerts.retain(|alert| !of_groups.contains(&alert.id));
    let state = app.state.clone();
    let written = tokio::task::spawn_blocking(move || {
        state.write(|txn| {
            let new = AlertStore::record_matches(txn, &grouped, now_us())?;
            Ok::<_, ::alerts::Error>((new + AlertStore::record_hunted(txn, &alerts, now_us())?) as u64)
        })
    });
    Ok(written.await??)
}
