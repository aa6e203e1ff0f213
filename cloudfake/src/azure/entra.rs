//! Tokens: Entra's endpoint for applications, and what machines and containers ask instead.
//!
//! <https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow>,
//! <https://learn.microsoft.com/en-us/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>.

use std::collections::HashMap;

use axum::extract::{Form, Path, Query, State as AxumState};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use serde_json::{Value, json};

use super::{Application, Shared, State, TENANT, certificate, own_address};

/// The header that containers are told to send.
pub(super) const IDENTITY_HEADER: &str = "not-a-forged-request";

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/{tenant}/oauth2/v2.0/token", post(token))
        .route("/{tenant}/v2.0/.well-known/openid-configuration", get(configuration))
        .route("/metadata/identity/oauth2/token", get(machine))
        .route("/msi/token", get(container))
}

async fn configuration(Path(tenant): Path<String>, headers: HeaderMap) -> Json<Value> {
    let base = format!("{}/{tenant}", own_address(&headers));
    Json(json!({
        "issuer": format!("{base}/v2.0"),
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
    }))
}

fn refused(status: StatusCode, error: &str, number: u32, message: &str) -> Response {
    let description = format!("AADSTS{number}: {message} Trace ID: 0 Correlation ID: 0");
    let body = json!({"error": error, "error_description": description, "error_codes": [number]});
    (status, Json(body)).into_response()
}

async fn token(
    AxumState(state): AxumState<Shared>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let mut state = state.lock();
    if tenant != TENANT {
        let message = format!("Tenant '{tenant}' not found.");
        return refused(StatusCode::BAD_REQUEST, "invalid_request", 90_002, &message);
    }
    if field("grant_type") != "client_credentials" {
        let message = "The request body must contain the following parameter: 'grant_type'.";
        return refused(StatusCode::BAD_REQUEST, "invalid_request", 900_144, message);
    }
    let audience = field("scope").strip_suffix("/.default").map(|audience| audience.trim_end_matches('/'));
    let Some(audience) = audience.map(str::to_owned) else {
        let message = "The provided value for scope is not valid; it must end in /.default.";
        return refused(StatusCode::BAD_REQUEST, "invalid_scope", 1_002_012, message);
    };
    if !state.audiences.contains(&audience) {
        let message = format!("The resource principal named {audience} was not found in the tenant.");
        return refused(StatusCode::BAD_REQUEST, "invalid_resource", 500_011, &message);
    }
    let client_id = field("client_id").to_owned();
    let known = state.applications.iter().find(|application| application.client_id == client_id);
    let Some(application) = known.cloned() else {
        let message = format!("Application with identifier '{client_id}' was not found in the directory.");
        return refused(StatusCode::BAD_REQUEST, "unauthorized_client", 700_016, &message);
    };
    let endpoint = format!("{}/{tenant}/oauth2/v2.0/token", own_address(&headers));
    if let Err((number, message)) = prove(&mut state, &application, &form, &endpoint) {
        return refused(StatusCode::UNAUTHORIZED, "invalid_client", number, message);
    }
    let life_s = state.token_life_s;
    let token = state.give_token(&client_id, &audience);
    let body = json!({
        "token_type": "Bearer", "expires_in": life_s, "ext_expires_in": life_s, "access_token": token,
    });
    Json(body).into_response()
}

type Refusal = (u32, &'static str);

/// Whether a form proves that its sender is the application.
fn prove(
    state: &mut State,
    application: &Application,
    form: &HashMap<String, String>,
    endpoint: &str,
) -> Result<(), Refusal> {
    if let Some(secret) = form.get("client_secret") {
        return match application.secret.as_ref() == Some(secret) {
            true => Ok(()),
            false => Err((7_000_215, "Invalid client secret provided.")),
        };
    }
    let Some(assertion) = form.get("client_assertion") else {
        return Err((7_000_218, "The request body must contain: 'client_assertion' or 'client_secret'."));
    };
    let kind = form.get("client_assertion_type").map(String::as_str);
    if kind != Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer") {
        return Err((50_027, "JWT token is invalid or malformed."));
    }
    if application.federated_token.as_ref() == Some(assertion) {
        return Ok(());
    }
    statement(state, application, assertion, endpoint)
}

/// Checks a statement: its signature by the registered certificate, whom it is for, and its times.
fn statement(
    state: &mut State,
    application: &Application,
    assertion: &str,
    endpoint: &str,
) -> Result<(), Refusal> {
    const MALFORMED: Refusal = (50_027, "JWT token is invalid or malformed.");
    const UNKNOWN: Refusal = (
        700_027,
        "The certificate with identifier used to sign the client assertion is not registered on application.",
    );
    const UNSIGNED: Refusal = (700_027, "Client assertion failed signature validation.");
    let (signed, signature) = assertion.rsplit_once('.').ok_or(MALFORMED)?;
    let (header, claims) = signed.split_once('.').ok_or(MALFORMED)?;
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| MALFORMED);
    let json = |part: &str| serde_json::from_slice::<Value>(&bytes(part)?).map_err(|_| MALFORMED);
    let (header, claims) = (json(header)?, json(claims)?);
    let registered = application.certificate.as_deref().and_then(certificate::read);
    let (der, key) = registered.ok_or(UNKNOWN)?;
    // MSAL for Python pads it.
    let thumbprint = header["x5t#S256"].as_str().unwrap_or_default().trim_end_matches('=');
    if thumbprint != URL_SAFE_NO_PAD.encode(digest(&SHA256, &der)) {
        return Err(UNKNOWN);
    }
    let algorithm: &dyn VerificationAlgorithm = match header["alg"].as_str() {
        Some("PS256") => &RSA_PSS_2048_8192_SHA256,
        Some("RS256") => &RSA_PKCS1_2048_8192_SHA256,
        _ => return Err(MALFORMED),
    };
    let key = UnparsedPublicKey::new(algorithm, key);
    key.verify(signed.as_bytes(), &bytes(signature)?).map_err(|_| UNSIGNED)?;
    if claims["aud"] != endpoint {
        return Err((700_023, "Client assertion audience claim does not match Realm issuer."));
    }
    if claims["iss"] != application.client_id.as_str() || claims["sub"] != application.client_id.as_str() {
        return Err((
            700_021,
            "Client assertion application identifier doesn't match 'client_id' parameter.",
        ));
    }
    // MSAL writes fractions, and leaves `nbf` out.
    let time = |name: &str| claims[name].as_f64();
    let (now_s, end_s) = (state.now_s as f64, time("exp").ok_or(MALFORMED)?);
    // Clocks may differ by five minutes.
    if time("nbf").is_some_and(|start_s| start_s > now_s + 300.0) || end_s < now_s - 300.0 {
        return Err((700_024, "Client assertion is not within its valid time range."));
    }
    let number = claims["jti"].as_str().ok_or(MALFORMED)?;
    if !state.statements.insert(number.to_owned()) {
        return Err((50_027, "The assertion was used before."));
    }
    Ok(())
}

/// The metadata service of a machine.
async fn machine(
    AxumState(state): AxumState<Shared>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let is_meant = headers.get("metadata").is_some_and(|value| value == "true");
    if !is_meant || headers.contains_key("x-forwarded-for") {
        let body = json!({"error": "invalid_request", "error_description": "Required metadata header not specified"});
        return (StatusCode::BAD_REQUEST, Json(body)).into_response();
    }
    managed(&state, &query, "2018-02-01")
}

/// What App Service and its like have.
async fn container(
    AxumState(state): AxumState<Shared>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if headers.get("x-identity-header").is_none_or(|value| value != IDENTITY_HEADER) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    managed(&state, &query, "2019-08-01")
}

fn managed(state: &Shared, query: &HashMap<String, String>, version: &str) -> Response {
    let mut state = state.lock();
    let field = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let refused = |error: &str, description: &str| {
        let body = json!({"error": error, "error_description": description});
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    };
    if field("api-version") != version {
        return refused("invalid_request", "Required query variable 'api-version' is missing");
    }
    let audience = field("resource").trim_end_matches('/').to_owned();
    if !state.audiences.contains(&audience) {
        return refused("invalid_resource", "AADSTS500011: The resource principal was not found.");
    }
    let mine = state.applications.first().map(|application| application.client_id.clone());
    let wanted = query.get("client_id").or(mine.as_ref());
    let Some(client_id) = mine.as_ref().filter(|mine| wanted == Some(mine)) else {
        return refused("invalid_request", "Identity not found");
    };
    let expires_s = state.now_s + state.token_life_s;
    let token = state.give_token(client_id, &audience);
    // Numbers are texts here.
    let mut body = json!({
        "access_token": token, "expires_on": expires_s.to_string(), "resource": audience,
        "token_type": "Bearer", "client_id": client_id,
    });
    if version == "2018-02-01" {
        body["expires_in"] = state.token_life_s.to_string().into();
    }
    Json(body).into_response()
}
