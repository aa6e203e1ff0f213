//! `/api/v1/rules`

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::{Extension, Json};
use event::Diagnostic;
use pipeline::{CorrelationState, Pipeline};
use rules::RuleHead;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::page::page;
use super::{Problem, format_us};
use crate::app::App;
use crate::auth::{Caller, Right};

/// The rules in use, by the files that they come from, and what is wrong with those that are not.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RuleList {
    pub(crate) rules: Vec<RuleBody>,
    /// One line each: file, line, what is wrong, how to mend it.
    pub(crate) findings: Vec<String>,
    /// Correlations wait for no event before this time: how far the source has come that is furthest behind,
    /// less `correlation.delay`. Absent where nothing runs, and before the first event.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) watermark: Option<String>,
    /// Pass as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) next: Option<String>,
}

/// Which rules.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleParameters {
    /// How many; all if not given.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// A rule in use.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RuleBody {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) level: String,
    pub(crate) tags: Vec<String>,
    /// The file it comes from.
    pub(crate) path: String,
    /// `rule`, or the type of a correlation, such as `event_count`.
    pub(crate) kind: String,
    /// Events since the start of the logs that a rule reads; for a correlation, matches of its rules that it
    /// took. Absent where nothing runs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) evaluated: Option<u64>,
    /// Events since the start that a rule matched; for a correlation, groups of events that it told of.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) matched: Option<u64>,
    /// Those among the matched that raised no alert of their own, because the rule is silent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) suppressed: Option<u64>,
    /// Matches that could not become an alert, or that a correlation could not take because the event lacks a
    /// part of its key or value.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) errored: Option<u64>,
    /// Fields that a rule has asked events for since it was loaded, and that none had, as the rule names them.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) never_found: Vec<String>,
    /// The log that a rule waits for: Stormglass does not read it yet, so the rule cannot match.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) waits_for: Option<String>,
    /// The log of which no source has delivered an event since the start: the rule has had nothing to look at.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) undelivered: Option<String>,
    /// Matches raise no alert of their own: they tag events, or feed a correlation.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub(crate) silent: bool,
    /// What a correlation remembers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) remembers: Option<RemembersBody>,
}

/// What a correlation remembers, and what it had to leave out.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RemembersBody {
    /// Keys with at least one event at present.
    pub(crate) groups: u64,
    /// Events at present.
    pub(crate) events: u64,
    /// Events that came too late to take part; `rules backtest` looks at them.
    pub(crate) late: u64,
    /// Events for which there was no room.
    pub(crate) full: u64,
}

impl RuleList {
    /// A list of a set and its findings, with what is known of it where it runs.
    pub(crate) fn new(rules: &rules::RuleSet, findings: &[Diagnostic], pipeline: Option<&Pipeline>) -> Self {
        let remembered = pipeline.map(Pipeline::correlations);
        let body = |head: &RuleHead, kind: &str| RuleBody {
            id: head.id().into(),
            title: head.title().into(),
            level: head.level().as_str().into(),
            tags: head.tags().to_vec(),
            path: head.path().into(),
            kind: kind.into(),
            evaluated: None,
            matched: None,
            suppressed: None,
            errored: None,
            never_found: Vec::new(),
            waits_for: None,
            undelivered: None,
            silent: false,
            remembers: remembered.as_ref().and_then(|state| remembers(state, head.id())),
        };
        let single = rules.rules().iter().enumerate().map(|(index, rule)| {
            let counts = pipeline.map(|pipeline| pipeline.rule_counts().of(rule));
            RuleBody {
                evaluated: counts.map(|counts| counts.evaluated),
                matched: counts.map(|counts| counts.matched),
                suppressed: counts.map(|counts| counts.suppressed),
                errored: counts.map(|counts| counts.errored),
                never_found: rules.never_found(index),
                waits_for: rule.log_types().is_empty().then(|| rule.logsource().to_string()),
                undelivered: counts
                    .filter(|counts| counts.evaluated == 0 && !rule.log_types().is_empty())
                    .map(|_| rule.logsource().to_string()),
                silent: !rule.yields_alert(),
                ..body(rule, "rule")
            }
        });
        let joined = rules.correlations().iter().map(|rule| {
            let counts = pipeline.map(|pipeline| pipeline.rule_counts().of_correlation(rule.id()));
            RuleBody {
                evaluated: counts.map(|counts| counts.evaluated),
                matched: counts.map(|counts| counts.matched),
                suppressed: counts.map(|counts| counts.suppressed),
                errored: counts.map(|counts| counts.errored),
                silent: !rule.yields_alert(),
                ..body(rule, rule.kind())
            }
        });
        let rules = single.chain(joined).collect();
        let watermark = remembered.as_ref().and_then(CorrelationState::watermark).map(format_us);
        let findings = findings.iter().map(ToString::to_string).collect();
        Self { rules, findings, watermark, next: None }
    }

    /// The page behind `cursor`, by the files and ids of rules, of at most `limit`.
    ///
    /// # Errors
    /// The cursor is none.
    fn page(self, cursor: Option<&str>, limit: Option<usize>) -> Result<Self, Problem> {
        let key = |rule: &RuleBody| (rule.path.clone(), rule.id.clone());
        let found = page(self.rules, key, cursor, limit.unwrap_or(usize::MAX).max(1))?;
        Ok(Self { rules: found.entries, next: found.next, ..self })
    }
}

fn remembers(state: &CorrelationState, id: &str) -> Option<RemembersBody> {
    let (_, stats) = state.correlations.iter().find(|(known, _)| known == id)?;
    Some(RemembersBody { groups: stats.groups, events: stats.hits, late: stats.late, full: stats.full })
}

/// What became of a reload.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ReloadResult {
    /// Whether any file had changed.
    pub(crate) changed: bool,
    /// Rules over single events in use.
    pub(crate) rules: usize,
    /// Correlations in use.
    pub(crate) correlations: usize,
    /// What is wrong with the files; rules of broken files stay in use as they were last good.
    pub(crate) findings: Vec<String>,
}

/// Reads the rule files again and puts them to use.
#[utoipa::path(post, path = "/api/v1/rules/reload", tag = "rules",
    responses((status = 200, body = ReloadResult), (status = 503, body = Problem)))]
pub(crate) async fn reload(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<ReloadResult>, Problem> {
    caller.needs(Right::ManageRules)?;
    let changed = crate::reload::reload(&app, crate::reload::When::Now).await;
    // Nothing of it comes from whoever asks.
    let changed = changed.map_err(|error| Problem::internal(&format!("{error:#}"), event::Fate::Stop))?;
    let rules = app.pipeline.rules();
    Ok(Json(ReloadResult {
        changed,
        rules: rules.len(),
        correlations: rules.correlations().len(),
        findings: app.rule_files.findings().iter().map(ToString::to_string).collect(),
    }))
}

/// Lists the rules in use and the findings about them.
#[utoipa::path(get, path = "/api/v1/rules", tag = "rules", params(RuleParameters), responses((status = 200, body = RuleList)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(wanted): Query<RuleParameters>,
) -> Result<Json<RuleList>, Problem> {
    caller.needs(Right::Read)?;
    let list = RuleList::new(&app.pipeline.rules(), &app.rule_files.findings(), Some(&app.pipeline));
    Ok(Json(list.page(wanted.cursor.as_deref(), wanted.limit)?))
}
