//! `/api/v1/rules/{rule}/backtest` and `/hunt`

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use event::Fate;
use rules::RuleSource;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json::Json;
use super::time::parse_us;
use super::{AlertSummary, Problem, format_us};
use crate::app::{App, now_us};
use crate::auth::{Caller, Right};
use crate::hunt::{Hunt, HuntRefused, Hunted, hunt};

/// Over which time a rule is run.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HuntBody {
    /// From this time on (RFC 3339), or so long before now, such as `30d`.
    pub(crate) since: String,
    /// Before this time; now if not given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) until: Option<String>,
    /// Rule files in which the rule may be, beside the rules in use; for backtests only. At most 100 of
    /// together 256 KiB.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) rules: Vec<RuleText>,
}

/// A rule file that is not in use.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleText {
    /// Its name, for what is said of it.
    pub(crate) path: String,
    /// Sigma documents, in YAML.
    pub(crate) text: String,
}

/// The most files of a backtest, and the most bytes of their names and texts.
const MOST_TEXTS: (usize, usize) = (100, 256 << 10);

impl HuntBody {
    /// The two times in microseconds since 1970.
    pub(crate) fn moments(&self) -> Result<(i64, i64), Problem> {
        let now = now_us();
        let since_us = moment("since", &self.since, now)?;
        let until_us = self.until.as_deref().map_or(Ok(now), |until| moment("until", until, now))?;
        if since_us >= until_us {
            return Err(Problem::bad_request(&format!(
                "`since` ({}) is not before `until` ({}): no event lies between them; `1d` means a day ago",
                format_us(since_us),
                format_us(until_us)
            )));
        }
        Ok((since_us, until_us))
    }

    /// The files that are sent along.
    fn own_rules(&self) -> Result<Vec<RuleSource>, Problem> {
        let (files, bytes) = MOST_TEXTS;
        let sent: usize = self.rules.iter().map(|rule| rule.path.len() + rule.text.len()).sum();
        if self.rules.len() > files || sent > bytes {
            return Err(Problem::bad_request(&format!(
                "`rules` takes up to {files} files of together {} KiB; send fewer",
                bytes >> 10
            )));
        }
        let source = |rule: &RuleText| RuleSource { path: rule.path.clone(), text: rule.text.clone() };
        Ok(self.rules.iter().map(source).collect())
    }
}

/// What a rule finds in the history.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct HuntResult {
    pub(crate) rule_id: String,
    pub(crate) since: String,
    pub(crate) until: String,
    /// Events that the rule looked at.
    pub(crate) events: u64,
    /// Alerts that it would have raised.
    pub(crate) alerts: u64,
    /// Alerts that are new in the store; 0 for a backtest.
    pub(crate) raised: u64,
    /// Matches for which a correlation had no room.
    pub(crate) no_room: u64,
    /// How many alerts on each day, by UTC.
    pub(crate) days: Vec<Share>,
    /// Who they are about, most first.
    pub(crate) actors: Vec<Share>,
    /// The first alerts.
    pub(crate) first: Vec<AlertSummary>,
}

/// A name and how many alerts it has.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Share {
    pub(crate) name: String,
    pub(crate) alerts: u64,
}

/// Says what a rule would have raised over the stored history, and raises nothing.
#[utoipa::path(post, path = "/api/v1/rules/{rule}/backtest", tag = "rules", params(("rule" = String, Path)),
    request_body = HuntBody, responses((status = 200, body = HuntResult), (status = 400, body = Problem)))]
pub(crate) async fn backtest(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(rule): Path<String>,
    Json(body): Json<HuntBody>,
) -> Result<Json<HuntResult>, Problem> {
    caller.needs(Right::Query)?;
    run(&app, rule, &body, false).await
}

/// Runs a rule over the stored history and raises what it finds; what was raised before is not doubled.
#[utoipa::path(post, path = "/api/v1/rules/{rule}/hunt", tag = "rules", params(("rule" = String, Path)),
    request_body = HuntBody, responses((status = 200, body = HuntResult), (status = 400, body = Problem)))]
pub(crate) async fn raise(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(rule): Path<String>,
    Json(body): Json<HuntBody>,
) -> Result<Json<HuntResult>, Problem> {
    caller.needs(Right::Triage)?;
    if !body.rules.is_empty() {
        let problem = "a hunt raises the alerts of rules in use; send `rules` to `backtest`, or put them into `rules.paths`";
        return Err(Problem::bad_request(problem));
    }
    run(&app, rule, &body, true).await
}

async fn run(
    app: &Arc<App>,
    rule: String,
    body: &HuntBody,
    raise: bool,
) -> Result<Json<HuntResult>, Problem> {
    let (since_us, until_us) = body.moments()?;
    let wanted = Hunt { rule, since_us, until_us, raise };
    let own = body.own_rules()?;
    let rules = match own.is_empty() {
        true => Ok(app.pipeline.rules()),
        false => {
            let app = app.clone();
            let joined = tokio::task::spawn_blocking(move || crate::hunt::with_own(&app.config, own)).await;
            joined.map_err(anyhow::Error::from).flatten()
        }
    };
    let rules = rules.map_err(|error| Problem::bad_request(&format!("{error:#}")))?;
    let hunted = hunt(app, rules, &wanted).await;
    Ok(Json(result(&wanted, hunted.map_err(|error| problem(&error))?)))
}

/// What whoever asks did wrong is told so; the rest is ours.
fn problem(error: &anyhow::Error) -> Problem {
    let text = format!("{error:#}");
    if error.is::<HuntRefused>() {
        return Problem::bad_request(&text);
    }
    let fate = match (error.downcast_ref::<query::Error>(), error.downcast_ref::<alerts::Error>()) {
        (Some(error), _) => error.fate(),
        (_, Some(error)) => error.fate(),
        _ => Fate::Stop,
    };
    // The statement is ours, and so is what is wrong with it.
    Problem::internal(&text, if fate == Fate::Reject { Fate::Stop } else { fate })
}

/// A time, or how long ago it was.
pub(super) fn moment(name: &str, text: &str, now_us: i64) -> Result<i64, Problem> {
    match rules::parse_span(text) {
        Some(ago_us) => Ok(now_us.saturating_sub(ago_us)),
        None => parse_us(name, text),
    }
}

pub(crate) fn result(wanted: &Hunt, hunted: Hunted) -> HuntResult {
    const FIRST: usize = 100;
    let found = &hunted.rehearsed.alerts;
    let mut days: Vec<Share> = Vec::new();
    let mut actors: Vec<Share> = Vec::new();
    for alert in found {
        let day = format_us(alert.time_us).chars().take(10).collect();
        count(&mut days, day);
        let actor = alert.entities.iter().find(|entity| entity.kind == alerts::EntityKind::Actor);
        count(&mut actors, actor.map_or("-", |actor| actor.name.as_ref().unwrap_or(&actor.value)).to_owned());
    }
    actors.sort_by(|a, b| b.alerts.cmp(&a.alerts).then_with(|| a.name.cmp(&b.name)));
    actors.truncate(FIRST);
    HuntResult {
        rule_id: hunted.rule_id,
        since: format_us(wanted.since_us),
        until: format_us(wanted.until_us),
        events: hunted.rehearsed.events,
        alerts: hunted.rehearsed.alert_count,
        raised: hunted.raised,
        no_room: hunted.rehearsed.full,
        days,
        actors,
        first: found.iter().take(FIRST).cloned().map(super::alerts::unstored).collect(),
    }
}

fn count(shares: &mut Vec<Share>, name: String) {
    match shares.iter_mut().find(|share| share.name == name) {
        Some(share) => share.alerts += 1,
        None => shares.push(Share { name, alerts: 1 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_faults_are_not_the_callers() {
        let full = storage::Error::Io {
            action: "read",
            path: "x".into(),
            source: std::io::ErrorKind::PermissionDenied.into(),
        };
        assert_eq!(problem(&full.into()).status, 503);
        assert_eq!(problem(&anyhow::anyhow!("a thread panicked")).status, 503);
        assert_eq!(problem(&alerts::Error::CursorUnknown.into()).status, 503);
    }
}
