//! Revisions of alerts and incidents as entity tags: `ETag` of an answer, `If-Match` of a request (RFC 9110, sections 8.8.3
//! and 13.1.1).

use ::alerts::Expected;
use axum::http::{HeaderMap, HeaderValue, header};

use crate::api::Problem;
use crate::api::entity_tag::{self, EntityTag, Tags};

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
/// A problem with status 400: `If-Match` is there and is no list of tags.
pub(in crate::api) fn expected(headers: &HeaderMap) -> Result<Expected, Problem> {
    match entity_tag::read(headers, &header::IF_MATCH) {
        Ok(None | Some(Tags::Any)) => Ok(Expected::Any),
        Ok(Some(Tags::Listed(tags))) => Ok(Expected::Revisions(tags.iter().filter_map(revision).collect())),
        Err(_) => Err(Problem::bad_request(
            "`If-Match` is not as an answer's `ETag` was; send it with its quotation marks, or `*`",
        )),
    }
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

/// The revision that a tag of ours names. A weak tag never matches (section 13.1.1), and no other server's does.
fn revision(tag: &EntityTag) -> Option<u64> {
    // What is behind the revision tells apart what an answer shows besides.
    let digits = tag.opaque.split(|byte| *byte == b'-').next()?;
    let text = str::from_utf8(digits).ok().filter(|_| !tag.is_weak)?;
    // `+7` and `07` are numbers too, and none that was ever given out.
    text.parse::<u64>().ok().filter(|revision| revision.to_string() == text)
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
        assert_eq!(check(&["\"7\",,"]), known(&[7]));
        for another in ["another", "+7", "07", "", "-7", "7.0", "7,8", "99999999999999999999"] {
            assert_eq!(check(&[&format!("\"{another}\"")]), known(&[]), "{another}");
        }
        for bad in ["", ",", "7", "\"7", "\"", "W/7", "w/\"7\"", "*, \"7\"", "garbage", "\"with blanks\""] {
            assert_eq!(check(&[bad]), Err(400), "{bad}");
        }
        assert_eq!(check(&[&vec!["\"7\""; 17].join(",")]), Err(400));
        assert_eq!(etag(7)[header::ETAG], "\"7\"");
    }
}
