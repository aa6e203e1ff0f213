//! The HTTP API, one resource a file. JSON of the API exists only here.

mod alerts;
mod assets;
mod audit;
mod audit_ocsf;
mod bodies;
mod callbacks;
mod collectors;
mod conditional;
mod contract;
mod contract_security;
mod dead_letters;
mod entity_tag;
mod health;
mod hunt;
mod identity;
mod incidents;
mod ingest;
mod json;
mod live;
mod metrics;
mod notifications;
mod page;
mod problem;
mod problems;
mod requests;
mod rules;
mod scim;
mod scim_schema;
mod session;
mod silences;
mod sources;
mod sql;
mod time;
mod tokens;
mod told;
mod users;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::Request;
use axum::{Router, middleware};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::audit::gate;
use crate::auth::authenticate;
use crate::push;
use bodies::BodyBudget;

pub(crate) use alerts::{
    AlertDetail, AlertList, AlertQuery, AlertSummary, BulkBody, BulkResult, ChangeBody, ChangeResult,
    NoiseBody, NoiseList,
};
pub(crate) use assets::{EntityList, EntityRiskBody, EntityRiskDetail};
pub(crate) use audit::AuditList;
pub(crate) use callbacks::{Callbacks, PREFIX as CALLBACKS};
pub(crate) use collectors::{BackfillBody, BackfillRequest, CollectorBody};
pub(crate) use dead_letters::{DeadLetterDetail, DeadLetterList, RetryBody, RetryResult};
pub(crate) use hunt::{HuntBody, HuntResult, RuleText, result as hunt_result};
pub(crate) use identity::{LinkList, UndoBody};
pub(crate) use incidents::{
    AssignBody, CommentBody, IncidentBulkBody, IncidentDetail, IncidentList, IncidentQuery, IncidentSummary,
    MergeBody, SplitBody,
};
pub(crate) use ingest::{Accepted, source_id};
pub(crate) use json::Json;
pub(crate) use live::{Live, LiveEntry};
pub(crate) use notifications::{
    ChannelList, DeliveryBody, DeliveryList, PreviewBody, ReloadBody, ResendBody, ResendResult, TestResult,
};
pub(crate) use problem::Problem;
pub(crate) use problems::ProblemKind;
pub(crate) use rules::{RuleBody, RuleList};
pub(crate) use scim::scim_refusal;
pub(crate) use session::SessionBody;
pub(crate) use silences::{SilenceBody, SilenceList, SilenceRequest, TrialBody};
pub(crate) use sources::{SourceBody, SourceList};
pub(crate) use sql::SqlBody;
pub(crate) use time::format_us;
pub(crate) use tokens::{MadeToken, NewToken, TokenList};
pub(crate) use told::ToldBody;
pub(crate) use users::{NewUser, RoleList, UserBody, UserChange, UserList};

/// The description that is served at `/api/v1/openapi.json`.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Stormglass",
        description = "Events, alerts and accounts of a Stormglass server. Every answer that is an error is an RFC 9457 problem."
    ),
    // Nothing names it as its body: it is the data of the events of a stream.
    components(schemas(LiveEntry))
)]
struct Description;

/// All routes behind the gate.
pub(crate) fn router(app: Arc<App>) -> Router {
    let config = &app.config;
    let auth = app.auth.clone();
    let budget = Arc::new(BodyBudget::new(config.body_memory, &app.push));
    let (max_body, timeout, concurrent) =
        (config.max_body, config.request_timeout, config.concurrent_requests);
    let (recorder, speaks_tls) = (app.audit.clone(), app.config.tls.is_some());
    let (routes, _) = described().with_state(app).split_for_parts();
    let routes = routes
        .fallback(|| async { Problem::not_found("there is no such resource; see /api/v1/openapi.json") })
        .method_not_allowed_fallback(|| async {
            Problem::new(ProblemKind::MethodNotAllowed, "see /api/v1/openapi.json")
        })
        .layer(DefaultBodyLimit::max(max_body))
        .layer(middleware::from_fn(conditional::tagged))
        .layer(middleware::from_fn_with_state(budget, bodies::bound))
        .layer(middleware::from_fn_with_state(recorder.clone(), gate::record))
        .layer(middleware::from_fn_with_state(auth, authenticate))
        .layer(middleware::from_fn_with_state(recorder, gate::refusals));
    requests::entered(routes, timeout, concurrent, speaks_tls)
}

/// The whole description.
pub(crate) fn description() -> utoipa::openapi::OpenApi {
    let (_, mut description) = described().split_for_parts();
    contract::complete(&mut description);
    description
}

/// The routes with their description, as far as each says it itself.
fn described() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
        .routes(routes!(contract::show))
        .routes(routes!(problems::list))
        .routes(routes!(audit::list))
        .routes(routes!(audit::checkpoint))
        .routes(routes!(audit::export))
        .routes(routes!(live::stream))
        .routes(routes!(alerts::list))
        .routes(routes!(alerts::show))
        .routes(routes!(alerts::change::acknowledge))
        .routes(routes!(alerts::change::start))
        .routes(routes!(alerts::change::close))
        .routes(routes!(alerts::change::reopen))
        .routes(routes!(alerts::change::assign))
        .routes(routes!(alerts::change::unassign))
        .routes(routes!(alerts::change::comment))
        .routes(routes!(alerts::change::label))
        .routes(routes!(alerts::change::release))
        .routes(routes!(alerts::bulk::change))
        .routes(routes!(alerts::noise::noise))
        .routes(routes!(silences::add, silences::list))
        .routes(routes!(silences::show))
        .routes(routes!(silences::test))
        .routes(routes!(silences::end))
        .routes(routes!(silences::release))
        .routes(routes!(assets::alert_risk))
        .routes(routes!(incidents::list))
        .routes(routes!(incidents::show))
        .routes(routes!(incidents::bulk::change))
        .routes(routes!(incidents::change::acknowledge))
        .routes(routes!(incidents::change::start))
        .routes(routes!(incidents::change::assign))
        .routes(routes!(incidents::change::unassign))
        .routes(routes!(incidents::change::label))
        .routes(routes!(incidents::change::comment))
        .routes(routes!(incidents::change::close))
        .routes(routes!(incidents::change::reopen))
        .routes(routes!(incidents::decide::merge))
        .routes(routes!(incidents::decide::split))
        .routes(routes!(incidents::export::export))
        .routes(routes!(assets::list, assets::set))
        .routes(routes!(assets::remove))
        .routes(routes!(assets::entities))
        .routes(routes!(assets::entity_risk))
        .routes(routes!(sql::run))
        .routes(routes!(sources::list))
        .routes(routes!(collectors::pause))
        .routes(routes!(collectors::resume))
        .routes(routes!(collectors::backfill))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::show))
        .routes(routes!(dead_letters::retry))
        .routes(routes!(notifications::list))
        .routes(routes!(notifications::channels))
        .routes(routes!(notifications::test))
        .routes(routes!(notifications::resend))
        .routes(routes!(notifications::reload))
        .routes(routes!(notifications::preview))
        .routes(routes!(rules::list))
        .routes(routes!(identity::list))
        .routes(routes!(identity::undo))
        .routes(routes!(rules::reload))
        .routes(routes!(hunt::backtest))
        .routes(routes!(hunt::raise))
        .routes(routes!(ingest::push))
        .routes(routes!(push::hec::event_old))
        .routes(routes!(push::hec::event))
        .routes(routes!(push::hec::raw))
        // The same under the names that some of Splunk's clients use.
        .route("/services/collector/event/1.0", axum::routing::post(push::hec::event))
        .route("/services/collector/raw/1.0", axum::routing::post(push::hec::raw))
        .routes(routes!(push::hec::ack))
        .routes(routes!(push::hec::health))
        .routes(routes!(push::hook::receive, push::hook::verify))
        .routes(routes!(callbacks::slack))
        .routes(routes!(callbacks::pagerduty))
        .routes(routes!(session::sign_in, session::show, session::sign_out))
        .routes(routes!(session::change_password))
        .routes(routes!(session::oidc_begin))
        .routes(routes!(session::oidc_callback))
        .routes(routes!(users::list, users::add))
        .routes(routes!(users::show, users::change, users::remove))
        .routes(routes!(users::end_sessions))
        .routes(routes!(users::roles))
        .routes(routes!(tokens::list, tokens::make))
        .routes(routes!(tokens::revoke))
        .routes(routes!(scim::config))
        .routes(routes!(scim::resource_types))
        .routes(routes!(scim::schemas))
        .routes(routes!(scim::list, scim::add))
        .routes(routes!(scim::show, scim::change, scim::replace, scim::remove))
        .routes(routes!(push::otlp::logs))
        .routes(routes!(push::otlp::export))
}

/// A request of this process to its own routes.
pub(crate) fn in_process<B>(mut request: Request<B>) -> Request<B> {
    request.extensions_mut().insert(crate::auth::InProcess);
    request
}
