//! Lines of access logs: words between blanks, some in quotes, times in brackets.

use crate::row::Row;

/// The longest line, in bytes: load balancers and S3 cut addresses and agents at a tenth of that.
pub(crate) const MAX_LINE_BYTES: usize = 64 << 10;

/// So many words behind the last that is known are looked at.
const MAX_MORE: usize = 32;

/// The words of a line, without their quotes or brackets.
///
/// Quotes within quotes, which S3 writes as they came in a user agent, take no other field with them: a quote
/// closes that stands before a blank or the end of the line and leaves an even number of them behind.
#[derive(Debug, Clone)]
pub(crate) struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    /// The words of `line`.
    pub(crate) fn of(line: &'a str) -> Self {
        Self { rest: line }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest.trim_start_matches(' ');
        if rest.is_empty() {
            self.rest = rest;
            return None;
        }
        let closed = match rest.as_bytes().first() {
            Some(b'"') => enclosed(rest, '"'),
            Some(b'[') => enclosed(rest, ']'),
            _ => None,
        };
        let (word, rest) = closed.unwrap_or_else(|| rest.split_once(' ').unwrap_or((rest, "")));
        self.rest = rest;
        Some(word)
    }
}

/// What stands between the first character and `close`, and what follows.
fn enclosed(text: &str, close: char) -> Option<(&str, &str)> {
    let inner = text.get(1..)?;
    let bytes = inner.as_bytes();
    let escaped = |at: usize| at > 0 && bytes.get(at - 1) == Some(&b'\\');
    let closing = || inner.match_indices(close).map(|(at, _)| at).filter(|at| !escaped(*at));
    let ends_word = |at: &usize| matches!(bytes.get(at + 1), None | Some(b' '));
    let count = closing().count();
    let end = match close {
        '"' => closing()
            .zip((0..count).rev())
            .find(|(at, left)| ends_word(at) && left % 2 == 0)
            .map(|(at, _)| at),
        _ => None,
    };
    let end = end.or_else(|| closing().find(ends_word))?;
    Some((inner.get(..end)?, inner.get(end + 1..)?))
}

/// Keeps the words behind the last that is known: `known` is how many are.
pub(crate) fn keep_more(mut words: Words<'_>, known: usize, row: &mut Row<'_>) {
    for (place, word) in (known + 1..).zip(words.by_ref().take(MAX_MORE)) {
        row.keep_text("", &format!("field-{place}"), word);
    }
    if !words.rest.is_empty() {
        row.keep_text("", "more-fields", words.rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_quotes_and_brackets() {
        let words = |line| Words::of(line).collect::<Vec<_>>();
        assert_eq!(words("a  b"), ["a", "b"]);
        assert_eq!(
            words(r#"[06/Feb/2026:00:00:38 +0000] "GET / HTTP/1.1" - "" x"#),
            ["06/Feb/2026:00:00:38 +0000", "GET / HTTP/1.1", "-", "", "x"]
        );
        assert_eq!(words(r#""an "odd" agent" 1"#), [r#"an "odd" agent"#, "1"]);
        assert_eq!(words(r#""a \" b" 1"#), [r#"a \" b"#, "1"]);
        assert_eq!(words(r#""open 1"#), [r#""open"#, "1"]);
        assert_eq!(words(""), [""; 0]);
        assert_eq!(words("[2001:db8::1]:80 x"), ["[2001:db8::1]:80", "x"]);
    }
}
