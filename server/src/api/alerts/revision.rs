//! Revisions of alerts and incidents as entity tags: `ETag` of an answer, `If-Match` of a request (RFC 9110, sections 8.8.3
//! and 13.1.1).

use ::alerts::Expected;
use axum::http::{HeaderMap, HeaderValue, header};

use crate::api::Problem;

/// The most entity tags that a request may name.
const TAGS: usize = 16;

/// The header that says at which revision an alert is.
pub(in crate::api) fn etag(revision: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{revision}\"")) {
        headers.insert(header::ETAG, tag);
    }
    headers
}

/// What whoever sends these headers knows of the alert; without `If-Match` or with `*` it may be as it is.
///
/// # Errors
/// A problem with status 400: `If-Match` is no list of tags.
pub(in crate::api) fn expected(headers: &HeaderMap) -> Result<Expected, Problem> {
    let mut revisions = Vec::new();
    let mut is_given = false;
    for value in headers.get_all(header::IF_MATCH) {
        is_given = true;
        let text = value.to_str().map_err(|_| malformed())?.trim();
        if text == "*" {
            return Ok(Expected::Any);
        }
        for tag in text.split(',').map(str::trim) {
            // A weak tag never matches (section 13.1.1), and no other server's tag does.
            let inner = tag.strip_prefix("W/").unwrap_or(tag);
            let inner = inner.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let inner = inner.ok_or_else(malformed)?;
            // What is behind the revision tells apart what an answer shows besides.
            if let Ok(revision) = inner.split('-').next().unwrap_or_default().parse()
                && !tag.starts_with("W/")
            {
                revisions.push(revision);
            }
        }
        if revisions.len() > TAGS {
            return Err(malformed());
        }
    }
    Ok(if is_given { Expected::Revisions(revisions) } else { Expected::Any })
}

/// Refuses `If-Match` where many are changed: one list of tags cannot tell which of them is known at which revision.
///
/// # Errors
/// A problem with status 400: `If-Match` was sent.
pub(in crate::api) fn refused(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(header::IF_MATCH) {
        return Err(Problem::bad_request(
            "`If-Match` is for one; of many, send the revision of each id as `revisions`, such as `{\"3f0c1d2e\": 7}`",
        ));
    }
    Ok(())
}

fn malformed() -> Problem {
    Problem::bad_request(
        "`If-Match` is not as an answer's `ETag` was; send it with its quotation marks, or `*`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&str]) -> Result<Expected, u16> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::IF_MATCH, value.parse().unwrap());
        }
        expected(&headers).map_err(|problem| problem.status)
    }

    #[test]
    fn tags_are_read_as_the_standard_says() {
        let known = |revisions: &[u64]| Ok(Expected::Revisions(revisions.to_vec()));
        assert_eq!(check(&[]), Ok(Expected::Any));
        assert_eq!(check(&["*"]), Ok(Expected::Any));
        assert_eq!(check(&["\"7\""]), known(&[7]));
        assert_eq!(check(&["\"7\", \"8\"", "\"9\""]), known(&[7, 8, 9]));
        assert_eq!(check(&["\"7-0a1b\""]), known(&[7]));
        assert_eq!(check(&["W/\"7\""]), known(&[]));
        assert_eq!(check(&["\"of another server\""]), known(&[]));
        for bad in ["", "7", "\"7", "\"", "W/7", "\"7\",,"] {
            assert_eq!(check(&[bad]), Err(400), "{bad}");
        }
        assert_eq!(check(&[&vec!["\"7\""; 17].join(",")]), Err(400));
        assert_eq!(etag(7)[header::ETAG], "\"7\"");
    }
}
