//! What the description of the API says of every route: who may ask, what holds of what is read and changed, which
//! headers an answer has, and how it says no.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response as HttpResponse};
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{
    ContentBuilder, Header, HeaderBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Required, Response,
    ResponseBuilder, Type,
};

use super::conditional::TAGGED;
use super::contract_security;

/// Errors that come before a handler, or that any of them may give: status and meaning.
const ERRORS: [(&str, &str); 10] = [
    ("400", "the request cannot be understood"),
    ("401", "no token, or not one of ours"),
    ("403", "the role may not"),
    ("404", "there is no such thing"),
    ("413", "the body is too large"),
    ("415", "the body is of another type"),
    ("422", "the body is JSON, but not what is asked for"),
    ("429", "too many requests, or no room just now; `Retry-After` says when"),
    ("500", "an error of ours"),
    ("503", "cannot be worked on now, or took too long"),
];

/// The media type of problems.
const PROBLEM: &str = "application/problem+json";

const JSON: &str = "application/json";

const PROTOBUF: &str = "application/x-protobuf";

/// The media type of SCIM (RFC 7644, 8.1).
const SCIM: &str = "application/scim+json";

/// Second names of Splunk's paths that some of its clients use, and the first.
const ALIASES: [(&str, &str); 2] = [
    ("/services/collector/event/1.0", "/services/collector/event"),
    ("/services/collector/raw/1.0", "/services/collector/raw"),
];

/// Routes whose good answers have headers of their own: method, path, status, header, meaning.
const OWN_HEADERS: [(&str, &str, &str, &str, &str); 10] = [
    ("POST", "/api/v1/session", "200", "Set-Cookie", "the session"),
    ("DELETE", "/api/v1/session", "204", "Set-Cookie", "takes the session's cookie away"),
    ("POST", "/api/v1/session/password", "200", "Set-Cookie", "the new session"),
    ("GET", "/api/v1/session/oidc", "303", "Location", "the provider"),
    ("GET", "/api/v1/session/oidc", "303", "Set-Cookie", "tells this browser from others when it comes back"),
    ("GET", "/api/v1/session/oidc/callback", "303", "Location", "`oidc.landing`"),
    ("GET", "/api/v1/session/oidc/callback", "303", "Set-Cookie", "the session"),
    ("POST", "/scim/v2/Users", "201", "Location", "the user"),
    (
        "POST",
        "/api/v1/incidents/{id}/export",
        "200",
        "X-Manifest-SHA256",
        "SHA-256 of the manifest, in hexadecimal digits",
    ),
    ("POST", "/api/v1/incidents/{id}/export", "200", "Content-Disposition", "the archive's name"),
];

/// The description as it is served. It follows from the program alone.
static DESCRIPTION: LazyLock<Bytes> =
    LazyLock::new(|| serde_json::to_vec(&super::description()).unwrap_or_default().into());

/// Describes the API (OpenAPI 3.1).
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "health", responses((status = 200, body = serde_json::Value)))]
pub(crate) async fn show() -> HttpResponse {
    let kind = HeaderValue::from_static(JSON);
    ([(header::CONTENT_TYPE, kind)], DESCRIPTION.clone()).into_response()
}

/// Completes the description.
pub(super) fn complete(openapi: &mut OpenApi) {
    for (alias, path) in ALIASES {
        let Some(mut item) = openapi.paths.paths.get(path).cloned() else { continue };
        if let Some(operation) = &mut item.post {
            operation.operation_id = operation.operation_id.take().map(|id| format!("{id}_1_0"));
        }
        openapi.paths.paths.insert(alias.to_owned(), item);
    }
    contract_security::add_schemes(openapi);
    for (path, item) in &mut openapi.paths.paths {
        let operations = [
            (Method::GET, &mut item.get),
            (Method::POST, &mut item.post),
            (Method::PUT, &mut item.put),
            (Method::PATCH, &mut item.patch),
            (Method::DELETE, &mut item.delete),
        ];
        for (method, operation) in operations {
            let Some(operation) = operation else { continue };
            operation.security = Some(contract_security::required(&method, path));
            add_conditions(&method, path, operation);
            add_errors(path, operation);
            add_headers(&method, path, operation);
            describe_events(operation);
        }
    }
}

/// `If-None-Match` of what has a tag, `If-Match` of what looks at the revision: whatever may answer 412.
fn add_conditions(method: &Method, path: &str, operation: &mut Operation) {
    let is_tagged = *method == Method::GET && TAGGED.contains(&path);
    let is_guarded = operation.responses.responses.contains_key("412");
    if is_tagged {
        let meaning = "`ETag` of an answer: while nothing has changed, the answer is 304 without a body";
        operation.parameters.get_or_insert_default().push(RefOr::T(parameter("If-None-Match", meaning)));
        let unchanged = ResponseBuilder::new().description("as `If-None-Match` says it is").build();
        operation.responses.responses.insert("304".into(), RefOr::T(unchanged));
    }
    if is_guarded {
        let meaning = "`ETag` of an answer, or a list of such, or `*`: the change is made only to what is as one of them \
                       says, else the answer is 412";
        operation.parameters.get_or_insert_default().push(RefOr::T(parameter("If-Match", meaning)));
    }
    if is_tagged || is_guarded {
        for status in ["200", "304"] {
            add_header(
                operation,
                status,
                "ETag",
                text_header("the revision, to be sent as `If-Match` or `If-None-Match`"),
            );
        }
    }
}

fn parameter(name: &str, meaning: &str) -> Parameter {
    let text = ObjectBuilder::new().schema_type(Type::String).build();
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(meaning))
        .schema(Some(text))
        .build()
}

fn add_errors(path: &str, operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    if path.starts_with("/scim/") {
        for (status, meaning) in ERRORS {
            let known = responses.entry(status.to_owned());
            known.or_insert_with(|| RefOr::T(error(meaning, "ScimError", SCIM)));
        }
        return;
    }
    // HEC and OpenTelemetry have errors of their own, besides those that come before them.
    let own = match path {
        "/v1/logs" => &[JSON, PROTOBUF][..],
        path if path.starts_with("/services/") => &[JSON],
        _ => &[],
    };
    if !own.is_empty() {
        for (status, meaning) in ERRORS {
            let mut response = error(meaning, "Problem", PROBLEM);
            for kind in own {
                let schema = (path != "/v1/logs").then(|| RefOr::Ref(Ref::from_schema_name("Reply")));
                let content = ContentBuilder::new().schema(schema).build();
                response.content.insert((*kind).to_owned(), content.into());
            }
            responses.insert(status.to_owned(), RefOr::T(response));
        }
        return;
    }
    for response in responses.values_mut() {
        if let RefOr::T(response) = response {
            name_problems(response);
        }
    }
    for (status, meaning) in ERRORS {
        let known = responses.entry(status.to_owned());
        known.or_insert_with(|| RefOr::T(error(meaning, "Problem", PROBLEM)));
    }
}

fn error(meaning: &str, schema: &str, kind: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(RefOr::Ref(Ref::from_schema_name(schema)))).build();
    ResponseBuilder::new().description(meaning).content(kind, content).build()
}

/// A handler that names its problem names it as JSON; it goes out as what RFC 9457 calls it.
fn name_problems(response: &mut Response) {
    let is_problem = response.content.get(JSON).is_some_and(|content| match content {
        RefOr::T(content) => {
            matches!(&content.schema, Some(RefOr::Ref(name)) if name.ref_location.ends_with("/Problem"))
        }
        RefOr::Ref(_) => false,
    });
    if is_problem && let Some(content) = response.content.shift_remove(JSON) {
        response.content.insert(PROBLEM.to_owned(), content);
    }
}

/// The headers of answers, but for those that every answer of HTTP has.
fn add_headers(method: &Method, path: &str, operation: &mut Operation) {
    let statuses: Vec<String> = operation.responses.responses.keys().cloned().collect();
    for status in &statuses {
        let id = text_header("the request's id, which problems and the server's log have as well");
        add_header(operation, status, "X-Request-Id", id);
    }
    let is_hec = path.starts_with("/services/");
    if !is_hec {
        add_header(operation, "401", "WWW-Authenticate", text_header("`Bearer`"));
    }
    let wait = if is_hec { &["429", "503"][..] } else { &["429"] };
    for status in wait {
        add_header(operation, status, "Retry-After", number_header("the seconds to wait"));
    }
    for (of, route, status, name, meaning) in OWN_HEADERS {
        if *method == of && path == route {
            add_header(operation, status, name, text_header(meaning));
        }
    }
}

/// What an event of a stream is. OpenAPI 3.1 has no word for the items of a stream; clients and Schemathesis take the
/// schema of `text/event-stream` for that of each event.
fn describe_events(operation: &mut Operation) {
    let Some(RefOr::T(response)) = operation.responses.responses.get_mut("200") else { return };
    let Some(RefOr::T(content)) = response.content.get_mut("text/event-stream") else { return };
    let text =
        |meaning: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(meaning)).build();
    let event = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("id", text("the number of its entry; `Last-Event-ID` goes on behind it"))
        .property("event", text("`alert`, or `gap`: entries before this one are no longer kept"))
        .property("data", text("JSON: a `LiveEntry`, or of a gap `{}`"))
        .required("data")
        .build();
    content.schema = Some(RefOr::T(event.into()));
}

fn add_header(operation: &mut Operation, status: &str, name: &str, header: Header) {
    if let Some(RefOr::T(response)) = operation.responses.responses.get_mut(status) {
        response.headers.insert(name.to_owned(), RefOr::T(header));
    }
}

fn text_header(meaning: &str) -> Header {
    let text = ObjectBuilder::new().schema_type(Type::String).build();
    HeaderBuilder::new().schema(Some(text)).description(Some(meaning)).build()
}

fn number_header(meaning: &str) -> Header {
    let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).build();
    HeaderBuilder::new().schema(Some(number)).description(Some(meaning)).build()
}
