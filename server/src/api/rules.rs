//! `/api/v1/rules`

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use event::Diagnostic;
use pipeline::CorrelationState;
use rules::RuleHead;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use crate::app::App;
use crate::auth::{Caller, Right};

/// The rules in use and what is wrong with those that are not.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RuleList {
    pub(crate) rules: Vec<RuleBody>,
    /// One line each: file, line, what is wrong, how to mend it.
    pub(crate) findings: Vec<String>,
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
    /// A list of a set and its findings, with what its correlations remember where that is known.
    pub(crate) fn new(
        rules: &rules::RuleSet,
        findings: &[Diagnostic],
        remembered: Option<&CorrelationState>,
    ) -> Self {
        let body = |head: &RuleHead, kind: &str| RuleBody {
            id: head.id().into(),
            title: head.title().into(),
            level: head.level().as_str().into(),
            tags: head.tags().to_vec(),
            path: head.path().into(),
            kind: kind.into(),
            remembers: remembered.and_then(|state| remembers(state, head.id())),
        };
        let single = rules.rules().iter().map(|rule| body(rule, "rule"));
        let rules = single.chain(rules.correlations().iter().map(|rule| body(rule, rule.kind())));
        Self { rules: rules.collect(), findings: findings.iter().map(ToString::to_string).collect() }
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
    responses((status = 200, body = ReloadResult), (status = 400, body = Problem)))]
pub(crate) async fn reload(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<ReloadResult>, Problem> {
    caller.needs(Right::Manage)?;
    let changed = crate::reload::reload(&app).await;
    let changed = changed.map_err(|error| Problem::bad_request(&format!("{error:#}")))?;
    let rules = app.pipeline.rules();
    Ok(Json(ReloadResult {
        changed,
        rules: rules.len(),
        correlations: rules.correlations().len(),
        findings: app.rule_files.findings().iter().map(ToString::to_string).collect(),
    }))
}

/// Lists the rules in use and the findings about them.
#[utoipa::path(get, path = "/api/v1/rules", tag = "rules", responses((status = 200, body = RuleList)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<RuleList>, Problem> {
    caller.needs(Right::Read)?;
    Ok(Json(RuleList::new(
        &app.pipeline.rules(),
        &app.rule_files.findings(),
        Some(&app.pipeline.correlations()),
    )))
}
