//! Members and elements of JSON text, in place.
//!
//! The text was checked when the record was normalised, so nothing is checked again: malformed text gives
//! fewer members, never a panic. Nothing recurses here.

use std::borrow::Cow;

use memchr::{memchr2, memchr3};

/// How deep values are followed, as deep as records may nest.
pub(crate) const MAX_DEPTH: usize = 64;

/// The members of an object as (name, value) in JSON text; none if `json` is no object.
pub(crate) fn members(json: &str) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
    let mut cursor = Cursor::inside(json, b'{');
    std::iter::from_fn(move || {
        let key = cursor.value()?;
        cursor.expect(b':')?;
        let value = cursor.value()?;
        cursor.comma();
        Some((text(key)?, value))
    })
}

/// The elements of a list; none if `json` is no list.
pub(crate) fn elements(json: &str) -> impl Iterator<Item = &str> {
    let mut cursor = Cursor::inside(json, b'[');
    std::iter::from_fn(move || {
        let value = cursor.value()?;
        cursor.comma();
        Some(value)
    })
}

/// The content of a JSON string; what cannot be unescaped (half a surrogate pair) stays as it is written.
pub(crate) fn text(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    Some(sonic_rs::from_str::<String>(json).map_or(Cow::Borrowed(inner), Cow::Owned))
}

/// The text without white space between its tokens.
pub(crate) fn compact(json: &str) -> Cow<'_, str> {
    let is_space = |byte: u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
    if !json.bytes().any(is_space) {
        return Cow::Borrowed(json);
    }
    let mut compact = String::with_capacity(json.len());
    let mut rest = json;
    while let Some((before, after)) = rest.split_once('"') {
        compact.extend(before.chars().filter(|char| !char.is_ascii_whitespace()));
        let end = string_end(after.as_bytes(), 0).unwrap_or(after.len());
        compact.push('"');
        compact.push_str(after.get(..end).unwrap_or_default());
        rest = after.get(end..).unwrap_or_default();
    }
    compact.extend(rest.chars().filter(|char| !char.is_ascii_whitespace()));
    Cow::Owned(compact)
}

/// The end of a string, behind its closing quote; `at` is behind the opening one.
fn string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            _ => at += 2,
        }
    }
}

struct Cursor<'j> {
    json: &'j str,
    at: usize,
}

impl<'j> Cursor<'j> {
    /// Behind the opening bracket; at the end if there is none.
    fn inside(json: &'j str, open: u8) -> Self {
        let mut cursor = Self { json, at: 0 };
        if cursor.expect(open).is_none() {
            cursor.at = json.len();
        }
        cursor
    }

    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.json.as_bytes().get(self.at)? {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn comma(&mut self) {
        if self.peek() == Some(b',') {
            self.at += 1;
        }
    }

    /// The next value as it is written.
    fn value(&mut self) -> Option<&'j str> {
        let bytes = self.json.as_bytes();
        let first = self.peek()?;
        let start = self.at;
        let end = match first {
            b'"' => string_end(bytes, start + 1)?,
            b'{' => container_end(bytes, start, b'{', b'}')?,
            b'[' => container_end(bytes, start, b'[', b']')?,
            b'}' | b']' | b',' | b':' => return None,
            _ => {
                let rest = bytes.get(start..)?;
                let stop = |byte: &u8| {
                    matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t' | b':' | b'"')
                };
                start + rest.iter().position(stop).unwrap_or(rest.len())
            }
        };
        self.at = end;
        self.json.get(start..end)
    }
}

/// The end of an object or list. Brackets of the other kind pair up inside by themselves.
fn container_end(bytes: &[u8], start: usize, open: u8, close: u8) -> Option<usize> {
    let mut at = start;
    let mut depth = 0usize;
    loop {
        at += memchr3(b'"', open, close, bytes.get(at..)?)?;
        let byte = *bytes.get(at)?;
        at += 1;
        if byte == b'"' {
            at = string_end(bytes, at)?;
        } else if byte == open {
            depth += 1;
        } else {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn members_and_elements() {
        let json = r#" { "a" : 1 , "b":{"c":[1,"}"]}, "d\"e":"x\\", "f":[ ] ,"g":null} "#;
        let found: Vec<_> = members(json).map(|(key, value)| (key.into_owned(), value)).collect();
        let expected =
            [("a", "1"), ("b", r#"{"c":[1,"}"]}"#), ("d\"e", r#""x\\""#), ("f", "[ ]"), ("g", "null")];
        assert_eq!(found, expected.map(|(key, value)| (key.to_owned(), value)));
        let found: Vec<_> = elements(r#"[1, "a,b", [2, 3], {"x": [4]}, -1.5e3, true]"#).collect();
        assert_eq!(found, ["1", "\"a,b\"", "[2, 3]", r#"{"x": [4]}"#, "-1.5e3", "true"]);
        assert_eq!(members("[1]").count(), 0);
        assert_eq!(elements("{}").count(), 0);
        assert_eq!(elements("[]").count(), 0);
    }

    #[test]
    fn texts_are_unescaped() {
        assert_eq!(text(r#""plain""#).unwrap(), "plain");
        assert_eq!(text(r#""a\"b\\cé\/""#).unwrap(), "a\"b\\cé/");
        assert_eq!(text(r#""\ud800""#).unwrap(), r"\ud800");
        assert_eq!(text("1"), None);
    }

    #[test]
    fn white_space_goes_but_not_in_strings() {
        assert_eq!(compact("{\n \"a b\" : [1, \"\\\" x\"] }"), r#"{"a b":[1,"\" x"]}"#);
        assert!(matches!(compact(r#"{"a":1}"#), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[{}\\[\\]\",:\\\\a1 é]{0,40}") {
            let _ = members(&text).count();
            let _ = elements(&text).count();
            let _ = compact(&text);
        }
    }
}
