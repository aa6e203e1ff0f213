//! Bodies that are JSON.

use axum::body::Bytes;
use axum::extract::{FromRequest, OptionalFromRequest, Request};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde::{Deserialize, Serialize};

use super::{Problem, ProblemKind};

/// A body that is JSON, and as a request's always an object: serde alone takes a list of the fields in their order
/// for one, which no description says and nobody means.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(
                ProblemKind::MediaType,
                "the body is JSON; send it with `Content-Type: application/json`",
            ));
        }
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| Problem::new(ProblemKind::of(rejection.status()), &rejection.body_text()))?;
        read(&bytes).map(Self)
    }
}

/// Without a body and a type there is none.
impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        if !request.headers().contains_key(header::CONTENT_TYPE) {
            return Ok(None);
        }
        <Self as FromRequest<S>>::from_request(request, state).await.map(Some)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// `application/json`, or another type that is written so (RFC 6839, 3.1).
fn is_json(headers: &HeaderMap) -> bool {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.strip_prefix("application/").is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    let is_object = first == Some(&b'{');
    if !is_object && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok() {
        let detail = "the body is no object; send one, such as `{}`";
        return Err(Problem::new(ProblemKind::Invalid, detail));
    }
    let mut input = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut input).map_err(|error| {
        let place = error.path().to_string();
        let error = error.into_inner();
        let at = if place == "." { String::new() } else { format!("`{place}`: ") };
        match error.is_data() {
            true => Problem::new(ProblemKind::Invalid, &format!("{at}{error}")),
            false => Problem::bad_request(&format!("the body is no JSON: {error}")),
        }
    })?;
    input.end().map_err(|error| Problem::bad_request(&format!("the body is no JSON: {error}")))?;
    Ok(value)
}

/// Reads an object, or nothing, for a field whose type is one: the same as [`Json`] demands of a body.
///
/// # Errors
/// It is something else.
pub(crate) fn object<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    input: D,
) -> Result<Option<T>, D::Error> {
    let fields = Option::<serde_json::Map<String, serde_json::Value>>::deserialize(input)?;
    fields.map(|fields| serde_json::from_value(fields.into()).map_err(D::Error::custom)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        a: u8,
        #[serde(default, deserialize_with = "object")]
        inner: Option<Inner>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        b: u8,
    }

    #[test]
    fn only_objects_are_bodies() {
        let status = |text: &str| read::<Body>(text.as_bytes()).map_err(|problem| problem.status);
        assert_eq!(
            status(r#" {"a": 1, "inner": {"b": 2}} "#),
            Ok(Body { a: 1, inner: Some(Inner { b: 2 }) })
        );
        assert_eq!(status(r#"{"a": 1, "inner": null}"#), Ok(Body { a: 1, inner: None }));
        for bad in [
            "[1]",
            "[1, [2]]",
            "1",
            "null",
            "\"a\"",
            r#"{"a": 300}"#,
            r#"{"a": 1, "inner": [2]}"#,
            r#"{"b": 1}"#,
        ] {
            assert_eq!(status(bad), Err(422), "{bad}");
        }
        for bad in ["", "{", "[", r#"{"a": 1} 2"#, "{'a': 1}", "\u{feff}{}"] {
            assert_eq!(status(bad), Err(400), "{bad}");
        }
    }

    #[test]
    fn types_are_those_of_json() {
        let is = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, text.parse().unwrap());
            is_json(&headers)
        };
        assert!(
            is("application/json")
                && is("Application/JSON; charset=utf-8")
                && is("application/merge-patch+json")
        );
        assert!(!is("text/plain") && !is("text/json") && !is("application/x-www-form-urlencoded") && !is(""));
    }
}
