//! `ETag` and `If-None-Match` (RFC 9110, 8.8.3 and 13.1.2) for what is read again and again.

use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::Problem;
use super::entity_tag::{self, Tags};

/// The routes whose answers have a tag.
pub(super) const TAGGED: [&str; 5] =
    ["/api/v1/alerts", "/api/v1/alerts/{id}", "/api/v1/incidents", "/api/v1/incidents/{id}", "/api/v1/rules"];

/// The largest answer that is made before it is sent; lists are bounded far below.
const MOST: usize = 256 << 20;

/// Answers 304 to whoever has the answer already.
pub(crate) async fn tagged(request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let path = path.unwrap_or_default();
    let is_tagged = TAGGED.contains(&path.as_str());
    if !is_tagged || *request.method() != Method::GET {
        return next.run(request).await;
    }
    // One that cannot be read is as none: whoever only reads gets the whole answer.
    let known = entity_tag::read(request.headers(), &header::IF_NONE_MATCH).ok().flatten();
    let answer = next.run(request).await;
    if answer.status() != StatusCode::OK {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    let body = match to_bytes(body, MOST).await {
        Ok(body) => body,
        Err(error) => return Problem::internal(&error, event::Fate::Stop).into_response(),
    };
    // An alert also shows its incident, and an incident its alerts: what becomes of those is no change of its own, and
    // is told apart behind the revision.
    let own = parts.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
    let tag = match own {
        Some(revision) => format!("\"{}-{}\"", revision.trim_matches('"'), hash(&body)),
        None => format!("\"{}\"", hash(&body)),
    };
    // Whoever keeps it asks each time whether it is still good.
    parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(value) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, value);
    }
    if !known.is_some_and(|known| has(&known, &tag)) {
        return Response::from_parts(parts, Body::from(body));
    }
    parts.status = StatusCode::NOT_MODIFIED;
    parts.headers.remove(header::CONTENT_TYPE);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::empty())
}

fn hash(body: &[u8]) -> String {
    Sha256::digest(body).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether the tags name ours; weak ones count as strong for reading (RFC 9110, 13.1.2).
fn has(known: &Tags, tag: &str) -> bool {
    match known {
        Tags::Any => true,
        Tags::Listed(tags) => tags.iter().any(|known| known.opaque == tag.trim_matches('"').as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderMap;

    #[test]
    fn lists_of_tags_are_read() {
        let has_a = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, text.parse().unwrap());
            let known = entity_tag::read(&headers, &header::IF_NONE_MATCH).ok().flatten();
            known.is_some_and(|known| has(&known, "\"a\""))
        };
        for known in ["\"a\"", "\"b\", \"a\"", "W/\"a\"", "*"] {
            assert!(has_a(known), "{known}");
        }
        for known in ["", "\"b\"", "a", "\"ab\"", "\"a", "a\""] {
            assert!(!has_a(known), "{known}");
        }
    }
}
