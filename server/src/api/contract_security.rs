//! How a caller shows who it is, as the description of the API says it.

use axum::http::Method;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};

use crate::auth::{Access, CSRF_HEADER, SESSION_COOKIE, access};

/// A bearer token.
const TOKEN: &str = "token";
/// The cookie of a session.
const SESSION: &str = "session";
/// What a change by cookie carries besides.
const CSRF: &str = "csrf";
/// The token as Splunk's clients send it.
const SPLUNK: &str = "splunk";
/// The token as a password.
const PASSWORD: &str = "password";

/// Adds the ways there are.
pub(super) fn add_schemes(openapi: &mut OpenApi) {
    let http = |scheme: HttpAuthScheme, meaning: &str| -> Http {
        HttpBuilder::new().scheme(scheme).description(Some(meaning)).build()
    };
    let components = openapi.components.get_or_insert_with(Default::default);
    for (name, scheme) in [
        (TOKEN, SecurityScheme::Http(http(HttpAuthScheme::Bearer, "`Authorization: Bearer TOKEN`"))),
        (
            SESSION,
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
                SESSION_COOKIE,
                "the session that `POST /api/v1/session` begins; over TLS the cookie's name begins with `__Host-`",
            ))),
        ),
        (
            CSRF,
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
                CSRF_HEADER.as_str(),
                "`csrf_token` of `GET /api/v1/session`, with every change that is made by the cookie",
            ))),
        ),
        (
            SPLUNK,
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
                "Authorization",
                "`Splunk TOKEN`",
            ))),
        ),
        (
            PASSWORD,
            SecurityScheme::Http(http(HttpAuthScheme::Basic, "any user, and the token as its password")),
        ),
    ] {
        components.add_security_scheme(name, scheme);
    }
}

/// The ways that a route takes, any one of which is enough; none where it asks for nothing, or looks for itself.
pub(super) fn required(method: &Method, path: &str) -> Vec<SecurityRequirement> {
    let by = |name: &str| SecurityRequirement::new(name, Vec::<String>::new());
    let is_change = *method != Method::GET;
    match access(method, path) {
        Ok(Access::Open) => Vec::new(),
        _ if path.starts_with("/scim/") => vec![by(TOKEN)],
        _ if path.starts_with("/services/") => vec![by(TOKEN), by(SPLUNK), by(PASSWORD)],
        _ if is_change => vec![by(TOKEN), by(SESSION).add(CSRF, Vec::<String>::new())],
        // Whoever is known is told more.
        Ok(Access::Probe) => vec![SecurityRequirement::default(), by(TOKEN), by(SESSION)],
        _ => vec![by(TOKEN), by(SESSION)],
    }
}
