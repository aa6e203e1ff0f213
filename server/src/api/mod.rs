//! The HTTP API, one resource a file. JSON of the API exists only here.

mod alerts;
mod bodies;
mod collectors;
mod dead_letters;
mod health;
mod hunt;
mod identity;
mod ingest;
mod metrics;
mod problem;
mod rules;
mod scim;
mod session;
mod sources;
mod sql;
mod time;
mod tokens;
mod users;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, middleware};
use tower::ServiceBuilder;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::auth::authenticate;
use crate::push;
use bodies::BodyBudget;

pub(crate) use alerts::{AlertDetail, AlertList, AlertSummary};
pub(crate) use collectors::{BackfillBody, BackfillRequest, CollectorBody};
pub(crate) use dead_letters::{DeadLetterDetail, DeadLetterList, RetryResult};
pub(crate) use hunt::{HuntBody, HuntResult, result as hunt_result};
pub(crate) use identity::{LinkList, UndoBody};
pub(crate) use ingest::{Accepted, source_id};
pub(crate) use problem::Problem;
pub(crate) use rules::{RuleBody, RuleList};
pub(crate) use scim::scim_refusal;
pub(crate) use sources::{SourceBody, SourceList};
pub(crate) use sql::SqlBody;
pub(crate) use time::format_us;
pub(crate) use tokens::{MadeToken, NewToken, TokenList};
pub(crate) use users::{NewUser, RoleList, UserBody, UserChange, UserList};

/// The description that is served at `/api/v1/openapi.json`.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Stormglass",
        description = "Events, alerts and accounts of a Stormglass server. Every answer that is an error is an RFC 9457 problem."
    ),
    modifiers(&BearerToken)
)]
struct Description;

struct BearerToken;

impl utoipa::Modify for BearerToken {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = openapi.components.get_or_insert_with(Default::default);
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
        openapi.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    }
}

/// All routes behind the gate.
pub(crate) fn router(app: Arc<App>) -> Router {
    let config = &app.config;
    let auth = app.auth.clone();
    let budget = Arc::new(BodyBudget::new(config.body_memory, &app.push));
    let (max_body, timeout, concurrent) =
        (config.max_body, config.request_timeout, config.concurrent_requests);
    let (routes, description) = described().with_state(app).split_for_parts();
    let request_id = HeaderName::from_static("x-request-id");
    let fixed = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
    };
    let layers = ServiceBuilder::new()
        .layer(SetRequestIdLayer::new(request_id.clone(), MakeRequestUuid))
        .layer(PropagateRequestIdLayer::new(request_id))
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"))
        .layer(fixed(header::CACHE_CONTROL, "no-store"))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, timeout))
        .layer(GlobalConcurrencyLimitLayer::new(concurrent));
    routes
        .route("/api/v1/openapi.json", axum::routing::get(|| async move { Json(description) }))
        .fallback(|| async { Problem::not_found("there is no such resource; see /api/v1/openapi.json") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "see /api/v1/openapi.json")
        })
        .layer(DefaultBodyLimit::max(max_body))
        .layer(middleware::from_fn_with_state(budget, bodies::bound))
        .layer(middleware::from_fn_with_state(auth, authenticate))
        .layer(layers)
}

/// The routes with their description.
pub(crate) fn described() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
        .routes(routes!(alerts::list))
        .routes(routes!(alerts::show))
        .routes(routes!(alerts::acknowledge))
        .routes(routes!(alerts::close))
        .routes(routes!(alerts::reopen))
        .routes(routes!(sql::run))
        .routes(routes!(sources::list))
        .routes(routes!(collectors::pause))
        .routes(routes!(collectors::resume))
        .routes(routes!(collectors::backfill))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::show))
        .routes(routes!(dead_letters::retry))
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
        .routes(routes!(scim::list, scim::add))
        .routes(routes!(scim::show, scim::change, scim::remove))
        .routes(routes!(push::otlp::logs))
        .routes(routes!(push::otlp::export))
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a request handler panicked");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "an error of ours; the server's log has it")
        .into_response()
}

/// A request of this process to its own routes.
pub(crate) fn in_process<B>(mut request: Request<B>) -> Request<B> {
    request.extensions_mut().insert(crate::auth::InProcess);
    request
}
