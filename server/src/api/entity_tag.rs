//! Lists of entity tags, as `If-Match` and `If-None-Match` have them (RFC 9110, 8.8.3 and 13.1).

use axum::http::{HeaderMap, HeaderName};

/// The most entity tags that a request may name.
const MOST: usize = 16;

/// What a header says of what the sender knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tags {
    /// `*`: whatever there is.
    Any,
    /// Any one of these; never none.
    Listed(Vec<EntityTag>),
}

/// A tag of a representation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntityTag {
    /// Whether it stands for all that are alike, and not for one to the byte: `W/"…"`.
    pub(super) is_weak: bool,
    /// What is between its quotation marks, which may be any bytes but these and blanks.
    pub(super) opaque: Vec<u8>,
}

/// The header is there and is no list of tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Reads all lines of the header `name`; `None` where there is no such line.
///
/// # Errors
/// It is neither `*` nor a list of one to 16 tags. An empty one is none either: to take it for "no condition"
/// would change what the sender wanted guarded.
pub(super) fn read(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, Malformed> {
    let lines: Vec<&[u8]> = headers.get_all(name).iter().map(|value| value.as_bytes()).collect();
    if lines.is_empty() {
        return Ok(None);
    }
    // Several lines are one list (RFC 9110, 5.3).
    let whole = lines.join(&b","[..]);
    if whole.trim_ascii() == b"*" {
        return Ok(Some(Tags::Any));
    }
    let tags = list(&whole)?;
    if tags.is_empty() { Err(Malformed) } else { Ok(Some(Tags::Listed(tags))) }
}

fn list(text: &[u8]) -> Result<Vec<EntityTag>, Malformed> {
    let mut tags = Vec::new();
    let mut rest = text.trim_ascii_start();
    while !rest.is_empty() {
        // Empty elements are passed over (RFC 9110, 5.6.1.2).
        if let Some(after) = rest.strip_prefix(b",") {
            rest = after.trim_ascii_start();
            continue;
        }
        let (tag, after) = one(rest).ok_or(Malformed)?;
        tags.push(tag);
        rest = after.trim_ascii_start();
        if tags.len() > MOST || !(rest.is_empty() || rest.starts_with(b",")) {
            return Err(Malformed);
        }
    }
    Ok(tags)
}

/// The tag at the beginning, and what is behind it.
fn one(text: &[u8]) -> Option<(EntityTag, &[u8])> {
    let strong = text.strip_prefix(b"W/");
    let inner = strong.unwrap_or(text).strip_prefix(b"\"")?;
    let end = inner.iter().position(|byte| *byte == b'"')?;
    let (opaque, after) = inner.split_at_checked(end)?;
    let is_good = opaque.iter().all(|byte| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..));
    let tag = EntityTag { is_weak: strong.is_some(), opaque: opaque.to_vec() };
    is_good.then_some((tag, after.strip_prefix(b"\"")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderValue, header};
    use proptest::prelude::*;

    fn read_lines(lines: &[&[u8]]) -> Result<Option<Tags>, Malformed> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::IF_MATCH, HeaderValue::from_bytes(line).unwrap());
        }
        read(&headers, &header::IF_MATCH)
    }

    fn listed(tags: &[(bool, &str)]) -> Result<Option<Tags>, Malformed> {
        let tag = |(is_weak, text): &(bool, &str)| EntityTag {
            is_weak: *is_weak,
            opaque: text.as_bytes().to_vec(),
        };
        Ok(Some(Tags::Listed(tags.iter().map(tag).collect())))
    }

    #[test]
    fn lists_are_read_as_the_standard_says() {
        assert_eq!(read_lines(&[]), Ok(None));
        assert_eq!(read_lines(&[b"*"]), Ok(Some(Tags::Any)));
        assert_eq!(read_lines(&[b" * "]), Ok(Some(Tags::Any)));
        assert_eq!(read_lines(&[b"\"a\""]), listed(&[(false, "a")]));
        assert_eq!(read_lines(&[b"W/\"a\""]), listed(&[(true, "a")]));
        assert_eq!(read_lines(&[b"\"\""]), listed(&[(false, "")]));
        // A comma within a tag is a part of it, and empty elements are passed over.
        assert_eq!(read_lines(&[b"\"a,b\" ,, W/\"c\",\t"]), listed(&[(false, "a,b"), (true, "c")]));
        assert_eq!(read_lines(&[b"", b"\"a\"", b"\"b\""]), listed(&[(false, "a"), (false, "b")]));
        assert!(read_lines(&[&[b'"', 0xe9, b'"']]).is_ok());
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for bad in [
            "",
            " ",
            ",",
            ", ,",
            "a",
            "\"a",
            "a\"",
            "\"",
            "w/\"a\"",
            "W/a",
            "W/ \"a\"",
            "\"a b\"",
            "\"a\"\"b\"",
            "\"a\" \"b\"",
            "*, \"a\"",
            "\"a\", *",
            "**",
            "'a'",
        ] {
            assert_eq!(read_lines(&[bad.as_bytes()]), Err(Malformed), "{bad}");
        }
        assert_eq!(read_lines(&[b"*", b"\"a\""]), Err(Malformed));
        assert!(read_lines(&[vec!["\"a\""; MOST].join(",").as_bytes()]).is_ok());
        assert_eq!(read_lines(&[vec!["\"a\""; MOST + 1].join(",").as_bytes()]), Err(Malformed));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            drop(list(&bytes));
        }

        #[test]
        fn what_is_written_is_read(tags in proptest::collection::vec((any::<bool>(), "[!#-~]{0,12}"), 1..=MOST)) {
            let written: Vec<_> =
                tags.iter().map(|(is_weak, text)| format!("{}\"{text}\"", if *is_weak { "W/" } else { "" })).collect();
            let tags: Vec<_> = tags.iter().map(|(is_weak, text)| (*is_weak, text.as_str())).collect();
            prop_assert_eq!(read_lines(&[written.join(", ").as_bytes()]), listed(&tags));
        }
    }
}
