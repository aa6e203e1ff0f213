//! `/api/v1/alerts/noise`

use std::sync::Arc;

use ::alerts::RuleNoise;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::blocking;
use crate::api::hunt::moment;
use crate::api::{Problem, format_us};
use crate::app::{App, now_us};
use crate::auth::{Caller, Right};

/// Over which time.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct NoiseQuery {
    /// Alerts raised since this time (RFC 3339), or so long before now; `30d` if not given.
    since: Option<String>,
}

/// Rules by what they cost, those first that took most attention for least truth.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct NoiseList {
    /// Alerts raised since then are counted.
    pub(crate) since: String,
    pub(crate) rules: Vec<NoiseBody>,
}

/// What became of the alerts of a rule.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct NoiseBody {
    pub(crate) rule_id: String,
    pub(crate) title: String,
    pub(crate) level: String,
    /// All that it raised, suppressed ones among them.
    pub(crate) alerts: u64,
    /// Those that a silence hides.
    pub(crate) suppressed: u64,
    /// Those that are neither closed nor hidden.
    pub(crate) open: u64,
    pub(crate) true_positive: u64,
    pub(crate) false_positive: u64,
    pub(crate) benign: u64,
    pub(crate) duplicate: u64,
    /// Those that late events refuted.
    pub(crate) refuted: u64,
    /// How many alerts people had before them for each true one, which is counted one higher than it is.
    pub(crate) attention: f64,
    /// How long it took until a person took one up, in seconds; half of them sooner.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) median_acknowledge_s: Option<i64>,
    /// How long it took until a person closed one, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) median_close_s: Option<i64>,
}

/// Says which rules cost attention and find little.
#[utoipa::path(get, path = "/api/v1/alerts/noise", tag = "alerts", params(NoiseQuery),
    responses((status = 200, body = NoiseList), (status = 400, body = Problem)))]
pub(crate) async fn noise(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(wanted): Query<NoiseQuery>,
) -> Result<Json<NoiseList>, Problem> {
    caller.needs(Right::ReadAlerts)?;
    let since_us = moment("since", wanted.since.as_deref().unwrap_or("30d"), now_us())?;
    let rules = blocking(move || app.alerts.noise(since_us)).await??;
    Ok(Json(NoiseList { since: format_us(since_us), rules: rules.into_iter().map(body).collect() }))
}

fn body(rule: RuleNoise) -> NoiseBody {
    let attention = rule.attention();
    NoiseBody {
        rule_id: rule.rule_id,
        title: rule.title,
        level: rule.level,
        alerts: rule.alerts,
        suppressed: rule.suppressed,
        open: rule.open,
        true_positive: rule.true_positive,
        false_positive: rule.false_positive,
        benign: rule.benign,
        duplicate: rule.duplicate,
        refuted: rule.refuted,
        attention,
        median_acknowledge_s: rule.acknowledge_us.map(|micros| micros / 1_000_000),
        median_close_s: rule.close_us.map(|micros| micros / 1_000_000),
    }
}
