//! What a page of JSON holds: its records as they were written, and single values.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::{Error, Result};

/// The members of the list that lies at `pointer` (RFC 6901; empty: the whole), each as it was written.
/// `None`: there is nothing, or `null`.
///
/// # Errors
/// [`Error::BadAnswer`]: the body is no JSON, or no list lies there.
pub(crate) fn records_at(call: &str, body: &[u8], pointer: &str) -> Result<Option<Vec<String>>> {
    let bad = |problem: String| Error::BadAnswer { call: call.to_owned(), problem };
    let whole: &RawValue = serde_json::from_slice(body).map_err(|error| bad(error.to_string()))?;
    let Some(found) = raw_at(whole, pointer).filter(|found| found.get() != "null") else { return Ok(None) };
    let list: Vec<&RawValue> =
        serde_json::from_str(found.get()).map_err(|_| bad(format!("there is no list at `{pointer}`")))?;
    Ok(Some(list.into_iter().map(|record| record.get().to_owned()).collect()))
}

/// The text, number or flag at `pointer`, as text; nothing where it is empty, `null` or something larger.
pub(crate) fn text_at(body: &[u8], pointer: &str) -> Option<String> {
    let found = raw_at(serde_json::from_slice(body).ok()?, pointer)?.get();
    let text = match found.as_bytes().first()? {
        b'"' => serde_json::from_str(found).ok()?,
        b'{' | b'[' | b'n' => return None,
        _ => found.to_owned(),
    };
    (!text.is_empty()).then_some(text)
}

/// What lies at `pointer`, not yet read.
fn raw_at<'a>(whole: &'a RawValue, pointer: &str) -> Option<&'a RawValue> {
    let mut at = whole;
    for key in pointer.split('/').skip(1) {
        let key = match key.contains('~') {
            true => Cow::from(key.replace("~1", "/").replace("~0", "~")),
            false => Cow::from(key),
        };
        at = match at.get().as_bytes().first()? {
            b'{' => serde_json::from_str::<BTreeMap<String, &RawValue>>(at.get()).ok()?.remove(&*key)?,
            b'[' => {
                let place: usize = key.parse().ok()?;
                serde_json::from_str::<Vec<&RawValue>>(at.get()).ok()?.into_iter().nth(place)?
            }
            _ => return None,
        };
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAGE: &[u8] =
        br#" {"data": {"a/b": [ {"x": 1.50,"y":"\u00e9"} , 7 ]}, "next": "c", "no": null, "n": 12, "more": false, "e": ""}"#;

    #[test]
    fn records_stay_as_they_were_written() {
        let records = records_at("c", PAGE, "/data/a~1b").unwrap().unwrap();
        assert_eq!(records, [r#"{"x": 1.50,"y":"\u00e9"}"#, "7"]);
        assert_eq!(records_at("c", b"[]", "").unwrap().unwrap(), Vec::<String>::new());
        assert_eq!(records_at("c", PAGE, "/none/at/all").unwrap(), None);
        assert_eq!(records_at("c", PAGE, "/no").unwrap(), None);
        assert!(records_at("c", PAGE, "/data").is_err());
        assert!(records_at("c", b"{\"a\":[1", "/a").is_err());
        assert!(records_at("c", &b"[".repeat(100_000), "").is_err());
    }

    #[test]
    fn single_values_are_text() {
        let at = |pointer| text_at(PAGE, pointer);
        assert_eq!(at("/next").as_deref(), Some("c"));
        assert_eq!(at("/n").as_deref(), Some("12"));
        assert_eq!(at("/more").as_deref(), Some("false"));
        assert_eq!(at("/data/a~1b/0/y").as_deref(), Some("\u{e9}"));
        for nothing in ["/no", "/e", "/data", "/data/a~1b/9", "/none", ""] {
            assert_eq!(at(nothing), None, "{nothing}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body: Vec<u8>, pointer in "(/[a-z0-9~]{0,3}){0,3}") {
            drop(records_at("c", &body, &pointer));
            drop(text_at(&body, &pointer));
        }
    }
}
