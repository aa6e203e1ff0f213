//! `/api/v1/assets` and `/api/v1/entities`

use std::cmp::Reverse;
use std::sync::Arc;

use alerts::incident::RankedEntity;
use alerts::risk::{Asset, Criticality};
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::alerts::blocking;
use super::incidents::{RiskPartBody, parts};
use super::json::Json;
use super::page::{decode, page, size};
use super::problem::Problem;
use super::time::format_us;
use crate::app::{App, now_us};
use crate::auth::{Caller, Right};

/// The most alerts that the risk of an entity is explained with.
const EXPLAINED: usize = 100;

/// A page of assets, by name: what things and people are worth.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AssetList {
    pub(crate) assets: Vec<AssetBody>,
    /// Pass as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) next: Option<String>,
}

/// Which assets.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct AssetParameters {
    /// How many; 50 if not given, 500 at most.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Somebody or something, or many of a kind.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AssetBody {
    /// What it is called.
    pub(crate) name: String,
    /// Names that it goes by: of accounts, resources, addresses, users, identities. `*` stands for any text.
    pub(crate) patterns: Vec<String>,
    /// `low`, `normal`, `high` or `critical`.
    pub(crate) criticality: String,
    /// Who answers for it.
    #[serde(default)]
    pub(crate) owner: String,
    /// Anything that helps to find it.
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    /// Whether it stands in a file of `risk.assets`, where alone it can be changed.
    #[serde(default)]
    pub(crate) in_file: bool,
}

/// Lists assets: those of the files, and those that were written over the API.
#[utoipa::path(get, path = "/api/v1/assets", tag = "assets", params(AssetParameters),
    responses((status = 200, body = AssetList), (status = 400, body = Problem)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(wanted): Query<AssetParameters>,
) -> Result<Json<AssetList>, Problem> {
    caller.needs(Right::Read)?;
    let of_files = app.assets.assets();
    let stored = blocking(move || app.incidents.assets()).await??;
    let of_files = of_files.assets.iter().cloned().map(|asset| asset_body(asset, true));
    let assets = of_files.chain(stored.into_iter().map(|asset| asset_body(asset, false)));
    // A file may have got one of the same name after it was written over the API.
    let key = |asset: &AssetBody| (asset.name.clone(), !asset.in_file);
    let found = page(assets.collect(), key, wanted.cursor.as_deref(), size(wanted.limit))?;
    Ok(Json(AssetList { assets: found.entries, next: found.next }))
}

fn asset_body(asset: Asset, in_file: bool) -> AssetBody {
    let Asset { name, patterns, criticality, owner, tags } = asset;
    AssetBody { name, patterns, criticality: criticality.as_str().into(), owner, tags, in_file }
}

/// Writes an asset, in the place of one of the same name.
#[utoipa::path(post, path = "/api/v1/assets", tag = "assets", request_body = AssetBody,
    responses((status = 200, body = AssetBody), (status = 400, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn set(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Json(body): Json<AssetBody>,
) -> Result<Json<AssetBody>, Problem> {
    caller.needs(Right::Manage)?;
    let Some(criticality) = Criticality::by_name(&body.criticality) else {
        return Err(Problem::bad_request("`criticality` is none; choose low, normal, high or critical"));
    };
    if app.assets.assets().assets.iter().any(|asset| asset.name == body.name) {
        return Err(Problem::conflict("an asset of this name stands in a file; change it there"));
    }
    let AssetBody { name, patterns, owner, tags, .. } = body;
    let asset = Asset { name, patterns, criticality, owner, tags };
    let written = asset.clone();
    blocking(move || app.incidents.set_asset(&written)).await??;
    tracing::info!(by = caller.name, asset = asset.name, "an asset was written");
    Ok(Json(asset_body(asset, false)))
}

/// Removes an asset that was written over the API.
#[utoipa::path(delete, path = "/api/v1/assets/{name}", tag = "assets", params(("name" = String, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.needs(Right::Manage)?;
    let wanted = name.clone();
    if !blocking(move || app.incidents.remove_asset(&wanted)).await?? {
        let detail = format!("there is no asset `{name}` that was written over the API; see /api/v1/assets");
        return Err(Problem::not_found(&detail));
    }
    tracing::info!(by = caller.name, asset = name, "an asset was removed");
    Ok(StatusCode::NO_CONTENT)
}

/// Which entities.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntityParameters {
    /// How many; 50 if not given, 500 at most.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// A page of entities by their risk, the greatest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct EntityList {
    pub(crate) entities: Vec<EntityRiskBody>,
    /// Pass as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) next: Option<String>,
}

/// Where an entity is in the list: the time of the first page, its risk then, and what it is. Risks fade all at the
/// same rate, so that their order stays while their alerts do; their values at a time of their own would not.
type Rank = (i64, Reverse<u64>, String, String);

/// The risk of an entity: the sum of the risks of its alerts, each halved every half-life.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct EntityRiskBody {
    /// `identity`, `address` or `resource`.
    pub(crate) kind: String,
    pub(crate) entity: String,
    /// As it is now; on a further page of a list as of the time of the first.
    pub(crate) risk: f64,
    /// How many alerts make it.
    pub(crate) alerts: u64,
    pub(crate) first: String,
    pub(crate) last: String,
    pub(crate) criticality: String,
}

/// The risk of whatever goes by a name, with the alerts that make it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct EntityRiskDetail {
    pub(crate) entities: Vec<EntityRiskBody>,
    /// The alerts that weigh most now, at most 100.
    pub(crate) parts: Vec<SharePart>,
}

/// An alert's part in the risk of an entity.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SharePart {
    pub(crate) kind: String,
    pub(crate) entity: String,
    pub(crate) alert: String,
    pub(crate) time: String,
    /// What the alert adds: its risk, or a part of it where it is about several.
    pub(crate) score: u8,
    /// What is left of it now.
    pub(crate) left: f64,
}

/// Lists entities by their risk, the greatest first. All pages are ranked as of the time of the first, by what is known
/// when each is asked for: an entity whose alerts change in between may be on two pages or on none.
#[utoipa::path(get, path = "/api/v1/entities", tag = "assets", params(EntityParameters),
    responses((status = 200, body = EntityList), (status = 400, body = Problem)))]
pub(crate) async fn entities(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(wanted): Query<EntityParameters>,
) -> Result<Json<EntityList>, Problem> {
    caller.needs(Right::ReadAlerts)?;
    let began = wanted.cursor.as_deref().map(decode::<Rank>).transpose()?.map(|(at_us, ..)| at_us);
    let at_us = began.unwrap_or_else(now_us);
    let ranked = blocking(move || {
        app.follow_alerts()?;
        app.incidents.ranked(None, at_us, usize::MAX)
    });
    // The bits of numbers that are not negative are in the order of the numbers.
    let key = |one: &RankedEntity| -> Rank {
        (at_us, Reverse(one.risk.max(0.0).to_bits()), one.kind.clone(), one.entity.clone())
    };
    let found = page(ranked.await??, key, wanted.cursor.as_deref(), size(wanted.limit))?;
    Ok(Json(EntityList { entities: found.entries.into_iter().map(entity_body).collect(), next: found.next }))
}

fn entity_body(ranked: RankedEntity) -> EntityRiskBody {
    EntityRiskBody {
        kind: ranked.kind,
        entity: ranked.entity,
        risk: tenths(ranked.risk),
        alerts: ranked.alerts,
        first: format_us(ranked.first_us),
        last: format_us(ranked.last_us),
        criticality: ranked.criticality,
    }
}

fn tenths(risk: f64) -> f64 {
    (risk * 10.0).round() / 10.0
}

/// Shows the risk of whatever goes by a name, also by another name of the same identity.
#[utoipa::path(get, path = "/api/v1/entities/{entity}/risk", tag = "assets", params(("entity" = String, Path)),
    responses((status = 200, body = EntityRiskDetail), (status = 404, body = Problem)))]
pub(crate) async fn entity_risk(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(entity): Path<String>,
) -> Result<Json<EntityRiskDetail>, Problem> {
    caller.needs(Right::ReadAlerts)?;
    let wanted = entity.clone();
    let detail = blocking(move || {
        app.follow_alerts()?;
        let name = app.identities.0.identity(&wanted).unwrap_or(wanted);
        let now_us = now_us();
        let mut name = name;
        let mut entities = app.incidents.ranked(Some(&name), now_us, EXPLAINED)?;
        // One that nothing links to another is known by its whole name only.
        if entities.is_empty()
            && let Some(whole) = app.incidents.identity_called(&name)?
        {
            name = whole;
            entities = app.incidents.ranked(Some(&name), now_us, EXPLAINED)?;
        }
        let fading = app.incidents.settings().fading;
        let mut parts: Vec<(f64, SharePart)> = Vec::new();
        for (kind, entity, shares) in app.incidents.shares(&name) {
            for share in shares {
                let left = f64::from(share.score) * fading.left(share.time_us, now_us);
                let part = SharePart {
                    kind: kind.as_str().into(),
                    entity: entity.clone(),
                    alert: share.alert,
                    time: format_us(share.time_us),
                    score: share.score,
                    left: tenths(left),
                };
                parts.push((left, part));
            }
        }
        parts.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.alert.cmp(&b.1.alert)));
        let parts = parts.into_iter().take(EXPLAINED).map(|(_, part)| part).collect();
        Ok::<_, alerts::Error>(EntityRiskDetail {
            entities: entities.into_iter().map(entity_body).collect(),
            parts,
        })
    })
    .await??;
    if detail.entities.is_empty() {
        let detail = format!("no alert is about `{entity}`; see /api/v1/entities");
        return Err(Problem::not_found(&detail));
    }
    Ok(Json(detail))
}

/// The risk of an alert.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AlertRiskBody {
    /// 0 to 100; 0 for an alert that is about risk itself, or about Stormglass.
    pub(crate) score: u8,
    /// What it is the sum of.
    pub(crate) parts: Vec<RiskPartBody>,
    /// The incident that the alert belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) incident: Option<String>,
}

/// Shows the risk of an alert, what it is made of, and the incident that the alert belongs to.
#[utoipa::path(get, path = "/api/v1/alerts/{id}/risk", tag = "alerts", params(("id" = String, Path)),
    responses((status = 200, body = AlertRiskBody), (status = 404, body = Problem)))]
pub(crate) async fn alert_risk(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<AlertRiskBody>, Problem> {
    caller.needs(Right::ReadAlerts)?;
    let found = blocking(move || {
        app.follow_alerts()?;
        app.alerts.get(&id)?;
        let incident = app.incidents.of_alert(&id)?;
        let risk = app.incidents.alert_risk(&id)?;
        let score = risk.as_ref().map_or(0, |risk| risk.score);
        let parts = risk.map(|risk| parts(&risk.parts)).unwrap_or_default();
        Ok::<_, alerts::Error>(AlertRiskBody { score, parts, incident })
    });
    Ok(Json(found.await??))
}
