//! What the description of the API says of every route: who may ask, and how it says no.

use axum::http::Method;
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};

use super::conditional::TAGGED;
use crate::auth::is_open;

/// Errors that come before a handler, or that any of them may give: status and meaning.
const ERRORS: [(&str, &str); 9] = [
    ("400", "the request cannot be understood"),
    ("401", "no token, or not one of ours"),
    ("403", "the role may not"),
    ("404", "there is no such thing"),
    ("413", "the body is too large"),
    ("415", "the body is of another type"),
    ("422", "the body is JSON, but not what is asked for"),
    ("429", "too many requests, or no room just now; `Retry-After` says when"),
    ("503", "cannot be worked on now, or took too long"),
];

/// The media type of problems.
const PROBLEM: &str = "application/problem+json";

const JSON: &str = "application/json";

const PROTOBUF: &str = "application/x-protobuf";

/// The media type of SCIM (RFC 7644, 8.1).
const SCIM: &str = "application/scim+json";

/// Completes the description.
pub(super) fn complete(openapi: &mut OpenApi) {
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
            if is_open(&method, path) {
                operation.security = Some(Vec::new());
            }
            if method == Method::GET && TAGGED.contains(&path.as_str()) {
                let unchanged = ResponseBuilder::new().description("as `If-None-Match` says it is").build();
                operation.responses.responses.insert("304".into(), RefOr::T(unchanged));
            }
            if path.starts_with("/scim/") {
                for (status, meaning) in ERRORS {
                    let known = operation.responses.responses.entry(status.to_owned());
                    known.or_insert_with(|| RefOr::T(error(meaning, "ScimError", SCIM)));
                }
                continue;
            }
            // HEC and OpenTelemetry have errors of their own, besides those that come before them.
            let own = match path.as_str() {
                "/v1/logs" => &[JSON, PROTOBUF][..],
                path if path.starts_with("/services/") => &[JSON],
                _ => &[],
            };
            if !own.is_empty() {
                for (status, meaning) in ERRORS {
                    let mut response = error(meaning, "Problem", PROBLEM);
                    for kind in own {
                        let schema =
                            (path.as_str() != "/v1/logs").then(|| RefOr::Ref(Ref::from_schema_name("Reply")));
                        let content = ContentBuilder::new().schema(schema).build();
                        response.content.insert((*kind).to_owned(), content.into());
                    }
                    operation.responses.responses.insert(status.to_owned(), RefOr::T(response));
                }
                continue;
            }
            for response in operation.responses.responses.values_mut() {
                if let RefOr::T(response) = response {
                    name_problems(response);
                }
            }
            for (status, meaning) in ERRORS {
                let known = operation.responses.responses.entry(status.to_owned());
                known.or_insert_with(|| RefOr::T(error(meaning, "Problem", PROBLEM)));
            }
        }
    }
}

fn error(meaning: &str, schema: &str, kind: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(RefOr::Ref(Ref::from_schema_name(schema)))).build();
    ResponseBuilder::new().description(meaning).content(kind, content).build()
}

/// A handler that names its problem names it as JSON; it goes out as what RFC 9457 calls it.
fn name_problems(response: &mut Response) {
    let is_problem = response.content.get("application/json").is_some_and(|content| match content {
        RefOr::T(content) => {
            matches!(&content.schema, Some(RefOr::Ref(name)) if name.ref_location.ends_with("/Problem"))
        }
        RefOr::Ref(_) => false,
    });
    if is_problem && let Some(content) = response.content.shift_remove("application/json") {
        response.content.insert(PROBLEM.to_owned(), content);
    }
}
