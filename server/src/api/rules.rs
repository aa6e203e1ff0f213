//! `/api/v1/rules`

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use event::Diagnostic;
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
}

impl RuleList {
    /// A list of a set and its findings.
    pub(crate) fn new(rules: &rules::RuleSet, findings: &[Diagnostic]) -> Self {
        let rules = rules.rules().iter().map(|rule| RuleBody {
            id: rule.id().into(),
            title: rule.title().into(),
            level: rule.level().as_str().into(),
            tags: rule.tags().to_vec(),
            path: rule.path().into(),
        });
        Self { rules: rules.collect(), findings: findings.iter().map(ToString::to_string).collect() }
    }
}

/// Lists the rules in use and the findings about them.
#[utoipa::path(get, path = "/api/v1/rules", tag = "rules", responses((status = 200, body = RuleList)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<RuleList>, Problem> {
    caller.needs(Right::Read)?;
    Ok(Json(RuleList::new(&app.pipeline.rules(), &app.rule_findings)))
}
